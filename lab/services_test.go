// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// roomy keeps the guards of storms out of the way of what is tested here.
const roomy = "storm: {arp-nd: 100000pps, dhcp: 100000pps, broadcast: 100000pps, multicast: 100000pps, unknown-unicast: 100000pps}"

const hosted = "{profile: hosted, " + roomy + "}"

// TestEvasions: of what a customer under profile hosted may not serve, nothing reaches the cloud, however it is wrapped;
// of what it may send, everything does.
func TestEvasions(t *testing.T) {
	count := setting("LAB_FRAMES", 10000)
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{}, guarded(hosted))
		b.meet("acme")
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		for seed := range setting("LAB_SEEDS", 1) {
			c := newCrafter(uint64(seed), host, vm)
			if passed := b.deliver(c.rogue, count, evil); len(passed) > 0 {
				t.Errorf("seed %d: %d of %d rogue frames reached the cloud:%s", seed, len(passed), count, examples(passed))
			}
			lost := b.undelivered(c.honest, count)
			if len(lost) > 0 {
				t.Errorf("seed %d: %d of %d honest frames did not reach the cloud:%s", seed, len(lost), count, examples(lost))
			}
		}
		b.wantServiceDrops()

		// The same under profile stretched, undisguised: they are frames that could pass.
		b.config.Extensions[0].Guard = "{" + roomy + "}"
		must(t, b.daemon.Reconfigure(b.config))
		c := newCrafter(1, host, vm)
		if passed := b.deliver(c.plainRogue, 130, evil); len(passed) != 130 {
			t.Errorf("%d of 130 undisguised servers' frames crossed under profile stretched", len(passed))
		}
	})
}

// deliver sends crafted frames from the customer and returns those that came to the VM they were for.
func (b *bench) deliver(craft func(int) crafted, count int, word string) []crafted {
	b.Helper()
	_, came := b.sendCrafted(craft, count, word)
	return came
}

// undelivered sends crafted frames and returns those that did not come.
func (b *bench) undelivered(craft func(int) crafted, count int) []crafted {
	b.Helper()
	missing, _ := b.sendCrafted(craft, count, good)
	return missing
}

func (b *bench) sendCrafted(craft func(int) crafted, count int, word string) (missing, came []crafted) {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	capture, err := vm.Capture(vm.Link, func(f lab.Frame) bool { return labelled(f.Data, word) >= 0 })
	must(b.T, err)
	sender, err := host.Sender(host.Link)
	must(b.T, err)
	sent := make([]crafted, count)
	for i := range sent {
		sent[i] = craft(i)
		must(b.T, sender.Send(sent[i].data))
	}
	last := frame.Ethernet{Dst: vm.MAC, Src: host.MAC, Type: frame.Set(markType)}.With(label(word, count)).Padded(60)
	must(b.T, sender.SendPackets(last))
	must(b.T, sender.Close())
	arrived := make([]bool, count+1)
	must(b.T, lab.Wait(patience, "the last frame", func() error {
		for _, f := range capture.Frames() {
			if n := labelled(f.Data, word); n <= count {
				arrived[n] = true
			}
		}
		if !arrived[count] {
			return fmt.Errorf("not among %d", capture.Count())
		}
		return nil
	}))
	b.closeAll(capture)
	for i, f := range sent {
		if arrived[i] {
			came = append(came, f)
		} else {
			missing = append(missing, f)
		}
	}
	return missing, came
}

// labelled is the number of the label with this word in a frame, -1 without one.
func labelled(data []byte, word string) int {
	i := bytes.Index(data, append([]byte{0xfd, 2}, word...))
	if i < 0 || len(data) < i+10 {
		return -1
	}
	return int(binary.BigEndian.Uint32(data[i+6:]))
}

// examples are a few frames with what they are, one of each kind.
func examples(frames []crafted) string {
	text, seen := "", map[string]bool{}
	for _, f := range frames {
		if !seen[f.kind] && len(seen) < 12 {
			text += fmt.Sprintf("\n%s: %x", f.kind, f.data[:min(len(f.data), 140)])
		}
		seen[f.kind] = true
	}
	return text
}

