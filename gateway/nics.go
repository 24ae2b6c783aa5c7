// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// changes is what we changed on the host, as nics.json holds it: written before each change, so that
// whatever happens, `uninstall-state` can give back what was.
type changes struct {
	Gateway l2.Name `json:"gateway"`
	place
	NICs    map[string]nicChange `json:"nics"`
	Tunnels []uint16             `json:"tunnels"` // ports whose VXLAN device we made
}

// place is where NICs are what they are called: one network namespace in one boot of the machine.
// Elsewhere their ifindexes mean nothing, and their names something else.
type place struct {
	Boot      string `json:"boot"`      // boot ID of the kernel
	Namespace string `json:"namespace"` // such as net:[4026531840]
}

// nicChange is one NIC as it was before we changed it.
type nicChange struct {
	Ifindex  int    `json:"ifindex"` // 0 when it was noted before the machine booted
	Role     string `json:"role"`
	Prepared bool   `json:"prepared"` // it was made fit for the role
	Settings Saved  `json:"settings"`
}

// recorder keeps changes and their file.
type recorder struct {
	store   *Store
	changes changes
	unsaved bool // the disk lacks the latest
	fresh   bool // there was no note
}

// openRecorder reads nics.json. What was noted elsewhere, in an earlier boot or for a container's former
// namespace, still has names and settings that may mean something.
func openRecorder(s *Store, gateway l2.Name, here place) (*recorder, error) {
	r, err := openNotes(s, gateway)
	if err != nil || r.changes.place == here {
		return r, err
	}
	for name, c := range r.changes.NICs {
		c.Ifindex, c.Prepared = 0, false
		r.changes.NICs[name] = c
	}
	r.changes.place = here
	r.unsaved = true
	return r, nil
}

// openNotes reads nics.json as it is. A directory of another gateway is refused: each needs one of its own.
func openNotes(s *Store, gateway l2.Name) (*recorder, error) {
	r := &recorder{store: s}
	if err := s.readJSON(nicsFile, &r.changes); err != nil {
		return nil, err
	}
	if other := r.changes.Gateway; other != "" && other != gateway {
		return nil, fmt.Errorf("state directory %s belongs to gateway %s, not %s: set gateway.state to another one, or uninstall-state that gateway first", s.dir, other, gateway)
	}
	r.fresh = r.changes.Gateway == ""
	r.changes.Gateway = gateway
	if r.changes.NICs == nil {
		r.changes.NICs = map[string]nicChange{}
	}
	return r, nil
}

// held returns the customers' NICs that we changed since the machine booted, and their ifindexes.
func (r *recorder) held() map[string]int {
	out := map[string]int{}
	for name, c := range r.changes.NICs {
		if c.Role != Underlay.String() && c.Prepared {
			out[name] = c.Ifindex
		}
	}
	return out
}

// prepared reports whether this very NIC was made fit for the role.
func (r *recorder) prepared(n wantedNIC) bool {
	c := r.changes.NICs[n.name]
	return c.Prepared && c.Ifindex == n.ifindex && c.Role == n.role.String()
}

// otherRole returns what was changed on this very NIC for another role than the one that it gets now.
func (r *recorder) otherRole(n wantedNIC) (Saved, bool) {
	c, found := r.changes.NICs[n.name]
	return c.Settings, found && c.Ifindex == n.ifindex && c.Role != n.role.String()
}

// recordNIC notes a NIC's present settings before they are changed. What was noted about the same NIC
// before stays, since that is older; another NIC of the same name starts anew.
func (r *recorder) recordNIC(n wantedNIC, settings Saved) error {
	c := nicChange{Ifindex: n.ifindex, Role: n.role.String(), Settings: settings}
	old, found := r.changes.NICs[n.name]
	if found && (old.Ifindex == n.ifindex || old.Ifindex == 0) {
		c.Settings = old.Settings.merge(settings)
	}
	return r.replaceNIC(n.name, c)
}

// recordPrepared notes that a NIC is fit now: from then on, a NIC that is down was set down by somebody.
func (r *recorder) recordPrepared(n wantedNIC) error {
	c := r.changes.NICs[n.name]
	c.Prepared = true
	return r.replaceNIC(n.name, c)
}

func (r *recorder) replaceNIC(name string, c nicChange) error {
	old, found := r.changes.NICs[name]
	if !found || !old.equal(c) {
		r.changes.NICs[name] = c
		r.unsaved = true
	}
	return r.flush()
}

