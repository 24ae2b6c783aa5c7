// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// underLoad sends numbered frames in both directions at once while disturb runs, and returns what was lost or doubled
// in all.
func (b *bench) underLoad(disturb func()) (faults uint64, what string) {
	b.Helper()
	rate := setting("LAB_RATE", 50000)
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	load, err := lab.StartLoad(
		lab.Flow{From: host, To: vm, Rate: rate / 2},
		lab.Flow{From: vm, To: host, Rate: rate / 2, Opaque: true})
	must(b.T, err)
	start := time.Now()
	disturb()
	lasted := time.Since(start)
	reports, err := load.Stop()
	must(b.T, err)
	for i, r := range reports {
		faults += r.Lost + r.Duplicated
		what += fmt.Sprintf("%s: %v; ", []string{"to cloud", "to customer"}[i], r)
		if r.Missed != 0 {
			b.Errorf("the lab's receiver itself missed %d frames", r.Missed)
		}
		if r.Received < uint64(lasted.Seconds()*float64(rate)/100) {
			b.Errorf("hardly anything arrived: %v", r)
		}
	}
	return faults, what
}

// wantQuiet runs the load undisturbed, as long as a disturbed run: what is lost then is the machine's fault. A machine
// that is busy with other things gets three attempts.
func (b *bench) wantQuiet(duration time.Duration) {
	b.Helper()
	for attempt := 1; ; attempt++ {
		faults, what := b.underLoad(func() { <-time.After(duration) })
		b.Logf("quiet run of %v: %s", duration.Round(time.Millisecond), what)
		if faults == 0 {
			return
		}
		if attempt == 3 {
			b.Fatalf("the quiet run is not quiet: %s", what)
		}
	}
}

// wantUndisturbed runs the load while disturb runs, and wants nothing lost or doubled; a quiet run of the same length
// must show the same.
func (b *bench) wantUndisturbed(disturb func()) {
	b.Helper()
	start := time.Now()
	faults, what := b.underLoad(disturb)
	b.Logf("disturbed: %s", what)
	b.wantQuiet(time.Since(start))
	if faults != 0 {
		b.Errorf("%d frames were lost or doubled: %s", faults, what)
	}
}

// TestDaemonDeath: whatever happens to the daemon, no frame is lost or doubled, and the MACs stay known.
func TestDaemonDeath(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		b.meet("acme")
		for name, disturb := range map[string]func(*bench){
			"kill": (*bench).killDaemon, "freeze": (*bench).freezeDaemon,
			"upgrade": (*bench).upgradeDaemon, "reload": (*bench).reloadDaemon, "stop": (*bench).restartDaemon,
		} {
			t.Run(name, func(t *testing.T) {
				sub := *b
				sub.T = t
				before := sub.places()
				sub.wantUndisturbed(func() { disturb(&sub) })
				sub.wantPlaces(before)
				sub.wantBalance()
			})
		}
	})
}

// killDaemon kills it and starts it again; 5 times, or LAB_KILLS.
func (b *bench) killDaemon() {
	for range setting("LAB_KILLS", 5) {
		must(b.T, b.daemon.Kill9())
		must(b.T, b.daemon.Start())
	}
}

// restartDaemon ends it in order, leaves the data plane alone for a moment and starts it again.
func (b *bench) restartDaemon() {
	must(b.T, b.daemon.Stop())
	<-time.After(300 * time.Millisecond)
	must(b.T, b.daemon.Start())
}

// freezeDaemon stops it for 2 seconds, or LAB_FREEZE_SECONDS.
func (b *bench) freezeDaemon() {
	must(b.T, b.daemon.Freeze())
	<-time.After(time.Duration(setting("LAB_FREEZE_SECONDS", 2)) * time.Second)
	must(b.T, b.daemon.Thaw())
}

