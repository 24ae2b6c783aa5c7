// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/state"
)

// runner sends frames into the programs by BPF_PROG_TEST_RUN without allocating: a run takes a few
// microseconds, and there are millions.
type runner struct {
	engine  state.Engine
	attr    *testRunAttr
	in, out []byte
	skb     *skbContext
	xdp     *xdpContext
	entries map[string]entrance
}

// entrance is where frames of a NIC enter.
type entrance struct {
	program int
	ifindex uint32
}

// testRunAttr is union bpf_attr as BPF_PROG_TEST_RUN reads it.
type testRunAttr struct {
	program, code     uint32
	inSize, outSize   uint32
	in, out           uint64
	repeat, duration  uint32
	contextIn, _      uint32
	contextAt, _      uint64
	flags, cpu, batch uint32
	_                 uint32
}

const (
	commandTestRun = 10
	outRoom        = 16384
)

func (r *rig) newRunner() *runner {
	n := &runner{
		engine: r.engine, attr: new(testRunAttr), in: make([]byte, outRoom), out: make([]byte, outRoom),
		skb: new(skbContext), xdp: new(xdpContext), entries: map[string]entrance{},
	}
	for name, link := range r.eth {
		program := "_customer"
		if name == "eth1" {
			program = "_underlay"
		}
		n.entries[name] = entrance{r.plane.objects.programs[r.engine.String()+program].FD(), uint32(link.Attrs().Index)}
	}
	return n
}

// ends are the codes that the programs return, by engine.
var ends = map[state.Engine]map[uint32]string{
	state.EngineTC:  {2: "drop", 7: "redirect", 0xffffffff: "pass"},
	state.EngineXDP: {1: "drop", 2: "pass", 4: "redirect"},
}

// run returns the verdict and what the frame has become; valid until the next run.
func (n *runner) run(nic string, frame []byte) (string, []byte, error) {
	e := n.entries[nic]
	copy(n.in, frame)
	a := n.attr
	*a = testRunAttr{
		program: uint32(e.program), inSize: uint32(len(frame)), outSize: outRoom,
		in: address(&n.in[0]), out: address(&n.out[0]),
	}
	if n.engine == state.EngineXDP {
		*n.xdp = xdpContext{DataEnd: uint32(len(frame)), IngressIfindex: e.ifindex}
		a.contextIn, a.contextAt = uint32(unsafe.Sizeof(*n.xdp)), address(n.xdp)
	} else {
		*n.skb = skbContext{Ifindex: e.ifindex}
		a.contextIn, a.contextAt = uint32(unsafe.Sizeof(*n.skb)), address(n.skb)
	}
	_, _, errno := unix.Syscall(unix.SYS_BPF, commandTestRun, uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a))
	runtime.KeepAlive(n)
	if errno != 0 {
		return "", nil, fmt.Errorf("test run of %d bytes by %s: %w", len(frame), nic, errno)
	}
	verdict, ok := ends[n.engine][a.code]
	if !ok {
		return "", nil, fmt.Errorf("%s: the program returned %d", nic, int32(a.code))
	}
	return verdict, n.out[:a.outSize], nil
}

// address is a pointer as the kernel takes it. What it points to is kept alive by the runner.
func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// takes reports whether a test run takes the frame at all.
func (n *runner) takes(a *model.Arrival) bool {
	if len(a.Bytes) < 14 || len(a.Bytes) > 3000 {
		return false
	}
	return n.engine == state.EngineXDP || !tooShortForSocketBuffer(a.Bytes)
}
