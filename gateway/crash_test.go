// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
)

// scenario changes much at once: another port, one NIC less, one more.
func scenario(t *testing.T) (r *rig, next *config.Config) {
	r = newRig(t, gatewayConfig(acme(), ext("beta1", "eth3", "10", 10200, "192.0.2.20")))
	r.host.add(veth("eth3", 4))
	r.host.add(veth("eth4", 5))
	r.host.change("eth4", func(l *Link) { l.AdminUp = false })
	next = gatewayConfig(acme(), ext("gamma12", "eth4", "11", 10300, "192.0.2.21"))
	next.Gateway.Underlay.Port = 8472
	return r, next
}

// dies runs f and reports whether the daemon died in it.
func dies(f func()) (died bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, ours := p.(crash); !ours {
				panic(p)
			}
			died = true
		}
	}()
	f()
	return false
}

// outcome is what host and kernel are like, without device numbers.
func outcome(r *rig) map[string]any {
	kernel := *r.plane.now
	kernel.Underlay.TunnelIfindex = 0
	ports := map[uint16]bool{}
	for p := range r.host.tunnels {
		ports[p] = true
	}
	return map[string]any{"kernel": kernel, "fit": r.host.fit, "ports": ports}
}

func TestADaemonThatDiesAtAnyStepIsContinued(t *testing.T) {
	want, next := scenario(t)
	want.start()
	startSteps := want.steps.count
	if err := want.reload(next); err != nil {
		t.Fatal(err)
	}
	total := want.steps.count
	if total < 10 {
		t.Fatalf("the scenario has %d steps only", total)
	}
	for at := 1; at <= total; at++ {
		r, next := scenario(t)
		r.steps.crashAt = at
		died := dies(func() { r.start() })
		if !died {
			died = dies(func() { _ = r.gw.changeAs(next, []byte("new"), reloadedRecord) })
		}
		if !died {
			t.Fatalf("step %d of %d: nothing died", at, total)
		}
		if at > startSteps && r.plane.now == nil {
			t.Errorf("step %d: the kernel lost what it held", at)
		}
		r.src.cfg = next
		r.start()
		if diff := cmp.Diff(outcome(want), outcome(r), byValue); diff != "" {
			t.Errorf("after a death at step %d (%s) a restart leads elsewhere:\n%s", at, r.steps.journal[at-1], diff)
		}
	}
}

func TestAFailureAtAnyStepOfAReloadLeavesTheFormerState(t *testing.T) {
	probe, next := scenario(t)
	probe.start()
	first := probe.steps.count + 1
	if err := probe.reload(next); err != nil {
		t.Fatal(err)
	}
	applyAt := 0
	for i, step := range probe.steps.journal {
		if step == "apply" && applyAt < first {
			applyAt = i + 1 // the one after it only follows a NIC that came up
		}
	}
	for at := first; at <= applyAt; at++ {
		r, next := scenario(t)
		r.start()
		before := outcome(r)
		r.steps.failAt = at
		if err := r.reload(next); !errors.Is(err, errInjected) {
			t.Fatalf("step %d: error %v, want the injected one", at, err)
		}
		if diff := cmp.Diff(before, outcome(r), byValue); diff != "" {
			t.Errorf("a failure at step %d (%s) left traces:\n%s", at, r.steps.journal[at-1], diff)
		}
		r.wantBridge("beta1", state.Lowered, "")
		if err := r.reload(next); err != nil {
			t.Errorf("step %d: the next reload failed: %v", at, err)
		}
	}
}

func TestUninstallGivesEverythingBack(t *testing.T) {
	r, _ := scenario(t)
	r.start()
	store, err := OpenStore(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if errs := RestoreHost(store, "gw-a", r.host); len(errs) > 0 {
		t.Fatal(errs)
	}
	if r.host.fit["eth2#3"] || r.host.fit["eth3#4"] || len(r.host.tunnels) > 0 {
		t.Errorf("left behind: %v %v", r.host.fit, r.host.tunnels)
	}
	if errs := RestoreHost(store, "gw-a", r.host); len(errs) > 0 {
		t.Errorf("a second time: %v", errs)
	}
}

func TestAStateDirectoryServesOneGateway(t *testing.T) {
	r, _ := scenario(t)
	r.start()
	store, err := OpenStore(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if errs := RestoreHost(store, "gw-b", r.host); len(errs) != 1 {
		t.Errorf("another gateway's uninstall: %v, want one error", errs)
	}
	if !r.host.fit["eth2#3"] {
		t.Error("another gateway's uninstall restored eth2")
	}
}

func TestUninstallGoesOnAfterAnError(t *testing.T) {
	r, _ := scenario(t)
	r.start()
	store, err := OpenStore(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	r.steps.failAt = r.steps.count + 1
	if errs := RestoreHost(store, "gw-a", r.host); len(errs) != 1 || !errors.Is(errs[0], errInjected) {
		t.Fatalf("errors %v, want the injected one", errs)
	}
	if len(r.host.tunnels) > 0 {
		t.Error("the tunnel device was left behind")
	}
	if errs := RestoreHost(store, "gw-a", r.host); len(errs) > 0 {
		t.Errorf("what failed was forgotten: %v", errs)
	}
	if len(r.host.fit) > 1 { // eth1 is an uplink
		t.Errorf("left behind: %v", r.host.fit)
	}
}
