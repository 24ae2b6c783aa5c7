// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/host"
	"golang.org/x/sys/unix"
)

// What a tunnel adds to a customer's IP packet, in bytes: the inner Ethernet header of 14, VXLAN and UDP of 8
// each, and the outer IP header.
const (
	overhead4 = 14 + 8 + 8 + 20
	overhead6 = 14 + 8 + 8 + 40
)

// customerMTU is what customers expect when nothing else was agreed.
const customerMTU = 1500

// judgeUnderlay judges the local VTEP.
func judgeUnderlay(x *examined) []finding {
	if x.config == nil {
		return nil
	}
	u := x.config.Gateway.Underlay
	uplinks := strings.Join(u.Interfaces, ", ")
	if vtep := x.plan.Desired.Underlay.VTEP; vtep.IsValid() {
		return []finding{{Check: "vtep", Severity: fine, Finding: fmt.Sprintf("%s is on %s", vtep, ownAddrs(x.links)[vtep])}}
	}
	const consequence = "no tunnel works: every extension is down"
	if u.Address.IsValid() {
		return []finding{{"vtep", "", severe, fmt.Sprintf("%s is neither on %s nor on lo", u.Address, uplinks), consequence,
			fmt.Sprintf("ip addr add %s/PREFIX dev %s, lastingly in the host's network configuration; or correct gateway.underlay.address", u.Address, u.Interfaces[0])}}
	}
	var addrs []string
	for _, name := range u.Interfaces {
		for _, p := range x.links[name].Addrs {
			if p.Addr().IsGlobalUnicast() {
				addrs = append(addrs, p.Addr().String())
			}
		}
	}
	if len(addrs) == 0 {
		return []finding{{"vtep", "", severe, uplinks + " has no global address", consequence,
			"give it one, or set gateway.underlay.address to one on lo"}}
	}
	return []finding{{"vtep", "", severe, fmt.Sprintf("%s has the addresses %s, and the configuration does not choose", uplinks, strings.Join(addrs, ", ")),
		consequence, "set gateway.underlay.address to one of them"}}
}

// judgePeers finds peers that are this host, and peers without a route by an uplink.
func judgePeers(x *examined) (found []finding) {
	if x.config == nil {
		return nil
	}
	own := ownAddrs(x.links)
	for i := range x.config.Extensions {
		e := &x.config.Extensions[i]
		for _, peer := range e.Overlay.Peers {
			if nic, isOurs := own[peer.Unmap()]; isOurs {
				found = append(found, finding{"peers", string(e.Name), severe, fmt.Sprintf("its peer %s is this host itself, on %s", peer, nic),
					"the tunnel would end where it began: the extension is down", "remove it from overlay.peers or its peer group"})
			}
		}
	}
	for _, peer := range x.unrouted() {
		found = append(found, finding{"route", peer.String(), severe, "no route to it leads out of " + strings.Join(x.config.Gateway.Underlay.Interfaces, ", "),
			"frames to it drop as no-next-hop", fmt.Sprintf("ip route add %s/%d via ROUTER dev %s", peer, peer.BitLen(), x.config.Gateway.Underlay.Interfaces[0])})
	}
	for _, hop := range x.unresolved() {
		found = append(found, finding{"next-hop", hop.Peer.String(), severe, fmt.Sprintf("its next hop %s does not answer %s", hop.Addr, neighbourProtocol(hop.Addr)),
			"frames to it drop as no-next-hop", "is it up, on the same network as the uplink? ip neigh show " + hop.Addr.String()})
	}
	return found
}

func neighbourProtocol(a netip.Addr) string {
	if a.Is6() {
		return "neighbour discovery"
	}
	return "ARP"
}

// unrouted are the peers that no uplink leads to.
func (x *examined) unrouted() (peers []netip.Addr) {
	routed := map[netip.Addr]bool{}
	for _, hop := range x.hops {
		routed[hop.Peer] = routed[hop.Peer] || hop.Addr.IsValid()
	}
	for peer, ok := range routed {
		if !ok {
			peers = append(peers, peer)
		}
	}
	slices.SortFunc(peers, netip.Addr.Compare)
	return peers
}

