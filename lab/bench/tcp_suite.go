// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// More names of systems, for TCP only.
const (
	systemLinuxGRO   = "linux-gro"   // GRO on at the gateway's NICs; over veth super-frames arrive whole without it
	systemTCUntagged = "tc-untagged" // the circuit has no tag, as Linux's has none
)

var (
	customerAddress = netip.MustParsePrefix("10.1.0.1/24")
	cloudAddress    = netip.MustParsePrefix("10.1.0.2/24")
)

// tcpCell is the same transfer through every system, in turns.
type tcpCell struct {
	Direction string      `json:"direction"`
	Flows     int         `json:"flows"`
	Results   []tcpResult `json:"results"`
}

// tcpResult is one system's part of a cell.
type tcpResult struct {
	System     string       `json:"system"`
	Rate       float64      `json:"bytes_per_second"` // median
	CPUPerGB   float64      `json:"cpu_s_per_gb"`     // median
	OfLinux    *estimate    `json:"of_linux,omitempty"`
	CPUOfLinux *estimate    `json:"cpu_of_linux,omitempty"`
	Spread     float64      `json:"spread"`
	Readings   []tcpReading `json:"rounds"`
}

// tcpBench is a system between a customer's host and a hypervisor that both have an address on the segment.
type tcpBench struct {
	name     string
	system   system
	topology *topology
	tags     []link.Link
}

// measureTCP runs the TCP suite.
func measureTCP(ctx context.Context, o *options, log logger) (cells []tcpCell, err error) {
	var benches []*tcpBench
	defer func() {
		for _, b := range benches {
			err = errors.Join(err, b.close())
		}
	}()
	for i, name := range o.tcpSystems {
		log("start %s for TCP", name)
		b, err := newTCPBench(ctx, name, i, o)
		if err != nil {
			return nil, err
		}
		benches = append(benches, b)
	}
	for _, d := range o.directions {
		for _, flows := range o.flows {
			cell, err := measureTCPCell(ctx, benches, d, flows, o)
			if err != nil {
				return cells, err
			}
			log("%s", cell.line())
			cells = append(cells, cell)
		}
	}
	return cells, nil
}

func newTCPBench(ctx context.Context, name string, number int, o *options) (*tcpBench, error) {
	t, err := newTopology(fmt.Sprintf("%st%d", namePrefix(), number), number)
	if err != nil {
		return nil, err
	}
	b := &tcpBench{name: name, topology: t}
	if err := b.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), b.close())
	}
	return b, nil
}

func (b *tcpBench) start(ctx context.Context, o *options) error {
	gro := false
	switch b.name {
	case systemLinux:
		b.system = &linuxSystem{}
	case systemLinuxGRO:
		b.system, gro = &linuxSystem{}, true
	case systemTC:
		b.system = &drawbridge{binary: o.binary, engine: "tc", guards: true}
	case systemTCUntagged:
		b.system = &drawbridge{binary: o.binary, engine: "tc", guards: true, untagged: true}
	default:
		return fmt.Errorf("system %q: not one for TCP", b.name)
	}
	if err := b.system.start(ctx, b.topology, layout{extensions: 1, macs: 1}); err != nil {
		return err
	}
	for _, nic := range []string{b.topology.customerNIC, b.topology.underlayNIC} {
		if err := b.topology.gateway.setGRO(nic, gro); err != nil {
			return err
		}
	}
	if err := b.addHost(); err != nil {
		return err
	}
	return b.addHypervisor()
}

// addHost makes the customer's NIC a station of the segment, with a tag where the circuit has one.
func (b *tcpBench) addHost() error {
	n := b.topology.customer
	nic, err := n.links.LinkByName(hostNIC)
	if err != nil {
		return fmt.Errorf("find %s: %w", hostNIC, err)
	}
	mac := stationMAC(customerSide, 0)
	if err := n.links.LinkSetHardwareAddr(nic, mac[:]); err != nil {
		return fmt.Errorf("set address of %s: %w", hostNIC, err)
	}
	if err := n.address(hostNIC, customerAddress); err != nil {
		return err
	}
	if b.system.input(toCloud) != tagged {
		return nil
	}
	return b.tag(n, nic.Attrs().Index)
}

