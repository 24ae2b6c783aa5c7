// SPDX-License-Identifier: Apache-2.0

package tune

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	// Margin is by how much a number is above what was seen.
	Margin = 4

	leastRate   = 10 // a second: what is rare today may come by the dozen after a power cut
	leastMACs   = 16
	mostMACs    = 1 << 20 // of macs.limit
	wantedPart  = 2       // a destination behind more than one part of so many is a flood that is wanted
	wantedRate  = 50      // a second, and at least so busy
	manySamples = 20      // below that the evidence is thin
)

// Line is one number of a proposal, with its evidence.
type Line struct {
	Key      []string // below guard
	Value    string   // as YAML has it
	Evidence string
	Advice   bool // for people to decide: it stands in a comment
}

// Proposal is what was seen, as numbers for an extension's guards.
type Proposal struct {
	From, To time.Time
	Seconds  int
	Mode     string
	Notes    []string // what to know before the numbers are believed
	Lines    []Line
}

// Proposal says what the readings so far mean.
func (w *Watch) Proposal() Proposal {
	p := Proposal{From: w.from, To: w.to, Seconds: w.Seconds(), Mode: w.mode}
	wanted, floods := w.floods()
	p.Lines = slices.Concat(w.storms(wanted), floods, w.tables(), w.services(), w.innerVLANs(), w.controls())
	p.Notes = w.notes()
	return p
}

func (w *Watch) notes() []string {
	var notes []string
	switch w.mode {
	case ModeEnforce:
		notes = append(notes, "The mode is enforce: what was dropped is counted too, but a sender that is held back sends otherwise, and who was not",
			"learnt is not counted. For better numbers set `guard: {mode: observe}`, reload, and tune again.")
	case ModeOff:
		notes = append(notes, "The mode is off: nothing was checked, so what guards would say is not known.")
	}
	if w.Seconds() < 3600 {
		notes = append(notes, fmt.Sprintf("Only %s were watched: a working day, and a night with its backups, have busier seconds.", time.Duration(w.Seconds())*time.Second))
	}
	if w.passed > w.looked {
		notes = append(notes, fmt.Sprintf("Of %.0f frames that flooded %.0f were read; the others are taken to be like them.", w.passed, w.looked))
	}
	for dir, n := range w.unknown {
		if n > 0 {
			notes = append(notes, fmt.Sprintf("%.0f frames %s were beyond their source's share (storm-source) of a class that was not seen: they are in no number.", n, l2.Direction(dir)))
		}
	}
	if w.crowded {
		notes = append(notes, fmt.Sprintf("There were more than %d destinations: floods to those that came later are not told apart.", maxTargets))
	}
	if w.limit > 0 && max(w.macs[0], w.macs[1]) >= w.limit {
		notes = append(notes, fmt.Sprintf("The limit of %d MACs was reached: there may be more.", w.limit))
	}
	return notes
}

// storms has a line for each class that was seen; without the floods that are wanted.
func (w *Watch) storms(wanted [state.StormClasses]*tally) []Line {
	var lines []Line
	for class, name := range classNames {
		var most float64
		var evidence []string
		total := 0.0
		for dir := range w.classes {
			s := &w.classes[dir][class]
			n, at := s.peak()
			total += s.total
			if n == 0 {
				continue
			}
			most = max(most, n)
			evidence = append(evidence, fmt.Sprintf("%s peak %s/s at %s, p99.9 %s/s, %.0f frames", l2.Direction(dir), rateText(n), at.Format(time.RFC3339), rateText(s.quantile(0.999, w.Seconds())), s.total))
		}
		if most == 0 {
			lines = append(lines, Line{Key: []string{"storm", name}, Value: "(as it is)", Evidence: "none was seen", Advice: true})
			continue
		}
		if flood := wanted[class]; flood != nil {
			n, _ := flood.peak()
			most = max(most-n, 0)
			evidence = append(evidence, fmt.Sprintf("less %s/s of the flood that is wanted", rateText(n)))
		}
		text := strings.Join(evidence, "; ")
		if total < manySamples {
			text += "; few"
		}
		lines = append(lines, Line{Key: []string{"storm", name}, Value: fmt.Sprintf("%dpps", above(most, leastRate)), Evidence: text})
	}
	return lines
}