// wantServiceDrops wants that each service was among the reasons.
func (b *bench) wantServiceDrops() {
	b.Helper()
	drops := b.status().Extension("acme").ToCloud.Drops
	b.Logf("dropped: %v", drops)
	for _, reason := range []string{"service-dhcp", "service-router", "service-fhrp", "service-querier", "malformed", "inner-vlan"} {
		if drops[reason] == 0 {
			b.Errorf("nothing was dropped as %s: %v", reason, drops)
		}
	}
}

// TestUntaggedEvasions: on an untagged circuit, a tag of VLAN 0 is taken off, and hides nothing.
func TestUntaggedEvasions(t *testing.T) {
	b := start(t, "tc", lab.Config{Extensions: []lab.ExtSpec{{Name: "acme", VNI: 10100}}}, guarded(hosted))
	b.meet("acme")
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	c := newCrafter(1, host, vm)
	inTag := func(data []byte) []byte {
		return append(append(append([]byte(nil), data[:12]...), 0x81, 0x00, 0xe0, 0x00), data[12:]...)
	}
	rogue := func(i int) crafted { f := c.plainRogue(i); return crafted{f.kind, inTag(f.data)} }
	if passed := b.deliver(rogue, 130, evil); len(passed) > 0 {
		t.Errorf("%d of 130 rogue frames reached the cloud in a tag of VLAN 0:%s", len(passed), examples(passed))
	}
	honest := func(i int) crafted { f := c.honest(i); return crafted{f.kind, inTag(f.data)} }
	if lost := b.undelivered(honest, 500); len(lost) > 0 {
		t.Errorf("%d of 500 honest frames in a tag of VLAN 0 were lost:%s", len(lost), examples(lost))
	}
}

var linkLocal, groupAllNodes = netip.MustParseAddr("fe80::bad"), netip.MustParseAddr("ff02::1")

// TestRogueServers: real ones. Under profile hosted a machine in the cloud that would believe any router or DHCP server
// does not hear the customer's, and the customer's host hears the cloud's.
func TestRogueServers(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{}, guarded("{profile: hosted}"))
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		b.meet("acme")
		for _, h := range []*lab.Host{host, vm} {
			must(t, h.Sysctl("ipv6/conf/"+h.Link+"/accept_ra", "2"))
		}
		must(t, host.ServeDHCP(hostAddr(host, 200), hostAddr(host, 200)))
		if lease, err := vm.RequestDHCP(vm.MAC, 2*time.Second); err == nil {
			t.Errorf("the customer's DHCP server leased %v to a machine in the cloud", lease)
		}
		must(t, host.StopDHCP())
		b.advertise(host)
		if n, err := vm.LearntRoutes(); err != nil || n != 0 {
			t.Errorf("a machine in the cloud learnt %d routes from the customer, %v", n, err)
		}
		b.advertise(vm)
		must(t, lab.Wait(patience, "the customer's host to believe the cloud's router", func() error {
			n, err := host.LearntRoutes()
			if err == nil && n == 0 {
				err = errors.New("no route was learnt")
			}
			return err
		}))
		must(t, vm.ServeDHCP(hostAddr(vm, 201), hostAddr(vm, 201)))
		_, err := host.RequestDHCP(host.MAC, 2*patience)
		must(t, err)
	})
}

// advertise has a machine play router, and waits until a mark that it sends next has crossed.
func (b *bench) advertise(router *lab.Host) {
	b.Helper()
	other := b.VM("acme", 0, 0)
	if router == other {
		other = b.Host("acme", 0)
	}
	marks := b.watch(other.NS, other.Link)
	for range 3 {
		must(b.T, router.Send(router.Link, frame.RouterAdvert(router.MAC, linkLocal, 1800)))
	}
	must(b.T, router.Send(router.Link, mark(router.MAC, l2.Broadcast, 1)))
	b.waitMark(marks, 1)
	b.closeAll(marks)
}
