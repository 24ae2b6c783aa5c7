// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
)

func (r *rig) reload(c *config.Config) error {
	r.src.cfg = c
	return r.onLoop(func() error { return r.gw.Reload(r.t.Context()) })
}

func TestReload(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.host.add(veth("eth3", 4))
	since := r.lastSeq()
	r.src.text = "the new file\n"
	if err := r.reload(gatewayConfig(acme(), ext("beta1", "eth3", "10", 10200, "192.0.2.21"))); err != nil {
		t.Fatal(err)
	}
	r.wantBridge("beta1", state.Lowered, "")
	if !slices.Equal(r.host.peers, addrs("192.0.2.20", "192.0.2.21")) {
		t.Errorf("next hops are kept of %v", r.host.peers)
	}
	if got, _ := r.gw.opts.Store.LastGood(); string(got) != "the new file\n" {
		t.Errorf("last good configuration %q", got)
	}

	if err := r.reload(gatewayConfig(ext("beta1", "eth3", "10", 10200, "192.0.2.21"))); err != nil {
		t.Fatal(err)
	}
	if r.host.fit["eth2#3"] {
		t.Error("eth2 is not ours any more, and was not restored")
	}
	if _, noted := r.gw.recorder.changes.NICs["eth2"]; noted {
		t.Error("eth2 was restored and is still noted")
	}
	before := len(r.steps.journal)
	if err := r.reload(r.src.cfg); err != nil {
		t.Fatal(err)
	}
	if got := r.steps.journal[before:]; len(got) > 0 {
		t.Errorf("a reload of the same file did %q", got)
	}
	var messages []string
	for _, rec := range r.gw.Log().Since(since) {
		messages = append(messages, rec.Message)
	}
	want := []string{"reloaded: added beta1", "reloaded: removed acme", "reloaded: nothing changed"}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Error(diff)
	}
}

func TestReloadIsRefusedAsAWhole(t *testing.T) {
	beta := ext("beta1", "eth3", "10", 10200, "192.0.2.21")
	tests := []struct {
		name   string
		change func(r *rig, c *config.Config)
		want   string
		faulty bool // the configuration, not host or kernel
	}{
		{"faulty file", func(r *rig, _ *config.Config) { r.src.err = errors.New("drawbridge.yaml:3:1: two faults") }, "two faults", true},
		{"NIC with an address", func(r *rig, _ *config.Config) { r.host.add(veth("eth3", 4, "10.0.0.1/24")) }, "interface eth3 has the address 10.0.0.1/24", true},
		{"NIC that cannot be prepared", func(r *rig, _ *config.Config) { r.host.refuse["eth3"] = "driver says no" }, "driver says no", false},
		{"peer is ourselves", func(_ *rig, c *config.Config) { c.Extensions[0].Overlay.Peers = addrs("192.0.2.10") }, "this gateway itself", true},
		{"another name", func(_ *rig, c *config.Config) { c.Gateway.Name = "gw-b" }, `gateway.name is "gw-a" while the daemon runs`, true},
		{"an underlay that is not there", func(_ *rig, c *config.Config) { c.Gateway.Underlay.Interfaces = []string{"eth8"} }, "it would take every extension down", true},
		{"tunnel device refused", func(r *rig, c *config.Config) {
			c.Gateway.Underlay.Port = 8472
			r.steps.failAt = r.steps.count + 2 // eth3 is prepared before
		}, "make the tunnel device", false},
		{"kernel refuses", func(r *rig, _ *config.Config) { r.steps.failAt = r.steps.count + 2 }, "apply to the data plane", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, gatewayConfig(acme()))
			r.host.add(veth("eth3", 4))
			r.start()
			kernel, since := *r.plane.now, r.lastSeq()
			defer func() { // what was refused once is refused again
				if tt.want == "driver says no" && r.reload(r.src.cfg) == nil {
					t.Error("a second reload was not refused")
				}
			}()
			c := gatewayConfig(acme(), beta)
			r.src.text = "the refused file\n"
			tt.change(r, c)
			err := r.reload(c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one that says %q", err, tt.want)
			}
			if got := errors.Is(err, ErrRefused); got != tt.faulty {
				t.Errorf("error %v is the configuration's: %v, want %v", err, got, tt.faulty)
			}
			if diff := cmp.Diff(kernel, *r.plane.now, byValue); diff != "" {
				t.Error("a refused reload changed the kernel:\n" + diff)
			}
			if got, _ := r.gw.opts.Store.LastGood(); string(got) != "the file\n" {
				t.Errorf("last good configuration %q", got)
			}
			if got := r.kinds(since); !slices.Equal(got, []string{"config-error "}) {
				t.Errorf("records %q, want one config-error", got)
			}
			if r.host.fit["eth3#4"] {
				t.Error("eth3 stayed changed after a refused reload")
			}
			for port := range r.host.tunnels {
				if port != 4789 {
					t.Errorf("the tunnel device of port %d stayed after a refused reload", port)
				}
			}
			r.tick()
			r.wantBridge("acme", state.Lowered, "")
		})
	}
}