// unresolved are next hops of peers that have none which answers, the first of each peer. A probe that came back
// proves more than the kernel's table, which forgets.
func (x *examined) unresolved() (hops []host.NextHop) {
	reached := map[netip.Addr]bool{}
	for _, p := range x.paths {
		reached[p.Peer] = reached[p.Peer] || p.Size > 0 || p.Late
	}
	for _, hop := range x.hops {
		reached[hop.Peer] = reached[hop.Peer] || hop.Resolved()
	}
	for _, hop := range x.hops {
		if hop.Addr.IsValid() && !reached[hop.Peer] {
			reached[hop.Peer] = true
			hops = append(hops, hop)
		}
	}
	return hops
}

// overhead of the tunnels: of the VTEP's family, or the peers' while there is no VTEP.
func (x *examined) overhead() int {
	addr := x.plan.Desired.Underlay.VTEP
	if !addr.IsValid() {
		addr = x.config.Gateway.Underlay.Address
	}
	for i := 0; !addr.IsValid() && i < len(x.config.Extensions); i++ {
		addr = x.config.Extensions[i].Overlay.Peers[0].Unmap()
	}
	if addr.Is6() {
		return overhead6
	}
	return overhead4
}

// neededMTU is what the underlay must carry for packets of 1500 bytes, or of the customers' NICs when they have
// more.
func (x *examined) neededMTU() int {
	customers := customerMTU
	for _, name := range customersOf(x.config) {
		customers = max(customers, x.links[name].MTU)
	}
	return customers + x.overhead()
}

// judgeMTU judges what the gateway may send by its uplinks.
func judgeMTU(x *examined) (found []finding) {
	if x.config == nil {
		return nil
	}
	need, configured := x.neededMTU(), x.config.Gateway.Underlay.MTU
	for _, name := range x.config.Gateway.Underlay.Interfaces {
		l, exists := x.links[name]
		switch {
		case !exists:
		case configured > l.MTU:
			found = append(found, finding{"mtu", name, severe, fmt.Sprintf("its MTU is %d, and underlay.mtu is %d", l.MTU, configured),
				fmt.Sprintf("tunnel packets have at most %d bytes: ", l.MTU) + tooBigConsequence, fmt.Sprintf("ip link set %s mtu %d, or underlay.mtu: auto", name, configured)})
		case l.MTU < need:
			found = append(found, finding{"mtu", name, warning, fmt.Sprintf("its MTU is %d: customers' packets of at most %d bytes fit, not of %d", l.MTU, l.MTU-x.overhead(), need-x.overhead()),
				tooBigConsequence, fmt.Sprintf("ip link set %s mtu %d, and the same on the whole path", name, need)})
		default:
			found = append(found, finding{Check: "mtu", Subject: name, Severity: fine, Finding: fmt.Sprintf("its MTU is %d: customers' packets of %d bytes fit", l.MTU, need-x.overhead())})
		}
	}
	return found
}

// judgeSpread judges how the kernel chooses among equal routes: the programs' choice follows it.
func judgeSpread(x *examined) []finding {
	if x.config == nil || len(x.spread) == 0 {
		return nil
	}
	uplinks := strings.Join(x.config.Gateway.Underlay.Interfaces, ", ")
	if x.policy != 0 {
		return []finding{{Check: "spread", Severity: fine, Finding: "flows are spread over the equal routes by " + uplinks}}
	}
	family := "ipv4"
	if x.plan.Desired.Underlay.VTEP.Is6() {
		family = "ipv6"
	}
	key := "net." + family + ".fib_multipath_hash_policy"
	return []finding{{"spread", "", notice, fmt.Sprintf("equal routes lead by several of %s, and %s is 0", uplinks, key),
		"all flows to one peer take the same uplink: the others carry other peers' flows alone, or nothing until it fails",
		"sysctl -w " + key + "=1, and the same line in /etc/sysctl.d"}}
}

// tooBigConsequence is what happens to frames that are longer than the tunnel carries.
const tooBigConsequence = "longer frames drop as too-big: TCP is clamped and senders are told by ICMP, everything else is lost"

