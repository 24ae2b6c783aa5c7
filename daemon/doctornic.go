// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/state"
)

// judgeNICs judges the NICs of the configuration; without one, all that have a driver.
func judgeNICs(x *examined) []finding {
	if x.config == nil {
		return judgeAllNICs(x)
	}
	found := []finding{{Check: "engine", Severity: fine, Finding: x.engineSentence()}}
	for _, name := range customersOf(x.config) {
		found = append(found, x.judgeNIC(name, x.customerRole(name))...)
	}
	for _, name := range x.config.Gateway.Underlay.Interfaces {
		found = append(found, x.judgeNIC(name, host.Underlay)...)
	}
	return append(found, x.judgeUntagged()...)
}

func judgeAllNICs(x *examined) (found []finding) {
	for _, name := range slices.Sorted(maps.Keys(x.links)) {
		if l := x.links[name]; l.Kind == host.KindDevice {
			found = append(found, judgeDriver(l))
		}
	}
	return append(found, finding{"configuration", "", notice, "there is none at " + DefaultConfig,
		"only the machine was examined, and nothing that depends on the gateway", "name a file with --config"})
}

func (x *examined) engineSentence() string {
	if x.running {
		return x.engine.String() + ", which runs"
	}
	return fmt.Sprintf("%s: %s", x.engine, x.plan.EngineReason)
}

func (x *examined) customerRole(name string) host.Role {
	if x.config.Interfaces[name].Passthrough {
		return host.Shared
	}
	return host.Customer
}

// judgeNIC judges one NIC for one role.
func (x *examined) judgeNIC(name string, role host.Role) []finding {
	l, exists := x.links[name]
	if !exists {
		return []finding{{"nic", name, severe, "does not exist", roleConsequence(role),
			"ip link shows what is there; correct the name in the configuration"}}
	}
	var found []finding
	found = append(found, judgeDriver(l))
	found = append(found, x.judgeLinkState(l, role)...)
	found = append(found, judgeFit(l, role)...)
	found = append(found, x.judgeEngine(l)...)
	for _, device := range x.hardwareOf(l) {
		found = append(found, x.judgeOffloads(device, role)...)
	}
	return found
}

func roleConsequence(role host.Role) string {
	if role == host.Underlay {
		return "no tunnel leaves by it"
	}
	return "its extensions are down"
}

func judgeDriver(l host.Link) finding {
	xdp := "without native XDP"
	if l.NativeXDP {
		xdp = "with native XDP"
	}
	driver := l.Driver
	if driver == "" {
		driver = "no driver that says its name"
	}
	return finding{Check: "driver", Subject: l.Name, Severity: fine, Finding: driver + ", " + xdp}
}

// judgeLinkState judges whether frames can pass. A customer's NIC may be down until the daemon brings it up.
func (x *examined) judgeLinkState(l host.Link, role host.Role) []finding {
	switch {
	case !l.AdminUp && (role == host.Underlay || x.running):
		return []finding{{"nic", l.Name, severe, "is down", roleConsequence(role), "ip link set " + l.Name + " up"}}
	case !l.AdminUp:
		return []finding{{Check: "nic", Subject: l.Name, Severity: fine, Finding: "is down, and run brings it up"}}
	case !l.Carrier:
		return []finding{{"nic", l.Name, severe, "has no carrier", roleConsequence(role), "look at the cable, the port of the switch, the virtual NIC's network"}}
	}
	return nil
}

// judgeFit judges whether the host itself uses a customer's NIC.
func judgeFit(l host.Link, role host.Role) (found []finding) {
	unfit := (*host.UnfitError)(nil)
	if !errors.As(host.Fit(l, role), &unfit) {
		return nil
	}
	for _, f := range unfit.Faults {
		found = append(found, finding{"nic-in-use", l.Name, severe, f.What,
			"the customer's frames would reach the host's own protocols: extensions on it stay down",
			orElse(f.Remedy, "use another NIC")})
	}
	return found
}

// judgeEngine judges what the engine cannot serve.
func (x *examined) judgeEngine(l host.Link) []finding {
	switch {
	case x.engine == state.EngineXDP && l.Kind == "bond":
		return []finding{{"engine", l.Name, severe, "is a bond, and engine xdp does not serve bonds", "its extensions are down",
			"gateway.engine: auto, or tc"}}
	case x.engine == state.EngineXDP && l.Kind == "veth":
		return []finding{{"vlan-stripping", l.Name, notice, "is a veth, whose other end may keep tags and checksums for itself",
			"XDP sees tagged frames as untagged, and forwards frames with unfinished checksums: ping works, TCP does not; and without GRO the other end loses what XDP sends it",
			"on the senders: ethtool -K NIC tx off txvlan off tx-vlan-stag-hw-insert off gro on; or gateway.engine: tc"}}
	case x.engine == state.EngineXDP && !l.NativeXDP:
		return []finding{{"engine", l.Name, severe, "its driver " + l.Driver + " has no native XDP", "engine xdp cannot be attached",
			"gateway.engine: auto, or tc"}}
	case x.foreign[l.Name] && x.engine == state.EngineXDP:
		return []finding{{"engine", l.Name, severe, "has an XDP program of somebody else", "engine xdp cannot be attached",
			"bpftool net show names it; end its owner, or ip link set " + l.Name + " xdp off"}}
	}
	return nil
}

