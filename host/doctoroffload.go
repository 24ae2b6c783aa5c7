// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"fmt"
)

// The offloads that a gateway cares about, by the kernel's names (net/ethtool/common.c).
const (
	OffloadLRO        = "rx-lro"
	OffloadGRO        = "rx-gro"
	OffloadRxVLAN     = "rx-vlan-hw-parse"
	OffloadRxSTAGVLAN = "rx-vlan-stag-hw-parse"
	OffloadRxChecksum = "rx-checksum"
)

// Offload is one offload of a device.
type Offload struct {
	On    bool
	Fixed bool // the driver does not let it be changed
}

const (
	ethtoolGetSetInfo  = 0x37
	ethtoolGetFeatures = 0x3a
	stringSetFeatures  = 4
	featuresLimit      = 1 << 10 // more than any kernel has; bounds what a bad answer makes us allocate
)

// Offloads reads the offloads of a device by name, all that the kernel knows.
func (h *Host) Offloads(device string) (map[string]Offload, error) {
	names, err := h.featureNames(device)
	if err != nil {
		return nil, fmt.Errorf("read offloads of %s: %w", device, err)
	}
	blocks := (len(names) + 31) / 32
	const available, active, neverChanged, block = 0, 8, 12, 16 // offsets in struct ethtool_get_features_block
	request := append(words(ethtoolGetFeatures, uint32(blocks)), make([]byte, blocks*block)...)
	if err := h.ethtool(device, request); err != nil {
		return nil, fmt.Errorf("read offloads of %s: %w", device, err)
	}
	offloads := make(map[string]Offload, len(names))
	for i, name := range names {
		b, bit := request[8+i/32*block:], uint32(1)<<(i%32)
		changeable := u32(b[available:])&^u32(b[neverChanged:])&bit != 0
		offloads[name] = Offload{On: u32(b[active:])&bit != 0, Fixed: !changeable}
	}
	return offloads, nil
}

// featureNames reads the names of the features' bits.
func (h *Host) featureNames(device string) ([]string, error) {
	info := append(words(ethtoolGetSetInfo, 0), make([]byte, 12)...) // command, reserved, mask, one count
	info[8] = 1 << stringSetFeatures
	if err := h.ethtool(device, info); err != nil {
		return nil, err
	}
	n := min(u32(info[16:]), featuresLimit)
	request := append(words(ethtoolGetStrings, stringSetFeatures, n), make([]byte, n*stringLength)...)
	if err := h.ethtool(device, request); err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = string(bytes.TrimRight(request[12+i*stringLength:][:stringLength], "\x00"))
	}
	return names, nil
}

// RepairOffloads switches off what must be off on a NIC of this role, and nothing else: see Plan. It returns
// what it changed, with the former values, also after an error.
func (h *Host) RepairOffloads(nic string, wrong Saved) (Saved, error) {
	var done Saved
	for _, c := range wrong {
		if c.Setting != LRO && c.Setting != RxVLAN {
			continue
		}
		if err := h.set(c.Device, c.Setting, wanted(c.Setting)); err != nil {
			return done, fmt.Errorf("repair %s: %w", nic, err)
		}
		done = append(done, c)
	}
	return done, nil
}
