// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// The switch tags and untags with small tc programs, since a kernel may lack 802.1Q devices and VLAN-aware
// bridges. They are written as instructions: no compiler is needed where the lab runs.

// Offsets into struct __sk_buff.
const (
	skbVLANPresent = 20
	skbVLANTCI     = 24
	skbVLANProto   = 28
)

// actShot drops the frame.
const actShot = 2

// circuitKey is the key of the untagging program's map: a frame's tags. A tag is its TPID as the kernel's
// context gives it (network order) in the upper half and its VID in the lower; 0 is no tag.
type circuitKey struct{ Outer, Inner uint32 }

func keyOf(v l2.VLAN) circuitKey {
	var k circuitKey
	if v.Depth() > 0 {
		k.Outer = uint32(networkOrder(uint16(v.TPID())))<<16 | uint32(v.Outer())
	}
	if v.Depth() > 1 {
		k.Inner = uint32(networkOrder(uint16(l2.TPIDCustomer)))<<16 | uint32(v.Inner())
	}
	return k
}

func newCircuitMap(size int) (*ebpf.Map, error) {
	return ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 8, ValueSize: 4, MaxEntries: uint32(max(size, 1))})
}

// loadTag reads the frame's outermost tag into dst: 0 without one. The kernel has moved the tag from the
// frame to the context before the program runs, and after each pop.
func loadTag(dst asm.Register, label string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(dst, asm.R6, skbVLANPresent, asm.Word),
		asm.JEq.Imm(dst, 0, label),
		asm.LoadMem(dst, asm.R6, skbVLANProto, asm.Word),
		asm.LSh.Imm(dst, 16),
		asm.LoadMem(asm.R0, asm.R6, skbVLANTCI, asm.Word),
		asm.And.Imm(asm.R0, 0xfff),
		asm.Or.Reg(dst, asm.R0),
		asm.Mov.Reg(dst, dst).WithSymbol(label),
	}
}

// lookup finds the link of the tags in R7 and R8, and goes on at miss when there is none.
func lookup(circuits *ebpf.Map, miss string) asm.Instructions {
	return asm.Instructions{
		asm.StoreMem(asm.RFP, -8, asm.R7, asm.Word),
		asm.StoreMem(asm.RFP, -4, asm.R8, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -8),
		asm.LoadMapPtr(asm.R1, circuits.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, miss),
		asm.LoadMem(asm.R9, asm.R0, 0, asm.Word),
	}
}

func pop() asm.Instructions {
	return asm.Instructions{asm.Mov.Reg(asm.R1, asm.R6), asm.FnSkbVlanPop.Call()}
}

// redirect sends the frame out of the link in R1.
func redirect() asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return()}
}

// untagProgram takes a frame's tags off and sends it to its circuit's link. Two tags are tried before one: a
// circuit of one tag keeps what follows it. What fits no circuit is dropped.
func untagProgram(circuits *ebpf.Map) (*ebpf.Program, error) {
	var p asm.Instructions
	p = append(p, asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Imm(asm.R8, 0))
	p = append(p, loadTag(asm.R7, "outer")...)
	p = append(p, asm.JEq.Imm(asm.R7, 0, "single"))
	p = append(p, pop()...)
	p = append(p, loadTag(asm.R8, "inner")...)
	p = append(p, asm.JEq.Imm(asm.R8, 0, "single"))
	p = append(p, lookup(circuits, "zero")...)
	p = append(p, pop()...)
	p = append(p, asm.Ja.Label("send"))
	p = append(p, asm.Mov.Imm(asm.R8, 0).WithSymbol("zero"))
	single := lookup(circuits, "drop")
	single[0] = single[0].WithSymbol("single")
	p = append(p, single...)
	p = append(p, asm.Mov.Reg(asm.R1, asm.R9).WithSymbol("send"))
	p = append(p, redirect()...)
	p = append(p, asm.Mov.Imm(asm.R0, actShot).WithSymbol("drop"), asm.Return())
	return loadProgram("lab_untag", p)
}

// tagProgram puts a circuit's tags on a frame and sends it out of the trunk.
func tagProgram(v l2.VLAN, pcp uint8, trunk int) (*ebpf.Program, error) {
	p := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	if v.Depth() > 1 {
		p = append(p, push(l2.TPIDCustomer, v.Inner(), pcp)...)
	}
	if v.Depth() > 0 {
		p = append(p, push(v.TPID(), v.Outer(), pcp)...)
	}
	p = append(p, asm.Mov.Imm(asm.R1, int32(trunk)))
	p = append(p, redirect()...)
	return loadProgram("lab_tag", p)
}

func push(tpid l2.TPID, vid l2.VID, pcp uint8) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, int32(networkOrder(uint16(tpid)))),
		asm.Mov.Imm(asm.R3, int32(pcp)<<13|int32(vid)),
		asm.FnSkbVlanPush.Call(),
	}
}

func loadProgram(name string, instructions asm.Instructions) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "Dual BSD/GPL", Instructions: instructions,
	})
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", name, err)
	}
	return p, nil
}

// attachIngress runs a program on every frame that arrives on a link, until the Net is closed.
func (s *NS) attachIngress(name string, p *ebpf.Program) (link.Link, error) {
	ifindex, err := s.Ifindex(name)
	if err != nil {
		return nil, err
	}
	var attached link.Link
	err = s.Do(func() error {
		var err error
		attached, err = link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: p, Attach: ebpf.AttachTCXIngress})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attach program to %s in %s: %w", name, s.Role, err)
	}
	s.net.OnClose(attached.Close)
	return attached, nil
}
