// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Guard limits the damage that an extension may do. Design document guards.md says what each rule
// means and where its default comes from.
type Guard struct {
	Profile       Profile
	Mode          Mode
	Bandwidth     Bandwidth
	Storm         Storm
	Flood         Flood
	MACs          MACs
	Protect       []netip.Addr // that the customer may not claim
	Services      Services
	ControlFrames []Protocol // that are tunnelled instead of dropped, sorted
	InnerVLAN     InnerVLAN
	MSS           MSS
	CPU           uint8 // percent of one core, 1 to 100; 0: no limit
	Loop          Loop
	Trip          Trip
}

// Profile chooses defaults by who owns the machines in the cloud.
type Profile uint8

// The two profiles.
const (
	Stretched Profile = 0 // one customer on both sides
	Hosted    Profile = 1 // the provider's services in the cloud
)

// String prints stretched or hosted.
func (p Profile) String() string {
	if p == Hosted {
		return "hosted"
	}
	return "stretched"
}

// Mode says what a guard does with a frame that it would drop. The numbers are those of state.GuardMode.
type Mode uint8

// The three modes.
const (
	Enforce Mode = 0 // drop it
	Observe Mode = 1 // count it, and let it pass
	Off     Mode = 2 // no guard
)

// String prints enforce, observe or off.
func (m Mode) String() string {
	switch m {
	case Observe:
		return "observe"
	case Off:
		return "off"
	}
	return "enforce"
}

// Bandwidth limits each direction.
type Bandwidth struct{ ToCloud, ToCustomer BitRate }

// Storm limits each class of frames that may flood, in each direction.
type Storm struct{ ARPND, DHCP, Broadcast, Multicast, UnknownUnicast StormRate }

// InnerVLAN says which tags may follow the circuit's own. The zero value drops all.
type InnerVLAN struct {
	AllowAll bool
	Allowed  []l2.VID // sorted
}

// MSS says to what the maximum segment size of TCP is clamped. The zero value clamps to what fits the
// tunnel.
type MSS struct {
	Off   bool
	Bytes uint16 // 536 to 9000; 0: what fits the tunnel
}

// Loop says how loops are searched.
type Loop struct {
	Probe       time.Duration // between probes while there is reason to probe
	Fingerprint bool          // compare frames that flood
}

// Trip says what follows from a guard's judgement.
type Trip struct{ Auto bool } // false: only report

// DefaultGuard is the guard of an extension whose file says nothing but the profile.
func DefaultGuard(p Profile) Guard {
	packets := func(n uint64) PacketRate { return PacketRate{Packets: n, Burst: n} }
	storm := func(n uint64) StormRate { return StormRate{PacketRate: packets(n)} }
	return Guard{
		Profile:  p,
		Storm:    Storm{ARPND: storm(500), DHCP: storm(50), Broadcast: storm(200), Multicast: storm(500), UnknownUnicast: storm(200)},
		Flood:    Flood{Rate: packets(20000)},
		MACs:     defaultMACs(),
		Services: defaultServices(p),
		Loop:     Loop{Probe: 50 * time.Millisecond, Fingerprint: true},
		Trip:     Trip{Auto: true},
	}
}

// guardReader reads the guard of one extension.
type guardReader struct {
	*reader
	guard  *Guard
	path   string
	static []staticPlace
	pinned map[l2.MAC]place
}

func (g *guardReader) read(path string, n *node) {
	g.path = path
	// The profile chooses the defaults of keys that may stand before it.
	if p := n.get("profile"); p != nil && p.text == Hosted.String() {
		*g.guard = DefaultGuard(Hosted)
	}
	c := g.guard
	g.mapping(path, n, []field{
		choice(g.reader, "profile", &c.Profile, option[Profile]{"stretched", Stretched}, option[Profile]{"hosted", Hosted}),
		choice(g.reader, "mode", &c.Mode, option[Mode]{"enforce", Enforce}, option[Mode]{"observe", Observe}, option[Mode]{"off", Off}),
		{key: "bandwidth", read: g.bandwidth},
		{key: "storm", read: g.storm},
		{key: "flood", read: g.flood},
		{key: "macs", read: g.macs},
		{key: "protect", read: g.protect},
		{key: "services", read: g.services},
		{key: "control-frames", read: g.controlFrames},
		{key: "inner-vlan", read: g.innerVLAN},
		number(g.reader, "mss", "auto, off or 536 to 9000", parseMSS, &c.MSS),
		value(g.reader, "cpu", "none or 1% to 100%", parseCPU, &c.CPU),
		{key: "loop", read: g.loop},
		{key: "trip", read: func(path string, n *node) { g.mapping(path, n, []field{boolean(g.reader, "auto", &c.Trip.Auto)}) }},
	})
}

