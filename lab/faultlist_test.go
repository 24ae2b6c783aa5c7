// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// allFaults is the deck.
var allFaults = []fault{
	{name: "kill", do: (*faultBench).kill},
	{name: "freeze", do: (*faultBench).freeze},
	{name: "restart", do: (*faultBench).restart},
	{name: "upgrade", do: (*faultBench).upgrade},
	{name: "other-layout", do: (*faultBench).otherLayout},
	{name: "crash-in-succession", do: (*faultBench).crashInSuccession},
	{name: "other-clock", do: (*faultBench).otherClock},
	{name: "reload-others", do: (*faultBench).reloadOthers},
	{name: "raise-other", do: (*faultBench).raiseOther},
	{name: "crash-in-reload", do: (*faultBench).crashInReload},
	{name: "faulty-file", do: (*faultBench).faultyFile},
	{name: "full-disk", do: (*faultBench).fullDisk},
	{name: "out-of-memory", do: (*faultBench).outOfMemory},
	{name: "full-map", do: (*faultBench).fullMap},
	{name: "detach-uplink", do: (*faultBench).detachUplink, heals: true, tears: true},
	{name: "detach-customer", do: (*faultBench).detachCustomer, heals: true, tears: true},
	{name: "detach-frozen", do: (*faultBench).detachFrozen, heals: true, tears: true},
	{name: "delete-pin", do: (*faultBench).deletePin, heals: true, tears: true},
	{name: "uplink-down", do: (*faultBench).uplinkDown, heals: true},
	{name: "customer-down", do: (*faultBench).customerDown, heals: true},
	{name: "cable-out", do: (*faultBench).cableOut, heals: true},
	{name: "mtu", do: (*faultBench).shrinkMTU, heals: true},
	{name: "next-hop", do: (*faultBench).nextHop, heals: true},
	{name: "neighbours", do: (*faultBench).neighbours, heals: true},
	{name: "no-route", do: (*faultBench).noRoute, heals: true},
	{name: "reordering", do: (*faultBench).reordering, heals: true},
	{name: "loss", do: (*faultBench).loss, heals: true},
	{name: "no-address", do: (*faultBench).noAddress, heals: true},
}

func (b *faultBench) kill(r *rand.Rand) {
	must(b.T, b.daemon.Kill9())
	<-time.After(shortly(r, 0, 200))
	must(b.T, b.daemon.Start())
}

func (b *faultBench) freeze(r *rand.Rand) {
	must(b.T, b.daemon.Freeze())
	<-time.After(shortly(r, 0, 500))
	must(b.T, b.daemon.Thaw())
}

func (b *faultBench) restart(r *rand.Rand) {
	must(b.T, b.daemon.Stop())
	<-time.After(shortly(r, 0, 200))
	must(b.T, b.daemon.Start())
}

// upgrade goes to the build that does not run.
func (b *faultBench) upgrade(*rand.Rand) {
	must(b.T, b.daemon.Stop())
	if b.daemon.Binary == drawbridge(b.T) {
		b.daemon.Binary = otherBinary(b.T)
	} else {
		b.daemon.Binary = drawbridge(b.T)
	}
	must(b.T, b.daemon.Start())
}

// otherLayout goes to the version whose maps differ, or back from it.
func (b *faultBench) otherLayout(*rand.Rand) {
	must(b.T, b.daemon.Stop())
	b.daemon.Binary = b.otherVersion()
	must(b.T, b.daemon.Start())
}

func (b *faultBench) otherVersion() string {
	if b.daemon.Binary == laterBinary(b.T) {
		return drawbridge(b.T)
	}
	return laterBinary(b.T)
}

