// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What nft would send for: table inet guard { chain in { type filter hook input priority 0; policy drop; } }
// and a chain of the same kind whose policy is accept.
func TestDroppingFirewallIsAnObstacle(t *testing.T) {
	h := fresh(t)
	const newTable, chainType = nftSubsystem, 7 // NFT_MSG_NEWTABLE is 0
	tableName := nl.NewRtAttr(1, nl.ZeroTerminated("guard"))
	chain := func(name string, policy uint32) []nl.NetlinkRequestData {
		hook := nl.NewRtAttr(unix.NLA_F_NESTED|nftChainHook, nil)
		hook.AddRtAttr(nftHookNumber, be(hookLocalIn))
		hook.AddRtAttr(2, be(0)) // priority
		return []nl.NetlinkRequestData{
			tableName, nl.NewRtAttr(nftChainName, nl.ZeroTerminated(name)), hook,
			nl.NewRtAttr(nftPolicy, be(policy)), nl.NewRtAttr(chainType, nl.ZeroTerminated("filter")),
		}
	}
	nftBatch(t, newTable, tableName)
	nftBatch(t, nftNewChain, chain("in", verdictDrop)...)
	nftBatch(t, nftNewChain, chain("open", 1)...)

	got := h.TunnelObstacles(port, "dbtun")
	if len(got) != 1 || !strings.Contains(got[0], "nft insert rule inet guard in udp dport 4789 accept") {
		t.Errorf("%q", got)
	}
}

func be(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// nftBatch sends one change between the marks of a transaction.
func nftBatch(t *testing.T, message int, parts ...nl.NetlinkRequestData) {
	t.Helper()
	const begin, end = 0x10, 0x11 // NFNL_MSG_BATCH_BEGIN, _END
	const inet = 1
	change := nl.NewNetlinkRequest(message, unix.NLM_F_CREATE|unix.NLM_F_ACK)
	change.AddData(nfgenmsg{inet})
	for _, p := range parts {
		change.AddData(p)
	}
	subsystem := nfgenmsg{unix.AF_UNSPEC, 0, 0, nftSubsystem >> 8}
	first, last := nl.NewNetlinkRequest(begin, 0), nl.NewNetlinkRequest(end, 0)
	first.AddData(subsystem)
	last.AddData(subsystem)
	batch := append(append(first.Serialize(), change.Serialize()...), last.Serialize()...)

	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Sendto(fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	answer := make([]byte, 1<<12)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	must(t, err)
	if errno := -int32(u32(answer[unix.SizeofNlMsghdr:n])); errno != 0 {
		t.Fatalf("nftables: %v", unix.Errno(errno))
	}
}
