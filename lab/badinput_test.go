// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// twoNICs are two extensions, each on a customer NIC of its own: what befalls the second must leave the first alone.
func twoNICs() lab.Config {
	return lab.Config{CustomerNICs: 2, Extensions: []lab.ExtSpec{
		{Name: "well", VLAN: l2.SingleTag(10), VNI: 10},
		{Name: "sick", NIC: 1, VLAN: l2.SingleTag(20), VNI: 20},
	}}
}

// wantBridge waits until an extension's bridge is in a state, and its reason has a word.
func (b *bench) wantBridge(extension, state, word string) {
	b.Helper()
	err := lab.Wait(patience, "extension "+extension, func() error {
		s, err := b.daemon.Status()
		if err != nil {
			return err
		}
		e := s.Extension(extension)
		if e == nil {
			return errors.New("it is not in status")
		}
		if e.Bridge != state || !strings.Contains(e.Reason, word) {
			return fmt.Errorf("bridge is %s, reason %q; want %s with %q", e.Bridge, e.Reason, state, word)
		}
		return nil
	})
	if err != nil {
		b.Error(err)
	}
}

// TestUnfitNIC: an extension whose NIC is not fit is down and says why; the others forward.
func TestUnfitNIC(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(b *bench) error
		word  string
	}{
		"missing":   {func(b *bench) error { return b.Gateway.DeleteLink("eth4") }, "eth4"},
		"addressed": {func(b *bench) error { return b.Gateway.AddAddr("eth4", netip.MustParsePrefix("10.9.9.9/24")) }, "address"},
		"enslaved": {func(b *bench) error {
			return errors.Join(b.Gateway.Bridge("br0", 1500), b.Gateway.Enslave("eth4", "br0"))
		}, "br0"},
	} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				b := prepare(t, engine, twoNICs())
				must(t, c.spoil(b))
				must(t, b.daemon.Start())
				b.wantBridge("sick", "down", c.word)
				b.wantBridge("well", "lowered", "")
				b.ping(b.Host("well", 0), b.VM("well", 0, 0))
				b.wantBalance()
			})
		})
	}
}

// TestVanishingNIC: an extension whose NIC goes away is down, and comes back with the NIC; the other does not notice.
func TestVanishingNIC(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, twoNICs())
		b.ping(b.Host("sick", 0), b.VM("sick", 0, 0))
		must(t, b.Gateway.DeleteLink("eth4"))
		b.wantBridge("sick", "down", "eth4")
		b.ping(b.Host("well", 0), b.VM("well", 0, 0))
		must(t, b.ReplugTrunk(1))
		b.wantBridge("sick", "lowered", "")
		b.ping(b.Host("sick", 0), b.VM("sick", 0, 0))
	})
}

// TestLinkDown: an extension is down while its wire is unplugged.
func TestLinkDown(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, twoNICs())
		must(t, b.Switch.Down(lab.TrunkName(1)))
		b.wantBridge("sick", "down", "eth4")
		b.wantBridge("well", "lowered", "")
		must(t, b.Switch.Up(lab.TrunkName(1)))
		b.wantBridge("sick", "lowered", "")
		b.ping(b.Host("sick", 0), b.VM("sick", 0, 0))
	})
}

// TestNoVTEPAddress: without the VTEP address on the underlay all is down, and comes back with the address.
func TestNoVTEPAddress(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := prepare(t, engine, lab.Config{})
		uplink := b.Gateway.Uplinks[0]
		address := netip.PrefixFrom(b.Gateway.VTEP, 24)
		must(t, b.Gateway.DeleteAddr(uplink, address))
		must(t, b.daemon.Start())
		b.wantBridge("acme", "down", b.Gateway.VTEP.String())
		must(t, b.Gateway.AddAddr(uplink, address))
		b.wantBridge("acme", "lowered", "")
		b.ping(b.Host("acme", 0), b.VM("acme", 0, 0))
		must(t, b.Gateway.DeleteAddr(uplink, address))
		b.wantBridge("acme", "down", b.Gateway.VTEP.String())
	})
}

