// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// check compares the sections with each other.
func (r *reader) check(d *draft) {
	r.checkMTU(d)
	r.checkInterfaces(d)
	r.checkCircuits(d)
	r.checkVNIs(d)
}

// checkMTU holds an IPv6 underlay to IPv6's least MTU.
func (r *reader) checkMTU(d *draft) {
	u := d.config.Gateway.Underlay
	v6 := u.Address.Is6() || d.family.address.Is6()
	if v6 && d.gateway.mtu.known() && u.MTU < minMTU6 {
		r.add(d.gateway.mtu, "gateway.underlay.mtu: %d is out of range over IPv6: auto or %d to 65535 is allowed", u.MTU, minMTU6)
	}
}

// checkInterfaces keeps customers off the uplinks.
func (r *reader) checkInterfaces(d *draft) {
	for name, at := range d.interfaces {
		if i := d.uplink(name); i >= 0 {
			r.add(at, "interfaces.%s: it is an uplink (gateway.underlay.interface %s): a customer's interface is allowed", name, r.where(d.gateway.uplinks[i]))
		}
	}
	for i, at := range d.extensions {
		e := &d.config.Extensions[i]
		if u := d.uplink(e.Attachment.Interface); at.nic.known() && u >= 0 {
			r.add(at.nic, "extensions.%s.attachment.interface: %s is an uplink (gateway.underlay.interface %s): a customer's interface is allowed",
				e.Name, e.Attachment.Interface, r.where(d.gateway.uplinks[u]))
		}
	}
}

// circuit is what a frame's NIC and tags decide.
type circuit struct {
	nic  string
	vlan l2.VLAN // with its TPID
}

func (r *reader) checkCircuits(d *draft) {
	owners := make(map[circuit]int, len(d.extensions))
	for i, at := range d.extensions {
		if !at.nic.known() || !at.circuit.known() {
			continue
		}
		a := d.config.Extensions[i].Attachment
		c := circuit{nic: a.Interface, vlan: a.VLAN}
		if owner, taken := owners[c]; taken {
			r.add(at.circuit, "extensions.%s.attachment.vlan: the circuit %s on %s belongs to extension %s %s: one extension a circuit is allowed",
				d.config.Extensions[i].Name, a.VLAN, a.Interface, d.config.Extensions[owner].Name, r.where(d.extensions[owner].circuit))
			continue
		}
		owners[c] = i
	}
}

func (r *reader) checkVNIs(d *draft) {
	owners := make(map[l2.VNI]int, len(d.extensions))
	for i, at := range d.extensions {
		if !at.vni.known() {
			continue
		}
		vni := d.config.Extensions[i].Overlay.VNI
		if owner, taken := owners[vni]; taken {
			r.add(at.vni, "extensions.%s.overlay.vni: %d belongs to extension %s %s: one extension a VNI is allowed",
				d.config.Extensions[i].Name, vni, d.config.Extensions[owner].Name, r.where(d.extensions[owner].vni))
			continue
		}
		owners[vni] = i
	}
}

// known lists the groups that there are, for a fault about one that is not.
func known(groups map[string]group) string {
	if len(groups) == 0 {
		return ""
	}
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) > 8 {
		names = append(names[:8], "…")
	}
	return fmt.Sprintf(" (there are %s)", strings.Join(names, ", "))
}
