// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// The enum hop_state of bpf/abi.h.
const (
	hopUnknown     = 0
	hopResolved    = 1
	hopNoNeighbour = 2
	hopBorrowed    = 4
)

func (t *traced) result() state.TraceResult {
	r := state.TraceResult{Bytes: t.inner, Summary: summaryOf(t.inner), Outcome: state.TraceForwarded}
	r.Reason = t.reason()
	if would := t.would(); would != "" {
		r.WouldDrop = []string{would}
	}
	switch {
	case t.elsewhere != "":
		r.Outcome = state.TraceElsewhere
	case r.Reason != "":
		r.Outcome = state.TraceDropped
	case t.after.nic.Passed > 0:
		r.Outcome = state.TraceHost
	default:
		r.Leaves = t.leaves()
		if len(r.Leaves) == 0 { // engine xdp leaves it to tc, which finds no way
			r.Outcome, r.Reason = state.TraceDropped, "no-next-hop"
			t.counted().Drops[reasonNumber("no-next-hop")] = 1
		}
	}
	if t.elsewhere == "" {
		r.Learns = t.learns()
	}
	r.Stages = t.stages()
	r.Conclusion, r.YAML = t.conclude(&r)
	return r
}

func reasonNumber(name string) int {
	for i, n := range Reasons() {
		if n == name {
			return i
		}
	}
	return 0
}

// leaves is where a frame goes that is not dropped.
func (t *traced) leaves() []state.TraceLeaving {
	if t.dir == l2.ToCustomer {
		return []state.TraceLeaving{{Interface: t.x.NIC, VLAN: t.x.VLAN.String()}}
	}
	if to := t.after.passage.To; to < placeCloud {
		return t.byVTEP(t.vteps.byIndex[to])
	}
	var all []state.TraceLeaving
	for _, peer := range t.x.Peers {
		all = append(all, t.byVTEP(peer)...)
	}
	return all
}

// byVTEP is the way to one VTEP; none when there is no route.
func (t *traced) byVTEP(addr netip.Addr) []state.TraceLeaving {
	var v abi.TcVtep
	if err := t.maps["vteps"].Lookup(t.vteps.byAddr[addr], &v); err != nil {
		return nil
	}
	hop := v.Hop[t.share()]
	l := state.TraceLeaving{VTEP: addr, VNI: t.x.VNI}
	switch hop.State {
	case hopResolved, hopBorrowed:
		a := hop.Adj[hop.Active&1]
		l.Interface, l.NextHop = t.uplink(a.Ifindex), a.Dst
	case hopNoNeighbour: // by the tunnel device, which asks for it
	case hopUnknown:
		if t.desired.Engine == state.EngineTC {
			return nil // it was looked up just now, had there been an address to look it up from
		}
	default:
		return nil
	}
	return []state.TraceLeaving{l}
}

// share is share_of of bpf/hop.h.
func (t *traced) share() uint32 {
	if n := uint32(t.gateway.UplinkCount); n > 1 {
		return t.after.passage.P.Hash % n
	}
	return 0
}

func (t *traced) uplink(ifindex uint32) string {
	for _, u := range t.desired.Underlay.Uplinks {
		if uint32(u.Ifindex) == ifindex {
			return u.Name
		}
	}
	return fmt.Sprintf("interface %d", ifindex)
}

func (t *traced) aboutNextHop() string {
	switch {
	case t.x.Down:
		return "the circuit or the underlay is down"
	case t.reason() == "no-next-hop":
		return "no VTEP that it should go to has a route and a neighbour"
	case t.dir == l2.ToCustomer:
		return fmt.Sprintf("%s, VLAN %s", t.x.NIC, t.x.VLAN)
	}
	var ways []string
	for _, l := range t.leaves() {
		ways = append(ways, wayText(l))
	}
	return strings.Join(ways, "; ")
}

// wayText is a way to a VTEP in words.
func wayText(l state.TraceLeaving) string {
	if l.Interface == "" {
		return fmt.Sprintf("VTEP %s, whose next hop the kernel has yet to ask for", l.VTEP)
	}
	return fmt.Sprintf("VTEP %s by %s, next hop %s", l.VTEP, l.Interface, l.NextHop)
}

// clamped compares the segment size that TCP agrees on before and after.
func (t *traced) clamped() (before, after uint16, clamped bool) {
	before = mssOf(t.inner)
	if before == 0 || len(t.out) == 0 {
		return 0, 0, false
	}
	out := t.out
	if outer, err := frame.ParseVXLAN(out); err == nil && outer.Outer.UDP.DstPort == t.desired.Underlay.Port {
		out = outer.Inner
	}
	after = mssOf(out)
	return before, after, after != 0 && after != before
}

// mssOf is TCP's option; 0: none.
func mssOf(b []byte) uint16 {
	p, err := frame.Parse(b)
	if err != nil || p.TCP == nil {
		return 0
	}
	for o := p.TCP.Options; len(o) >= 4; {
		switch {
		case o[0] == 2 && o[1] == 4:
			return binary.BigEndian.Uint16(o[2:])
		case o[0] == 1:
			o = o[1:]
		case o[0] == 0 || o[1] < 2 || int(o[1]) > len(o):
			return 0
		default:
			o = o[o[1]:]
		}
	}
	return 0
}
