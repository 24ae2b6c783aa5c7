// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// doctor runs the command in the gateway's namespace.
func (s *site) doctor(wantCode int, args ...string) report {
	s.Helper()
	r := s.daemon.Run(append([]string{"doctor", "--config", s.daemon.ConfigFile(), "-o", "json"}, args...)...)
	if r.Code != wantCode {
		s.Fatalf("exit code %d, want %d: %s%s", r.Code, wantCode, r.Stdout, r.Stderr)
	}
	var found report
	if err := json.Unmarshal([]byte(r.Stdout), &found); err != nil {
		s.Fatalf("%v in %s", err, r.Stdout)
	}
	return found
}

// wantFinding checks that a report has a finding with these parts of finding and remedy.
func wantFinding(t *testing.T, found []finding, check, subject string, sev severity, what, remedy string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(f finding) bool {
		return f.Check == check && f.Subject == subject && f.Severity == sev && strings.Contains(f.Finding, what) && strings.Contains(f.Remedy, remedy) &&
			(sev == fine || f.Consequence != "")
	}) {
		text, _ := json.MarshalIndent(found, "", " ")
		t.Errorf("no finding %s of %q: %s %q, remedy %q in:\n%s", sev, subject, check, what, remedy, text)
	}
}

func TestDoctorOfAHealthyGateway(t *testing.T) {
	s := newSite(t)
	peer := s.VTEPs()[0].String()
	healthy := func(wantRunning bool) {
		t.Helper()
		r := s.doctor(0, "--ask", "acme="+s.Hosts[0].IPv4.Addr().String())
		if r.Running != wantRunning || r.Engine != "tc" || r.Gateway != s.daemon.Name {
			t.Errorf("%+v", r)
		}
		wantFinding(t, r.Findings, "path-mtu", peer, fine, "carries 1600 bytes: customers' packets of 1500 bytes fit", "")
		wantFinding(t, r.Findings, "vtep", "", fine, s.Gateway.VTEP.String(), "")
		wantFinding(t, r.Findings, "port", "", fine, "4789", "")
		// The question goes out past the gateway's own program, which guards the NIC's egress.
		wantFinding(t, r.Findings, "virtual-nic", s.Gateway.CustomerNICs[0], fine, "both ways", "")
	}
	s.must(s.Gateway.Up(s.Gateway.CustomerNICs[0])) // without the daemon nobody does
	s.must(s.Gateway.WaitUp(s.Gateway.CustomerNICs[0]))
	healthy(false)
	s.must(s.daemon.Start())
	s.wantBridge("lowered")
	s.wantFlow(true)
	before := s.drops()
	healthy(true)
	s.wantFlow(true)
	if after := s.drops(); after != before {
		t.Errorf("doctor disturbed: drops were %s and are %s", before, after)
	}
	s.must(s.daemon.Kill9())
	healthy(false)
	s.wantFlow(true)
}

// drops are all drops of the gateway as text.
func (s *site) drops() string {
	s.Helper()
	st, err := s.daemon.Status()
	s.must(err)
	return fmt.Sprint(st.Extensions[0].ToCloud.Drops, st.Extensions[0].ToCustomer.Drops)
}