// judgePaths judges what was measured.
func judgePaths(x *examined) (found []finding) {
	var said []netip.Addr
	for _, hop := range x.unresolved() {
		said = append(said, hop.Peer)
	}
	for _, p := range x.paths {
		if slices.Contains(said, p.Peer) {
			continue
		}
		found = append(found, x.judgePath(p))
	}
	return found
}

func (x *examined) judgePath(p host.Path) finding {
	sent, need, over := x.plan.Desired.Underlay.MTU, x.neededMTU(), x.overhead()
	f := finding{Check: "path-mtu", Subject: p.Peer.String(), Severity: fine}
	exactly := "at least "
	if p.Exact {
		exactly = ""
	}
	path := "the path"
	if len(x.plan.Desired.Underlay.Uplinks) > 1 {
		path += " by " + p.Uplink
	}
	f.Finding = fmt.Sprintf("%s carries %s%d bytes: ", path, exactly, p.Size)
	switch {
	case p.Late && p.Size == 0:
		f.Severity, f.Finding = warning, path+" was not measured in time"
		f.Consequence = "where the path carries less than the gateway sends, long frames vanish: ping works, TCP hangs"
		f.Remedy = "drawbridge doctor --timeout 120s"
	case p.Err != nil:
		return x.unprobed(f, p.Err)
	case p.Size == 0:
		f.Severity, f.Finding = warning, "answers neither ICMP echo nor UDP to closed ports: the MTU of "+path+" is not measured"
		f.Consequence = "where the path carries less than the gateway sends, long frames vanish: ping works, TCP hangs"
		f.Remedy = fmt.Sprintf("let ICMP echo from %s through; or ask a router near it: %s", x.plan.Desired.Underlay.VTEP, pingCommand(x.plan.Desired.Underlay.VTEP, p.Peer, need))
	case p.Size < min(sent, x.probed) && p.Exact:
		f.Severity = severe
		f.Finding += fmt.Sprintf("the gateway sends up to %d", sent)
		f.Consequence = fmt.Sprintf("customers' packets of more than %d bytes vanish%s: ping works, TCP hangs", p.Size-over, refusedOrSilent(p))
		f.Remedy = fmt.Sprintf("raise the MTU along the path to %d, or set gateway.underlay.mtu: %d", max(sent, need), p.Size)
	case p.Size >= need:
		f.Finding += fmt.Sprintf("customers' packets of %d bytes fit", need-over)
	case p.Exact:
		f.Severity = warning
		f.Finding += fmt.Sprintf("customers' packets of at most %d bytes fit, not of %d", p.Size-over, need-over)
		f.Consequence = tooBigConsequence
		f.Remedy = fmt.Sprintf("raise the MTU of the uplink and along the path to %d", need)
	default:
		f.Severity = warning
		f.Finding += fmt.Sprintf("whether customers' packets of %d bytes fit is not measured", need-over)
		f.Consequence = "where the path carries less than the gateway sends, long frames vanish"
		f.Remedy = "measure again: drawbridge doctor --timeout 60s"
	}
	return f
}

func refusedOrSilent(p host.Path) string {
	if p.Refused {
		return ", although a router says why: the gateway does not follow ICMP, which can be forged"
	}
	return " without a word"
}

// unprobed explains the kernel's refusal.
func (x *examined) unprobed(f finding, err error) finding {
	f.Severity, f.Finding = severe, "no probe can be sent: "+err.Error()
	f.Consequence = "tunnel packets to it cannot be sent either"
	f.Remedy = fmt.Sprintf("ip route get %s from %s says why", f.Subject, x.plan.Desired.Underlay.VTEP)
	if errors.Is(err, unix.EPERM) {
		f.Severity = warning
		f.Consequence = "the path's MTU is not measured; the firewall may hold tunnel packets back as well"
		f.Remedy = "let ICMP echo and UDP out in the firewall's output chain"
	}
	return f
}

// pingCommand measures by hand. Its size is that of the payload: without IP and ICMP headers.
func pingCommand(from, to netip.Addr, size int) string {
	header := 28
	if to.Is6() {
		header = 48
	}
	return fmt.Sprintf("ping -M do -I %s -s %d ROUTER", from, size-header)
}
