// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"time"
)

// Status is what a script reads from `status -o json`. It is written down here a second time on purpose: it is what
// users were promised, not what the program happens to print.
type Status struct {
	Gateway struct {
		Name         string `json:"name"`
		Version      string `json:"version"`
		Engine       string `json:"engine"`
		EngineReason string `json:"engine_reason"`
		Uptime       int64  `json:"uptime_seconds"`
		Underlay     struct {
			Interfaces []string `json:"interfaces"`
			Address    string   `json:"address"`
			MTU        int      `json:"mtu"`
		} `json:"underlay"`
	} `json:"gateway"`
	Interfaces []InterfaceStatus `json:"interfaces"`
	Extensions []ExtensionStatus `json:"extensions"`
}

// Count is a number of frames and their bytes.
type Count struct {
	Frames uint64 `json:"frames"`
	Bytes  uint64 `json:"bytes"`
}

// InterfaceStatus is about one NIC.
type InterfaceStatus struct {
	Name   string            `json:"name"`
	Role   string            `json:"role"`
	Rx     Count             `json:"rx"`
	Passed uint64            `json:"passed"`
	Lost   uint64            `json:"lost"`
	Drops  map[string]uint64 `json:"drops"`
}

// ExtensionStatus is about one extension.
type ExtensionStatus struct {
	Name       string    `json:"name"`
	Bridge     string    `json:"bridge"`
	Reason     string    `json:"reason"`
	Since      time.Time `json:"since"`
	Attachment struct {
		Interface string `json:"interface"`
		VLAN      string `json:"vlan"`
	} `json:"attachment"`
	Overlay struct {
		Encapsulation string   `json:"encapsulation"`
		VNI           uint32   `json:"vni"`
		Peers         []string `json:"peers"`
	} `json:"overlay"`
	MACs struct {
		Customer int `json:"customer"`
		Cloud    int `json:"cloud"`
		Limit    int `json:"limit"`
	} `json:"macs"`
	ToCloud    Counters `json:"to_cloud"`
	ToCustomer Counters `json:"to_customer"`
}

// Counters counts one direction.
type Counters struct {
	Rx        Count             `json:"rx"`
	Tx        Count             `json:"tx"`
	Copies    uint64            `json:"copies"`
	Generated uint64            `json:"generated"`
	Drops     map[string]uint64 `json:"drops"`
	WouldDrop map[string]uint64 `json:"would_drop"`
}

// MACEntry is one line of `macs -o json`.
type MACEntry struct {
	Extension string `json:"extension"`
	MAC       string `json:"mac"`
	Side      string `json:"side"`
	VTEP      string `json:"vtep"`
	Age       int64  `json:"age_seconds"`
	Static    bool   `json:"static"`
	Moves     int    `json:"moves"`
	Frozen    bool   `json:"frozen"`
}

// Event is one line of `events -o json`.
type Event struct {
	Seq       uint64         `json:"seq"`
	Time      time.Time      `json:"time"`
	Extension string         `json:"extension"`
	Kind      string         `json:"kind"`
	Severity  string         `json:"severity"`
	Message   string         `json:"message"`
	Detail    map[string]any `json:"detail"`
}

// Interface finds a NIC by name; nil when it is not there.
func (s *Status) Interface(name string) *InterfaceStatus {
	for i := range s.Interfaces {
		if s.Interfaces[i].Name == name {
			return &s.Interfaces[i]
		}
	}
	return nil
}

// Extension finds an extension by name; nil when it is not there.
func (s *Status) Extension(name string) *ExtensionStatus {
	for i := range s.Extensions {
		if s.Extensions[i].Name == name {
			return &s.Extensions[i]
		}
	}
	return nil
}

// Dropped is the sum of all drops.
func (c Counters) Dropped() uint64 { return total(c.Drops) }

func total(drops map[string]uint64) uint64 {
	sum := uint64(0)
	for _, n := range drops {
		sum += n
	}
	return sum
}

// Balanced checks the promise that no frame disappears: rx = tx + Σ drops for each extension and direction, and on
// each NIC that what arrived was handed to an extension, passed to the host, or dropped. With frames in flight it may
// differ by those.
func (s *Status) Balanced() error {
	var errs []error
	arrived := make(map[string]uint64) // at extensions, by role of the NIC
	for _, e := range s.Extensions {
		errs = append(errs, e.ToCloud.balanced(e.Name+" to cloud"), e.ToCustomer.balanced(e.Name+" to customer"))
		arrived[e.Attachment.Interface] += e.ToCloud.Rx.Frames
		arrived["underlay"] += e.ToCustomer.Rx.Frames
	}
	rest := make(map[string]uint64) // what NICs handed to extensions
	for _, nic := range s.Interfaces {
		key := nic.Name
		if nic.Role == "underlay" {
			key = nic.Role
		}
		rest[key] += nic.Rx.Frames - nic.Passed - total(nic.Drops)
	}
	for key, handed := range rest {
		if handed != arrived[key] {
			errs = append(errs, fmt.Errorf("%s: %d frames were handed to extensions, %d came there", key, handed, arrived[key]))
		}
	}
	return errors.Join(errs...)
}

func (c Counters) balanced(where string) error {
	if c.Rx.Frames == c.Tx.Frames+c.Dropped() {
		return nil
	}
	return fmt.Errorf("%s: rx %d is not tx %d + drops %d (%v)", where, c.Rx.Frames, c.Tx.Frames, c.Dropped(), c.Drops)
}