// upgradeDaemon replaces it by another build, and back.
func (b *bench) upgradeDaemon() {
	for _, program := range []string{otherBinary(b.T), drawbridge(b.T)} {
		must(b.T, b.daemon.Stop())
		b.daemon.Binary = program
		must(b.T, b.daemon.Start())
	}
}

// reloadDaemon adds other extensions and takes them away again.
func (b *bench) reloadDaemon() {
	for range 3 {
		more := b.config
		more.Extensions = append([]lab.GatewayExtension(nil), b.config.Extensions...)
		for i := range 20 {
			more.Extensions = append(more.Extensions, lab.GatewayExtension{
				Name: l2.Name(fmt.Sprintf("other-%d", i)), Interface: b.Gateway.CustomerNICs[0],
				VLAN: l2.SingleTag(l2.VID(1000 + i)), VNI: l2.VNI(20000 + i), Peers: b.VTEPs(),
			})
		}
		must(b.T, b.daemon.Reconfigure(more))
		must(b.T, b.daemon.Reconfigure(b.config))
	}
}

// places is where `macs` says that everybody of the extension is.
func (b *bench) places() map[string]string {
	b.Helper()
	entries, err := b.daemon.MACs("acme")
	must(b.T, err)
	places := make(map[string]string)
	for _, e := range entries {
		places[e.MAC] = e.Side + " " + e.VTEP
	}
	return places
}

func (b *bench) wantPlaces(before map[string]string) {
	b.Helper()
	after := b.places()
	for mac, place := range before {
		if after[mac] != place {
			b.Errorf("%s was at %s and is at %q", mac, place, after[mac])
		}
	}
}

// TestAgeing: a silent machine is forgotten on time, also when no daemon runs meanwhile, and a speaking one is not.
func TestAgeing(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		const age = 4 * time.Second
		b := start(t, engine, lab.Config{}, func(c *lab.GatewayConfig) {
			c.Extensions[0].Guard = "{macs: {age: 4s}}"
		})
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		wire := b.watch(b.Hypervisors[1].NS, b.Hypervisors[1].Uplink)
		must(t, b.daemon.Kill9())
		b.speak(vm, nobody)
		spoken := time.Now()
		// While the station is known, frames for it go to its VTEP only; then they are flooded to this one too.
		number := uint32(100)
		err := lab.Wait(3*age, "the silent station to be forgotten", func() error {
			number++
			must(t, host.Send(host.Link, mark(host.MAC, nobody, number)))
			if countMarks(wire, number-1, nil) == 0 {
				return fmt.Errorf("frame %d still went to its VTEP only", number-1)
			}
			return nil
		})
		must(t, err)
		if after := time.Since(spoken); after < age-time.Second || after > age+2*time.Second {
			t.Errorf("the silent station was forgotten after %v, want %v", after, age)
		}
		must(t, b.daemon.Start())
		if place, ok := b.places()[nobody.String()]; ok {
			t.Errorf("the restarted daemon still knows the silent station at %s", place)
		}
		b.wantMAC("acme", host.MAC, "customer", netip.Addr{})
	})
}

// speak has a station on a VM's wire say something, and waits until it has crossed the gateway.
func (b *bench) speak(vm *lab.Host, station l2.MAC) {
	b.Helper()
	host := b.Host("acme", 0)
	atHost := b.watch(host.NS, host.Link)
	must(b.T, vm.Send(vm.Link, mark(station, l2.Broadcast, 1)))
	b.waitMark(atHost, 1)
}

// TestNextHopChange: a hypervisor whose MAC address changes is reached again within a second, also while the daemon is
// frozen.
func TestNextHopChange(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		for _, frozen := range []bool{false, true} {
			t.Run(fmt.Sprintf("frozen %v", frozen), func(t *testing.T) {
				b := start(t, engine, lab.Config{})
				b.meet("acme")
				if frozen {
					must(t, b.daemon.Freeze())
				}
				b.changeNextHop()
				if frozen {
					must(t, b.daemon.Thaw())
				}
			})
		}
	})
}

