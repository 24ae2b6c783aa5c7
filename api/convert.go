// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/state"
)

// encapsulationVXLAN is the one encapsulation of this release.
const encapsulationVXLAN = "vxlan"

func statusOf(s state.Status) Status {
	out := Status{
		Gateway:    gatewayOf(s.Gateway),
		Interfaces: make([]Interface, 0, len(s.Interfaces)),
		Extensions: make([]Extension, 0, len(s.Extensions)),
	}
	for _, i := range s.Interfaces {
		out.Interfaces = append(out.Interfaces, interfaceOf(i))
	}
	for _, e := range s.Extensions {
		out.Extensions = append(out.Extensions, extensionOf(e))
	}
	return out
}

func gatewayOf(g state.GatewayStatus) GatewayInfo {
	return GatewayInfo{
		Name:          string(g.Name),
		Version:       g.Version,
		Engine:        g.Engine.String(),
		EngineReason:  g.EngineReason,
		UptimeSeconds: int64(g.Uptime / time.Second),
		Underlay: Underlay{
			Interfaces: filled(g.UnderlayNICs),
			Address:    addrText(g.VTEP),
			MTU:        g.UnderlayMTU,
		},
		KernelMemory: g.KernelMemory,
	}
}

func interfaceOf(i state.InterfaceStatus) Interface {
	drops := make(map[string]uint64, len(i.Drops))
	for reason, n := range i.Drops {
		drops[reason] = n
	}
	return Interface{Name: i.Name, Role: i.Role, Rx: Count(i.Rx), Passed: i.Passed, Lost: i.Lost, Drops: drops}
}

func extensionOf(e state.ExtensionStatus) Extension {
	peers := make([]string, 0, len(e.Peers))
	for _, p := range e.Peers {
		peers = append(peers, addrText(p))
	}
	return Extension{
		Name:        string(e.Name),
		Bridge:      e.Bridge.String(),
		Reason:      e.Reason,
		Since:       e.Since.UTC().Truncate(time.Second),
		Attachment:  Attachment{Interface: e.NIC, VLAN: e.VLAN.String()},
		Overlay:     Overlay{Encapsulation: encapsulationVXLAN, VNI: uint32(e.VNI), Peers: peers},
		MACs:        MACCounts(e.MACs),
		ToCloud:     countersOf(e.ToCloud),
		ToCustomer:  countersOf(e.ToCustomer),
		Description: e.Description,
	}
}

func countersOf(c state.Counters) Counters {
	return Counters{
		Rx: Count(c.Rx), Tx: Count(c.Tx), Copies: c.Copies, Generated: c.Generated,
		Drops: occurred(c.Drops), WouldDrop: occurred(c.WouldDrop),
	}
}

// recordOf is the record with its time in UTC and a detail that is never null.
func recordOf(r Event) Event {
	r.Time = r.Time.UTC()
	if r.Detail == nil {
		r.Detail = map[string]any{}
	}
	return r
}

// occurred is the counters that are not zero.
func occurred(counters map[string]uint64) map[string]uint64 {
	out := make(map[string]uint64)
	for reason, n := range counters {
		if n != 0 {
			out[reason] = n
		}
	}
	return out
}

// filled is the list, empty instead of null in JSON.
func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
