// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
	registry := prometheus.NewRegistry()
	if err := registry.Register(scrape{status: st, trips: s.trips.count(s.gw.Events, names)}); err != nil {
		problemf(http.StatusInternalServerError, "collect the metrics: %v", err).write(w)
		return
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("drawbridge_"+name, help, labels, nil)
}

// The metrics. Labels are bounded sets; never a MAC or an IP.
var (
	descInfo         = desc("gateway_info", "Always 1; the labels tell name, version and engine.", "name", "version", "engine")
	descUptime       = desc("uptime_seconds", "Seconds since the daemon started.")
	descKernelMemory = desc("kernel_memory_bytes", "Bytes that the gateway's maps and programs hold in the kernel.")

	descRxFrames = desc("rx_frames_total", "Frames of an extension that arrived for a direction.", "extension", "direction")
	descRxBytes  = desc("rx_bytes_total", "Bytes of an extension that arrived for a direction.", "extension", "direction")
	descTxFrames = desc("tx_frames_total", "Frames of an extension handed to the leaving device.", "extension", "direction")
	descTxBytes  = desc("tx_bytes_total", "Bytes of an extension handed to the leaving device.", "extension", "direction")
	descCopies   = desc("copied_frames_total", "Frames that replication sent.", "extension", "direction")
	descMade     = desc("generated_frames_total", "Probes and ICMP of the gateway's own.", "extension", "direction")

	descDropped = desc("dropped_frames_total",
		"Frames dropped. Those dropped before their extension was known have an interface and no extension.",
		"extension", "interface", "direction", "reason")
	descWouldDrop = desc("would_drop_frames_total", "Frames that a guard in mode observe would have dropped.",
		"extension", "direction", "reason")

	descBridge   = desc("bridge_state", "0 lowered, 1 half-raised, 2 raised, 3 down.", "extension")
	descMACs     = desc("macs", "Live FDB entries.", "extension", "side")
	descMACLimit = desc("macs_limit", "The most MACs that are learnt a side.", "extension")
	descTrips    = desc("trips_total", "Trips since the daemon started, with those that the event log held then.", "extension", "cause")

	descNICRxFrames = desc("interface_rx_frames_total", "Frames that the gateway's program saw on a NIC.", "interface", "role")
	descNICRxBytes  = desc("interface_rx_bytes_total", "Bytes that the gateway's program saw on a NIC.", "interface", "role")
	descNICPassed   = desc("interface_passed_frames_total", "Frames handed to the host.", "interface", "role")
	descNICLost     = desc("interface_lost_frames_total", "Frames that the device lost after they were handed to it.", "interface", "role")
)

// scrape is the collector of one reading.
type scrape struct {
	status state.Status
	trips  map[trip]uint64
}

// Describe describes nothing: the collector lives for one scrape, and what it collects is still checked.
func (scrape) Describe(chan<- *prometheus.Desc) {}

// Collect sends every metric of the reading.
func (s scrape) Collect(out chan<- prometheus.Metric) {
	m := metrics{out}
	g := s.status.Gateway
	m.gauge(descInfo, 1, string(g.Name), g.Version, g.Engine.String())
	m.gauge(descUptime, g.Uptime.Seconds())
	m.gauge(descKernelMemory, float64(g.KernelMemory))
	for i := range s.status.Interfaces {
		m.nic(&s.status.Interfaces[i])
	}
	for i := range s.status.Extensions {
		m.extension(&s.status.Extensions[i])
	}
	for t, n := range s.trips {
		m.counter(descTrips, n, t.extension, t.cause)
	}
}

// metrics sends constant metrics.
type metrics struct{ out chan<- prometheus.Metric }

func (m metrics) counter(d *prometheus.Desc, n uint64, labels ...string) {
	m.send(d, prometheus.CounterValue, float64(n), labels)
}

func (m metrics) gauge(d *prometheus.Desc, v float64, labels ...string) {
	m.send(d, prometheus.GaugeValue, v, labels)
}

// send sends a metric, or the fault in its labels (text that is not UTF-8), which fails the scrape.
func (m metrics) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	metric, err := prometheus.NewConstMetric(d, kind, v, labels...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(d, err)
	}
	m.out <- metric
}

func (m metrics) nic(i *state.InterfaceStatus) {
	m.counter(descNICRxFrames, i.Rx.Frames, i.Name, i.Role)
	m.counter(descNICRxBytes, i.Rx.Bytes, i.Name, i.Role)
	m.counter(descNICPassed, i.Passed, i.Name, i.Role)
	m.counter(descNICLost, i.Lost, i.Name, i.Role)
	direction := l2.ToCloud
	if i.Role == roleUnderlay {
		direction = l2.ToCustomer
	}
	for reason, n := range i.Drops {
		m.counter(descDropped, n, "", i.Name, direction.String(), reason)
	}
}

// roleUnderlay is the role of a NIC on which only frames to the customer arrive.
const roleUnderlay = "underlay"

func (m metrics) extension(e *state.ExtensionStatus) {
	name := string(e.Name)
	m.gauge(descBridge, float64(e.Bridge), name)
	m.gauge(descMACs, float64(e.MACs.Customer), name, l2.Customer.String())
	m.gauge(descMACs, float64(e.MACs.Cloud), name, l2.Cloud.String())
	m.gauge(descMACLimit, float64(e.MACs.Limit), name)
	m.direction(name, l2.ToCloud.String(), &e.ToCloud)
	m.direction(name, l2.ToCustomer.String(), &e.ToCustomer)
}

func (m metrics) direction(ext, direction string, c *state.Counters) {
	m.counter(descRxFrames, c.Rx.Frames, ext, direction)
	m.counter(descRxBytes, c.Rx.Bytes, ext, direction)
	m.counter(descTxFrames, c.Tx.Frames, ext, direction)
	m.counter(descTxBytes, c.Tx.Bytes, ext, direction)
	m.counter(descCopies, c.Copies, ext, direction)
	m.counter(descMade, c.Generated, ext, direction)
	for reason, n := range c.Drops {
		m.counter(descDropped, n, ext, "", direction, reason)
	}
	for reason, n := range c.WouldDrop {
		m.counter(descWouldDrop, n, ext, direction, reason)
	}
}