// towardsPeer is the underlay's port to the only hypervisor: neither a bridge nor a cable of the gateway.
func (s *site) towardsPeer() string {
	s.Helper()
	links, err := s.Underlay.Links()
	s.must(err)
	i := slices.IndexFunc(links, func(name string) bool { return strings.HasPrefix(name, "p") })
	if i < 0 {
		s.Fatalf("no port in %v", links)
	}
	return links[i]
}

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	s := newSite(t)
	peer, uplink, customer := s.VTEPs()[0].String(), s.Gateway.Uplinks[0], s.Gateway.CustomerNICs[0]
	vtep := netip.PrefixFrom(s.Gateway.VTEP, 24)

	t.Run("a switch on the path carries less", func(t *testing.T) {
		port := s.towardsPeer()
		s.must(s.Underlay.SetMTU(port, 1500))
		found := s.doctor(exitUnfit).Findings
		// A bridge's port takes four bytes more, the room of a tag.
		wantFinding(t, found, "path-mtu", peer, severe, "carries 1504 bytes: the gateway sends up to 1600", "underlay.mtu: 1504")
		s.must(s.Underlay.SetMTU(port, 1600))
	})
	t.Run("the uplink carries less than customers need", func(t *testing.T) {
		s.must(s.Gateway.SetMTU(uplink, 1500))
		found := s.doctor(0).Findings
		wantFinding(t, found, "mtu", uplink, warning, "at most 1450 bytes fit, not of 1500", "ip link set "+uplink+" mtu 1550")
		wantFinding(t, found, "path-mtu", peer, warning, "at most 1450 bytes fit, not of 1500", "1550")
		s.must(s.Gateway.SetMTU(uplink, 1600))
	})
	t.Run("a vxlan device has the port", func(t *testing.T) {
		s.must(s.Gateway.VXLAN(lab.VXLAN{Name: "vx7", VNI: 7, Local: s.Gateway.VTEP, Port: 4789, MTU: 1400}))
		wantFinding(t, s.doctor(exitUnfit).Findings, "port", "", severe, "vxlan device vx7", "ip link del vx7")
		s.must(s.Gateway.DeleteLink("vx7"))
	})
	t.Run("a socket has the port", func(t *testing.T) {
		var socket net.PacketConn
		s.must(s.Gateway.Do(func() (err error) {
			socket, err = net.ListenPacket("udp4", s.Gateway.VTEP.String()+":4789")
			return err
		}))
		defer socket.Close()
		wantFinding(t, s.doctor(exitUnfit).Findings, "port", "", severe, "another socket", "ss -lunp")
	})
	t.Run("the customer's NIC has an address", func(t *testing.T) {
		used := netip.MustParsePrefix("10.9.9.1/24")
		s.must(s.Gateway.AddAddr(customer, used))
		wantFinding(t, s.doctor(exitUnfit).Findings, "nic-in-use", customer, severe, "10.9.9.1/24", "ip addr del 10.9.9.1/24 dev "+customer)
		// Nothing of it is --fix's to repair, and it says so.
		if fixed := s.doctor(exitUnfit, "--fix").Fixed; len(fixed) != 1 || !strings.Contains(fixed[0].Error, "10.9.9.1/24") {
			t.Errorf("%+v", fixed)
		}
		s.must(s.Gateway.DeleteAddr(customer, used))
	})
	t.Run("the customer's NIC is in a bridge", func(t *testing.T) {
		s.must(s.Gateway.Bridge("br0", 1500))
		s.must(s.Gateway.Enslave(customer, "br0"))
		wantFinding(t, s.doctor(exitUnfit).Findings, "nic-in-use", customer, severe, "belongs to br0", "nomaster")
		s.must(s.Gateway.DeleteLink("br0"))
	})
	t.Run("the customer's NIC is not there", func(t *testing.T) {
		s.must(s.Gateway.MoveLink(customer, s.Switch.NS))
		wantFinding(t, s.doctor(exitUnfit).Findings, "nic", customer, severe, "does not exist", "ip link")
		s.must(s.Switch.MoveLink(customer, s.Gateway.NS))
	})
	t.Run("the VTEP's address is not there", func(t *testing.T) {
		s.must(s.Gateway.DeleteAddr(uplink, vtep))
		wantFinding(t, s.doctor(exitUnfit).Findings, "vtep", "", severe, s.Gateway.VTEP.String()+" is neither on "+uplink, "ip addr add")
		s.must(s.Gateway.AddAddr(uplink, vtep))
	})
	t.Run("a peer is this host", func(t *testing.T) {
		s.must(s.Gateway.AddAddr("lo", netip.MustParsePrefix("203.0.113.7/32")))
		c := s.GatewayConfig("tc")
		c.Extensions[0].Peers = append(c.Extensions[0].Peers, netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("192.0.2.99"))
		s.must(s.daemon.Configure(c))
		found := s.doctor(exitUnfit).Findings
		wantFinding(t, found, "peers", "acme", severe, "203.0.113.7 is this host itself, on lo", "overlay.peers")
		wantFinding(t, found, "route", "203.0.113.8", severe, "no route", "ip route add 203.0.113.8/32")
		wantFinding(t, found, "next-hop", "192.0.2.99", severe, "does not answer ARP", "ip neigh")
		s.must(s.daemon.Configure(s.GatewayConfig("tc")))
	})
	t.Run("a station behind a NIC that is down", func(t *testing.T) {
		found := s.doctor(exitUnfit, "--ask", "acme=10.0.1.11").Findings
		wantFinding(t, found, "virtual-nic", customer, severe, "no station could be asked", "ip link set "+customer+" up")
	})
	t.Run("a station that is not there", func(t *testing.T) {
		s.must(s.Gateway.Up(customer))
		found := s.doctor(exitUnfit, "--ask", "acme=10.0.1.250").Findings
		wantFinding(t, found, "virtual-nic", customer, severe, "10.0.1.250 of acme does not answer", "")
	})
	t.Run("engine xdp on a veth", func(t *testing.T) {
		s.must(s.daemon.Configure(s.GatewayConfig("xdp")))
		wantFinding(t, s.doctor(0).Findings, "vlan-stripping", customer, notice, "veth", "txvlan off")
	})
}

