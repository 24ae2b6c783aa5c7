// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// conclude says all in one sentence, and the line of YAML that would change it; empty: there is none.
func (t *traced) conclude(r *state.TraceResult) (sentence, yaml string) {
	switch r.Outcome {
	case state.TraceElsewhere:
		return fmt.Sprintf("not of extension %s: it belongs to extension %s, which can be traced in its turn", t.x.Name, t.elsewhere), ""
	case state.TraceHost:
		return "left to the host: it is no frame of ours", ""
	case state.TraceDropped:
		sentence = fmt.Sprintf("dropped as %s", r.Reason)
		if detail := t.detailOf(r, state.StageDrop); detail != "" {
			sentence += ": " + detail
		}
		yaml = t.remedy(r.Reason)
	default:
		sentence = "forwarded " + t.destinationText(r.Leaves)
		if len(r.WouldDrop) > 0 {
			sentence += fmt.Sprintf("; in mode enforce it would be dropped as %s: %s", r.WouldDrop[0], t.detailOf(r, state.StageWouldDrop))
			yaml = t.remedy(r.WouldDrop[0])
		}
	}
	switch {
	case yaml == "":
	case r.Outcome == state.TraceDropped:
		sentence += fmt.Sprintf("; `%s` lets it pass", yaml)
	default:
		sentence += fmt.Sprintf("; `%s` would let it pass then too", yaml)
	}
	return sentence, yaml
}

// detailOf is what the stage with a verdict says.
func (t *traced) detailOf(r *state.TraceResult, verdict string) string {
	for _, s := range r.Stages {
		if s.Verdict == verdict {
			return s.Detail
		}
	}
	return ""
}

func (t *traced) destinationText(leaves []state.TraceLeaving) string {
	if t.dir == l2.ToCustomer {
		return fmt.Sprintf("to the customer by %s, VLAN %s", t.x.NIC, t.x.VLAN)
	}
	if len(leaves) == 1 {
		return fmt.Sprintf("to %s, VNI %d", wayText(leaves[0]), t.x.VNI)
	}
	var vteps []string
	for _, l := range leaves {
		vteps = append(vteps, l.VTEP.String())
	}
	return fmt.Sprintf("in %d copies, to the VTEPs %s, VNI %d", len(leaves), strings.Join(vteps, ", "), t.x.VNI)
}

// remedy is the line that would let the frame pass, as it stands under the extension; what has no line that is
// wise has none.
func (t *traced) remedy(reason string) string {
	g := &t.x.Guards
	switch reason {
	case "raised", "malformed", "bad-source", "same-side", "split-horizon", "no-next-hop", "no-circuit", "tunnel-header", "half-raised", "unknown-vni":
		return ""
	case "unknown-vtep":
		return t.peerRemedy()
	case "inner-vlan":
		if t.x.Inner.AllowAll || t.x.Mode != state.Enforce { // it would be another circuit's
			return ""
		}
		return "guard: {inner-vlan: [" + strings.Join(t.innerRemedy(), ", ") + "]}"
	case "control-frame":
		if name := controlName(t.inner); isTunnellable(name) {
			return fmt.Sprintf("guard: {control-frames: {%s: tunnel}}", name)
		}
		return ""
	case "address-protected":
		return "guard: {protect: [" + strings.Join(t.protectRemedy(), ", ") + "]}"
	case "mac-limit":
		return fmt.Sprintf("guard: {macs: {limit: %d}}", min(2*uint64(t.x.MACLimit), 1<<20))
	case "mac-rate":
		return fmt.Sprintf("guard: {macs: {rate: %d/s}}", 2*g.Learn.PerSecond)
	case "mac-move":
		return fmt.Sprintf("guard: {macs: {moves: %d/%ds}}", min(2*uint64(g.Moves.Count), 1000), max(1, int(g.Moves.Window.Seconds())))
	case "bandwidth":
		return t.bandwidthRemedy()
	case "cpu-budget":
		return fmt.Sprintf("guard: {cpu: %d%%}", min(2*int(g.CPU), 100))
	}
	if service, ok := strings.CutPrefix(reason, "service-"); ok {
		return fmt.Sprintf("guard: {services: {%s: both}}", service)
	}
	if strings.HasPrefix(reason, "storm-") {
		return t.stormRemedy()
	}
	return "" // mac-pinned: the operator said where it lives; too-big: that is the underlay's
}

// peerRemedy lets another VTEP in. It stands under overlay.
func (t *traced) peerRemedy() string {
	peers := slices.Concat(t.x.Peers, []netip.Addr{t.from})
	if slices.Contains(t.x.Peers, t.from) || t.vni != uint32(t.x.VNI) {
		return ""
	}
	return "overlay: {peers: " + addrList(peers) + "}"
}

func addrList(addrs []netip.Addr) string {
	var text []string
	for _, a := range addrs {
		text = append(text, quoted(a.String()))
	}
	return "[" + strings.Join(text, ", ") + "]"
}

// quoted puts quotes around what YAML would read as something else.
func quoted(s string) string {
	if strings.Contains(s, ":") {
		return strconv.Quote(s)
	}
	return s
}

func (t *traced) innerRemedy() []string {
	var vids []string
	for _, v := range t.x.Inner.Allowed {
		vids = append(vids, fmt.Sprint(v))
	}
	for _, v := range innerVIDs(t.inner) {
		if !slices.Contains(vids, v) {
			vids = append(vids, v)
		}
	}
	return vids
}

// protectRemedy is the list without what the frame claims.
func (t *traced) protectRemedy() []string {
	claimed := []netip.Addr{}
	src, _ := t.parsed.Addrs()
	claimed = append(claimed, src)
	if t.parsed.ARP != nil {
		claimed = append(claimed, t.parsed.ARP.SenderIP)
	}
	if t.parsed.ICMPv6 != nil && len(t.parsed.Payload) >= 16 {
		claimed = append(claimed, netip.AddrFrom16([16]byte(t.parsed.Payload[:16])))
	}
	var left []string
	for _, a := range t.x.Guards.Protected {
		if !slices.Contains(claimed, a) {
			left = append(left, quoted(a.String()))
		}
	}
	return left
}

func (t *traced) bandwidthRemedy() string {
	way, limit := "to-cloud", t.x.Guards.ToCloud
	if t.dir == l2.ToCustomer {
		way, limit = "to-customer", t.x.Guards.ToCustomer
	}
	return fmt.Sprintf("guard: {bandwidth: {%s: %s}}", way, bitsText(2*limit.PerSecond))
}

// stormRemedy raises the class's rate; of one destination that is no broadcast its flood may be wanted.
func (t *traced) stormRemedy() string {
	g := &t.x.Guards
	if t.isFloodWanted() {
		return fmt.Sprintf("guard: {flood: {rate: %dpps}}", 2*g.Flood.PerSecond)
	}
	class := t.stormClass()
	if class == state.StormMulticast || class == state.StormUnknownUnicast {
		var allowed []string
		for _, p := range g.FloodAllow {
			allowed = append(allowed, strconv.Quote(fmt.Sprintf("%s/%d", p.MAC, p.Bits)))
		}
		allowed = append(allowed, strconv.Quote(l2.MAC(t.inner[:6]).String()))
		return fmt.Sprintf("guard: {flood: {allow: [%s]}}", strings.Join(allowed, ", "))
	}
	return fmt.Sprintf("guard: {storm: {%s: %dpps}}", stormNames[class], 2*g.Storm[class].PerSecond)
}