func (g *guardReader) bandwidth(path string, n *node) {
	b := &g.guard.Bandwidth
	g.mapping(path, n, []field{
		value(g.reader, "to-cloud", bitRateAllowed, parseBitRate, &b.ToCloud),
		value(g.reader, "to-customer", bitRateAllowed, parseBitRate, &b.ToCustomer),
	})
}

func (g *guardReader) storm(path string, n *node) {
	s := &g.guard.Storm
	class := func(key string, into *StormRate) field {
		return value(g.reader, key, stormRateAllowed, parseStormRate, into)
	}
	g.mapping(path, n, []field{
		class("arp-nd", &s.ARPND),
		class("dhcp", &s.DHCP),
		class("broadcast", &s.Broadcast),
		class("multicast", &s.Multicast),
		class("unknown-unicast", &s.UnknownUnicast),
	})
}

func (g *guardReader) protect(path string, n *node) {
	seen := map[netip.Addr]place{}
	for _, item := range g.items(path, n, "IP addresses") {
		var a netip.Addr
		if !read(g.reader, path, item, "an IPv4 or IPv6 unicast address", parseHost, &a) {
			continue
		}
		if first, twice := seen[a]; twice {
			g.add(item.at, "%s: %s is there twice, first %s: once is allowed", path, a, g.where(first))
			continue
		}
		seen[a] = item.at
		g.guard.Protect = append(g.guard.Protect, a)
	}
}

// innerVLAN reads drop, allow or a list of VIDs. An empty list allows none, as drop does.
func (g *guardReader) innerVLAN(path string, n *node) {
	v := &g.guard.InnerVLAN
	if n.kind != list {
		parse := chosen([]option[bool]{{"drop", false}, {"allow", true}})
		read(g.reader, path, n, "drop, allow or a list of VLANs such as [10, 20]", parse, &v.AllowAll)
		return
	}
	seen := map[l2.VID]place{}
	for _, item := range n.items {
		var vid l2.VID
		if !readNumber(g.reader, path, item, "1 to 4094", parseVID, &vid) {
			continue
		}
		if first, twice := seen[vid]; twice {
			g.add(item.at, "%s: %d is there twice, first %s: once is allowed", path, vid, g.where(first))
			continue
		}
		seen[vid] = item.at
		v.Allowed = append(v.Allowed, vid)
	}
	slices.Sort(v.Allowed)
}

func (g *guardReader) loop(path string, n *node) {
	l := &g.guard.Loop
	g.mapping(path, n, []field{
		value(g.reader, "probe", "10ms to 1s", durationIn(10*time.Millisecond, time.Second), &l.Probe),
		boolean(g.reader, "fingerprint", &l.Fingerprint),
	})
}

func parseMSS(s string) (MSS, error) {
	switch s {
	case "auto":
		return MSS{}, nil
	case "off":
		return MSS{Off: true}, nil
	}
	bytes, err := numberIn[uint16](536, 9000)(s)
	return MSS{Bytes: bytes}, err
}

func parseCPU(s string) (uint8, error) {
	if s == "none" {
		return 0, nil
	}
	digits, ok := strings.CutSuffix(s, "%")
	if !ok {
		return 0, fmt.Errorf("%s is not a share of one core", show(s))
	}
	percent, err := numberIn[uint8](1, 100)(digits)
	if err != nil {
		return 0, fmt.Errorf("%s is not a share of one core", show(s))
	}
	return percent, nil
}