// tag makes the host's stack speak the first extension's VLAN.
func (b *tcpBench) tag(n *namespace, ifindex int) error {
	spec, err := loadTag()
	if err != nil {
		return fmt.Errorf("read tag programs: %w", err)
	}
	if err := setVariables(spec, map[string]any{"vlan": uint32(firstVLAN)}); err != nil {
		return err
	}
	var objects tagObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return fmt.Errorf("load tag programs: %w", err)
	}
	defer objects.Close() // the links keep them
	return n.run(func() error {
		for program, hook := range map[*ebpf.Program]ebpf.AttachType{
			objects.PushTag: ebpf.AttachTCXEgress, objects.PopTag: ebpf.AttachTCXIngress,
		} {
			l, err := link.AttachTCX(link.TCXOptions{Program: program, Interface: ifindex, Attach: hook})
			if err != nil {
				return fmt.Errorf("attach tag program to %s: %w", hostNIC, err)
			}
			b.tags = append(b.tags, l)
		}
		return nil
	})
}

// addHypervisor gives the cloud's namespace a vxlan device with an address: a hypervisor whose machine costs nothing.
func (b *tcpBench) addHypervisor() error {
	n := b.topology.cloud
	const name = "vxlan0"
	vxlan, err := n.addVXLAN(name, cloudVTEP.AsSlice(), vtepNIC)
	if err != nil {
		return err
	}
	mac := stationMAC(cloudSide, 0)
	if err := n.links.LinkSetHardwareAddr(vxlan, mac[:]); err != nil {
		return fmt.Errorf("set address of %s: %w", name, err)
	}
	for _, mac := range []l2.MAC{{}, stationMAC(customerSide, 0)} {
		if err := n.addVTEP(vxlan, mac, gatewayVTEP.AsSlice()); err != nil {
			return err
		}
	}
	return n.address(name, cloudAddress)
}

func (b *tcpBench) transfer(ctx context.Context, d direction, flows int, o *options) (tcpReading, error) {
	from, to, address := b.topology.customer, b.topology.cloud, cloudAddress
	if d == toCustomer {
		from, to, address = to, from, customerAddress
	}
	r, err := transfer(ctx, from, to, address.Addr(), flows, o)
	if err != nil {
		return r, fmt.Errorf("transfer %s through %s: %w", d, b.name, err)
	}
	return r, nil
}

func (b *tcpBench) close() error {
	var err error
	if b.system != nil {
		err = b.system.stop()
	}
	for _, l := range b.tags {
		err = errors.Join(err, l.Close())
	}
	return errors.Join(err, b.topology.remove())
}

func measureTCPCell(ctx context.Context, benches []*tcpBench, d direction, flows int, o *options) (tcpCell, error) {
	cell := tcpCell{Direction: d.String(), Flows: flows, Results: make([]tcpResult, len(benches))}
	for round := range o.rounds {
		for turn := range benches {
			i := (round + turn) % len(benches)
			r, err := benches[i].transfer(ctx, d, flows, o)
			if err != nil {
				return cell, err
			}
			cell.Results[i].System = benches[i].name
			cell.Results[i].Readings = append(cell.Results[i].Readings, r)
		}
	}
	cell.evaluate()
	return cell, nil
}

func (c *tcpCell) evaluate() {
	var linux *tcpResult
	for i := range c.Results {
		if c.Results[i].System == systemLinux {
			linux = &c.Results[i]
		}
	}
	for i := range c.Results {
		r := &c.Results[i]
		rates, cpu := r.series()
		r.Rate, r.CPUPerGB, r.Spread = median(rates), median(cpu), spread(rates)
		if linux == nil || r == linux {
			continue
		}
		linuxRates, linuxCPU := linux.series()
		ofLinux, cpuOfLinux := pairwise(rates, linuxRates, ratio), pairwise(cpu, linuxCPU, ratio)
		r.OfLinux, r.CPUOfLinux = &ofLinux, &cpuOfLinux
	}
}

func (r *tcpResult) series() (rates, cpu []float64) {
	for _, reading := range r.Readings {
		rates, cpu = append(rates, reading.Rate), append(cpu, reading.CPUPerGB)
	}
	return rates, cpu
}

// line is a cell in short, for the log.
func (c *tcpCell) line() string {
	text := fmt.Sprintf("%s, %d flows:", c.Direction, c.Flows)
	for _, r := range c.Results {
		text += fmt.Sprintf(" %s %s Gb/s", r.System, number(r.Rate*8/1e9, 2))
	}
	return text
}
