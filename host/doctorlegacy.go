// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The former iptables, which keeps its rules apart from nftables (linux/netfilter_ipv4/ip_tables.h and its
// IPv6 twin, whose numbers are the same).
const (
	iptGetInfo    = 64 // IPT_SO_GET_INFO
	iptGetEntries = 65 // IPT_SO_GET_ENTRIES
	iptNameLength = 32
	iptSizeLimit  = 1 << 26 // bounds what a bad answer makes us allocate

	iptStandardVerdict = 32 // offset of the verdict in struct xt_standard_target
	iptDrop            = -1 // -NF_DROP - 1
	iptAccept          = -2 // -NF_ACCEPT - 1
	iptMatchHeader     = 32 // struct xt_entry_match: size, name of 29 bytes, revision
)

// iptables is one of the two families.
type iptables struct {
	name         string
	family       int
	level        int
	entry        int // size of struct ipt_entry or ip6t_entry
	targetOffset int // where in it the offset of the target is, and after it that of the next entry
}

var iptablesFamilies = []iptables{
	{"iptables", unix.AF_INET, unix.IPPROTO_IP, 112, 88},
	{"ip6tables", unix.AF_INET6, unix.IPPROTO_IPV6, 168, 140},
}

// legacyChains reads the policies of the table filter. Nothing is read, and no module loaded, where the table is
// not in use: it exists from the first look at it on.
func legacyChains(port uint16) []Chain {
	var chains []Chain
	for _, t := range iptablesFamilies {
		if inUse(t) {
			chains = append(chains, t.filter(port)...)
		}
	}
	return chains
}

func inUse(t iptables) bool {
	file := map[string]string{"iptables": "/proc/thread-self/net/ip_tables_names", "ip6tables": "/proc/thread-self/net/ip6_tables_names"}[t.name]
	return fileHasLine(file, "filter")
}

// filter reads the chains INPUT and OUTPUT.
func (t iptables) filter(port uint16) []Chain {
	fd, err := unix.Socket(t.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	// struct ipt_getinfo: name, valid hooks, five hook entries, five underflows, number of entries, size.
	info := make([]byte, iptNameLength+4*13)
	copy(info, "filter")
	if getsockopt(fd, t.level, iptGetInfo, info) != nil {
		return nil
	}
	hooks, underflows := info[iptNameLength+4:], info[iptNameLength+24:]
	size := u32(info[iptNameLength+48:])
	if size > iptSizeLimit {
		return nil
	}
	// struct ipt_get_entries: name, size, padding, entries.
	const header = iptNameLength + 8
	entries := make([]byte, header+int(size))
	copy(entries, "filter")
	binary.NativeEndian.PutUint32(entries[iptNameLength:], size)
	if getsockopt(fd, t.level, iptGetEntries, entries) != nil {
		return nil
	}
	var chains []Chain
	for hook, name := range map[int]string{hookLocalIn: "INPUT", 3: "OUTPUT"} {
		c := t.chain(entries[header:], int(u32(hooks[4*hook:])), int(u32(underflows[4*hook:])), port)
		c.Name, c.Hook = t.name+" "+name, nftHooks[uint32(hook)]
		chains = append(chains, c)
	}
	return chains
}

// chain reads the rules between a hook's first entry and its policy.
func (t iptables) chain(entries []byte, first, policy int, port uint16) (c Chain) {
	for at := first; at >= 0 && at < policy && at+t.entry <= len(entries); c.Rules++ {
		next := int(binary.NativeEndian.Uint16(entries[at+t.targetOffset+2:]))
		if next < t.entry || at+next > len(entries) {
			break
		}
		rule := entries[at : at+next]
		c.Accepts = c.Accepts || t.verdict(rule) == iptAccept && t.namesPort(rule, port)
		at += next
	}
	if policy >= 0 && policy+t.entry <= len(entries) {
		c.Drops = t.verdict(entries[policy:]) == iptDrop
	}
	return c
}

// verdict is that of a rule with a standard target; 0 for others.
func (t iptables) verdict(rule []byte) int32 {
	target := int(binary.NativeEndian.Uint16(rule[t.targetOffset:]))
	if target+iptStandardVerdict+4 > len(rule) || text(rule[target+2:target+iptStandardVerdict]) != "" {
		return 0
	}
	return int32(u32(rule[target+iptStandardVerdict:]))
}

// namesPort looks for a match of UDP ports.
func (t iptables) namesPort(rule []byte, port uint16) bool {
	end := min(len(rule), int(binary.NativeEndian.Uint16(rule[t.targetOffset:])))
	for at := t.entry; at+iptMatchHeader <= end; {
		size := int(binary.NativeEndian.Uint16(rule[at:]))
		if size < iptMatchHeader || at+size > end {
			return false
		}
		if text(rule[at+2:at+31]) == "udp" && matchesUDP(rule[at+iptMatchHeader:at+size], port) {
			return true
		}
		at += size
	}
	return false
}

func getsockopt(fd, level, option int, value []byte) error {
	size := uint32(len(value))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&size)), 0)
	runtime.KeepAlive(value)
	if errno != 0 {
		return errno
	}
	return nil
}
