// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// TestTraffic: everything that customers' machines do with machines in the cloud works, for every kind of circuit
// and underlay, and every checksum that arrives is right.
func TestTraffic(t *testing.T) {
	for name, c := range map[string]lab.Config{
		"IPv4 1600": {}, "IPv6 1600": {IPv6: true},
		"IPv4 9000": {MTU: 9000, HostMTU: 8900}, "IPv6 9000": {MTU: 9000, HostMTU: 8900, IPv6: true},
		"routed": {Routed: true}, "two uplinks": {Uplinks: 2}, "two uplinks IPv6": {Uplinks: 2, IPv6: true},
	} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				c.Extensions, c.CustomerNICs = circuits(engine), 2
				b := start(t, engine, c)
				for _, e := range c.Extensions {
					b.traffic(string(e.Name))
				}
			})
		})
	}
}

// traffic tries everything between the customer's host and both VMs of an extension.
func (b *bench) traffic(extension string) {
	b.Helper()
	host := b.Host(extension, 0)
	for i := range b.Hypervisors {
		vm := b.VM(extension, i, 0)
		atHost, atVM := b.checksums(host), b.checksums(vm)
		b.ping(host, vm)
		b.fullSize(host, vm)
		for _, address := range []func(*lab.Host) netip.Addr{ipv4, ipv6} {
			_, err := lab.TransferTCP(host.NS, vm.NS, address(vm), 2<<20, true, 4*patience)
			must(b.T, err)
			must(b.T, lab.ExchangeUDP(vm.NS, host.NS, address(host), 1000, patience))
		}
		b.wantChecksums(atHost, "host")
		b.wantChecksums(atVM, "VM")
	}
}

func ipv4(h *lab.Host) netip.Addr { return h.IPv4.Addr() }
func ipv6(h *lab.Host) netip.Addr { return h.IPv6.Addr() }

// fullSize pings with frames as long as the hosts' MTU allows.
func (b *bench) fullSize(from, to *lab.Host) {
	b.Helper()
	for to, header := range map[netip.Addr]int{to.IPv4.Addr(): 28, to.IPv6.Addr(): 48} {
		n, err := from.Pings(to, 3, b.Config.HostMTU-header)
		if err != nil || n != 3 {
			b.Errorf("full-size ping %v: %d of 3 answered, %v", to, n, err)
		}
	}
}

// checksums captures what has checksums on its way to a host.
func (b *bench) checksums(h *lab.Host) *lab.Capture {
	b.Helper()
	c, err := h.Capture(h.Link, func(f lab.Frame) bool {
		p, err := frame.Parse(f.Data)
		return err != nil || p.IPv4 != nil || p.IPv6 != nil
	})
	must(b.T, err)
	return c
}

// wantChecksums verifies what was captured. Frames whose checksum the kernel keeps for later say nothing: those of hosts
// with their default offloads, and segments that a hypervisor has merged. TestFinishedChecksums sees all.
func (b *bench) wantChecksums(c *lab.Capture, where string) {
	b.Helper()
	must(b.T, c.Close())
	verified := 0
	for _, f := range c.Frames() {
		if !f.ChecksumReady {
			continue
		}
		verified++
		if err := frame.Verify(f.Data); err != nil {
			b.Fatalf("at the %s: %v: %x", where, err, f.Data[:min(len(f.Data), 100)])
		}
	}
	if verified == 0 {
		b.Errorf("at the %s: none of %d frames had a finished checksum", where, len(c.Frames()))
	}
}

// TestFinishedChecksums: when the gateway's NICs finish checksums and cut segments themselves, as real ones do,
// what they send is right, outside and inside.
func TestFinishedChecksums(t *testing.T) {
	for name, c := range map[string]lab.Config{"IPv4": {}, "IPv6": {IPv6: true}} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) { testFinishedChecksums(t, engine, c) })
		})
	}
}

