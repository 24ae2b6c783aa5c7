// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
)

const (
	// warnAfter is how long a storm is watched before its culprit is named: long enough for a hundred
	// samples of a heavy one, and well within a second.
	warnAfter = 400 * time.Millisecond
	warnQuiet = time.Minute // between two warnings of one class

	adviseAfter   = 10 * time.Second // of a storm: a whole window
	adviseSamples = 20               // of a storm within the window
	adviseFrames  = 3                // of anything else within a run
	adviseQuiet   = 10 * time.Minute
	adviseSame    = 24 * time.Hour // between two hints with the same line

	maxMACLimit = 1 << 20 // of macs.limit
)

// advisor remembers what was told, so that nobody is told too often. The zero value was never asked.
type advisor struct {
	warned  map[string]time.Time // by reason
	blamed  string               // the culprit who was named last
	blameAt time.Time
	told    map[string]advice // by reason
}

// advice is a line of YAML that was told.
type advice struct {
	line string
	at   time.Time
}

// warn names the culprit of a storm that has just begun.
func (m *Machine) warn(d *meter, now time.Time, out *actions) {
	if d.warned || !isStorm(d.key.reason) || now.Sub(d.first) < warnAfter {
		return
	}
	d.warned = true
	culprits := d.culprits()
	if m.loop.state != calm || !m.advice.mayWarn(d.key.reason, culprits, now) {
		return // the sources of a loop's frames are not to blame
	}
	out.add(Tell{Record: event.Record{
		Kind: event.Hint, Severity: event.Warning,
		Message: fmt.Sprintf("%s %s: more than its budget%s", d.key.reason, toward(d.key.direction), named(culprits)),
		Detail: map[string]any{
			"direction": d.key.direction.String(), "drop_reason": d.key.reason, "culprits": culprits, "samples": d.samples,
		},
	}})
}

// mayWarn reports whether nobody was warned lately of a class, or of the same culprit: one that becomes
// known while it floods drops for another reason than before.
func (a *advisor) mayWarn(reason string, culprits []Culprit, now time.Time) bool {
	first := ""
	if len(culprits) > 0 {
		first = culprits[0].MAC
	}
	last, told := a.warned[reason]
	if told && now.Sub(last) < warnQuiet || first != "" && first == a.blamed && now.Sub(a.blameAt) < warnQuiet {
		return false
	}
	if a.warned == nil {
		a.warned = map[string]time.Time{}
	}
	a.warned[reason], a.blamed, a.blameAt = now, first, now
	return true
}

// advise names what is behind most of the drops of one reason, and the line of YAML that lifts the guard.
func (m *Machine) advise(d *meter, now time.Time, out *actions) {
	if m.loop.state != calm {
		return
	}
	old, told := m.advice.told[d.key.reason]
	if told && now.Sub(old.at) < adviseQuiet {
		return
	}
	subject, line := m.remedy(d, now)
	if line == "" || told && line == old.line && now.Sub(old.at) < adviseSame {
		return
	}
	if m.advice.told == nil {
		m.advice.told = map[string]advice{}
	}
	m.advice.told[d.key.reason] = advice{line, now}
	out.add(Tell{Record: event.Record{
		Kind: event.Hint, Severity: event.Info,
		Message: fmt.Sprintf("%s %s: %s; if that is wanted, `%s` under guard lets it pass", d.key.reason, toward(d.key.direction), subject, line),
		Detail:  map[string]any{"direction": d.key.direction.String(), "drop_reason": d.key.reason, "yaml": line},
	}})
}

// remedy is what to say of a meter; an empty line: nothing.
func (m *Machine) remedy(d *meter, now time.Time) (subject, line string) {
	reason := d.key.reason
	if isStorm(reason) {
		return m.floodRemedy(d, now)
	}
	if d.samples < adviseFrames {
		return "", ""
	}
	switch reason {
	case "service-dhcp", "service-router", "service-querier":
		return d.serviceRemedy(strings.TrimPrefix(reason, "service-"))
	case reasonMACLimit:
		return m.limitRemedy(d, now)
	case "inner-vlan":
		return m.innerRemedy(d)
	case "control-frame":
		return d.controlRemedy()
	}
	return "", ""
}

