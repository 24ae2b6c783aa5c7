// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
)

// system is a gateway under test.
type system interface {
	// name is its key in flags and reports.
	name() string
	// describe says in one line what it is.
	describe() string
	// fits reports why it cannot carry a layout; empty: it can.
	fits(l layout) string
	// input and output are a frame's encoding on its way in and out.
	input(d direction) encoding
	output(d direction) encoding
	// learns is whether its tables are filled by frames.
	learns() bool
	// skbs is whether its frames leave as socket buffers rather than as XDP frames.
	skbs() bool
	// start makes the gateway of a topology forward; it returns when frames can flow. stop undoes it.
	start(ctx context.Context, t *topology, l layout) error
	stop() error
	// counters are its own, for an error that says where frames went; empty when it has none.
	counters() string
}

// The systems, by name.
const (
	systemRedirect = "redirect"
	systemLinux    = "linux"
	systemXDP      = "xdp"
	systemTC       = "tc"
	systemXDPOff   = "xdp-guards-off"
	systemTCOff    = "tc-guards-off"
	systemOVS      = "ovs"
)

// frameSystems are those of the frames suite, in the order of its tables.
var frameSystems = []string{systemRedirect, systemLinux, systemOVS, systemXDP, systemTC, systemXDPOff, systemTCOff}

// worker is a system whose work is done by a process of its own, on a CPU of its own. It keeps no generator waiting: what comes too
// fast for it is lost.
type worker interface {
	process() int
}

// newSystem makes a system for one topology.
func newSystem(name string, o *options) (system, error) {
	switch name {
	case systemRedirect:
		return &redirectSystem{}, nil
	case systemLinux:
		return &linuxSystem{}, nil
	case systemXDP:
		return &drawbridge{binary: o.binary, engine: "xdp", guards: true}, nil
	case systemTC:
		return &drawbridge{binary: o.binary, engine: "tc", guards: true}, nil
	case systemXDPOff:
		return &drawbridge{binary: o.binary, engine: "xdp"}, nil
	case systemTCOff:
		return &drawbridge{binary: o.binary, engine: "tc"}, nil
	case systemOVS:
		return &ovsSystem{}, nil
	}
	return nil, fmt.Errorf("system %q: want %s", name, strings.Join(frameSystems, ", "))
}

// untaggedEnds are those of a gateway that carries one extension without a tag.
type untaggedEnds struct{}

func (untaggedEnds) input(d direction) encoding {
	if d == toCustomer {
		return tunnel
	}
	return plain
}

func (u untaggedEnds) output(d direction) encoding { return u.input(1 - d) }