// TestSecondDaemon: a second daemon of the same name is refused, says who is in its way, and disturbs nothing.
func TestSecondDaemon(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		second, err := b.Gateway.NewDaemon(drawbridge(t))
		must(t, err)
		for name, text := range map[string]string{
			"all the same": b.config.Text(), "other state": "",
		} {
			c := b.config
			c.Name, c.Socket, c.State = b.daemon.Name, b.daemon.Socket(), b.daemon.State()
			if text == "" {
				c.Socket, c.State = second.Socket(), second.State()
			}
			must(t, second.WriteConfig(c.Text()))
			err := second.Start()
			if exit := (*lab.ExitError)(nil); !errors.As(err, &exit) || exit.Code == 0 {
				t.Fatalf("%s: a second daemon started: %v", name, err)
			} else if !strings.Contains(exit.Log, fmt.Sprint(b.daemon.PID())) {
				t.Errorf("%s: the error does not name the holder, pid %d: %s", name, b.daemon.PID(), exit.Log)
			}
		}
		b.ping(b.Host("acme", 0), b.VM("acme", 0, 0))
	})
}

// TestFaultyFile: a faulty file is refused with status 2 and all its faults, each with its place; the running daemon and
// its successor go on with the last good one.
func TestFaultyFile(t *testing.T) {
	b := prepare(t, "tc", lab.Config{})
	good, err := os.ReadFile(b.daemon.ConfigFile())
	must(t, err)
	faulty := string(good) + "  worse:\n    attachment: {interface: eth2, vlan: 4095}\n" +
		"    overlay: {encapsulation: vxlan, vni: 16777216, peers: [192.0.2.300]}\n    gaurd: {}\n"
	must(t, b.daemon.WriteConfig(faulty))
	wantFaults(t, "check", b.daemon.Check())
	err = b.daemon.Start()
	if exit := (*lab.ExitError)(nil); !errors.As(err, &exit) || exit.Code != 2 {
		t.Errorf("run with a faulty file: %v", err)
	}

	must(t, b.daemon.WriteConfig(string(good)))
	b.launch()
	must(t, b.daemon.WriteConfig(faulty))
	if r := b.daemon.Run("reload"); r.Code == 0 {
		t.Error("reload took a faulty file")
	}
	b.ping(b.Host("acme", 0), b.VM("acme", 0, 0))
	b.wantEvent("config-error")
	must(t, b.daemon.Stop())
	must(t, b.daemon.Start())
	b.ping(b.Host("acme", 0), b.VM("acme", 1, 0))
}

func wantFaults(t *testing.T, what string, r lab.Result) {
	t.Helper()
	if r.Code != 2 {
		t.Errorf("%s: status %d", what, r.Code)
	}
	for _, fault := range []string{"4095", "16777216", "192.0.2.300", "gaurd"} {
		if !strings.Contains(r.Stderr, fault) {
			t.Errorf("%s does not say that %s is wrong: %s", what, fault, r.Stderr)
		}
	}
	if n := strings.Count(r.Stderr, "drawbridge.yaml:"); n < 4 {
		t.Errorf("%s names %d places: %s", what, n, r.Stderr)
	}
}

// TestUntaggedOnVeth: XDP cannot tell untagged frames from tagged ones on a veth: a forced xdp refuses such a circuit.
func TestUntaggedOnVeth(t *testing.T) {
	b := prepare(t, "xdp", lab.Config{Extensions: []lab.ExtSpec{{Name: "plain", VNI: 7}}})
	must(t, b.daemon.Start())
	b.wantBridge("plain", "down", "untagged")
}

// TestRaise: the operator draws the bridge up, also over a restart, and lets it down.
func TestRaise(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		b.ping(host, vm)
		must(t, succeeded(b.daemon.Run("raise", "acme", "--reason", "maintenance")))
		b.wantBridge("acme", "raised", "maintenance")
		if r := b.daemon.Run("status"); r.Code != 3 {
			t.Errorf("status of a raised bridge ends with %d, want 3", r.Code)
		}
		must(t, b.daemon.Stop())
		must(t, b.daemon.Start())
		b.wantBridge("acme", "raised", "maintenance")
		if n, err := host.Pings(vm.IPv4.Addr(), 2, 0); err != nil || n != 0 {
			t.Errorf("%d echo requests crossed a raised bridge, %v", n, err)
		}
		if dropped := b.status().Extension("acme").ToCloud.Drops["raised"]; dropped == 0 {
			t.Error("nothing was counted as raised")
		}
		must(t, succeeded(b.daemon.Run("lower", "acme")))
		b.wantBridge("acme", "lowered", "")
		_, err := host.Ping(vm.IPv4.Addr(), 2*time.Second)
		must(t, err)
	})
}
