// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/state"
)

// judgePort judges whether the tunnel's UDP port is free.
func judgePort(x *examined) []finding {
	if x.config == nil {
		return nil
	}
	port := fmt.Sprintf("UDP port %d", x.config.Gateway.Underlay.Port)
	taken := (*host.PortTakenError)(nil)
	if !errors.As(x.port, &taken) {
		return []finding{{Check: "port", Severity: fine, Finding: port + " is free, or the gateway's"}}
	}
	f := finding{"port", "", severe, port + " is taken by another socket", "the gateway does not start: its tunnel device needs the port",
		fmt.Sprintf("ss -lunp sport = :%d names the process: end it; or set gateway.underlay.port, here and on the peers", taken.Port)}
	if len(taken.Devices) > 0 {
		f.Finding = fmt.Sprintf("%s is taken by the vxlan device %s", port, strings.Join(taken.Devices, ", "))
		f.Remedy = fmt.Sprintf("ip link del %s; or set gateway.underlay.port, here and on the peers", strings.Join(taken.Devices, "; ip link del "))
	}
	return []finding{f}
}

// judgeFirewall judges the chains on the way of tunnel packets that the tunnel device takes: those that the
// programs forward by themselves meet no firewall.
func judgeFirewall(x *examined) (found []finding) {
	if x.config == nil {
		return nil
	}
	for _, c := range x.chains {
		if c.Drops && !c.Accepts {
			found = append(found, x.droppingChain(c))
		}
	}
	if len(found) == 0 {
		found = append(found, finding{Check: "firewall", Severity: fine, Finding: "no chain on the tunnel's way drops by policy without a rule for its port"})
	}
	return found
}

func (x *examined) droppingChain(c host.Chain) finding {
	port := x.config.Gateway.Underlay.Port
	f := finding{"firewall", c.Name, warning, "drops by policy, and no rule was seen that accepts UDP port " + fmt.Sprint(port),
		"merged packets of bulk TCP, which pass the tunnel device, are lost: ping works, TCP crawls",
		fmt.Sprintf("nft insert rule %s udp dport %d accept", c.Name, port)}
	if command, chain, legacy := strings.Cut(c.Name, " "); legacy && strings.HasSuffix(command, "tables") {
		f.Remedy = fmt.Sprintf("%s -I %s -p udp --dport %d -j ACCEPT", command, chain, port)
	}
	if c.Rules > 0 {
		f.Finding += fmt.Sprintf("; what its %d rules accept by interface, address or set is not seen", c.Rules)
	}
	if x.engine == state.EngineXDP {
		f.Severity = notice
		f.Consequence = "nothing under engine xdp, whose packets meet no firewall; under tc merged packets would be lost"
	}
	return f
}

// judgeConntrack judges the tracker, which sees the packets that the tunnel device takes.
func judgeConntrack(x *examined) []finding {
	if x.config == nil {
		return nil
	}
	c, port := x.conntrack, x.config.Gateway.Underlay.Port
	f := finding{Check: "conntrack", Severity: fine, Finding: "no connection is tracked"}
	if !c.Tracks {
		return []finding{f}
	}
	f.Finding = fmt.Sprintf("%d of %d connections are tracked", c.Count, c.Max)
	f.Severity = notice
	f.Consequence = "each inner flow that passes the tunnel device is an entry; when the table is full, its packets are lost"
	f.Remedy = fmt.Sprintf("nft 'add table inet tunnel { chain pre { type filter hook prerouting priority raw; udp dport %d notrack; }; chain out { type filter hook output priority raw; udp dport %d notrack; }; }'", port, port)
	if c.Count > c.Max/10*9 {
		f.Severity = warning
	}
	return []finding{f}
}

// judgeReversePath judges rp_filter: strict, it drops what comes by another uplink than the route back.
func judgeReversePath(x *examined) (found []finding) {
	if x.config == nil || x.overhead() == overhead6 || x.engine != state.EngineTC {
		return nil // there is none for IPv6, and programs of engine xdp hand no packet to the host
	}
	for _, u := range x.plan.Desired.Underlay.Uplinks {
		peers := x.notBackBy(u.Ifindex)
		if x.rpFilter[u.Name] != 1 || len(peers) == 0 {
			continue
		}
		found = append(found, finding{"rp-filter", u.Name, warning,
			fmt.Sprintf("rp_filter is strict, and the routes to %s lead by another uplink", strings.Join(peers, ", ")),
			"merged packets that arrive by it from there are dropped by the kernel, uncounted: ping works, TCP crawls",
			"sysctl -w net.ipv4.conf." + u.Name + ".rp_filter=2, and the same line in /etc/sysctl.d"})
	}
	return found
}

// notBackBy are the peers that have a route, but none by this uplink.
func (x *examined) notBackBy(ifindex int) (peers []string) {
	unrouted := x.unrouted()
	for _, hop := range x.hops {
		if hop.Uplink == ifindex && !hop.Addr.IsValid() && !slices.Contains(unrouted, hop.Peer) {
			peers = append(peers, hop.Peer.String())
		}
	}
	return peers
}
