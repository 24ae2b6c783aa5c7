// SPDX-License-Identifier: Apache-2.0

package state

import "slices"

// Equal reports whether nothing differs. It is for thousands of extensions of which one may have changed: reflection takes
// a hundred times as long.
func (x *Extension) Equal(y *Extension) bool {
	return x.Name == y.Name && x.NIC == y.NIC && x.VLAN == y.VLAN && x.PCP == y.PCP && x.VNI == y.VNI &&
		x.Raised == y.Raised && x.Down == y.Down && x.MACLimit == y.MACLimit && x.MACAge == y.MACAge && x.Mode == y.Mode &&
		slices.Equal(x.Peers, y.Peers) && slices.Equal(x.Static, y.Static) &&
		x.Inner.AllowAll == y.Inner.AllowAll && slices.Equal(x.Inner.Allowed, y.Inner.Allowed) && x.Guards.equal(&y.Guards)
}

func (g *Guards) equal(h *Guards) bool {
	return g.Storm == h.Storm && g.Flood == h.Flood && slices.Equal(g.FloodAllow, h.FloodAllow) &&
		g.ToCloud == h.ToCloud && g.ToCustomer == h.ToCustomer && g.Learn == h.Learn && g.Moves == h.Moves &&
		g.FastMoves == h.FastMoves && slices.Equal(g.Protected, h.Protected) && g.Refused == h.Refused &&
		slices.Equal(g.Tunnelled, h.Tunnelled) && g.MSS == h.MSS && g.CPU == h.CPU && g.Fingerprint == h.Fingerprint && g.Trip == h.Trip
}

// Equal reports whether nothing differs.
func (d *Desired) Equal(e *Desired) bool {
	if !d.SameHost(e) || len(d.Extensions) != len(e.Extensions) {
		return false
	}
	for i := range d.Extensions {
		if !d.Extensions[i].Equal(&e.Extensions[i]) {
			return false
		}
	}
	return true
}

// SameHost reports whether nothing differs but, perhaps, the extensions.
func (d *Desired) SameHost(e *Desired) bool {
	return d.Gateway == e.Gateway && d.Engine == e.Engine && d.Underlay.equal(&e.Underlay) && slices.Equal(d.NICs, e.NICs)
}

func (u *Underlay) equal(v *Underlay) bool {
	return slices.Equal(u.Uplinks, v.Uplinks) && u.VTEP == v.VTEP && u.Port == v.Port && u.MTU == v.MTU &&
		u.ZeroChecksum6 == v.ZeroChecksum6 && u.IgnoreReservedBits == v.IgnoreReservedBits && u.TunnelIfindex == v.TunnelIfindex
}
