// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// dumpTries bounds how often a dump that the kernel says was torn by a concurrent change is repeated.
const dumpTries = 5

func (h *Host) request(protocol, message, flags int) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(message, flags)
	if protocol == unix.NETLINK_ROUTE || protocol == unix.NETLINK_GENERIC {
		r.Sockets = h.sockets
	}
	return r
}

// dump repeats a request until the answer is one consistent view, or gives the last one: a host that
// changes all the time is still better seen a little torn than not at all, and each change wakes us again.
func (h *Host) dump(protocol, message int, answer uint16, parts ...nl.NetlinkRequestData) ([][]byte, error) {
	var messages [][]byte
	var err error
	for range dumpTries {
		r := h.request(protocol, message, unix.NLM_F_DUMP)
		for _, p := range parts {
			r.AddData(p)
		}
		messages, err = r.Execute(protocol, answer)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return messages, err
		}
	}
	return messages, nil
}

// attributes reads the attributes behind a fixed header of the given size, by type without flag bits.
// A message that is too short or malformed has none.
func attributes(message []byte, header int) map[uint16][]byte {
	if len(message) < header {
		return nil
	}
	list, err := nl.ParseRouteAttr(message[header:])
	if err != nil {
		return nil
	}
	return byType(list)
}

func byType(list []syscall.NetlinkRouteAttr) map[uint16][]byte {
	m := make(map[uint16][]byte, len(list))
	for _, a := range list {
		m[a.Attr.Type&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER)] = a.Value
	}
	return m
}

func u32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

func be32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func u8(b []byte) uint8 {
	if len(b) < 1 {
		return 0
	}
	return b[0]
}

func text(b []byte) string { return unix.ByteSliceToString(b) }
