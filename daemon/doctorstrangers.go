// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"strings"

	"github.com/drawbridge-l2/drawbridge/api"
)

// strangerKinds are what the NICs count of frames that no extension gets, and what it means beside an extension that gets
// nothing in that direction.
var strangerKinds = []struct {
	reason, noun, which string
	got                 func(*api.Extension) uint64
	suspicion, remedy   string
}{
	{"no-circuit", "frame", "whose tags fit no circuit", func(e *api.Extension) uint64 { return e.ToCloud.Rx.Frames },
		"perhaps the VLAN of its attachment is another than the switch's",
		"make attachment.vlan and the switch's port agree; with engine tc `tcpdump -eni NIC` shows the tags that come"},
	{"unknown-vtep", "tunnel packet", "from VTEPs that are no peer of their extension", func(e *api.Extension) uint64 { return e.ToCustomer.Rx.Frames },
		"perhaps a VTEP is missing among its peers",
		"add the VTEP to overlay.peers; `drawbridge trace EXT --to customer --from VTEP` says whether it may send"},
	{"unknown-vni", "tunnel packet", "with a VNI that no extension has", func(e *api.Extension) uint64 { return e.ToCustomer.Rx.Frames },
		"perhaps its VNI is another than the cloud's", "make overlay.vni and the cloud's VNI agree"},
	{"tunnel-header", "tunnel packet", `with a header that is not as it must be, or "too big" from a router,`, func(e *api.Extension) uint64 { return e.ToCustomer.Rx.Frames },
		"perhaps its peers set reserved bits (VXLAN-GBP), send no UDP checksum over IPv6, or fragments",
		"gateway.underlay.reserved-bits: ignore, or zero-checksum6: true, if that is what the peers mean to send; docs/reference/drop-reasons.md has the whole list"},
}

// judgeStrangers looks at what the running gateway gave to no extension. That there is some is usual: other VLANs of a
// trunk, somebody's scan. When it comes while an extension gets nothing, it is the sign of a wrong VLAN or a missing peer.
func judgeStrangers(x *examined) (found []finding) {
	if x.status == nil || x.later == nil {
		return nil
	}
	for i := range x.later.Interfaces {
		nic := &x.later.Interfaces[i]
		was := map[string]uint64{}
		for _, before := range x.status.Interfaces {
			if before.Name == nic.Name {
				was = before.Drops
			}
		}
		for _, kind := range strangerKinds {
			n, grown := nic.Drops[kind.reason], nic.Drops[kind.reason]-min(was[kind.reason], nic.Drops[kind.reason])
			if n == 0 {
				continue
			}
			f := finding{"strangers", nic.Name, notice, plural(n, kind.noun) + " " + kind.which + " came in so far, none of them just now",
				"they were dropped (" + kind.reason + ")", "none, unless an extension misses them: " + kind.remedy}
			if grown > 0 {
				f.Finding = plural(grown, kind.noun) + " " + kind.which + " came in while doctor looked"
			}
			if silent := x.silent(nic, kind.got); grown > 0 && silent != "" {
				f.Severity, f.Finding = warning, f.Finding+", and nothing for "+silent
				f.Consequence, f.Remedy = "nothing of that side reaches the extension: "+kind.suspicion, kind.remedy
			}
			f.Remedy = strings.ReplaceAll(f.Remedy, "NIC", nic.Name)
			found = append(found, f)
		}
	}
	return found
}

// silent names extensions that got nothing between the two readings, three at most. Those with another customer's NIC do
// not count.
func (x *examined) silent(nic *api.Interface, got func(*api.Extension) uint64) string {
	before := map[string]uint64{}
	for i := range x.status.Extensions {
		before[x.status.Extensions[i].Name] = got(&x.status.Extensions[i])
	}
	var names []string
	for i := range x.later.Extensions {
		e := &x.later.Extensions[i]
		if was, known := before[e.Name]; known && got(e) == was && (nic.Role != "customer" || e.Attachment.Interface == nic.Name) {
			names = append(names, e.Name)
		}
	}
	const most = 3
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
