// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// traceStage is one stage of docs/reference/drop-reasons.md.
type traceStage struct {
	name    string
	guard   bool // the mode governs it
	reasons []string
	detail  func(*traced) string
}

// traceStages are numbered from 1.
var traceStages = []traceStage{
	{"raised", false, []string{"raised"}, (*traced).aboutRaised},
	{"malformed", false, []string{"malformed"}, (*traced).aboutParsing},
	{"inner-vlan", true, []string{"inner-vlan"}, (*traced).aboutInner},
	{"bad-source", false, []string{"bad-source"}, (*traced).aboutSource},
	{"control-frame", true, []string{"control-frame"}, (*traced).aboutControl},
	{"mac-guards", true, []string{"mac-pinned", "address-protected", "mac-move", "mac-limit", "mac-rate"}, (*traced).aboutMAC},
	{"learn", false, nil, (*traced).aboutLearning},
	{"half-raised", true, []string{"half-raised"}, (*traced).aboutHalfRaised},
	{"services", true, []string{"service-dhcp", "service-router", "service-fhrp", "service-querier"}, (*traced).aboutService},
	{"sides", false, []string{"same-side", "split-horizon"}, (*traced).aboutDestination},
	{"too-big", false, []string{"too-big"}, (*traced).aboutSize},
	{"storm", true, []string{"storm-source", "storm-arp-nd", "storm-dhcp", "storm-broadcast", "storm-multicast", "storm-unknown-unicast"}, (*traced).aboutStorm},
	{"bandwidth", true, []string{"bandwidth"}, (*traced).aboutBandwidth},
	{"cpu-budget", true, []string{"cpu-budget"}, (*traced).aboutCPU},
	{"next-hop", false, []string{"no-next-hop"}, (*traced).aboutNextHop},
}

// stages is each stage's verdict: what the programs counted says where the frame ended, and with it what passed.
func (t *traced) stages() []state.TraceStage {
	out := []state.TraceStage{t.firstStage()}
	reached := t.counted().RxFrames > 0
	reason, would := t.reason(), t.would()
	for i, s := range traceStages {
		one := state.TraceStage{Number: i + 1, Name: s.name, Verdict: state.StageNotReached}
		if reached {
			one.Verdict, one.Detail = state.StagePass, s.detail(t)
		}
		switch {
		case !reached:
		case slices.Contains(s.reasons, reason):
			one.Verdict, one.Reason, reached = state.StageDrop, reason, false
		case slices.Contains(s.reasons, would):
			one.Verdict, one.Reason = state.StageWouldDrop, would
		case s.guard && t.x.Mode == state.Off:
			one.Verdict = state.StageOff
		}
		out = append(out, one)
	}
	return out
}

// firstStage is what comes before the extension is known.
func (t *traced) firstStage() state.TraceStage {
	s := state.TraceStage{Name: "circuit", Verdict: state.StagePass}
	if t.dir == l2.ToCloud {
		s.Detail = fmt.Sprintf("%s, VLAN %s: extension %s", t.x.NIC, t.x.VLAN, t.x.Name)
	} else {
		s.Name = "decapsulation"
		s.Detail = fmt.Sprintf("from VTEP %s to %s port %d, VNI %d", t.from, t.desired.Underlay.VTEP, t.desired.Underlay.Port, t.vni)
	}
	if t.elsewhere != "" {
		s.Detail += fmt.Sprintf("; that is extension %s's", t.elsewhere)
	}
	if reason := t.nicReason(); reason != "" {
		s.Verdict, s.Reason = state.StageDrop, reason
		s.Detail += "; " + t.aboutNIC(reason)
	}
	return s
}

func (t *traced) aboutNIC(reason string) string {
	switch reason {
	case "unknown-vtep":
		if _, known := t.vteps.byAddr[t.from]; known {
			return "that VTEP is a peer of other extensions only"
		}
		return "no extension has that peer"
	case "unknown-vni":
		return "no extension has that VNI"
	case "tunnel-header":
		return "a header is not as it must be: docs/reference/drop-reasons.md lists what is checked"
	}
	return "no circuit takes the frame"
}

func (t *traced) aboutRaised() string {
	if t.x.Raised {
		return "the operator has raised the bridge"
	}
	return "the bridge is not raised"
}

func (t *traced) aboutParsing() string {
	if t.reason() != "malformed" {
		return summaryOf(t.inner)
	}
	return summaryOf(t.inner) + "; docs/reference/drop-reasons.md lists what is malformed"
}

func (t *traced) aboutInner() string {
	vids := innerVIDs(t.inner)
	if len(vids) == 0 {
		return "no tag behind the circuit's own"
	}
	return fmt.Sprintf("VLAN %s inside; allowed: %s", strings.Join(vids, ", "), t.allowedInner())
}

func (t *traced) allowedInner() string {
	switch {
	case t.x.Inner.AllowAll:
		return "all"
	case len(t.x.Inner.Allowed) == 0:
		return "none"
	}
	return strings.Trim(fmt.Sprint(t.x.Inner.Allowed), "[]")
}

func (t *traced) aboutSource() string {
	source := l2.MAC(t.inner[6:12])
	switch {
	case source.IsZero():
		return "the source is zero"
	case source.IsGroup():
		return fmt.Sprintf("the source %s is a group's address", source)
	case t.reason() == "bad-source":
		return fmt.Sprintf("the source %s is the gateway's own", source)
	}
	return fmt.Sprintf("the source %s may be a station's", source)
}

func (t *traced) aboutControl() string {
	name := controlName(t.inner)
	switch {
	case name == "":
		return "no control frame"
	case t.after.passage.Tunnelled != 0:
		return name + ", which is tunnelled"
	}
	return name + ", which belongs to one link"
}

