// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
)

// writeExtension prints everything about one extension.
func writeExtension(w io.Writer, e api.Extension, p palette, now time.Time) {
	state := bridgeCell(e.Bridge)
	fmt.Fprintf(w, "%s: %s since %s (%s)\n", p.paint(clean(e.Name), bold), p.paint(state.text, state.colour),
		e.Since.Format(time.RFC3339), age(now.Sub(e.Since)))
	field(w, "reason", e.Reason)
	field(w, "description", e.Description)
	field(w, "circuit", circuit(e.Attachment.Interface, e.Attachment.VLAN))
	field(w, "overlay", fmt.Sprintf("%s, VNI %d", e.Overlay.Encapsulation, e.Overlay.VNI))
	field(w, "peers", cmp.Or(strings.Join(e.Overlay.Peers, " "), "none"))
	field(w, "macs", fmt.Sprintf("%d customer, %d cloud, limit %d a side", e.MACs.Customer, e.MACs.Cloud, e.MACs.Limit))
	io.WriteString(w, "\n")
	counterTable(e).write(w, p)
}

// field prints a line of the head, unless it is empty.
func field(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "  %-12s %s\n", name, clean(value))
	}
}

// counterTable shows both directions side by side.
func counterTable(e api.Extension) *table {
	t := &table{columns: []column{{name: ""}, {name: "TO CLOUD", right: true}, {name: "TO CUSTOMER", right: true}}}
	c, d := e.ToCloud, e.ToCustomer
	row := func(name string, cloud, customer uint64) {
		t.add(plain(name), plain(frames(cloud)), plain(frames(customer)))
	}
	row("rx frames", c.Rx.Frames, d.Rx.Frames)
	row("rx bytes", c.Rx.Bytes, d.Rx.Bytes)
	row("tx frames", c.Tx.Frames, d.Tx.Frames)
	row("tx bytes", c.Tx.Bytes, d.Tx.Bytes)
	row("copies", c.Copies, d.Copies)
	row("generated", c.Generated, d.Generated)
	addReasons(t, "drops", c.Drops, d.Drops)
	if len(c.WouldDrop)+len(d.WouldDrop) > 0 {
		addReasons(t, "would drop", c.WouldDrop, d.WouldDrop)
	}
	return t
}

// addReasons adds the sum and, below it, the reasons of both directions, the largest first.
func addReasons(t *table, name string, cloud, customer map[string]uint64) {
	t.add(plain(name), dropCell(sum(cloud)), dropCell(sum(customer)))
	both := make(map[string]uint64)
	for reason, n := range cloud {
		both[reason] += n
	}
	for reason, n := range customer {
		both[reason] += n
	}
	for _, reason := range largestFirst(both) {
		t.add(plain("  "+clean(reason)), plain(frames(cloud[reason])), plain(frames(customer[reason])))
	}
}
