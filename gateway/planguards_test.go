// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// defaultGuards are those of profile stretched, as the table of guards has them.
var defaultGuards = state.Guards{
	Storm: [state.StormClasses]state.StormRate{
		{Rate: perSecond(500)}, {Rate: perSecond(50)}, {Rate: perSecond(200)}, {Rate: perSecond(500)}, {Rate: perSecond(200)},
	},
	Flood:       perSecond(20000),
	Learn:       state.Rate{PerSecond: 100, Burst: 1024},
	Moves:       state.MoveLimit{Count: 5, Window: 180 * time.Second},
	FastMoves:   state.MoveLimit{Count: 3, Window: time.Second},
	Refused:     state.Refused{FromCustomer: state.Services{FHRP: true}, FromCloud: state.Services{FHRP: true}},
	Fingerprint: true,
	Trip:        true,
}

func perSecond(n uint64) state.Rate { return state.Rate{PerSecond: n, Burst: n} }

func TestGuardsOfAHostedExtension(t *testing.T) {
	c := config.DefaultGuard(config.Hosted)
	c.Bandwidth.ToCloud = config.BitRate{Bits: 100_000_000, Burst: 100 * time.Millisecond}
	c.Storm.Broadcast = config.StormRate{
		PacketRate: config.PacketRate{Packets: 300, Burst: 400}, Bits: config.BitRate{Bits: 1_000_000, Burst: time.Second},
	}
	c.Flood.Allow = []config.MACPrefix{{MAC: l2.MAC{3, 0xbf}, Bits: 16}}
	c.Protect = []netip.Addr{netip.MustParseAddr("10.1.0.1")}
	c.ControlFrames = []config.Protocol{config.LLDP}
	c.MSS = config.MSS{Bytes: 1300}
	c.CPU = 20
	c.Loop.Fingerprint = false
	c.Trip.Auto = false

	want := defaultGuards
	want.Storm[state.StormBroadcast] = state.StormRate{
		Rate: state.Rate{PerSecond: 300, Burst: 400}, Bits: state.BitRate{PerSecond: 1_000_000, Burst: time.Second},
	}
	want.ToCloud = state.BitRate{PerSecond: 100_000_000, Burst: 100 * time.Millisecond}
	want.FloodAllow = []state.MACPrefix{{MAC: l2.MAC{3, 0xbf}, Bits: 16}}
	want.Protected = c.Protect
	want.Refused = state.Refused{FromCustomer: state.Services{DHCP: true, Router: true, FHRP: true, Querier: true}}
	want.Tunnelled = []string{"lldp"}
	want.MSS = state.MSS{Bytes: 1300}
	want.CPU = 20
	want.Fingerprint = false
	want.Trip = false
	if diff := cmp.Diff(want, desiredGuards(&c), byValue); diff != "" {
		t.Error("guards differ (-want +got):\n" + diff)
	}
}