// aboutMAC says what was known of the source before the frame.
func (t *traced) aboutMAC() string {
	known := t.known(l2.MAC(t.inner[6:12]), t.source)
	if t.source == nil {
		known += fmt.Sprintf("; %d of %d MACs are learnt on this side", t.before.state.Learnt[t.dir], t.x.MACLimit)
	}
	if until := t.before.state.MacStormUntil; until > t.clockNow() {
		known += "; a storm of MACs is on: what sources learnt since then flood is dropped"
	}
	return known
}

// known says what an entry tells.
func (t *traced) known(mac l2.MAC, e *abi.TcFdbEntry) string {
	if e == nil {
		return fmt.Sprintf("%s is not known", mac)
	}
	text := fmt.Sprintf("%s is known %s", mac, t.at(e.Place))
	switch {
	case e.Flags&fdbPinned != 0:
		return text + ", pinned"
	case e.Flags&fdbStatic != 0:
		return text + ", static"
	}
	text += fmt.Sprintf(", learnt %s ago", t.ago(e.Born))
	if e.Moves > 0 {
		text += fmt.Sprintf(", moved %d times", e.Moves)
	}
	if e.FrozenUntil > t.clockNow() {
		text += fmt.Sprintf(", frozen for another %s", time.Duration(e.FrozenUntil-t.clockNow()).Round(time.Second))
	}
	return text
}

func (t *traced) clockNow() uint64 { return t.gateway.Stopped }

func (t *traced) ago(then uint64) time.Duration {
	return time.Duration(int64(t.clockNow()) - int64(then)).Round(time.Second)
}

// at is a place in words.
func (t *traced) at(place uint16) string {
	switch place {
	case placeCustomer:
		return "on the customer's side"
	case placeCloud:
		return "in the cloud"
	}
	return fmt.Sprintf("at VTEP %s", t.vteps.byIndex[uint32(place)])
}

// aboutLearning compares the FDB before and after.
func (t *traced) aboutLearning() string {
	switch learns := t.learns(); {
	case learns != "":
		return learns
	case t.learnt == nil:
		return "the source is not learnt"
	case t.learnt.Place != t.source.Place:
		return "the source has moved " + t.at(t.learnt.Place)
	}
	return "nothing new"
}

// learns is what the FDB took from the frame.
func (t *traced) learns() string {
	switch {
	case t.learnt == nil:
		return ""
	case t.source == nil:
		return fmt.Sprintf("%s %s", l2.MAC(t.inner[6:12]), t.at(t.learnt.Place))
	case t.source.Place != t.learnt.Place:
		return fmt.Sprintf("%s moves from %s to %s", l2.MAC(t.inner[6:12]), strings.TrimPrefix(t.at(t.source.Place), "at "), strings.TrimPrefix(t.at(t.learnt.Place), "at "))
	case t.source.FrozenUntil != t.learnt.FrozenUntil:
		return fmt.Sprintf("%s is frozen %s", l2.MAC(t.inner[6:12]), t.at(t.learnt.Place))
	case t.source.Seen != t.learnt.Seen:
		return "the source's age begins anew"
	}
	return ""
}

func (t *traced) aboutHalfRaised() string {
	until := t.before.state.HalfRaisedUntil
	if until <= t.clockNow() {
		return "the bridge is not half-raised"
	}
	return fmt.Sprintf("half-raised for another %s: only known unicast flows", time.Duration(until-t.clockNow()).Round(time.Second))
}

func (t *traced) aboutService() string {
	name := t.service()
	if name == "" {
		return "no server's message"
	}
	from := "customer"
	if t.dir == l2.ToCustomer {
		from = "cloud"
	}
	return fmt.Sprintf("a message of a %s server on the %s's side", name, from)
}

// service is enum service of bpf/abi.h, by the configuration's keys.
func (t *traced) service() string {
	var names []string
	for i, name := range []string{"dhcp", "router", "fhrp", "querier"} {
		if t.after.passage.P.About>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

func (t *traced) aboutDestination() string {
	to := l2.MAC(t.inner[:6])
	switch {
	case to == l2.Broadcast:
		return "broadcast: to everybody on the other side"
	case to.IsGroup():
		return fmt.Sprintf("%s is a group: to everybody on the other side", to)
	case t.after.passage.Floods != 0:
		return fmt.Sprintf("%s: to everybody on the other side", t.known(to, t.target))
	}
	return t.known(to, t.target)
}

func (t *traced) aboutSize() string {
	limit := t.record().extension.MaxToCloud
	if t.dir == l2.ToCustomer {
		limit = t.record().extension.MaxToCustomer
	}
	text := fmt.Sprintf("%d bytes of at most %d", len(t.inner), limit)
	if t.reason() == "too-big" && t.answered() {
		text += "; the sender is told by ICMP"
	}
	if before, after, clamped := t.clamped(); clamped {
		text += fmt.Sprintf("; TCP's segment size is clamped from %d to %d", before, after)
	}
	return text
}

func (t *traced) aboutBandwidth() string {
	limit := t.x.Guards.ToCloud
	if t.dir == l2.ToCustomer {
		limit = t.x.Guards.ToCustomer
	}
	if limit.PerSecond == 0 {
		return "no limit"
	}
	left := room(t.record().guards.Value().Bandwidth[t.dir], t.before.spending.Way[t.dir].Bandwidth, 1, t.clockNow())
	return fmt.Sprintf("%s; %d bytes are left", bitsText(limit.PerSecond), left)
}

func (t *traced) aboutCPU() string {
	if t.x.Guards.CPU == 0 {
		return "no limit"
	}
	return fmt.Sprintf("%d%% of a core", t.x.Guards.CPU)
}
