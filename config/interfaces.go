// SPDX-License-Identifier: Apache-2.0

package config

// Interface is what differs from the default on one customer's NIC.
type Interface struct {
	Passthrough bool // frames that fit no circuit go to the host
}

func (r *reader) interfaces(path string, n *node, d *draft) {
	d.interfaces = map[string]place{}
	r.entries(path, n, "a map of interfaces' names", func(path string, p pair) {
		var settings Interface
		r.mapping(path, p.value, []field{boolean(r, "passthrough", &settings.Passthrough)})
		name, err := parseInterface(p.key)
		if err != nil {
			r.add(p.at, "%s: %s: %s is allowed", path, err, interfaceAllowed)
			return
		}
		d.config.Interfaces[name] = settings
		d.interfaces[name] = p.at
	})
}
