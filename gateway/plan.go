// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Inputs is everything that a plan is made of.
type Inputs struct {
	Config *config.Config
	Links  map[string]Link
	Raised map[l2.Name]Latch // by the operator
	Unfit  map[string]string // customers' NICs that could not be prepared, and why
	// Held are the customers' NICs that we serve already, with the ifindex that they have. Such a
	// NIC stays guarded when somebody gives it an address or a master: its extensions go down, but
	// the customer's frames still do not reach the host. A NIC that we do not hold yet is left alone.
	Held map[string]int
	Keep state.Engine // the engine that runs; 0 at start and on reload
}

// Latch is a bridge that the operator raised.
type Latch struct {
	Reason string    `json:"reason"` // the operator's words; may be empty
	Since  time.Time `json:"since"`
}

// Plan is what the kernel shall hold, and what users are told about it.
type Plan struct {
	Desired      state.Desired // without Underlay.TunnelIfindex, which takes a change of the host
	EngineReason string
	Bridges      []Bridge // one an extension, in the order of Desired.Extensions
	UnderlayDown string   // why no extension can work; empty when they can
	ShortMTU     ShortMTU
	Refusals     []string // contradictions between configuration and host: a reload is refused for them
}

// Bridge is an extension's state as a plan sees it.
type Bridge struct {
	Name     l2.Name
	State    state.Bridge
	Reason   string    // why it is not lowered; empty when it is
	Since    time.Time // of a trip; zero otherwise
	Kind     event.Kind
	Severity event.Severity
}

// MakePlan decides what the kernel shall hold. It is pure: equal inputs give equal plans.
func MakePlan(in Inputs) Plan {
	c := in.Config
	p := planner{in: in, nics: map[string]nicPlan{}, local: localAddrs(in.Links)}
	engine := chooseEngine(c.Gateway.Engine, allNICs(c), in.Links, in.Keep)
	p.engine = engine.engine
	p.underlay = planUnderlay(c.Gateway.Underlay, in.Links, p.engine)
	p.plan.EngineReason = engine.reason
	p.plan.UnderlayDown = p.underlay.down
	p.plan.ShortMTU = p.underlay.short
	p.refuse(p.underlay.refused)
	p.plan.Desired = state.Desired{
		Gateway:  c.Gateway.Name,
		Engine:   p.engine,
		Underlay: p.underlay.desired,
	}
	p.planNICs()
	p.planExtensions()
	return p.plan
}

// planner holds what the steps of one plan share.
type planner struct {
	in       Inputs
	engine   state.Engine
	underlay underlay
	local    map[netip.Addr]string // every address of the host, and its interface
	nics     map[string]nicPlan
	plan     Plan
}

// nicPlan is what became of a customer's NIC.
type nicPlan struct {
	down     string // why nothing can arrive; empty when it can
	severity event.Severity
}

func (p *planner) refuse(why string) {
	if why != "" && !slices.Contains(p.plan.Refusals, why) {
		p.plan.Refusals = append(p.plan.Refusals, why)
	}
}

// planNICs sorts the customers' NICs into those that we serve and those that we do not.
func (p *planner) planNICs() {
	for _, name := range customerNICs(p.in.Config) {
		l, exists := p.in.Links[name]
		passthrough := p.in.Config.Interfaces[name].Passthrough
		n := nicPlan{down: downReason(p.in.Links, name), severity: event.Warning}
		serve := exists
		if why := p.unfit(l, passthrough); why != "" {
			n = nicPlan{down: why, severity: event.Error}
			ifindex, held := p.in.Held[name]
			serve = held && ifindex == l.Ifindex && refuseBond(p.engine, l) == ""
		}
		p.nics[name] = n
		if serve {
			p.plan.Desired.NICs = append(p.plan.Desired.NICs, state.NIC{
				Name: name, Ifindex: l.Ifindex, MAC: l.MAC, MTU: l.MTU, Passthrough: passthrough,
			})
		}
	}
}

// unfit says why no extension may use a NIC that exists; empty when they may.
func (p *planner) unfit(l Link, passthrough bool) string {
	if why := p.misuse(l, passthrough); why != "" {
		p.refuse(why)
		return why
	}
	return p.in.Unfit[l.Name]
}

// misuse says why a NIC must not be served at all; empty when it may.
func (p *planner) misuse(l Link, passthrough bool) string {
	if why := refuseBond(p.engine, l); why != "" {
		return why
	}
	if l.Master != "" {
		return fmt.Sprintf("interface %s is a port of %s, and a customer's NIC must be free: ip link set %s nomaster", l.Name, l.Master, l.Name)
	}
	if len(l.Addrs) > 0 && !passthrough {
		return fmt.Sprintf("interface %s has the address %s, and a customer's NIC must have none: ip addr del %s dev %s, or use another NIC", l.Name, l.Addrs[0], l.Addrs[0], l.Name)
	}
	return ""
}

func (p *planner) planExtensions() {
	exts := p.in.Config.Extensions
	p.plan.Desired.Extensions = make([]state.Extension, 0, len(exts))
	p.plan.Bridges = make([]Bridge, 0, len(exts))
	for i := range exts {
		e, b := p.planExtension(&exts[i])
		p.plan.Desired.Extensions = append(p.plan.Desired.Extensions, e)
		p.plan.Bridges = append(p.plan.Bridges, b)
	}
}

