// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
)

// writeStatus prints the gateway, a line for each extension, the largest drops, and the NICs.
func writeStatus(w io.Writer, st api.Table, p palette, now time.Time) {
	writeGateway(w, st.Gateway, p)
	io.WriteString(w, "\n")
	if st.Extensions.Len() == 0 {
		io.WriteString(w, "no extensions\n")
	}
	extensionTable(&st.Extensions, now).write(w, p)
	writeLargestDrops(w, st.LargestDrops, st.MoreDrops, p)
	if len(st.Interfaces) > 0 {
		io.WriteString(w, "\n")
	}
	interfaceTable(st.Interfaces).write(w, p)
}

func writeGateway(w io.Writer, g api.GatewayInfo, p palette) {
	fmt.Fprintf(w, "%s  version %s  engine %s (%s)  up %s\n",
		p.paint("gateway "+clean(g.Name), bold), clean(g.Version), clean(g.Engine), clean(cmp.Or(g.EngineReason, "no reason given")),
		age(seconds(g.UptimeSeconds)))
	address := clean(g.Underlay.Address)
	if address == "" {
		address = p.paint("no VTEP address", red)
	}
	fmt.Fprintf(w, "underlay %s  %s  mtu %d  kernel memory %s\n",
		clean(strings.Join(g.Underlay.Interfaces, ",")), address, g.Underlay.MTU, memory(g.KernelMemory))
}

// longestReason is the most letters of a reason in the table; status EXT shows it whole.
const longestReason = 60

func extensionTable(c *api.Columns, now time.Time) *table {
	const macs, toCloud, toCustomer = "MACS", "TO CLOUD", "TO CUSTOMER"
	t := &table{columns: []column{
		{name: "NAME"}, {name: "BRIDGE"}, {name: "FOR"}, {name: "CIRCUIT"}, {name: "VNI", right: true},
		{group: macs, name: "CUST", right: true}, {group: macs, name: "CLOUD", right: true}, {group: macs, name: "LIMIT", right: true},
		{group: toCloud, name: "RX", right: true}, {group: toCloud, name: "TX", right: true}, {group: toCloud, name: "DROPS", right: true},
		{group: toCustomer, name: "RX", right: true}, {group: toCustomer, name: "TX", right: true}, {group: toCustomer, name: "DROPS", right: true},
		{name: "REASON"},
	}}
	for i := range c.Len() {
		limit := c.MACs.Limit[i]
		t.add(plain(clean(c.Name[i])), bridgeCell(c.Bridge[i]), plain(age(now.Sub(time.Unix(c.Since[i], 0)))),
			plain(circuit(c.Interface[i], c.VLAN[i])), plain(number(c.VNI[i])),
			macCell(c.MACs.Customer[i], limit), macCell(c.MACs.Cloud[i], limit), plain(number(limit)),
			plain(frames(c.ToCloud.Rx[i])), plain(frames(c.ToCloud.Tx[i])), dropCell(c.ToCloud.Drops[i]),
			plain(frames(c.ToCustomer.Rx[i])), plain(frames(c.ToCustomer.Tx[i])), dropCell(c.ToCustomer.Drops[i]),
			plain(cut(clean(c.Reason[i]), longestReason)))
	}
	return t
}

func bridgeCell(bridge string) cell {
	switch bridge {
	case api.BridgeLowered:
		return cell{clean(bridge), green}
	case api.BridgeHalfRaised:
		return cell{clean(bridge), yellow}
	}
	return cell{clean(bridge), red}
}

// macCell warns of a full table.
func macCell(count, limit int) cell {
	if limit > 0 && count >= limit {
		return cell{number(count), yellow}
	}
	return plain(number(count))
}

func dropCell(n uint64) cell {
	if n > 0 {
		return cell{frames(n), yellow}
	}
	return plain("0")
}

// circuit is the attachment circuit as `run --attach` takes it.
func circuit(nic, vlan string) string { return clean(nic + ":" + vlan) }

func sum(drops map[string]uint64) (n uint64) {
	for _, d := range drops {
		n += d
	}
	return n
}

// writeLargestDrops prints what the daemon found to be the largest; more is how many it left out.
func writeLargestDrops(w io.Writer, largest []api.Drop, more int, p palette) {
	if len(largest) == 0 {
		return
	}
	t := &table{columns: []column{{name: "LARGEST DROPS"}, {name: "DIRECTION"}, {name: "REASON"}, {name: "FRAMES", right: true}}}
	for _, d := range largest {
		direction := strings.ReplaceAll(clean(d.Direction), "_", " ")
		t.add(plain(clean(d.Extension)), plain(direction), plain(clean(d.Reason)), plain(frames(d.Frames)))
	}
	io.WriteString(w, "\n")
	t.write(w, p)
	if more > 0 {
		fmt.Fprintf(w, "and %d more: `drawbridge status EXT` shows those of one extension\n", more)
	}
}

// largestFirst lists reasons by their counters; equal ones in a stable order.
func largestFirst(drops map[string]uint64) []string {
	return slices.SortedFunc(maps.Keys(drops), func(a, b string) int {
		return cmp.Or(cmp.Compare(drops[b], drops[a]), cmp.Compare(a, b))
	})
}

func interfaceTable(interfaces []api.Interface) *table {
	t := &table{columns: []column{
		{name: "INTERFACE"}, {name: "ROLE"}, {name: "RX FRAMES", right: true}, {name: "RX BYTES", right: true},
		{name: "PASSED", right: true}, {name: "LOST", right: true}, {name: "DROPS"},
	}}
	for _, i := range interfaces {
		lost := plain(frames(i.Lost))
		if i.Lost > 0 {
			lost.colour = yellow
		}
		t.add(plain(clean(i.Name)), plain(clean(i.Role)), plain(frames(i.Rx.Frames)), plain(frames(i.Rx.Bytes)),
			plain(frames(i.Passed)), lost, plain(reasons(i.Drops)))
	}
	return t
}

// reasons lists counters as "no-circuit 3, …", the largest first.
func reasons(drops map[string]uint64) string {
	words := make([]string, 0, len(drops))
	for _, reason := range largestFirst(drops) {
		words = append(words, fmt.Sprintf("%s %d", clean(reason), drops[reason]))
	}
	return strings.Join(words, ", ")
}
