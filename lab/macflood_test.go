// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// TestMACFlood: a million invented source addresses cost existing flows nothing, fill no more of the FDB than the limit,
// and no memory.
func TestMACFlood(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{Extensions: []lab.ExtSpec{
			{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100},
		}})
		b.acquaint("acme")
		b.floodMACs(10000) // what is made on demand is there now
		rss, maps := b.memory()
		places := b.places()

		for attempt := 1; ; attempt++ {
			reports := b.flowsDuring(func() { b.floodMACs(uint64(setting("LAB_MACS", 100_000))) })
			t.Logf("attempt %d: %v", attempt, reports)
			if reports[0].Lost+reports[1].Lost == 0 {
				break
			}
			if attempt == attempts {
				t.Errorf("existing flows lost frames: %v", reports)
				break
			}
		}

		b.wantPlaces(places)
		e := b.status().Extension("acme")
		if e.MACs.Customer > e.MACs.Limit || e.MACs.Limit != 1024 {
			t.Errorf("%d customer's MACs, limit %d", e.MACs.Customer, e.MACs.Limit)
		}
		if e.ToCloud.Drops["mac-limit"]+e.ToCloud.Drops["mac-rate"] == 0 {
			t.Errorf("nothing was dropped as mac-limit or mac-rate: %v", e.ToCloud.Drops)
		}
		rssNow, mapsNow := b.memory()
		t.Logf("daemon %d → %d KiB, maps %d → %d KiB", rss>>10, rssNow>>10, maps>>10, mapsNow>>10)
		if rssNow > rss+16<<20 {
			t.Errorf("the daemon grew from %d to %d KiB", rss>>10, rssNow>>10)
		}
		if mapsNow > maps+1<<20 {
			t.Errorf("the maps grew from %d to %d KiB", maps>>10, mapsNow>>10)
		}
	})
}

// TestQuotaComesBack: what a flood took of the quota is free again when the age of it is over, also while the daemon is frozen.
func TestQuotaComesBack(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		const age, limit, late = 4 * time.Second, 600, 3 * time.Second
		const patience = 5 * time.Second // how long the programs wait for the daemon (REAPER_PATIENCE of bpf/reap.h)
		b := start(t, engine, lab.Config{}, guarded(fmt.Sprintf("{macs: {age: %v, limit: %d, rate: 1000000/s}}", age, limit)))
		drops := func() uint64 { return b.status().Extension("acme").ToCloud.Drops["mac-limit"] }
		b.floodMACs(20 * limit)
		if n := b.status().Extension("acme").MACs.Customer; n != limit {
			t.Fatalf("%d MACs of the customer after a flood, limit %d", n, limit)
		}
		must(t, lab.Wait(age+late, "the quota to be free", func() error {
			if n := b.status().Extension("acme").MACs.Customer; n > 10 {
				return fmt.Errorf("%d of %d are taken", n, limit)
			}
			return nil
		}))
		before := drops()
		must(t, b.daemon.Freeze())
		b.floodMACs(20 * limit)
		<-time.After(age + patience + late)
		b.floodMACs(limit / 2)
		must(t, b.daemon.Thaw())
		if n := drops() - before; n < 19*limit || n > 19*limit+10 {
			t.Errorf("daemon frozen: of a flood and new machines after it %d frames were dropped as mac-limit, want %d", n, 19*limit)
		}
	})
}

// floodMACs sends frames that have a source of their own each: broadcasts, for nobody, and for a machine that is known. They
// come in by the trunk, where they need not pass the lab's own switch.
func (b *bench) floodMACs(count uint64) {
	b.Helper()
	targets := []l2.MAC{l2.Broadcast, nobody, b.VM("acme", 1, 0).MAC}
	tag := frame.VLAN{ID: uint16(b.Spec("acme").VLAN.Outer()), Type: frame.Set(0x88b7)}
	source := lab.NewSources()
	storm, err := lab.StartStorm(lab.Storm{From: b.Switch.NS, Link: lab.TrunkName(0), Limit: count,
		Frame: frame.Ethernet{Dst: l2.Broadcast, Src: nobody}.With(tag, frame.Raw(make([]byte, 46))),
		Edit: func(data []byte, number uint64) {
			target := targets[number%uint64(len(targets))]
			copy(data, target[:])
			source(data, number)
		}})
	must(b.T, err)
	_, err = storm.Wait()
	must(b.T, err)
}

