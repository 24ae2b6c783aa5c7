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
// device, until the context ends. It reads counters only, and so does not keep the loop.
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
	for _, loss := range w.observe(r, g.opts.Now()) {
		g.log.Append(loss.record(s.port, g.opts.Host.DroppingChains()))
	}
}

// lossWatch compares readings. The zero value knows none.
type lossWatch struct {
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
func (w *lossWatch) observe(r state.Reading, now time.Time) []loss {
	known := w.uplinks
	w.uplinks = make(map[string]*uplinkLoss, len(r.Interfaces))
	var out []loss
	for _, nic := range slices.Sorted(maps.Keys(r.Interfaces)) {
		lost := r.Interfaces[nic].Lost
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
