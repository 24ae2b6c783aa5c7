// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Switch is the customer's: a bridge for each VLAN, and trunks that carry the VLANs with their tags.
//
//	host ─ bridge b0 ─ i0 ─ o0 ─ (tag) ─► trunk ═ gateway
//	                         ◄─ (untag) ─┘
type Switch struct {
	*NS
	trunks   map[string]*ebpf.Map // circuits of a trunk by its name
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
	if err := space.sysctls(noBridgeFilter); err != nil {
		return nil, err
	}
	return &Switch{NS: space, trunks: make(map[string]*ebpf.Map), mtu: mtu, maximum: circuits}, nil
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
	if err := w.attachIngress(name, program); err != nil {
		return err
	}
	return w.Up(name)
}

// AddVLAN makes a bridge for a circuit on a trunk and returns its name. Frames that leave by the trunk carry
// the circuit's tags with this priority.
func (w *Switch) AddVLAN(trunk string, vlan l2.VLAN, pcp uint8) (bridge string, err error) {
	circuits, ok := w.trunks[trunk]
	if !ok {
		return "", fmt.Errorf("add VLAN %v: %s has no trunk %s", vlan, w.Role, trunk)
	}
	number := w.circuits
	w.circuits++
	bridge = fmt.Sprintf("b%d", number)
	inside, outside := fmt.Sprintf("i%d", number), fmt.Sprintf("o%d", number)
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
	return bridge, w.join(circuits, trunk, outside, vlan, pcp)
}

// join lets frames pass between a circuit's link and the trunk.
func (w *Switch) join(circuits *ebpf.Map, trunk, outside string, vlan l2.VLAN, pcp uint8) error {
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
	if err := w.attachIngress(outside, program); err != nil {
		return err
	}
	key := keyOf(vlan)
	if err := circuits.Put(&key, uint32(outsideIndex)); err != nil {
		return fmt.Errorf("add VLAN %v to %s: %w", vlan, trunk, err)
	}
	return nil
}