// flowsDuring runs flows between known machines in both directions while something happens.
func (b *bench) flowsDuring(act func()) []lab.FlowReport {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	load, err := lab.StartLoad(lab.Flow{From: host, To: vm, Rate: 1000}, lab.Flow{From: vm, To: host, Rate: 1000})
	must(b.T, err)
	act()
	reports, err := load.Stop()
	must(b.T, err)
	return reports
}

// wantUnheard wants a broadcast of a machine that is new dropped.
func (b *bench) wantUnheard(mac l2.MAC) {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	marks := b.watch(vm.NS, vm.Link)
	must(b.T, host.Send(host.Link, mark(mac, l2.Broadcast, 1), mark(host.MAC, vm.MAC, 2)))
	b.waitMark(marks, 2)
	if n := countMarks(marks, 1, nil); n != 0 {
		b.Errorf("%d broadcasts of a new machine passed in a MAC storm", n)
	}
	b.closeAll(marks)
}

// memory is what the daemon and the gateway's maps take, in bytes.
func (b *bench) memory() (daemon int64, maps uint64) {
	b.Helper()
	daemon, err := b.daemon.RSS()
	must(b.T, err)
	must(b.T, filepath.WalkDir(b.daemon.Pins(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		m, err := ebpf.LoadPinnedMap(path, nil)
		if err != nil {
			return nil // a program or a link
		}
		defer m.Close()
		info, err := m.Info()
		if err != nil {
			return err
		}
		size, _ := info.Memlock()
		maps += size
		return nil
	}))
	if maps == 0 {
		b.Fatalf("no maps are pinned in %s", b.daemon.Pins())
	}
	return daemon, maps
}

// TestSlowTrips: a flood that lasts is an overload, and invented addresses that do not end are a MAC storm: events say so
// and who it is, and the bridge stays lowered for those who were there before.
func TestSlowTrips(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{Extensions: []lab.ExtSpec{
			{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100, Hosts: 3},
		}})
		b.acquaint("acme")
		mad, inventor := b.Host("acme", 1), b.Host("acme", 2)
		var storms []*lab.StormRun
		for _, s := range []lab.Storm{
			{From: mad.NS, Link: mad.Link, Rate: 3000, Frame: broadcastClass.storm(mad.MAC)},
			{From: inventor.NS, Link: inventor.Link, Rate: 1000, Frame: multicastClass.storm(inventor.MAC), Edit: lab.NewSources()},
		} {
			run, err := lab.StartStorm(s)
			must(t, err)
			storms = append(storms, run)
		}
		_, overload := b.waitEvent(15*time.Second, func(e lab.Event) bool {
			return e.Kind == "trip" && e.Detail["cause"] == "overload" && mentions(e, mad.MAC)
		})
		_, macStorm := b.waitEvent(15*time.Second, func(e lab.Event) bool {
			return e.Kind == "trip" && e.Detail["cause"] == "mac-storm"
		})
		// While it lasts, those who were known before are heard, and a new machine is not.
		const asked = 25
		answered, err := b.Host("acme", 0).ARPing(b.VM("acme", 0, 0), asked, 40*time.Millisecond)
		must(t, err)
		b.wantUnheard(nobody)
		for _, run := range storms {
			_, err := run.Stop()
			must(t, err)
		}
		if overload != nil || macStorm != nil {
			t.Errorf("overload: %v; mac-storm: %v", overload, macStorm)
		}
		if answered < asked-1 {
			t.Errorf("%d of %d ARP requests were answered", answered, asked)
		}
		if e := b.status().Extension("acme"); e.Bridge != "lowered" {
			t.Errorf("the bridge is %s: %s", e.Bridge, e.Reason)
		}
	})
}
