// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/drawbridge-l2/drawbridge/event"
)

// ShortMTU is an uplink that carries less than underlay.mtu says. The zero value: there is none.
type ShortMTU struct {
	Uplink          string
	MTU, Configured int // bytes of the outer IP packet
}

// fitMTU returns what the outer packets may have: what is configured, 0 for auto, but never more than every uplink carries. Its
// device would lose the rest after it was counted as sent.
func fitMTU(configured int, uplinks []Link) (int, ShortMTU) {
	if len(uplinks) == 0 {
		return configured, ShortMTU{}
	}
	narrow := slices.MinFunc(uplinks, func(a, b Link) int { return cmp.Compare(a.MTU, b.MTU) })
	switch {
	case configured == 0:
		return narrow.MTU, ShortMTU{}
	case configured > narrow.MTU:
		return narrow.MTU, ShortMTU{narrow.Name, narrow.MTU, configured}
	}
	return configured, ShortMTU{}
}

// tellMTU tells once that an uplink carries less than is configured, and once that this is over.
func (g *Gateway) tellMTU(was, now ShortMTU) {
	if was == now {
		return
	}
	r := event.Record{Kind: event.Hint, Severity: event.Info, Message: fmt.Sprintf("no longer: underlay.mtu is %d, and %s carries less", was.Configured, was.Uplink)}
	if now != (ShortMTU{}) {
		r = now.record()
	}
	g.log.Append(r)
}

func (s ShortMTU) record() event.Record {
	return event.Record{
		Kind:     event.Hint,
		Severity: event.Warning,
		Message: fmt.Sprintf("underlay.mtu is %d, and the uplink %s carries %d: tunnel packets have at most %d bytes; `ip link set %s mtu %d`, or `gateway: {underlay: {mtu: auto}}`",
			s.Configured, s.Uplink, s.MTU, s.MTU, s.Uplink, s.Configured),
		Detail: map[string]any{"interface": s.Uplink, "mtu": s.MTU, "configured": s.Configured, "yaml": "mtu: auto"},
	}
}