// A gateway that serves its NICs by XDP takes a station's answer before doctor could see it.
func TestDoctorBesideEngineXDP(t *testing.T) {
	s := newSite(t)
	s.must(s.daemon.Configure(s.GatewayConfig("xdp")))
	s.must(s.daemon.Start())
	s.wantBridge("lowered")
	r := s.doctor(0, "--ask", "acme="+s.Hosts[0].IPv4.Addr().String())
	if !r.Running || r.Engine != "xdp" {
		t.Errorf("%+v", r)
	}
	wantFinding(t, r.Findings, "virtual-nic", s.Gateway.CustomerNICs[0], notice, "an XDP program serves the NIC", "engine tc")
	wantFinding(t, r.Findings, "path-mtu", s.VTEPs()[0].String(), fine, "1600 bytes", "")
	s.wantBridge("lowered")
}

// Over IPv6 tunnels have 20 bytes more, and a router says what it does not carry.
func TestDoctorMeasuresOverIPv6(t *testing.T) {
	s := newSiteOf(t, lab.Config{Prefix: prefix, Hypervisors: 1, IPv6: true, Routed: true})
	peer := s.VTEPs()[0].String()
	s.must(lab.Wait(10*time.Second, "the peer answers", func() error {
		_, err := s.Gateway.Ping(s.VTEPs()[0], time.Second)
		return err
	}))
	wantFinding(t, s.doctor(0).Findings, "path-mtu", peer, fine, "1600 bytes: customers' packets of 1500 bytes fit", "")
	s.must(s.Underlay.SetMTU("fabric", 1520))
	found := s.doctor(exitUnfit).Findings
	wantFinding(t, found, "path-mtu", peer, severe, "carries 1520 bytes: the gateway sends up to 1600", "underlay.mtu: 1520")
}

// Of several uplinks each is measured: which one a flow takes is the routes' choice.
func TestDoctorMeasuresEachUplink(t *testing.T) {
	s := newSiteOf(t, lab.Config{Prefix: prefix, Hypervisors: 1, Uplinks: 2})
	peer := s.VTEPs()[0].String()
	s.must(lab.Wait(20*time.Second, "the peer answers by both", func() error {
		r := s.daemon.Run("doctor", "--config", s.daemon.ConfigFile())
		if strings.Count(r.Stdout, " carries 1600 bytes") < 2 {
			return fmt.Errorf("doctor says\n%s", r.Stdout)
		}
		return nil
	}))
	for _, uplink := range s.Gateway.Uplinks {
		wantFinding(t, s.doctor(0).Findings, "path-mtu", peer, fine, "the path by "+uplink+" carries 1600 bytes", "")
	}
	s.must(s.Underlay.SetMTU(lab.UnderlayPort(1), 1500))
	found := s.doctor(exitUnfit).Findings
	wantFinding(t, found, "path-mtu", peer, fine, "the path by "+s.Gateway.Uplinks[0]+" carries 1600 bytes", "")
	wantFinding(t, found, "path-mtu", peer, severe, "the path by "+s.Gateway.Uplinks[1]+" carries 150", "underlay.mtu: 150")
}

func TestDoctorWithoutAndWithFaultyConfiguration(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if _, stderr, code := execute(t, "doctor", "--config", missing); code != cli.ExitUsage || !strings.Contains(stderr, "none.yaml") {
		t.Errorf("a named file that is not there: exit code %d, %s", code, stderr)
	}
	faulty := filepath.Join(t.TempDir(), "a.yaml")
	writeFile(t, faulty, strings.NewReplacer("2301", "4095").Replace(goodConfig("/var/lib/drawbridge")))
	if _, stderr, code := execute(t, "doctor", "--config", faulty); code != cli.ExitUsage || !strings.Contains(stderr, "a.yaml:") {
		t.Errorf("a faulty file: exit code %d, %s", code, stderr)
	}
	good := filepath.Join(t.TempDir(), "b.yaml")
	writeFile(t, good, goodConfig("/var/lib/drawbridge"))
	for _, ask := range []string{"acme", "acme=2001:db8::1", "nobody=10.0.0.1"} {
		if _, stderr, code := execute(t, "doctor", "--config", good, "--ask", ask); code != cli.ExitUsage || !strings.Contains(stderr, ask) {
			t.Errorf("--ask %s: exit code %d, %s", ask, code, stderr)
		}
	}
}

func TestDoctorPrints(t *testing.T) {
	var out strings.Builder
	r := report{Gateway: "gw-a", Fixed: []fixedSetting{{Device: "eth2", Setting: "lro", Was: "on", Now: "off"}}, Findings: []finding{
		{Check: "kernel", Severity: fine, Finding: "6.12"},
		{"port", "", severe, "is taken", "does not start", "end it"},
		{"mtu", "eth1", warning, "is 1500", "longer ones drop", "raise it"},
	}}
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `fixed    lro of eth2: was on, is off
ok       kernel         6.12
error    port           is taken
         consequence: does not start
         remedy: end it
warning  mtu            eth1: is 1500
         consequence: longer ones drop
         remedy: raise it

1 error and 1 warning with this host for gateway gw-a
`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
	if err := r.print(failingWriter{}); err == nil {
		t.Error("a report that was not printed is no error")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