// crashInSuccession kills a version whose maps differ at any instant of its start, three times; then it starts, or the one
// before does.
func (b *faultBench) crashInSuccession(r *rand.Rand) {
	before := b.daemon.Binary
	must(b.T, b.daemon.Stop())
	b.daemon.Binary = b.otherVersion()
	for range 3 {
		must(b.T, b.daemon.Launch())
		<-time.After(shortly(r, 100, 1500))
		_, err := os.Lstat(filepath.Join(b.daemon.Pins(), "maps-new"))
		_, old := os.Lstat(filepath.Join(b.daemon.Pins(), "maps-old"))
		b.Logf("killed: new maps are being made: %v, the old ones are still there: %v", err == nil, old == nil)
		must(b.T, b.daemon.Kill9())
	}
	if r.IntN(2) == 0 {
		b.daemon.Binary = before
	}
	must(b.T, b.daemon.Start())
}

// otherClock starts it with clocks since boot that are days ahead, or back with the machine's.
func (b *faultBench) otherClock(r *rand.Rand) {
	must(b.T, b.daemon.Stop())
	b.daemon.ClockShift = time.Duration(r.IntN(3)) * 1000 * time.Hour
	must(b.T, b.daemon.Start())
}

func (b *faultBench) reordering(*rand.Rand) {
	later := b.relayed(lab.Weather{Delay: 5 * time.Millisecond, Later: 0.1})
	if later == 0 {
		b.Error("no packet was overtaken")
	}
}

func (b *faultBench) loss(*rand.Rand) { b.relayed(lab.Weather{Loss: 0.05}) }

// relayed sends a second load through a relay: what is lost is no more than what the relay has lost, and nothing is
// doubled. On a machine that is busy with other things the relay itself keeps frames for longer than anybody waits: it gets
// three attempts.
func (b *faultBench) relayed(w lab.Weather) (later uint64) {
	relay, err := b.Relay(0, w)
	must(b.T, err)
	defer func() { must(b.T, relay.Stop()) }()
	b.ping(b.Host("acme", 0), b.VM("acme", 0, 0))
	for attempt := 1; ; attempt++ {
		missing, err := b.throughRelay(relay)
		if err == nil && missing == 0 {
			return relay.Later()
		}
		if attempt < 3 {
			continue
		}
		if err != nil {
			b.Errorf("through the relay: %v", err)
		}
		if missing > 0 {
			b.sum.lost += missing
			b.Errorf("%d frames are missing beside those that the relay has lost", missing)
		}
		return relay.Later()
	}
}

// throughRelay counts the frames that are missing beside those that the relay has lost.
func (b *faultBench) throughRelay(relay *lab.Relay) (missing uint64, err error) {
	b.Helper()
	before, err := relay.Lost()
	must(b.T, err)
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	reports, err := lab.Run(400*time.Millisecond, lab.Flow{From: host, To: vm, Rate: 1000, Number: 11},
		lab.Flow{From: vm, To: host, Rate: 1000, Number: 12, Opaque: true})
	must(b.T, err)
	lost, err := relay.Lost()
	must(b.T, err)
	for i, r := range reports {
		b.Logf("through the relay, %s: %v", directions[i], r)
		missing += r.Lost
		if r.Duplicated > 0 || r.Received == 0 {
			return missing, fmt.Errorf("%s: %v", directions[i], r)
		}
	}
	return missing - min(missing, lost-before), nil
}

// others is the configuration with further extensions.
func (b *faultBench) others(r *rand.Rand) lab.GatewayConfig {
	more := b.config
	more.Extensions = slices.Clone(b.config.Extensions)
	for i := range 1 + r.IntN(20) {
		more.Extensions = append(more.Extensions, lab.GatewayExtension{
			Name: l2.Name(fmt.Sprintf("other-%d", i)), Interface: b.Gateway.CustomerNICs[0],
			VLAN: l2.SingleTag(l2.VID(1000 + i)), VNI: l2.VNI(20000 + i), Peers: b.VTEPs(),
		})
	}
	return more
}

func (b *faultBench) reloadOthers(r *rand.Rand) {
	must(b.T, b.daemon.Reconfigure(b.others(r)))
	must(b.T, b.daemon.Reconfigure(b.config))
}

func (b *faultBench) raiseOther(r *rand.Rand) {
	b.command("raise", "twin")
	<-time.After(shortly(r, 0, 100))
	b.command("lower", "twin")
}

