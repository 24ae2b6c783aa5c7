// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Switch is the customer's: a bridge for each VLAN, and trunks that carry the VLANs with their tags.
//
//	host ─ bridge b0 ─ i0 ─ o0 ─ (tag) ─► trunk ═ gateway
//	                         ◄─ (untag) ─┘
type Switch struct {
	*NS
	trunks   map[string]*ebpf.Map // circuits of a trunk by its name
	tags     map[int]link.Link    // what puts tags on, by circuit
	circuits int
	mtu      int
	maximum  int // circuits a trunk may have
}

// newSwitch makes a switch whose ports carry this MTU.
func (n *Net) newSwitch(role string, mtu, circuits int) (*Switch, error) {
	space, err := n.NS(role)
	if err != nil {
		return nil, err
	}
	if err := space.sysctls(noIPv6); err != nil {
		return nil, err
	}
	if err := space.skipBridgeFilter(); err != nil {
		return nil, err
	}
	return &Switch{NS: space, trunks: make(map[string]*ebpf.Map), tags: make(map[int]link.Link), mtu: mtu, maximum: circuits}, nil
}

// AddTrunk makes the link of this name, which must be there, a trunk, and brings it up.
func (w *Switch) AddTrunk(name string) error {
	circuits, err := newCircuitMap(w.maximum)
	if err != nil {
		return fmt.Errorf("make trunk %s: %w", name, err)
	}
	w.net.OnClose(circuits.Close)
	program, err := untagProgram(circuits)
	if err != nil {
		return fmt.Errorf("make trunk %s: %w", name, err)
	}
	defer program.Close() // the link holds it
	w.trunks[name] = circuits
	if _, err := w.attachIngress(name, program); err != nil {
		return err
	}
	return w.Up(name)
}

// AddVLAN makes a bridge for a circuit on a trunk and returns its name. Frames that leave by the trunk carry
// the circuit's tags with this priority.
func (w *Switch) AddVLAN(trunk string, vlan l2.VLAN, pcp uint8) (bridge string, err error) {
	if _, ok := w.trunks[trunk]; !ok {
		return "", fmt.Errorf("add VLAN %v: %s has no trunk %s", vlan, w.Role, trunk)
	}
	number := w.circuits
	w.circuits++
	bridge = fmt.Sprintf("b%d", number)
	inside, outside := fmt.Sprintf("i%d", number), outsideName(number)
	if err := w.Bridge(bridge, w.mtu); err != nil {
		return "", err
	}
	if err := Cable(End{NS: w.NS, Name: inside}, End{NS: w.NS, Name: outside}, w.mtu); err != nil {
		return "", err
	}
	if err := w.Enslave(inside, bridge); err != nil {
		return "", err
	}
	if err := w.Up(outside); err != nil {
		return "", err
	}
	return bridge, w.join(number, trunk, vlan, pcp)
}

func outsideName(circuit int) string { return fmt.Sprintf("o%d", circuit) }

// rejoin leads a circuit, counted from 0, over a trunk that was made anew.
func (w *Switch) rejoin(circuit int, trunk string, vlan l2.VLAN, pcp uint8) error {
	if old, ok := w.tags[circuit]; ok {
		if err := old.Close(); err != nil {
			return fmt.Errorf("detach circuit %d: %w", circuit, err)
		}
	}
	return w.join(circuit, trunk, vlan, pcp)
}

// join lets frames pass between a circuit's link and the trunk.
func (w *Switch) join(circuit int, trunk string, vlan l2.VLAN, pcp uint8) error {
	outside := outsideName(circuit)
	trunkIndex, err := w.Ifindex(trunk)
	if err != nil {
		return err
	}
	outsideIndex, err := w.Ifindex(outside)
	if err != nil {
		return err
	}
	program, err := tagProgram(vlan, pcp, trunkIndex)
	if err != nil {
		return err
	}
	defer program.Close() // the link holds it
	if w.tags[circuit], err = w.attachIngress(outside, program); err != nil {
		return err
	}
	key := keyOf(vlan)
	if err := w.trunks[trunk].Put(&key, uint32(outsideIndex)); err != nil {
		return fmt.Errorf("add VLAN %v to %s: %w", vlan, trunk, err)
	}
	return nil
}
