// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	// lossInterval is how often the counters are looked at for frames that the tunnel device swallowed. A
	// reading of 4,000 extensions costs a tenth of a second of CPU.
	lossInterval = 15 * time.Second
	// lossFew frames may be on their way through the device at the moment of a reading.
	lossFew = 10
	// lossQuiet is how long nothing is said again about the same uplink.
	lossQuiet = time.Minute
)

// WatchLosses hints at what swallows tunnel packets between the program that checked them and the tunnel
// device, and at peers whose packets have a wrong header, until the context ends. It reads counters only, and so does not
// keep the loop.
func (g *Gateway) WatchLosses(ctx context.Context) error {
	ticker := time.NewTicker(lossInterval)
	defer ticker.Stop()
	var w lossWatch
	for {
		select {
		case <-ticker.C:
			g.checkLosses(ctx, &w)
		case <-ctx.Done():
			return nil
		}
	}
}

// checkLosses takes one look. What cannot be read now is read the next time.
func (g *Gateway) checkLosses(ctx context.Context, w *lossWatch) {
	s := g.snapshot.Load()
	r, err := g.read(ctx)
	if err != nil || s == nil {
		return
	}
	now := g.opts.Now()
	for _, loss := range w.swallowed.observe(r, now, func(i state.InterfaceReading) uint64 { return i.Lost }) {
		g.log.Append(loss.record(s.port, g.opts.Host.DroppingChains()))
	}
	for _, loss := range w.refused.observe(r, now, func(i state.InterfaceReading) uint64 { return i.Drops[wrongHeader] }) {
		g.log.Append(loss.headerRecord())
	}
}

// wrongHeader is the drop reason of tunnel packets from peers with something wrong in a header.
const wrongHeader = "tunnel-header"

// lossWatch compares readings. The zero value knows none.
type lossWatch struct {
	swallowed growth // what the tunnel device did not let through
	refused   growth // what peers sent with a wrong header
}

// growth compares one number of each NIC.
type growth struct {
	uplinks map[string]*uplinkLoss
}

// uplinkLoss is what one NIC's readings said.
type uplinkLoss struct {
	lost    uint64 // at the last reading
	told    uint64 // that many were told of
	growing bool   // more than a few were lost at the last reading too
	quiet   time.Time
}

// loss is something to tell: frames that were lost since the last time.
type loss struct {
	nic    string
	frames uint64
}

// observe takes one reading. Growth counts when it is there twice in a row: a single one may be frames that
// were on their way.
func (w *growth) observe(r state.Reading, now time.Time, number func(state.InterfaceReading) uint64) []loss {
	known := w.uplinks
	w.uplinks = make(map[string]*uplinkLoss, len(r.Interfaces))
	var out []loss
	for _, nic := range slices.Sorted(maps.Keys(r.Interfaces)) {
		lost := number(r.Interfaces[nic])
		u := known[nic]
		if u == nil || lost < u.told { // new, or its counters began anew
			u = &uplinkLoss{lost: lost, told: lost}
		}
		w.uplinks[nic] = u
		if frames := u.update(lost, now); frames > 0 {
			out = append(out, loss{nic, frames})
		}
	}
	return out
}

// update returns how many lost frames are to be told of.
func (u *uplinkLoss) update(lost uint64, now time.Time) uint64 {
	grows := lost >= u.lost+lossFew
	tell := grows && u.growing && now.After(u.quiet)
	u.lost, u.growing = lost, grows
	if !tell {
		return 0
	}
	frames := lost - u.told
	u.told, u.quiet = lost, now.Add(lossQuiet-1)
	return frames
}

// record says what the likely cause is and what to do.
func (l loss) record(port uint16, chains []string) event.Record {
	where := ""
	if len(chains) > 0 {
		where = fmt.Sprintf(" (%s drop by default)", strings.Join(chains, ", "))
	}
	return event.Record{
		Kind:     event.Hint,
		Severity: event.Warning,
		Message: fmt.Sprintf("%d tunnel packets from %s did not reach the tunnel device: most likely a firewall of this host drops UDP port %d on INPUT%s; "+
			"let it in, as with `nft insert rule inet filter input udp dport %d accept` or `iptables -I INPUT -p udp --dport %d -j ACCEPT`",
			l.frames, l.nic, port, where, port, port),
		Detail: map[string]any{"interface": l.nic, "lost": l.frames, "port": port, "chains": append([]string{}, chains...)},
	}
}

// headerRecord says what peers most likely send, and the lines that let it in.
func (l loss) headerRecord() event.Record {
	return event.Record{
		Kind:     event.Hint,
		Severity: event.Warning,
		Message: fmt.Sprintf("%d tunnel packets from %s were dropped as %s: most likely peers set reserved bits such as VXLAN-GBP's, or send no UDP checksum over IPv6, "+
			"which `gateway: {underlay: {reserved-bits: ignore}}` and `{zero-checksum6: true}` let in; docs/reference/drop-reasons.md lists what else is checked",
			l.frames, l.nic, wrongHeader),
		Detail: map[string]any{"interface": l.nic, "drop_reason": wrongHeader, "frames": l.frames, "yaml": "reserved-bits: ignore"},
	}
}
