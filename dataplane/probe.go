// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// probeType is an EtherType for local experiments (IEEE 802-2014 §9.2.4), which probes carry.
const probeType = 0x88b5

// probeGroup is a locally administered group address: bridges flood it.
var probeGroup = l2.MAC{0x03, 0x44, 0x42, 0, 0, 1}

// Probe sends one loop probe each way and remembers its nonce, so that the programs know it when it comes
// back within a second. It is counted as generated.
func (p *Plane) Probe(ext l2.Name, nonce uint64) error {
	return p.withSlot(ext, func(slot uint32) error {
		r, ok := p.tables.records[slot]
		if !ok {
			return fmt.Errorf("extension %s is not in force", ext)
		}
		own := r.guards.Value().MacOwn[0]
		c := skbContext{CB: [5]uint32{p.banks.record(slot), uint32(nonce), uint32(nonce >> 32)}}
		o := ebpf.RunOptions{Data: probeFrame(l2.MAC(own[:6]), nonce), Context: c}
		if _, err := p.objects.programs["tc_probe"].Run(&o); err != nil {
			return fmt.Errorf("send probe on extension %s: %w", ext, err)
		}
		return nil
	})
}

// probeFrame is a frame of 60 bytes: nonce, then who it is, for people who find it on the wire.
func probeFrame(source l2.MAC, nonce uint64) []byte {
	b := make([]byte, 60)
	copy(b, probeGroup[:])
	copy(b[6:], source[:])
	binary.BigEndian.PutUint16(b[12:], probeType)
	binary.NativeEndian.PutUint64(b[14:], nonce)
	copy(b[22:], "drawbridge loop probe")
	return b
}
