// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/state"
)

// desiredGuards translates the guards of an extension.
func desiredGuards(c *config.Guard) state.Guards {
	g := state.Guards{
		Flood:       rate(c.Flood.Rate),
		ToCloud:     bitRate(c.Bandwidth.ToCloud),
		ToCustomer:  bitRate(c.Bandwidth.ToCustomer),
		Learn:       state.Rate{PerSecond: uint64(c.MACs.Rate), Burst: uint64(c.MACs.Limit)},
		Moves:       state.MoveLimit(c.MACs.Moves),
		FastMoves:   state.MoveLimit(c.MACs.FastMoves),
		Protected:   c.Protect,
		Refused:     refused(c.Services),
		MSS:         state.MSS(c.MSS),
		CPU:         c.CPU,
		Fingerprint: c.Loop.Fingerprint,
		Trip:        c.Trip.Auto,
	}
	g.Storm[state.StormARPND] = stormRate(c.Storm.ARPND)
	g.Storm[state.StormDHCP] = stormRate(c.Storm.DHCP)
	g.Storm[state.StormBroadcast] = stormRate(c.Storm.Broadcast)
	g.Storm[state.StormMulticast] = stormRate(c.Storm.Multicast)
	g.Storm[state.StormUnknownUnicast] = stormRate(c.Storm.UnknownUnicast)
	for _, p := range c.Flood.Allow {
		g.FloodAllow = append(g.FloodAllow, state.MACPrefix(p))
	}
	for _, p := range c.ControlFrames {
		g.Tunnelled = append(g.Tunnelled, string(p))
	}
	return g
}

func rate(r config.PacketRate) state.Rate {
	return state.Rate{PerSecond: r.Packets, Burst: r.Burst}
}

func bitRate(r config.BitRate) state.BitRate {
	return state.BitRate{PerSecond: r.Bits, Burst: r.Burst}
}

func stormRate(r config.StormRate) state.StormRate {
	return state.StormRate{Rate: rate(r.PacketRate), Bits: bitRate(r.Bits)}
}

// refused turns who may serve into who may not.
func refused(s config.Services) state.Refused {
	not := func(side config.Servers) state.Services {
		return state.Services{
			DHCP: s.DHCP&side == 0, Router: s.Router&side == 0, FHRP: s.FHRP&side == 0, Querier: s.Querier&side == 0,
		}
	}
	return state.Refused{FromCustomer: not(config.ServeCustomer), FromCloud: not(config.ServeCloud)}
}
