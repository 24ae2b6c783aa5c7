// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offloads of a NIC, as `ethtool -k` names them in the kernel's table.
const (
	TxChecksum = "tx-checksum-ip-generic"
	TxVLAN     = "tx-vlan-hw-insert"
	TxSVLAN    = "tx-vlan-stag-hw-insert"
	RxVLAN     = "rx-vlan-hw-parse"
	RxSVLAN    = "rx-vlan-stag-hw-parse"
	GRO        = "rx-gro"
)

const (
	stringSetFeatures = 4 // ETH_SS_FEATURES
	featureNameSize   = 32
)

// Offload switches offloads of a link on or off. A NIC that does not know one of them is an error.
func (s *NS) Offload(link string, on bool, features ...string) error {
	err := s.Do(func() error { return setFeatures(link, on, features) })
	if err != nil {
		return fmt.Errorf("switch offloads of %s in %s: %w", link, s.Role, err)
	}
	return nil
}

// setFeatures sends one ETHTOOL_SFEATURES with a bit for each feature.
func setFeatures(link string, on bool, features []string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	names, err := featureNames(fd, link)
	if err != nil {
		return err
	}
	blocks := (len(names) + 31) / 32
	request := make([]byte, 8+8*blocks) // command, number of blocks, then valid and requested per block
	binary.NativeEndian.PutUint32(request, unix.ETHTOOL_SFEATURES)
	binary.NativeEndian.PutUint32(request[4:], uint32(blocks))
	for _, feature := range features {
		bit, ok := names[feature]
		if !ok {
			return fmt.Errorf("offload %q is not known to the kernel", feature)
		}
		valid := request[8+8*(bit/32):]
		setBit(valid, bit%32)
		if on {
			setBit(valid[4:], bit%32)
		}
	}
	return ethtool(fd, link, request)
}

func setBit(b []byte, bit int) {
	binary.NativeEndian.PutUint32(b, binary.NativeEndian.Uint32(b)|1<<bit)
}

// featureNames asks for the bit of every feature.
func featureNames(fd int, link string) (map[string]int, error) {
	count := make([]byte, 20) // struct ethtool_sset_info with one bit of mask and one count
	binary.NativeEndian.PutUint32(count, unix.ETHTOOL_GSSET_INFO)
	binary.NativeEndian.PutUint64(count[8:], 1<<stringSetFeatures)
	if err := ethtool(fd, link, count); err != nil {
		return nil, err
	}
	n := int(binary.NativeEndian.Uint32(count[16:]))
	table := make([]byte, 12+n*featureNameSize) // struct ethtool_gstrings
	binary.NativeEndian.PutUint32(table, unix.ETHTOOL_GSTRINGS)
	binary.NativeEndian.PutUint32(table[4:], stringSetFeatures)
	binary.NativeEndian.PutUint32(table[8:], uint32(n))
	if err := ethtool(fd, link, table); err != nil {
		return nil, err
	}
	names := make(map[string]int, n)
	for i := range n {
		name, _, _ := bytes.Cut(table[12+i*featureNameSize:12+(i+1)*featureNameSize], []byte{0})
		names[string(name)] = i
	}
	return names, nil
}

// ethtool sends one request through SIOCETHTOOL; the kernel answers in place.
func ethtool(fd int, link string, request []byte) error {
	var ifreq struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of the kernel's union
	}
	copy(ifreq.name[:unix.IFNAMSIZ-1], link)
	ifreq.data = unsafe.Pointer(&request[0])
	var pin runtime.Pinner
	pin.Pin(&request[0])
	defer pin.Unpin()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifreq))); errno != 0 {
		return fmt.Errorf("ethtool command %#x: %w", binary.NativeEndian.Uint32(request), errno)
	}
	return nil
}
