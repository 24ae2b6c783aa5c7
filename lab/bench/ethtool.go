// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const ethtoolSetGRO = 0x2c // ETHTOOL_SGRO of linux/ethtool.h

// ethtoolValue is struct ethtool_value.
type ethtoolValue struct {
	command uint32
	data    uint32
}

// ifreqData is struct ifreq with ifr_data.
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// setGRO turns generic receive offload on or off. On a veth it also decides whether the device has a NAPI context, without
// which redirected frames vanish.
func (n *namespace) setGRO(name string, on bool) error {
	value := ethtoolValue{command: ethtoolSetGRO}
	if on {
		value.data = 1
	}
	return n.run(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open socket for ethtool: %w", err)
		}
		defer unix.Close(fd)
		request := ifreqData{data: unsafe.Pointer(&value)}
		copy(request.name[:unix.IFNAMSIZ-1], name)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
		if errno != 0 {
			return fmt.Errorf("set gro of %s to %t: %w", name, on, errno)
		}
		return nil
	})
}
