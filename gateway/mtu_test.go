// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/event"
)

// Tunnel packets are never longer than every uplink carries, whatever is configured and whichever uplink changes; the operator
// is told once.
func TestConfiguredMTUAboveTheUplinks(t *testing.T) {
	cfg := gatewayConfig(acme())
	cfg.Gateway.Underlay.Interfaces = []string{"eth1", "eth3"}
	cfg.Gateway.Underlay.MTU = 1600
	r := newRig(t, cfg)
	r.host.add(veth("eth3", 8))
	setMTU := func(nic string, mtu int) { r.host.change(nic, func(l *Link) { l.MTU = mtu }) }
	setMTU("eth1", 1600)
	r.start()
	since := uint64(0)
	want := func(mtu int, kinds ...string) {
		t.Helper()
		r.gw.handle(event.LinksChanged{})
		r.tick()
		st, err := r.gw.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.plane.now.Underlay.MTU; got != mtu || st.Gateway.UnderlayMTU != mtu {
			t.Errorf("the kernel has the MTU %d, status %d; want %d", got, st.Gateway.UnderlayMTU, mtu)
		}
		if got := r.kinds(since); !slices.Equal(got, kinds) {
			t.Errorf("records %q, want %q", got, kinds)
		}
		since = r.lastSeq()
	}
	want(1500, "started ", "hint ")
	want(1500)
	setMTU("eth3", 9000)
	want(1600, "hint ")
	setMTU("eth1", 1400)
	want(1400, "hint ")
	h := r.records(since-1, event.Hint)[0]
	if message := "underlay.mtu is 1600, and the uplink eth1 carries 1400: tunnel packets have at most 1400 bytes; " +
		"`ip link set eth1 mtu 1600`, or `gateway: {underlay: {mtu: auto}}`"; h.Message != message || h.Severity != event.Warning {
		t.Errorf("%s: %s", h.Severity, h.Message)
	}
	setMTU("eth1", 9000)
	want(1600, "hint ")
}