func (p *planner) planExtension(c *config.Extension) (state.Extension, Bridge) {
	e := desiredExtension(c)
	b := Bridge{Name: c.Name, State: state.Lowered, Kind: event.Link, Severity: event.Info}
	latch, raised := p.in.Raised[c.Name]
	e.Raised = raised
	if raised {
		b.State, b.Reason, b.Kind = state.RaisedUp, raisedReason(latch), event.Raised
	}
	down := p.extensionDown(c)
	if down.Reason == "" {
		return e, b
	}
	e.Down = true
	if raised {
		down.Reason += "; " + b.Reason
	}
	down.Name, down.State = c.Name, state.Down
	return e, down
}

func raisedReason(l Latch) string {
	if l.Reason == "" {
		return "raised by the operator"
	}
	return "raised by the operator: " + l.Reason
}

// extensionDown says why an extension cannot work. A contradiction in the configuration comes before
// what the underlay and the circuit's NIC lack, since it does not go away by itself.
func (p *planner) extensionDown(c *config.Extension) Bridge {
	for _, why := range []string{p.selfPeer(c), p.unseenTag(c)} {
		if why != "" {
			p.refuse(why)
			return Bridge{Reason: why, Kind: event.ConfigError, Severity: event.Error}
		}
	}
	if p.underlay.refused != "" {
		return Bridge{Reason: p.underlay.refused, Kind: event.ConfigError, Severity: event.Error}
	}
	if n := p.nics[c.Attachment.Interface]; n.down != "" {
		return Bridge{Reason: n.down, Kind: event.Link, Severity: n.severity}
	}
	return Bridge{Reason: p.underlay.down, Kind: event.Link, Severity: event.Error}
}

// selfPeer finds a peer that is an address of this host: its tunnel would end where it began.
func (p *planner) selfPeer(c *config.Extension) string {
	for _, peer := range c.Overlay.Peers {
		if nic, found := p.local[peer.Unmap()]; found || peer.Unmap() == p.underlay.desired.VTEP {
			return fmt.Sprintf("extension %s has the peer %s, which is this gateway itself%s: remove it from the peers", c.Name, peer, onNIC(nic))
		}
	}
	return ""
}

func onNIC(nic string) string {
	if nic == "" {
		return ""
	}
	return " (on " + nic + ")"
}

// unseenTag refuses an untagged circuit where XDP may take a tagged frame for an untagged one.
func (p *planner) unseenTag(c *config.Extension) string {
	nic := c.Attachment.Interface
	if p.engine != state.EngineXDP || c.Attachment.VLAN.Depth() > 0 || p.in.Links[nic].Kind != "veth" {
		return ""
	}
	return fmt.Sprintf("extension %s is untagged on %s, a veth, where engine xdp takes the tagged frames of a sender with txvlan on for untagged ones: use engine tc, or a tagged circuit", c.Name, nic)
}

// desiredExtension translates what does not depend on the host.
func desiredExtension(c *config.Extension) state.Extension {
	macs := &c.Guard.MACs
	return state.Extension{
		Name:     c.Name,
		NIC:      c.Attachment.Interface,
		VLAN:     c.Attachment.VLAN,
		PCP:      c.Attachment.PCP,
		VNI:      c.Overlay.VNI,
		Peers:    c.Overlay.Peers,
		MACLimit: macs.Limit,
		MACAge:   macs.Age,
		Static:   staticMACs(macs),
		Inner:    state.InnerVLANs{AllowAll: c.Guard.InnerVLAN.AllowAll, Allowed: c.Guard.InnerVLAN.Allowed},
		Mode:     guardMode(c.Guard.Mode),
		Guards:   desiredGuards(&c.Guard),
	}
}

// staticMACs joins static and pinned stations in one table.
func staticMACs(m *config.MACs) []state.StaticMAC {
	var out []state.StaticMAC
	for _, s := range m.Static {
		out = append(out, state.StaticMAC{MAC: s.MAC, Side: s.Side, VTEP: s.VTEP})
	}
	for _, mac := range m.Pinned {
		out = append(out, state.StaticMAC{MAC: mac, Side: l2.Cloud, Pinned: true})
	}
	return out
}

func guardMode(m config.Mode) state.GuardMode {
	switch m {
	case config.Observe:
		return state.Observe
	case config.Off:
		return state.Off
	}
	return state.Enforce
}

// customerNICs returns the NICs on which customers arrive, sorted, without doubles.
func customerNICs(c *config.Config) []string {
	seen := map[string]bool{}
	last := ""
	for i := range c.Extensions {
		if nic := c.Extensions[i].Attachment.Interface; nic != last { // thousands may share one
			seen[nic], last = true, nic
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// allNICs returns the customers' NICs and the uplinks, sorted, without doubles.
func allNICs(c *config.Config) []string {
	out := append(customerNICs(c), c.Gateway.Underlay.Interfaces...)
	slices.Sort(out)
	return slices.Compact(out)
}