func testFinishedChecksums(t *testing.T, engine string, c lab.Config) {
	b := start(t, engine, c)
	for _, nic := range []string{b.Gateway.Uplinks[0], b.Gateway.CustomerNICs[0]} {
		must(t, b.Gateway.Offload(nic, false, lab.TxChecksum))
	}
	h := b.Hypervisors[0]
	tunnels, err := h.Capture(h.Uplink, func(f lab.Frame) bool {
		tunnel, err := frame.ParseVXLAN(f.Data)
		return err == nil && tunnel.Outer.UDP.DstPort == frame.VXLANPort && tunnel.Src == b.Gateway.VTEP
	})
	must(t, err)
	toCustomer, err := b.Switch.Capture(lab.TrunkName(0), nil)
	must(t, err)
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	for _, to := range []netip.Addr{vm.IPv4.Addr(), vm.IPv6.Addr()} {
		_, err := lab.TransferTCP(host.NS, vm.NS, to, 1<<20, true, 2*patience)
		must(t, err)
	}
	must(t, tunnels.Close())
	must(t, toCustomer.Close())
	b.wantVerified("to the hypervisor", tunnels.Frames(), frame.VerifyTunnel)
	b.wantVerified("to the customer", toCustomer.Frames(), frame.Verify)
}

func (b *bench) wantVerified(where string, frames []lab.Frame, verify func([]byte) error) {
	b.Helper()
	if len(frames) < 100 {
		b.Errorf("only %d frames %s", len(frames), where)
	}
	for _, f := range frames {
		if err := verify(f.Data); err != nil || !f.ChecksumReady {
			b.Fatalf("%s: finished %v, %v: %x", where, f.ChecksumReady, err, f.Data[:min(len(f.Data), 150)])
		}
	}
}

// TestDHCPAcross: a customer's host gets a lease from a server in the cloud, and a VM from one at the customer's.
func TestDHCPAcross(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		host, vm, far := b.Host("acme", 0), b.VM("acme", 0, 0), b.VM("acme", 1, 0)
		for _, pair := range []struct{ server, client *lab.Host }{{vm, host}, {host, far}} {
			lease := hostAddr(pair.server, 200)
			must(t, pair.server.ServeDHCP(lease, lease))
			got, err := pair.client.RequestDHCP(pair.client.MAC, 2*patience)
			must(t, err)
			if got != lease {
				t.Errorf("%s got %v from %s, want %v", pair.client.Role, got, pair.server.Role, lease)
			}
			must(t, pair.server.StopDHCP())
		}
	})
}

// hostAddr is another address in a host's subnet.
func hostAddr(h *lab.Host, number byte) netip.Addr {
	a := h.IPv4.Addr().As4()
	a[3] = number
	return netip.AddrFrom4(a)
}

// TestMovingVM: a VM that moves from the cloud to the customer and back keeps its TCP connections, with a peer on
// either side.
func TestMovingVM(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		vm := b.VM("acme", 0, 0)
		home := b.Hypervisors[0]
		var conns []net.Conn
		for _, peer := range []*lab.Host{b.Host("acme", 0), b.VM("acme", 1, 0)} {
			conns = append(conns, b.echoConnection(vm, peer))
		}
		wantEchoes(t, "at home", conns)
		must(t, b.MoveToCustomer(vm))
		wantEchoes(t, "at the customer's", conns)
		must(t, b.MoveToCloud(vm, home))
		wantEchoes(t, "back home", conns)
	})
}

// echoConnection connects a VM to a peer that sends back what comes.
func (b *bench) echoConnection(vm, peer *lab.Host) net.Conn {
	b.Helper()
	listener, err := peer.ListenTCP(peer.IPv4.Addr())
	must(b.T, err)
	b.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn) // ends with the connection
	}()
	conn, err := vm.DialTCP(listener.Addr().String(), patience)
	must(b.T, err)
	b.Cleanup(func() { conn.Close() })
	return conn
}

func wantEchoes(t *testing.T, where string, conns []net.Conn) {
	t.Helper()
	message := make([]byte, 100<<10)
	for i := range message {
		message[i] = byte(i * 7)
	}
	for i, conn := range conns {
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		go func() { _, _ = conn.Write(message) }() // a failure shows at the reader
		got := make([]byte, len(message))
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatalf("%s, connection %d: %v", where, i, err)
		}
		sameBytes(t, where, got, message)
	}
}
