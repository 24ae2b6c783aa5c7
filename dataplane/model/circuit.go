// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/drawbridge-l2/drawbridge/l2"

// FromCustomer is the walk of a frame that arrives at a customer's NIC.
func (g *Gateway) FromCustomer(now int64, nic string, frame []byte) *Result {
	w := g.start(now, l2.ToCloud)
	n := g.NICs[nic]
	n.Rx++
	x, tags := g.circuitOf(nic, frame)
	switch {
	case x != nil:
	case n.Passthrough:
		n.Passed++
		w.result.Verdict = Passed
		return &w.result
	default:
		return g.dropAt(n, NoCircuit)
	}
	g.scratch = append(g.scratch[:0], frame[:12]...)
	g.scratch = append(g.scratch, frame[12+tagSize*tags:]...)
	w.place = AtCustomer
	w.run(x, g.scratch)
	return &w.result
}

// dropAt counts a drop before an extension is known.
func (g *Gateway) dropAt(n *NIC, r Reason) *Result {
	n.Drops[r]++
	g.walk.result.Reason = r
	return &g.walk.result
}

// circuitOf finds the extension that a frame's tags lead to, and how many of them are the circuit's. The longer
// match comes first. VID 0 is no circuit's: one such tag makes a frame untagged with a priority. A tag that is cut off
// is none: such a frame is malformed, on an untagged circuit.
func (g *Gateway) circuitOf(nic string, frame []byte) (x *Extension, tags int) {
	tpid := get16(frame, 12)
	switch {
	case !isTag(tpid) || len(frame) < ethernetHeader+tagSize:
		return g.circuits[circuit{nic: nic}], 0
	case tpid != typeVLAN && tpid != typeSVLAN:
		return nil, 0
	}
	outer := get16(frame, 14) & 0xfff
	if outer == 0 {
		return g.circuits[circuit{nic: nic}], 1
	}
	if get16(frame, 16) == typeVLAN && len(frame) >= ethernetHeader+2*tagSize {
		inner := get16(frame, 18) & 0xfff
		if x := g.circuits[circuit{nic, tpid, outer, inner}]; x != nil && inner != 0 {
			return x, 2
		}
	}
	return g.circuits[circuit{nic, tpid, outer, 0}], 1
}

// withTags puts the circuit's tags on. DEI is sent as 0, and the inner of two tags is always a C-tag.
func withTags(out, inner []byte, vlan l2.VLAN, pcp uint8) []byte {
	out = append(out[:0], inner[:12]...)
	kind := uint16(vlan.TPID())
	vids := [2]l2.VID{vlan.Outer(), vlan.Inner()}
	for _, vid := range vids[:vlan.Depth()] {
		out = append(out, byte(kind>>8), byte(kind), pcp<<5|byte(vid>>8), byte(vid))
		kind = typeVLAN
	}
	return append(out, inner[12:]...)
}
