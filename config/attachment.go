// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// PCPFromDSCP as Attachment.PCP takes the priority of the tag towards the customer from the upper three
// bits of the inner packet's DSCP.
const PCPFromDSCP = 8

// Attachment is the circuit on which the customer arrives.
type Attachment struct {
	Interface string
	VLAN      l2.VLAN // with its TPID
	PCP       uint8   // priority of the tag towards the customer: 0 to 7, or PCPFromDSCP
}

const vlanAllowed = "1–4094, outer.inner (100.200) or untagged"

func (r *reader) attachment(path string, n *node, a *Attachment, at *places) {
	var tpid l2.TPID
	known := true // whether the TPID is
	r.mapping(path, n, []field{
		{key: "interface", need: interfaceAllowed, read: func(path string, n *node) {
			if read(r, path, n, interfaceAllowed, parseInterface, &a.Interface) {
				at.nic = n.at
			}
		}},
		{key: "vlan", need: vlanAllowed, read: func(path string, n *node) {
			if read(r, path, n, vlanAllowed, parseVLAN, &a.VLAN) {
				at.circuit = n.at
			}
		}},
		{key: "tpid", read: func(path string, n *node) {
			known = read(r, path, n, "0x8100 or 0x88a8", parseTPID, &tpid)
		}},
		number(r, "pcp", "0 to 7 or from-dscp", parsePCP, &a.PCP),
	})
	if at.circuit.known() && a.VLAN == l2.Untagged {
		r.tagless(path, n.get("tpid"), "tpid")
		r.tagless(path, n.get("pcp"), "pcp")
	}
	if tpid != 0 {
		a.VLAN = a.VLAN.WithTPID(tpid)
	}
	if !known {
		at.circuit = place{}
	}
}

// tagless refuses what describes a tag on a circuit that has none.
func (r *reader) tagless(path string, n *node, key string) {
	if n != nil {
		r.add(n.home(), "%s: an untagged circuit has no tag to carry it: leave %s out, or give a vlan", join(path, key), key)
	}
}

func parseTPID(s string) (l2.TPID, error) {
	for _, t := range []l2.TPID{l2.TPIDCustomer, l2.TPIDService} {
		if strings.EqualFold(s, t.String()) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%s was found", show(s))
}

func parsePCP(s string) (uint8, error) {
	if s == "from-dscp" {
		return PCPFromDSCP, nil
	}
	return numberIn[uint8](0, 7)(s)
}
