// SPDX-License-Identifier: Apache-2.0

package guard

import "github.com/drawbridge-l2/drawbridge/l2"

const (
	newcomerSlots = 4096 // 16 bits each, for an extension and direction whose quota of MACs is full
	// newcomersSeen is the most new sources a second that samples are sure to show: there is one sample a
	// tick, and ticks last 10 ms on some kernels.
	newcomersSeen = 80
)

// newcomers counts the sources of a second that were not there a moment ago. Once the quota of learnt MACs
// is full, nothing is learnt at whatever rate, and every unlearnt source drops as mac-limit: then this is
// what tells a flood of invented MACs from hosts that are merely too many. The latter come again.
type newcomers struct {
	prints [newcomerSlots]uint16 // of the source seen last in each slot; 0: none
	second int64
	count  int
}

// add takes a source, and returns how many newcomers this second had up to now.
func (n *newcomers) add(mac l2.MAC, second int64) int {
	if second != n.second {
		n.second, n.count = second, 0
	}
	hash := hashMAC(mac)
	slot, print := hash%newcomerSlots, uint16(hash>>48)|1
	if n.prints[slot] != print {
		n.prints[slot] = print
		n.count++
	}
	return n.count
}

// hashMAC mixes an address as splitmix64 does.
func hashMAC(mac l2.MAC) uint64 {
	var x uint64
	for _, b := range mac {
		x = x<<8 | uint64(b)
	}
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
