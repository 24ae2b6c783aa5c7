// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// engines are those that every test of the gateway runs on.
var engines = []string{"tc", "xdp"}

// onEngines runs a test once on each engine.
func onEngines(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

// bench is a lab with a running gateway.
type bench struct {
	*lab.Lab
	*testing.T
	daemon *lab.Daemon
	config lab.GatewayConfig
	fed    uint32 // marks that loops were fed with
}

// prepare builds a lab and a daemon that does not run yet. With the engine xdp, frames are as on a wire.
func prepare(t *testing.T, engine string, c lab.Config, edits ...func(*lab.GatewayConfig)) *bench {
	t.Helper()
	c.Wire = engine == "xdp"
	b := &bench{Lab: build(t, c), T: t}
	b.config = b.GatewayConfig(engine)
	for _, edit := range edits {
		edit(&b.config)
	}
	var err error
	b.daemon, err = b.Gateway.NewDaemon(drawbridge(t))
	must(t, err)
	must(t, b.daemon.Configure(b.config))
	t.Cleanup(func() {
		if log, err := os.ReadFile(b.daemon.LogFile()); err == nil && t.Failed() {
			t.Logf("the daemon's log:\n%s", log)
		}
	})
	return b
}

// start builds a lab with a gateway that forwards. When the test ends the gateway's counters must balance.
func start(t *testing.T, engine string, c lab.Config, edits ...func(*lab.GatewayConfig)) *bench {
	t.Helper()
	b := prepare(t, engine, c, edits...)
	b.launch()
	t.Cleanup(b.wantBalance)
	return b
}

// in is the bench for a part of its test.
func (b *bench) in(t *testing.T) *bench {
	part := *b
	part.T = t
	return &part
}

// launch starts the daemon and waits until the bridges are let down and the wires carry.
func (b *bench) launch() {
	b.Helper()
	must(b.T, b.daemon.Start())
	must(b.T, b.daemon.WaitBridges("lowered", 10*time.Second))
	b.waitTrunks()
}

func (b *bench) waitTrunks() {
	b.Helper()
	for i, nic := range b.Gateway.CustomerNICs {
		must(b.T, b.Gateway.WaitUp(nic))
		must(b.T, b.Switch.WaitUp(lab.TrunkName(i)))
	}
}

// status reads the status.
func (b *bench) status() *lab.Status {
	b.Helper()
	s, err := b.daemon.Status()
	must(b.T, err)
	return s
}

// wantBalance checks rx = tx + Σ drops once nothing is in flight.
func (b *bench) wantBalance() {
	b.Helper()
	if b.daemon.PID() == 0 || b.Failed() {
		return
	}
	err := lab.Wait(patience, "counters to balance", func() error {
		s, err := b.daemon.Status()
		if err != nil {
			return err
		}
		return s.Balanced()
	})
	if err != nil {
		b.Error(err)
	}
}

// wantDrops waits until a NIC has dropped at least count frames for a reason since before.
func (b *bench) wantDrops(nic, reason string, before, count uint64) {
	b.Helper()
	err := lab.Wait(patience, "drops", func() error {
		if got := b.drops(nic, reason) - before; got < count {
			return fmt.Errorf("%s dropped %d frames as %s, want %d", nic, got, reason, count)
		}
		return nil
	})
	if err != nil {
		b.Error(err)
	}
}

// drops is how many frames a NIC has dropped for a reason.
func (b *bench) drops(nic, reason string) uint64 {
	b.Helper()
	i := b.status().Interface(nic)
	if i == nil {
		b.Fatalf("status has no interface %s", nic)
	}
	return i.Drops[reason]
}

// meet has every machine of an extension ping the first customer's host, so that all sides have learnt all.
func (b *bench) meet(extension string) {
	b.Helper()
	host := b.Host(extension, 0)
	for i := range b.Hypervisors {
		if vm := b.VM(extension, i, 0); vm != nil {
			b.ping(vm, host)
		}
	}
}

// ping wants an answer over IPv4 and IPv6.
func (b *bench) ping(from, to *lab.Host) {
	b.Helper()
	_, err := from.Ping(to.IPv4.Addr(), patience)
	must(b.T, err)
	_, err = from.Ping(to.IPv6.Addr(), patience)
	must(b.T, err)
}

// markType is the EtherType of the tests' own frames.
const markType = 0x88b6

// mark is a frame that a test recognises by its number.
func mark(src, dst l2.MAC, number uint32) frame.Packet {
	return frame.Ethernet{Dst: dst, Src: src, Type: frame.Set(markType)}.With(
		frame.Raw(binary.BigEndian.AppendUint32([]byte("mark"), number))).Padded(60)
}

// markNumber is the number of a mark, found in a frame as it is or inside VXLAN.
func markNumber(b []byte) (number uint32, vxlan *frame.Tunnel, ok bool) {
	p, err := frame.Parse(b)
	if err != nil {
		return 0, nil, false
	}
	if p.UDP != nil && p.UDP.DstPort == frame.VXLANPort {
		tunnel, err := frame.ParseVXLAN(b)
		if err != nil {
			return 0, nil, false
		}
		number, _, ok := markNumber(tunnel.Inner)
		return number, &tunnel, ok
	}
	if p.EtherType() != markType || len(p.Payload) < 8 || string(p.Payload[:4]) != "mark" {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(p.Payload[4:]), nil, true
}

// isMark wants marks, as they are or inside VXLAN.
func isMark(f lab.Frame) bool {
	_, _, ok := markNumber(f.Data)
	return ok
}

// watch captures marks on a link.
func (b *bench) watch(s *lab.NS, link string) *lab.Capture {
	b.Helper()
	c, err := s.Capture(link, isMark)
	must(b.T, err)
	return c
}

// waitMark waits until a capture has seen a mark.
func (b *bench) waitMark(c *lab.Capture, number uint32) {
	b.Helper()
	err := lab.Wait(patience, fmt.Sprintf("mark %d", number), func() error {
		if countMarks(c, number, nil) == 0 {
			return fmt.Errorf("not among %d marks", c.Count())
		}
		return nil
	})
	must(b.T, err)
}

// countMarks counts the captured marks of a number whose tunnel, if any, fits.
func countMarks(c *lab.Capture, number uint32, fits func(*frame.Tunnel) bool) int {
	count := 0
	for _, f := range c.Frames() {
		n, tunnel, _ := markNumber(f.Data)
		if n == number && (fits == nil || fits(tunnel)) {
			count++
		}
	}
	return count
}

// fromGateway wants tunnel packets that the gateway sent.
func (b *bench) fromGateway(t *frame.Tunnel) bool { return t != nil && t.Src == b.Gateway.VTEP }

// setting reads a number from the environment: tests are short unless a longer run is asked for.
func setting(name string, short int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return short
}

// circuits are three extensions on two NICs, one for each kind of circuit that the engine takes on a veth: untagged
// frames cannot be told from those whose tag is in metadata by XDP.
func circuits(engine string) []lab.ExtSpec {
	last := l2.Untagged
	if engine == "xdp" {
		last = l2.DoubleTag(300, 4094).WithTPID(l2.TPIDCustomer)
	}
	return []lab.ExtSpec{
		{Name: "single", VLAN: l2.SingleTag(2301), PCP: 3, VNI: 10100},
		{Name: "double", VLAN: l2.DoubleTag(100, 200), VNI: 10200},
		{Name: "third", NIC: 1, VLAN: last, VNI: 0xfffffe},
	}
}