// judgeUntagged finds untagged circuits where XDP may not see a tag.
func (x *examined) judgeUntagged() (found []finding) {
	if x.engine != state.EngineXDP {
		return nil
	}
	for i := range x.config.Extensions {
		e := &x.config.Extensions[i]
		if e.Attachment.VLAN.Depth() == 0 && x.links[e.Attachment.Interface].Kind == "veth" {
			found = append(found, finding{"vlan-stripping", string(e.Name), severe,
				"is untagged on " + e.Attachment.Interface + ", a veth, where engine xdp takes tagged frames for untagged ones",
				"the extension is down", "gateway.engine: tc, or a tagged circuit"})
		}
	}
	return found
}

// judgeTwoTags finds customers' NICs that engine xdp cannot send a full packet behind two tags by: a device takes one tag beyond
// its MTU.
func judgeTwoTags(x *examined) (found []finding) {
	if x.config == nil || x.engine != state.EngineXDP {
		return nil
	}
	said := map[string]bool{}
	for i := range x.config.Extensions {
		a := &x.config.Extensions[i].Attachment
		l, exists := x.links[a.Interface]
		const need = customerMTU + 4
		if a.VLAN.Depth() < 2 || !exists || l.MTU >= need || said[l.Name] {
			continue
		}
		said[l.Name] = true
		found = append(found, finding{"mtu", l.Name, warning, fmt.Sprintf("its MTU is %d: behind two tags engine xdp sends customers packets of at most %d bytes by it", l.MTU, l.MTU-4),
			tooBigConsequence, fmt.Sprintf("ip link set %s mtu %d, or gateway.engine: tc", l.Name, need)})
	}
	return found
}

// hardwareOf are the devices whose offloads count: the NIC itself, or the members of a bond.
func (x *examined) hardwareOf(l host.Link) []host.Link {
	if l.Kind == host.KindDevice {
		return []host.Link{l}
	}
	var members []host.Link
	for _, name := range slices.Sorted(maps.Keys(x.links)) {
		if m := x.links[name]; l.Kind == "bond" && m.Master == l.Name && m.Kind == host.KindDevice {
			members = append(members, m)
		}
	}
	return members
}

// judgeOffloads judges what the hardware does with frames before a program sees them.
func (x *examined) judgeOffloads(l host.Link, role host.Role) (found []finding) {
	offloads, known := x.offloads[l.Name]
	if !known {
		return []finding{{Check: "offloads", Subject: l.Name, Severity: notice, Finding: "its driver does not tell its offloads"}}
	}
	wrong := x.judgeWrongOffloads(l, role, offloads)
	if len(wrong) == 0 {
		found = append(found, finding{Check: "offloads", Subject: l.Name, Severity: fine, Finding: x.offloadSentence(offloads)})
	}
	if x.engine == state.EngineTC && !offloads[host.OffloadGRO].On {
		found = append(found, finding{"offloads", l.Name, notice, "GRO is off", "bulk TCP through the gateway is several times slower",
			"ethtool -K " + l.Name + " gro on"})
	}
	if !offloads[host.OffloadRxChecksum].On {
		found = append(found, finding{"offloads", l.Name, notice, "checksums are verified by the CPU", "GRO merges less, which costs bulk TCP",
			"ethtool -K " + l.Name + " rx on, when the driver can"})
	}
	return append(wrong, found...)
}

func (x *examined) offloadSentence(offloads map[string]host.Offload) string {
	if x.engine == state.EngineXDP {
		return "LRO is off, and tags stay in the frames"
	}
	if offloads[host.OffloadRxVLAN].On {
		return "LRO is off; tags are taken off by the NIC, which engine tc sees"
	}
	return "LRO is off"
}

// judgeWrongOffloads finds LRO, and under XDP the taking off of tags.
func (x *examined) judgeWrongOffloads(l host.Link, role host.Role, offloads map[string]host.Offload) (found []finding) {
	if o := offloads[host.OffloadLRO]; o.On {
		found = append(found, x.wrongOffload("offloads", l, role, o, "lro", "large receive offload (LRO) is on",
			"frames are merged before the gateway sees them: what is forwarded is not what the customer sent"))
	}
	stripping := offloads[host.OffloadRxVLAN]
	if x.engine == state.EngineXDP && stripping.On {
		found = append(found, x.wrongOffload("vlan-stripping", l, role, stripping, "rxvlan", "the NIC takes VLAN tags off (rxvlan is on)",
			"engine xdp sees tagged frames as untagged: no frame fits a tagged circuit"))
	}
	return found
}

// wrongOffload is an error when nobody will mend it: the driver refuses, or the daemon, which would, runs already.
func (x *examined) wrongOffload(check string, l host.Link, role host.Role, o host.Offload, short, what, consequence string) finding {
	f := finding{check, l.Name, severe, what, consequence, "ethtool -K " + l.Name + " " + short + " off"}
	switch {
	case o.Fixed && check == "vlan-stripping":
		f.Finding += ", and its driver does not let it be changed"
		f.Remedy = "gateway.engine: tc, or another NIC"
	case o.Fixed:
		f.Finding += ", and its driver does not let it be changed"
		f.Remedy = "another NIC, or an option of the driver's module"
	case !x.running:
		f.Severity = warning
		f.Consequence = strings.Join([]string{"run switches it off at start; until then ", consequence}, "")
	}
	if !o.Fixed && role == host.Customer {
		f.Remedy += ", or drawbridge doctor --fix"
	}
	return f
}
