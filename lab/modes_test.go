// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// offences are frames from the customer that guards of profile hosted are against, by the reason.
func offences(b *bench) map[string]frame.Packet {
	host := b.Host("acme", 0)
	return map[string]frame.Packet{
		"inner-vlan": frame.Ethernet{Dst: l2.Broadcast, Src: host.MAC}.With(
			frame.VLAN{ID: 7, Type: frame.Set(markType)}, label(evil, 1)).Padded(60),
		"control-frame": frame.Ethernet{Dst: b.VM("acme", 0, 0).MAC, Src: host.MAC, Type: frame.Set(0x88cc)}.With(label(evil, 2)).Padded(60),
		"service-router": frame.Ethernet{Dst: l2.MAC{0x33, 0x33, 0, 0, 0, 1}, Src: host.MAC}.With(
			frame.IPv6{Src: linkLocal, Dst: groupAllNodes}, frame.ICMPv6{Type: frame.RouterAdvertisement},
			frame.Raw(make([]byte, 8)), label(evil, 3)),
		"address-protected": frame.Ethernet{Dst: b.VM("acme", 0, 0).MAC, Src: host.MAC}.With(
			frame.IPv4{Src: hostAddr(host, 1), Dst: b.VM("acme", 0, 0).IPv4.Addr()}, frame.UDP{SrcPort: 7, DstPort: 9}, label(evil, 4)),
	}
}

// TestModes: enforce drops, observe counts and forwards, off forwards; each offence under its reason.
func TestModes(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{})
		b.meet("acme")
		for _, mode := range []string{"enforce", "observe", "off"} {
			b.setMode(mode)
			for reason, p := range offences(b) {
				b.wantTreated(mode, reason, p)
			}
			b.wantStormTreated(mode)
		}
	})
}

func (b *bench) setMode(mode string) {
	b.Helper()
	b.config.Extensions[0].Guard = fmt.Sprintf("{mode: %s, profile: hosted, protect: [%v]}", mode, hostAddr(b.Host("acme", 0), 1))
	must(b.T, b.daemon.Reconfigure(b.config))
}

// wantTreated sends an offence and wants it dropped, counted or forgotten, as the mode is.
func (b *bench) wantTreated(mode, reason string, p frame.Packet) {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	before := b.status().Extension("acme").ToCloud
	seen, err := vm.Capture(vm.Link, func(f lab.Frame) bool { return labelled(f.Data, evil) >= 0 || isMark(f) })
	must(b.T, err)
	must(b.T, host.Send(host.Link, p, mark(host.MAC, vm.MAC, 9)))
	b.waitMark(seen, 9)
	passed := uint64(seen.Count() - 1)
	b.closeAll(seen)
	after := b.status().Extension("acme").ToCloud
	dropped, would := after.Drops[reason]-before.Drops[reason], after.WouldDrop[reason]-before.WouldDrop[reason]
	want := map[string][3]uint64{"enforce": {0, 1, 0}, "observe": {1, 0, 1}, "off": {1, 0, 0}}[mode]
	if got := [3]uint64{passed, dropped, would}; got != want {
		b.Errorf("mode %s, %s: passed, dropped, would be dropped: %v, want %v", mode, reason, got, want)
	}
}

// wantStormTreated sends three times a class's burst.
func (b *bench) wantStormTreated(mode string) {
	b.Helper()
	const count, burst = 600, 200
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	before := b.status().Extension("acme").ToCloud
	marks := b.watch(vm.NS, vm.Link)
	sender, err := host.Sender(host.Link)
	must(b.T, err)
	defer sender.Close()
	for range count {
		must(b.T, sender.SendPackets(mark(host.MAC, l2.Broadcast, 1)))
	}
	must(b.T, sender.SendPackets(mark(host.MAC, vm.MAC, 2)))
	b.waitMark(marks, 2)
	passed := countMarks(marks, 1, nil)
	b.closeAll(marks)
	after := b.status().Extension("acme").ToCloud
	sum := func(now, then map[string]uint64) (n uint64) {
		for _, reason := range []string{"storm-broadcast", "storm-source"} {
			n += now[reason] - then[reason]
		}
		return n
	}
	dropped, would := sum(after.Drops, before.Drops), sum(after.WouldDrop, before.WouldDrop)
	if ok := map[string]bool{
		"enforce": passed < count-burst && dropped == uint64(count-passed) && would == 0,
		"observe": passed == count && dropped == 0 && would > burst,
		"off":     passed == count && dropped == 0 && would == 0,
	}[mode]; !ok {
		b.Errorf("mode %s: of %d broadcasts %d passed, %d were dropped, %d would have been", mode, count, passed, dropped, would)
	}
}

// TestModeChange: a reload from one mode to another loses no frame and doubles none.
func TestModeChange(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		b.meet("acme")
		b.wantUndisturbed(func() {
			for _, mode := range []string{"observe", "off", "enforce", "off", "observe", "enforce"} {
				b.setMode(mode)
			}
		})
	})
}
