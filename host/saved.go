// SPDX-License-Identifier: Apache-2.0

package host

// Setting names something that Prepare changes on a NIC.
type Setting string

// The settings, and their values.
const (
	DisableIPv6 Setting = "disable-ipv6" // sysctl of that name
	AddrGenMode Setting = "addr-gen-mode"
	NoARP       Setting = "noarp"   // link flag, 0 or 1
	Promiscuous Setting = "promisc" // link flag, 0 or 1: not what sockets ask for
	LRO         Setting = "lro"     // large receive offload, 0 or 1
	RxVLAN      Setting = "rxvlan"  // VLAN tags are taken off by the NIC, 0 or 1
	Up          Setting = "up"      // administrative state, 0 or 1
)

// Change is one setting of a device that differed, with the value it had.
type Change struct {
	Device  string  `json:"device"` // the NIC, or a member of the bond that it is
	Setting Setting `json:"setting"`
	Was     int     `json:"was"`
}

// Saved is what was changed on a NIC, in the order of changing, with the former values. It is plain JSON,
// so that a later process can put the settings back. The zero value is nothing.
type Saved []Change

// Merge adds the changes of a later Prepare. A setting that s knows keeps its value of s: that is the one
// from before us.
func (s Saved) Merge(later Saved) Saved {
	merged := append(Saved(nil), s...)
	for _, c := range later {
		if !merged.has(c.Device, c.Setting) {
			merged = append(merged, c)
		}
	}
	return merged
}

func (s Saved) has(device string, setting Setting) bool {
	for _, c := range s {
		if c.Device == device && c.Setting == setting {
			return true
		}
	}
	return false
}
