// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtool's commands and flags (linux/ethtool.h).
const (
	ethtoolGetStrings  = 0x1b
	ethtoolGetStats    = 0x1d
	ethtoolGetFlags    = 0x25
	ethtoolSetFlags    = 0x26
	ethtoolGetChannels = 0x3c

	ethFlagRxVLAN = 1 << 8
	ethFlagLRO    = 1 << 15

	stringSetStats = 1
	stringLength   = 32
	statsLimit     = 1 << 16 // more counters than any driver has; bounds what a bad answer makes us allocate
)

// ifreqData is struct ifreq with a pointer as its data.
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte // rest of the union
}

// ethtool runs one command on a link. The request begins with its command and is filled with the answer.
func (h *Host) ethtool(name string, request []byte) error {
	if len(name) >= unix.IFNAMSIZ {
		return unix.ENODEV
	}
	ifr := ifreqData{data: unsafe.Pointer(&request[0])}
	copy(ifr.name[:], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(h.ioctl), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return errno
	}
	return nil
}

func words(w ...uint32) []byte {
	b := make([]byte, 0, 4*len(w))
	for _, v := range w {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

// Driver is the name of the driver behind a link.
func (h *Host) Driver(name string) (string, error) {
	info, err := unix.IoctlGetEthtoolDrvinfo(h.ioctl, name)
	if err != nil {
		return "", fmt.Errorf("read driver of %s: %w", name, err)
	}
	return text(info.Driver[:]), nil
}

// RxQueues is the number of receive queues in use on a link. Native XDP on veth wants at least as many as
// the other end has transmit queues.
func (h *Host) RxQueues(name string) (int, error) {
	request := words(ethtoolGetChannels, 0, 0, 0, 0, 0, 0, 0, 0)
	if err := h.ethtool(name, request); err != nil {
		return 0, fmt.Errorf("read queues of %s: %w", name, err)
	}
	const rx, combined = 5 * 4, 8 * 4
	return int(u32(request[rx:]) + u32(request[combined:])), nil
}

// ethFlags reads the offloads that ethtool has single bits for.
func (h *Host) ethFlags(name string) (uint32, error) {
	request := words(ethtoolGetFlags, 0)
	err := h.ethtool(name, request)
	return u32(request[4:]), err
}

func (h *Host) setEthFlag(name string, flag uint32, on bool) error {
	flags, err := h.ethFlags(name)
	if err != nil {
		return err
	}
	if flags &^= flag; on {
		flags |= flag
	}
	return h.ethtool(name, words(ethtoolSetFlags, flags))
}

// driverStats reads a driver's own counters by name.
func (h *Host) driverStats(name string) (map[string]uint64, error) {
	info, err := unix.IoctlGetEthtoolDrvinfo(h.ioctl, name)
	if err != nil || info.N_stats == 0 || info.N_stats > statsLimit {
		return nil, err
	}
	n := info.N_stats
	names := append(words(ethtoolGetStrings, stringSetStats, n), make([]byte, n*stringLength)...)
	if err := h.ethtool(name, names); err != nil {
		return nil, err
	}
	values := append(words(ethtoolGetStats, n), make([]byte, n*8)...)
	if err := h.ethtool(name, values); err != nil {
		return nil, err
	}
	return pairStats(names[12:], values[8:]), nil
}

func pairStats(names, values []byte) map[string]uint64 {
	stats := map[string]uint64{}
	for len(names) >= stringLength && len(values) >= 8 {
		key := string(bytes.TrimRight(names[:stringLength], "\x00"))
		stats[key] = binary.NativeEndian.Uint64(values)
		names, values = names[stringLength:], values[8:]
	}
	return stats
}
