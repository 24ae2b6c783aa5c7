// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/state"
)

// examined is everything that doctor looks at, before anything is judged. Without a configuration, what is
// about one is empty.
type examined struct {
	system    host.System
	links     map[string]host.Link
	offloads  map[string]map[string]host.Offload // by device; not there: the driver does not say
	config    *config.Config                     // nil: none
	plan      gateway.Plan
	running   bool            // a daemon answers
	status    *api.Status     // what it says; nil: nothing
	later     *api.Status     // what it says at the end, a second later at least
	setUp     bool            // the gateway's state is in the kernel
	engine    state.Engine    // that runs, or would
	foreign   map[string]bool // NICs with an XDP program although the gateway is not set up
	rpFilter  map[string]int  // by uplink
	port      error           // a PortTakenError, or nil
	chains    []host.Chain
	conntrack host.Conntrack
	hops      []host.NextHop
	spread    []netip.Addr // peers that equal routes lead to by several uplinks
	policy    int          // of the kernel, for equal routes
	paths     []host.Path
	probed    int // the longest probe, in bytes
	asked     []askedStation
	tls       *certificate // of the API over TCP; nil: there shall be none
}

// certificate is what the files of TLS hold.
type certificate struct {
	until time.Time
	err   error
}

// askedStation is what came of asking a station.
type askedStation struct {
	station
	answered bool
	err      error
}

func (x *examined) engineName() string {
	if x.config == nil {
		return ""
	}
	return x.engine.String()
}

// look looks. Everything that it does can be done while the gateway forwards.
func look(ctx context.Context, h *host.Host, cfg *config.Config, stations []station, limit time.Duration) (*examined, error) {
	x := &examined{system: host.ReadSystem(), config: cfg, offloads: map[string]map[string]host.Offload{},
		foreign: map[string]bool{}, rpFilter: map[string]int{}}
	var err error
	if x.links, err = h.Links(); err != nil {
		return nil, err
	}
	for name, l := range x.links {
		if l.Kind != host.KindDevice {
			continue // what a virtual link does to frames, it does to its own
		}
		if offloads, err := h.Offloads(name); err == nil {
			x.offloads[name] = offloads
		}
	}
	if cfg == nil {
		return x, nil
	}
	return x, x.lookAtGateway(ctx, h, stations, limit)
}

func (x *examined) lookAtGateway(ctx context.Context, h *host.Host, stations []station, limit time.Duration) error {
	c := x.config
	x.setUp = isSetUp(c)
	if t := c.Gateway.API.TLS; t.IsSet() {
		x.tls = &certificate{}
		_, x.tls.until, x.tls.err = api.TLSFiles(t).Load()
	}
	links, err := (machine{h, c.Gateway.Name, nil}).Links()
	if err != nil {
		return err
	}
	x.plan = gateway.MakePlan(gateway.Inputs{Config: c, Links: links})
	began := time.Now()
	x.status = askStatus(ctx, c.Gateway.API.Socket)
	x.running, x.engine = x.status != nil, engineOf(x.status, x.plan.Desired.Engine)
	x.lookAtNICs(h)
	x.port = h.PortTaken(c.Gateway.Underlay.Port, tunnelName(c.Gateway.Name, c.Gateway.Underlay.Port))
	if taken := (*host.PortTakenError)(nil); x.port != nil && !errors.As(x.port, &taken) {
		return x.port
	}
	x.chains, x.conntrack = h.FirewallChains(c.Gateway.Underlay.Port), h.ReadConntrack()
	if err := x.lookAtPeers(ctx, h, limit); err != nil {
		return err
	}
	for _, s := range stations {
		answered, err := h.AskStation(ctx, s.extension.Attachment.Interface, s.extension.Attachment.VLAN, s.addr)
		x.asked = append(x.asked, askedStation{s, answered, err})
	}
	if x.running {
		x.lookAgain(ctx, began.Add(shortestLook))
	}
	return nil
}

// shortestLook is the least time between two readings of the running gateway.
const shortestLook = time.Second

// lookAgain reads the gateway's counters a second time, not before a moment.
func (x *examined) lookAgain(ctx context.Context, earliest time.Time) {
	select {
	case <-time.After(time.Until(earliest)):
	case <-ctx.Done():
		return
	}
	x.later = askStatus(ctx, x.config.Gateway.API.Socket)
}

