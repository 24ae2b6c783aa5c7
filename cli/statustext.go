// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
)

// writeStatus prints the gateway, a line for each extension, the largest drops, and the NICs.
func writeStatus(w io.Writer, st api.Status, p palette, now time.Time) {
	writeGateway(w, st.Gateway, p)
	io.WriteString(w, "\n")
	if len(st.Extensions) == 0 {
		io.WriteString(w, "no extensions\n")
	}
	extensionTable(st.Extensions, now).write(w, p)
	writeLargestDrops(w, st.Extensions, p)
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
	if len(g.NotEnforcedYet) > 0 {
		io.WriteString(w, p.paint("configured but not enforced by this version: "+clean(strings.Join(g.NotEnforcedYet, ", ")), yellow)+"\n")
	}
}

// longestReason is the most letters of a reason in the table; status EXT shows it whole.
const longestReason = 60

func extensionTable(extensions []api.Extension, now time.Time) *table {
	const macs, toCloud, toCustomer = "MACS", "TO CLOUD", "TO CUSTOMER"
	t := &table{columns: []column{
		{name: "NAME"}, {name: "BRIDGE"}, {name: "FOR"}, {name: "CIRCUIT"}, {name: "VNI", right: true},
		{group: macs, name: "CUST", right: true}, {group: macs, name: "CLOUD", right: true}, {group: macs, name: "LIMIT", right: true},
		{group: toCloud, name: "RX", right: true}, {group: toCloud, name: "TX", right: true}, {group: toCloud, name: "DROPS", right: true},
		{group: toCustomer, name: "RX", right: true}, {group: toCustomer, name: "TX", right: true}, {group: toCustomer, name: "DROPS", right: true},
		{name: "REASON"},
	}}
	for _, e := range extensions {
		t.add(plain(clean(e.Name)), bridgeCell(e.Bridge), plain(age(now.Sub(e.Since))), plain(circuit(e.Attachment)), plain(number(e.Overlay.VNI)),
			macCell(e.MACs.Customer, e.MACs.Limit), macCell(e.MACs.Cloud, e.MACs.Limit), plain(number(e.MACs.Limit)),
			plain(frames(e.ToCloud.Rx.Frames)), plain(frames(e.ToCloud.Tx.Frames)), dropCell(e.ToCloud.Drops),
			plain(frames(e.ToCustomer.Rx.Frames)), plain(frames(e.ToCustomer.Tx.Frames)), dropCell(e.ToCustomer.Drops),
			plain(cut(clean(e.Reason), longestReason)))
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

func dropCell(drops map[string]uint64) cell {
	n := sum(drops)
	if n > 0 {
		return cell{frames(n), yellow}
	}
	return plain("0")
}

// circuit is the attachment circuit as `run --attach` takes it.
func circuit(a api.Attachment) string { return clean(a.Interface + ":" + a.VLAN) }

func sum(drops map[string]uint64) (n uint64) {
	for _, d := range drops {
		n += d
	}
	return n
}

// drop is one counter of one extension.
type drop struct {
	extension, direction, reason string
	frames                       uint64
}

// largestShown is how many reasons status lists.
const largestShown = 10

func writeLargestDrops(w io.Writer, extensions []api.Extension, p palette) {
	var all []drop
	for _, e := range extensions {
		all = append(all, dropsOf(e.Name, "to cloud", e.ToCloud.Drops)...)
		all = append(all, dropsOf(e.Name, "to customer", e.ToCustomer.Drops)...)
	}
	if len(all) == 0 {
		return
	}
	sortDrops(all)
	t := &table{columns: []column{{name: "LARGEST DROPS"}, {name: "DIRECTION"}, {name: "REASON"}, {name: "FRAMES", right: true}}}
	for _, d := range all[:min(len(all), largestShown)] {
		t.add(plain(clean(d.extension)), plain(d.direction), plain(clean(d.reason)), plain(frames(d.frames)))
	}
	io.WriteString(w, "\n")
	t.write(w, p)
	if rest := len(all) - largestShown; rest > 0 {
		fmt.Fprintf(w, "and %d more: `drawbridge status EXT` shows those of one extension\n", rest)
	}
}

func dropsOf(extension, direction string, drops map[string]uint64) []drop {
	list := make([]drop, 0, len(drops))
	for reason, n := range drops {
		list = append(list, drop{extension, direction, reason, n})
	}
	return list
}

// sortDrops puts the largest first, and equal ones into a stable order.
func sortDrops(list []drop) {
	slices.SortFunc(list, func(a, b drop) int {
		return cmp.Or(cmp.Compare(b.frames, a.frames), cmp.Compare(a.extension, b.extension),
			cmp.Compare(a.direction, b.direction), cmp.Compare(a.reason, b.reason))
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
	list := dropsOf("", "", drops)
	sortDrops(list)
	words := make([]string, 0, len(list))
	for _, d := range list {
		words = append(words, fmt.Sprintf("%s %d", clean(d.reason), d.frames))
	}
	return strings.Join(words, ", ")
}