func (b *bench) changeNextHop() {
	b.Helper()
	h := b.Hypervisors[0]
	load, err := lab.StartLoad(lab.Flow{From: b.Host("acme", 0), To: b.VM("acme", 0, 0), Rate: 1000})
	must(b.T, err)
	<-time.After(1500 * time.Millisecond) // the kernel lets a neighbour change its address once a second
	replaced := l2.MAC{0x02, 0xdb, 0xee, 0, 0, 1}
	must(b.T, h.SetMAC(h.Uplink, replaced))
	must(b.T, h.Send(h.Uplink, frame.GratuitousARP(replaced, h.VTEP)))
	<-time.After(1500 * time.Millisecond)
	reports, err := load.Stop()
	must(b.T, err)
	r := reports[0]
	b.Log(r)
	if r.LongestGap > 1200*time.Millisecond || r.Lost > 1100 || r.Received < r.Sent/2 {
		b.Errorf("after the next hop's address changed: %v", r)
	}
}

// TestRouteChange: when the route to the VTEPs leaves one uplink for the other, so do the tunnels, within a second and
// without the daemon.
func TestRouteChange(t *testing.T) {
	for name, c := range map[string]lab.Config{"IPv4": {Uplinks: 2}, "IPv6": {Uplinks: 2, IPv6: true}} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				b := start(t, engine, c)
				b.meet("acme")
				must(t, b.daemon.Freeze())
				for uplink := range b.Gateway.Uplinks {
					b.wantUplinkOnly(uplink)
				}
				must(t, b.daemon.Thaw())
			})
		})
	}
}

// wantUplinkOnly routes to the VTEPs over one uplink and waits until tunnels use it, and no other.
func (b *bench) wantUplinkOnly(uplink int) {
	b.Helper()
	must(b.T, b.RouteVTEPs(uplink))
	changed := time.Now()
	var wires []*lab.Capture
	for i := range b.Gateway.Uplinks {
		wires = append(wires, b.watch(b.Underlay, lab.UnderlayPort(i)))
	}
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	number := uint32(0)
	err := lab.Wait(patience, "tunnels to use the other uplink", func() error {
		number++
		must(b.T, host.Send(host.Link, mark(host.MAC, vm.MAC, number)))
		if countMarks(wires[uplink], number-1, nil) == 0 {
			return fmt.Errorf("frame %d took another", number-1)
		}
		return nil
	})
	must(b.T, err)
	if took := time.Since(changed); took > 1500*time.Millisecond {
		b.Errorf("the changed route was followed after %v", took)
	}
	b.closeAll(wires...)
}

// TestStopLeavesForwarding: SIGTERM ends the daemon, forwarding goes on; uninstall-state ends that and leaves nothing.
func TestStopLeavesForwarding(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		b.ping(host, vm)
		must(t, b.daemon.Stop())
		b.ping(host, vm)
		if r := b.daemon.Run("uninstall-state", "--name", b.daemon.Name); r.Code != 0 {
			t.Fatalf("uninstall-state: %+v", r)
		}
		if answered, err := host.Pings(vm.IPv4.Addr(), 2, 0); err != nil || answered != 0 {
			t.Errorf("after uninstall-state %d echo requests were answered, %v", answered, err)
		}
		if _, err := os.Stat(b.daemon.Pins()); !os.IsNotExist(err) {
			t.Errorf("pins are left in %s: %v", b.daemon.Pins(), err)
		}
		b.wantLinks("eth1", "eth2", "lo")
	})
}

// wantLinks wants exactly these links in the gateway's namespace.
func (b *bench) wantLinks(want ...string) {
	b.Helper()
	got, err := b.Gateway.Links()
	must(b.T, err)
	if !slices.Equal(got, want) {
		b.Errorf("the gateway has the links %v, want %v", got, want)
	}
}
