// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func TestOffloadsByName(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	got, err := h.Offloads("eth1")
	must(t, err)
	if o, known := got[OffloadRxVLAN]; !known || !o.On || o.Fixed {
		t.Errorf("%s: %+v, known: %v", OffloadRxVLAN, o, known)
	}
	if o, known := got[OffloadLRO]; !known || o.On || !o.Fixed {
		t.Errorf("%s: %+v, known: %v", OffloadLRO, o, known)
	}
	must(t, h.set("eth1", RxVLAN, 0))
	if got, err = h.Offloads("eth1"); err != nil || got[OffloadRxVLAN].On {
		t.Errorf("%v %+v", err, got[OffloadRxVLAN])
	}
	if _, err := h.Offloads("eth9"); err == nil || !strings.Contains(err.Error(), "eth9") {
		t.Errorf("a device that is not there: %v", err)
	}
}

// Only offloads are repaired: whether the NIC is up, or hears what is not for it, is the daemon's business.
func TestRepairOffloads(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	wrong, err := h.planOffloads(&observed{Link: Link{Name: "eth1", Kind: KindDevice}}, state.EngineXDP)
	must(t, err)
	before := observeLink(t, h, "eth1")
	done, err := h.RepairOffloads("eth1", append(Saved{{"eth1", Promiscuous, 0}, {"eth1", Up, 0}}, wrong...))
	must(t, err)
	if !slices.Equal(done, Saved{{"eth1", RxVLAN, 1}}) {
		t.Errorf("changed %v", done)
	}
	if now, _ := h.offload("eth1", RxVLAN); now != 0 {
		t.Error("the offload is still on")
	}
	if after := observeLink(t, h, "eth1"); after.flags != before.flags {
		t.Errorf("flags were %x and are %x", before.flags, after.flags)
	}
}

func TestFirewallChains(t *testing.T) {
	h := fresh(t)
	const newTable, chainType = nftSubsystem, 7
	table := nl.NewRtAttr(1, nl.ZeroTerminated("guard"))
	chain := func(name string, hook, policy uint32) []nl.NetlinkRequestData {
		at := nl.NewRtAttr(unix.NLA_F_NESTED|nftChainHook, nil)
		at.AddRtAttr(nftHookNumber, be(hook))
		at.AddRtAttr(2, be(0))
		return []nl.NetlinkRequestData{table, nl.NewRtAttr(nftChainName, nl.ZeroTerminated(name)), at,
			nl.NewRtAttr(nftPolicy, be(policy)), nl.NewRtAttr(chainType, nl.ZeroTerminated("filter"))}
	}
	nftBatch(t, newTable, table)
	nftBatch(t, nftNewChain, chain("in", hookLocalIn, verdictDrop)...)
	nftBatch(t, nftNewChain, chain("out", 3, 1)...)
	nftBatch(t, nftNewChain, chain("through", 2, verdictDrop)...) // forwarding is not on our way

	want := []Chain{{Name: "inet guard in", Hook: "input", Drops: true}, {Name: "inet guard out", Hook: "output"}}
	if got := h.FirewallChains(port); !slices.Equal(got, want) {
		t.Fatalf("%+v", got)
	}
	nftBatch(t, nftNewRule, table, nl.NewRtAttr(nftRuleChain, nl.ZeroTerminated("in")), acceptRule(port+1))
	if got := h.FirewallChains(port)[0]; got.Accepts || got.Rules != 1 {
		t.Errorf("a rule for another port: %+v", got)
	}
	nftBatch(t, nftNewRule, table, nl.NewRtAttr(nftRuleChain, nl.ZeroTerminated("in")), acceptRule(port))
	if got := h.FirewallChains(port)[0]; !got.Accepts || got.Rules != 2 {
		t.Errorf("a rule for our port: %+v", got)
	}
}

// acceptRule is what nft sends for "th dport N accept".
func acceptRule(port uint16) *nl.RtAttr {
	nested := func(parent *nl.RtAttr, kind int) *nl.RtAttr { return parent.AddRtAttr(unix.NLA_F_NESTED|kind, nil) }
	list := nl.NewRtAttr(unix.NLA_F_NESTED|nftRuleExpressions, nil)
	expression := func(name string) *nl.RtAttr {
		e := nested(list, nftListElement)
		e.AddRtAttr(nftExprName, nl.ZeroTerminated(name))
		return nested(e, nftExprData)
	}
	const reg1, transport, equal = 1, 2, 0
	payload := expression("payload")
	for kind, value := range map[int]uint32{1: reg1, 2: transport, 3: 2, 4: 2} { // register, base, offset, length
		payload.AddRtAttr(kind, be(value))
	}
	cmp := expression("cmp")
	cmp.AddRtAttr(1, be(reg1))
	cmp.AddRtAttr(2, be(equal))
	nested(cmp, nftCmpData).AddRtAttr(nftDataValue, []byte{byte(port >> 8), byte(port)})
	immediate := expression("immediate")
	immediate.AddRtAttr(1, be(0)) // the verdict's register
	nested(nested(immediate, nftImmediateData), nftDataVerdict).AddRtAttr(nftVerdictCode, be(verdictAccept))
	return list
}