// floodRemedy is for floods to one destination.
func (m *Machine) floodRemedy(d *meter, now time.Time) (subject, line string) {
	if now.Sub(d.first) < adviseAfter {
		return "", ""
	}
	s := d.sum()
	first := s.targets.tallies[0]
	if s.samples < adviseSamples || !s.most(first.sure) {
		return "", ""
	}
	to := first.of.mac
	if !mayBeWanted(d.key.reason, to) {
		return "", ""
	}
	subject = fmt.Sprintf("%s is behind %d%% of the drops", to, s.percent(first.sure))
	var allowed []string
	for _, p := range m.settings.FloodAllow {
		if p.Contains(to) {
			return subject, fmt.Sprintf("flood: {rate: %dpps}", 2*m.settings.FloodRate)
		}
		allowed = append(allowed, fmt.Sprintf("%q", p))
	}
	allowed = append(allowed, fmt.Sprintf("%q", to))
	return subject, fmt.Sprintf("flood: {allow: [%s]}", strings.Join(allowed, ", "))
}

// mayBeWanted reports whether a destination's floods could be somebody's service: multicast video, or a
// cluster address that no switch learns. Broadcast, ARP, ND and DHCP have classes of their own.
func mayBeWanted(reason string, to l2.MAC) bool {
	switch reason {
	case "storm-multicast", "storm-unknown-unicast":
		return to != l2.Broadcast
	case "storm-source":
		solicited := to[0] == 0x33 && to[1] == 0x33 && to[2] == 0xff                         // RFC 4291 §2.7.1
		dhcp := to == l2.MAC{0x33, 0x33, 0, 1, 0, 2} || to == l2.MAC{0x33, 0x33, 0, 1, 0, 3} // RFC 8415 §7.1
		return to != l2.Broadcast && !solicited && !dhcp
	}
	return false
}

// serviceRemedy is for a server on the side that may not serve.
func (d *meter) serviceRemedy(service string) (subject, line string) {
	s := d.sum()
	first := s.sources.tallies[0]
	if !s.most(first.sure) {
		return "", ""
	}
	subject = fmt.Sprintf("%s serves from the side that may not", culprit(first.of))
	return subject, fmt.Sprintf("services: {%s: both}", service)
}

// limitRemedy is for a side with more MACs than may be learnt. When somebody invents them a higher limit
// helps nobody.
func (m *Machine) limitRemedy(d *meter, now time.Time) (subject, line string) {
	s, limit := &m.storm, m.settings.MACLimit
	invented := s.active || !s.over.IsZero() && now.Sub(s.over) < stormCalm || s.exceeded[d.key.direction].count() > 0
	if limit == 0 || limit >= maxMACLimit || invented || now.Sub(d.first) < adviseAfter {
		return "", ""
	}
	subject = fmt.Sprintf("there are more MACs than the %d that are learnt", limit)
	return subject, fmt.Sprintf("macs: {limit: %d}", min(2*limit, maxMACLimit))
}

// innerRemedy is for a VLAN behind the circuit's own.
func (m *Machine) innerRemedy(d *meter) (subject, line string) {
	s := d.sum()
	first := s.targets.tallies[0]
	vid := l2.VID(first.of.vlan)
	if m.settings.InnerAll || vid == 0 || vid > 4094 || slices.Contains(m.settings.InnerVLANs, vid) || !s.most(first.sure) {
		return "", ""
	}
	var vids []string
	for _, v := range append(slices.Clone(m.settings.InnerVLANs), vid) {
		vids = append(vids, fmt.Sprint(v))
	}
	return fmt.Sprintf("VLAN %d is inside", vid), fmt.Sprintf("inner-vlan: [%s]", strings.Join(vids, ", "))
}

// controlRemedy is for CFM alone: it supervises a path from end to end (IEEE 802.1Q clause 18), so that
// somebody who sends it may want it across. Other control frames are for the next bridge, every switch
// sends them, and a hint about each would only be noise.
func (d *meter) controlRemedy() (subject, line string) {
	s := d.sum()
	first := s.targets.tallies[0]
	to := first.of.mac
	cfm := to[0] == 0x01 && to[1] == 0x80 && to[2] == 0xc2 && to[3] == 0 && to[4] == 0 && to[5]&0xf0 == 0x30
	if !cfm || !s.most(first.sure) {
		return "", ""
	}
	return "connectivity fault management does not cross", "control-frames: {cfm: tunnel}"
}
