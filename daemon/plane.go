// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"github.com/drawbridge-l2/drawbridge/dataplane"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// plane is the kernel's side as the gateway's loop sees it, with what only the host can count.
type plane struct {
	*dataplane.Plane
	host *host.Host
}

var _ gateway.Plane = plane{}

func openPlane(name l2.Name, h *host.Host) (plane, error) {
	p, err := dataplane.Open(dataplane.Options{Gateway: name})
	if err != nil {
		return plane{}, err
	}
	return plane{p, h}, nil
}

// Read adds what the devices lost after we handed frames over.
func (p plane) Read() (state.Reading, error) {
	r, err := p.Plane.Read()
	if err != nil {
		return r, err
	}
	for name, n := range r.Interfaces {
		lost, err := p.host.Lost(name)
		if err != nil {
			continue // the NIC just went: the next reading does not have it
		}
		n.Lost += lost
		r.Interfaces[name] = n
	}
	return r, nil
}

// objectHash names the BPF objects in this binary.
func objectHash() string { return dataplane.ObjectHash() }

// removePins removes what is pinned of a gateway.
func removePins(name l2.Name) error {
	return dataplane.Uninstall(dataplane.Options{Gateway: name})
}