func rateText(n float64) string {
	if n == math.Trunc(n) {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

// above is what was seen times the margin, at least the least, and rounded up to two digits.
func above(seen float64, least uint64) uint64 {
	n := max(uint64(math.Ceil(seen))*Margin, least)
	unit := uint64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit - 1) / unit * unit
}

// floods finds the destinations that are behind much of a class, and the lines that let them pass.
func (w *Watch) floods() (wanted [state.StormClasses]*tally, lines []Line) {
	var allowed, evidence []string
	rate := 0.0
	for _, key := range slices.SortedFunc(maps.Keys(w.targets), func(a, b target) int {
		return cmp.Or(cmp.Compare(w.targets[b].total, w.targets[a].total), slices.Compare(a.mac[:], b.mac[:]))
	}) {
		t := w.targets[key]
		n, at := t.peak()
		class := w.classes[0][key.class].total + w.classes[1][key.class].total
		if n < wantedRate || t.total*wantedPart <= class {
			continue
		}
		wanted[key.class] = t
		allowed = append(allowed, fmt.Sprintf("%q", key.mac))
		evidence = append(evidence, fmt.Sprintf("%s is behind %.0f of %.0f frames of %s, peak %s/s at %s, from %s", key.mac, t.total, class, classNames[key.class], rateText(n), at.Format(time.RFC3339), macList(t.sources)))
		rate += n
	}
	if len(allowed) == 0 {
		return wanted, nil
	}
	return wanted, []Line{
		{Key: []string{"flood", "allow"}, Value: "[" + strings.Join(allowed, ", ") + "]", Evidence: strings.Join(evidence, "; ") + ": is that wanted?"},
		{Key: []string{"flood", "rate"}, Value: fmt.Sprintf("%dpps", above(rate, leastRate)), Evidence: fmt.Sprintf("together at most %s/s", rateText(rate))},
	}
}

// tables is about the FDB.
func (w *Watch) tables() []Line {
	var lines []Line
	if most := max(w.macs[0], w.macs[1]); most > 0 {
		limit := min(above(float64(most), leastMACs), mostMACs)
		lines = append(lines, Line{Key: []string{"macs", "limit"}, Value: fmt.Sprint(limit),
			Evidence: fmt.Sprintf("at most %d on the customer's side, %d in the cloud", w.macs[0], w.macs[1])})
	}
	customer, _ := w.learnt[0].peak()
	cloud, _ := w.learnt[1].peak()
	if most := max(customer, cloud); most > 0 {
		lines = append(lines, Line{Key: []string{"macs", "rate"}, Value: fmt.Sprintf("%d/s", above(most, leastRate)),
			Evidence: fmt.Sprintf("at least %.0f new in a second on the customer's side, %.0f in the cloud", customer, cloud)})
	}
	for _, reason := range []string{"mac-move", "mac-pinned", "mac-limit", "mac-rate", "address-protected"} {
		if up, down := w.guards[0][reason], w.guards[1][reason]; up+down > 0 {
			lines = append(lines, Line{Key: []string{reason}, Value: "(see events)", Advice: true,
				Evidence: fmt.Sprintf("%d frames to cloud, %d to customer: look at `drawbridge events` for whose they are", up, down)})
		}
	}
	return lines
}

// services has a line for each that somebody gave, and only for the side that did.
func (w *Watch) services() []Line {
	var lines []Line
	for _, name := range []string{"dhcp", "router", "fhrp", "querier"} {
		customer, cloud := w.servers[served{name, l2.Customer}], w.servers[served{name, l2.Cloud}]
		line := Line{Key: []string{"services", name}}
		switch {
		case customer != nil && cloud != nil:
			line.Value = "both"
		case customer != nil:
			line.Value = "customer"
		case cloud != nil:
			line.Value = "cloud"
		default:
			line.Value, line.Advice, line.Evidence = "none", true, "nobody was seen to serve; known unicast was not looked at"
		}
		var evidence []string
		for side, t := range map[string]*tally{"on the customer's side": customer, "in the cloud": cloud} {
			if t != nil {
				evidence = append(evidence, fmt.Sprintf("%.0f messages of %s %s", t.total, macList(t.sources), side))
			}
		}
		slices.Sort(evidence)
		if len(evidence) > 0 {
			line.Evidence = strings.Join(evidence, "; ")
		}
		lines = append(lines, line)
	}
	return lines
}

func macList(macs []l2.MAC) string {
	var text []string
	for _, m := range macs[:min(len(macs), 4)] {
		text = append(text, m.String())
	}
	if more := len(macs) - len(text); more > 0 {
		text = append(text, fmt.Sprintf("%d more", more))
	}
	return strings.Join(text, ", ")
}

func (w *Watch) innerVLANs() []Line {
	if len(w.inner) == 0 {
		return nil
	}
	var vids, evidence []string
	for _, vid := range slices.Sorted(maps.Keys(w.inner)) {
		vids = append(vids, fmt.Sprint(vid))
		evidence = append(evidence, fmt.Sprintf("%d: %d frames", vid, w.inner[vid]))
	}
	line := Line{Key: []string{"inner-vlan"}, Value: "[" + strings.Join(vids, ", ") + "]", Evidence: "seen among samples, " + strings.Join(evidence, ", ")}
	if len(vids) > 8 {
		line.Advice, line.Evidence = true, fmt.Sprintf("%d VLANs were seen behind the circuit's own: is this a trunk?", len(vids))
	}
	return []Line{line}
}

// controls are for people to decide: every switch sends some of these, and they belong to one link.
func (w *Watch) controls() []Line {
	var lines []Line
	for _, name := range slices.Sorted(maps.Keys(w.control)) {
		lines = append(lines, Line{Key: []string{"control-frames", name}, Value: "tunnel", Advice: true,
			Evidence: fmt.Sprintf("%d samples were seen; they belong to one link, and cross only where somebody wants that", w.control[name])})
	}
	return lines
}
