// SPDX-License-Identifier: Apache-2.0

package host

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nftables over netlink (linux/netfilter/nf_tables.h).
const (
	nftSubsystem  = 10 << 8
	nftNewChain   = nftSubsystem | 3
	nftGetChain   = nftSubsystem | 4
	nftChainTable = 1
	nftChainName  = 3
	nftChainHook  = 4
	nftPolicy     = 5
	nftHookNumber = 1

	hookLocalIn = 1 // NF_INET_LOCAL_IN
	verdictDrop = 0 // NF_DROP
)

// nftFamilies are the protocol families that tunnel packets belong to.
var nftFamilies = map[uint8]string{1: "inet", unix.AF_INET: "ip", unix.AF_INET6: "ip6"}

// nfgenmsg is the fixed header of netfilter's messages: family, version, resource.
type nfgenmsg [4]byte

func (m nfgenmsg) Len() int          { return len(m) }
func (m nfgenmsg) Serialize() []byte { return m[:] }

// DroppingChains names the nftables chains ("inet filter input") on the way to the tunnel's socket that drop by
// policy. Whether a rule in them accepts the tunnel is not known. Without nftables there are none.
func (h *Host) DroppingChains() []string {
	var chains []string
	_ = h.inside(func() error { // its socket is opened by the request: not worth keeping one
		messages, err := h.dump(unix.NETLINK_NETFILTER, nftGetChain, nftNewChain, nfgenmsg{unix.AF_UNSPEC})
		for _, m := range messages {
			if name, drops := inputChain(m); drops {
				chains = append(chains, name)
			}
		}
		return err
	})
	return chains
}

func inputChain(message []byte) (name string, drops bool) {
	a := attributes(message, len(nfgenmsg{}))
	hook, isBase := a[nftChainHook]
	if !isBase || be32(attributes(hook, 0)[nftHookNumber]) != hookLocalIn {
		return "", false
	}
	family, ok := nftFamilies[message[0]]
	policy, hasPolicy := a[nftPolicy]
	name = family + " " + text(a[nftChainTable]) + " " + text(a[nftChainName])
	return name, ok && hasPolicy && be32(policy) == verdictDrop
}

var _ nl.NetlinkRequestData = nfgenmsg{}