// The former iptables is asked by a look at it, which makes the tables: both chains accept, and have no rule.
func TestLegacyChains(t *testing.T) {
	h := fresh(t)
	if got := legacyChains(port); len(got) != 0 {
		t.Fatalf("there are chains already: %+v", got)
	}
	for _, family := range iptablesFamilies {
		family.filter(port)
	}
	got := h.FirewallChains(port)
	slices.SortFunc(got, func(a, b Chain) int { return strings.Compare(a.Name, b.Name) })
	want := []Chain{{Name: "ip6tables INPUT", Hook: "input"}, {Name: "ip6tables OUTPUT", Hook: "output"},
		{Name: "iptables INPUT", Hook: "input"}, {Name: "iptables OUTPUT", Hook: "output"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// Rules and then the policy, as ip_tables lays them out.
func TestLegacyPolicyAndRules(t *testing.T) {
	v4 := iptablesFamilies[0]
	var table []byte
	rule := func(verdict int32, match ...byte) {
		entry := append(make([]byte, v4.entry), match...)
		target := len(entry)
		entry = append(entry, make([]byte, iptStandardVerdict+8)...)
		copy(entry[v4.targetOffset:], []byte{byte(target), 0, byte(len(entry)), byte(len(entry) >> 8)})
		copy(entry[target+iptStandardVerdict:], words(uint32(verdict)))
		table = append(table, entry...)
	}
	udp := func(from, to uint16) []byte {
		match := make([]byte, iptMatchHeader+16)
		match[0] = byte(len(match))
		copy(match[2:], "udp")
		for i, v := range []uint16{0, 65535, from, to} {
			binary.NativeEndian.PutUint16(match[iptMatchHeader+2*i:], v)
		}
		return match
	}
	rule(iptAccept)
	rule(iptAccept, udp(53, 53)...)
	rule(iptDrop, udp(port, port)...)
	policy := len(table)
	rule(iptDrop)
	if got := v4.chain(table, 0, policy, port); got != (Chain{Drops: true, Rules: 3}) {
		t.Errorf("no rule accepts the port: %+v", got)
	}
	if got := v4.chain(table[:policy+10], 0, policy, port); got.Drops {
		t.Errorf("what is cut off drops: %+v", got)
	}
	rule(iptAccept, udp(port, port)...)
	if got := v4.chain(table, policy, len(table), port); !got.Accepts {
		t.Errorf("a rule accepts the port: %+v", got)
	}
}

func TestReadSystem(t *testing.T) {
	s := ReadSystem()
	if s.Release == "" || !s.BTF || !s.JIT || s.Memlock == 0 || s.MemAvailable == 0 || s.Clock.Now.IsZero() {
		t.Errorf("%+v", s)
	}
}

func TestKernelBuilt(t *testing.T) {
	for version, want := range map[string]string{
		"#1 SMP PREEMPT_DYNAMIC Debian 6.12.43-1 (2025-08-27)":        "2025-08-27",
		"#1 SMP Mon Jun  2 12:00:00 UTC 2025":                         "2025-06-02",
		"#45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 12:02:04 UTC 2024": "2024-08-30",
		"#1 SMP": "0001-01-01",
	} {
		if got := kernelBuilt(version).Format(time.DateOnly); got != want {
			t.Errorf("%q: %s, want %s", version, got, want)
		}
	}
}

func TestReversePathFilter(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	for _, tt := range []struct {
		all, own string
		want     int
	}{{"0", "0", 0}, {"1", "0", 1}, {"1", "2", 2}} {
		sysctl(t, h.ns, "net/ipv4/conf/all/rp_filter", tt.all)
		sysctl(t, h.ns, "net/ipv4/conf/eth1/rp_filter", tt.own)
		if got := h.ReversePathFilter("eth1"); got != tt.want {
			t.Errorf("all %s, own %s: %d", tt.all, tt.own, got)
		}
	}
}

func TestAskStation(t *testing.T) {
	p := newPath(t, 1500)
	// The station is behind a switch; eth1 has no address, as a customer's NIC.
	must(t, p.betweenN.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", TxQLen: -1}}))
	for _, port := range []string{"near", "far"} {
		must(t, p.betweenN.LinkSetMaster(link(t, p.betweenN, port), link(t, p.betweenN, "br0")))
	}
	up(t, p.betweenN, "br0")
	address(t, p.peerN, "eth0", "10.1.0.1/24")
	ask := func(circuit l2.VLAN, station string) bool {
		answered, err := p.gateway.AskStation(t.Context(), "eth1", circuit, netip.MustParseAddr(station))
		must(t, err)
		return answered
	}
	eventually(t, "the station answers", func() bool { return ask(l2.VLAN{}, "10.1.0.1") })
	if ask(l2.SingleTag(2302), "10.1.0.1") {
		t.Error("an answer to a tagged question from a station without VLANs")
	}
	if ask(l2.VLAN{}, "10.1.0.2") {
		t.Error("an answer from nobody")
	}
	// A virtual switch without promiscuous mode hands over only what is for the NIC's own address.
	must(t, p.betweenN.LinkSetLearning(link(t, p.betweenN, "near"), false))
	must(t, p.betweenN.LinkSetFlood(link(t, p.betweenN, "near"), false))
	if ask(l2.VLAN{}, "10.1.0.1") {
		t.Error("an answer through a switch that lets nothing through")
	}
}
