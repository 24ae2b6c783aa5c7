// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Offsets in struct rtnl_link_stats64 (linux/if_link.h), in 64-bit words.
const (
	statTxErrors  = 5
	statTxDropped = 7
)

func (o *observed) parseStats(stats []byte) {
	if len(stats) < 8*(statTxDropped+1) {
		return
	}
	o.txErrors = binary.NativeEndian.Uint64(stats[8*statTxErrors:])
	o.txDropped = binary.NativeEndian.Uint64(stats[8*statTxDropped:])
}

// Lost counts the frames that a device lost after they were handed to it, since the device came to be:
// transmit errors and drops, and redirected XDP frames that the driver counts apart.
func (h *Host) Lost(name string) (uint64, error) {
	o, err := h.observe(name)
	if err != nil {
		return 0, fmt.Errorf("count lost frames: %w", err)
	}
	lost := o.txErrors + o.txDropped
	if o.Kind == "veth" {
		return lost, nil // veth adds its XDP losses to tx_dropped itself
	}
	stats, _ := h.driverStats(name) // a driver without counters of its own has nothing to add
	for key, value := range stats {
		if isXDPLoss(key) {
			lost += value
		}
	}
	return lost, nil
}

// isXDPLoss knows the drivers' names for redirected frames that found no place to go.
func isXDPLoss(key string) bool {
	for _, part := range []string{"xdp_xmit_err", "xdp_tx_err", "xdp_tx_drops"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return false
}