func (c nicChange) equal(d nicChange) bool {
	return c.Ifindex == d.Ifindex && c.Role == d.Role && c.Prepared == d.Prepared && slices.Equal(c.Settings, d.Settings)
}

// forgetNIC drops the note of a NIC that was restored.
func (r *recorder) forgetNIC(name string) error {
	delete(r.changes.NICs, name)
	r.unsaved = true
	return r.flush()
}

// recordTunnel notes a VXLAN device before it is made.
func (r *recorder) recordTunnel(port uint16) error {
	if !slices.Contains(r.changes.Tunnels, port) {
		r.changes.Tunnels = append(r.changes.Tunnels, port)
		r.unsaved = true
	}
	return r.flush()
}

// forgetTunnel drops the note of a device that was removed.
func (r *recorder) forgetTunnel(port uint16) error {
	r.changes.Tunnels = slices.DeleteFunc(r.changes.Tunnels, func(p uint16) bool { return p == port })
	r.unsaved = true
	return r.flush()
}

// flush writes what the disk lacks. An error means that only the disk lacks it.
func (r *recorder) flush() error {
	if !r.unsaved {
		return nil
	}
	if err := r.store.writeJSON(nicsFile, r.changes); err != nil {
		return err
	}
	r.unsaved = false
	return nil
}

// tellUnnoted tells, at a start, of NICs that an earlier daemon has made fit and whose note is lost: what they were before cannot be told
// from what they are.
func (g *Gateway) tellUnnoted() {
	if !g.opts.Adopted || !g.recorder.fresh {
		return
	}
	var nics []string
	for _, n := range wantedNICs(g.applied) {
		if n.role != Underlay && len(g.recorder.changes.NICs[n.name].Settings) == 0 {
			nics = append(nics, n.name)
		}
	}
	if len(nics) == 0 {
		return
	}
	g.log.Append(event.Record{
		Kind: event.Hint, Severity: event.Warning,
		Message: fmt.Sprintf("%s has no note of how %s was before this gateway: uninstall-state will leave its settings as they are",
			g.opts.Store.dir, strings.Join(nics, ", ")),
		Detail: map[string]any{"interfaces": nics},
	})
}

// RestoreHost gives every NIC of a gateway its settings back and removes the tunnel devices, as the store
// has them noted. It goes on after an error, and what failed stays noted.
func RestoreHost(s *Store, gateway l2.Name, h Host) []error {
	r, err := openNotes(s, gateway)
	if err != nil {
		return []error{err}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.changes.NICs)) {
		errs = append(errs, restoreNIC(r, h, name))
	}
	for _, port := range slices.Clone(r.changes.Tunnels) {
		errs = append(errs, removeTunnel(r, h, port))
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func restoreNIC(r *recorder, h Host, name string) error {
	c := r.changes.NICs[name]
	if err := h.Restore(name, c.Settings); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	if c.Role == Underlay.String() {
		if err := h.DropNeighbours(name); err != nil {
			return fmt.Errorf("forget the next hops over %s: %w", name, err)
		}
	}
	return r.forgetNIC(name)
}

func removeTunnel(r *recorder, h Host, port uint16) error {
	if err := h.RemoveTunnel(port); err != nil {
		return fmt.Errorf("remove the tunnel device of port %d: %w", port, err)
	}
	return r.forgetTunnel(port)
}

// wantedNICs returns what a plan wants of each NIC that exists.
func wantedNICs(d *state.Desired) []wantedNIC {
	var out []wantedNIC
	for _, n := range d.NICs {
		role := Customer
		if n.Passthrough {
			role = Shared
		}
		out = append(out, wantedNIC{n.Name, n.Ifindex, role})
	}
	for _, u := range d.Underlay.Uplinks {
		out = append(out, wantedNIC{u.Name, u.Ifindex, Underlay})
	}
	return out
}

// wantedNIC is a NIC that must be fit for a role.
type wantedNIC struct {
	name    string
	ifindex int
	role    Role
}

// Serves reports, as an error, that the directory belongs to another gateway than the named one.
func (s *Store) Serves(gateway l2.Name) error {
	_, err := openNotes(s, gateway)
	return err
}

// Namespace is the network namespace in which a gateway changed NICs; empty when it changed none in this
// boot of the machine, which the boot ID names.
func (s *Store) Namespace(gateway l2.Name, boot string) (string, error) {
	r, err := openNotes(s, gateway)
	if err != nil || r.changes.Boot != boot {
		return "", err
	}
	return r.changes.Namespace, nil
}
