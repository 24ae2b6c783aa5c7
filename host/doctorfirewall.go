// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Chain is a firewall's chain on the way of tunnel packets to or from the host's own socket.
type Chain struct {
	Name    string // such as "inet filter input", or "iptables INPUT"
	Hook    string // prerouting, input, output or postrouting
	Drops   bool   // by policy
	Accepts bool   // a rule that names the tunnel's port accepts
	Rules   int
}

// Conntrack is the connection tracker of the network namespace.
type Conntrack struct {
	Tracks     bool // something in this namespace made it work
	Count, Max int  // entries, and the most that there may be
}

// nftables over netlink, beyond firewall.go.
const (
	nftNewRule         = nftSubsystem | 6
	nftGetRule         = nftSubsystem | 7
	nftRuleTable       = 1
	nftRuleChain       = 2
	nftRuleExpressions = 4
	nftListElement     = 1
	nftExprName        = 1
	nftExprData        = 2
	nftCmpData         = 3
	nftImmediateData   = 2
	nftDataValue       = 1
	nftDataVerdict     = 2
	nftVerdictCode     = 1
	nftMatchName       = 1
	nftMatchInfo       = 3

	verdictAccept = 1 // NF_ACCEPT
)

// nftHooks are the hooks on the way of the host's own packets (linux/netfilter.h). Forwarding is not among
// them.
var nftHooks = map[uint32]string{0: "prerouting", hookLocalIn: "input", 3: "output", 4: "postrouting"}

// FirewallChains reads the nftables chains, and those of the former iptables, that packets to or from a UDP port
// of this host cross. Rules with sets, marks or interfaces are not understood: Accepts false does not mean
// that they drop.
func (h *Host) FirewallChains(port uint16) []Chain {
	var chains []Chain
	_ = h.inside(func() error { // sockets are opened by the requests: not worth keeping one
		chains = h.nftChains(port)
		chains = append(chains, legacyChains(port)...)
		return nil
	})
	return chains
}

func (h *Host) nftChains(port uint16) []Chain {
	messages, err := h.dump(unix.NETLINK_NETFILTER, nftGetChain, nftNewChain, nfgenmsg{unix.AF_UNSPEC})
	if err != nil {
		return nil // no nftables
	}
	var chains []Chain
	for _, m := range messages {
		if c, ok := baseChain(m); ok {
			chains = append(chains, c)
		}
	}
	if len(chains) == 0 {
		return nil
	}
	rules, err := h.dump(unix.NETLINK_NETFILTER, nftGetRule, nftNewRule, nfgenmsg{unix.AF_UNSPEC})
	if err != nil {
		return chains
	}
	for _, m := range rules {
		countRule(chains, m, port)
	}
	return chains
}

func baseChain(message []byte) (Chain, bool) {
	a := attributes(message, len(nfgenmsg{}))
	if len(message) == 0 || a[nftChainHook] == nil {
		return Chain{}, false
	}
	family, ours := nftFamilies[message[0]]
	hook, onTheWay := nftHooks[be32(attributes(a[nftChainHook], 0)[nftHookNumber])]
	policy, hasPolicy := a[nftPolicy]
	return Chain{
		Name:  family + " " + text(a[nftChainTable]) + " " + text(a[nftChainName]),
		Hook:  hook,
		Drops: hasPolicy && be32(policy) == verdictDrop,
	}, ours && onTheWay
}

// countRule adds a rule to its chain.
func countRule(chains []Chain, message []byte, port uint16) {
	if len(message) == 0 {
		return
	}
	a := attributes(message, len(nfgenmsg{}))
	name := nftFamilies[message[0]] + " " + text(a[nftRuleTable]) + " " + text(a[nftRuleChain])
	i := slices.IndexFunc(chains, func(c Chain) bool { return c.Name == name })
	if i < 0 {
		return
	}
	chains[i].Rules++
	if acceptsPort(a[nftRuleExpressions], port) {
		chains[i].Accepts = true
	}
}

// acceptsPort reports whether a rule compares something with the port and then accepts. Rules of iptables say
// it by a match of their own (iptables-nft).
func acceptsPort(expressions []byte, port uint16) bool {
	named := false
	for _, element := range list(expressions, nftListElement) {
		e := attributes(element, 0)
		data := attributes(e[nftExprData], 0)
		switch text(e[nftExprName]) {
		case "cmp":
			value := attributes(data[nftCmpData], 0)[nftDataValue]
			named = named || len(value) == 2 && binary.BigEndian.Uint16(value) == port
		case "match":
			named = named || text(data[nftMatchName]) == "udp" && matchesUDP(data[nftMatchInfo], port)
		case "immediate":
			verdict := attributes(data[nftImmediateData], 0)[nftDataVerdict]
			if code := attributes(verdict, 0)[nftVerdictCode]; len(code) == 4 && be32(code) == verdictAccept {
				return named
			}
		}
	}
	return false
}

// matchesUDP reads struct xt_udp (linux/netfilter/xt_tcpudp.h): ranges of source and destination ports.
func matchesUDP(match []byte, port uint16) bool {
	if len(match) < 8 {
		return false
	}
	from, to := binary.NativeEndian.Uint16(match[4:]), binary.NativeEndian.Uint16(match[6:])
	return from <= port && port <= to && to-from < 1<<15 // a range of nearly all ports names none
}

// list reads the attributes of one type, in their order.
func list(b []byte, kind uint16) (elements [][]byte) {
	for len(b) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			break
		}
		if binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			elements = append(elements, b[unix.SizeofNlAttr:size])
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return elements
}

// ReadConntrack looks at the connection tracker.
func (h *Host) ReadConntrack() Conntrack {
	var c Conntrack
	_ = h.inside(func() error {
		c.Count = readNumber("/proc/sys/net/netfilter/nf_conntrack_count")
		c.Max = readNumber("/proc/sys/net/netfilter/nf_conntrack_max")
		return nil
	})
	c.Tracks = c.Count > 0
	return c
}

// readNumber reads a number from a file of the kernel; 0 when there is none.
func readNumber(file string) int {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	return n
}
