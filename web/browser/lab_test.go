// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// realGateway is a daemon in a lab: a few customers with traffic, one of whom can go mad.
type realGateway struct {
	*lab.Lab
	daemon *lab.Daemon
	origin string // of the page, for who may change
}

// busy is how many frames a second each customer sends to the cloud; as many by half come back.
var busy = []struct {
	name l2.Name
	vlan l2.VLAN
	rate int
}{
	{"acme", l2.SingleTag(2301), 1400}, {"globex", l2.SingleTag(2302), 900}, {"hooli", l2.SingleTag(2303), 500},
	{"initech", l2.DoubleTag(100, 7), 260}, {"stark", l2.SingleTag(2305), 120}, {"umbrella", l2.SingleTag(2306), 40},
}

// startGateway builds the lab, and ends it with the test.
func startGateway(t *testing.T) *realGateway {
	t.Helper()
	binary := program(t)
	config := lab.Config{Prefix: "dbpage"}
	for i, b := range busy {
		config.Extensions = append(config.Extensions, lab.ExtSpec{Name: b.name, VLAN: b.vlan, VNI: l2.VNI(10100 + 100*i), Hosts: 2})
	}
	must(t, lab.Sweep(config.Prefix))
	l, err := lab.Build(config)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	d, err := l.Gateway.NewDaemon(binary)
	must(t, err)
	d.Name = "gw-north"                          // as the page shows it
	if _, err := os.Stat(d.Pins()); err == nil { // a run that was killed left it
		d.Run("uninstall-state", "--name", d.Name, "--force")
	}
	must(t, d.Configure(l.GatewayConfig("tc")))
	must(t, d.Start())
	must(t, d.WaitBridges("lowered", 10*time.Second))
	g := &realGateway{Lab: l, daemon: d, origin: forwardTo(t, d.Socket())}
	for _, b := range busy {
		for hypervisor := range 2 {
			_, err := l.Host(string(b.name), 0).Ping(l.VM(string(b.name), hypervisor, 0).IPv4.Addr(), deadline)
			must(t, err)
		}
	}
	return g
}

// program is the program under test.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drawbridge")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/drawbridge-l2/drawbridge/cmd/drawbridge").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// forwardTo forwards a port to a socket, as `ssh -L` does.
func forwardTo(t *testing.T, socket string) (origin string) {
	t.Helper()
	l := listen(t)
	go forward(l, socket)
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return "http://localhost:" + port
}

// traffic has all customers send, in waves, until the test ends.
func (g *realGateway) traffic(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var flows sync.WaitGroup
	t.Cleanup(flows.Wait)
	t.Cleanup(cancel)
	for i, b := range busy {
		host, vm := g.Host(string(b.name), 0), g.VM(string(b.name), i%2, 0)
		flows.Go(func() { wave(ctx, t, host, vm, b.rate, float64(i)) })
		flows.Go(func() { wave(ctx, t, vm, host, b.rate/2, float64(i)+2) })
	}
}

// wave sends known unicast at a rate that swings about a mean.
func wave(ctx context.Context, t *testing.T, from, to *lab.Host, mean int, phase float64) {
	payload := make(frame.Raw, 1200)
	packet := frame.Ethernet{Dst: to.MAC, Src: from.MAC}.With(frame.IPv4{Src: from.IPv4.Addr(), Dst: to.IPv4.Addr()}, frame.UDP{SrcPort: 9, DstPort: 9, Checksum: frame.Set(0)}, payload)
	for ; ctx.Err() == nil; phase += 0.7 {
		rate := int(float64(mean) * (1 + 0.35*math.Sin(phase) + 0.15*math.Sin(3.1*phase)))
		run, err := lab.StartStorm(lab.Storm{From: from.NS, Link: from.Link, Frame: packet, Rate: rate, Limit: uint64(3 * rate)})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := run.Wait(); err != nil {
			t.Error(err)
			return
		}
	}
}

// storm has acme's second machine ask for an address again and again, until stop is called.
func (g *realGateway) storm(t *testing.T) (mad *lab.Host, stop func()) {
	t.Helper()
	mad = g.Host("acme", 1)
	run, err := lab.StartStorm(lab.Storm{From: mad.NS, Link: mad.Link, Rate: 2500, Frame: frame.Ethernet{Dst: l2.Broadcast, Src: mad.MAC}.With(
		frame.ARP{Op: frame.ARPRequest, SenderMAC: mad.MAC, SenderIP: mad.IPv4.Addr(), TargetIP: g.Host("acme", 0).IPv4.Addr()})})
	must(t, err)
	stop = sync.OnceFunc(func() {
		_, err := run.Stop()
		must(t, err)
	})
	t.Cleanup(stop)
	return mad, stop
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
