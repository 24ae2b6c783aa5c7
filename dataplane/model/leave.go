// SPDX-License-Identifier: Apache-2.0

package model

import (
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// nextHop is the last stage: the frame leaves, or nothing leads to where it should go.
func (w *walk) nextHop() Reason {
	if w.x.down || !w.gateway.Underlay.VTEP.IsValid() {
		return NoNextHop
	}
	w.clampMSS()
	if w.direction == l2.ToCustomer {
		w.mergeMarks()
		w.toCustomer()
		return None
	}
	if w.target != nil && w.target.Place > 0 {
		w.toVTEP(w.target.Place)
	} else {
		w.flood = true // also to a station in the cloud whose VTEP is not known yet
		for _, p := range w.x.peers {
			w.toVTEP(p)
		}
	}
	if len(w.result.Leaves) == 0 {
		return NoNextHop
	}
	return None
}

func (w *walk) toVTEP(p Place) {
	addr := w.gateway.VTEP(p)
	if w.gateway.Unresolved[addr] {
		return
	}
	w.result.Leaves = append(w.result.Leaves, Leaving{Bytes: w.frame, VTEP: addr, VNI: w.x.VNI, TOS: w.layers.tos})
}

func (w *walk) toCustomer() {
	w.tagged = withTags(w.tagged, w.frame, w.x.VLAN, w.priority())
	w.result.Leaves = append(w.result.Leaves, Leaving{NIC: w.x.NIC, Bytes: w.tagged})
}

// priority is the PCP of the circuit's tags: as configured, or the upper three bits of the inner DSCP.
func (w *walk) priority() uint8 {
	if w.x.PCP == state.PCPFromDSCP {
		return w.layers.tos >> 5
	}
	return w.x.PCP
}
