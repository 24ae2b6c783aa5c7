// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/state"
)

// xdpDrivers are the drivers whose native XDP redirects frames between NICs and loses no offload
// that bulk TCP needs. A driver that is not here is served by tc, which always works; `engine: xdp`
// overrides that.
var xdpDrivers = []string{
	"bnxt_en", "i40e", "ice", "igb", "igc", "ixgbe", "mlx5_core", "nfp", "qede", "sfc",
}

// choice is an engine and the sentence that says why.
type choice struct {
	engine state.Engine
	reason string
}

// chooseEngine decides for one configuration. Names are all NICs of it, customers' and uplinks; those
// that the host lacks at the moment take no part. Keep is the engine that runs already, 0 at start and
// on reload: a running gateway changes its engine only for a NIC that the present one cannot serve.
func chooseEngine(wanted string, names []string, links map[string]Link, keep state.Engine) choice {
	switch wanted {
	case "tc":
		return choice{state.EngineTC, "configured"}
	case "xdp":
		return choice{state.EngineXDP, forcedReason(names, links)}
	}
	missing := ""
	for _, name := range names {
		l, found := links[name]
		if !found {
			missing = name
			continue
		}
		if why := tcReason(l); why != "" {
			return choice{state.EngineTC, why}
		}
	}
	switch {
	case keep == state.EngineTC:
		return choice{state.EngineTC, "it runs already, and is changed at the next reload only"}
	case missing != "" && keep == 0:
		return choice{state.EngineTC, fmt.Sprintf("interface %s does not exist yet, and tc serves every NIC", missing)}
	}
	return choice{state.EngineXDP, "every NIC has a driver with native XDP"}
}

// tcReason says why a NIC is better served by tc; empty when XDP serves it natively without loss.
func tcReason(l Link) string {
	switch {
	case l.Kind == "bond":
		return fmt.Sprintf("%s is a bond, and tc serves bonds", l.Name)
	case l.Kind == "veth", l.Kind == "tun", l.Driver == "virtio_net":
		return fmt.Sprintf("%s is %s, where xdp would lose segmentation offload", l.Name, article(l))
	case l.Driver == "":
		return fmt.Sprintf("%s has no driver that is known for native XDP", l.Name)
	case !slices.Contains(xdpDrivers, l.Driver):
		return fmt.Sprintf("%s's driver %s is not known to serve native XDP without loss", l.Name, l.Driver)
	case !l.NativeXDP:
		return fmt.Sprintf("%s's driver %s does not redirect with native XDP on this kernel", l.Name, l.Driver)
	}
	return ""
}

func article(l Link) string {
	if l.Kind == "veth" || l.Kind == "tun" {
		return "a " + l.Kind
	}
	return "a " + l.Driver + " NIC"
}

// forcedReason says what `engine: xdp` asks of the senders on NICs whose frames may reach the program
// with unfinished checksums, or with their tag aside, where XDP cannot see it.
func forcedReason(names []string, links map[string]Link) string {
	var veths []string
	for _, name := range names {
		if links[name].Kind == "veth" && !slices.Contains(veths, name) {
			veths = append(veths, name)
		}
	}
	if len(veths) == 0 {
		return "configured"
	}
	return fmt.Sprintf("configured; the senders behind %s must have checksum and VLAN offload off, and GRO on: ethtool -K NIC tx off txvlan off tx-vlan-stag-hw-insert off gro on",
		strings.Join(veths, ", "))
}

// refuseBond says why a NIC cannot be served by an engine that was forced; empty when it can.
func refuseBond(engine state.Engine, l Link) string {
	if engine == state.EngineXDP && l.Kind == "bond" {
		return fmt.Sprintf("interface %s is a bond, and engine xdp does not serve bonds: use engine tc, or auto", l.Name)
	}
	return ""
}