func (b *faultBench) command(args ...string) {
	b.Helper()
	if result := b.daemon.Run(args...); result.Code != 0 {
		b.Fatalf("%v: %+v", args, result)
	}
}

// crashInReload kills the daemon at any instant of a reload. Then it starts with a faulty file, so that it goes on with
// what it has: the old configuration as a whole, or the new one.
func (b *faultBench) crashInReload(r *rand.Rand) {
	more := b.others(r)
	must(b.T, b.daemon.Configure(more))
	signalled := time.Now()
	must(b.T, unix.Kill(b.daemon.PID(), unix.SIGHUP))
	<-time.After(time.Duration(r.IntN(100_000)) * time.Microsecond)
	must(b.T, b.daemon.Kill9())
	b.Logf("killed %v after the signal", time.Since(signalled).Round(time.Microsecond))
	faulty := b.config
	faulty.Extensions = slices.Clone(b.config.Extensions)
	faulty.Extensions[0].Guard = "{mode: sometimes}"
	must(b.T, b.daemon.Configure(faulty))
	must(b.T, b.daemon.Start())
	status := b.status()
	if got := len(status.Extensions); got != len(b.config.Extensions) && got != len(more.Extensions) {
		b.Errorf("after the crash there are %d extensions: neither %d nor %d", got, len(b.config.Extensions), len(more.Extensions))
	}
	for _, e := range status.Extensions {
		if e.Bridge != "lowered" {
			b.Errorf("after the crash extension %s is %s: %s", e.Name, e.Bridge, e.Reason)
		}
	}
	must(b.T, b.daemon.Reconfigure(b.config))
}

func (b *faultBench) faultyFile(*rand.Rand) {
	must(b.T, b.daemon.WriteConfig("gateway: {name: 7}\nextensions: {acme: {vlan: 4095}}\n"))
	if result := b.daemon.Run("reload"); result.Code == 0 {
		b.Errorf("a faulty file was taken: %+v", result)
	}
	must(b.T, b.daemon.Configure(b.config))
}

// mountState gives a daemon a state directory of one MiB.
func mountState(t *testing.T, d *lab.Daemon) {
	t.Helper()
	must(t, os.MkdirAll(d.State(), 0o700))
	must(t, unix.Mount("tmpfs", d.State(), "tmpfs", 0, "size=1m,mode=700"))
	t.Cleanup(func() { must(t, unix.Unmount(d.State(), unix.MNT_DETACH)) })
}

// fullDisk: a reload may be refused then; once there is room it is not.
func (b *faultBench) fullDisk(r *rand.Rand) {
	ballast := filepath.Join(b.daemon.State(), "ballast")
	full := os.WriteFile(ballast, make([]byte, 2<<20), 0o600)
	if full == nil {
		b.Fatal("two MiB fit into a state directory of one")
	}
	must(b.T, b.daemon.Configure(b.others(r)))
	b.Logf("reload on a full disk: %+v", b.daemon.Run("reload"))
	must(b.T, os.Remove(ballast))
	must(b.T, b.daemon.Reconfigure(b.config))
}

// outOfMemory lets the daemon have no further page, and asks for work until it dies of that, or has done it all.
func (b *faultBench) outOfMemory(r *rand.Rand) {
	must(b.T, b.daemon.LimitMemory())
	for range 3 {
		must(b.T, b.daemon.Configure(b.others(r)))
		b.Logf("reload without memory: status %d", b.daemon.Run("reload").Code)
	}
	must(b.T, b.daemon.Kill9())
	must(b.T, b.daemon.Configure(b.config))
	must(b.T, b.daemon.Start())
}

// fullMap fills the other extension's quota of MACs.
func (b *faultBench) fullMap(r *rand.Rand) {
	host := b.Host("twin", 0)
	var frames []frame.Packet
	for i := range 200 {
		station := l2.MAC{0x02, 0xdf, 0, byte(r.IntN(256)), byte(r.IntN(256)), byte(i)}
		frames = append(frames, mark(station, l2.Broadcast, binary.BigEndian.Uint32(station[2:])))
	}
	must(b.T, host.Send(host.Link, frames...))
}