func (x *examined) lookAtNICs(h *host.Host) {
	for _, name := range x.config.Gateway.Underlay.Interfaces {
		x.rpFilter[name] = h.ReversePathFilter(name)
	}
	if x.setUp {
		return // then the program is ours
	}
	for _, name := range nicsOf(x.config) {
		x.foreign[name] = h.XDPAttached(name)
	}
}

// lookAtPeers asks for the routes to the peers, and measures the paths.
func (x *examined) lookAtPeers(ctx context.Context, h *host.Host, limit time.Duration) error {
	u := x.plan.Desired.Underlay
	peers := peersOf(x.config, x.links)
	if !u.VTEP.IsValid() || len(u.Uplinks) == 0 || len(peers) == 0 {
		return nil
	}
	var uplinks []int
	for _, l := range u.Uplinks {
		uplinks = append(uplinks, l.Ifindex)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	hops, err := h.NextHops(peers, u.VTEP, uplinks)
	if err != nil {
		return err
	}
	x.policy = h.SpreadPolicy(u.VTEP.Is6())
	if x.spread, err = h.Spread(peers, u.VTEP, uplinks); err != nil {
		return err
	}
	x.probed = min(max(u.MTU, x.neededMTU()), maxPacket)
	x.paths = h.MeasurePaths(ctx, u.VTEP, waysOf(hops, u.Uplinks), x.probed)
	x.hops, err = h.NextHops(peers, u.VTEP, uplinks) // now that they have been used
	return err
}

// waysOf are the ways to the peers: by each uplink that a route leads to.
func waysOf(hops []host.NextHop, uplinks []state.Uplink) (ways []host.Way) {
	names := map[int]string{}
	for _, u := range uplinks {
		names[u.Ifindex] = u.Name
	}
	for _, hop := range hops {
		way := host.Way{Peer: hop.Peer, Uplink: names[hop.Uplink]}
		if hop.Addr.IsValid() && !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	return ways
}

// maxPacket is the longest IP packet, in bytes.
const maxPacket = 65535

// isSetUp reports whether the gateway's state is pinned.
func isSetUp(c *config.Config) bool {
	_, err := os.Stat(filepath.Join(dataplaneFS, "drawbridge", string(c.Gateway.Name)))
	return err == nil
}

// askStatus asks the daemon; nil: there is none.
func askStatus(ctx context.Context, socket string) *api.Status {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := api.NewClient(socket)
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return nil
	}
	return &status
}

// engineOf is the engine that runs, or the planned one.
func engineOf(status *api.Status, planned state.Engine) state.Engine {
	for _, e := range []state.Engine{state.EngineTC, state.EngineXDP} {
		if status != nil && status.Gateway.Engine == e.String() {
			return e
		}
	}
	return planned
}

// customersOf names the customers' NICs, each once.
func customersOf(c *config.Config) (names []string) {
	for i := range c.Extensions {
		if name := c.Extensions[i].Attachment.Interface; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// nicsOf names all NICs of a configuration, each once, the customers' first.
func nicsOf(c *config.Config) []string {
	names := customersOf(c)
	for _, name := range c.Gateway.Underlay.Interfaces {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// peersOf are all VTEPs of a configuration that are not this host's own addresses, each once, in order.
func peersOf(c *config.Config, links map[string]host.Link) []netip.Addr {
	own := ownAddrs(links)
	seen := map[netip.Addr]bool{}
	var peers []netip.Addr
	for i := range c.Extensions {
		for _, peer := range c.Extensions[i].Overlay.Peers {
			peer = peer.Unmap()
			if _, isOurs := own[peer]; !isOurs && !seen[peer] {
				seen[peer] = true
				peers = append(peers, peer)
			}
		}
	}
	slices.SortFunc(peers, netip.Addr.Compare)
	return peers
}

// ownAddrs are this host's addresses, and the link that has each.
func ownAddrs(links map[string]host.Link) map[netip.Addr]string {
	own := map[netip.Addr]string{}
	for name, l := range links {
		for _, p := range l.Addrs {
			own[p.Addr().Unmap().WithZone("")] = name
		}
	}
	return own
}