func TestReloadWhileTheUnderlayIsDown(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.host.change("eth1", func(l *Link) { l.Carrier = false })
	r.start()
	if err := r.reload(gatewayConfig(acme(), ext("beta1", "eth9", "10", 10200, "192.0.2.21"))); err != nil {
		t.Errorf("what was down before keeps nobody from reloading: %v", err)
	}
	if got := r.kinds(0); got[len(got)-2] != string(event.Reloaded)+" " {
		t.Errorf("records %q", got)
	}
}

func TestPortChangesThroughASecondDevice(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	c := gatewayConfig(acme())
	c.Gateway.Underlay.Port = 8472
	before := len(r.steps.journal)
	if err := r.reload(c); err != nil {
		t.Fatal(err)
	}
	want := []string{"make tunnel 8472", "apply", "remove tunnel 4789"}
	if diff := cmp.Diff(want, r.steps.journal[before:]); diff != "" {
		t.Error("the old device must serve until the kernel uses the new one:\n" + diff)
	}
}

func TestANICChangesItsRole(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	shared := gatewayConfig(acme())
	shared.Interfaces = map[string]config.Interface{"eth2": {Passthrough: true}}
	before := len(r.steps.journal)
	if err := r.reload(shared); err != nil {
		t.Fatal(err)
	}
	want := []string{"release eth2", "prepare eth2 as shared", "apply"}
	if diff := cmp.Diff(want, r.steps.journal[before:]); diff != "" {
		t.Error("the host could not use eth2 (-want +got):\n" + diff)
	}
	if err := r.reload(gatewayConfig(acme())); err != nil {
		t.Fatal(err)
	}
	if !r.host.fit["eth2#3"] {
		t.Error("eth2 is the customer's alone again, and was not prepared for that")
	}
}

// A reload that fails after a NIC got its new role gives it the old one back.
func TestANICGetsItsRoleBackWhenAReloadFails(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	shared := gatewayConfig(acme())
	shared.Interfaces = map[string]config.Interface{"eth2": {Passthrough: true}}
	r.steps.failAt = len(r.steps.journal) + 3 // release, prepare, apply
	if err := r.reload(shared); !errors.Is(err, errInjected) {
		t.Fatalf("error %v, want the injected one", err)
	}
	if got := r.steps.journal[r.steps.failAt-1]; got != "apply" {
		t.Fatalf("%q failed, not apply", got)
	}
	if got := r.host.roles["eth2"]; got != Customer || !r.host.fit["eth2#3"] {
		t.Errorf("eth2 is fit: %v, as %s; the former configuration goes on with it as customer", r.host.fit["eth2#3"], got)
	}
	r.tick()
	r.wantBridge("acme", state.Lowered, "")
}

func TestASharedNICIsSetUp(t *testing.T) {
	cfg := gatewayConfig(acme())
	cfg.Interfaces = map[string]config.Interface{"eth2": {Passthrough: true}}
	r := newRig(t, cfg)
	r.host.change("eth2", func(l *Link) { l.AdminUp, l.Carrier = false, false })
	r.start()
	r.wantBridge("acme", state.Lowered, "")
}

func TestManyFaultsMakeOneShortRecord(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	since := r.lastSeq()
	r.src.err = errors.New(strings.Repeat("f.yaml:1:1: wrong\n", 999) + "f.yaml:2:1: wrong")
	err := r.reload(r.src.cfg)
	if err == nil || strings.Count(err.Error(), "wrong") != 1000 {
		t.Errorf("the caller does not get all faults: %v", err)
	}
	rec := r.gw.Log().Since(since)[0]
	if !strings.HasSuffix(rec.Message, "f.yaml:1:1: wrong (and 999 more)") || rec.Detail["count"] != 1000 {
		t.Errorf("record %+v", rec)
	}
	if got := len(rec.Detail["faults"].([]string)); got != faultsLogged {
		t.Errorf("%d faults in the record, want %d", got, faultsLogged)
	}
}
