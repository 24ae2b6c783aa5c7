// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strconv"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// getMetrics answers a scrape from one reading of the gateway.
func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) {
	st, ok := s.read(w, r)
	if !ok {
		return
	}
	names := make(map[string]bool, len(st.Extensions))
	for _, e := range st.Extensions {
		names[string(e.Name)] = true
	}
	body := appendMetrics(nil, &scrape{status: st, trips: s.trips.count(s.gw.Events, names)})
	w.Header().Set("Content-Type", mediaMetrics)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// scrape is what one scrape tells.
type scrape struct {
	status state.Status
	trips  map[trip]uint64
}

// metric is one metric: how it is called, and where its samples come from.
type metric struct {
	name, help string
	kind       metricKind
	labels     []string // sorted
	samples    func(s *scrape, out *samples)
}

type metricKind string

const (
	counter metricKind = "counter"
	gauge   metricKind = "gauge"
)

func desc(name, help string, labels []string, kind metricKind, samples func(*scrape, *samples)) metric {
	return metric{"drawbridge_" + name, help, kind, labels, samples}
}

func labelled(labels ...string) []string { return labels }

// metrics are all of them. Labels are bounded sets; never a MAC or an IP.
var metrics = []metric{
	desc("gateway_info", "Always 1; the labels tell name, version and engine.", labelled("engine", "name", "version"), gauge, func(s *scrape, out *samples) {
		g := &s.status.Gateway
		out.add(1, g.Engine.String(), string(g.Name), g.Version)
	}),
	desc("uptime_seconds", "Seconds since the daemon started.", nil, gauge, func(s *scrape, out *samples) { out.addFloat(s.status.Gateway.Uptime.Seconds()) }),
	desc("kernel_memory_bytes", "Bytes that the gateway's maps and programs hold in the kernel.", nil, gauge, func(s *scrape, out *samples) { out.add(s.status.Gateway.KernelMemory) }),

	desc("rx_frames_total", "Frames of an extension that arrived for a direction.", labelled("direction", "extension"), counter, directions(func(c *state.Counters) uint64 { return c.Rx.Frames })),
	desc("rx_bytes_total", "Bytes of an extension that arrived for a direction.", labelled("direction", "extension"), counter, directions(func(c *state.Counters) uint64 { return c.Rx.Bytes })),
	desc("tx_frames_total", "Frames of an extension handed to the leaving device.", labelled("direction", "extension"), counter, directions(func(c *state.Counters) uint64 { return c.Tx.Frames })),
	desc("tx_bytes_total", "Bytes of an extension handed to the leaving device.", labelled("direction", "extension"), counter, directions(func(c *state.Counters) uint64 { return c.Tx.Bytes })),
	desc("copied_frames_total", "Frames that replication sent.", labelled("direction", "extension"), counter, directions(func(c *state.Counters) uint64 { return c.Copies })),
	desc("generated_frames_total", "Probes and ICMP of the gateway's own.", labelled("direction", "extension"), counter, directions(func(c *state.Counters) uint64 { return c.Generated })),

	desc("dropped_frames_total", "Frames dropped. Those dropped before their extension was known have an interface and no extension.", labelled("direction", "extension", "interface", "reason"), counter, dropSamples),
	desc("would_drop_frames_total", "Frames that a guard in mode observe would have dropped.", labelled("direction", "extension", "reason"), counter, wouldDropSamples),

	desc("bridge_state", "0 lowered, 1 half-raised, 2 raised, 3 down.", labelled("extension"), gauge, extensions(func(out *samples, name string, e *state.ExtensionStatus) {
		out.add(uint64(e.Bridge), name)
	})),
	desc("macs", "Live FDB entries.", labelled("extension", "side"), gauge, extensions(func(out *samples, name string, e *state.ExtensionStatus) {
		out.add(uint64(e.MACs.Cloud), name, l2.Cloud.String())
		out.add(uint64(e.MACs.Customer), name, l2.Customer.String())
	})),
	desc("macs_limit", "The most MACs that are learnt a side.", labelled("extension"), gauge, extensions(func(out *samples, name string, e *state.ExtensionStatus) {
		out.add(uint64(e.MACs.Limit), name)
	})),
	desc("trips_total", "Trips since the daemon started, with those that the event log held then.", labelled("cause", "extension"), counter, tripSamples),

	desc("interface_rx_frames_total", "Frames that the gateway's program saw on a NIC.", labelled("interface", "role"), counter, interfaces(func(i *state.InterfaceStatus) uint64 { return i.Rx.Frames })),
	desc("interface_rx_bytes_total", "Bytes that the gateway's program saw on a NIC.", labelled("interface", "role"), counter, interfaces(func(i *state.InterfaceStatus) uint64 { return i.Rx.Bytes })),
	desc("interface_passed_frames_total", "Frames handed to the host.", labelled("interface", "role"), counter, interfaces(func(i *state.InterfaceStatus) uint64 { return i.Passed })),
	desc("interface_lost_frames_total", "Frames that the device lost after they were handed to it.", labelled("interface", "role"), counter, interfaces(func(i *state.InterfaceStatus) uint64 { return i.Lost })),
}

// extensions takes samples of each extension.
func extensions(each func(out *samples, name string, e *state.ExtensionStatus)) func(*scrape, *samples) {
	return func(s *scrape, out *samples) {
		for i := range s.status.Extensions {
			e := &s.status.Extensions[i]
			each(out, string(e.Name), e)
		}
	}
}

// directions takes a counter of both directions of each extension.
func directions(of func(*state.Counters) uint64) func(*scrape, *samples) {
	return extensions(func(out *samples, name string, e *state.ExtensionStatus) {
		out.add(of(&e.ToCloud), l2.ToCloud.String(), name)
		out.add(of(&e.ToCustomer), l2.ToCustomer.String(), name)
	})
}

// interfaces takes a counter of each NIC.
func interfaces(of func(*state.InterfaceStatus) uint64) func(*scrape, *samples) {
	return func(s *scrape, out *samples) {
		for i := range s.status.Interfaces {
			n := &s.status.Interfaces[i]
			out.add(of(n), n.Name, n.Role)
		}
	}
}

// roleUnderlay is the role of a NIC on which only frames to the customer arrive.
const roleUnderlay = "underlay"

func dropSamples(s *scrape, out *samples) {
	for i := range s.status.Interfaces {
		n := &s.status.Interfaces[i]
		direction := l2.ToCloud
		if n.Role == roleUnderlay {
			direction = l2.ToCustomer
		}
		for reason, frames := range n.Drops {
			out.add(frames, direction.String(), "", n.Name, reason)
		}
	}
	for i := range s.status.Extensions {
		e := &s.status.Extensions[i]
		for reason, frames := range e.ToCloud.Drops {
			out.add(frames, l2.ToCloud.String(), string(e.Name), "", reason)
		}
		for reason, frames := range e.ToCustomer.Drops {
			out.add(frames, l2.ToCustomer.String(), string(e.Name), "", reason)
		}
	}
}

func wouldDropSamples(s *scrape, out *samples) {
	extensions(func(out *samples, name string, e *state.ExtensionStatus) {
		for reason, frames := range e.ToCloud.WouldDrop {
			out.add(frames, l2.ToCloud.String(), name, reason)
		}
		for reason, frames := range e.ToCustomer.WouldDrop {
			out.add(frames, l2.ToCustomer.String(), name, reason)
		}
	})(s, out)
}