func (b *faultBench) detachUplink(*rand.Rand)   { b.detachPrograms(b.Gateway.Uplinks[0]) }
func (b *faultBench) detachCustomer(*rand.Rand) { b.detachPrograms(b.Gateway.CustomerNICs[0]) }

// detachFrozen takes the programs of a NIC away when no daemon can put them back yet.
func (b *faultBench) detachFrozen(r *rand.Rand) {
	must(b.T, b.daemon.Freeze())
	b.detachPrograms([]string{b.Gateway.Uplinks[0], b.Gateway.CustomerNICs[0]}[r.IntN(2)])
	<-time.After(shortly(r, 0, 700))
	must(b.T, b.daemon.Thaw())
}

// deletePin removes any pin, which must be there again within a second.
func (b *faultBench) deletePin(r *rand.Rand) {
	var pins []string
	must(b.T, filepath.WalkDir(b.daemon.Pins(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			pins = append(pins, path)
		}
		return err
	}))
	pin := pins[r.IntN(len(pins))]
	b.Logf("delete %s", pin)
	must(b.T, os.Remove(pin))
	must(b.T, lab.Wait(healing, "the pin to come back", func() error {
		_, err := os.Lstat(pin)
		return err
	}))
}

func (b *faultBench) downAndUp(at *lab.NS, link string, r *rand.Rand) {
	b.Helper()
	must(b.T, at.Down(link))
	<-time.After(shortly(r, 0, 300))
	must(b.T, at.Up(link))
	b.waitTrunks()
	must(b.T, b.Gateway.WaitUp(b.Gateway.Uplinks...))
}

func (b *faultBench) uplinkDown(r *rand.Rand) { b.downAndUp(b.Gateway.NS, b.Gateway.Uplinks[0], r) }
func (b *faultBench) customerDown(r *rand.Rand) {
	b.downAndUp(b.Gateway.NS, b.Gateway.CustomerNICs[0], r)
}

// cableOut takes down the other end of one of both cables.
func (b *faultBench) cableOut(r *rand.Rand) {
	if r.IntN(2) == 0 {
		b.downAndUp(b.Underlay, lab.UnderlayPort(0), r)
		return
	}
	b.downAndUp(b.Switch.NS, lab.TrunkName(0), r)
}

func (b *faultBench) shrinkMTU(r *rand.Rand) {
	uplink := b.Gateway.Uplinks[0]
	must(b.T, b.Gateway.SetMTU(uplink, 1300+r.IntN(250)))
	<-time.After(shortly(r, 100, 400))
	must(b.T, b.Gateway.SetMTU(uplink, b.Config.MTU))
}

// nextHop gives the hypervisor another address; it says so itself.
func (b *faultBench) nextHop(r *rand.Rand) {
	h := b.Hypervisors[0]
	replaced := l2.MAC{0x02, 0xdb, 0xee, byte(r.IntN(256)), byte(r.IntN(256)), 1}
	must(b.T, h.SetMAC(h.Uplink, replaced))
	must(b.T, h.Send(h.Uplink, frame.GratuitousARP(replaced, h.VTEP)))
}

func (b *faultBench) neighbours(*rand.Rand) {
	must(b.T, b.Gateway.ForgetNeighbours(b.Gateway.Uplinks[0]))
}

func (b *faultBench) noRoute(r *rand.Rand) {
	vtep := netip.PrefixFrom(b.Hypervisors[0].VTEP, 32)
	must(b.T, b.Gateway.Unreachable(vtep))
	<-time.After(shortly(r, 0, 1500))
	must(b.T, b.Gateway.DeleteRoute(vtep))
}

func (b *faultBench) noAddress(r *rand.Rand) {
	address := netip.PrefixFrom(b.Gateway.VTEP, 24)
	must(b.T, b.Gateway.DeleteAddr(b.Gateway.Uplinks[0], address))
	<-time.After(shortly(r, 0, 1500))
	must(b.T, b.Gateway.AddAddr(b.Gateway.Uplinks[0], address))
}
