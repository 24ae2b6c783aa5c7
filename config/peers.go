// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// maxPeers is the most VTEPs of one extension: a frame is copied to each of them.
const maxPeers = 128

const vtepAllowed = "an IPv4 or IPv6 unicast address, not link-local,"

// group is a peer group. Of one that is at fault, what was readable.
type group struct {
	peers  []netip.Addr
	partly bool // some member could not be read
}

// family is the one IP family of a gateway's VTEPs, and what set it.
type family struct {
	address netip.Addr
	at      place
}

func (r *reader) peerGroups(path string, n *node, d *draft) {
	d.groups = map[string]group{}
	d.groupsPartly = d.groupsPartly || n.partly || n.kind != mapping && n.kind != empty
	r.entries(path, n, "a map of names and lists of addresses", func(path string, p pair) {
		if _, err := l2.ParseName(p.key); err != nil {
			r.add(p.at, "%s: %s is not a name: %s is allowed", path, show(p.key), nameAllowed)
		}
		members := peerSet{at: map[netip.Addr]place{}}
		items := r.items(path, p.value, vtepAllowed[:len(vtepAllowed)-1])
		for _, item := range items {
			var a netip.Addr
			if !read(r, path, item, vtepAllowed, parseVTEP, &a) || !r.fits(path, a, item.at, d) || !r.once(path, a, item.at, &members) {
				members.partly = true
			}
		}
		if len(items) == 0 && (p.value.kind == list || p.value.kind == empty) {
			r.add(p.at, "%s: the group is empty: at least one address is needed", path)
			members.partly = true
		}
		d.groups[p.key] = group{peers: members.order, partly: members.partly || p.value.kind == broken}
	})
}

// peerSet is the VTEPs of one list, in their order.
type peerSet struct {
	order  []netip.Addr
	at     map[netip.Addr]place // of those that were given directly; no place for those of a group
	partly bool                 // some could not be read
}

// merge adds a VTEP that a group gives; one that is there already is no fault.
func (s *peerSet) merge(a netip.Addr) {
	if _, there := s.at[a]; !there {
		s.at[a] = place{}
		s.order = append(s.order, a)
	}
}

// once adds a VTEP that is given directly: twice is a fault.
func (r *reader) once(path string, a netip.Addr, at place, s *peerSet) bool {
	if first := s.at[a]; first.known() {
		r.add(at, "%s: %s is there twice, first %s: once is allowed", path, a, r.where(first))
		return false
	}
	s.merge(a)
	s.at[a] = at
	return true
}

// fits checks a VTEP against the gateway: another host, in the gateway's IP family.
func (r *reader) fits(path string, a netip.Addr, at place, d *draft) bool {
	local := d.config.Gateway.Underlay.Address
	switch {
	case a == local:
		r.add(at, "%s: %s is the gateway itself (gateway.underlay.address): the address of another VTEP is allowed", path, a)
		return false
	case !d.family.address.IsValid():
		d.family = family{address: a, at: at}
		if local.IsValid() {
			d.family = family{address: local, at: d.gateway.address}
		}
	}
	if first := d.family; a.Is4() != first.address.Is4() {
		r.add(at, "%s: %s is of another IP family than %s %s: one family is allowed in a gateway", path, a, first.address, r.where(first.at))
		return false
	}
	return true
}

// peers reads the VTEPs of an extension: addresses and names of groups.
func (r *reader) peers(path string, n *node, d *draft) []netip.Addr {
	set := peerSet{at: make(map[netip.Addr]place, len(n.items))}
	for _, item := range r.items(path, n, "addresses and names of peer groups") {
		r.peer(path, item, d, &set)
	}
	if n.kind == empty || n.kind == list && len(n.items) == 0 {
		r.add(n.home(), "%s: the list is empty: at least one address or peer group is needed", path)
	}
	if len(set.order) > maxPeers {
		r.add(n.home(), "%s: %d VTEPs were found, with those of peer groups: at most %d are allowed", path, len(set.order), maxPeers)
	}
	if set.partly || n.kind != list {
		return nil // not known as a whole: static MACs are not compared with it
	}
	return set.order
}

func (r *reader) peer(path string, item *node, d *draft, set *peerSet) {
	const allowed = "an IPv4 or IPv6 unicast address, not link-local, or the name of a peer group"
	text, ok := r.text(path, item, allowed)
	if g, known := d.groups[text]; ok && known {
		for _, a := range g.peers {
			set.merge(a)
		}
		set.partly = set.partly || g.partly
		return
	}
	if ok && isGroupName(text) {
		if !d.groupsPartly {
			r.add(item.at, "%s: %s is no IP address, and no peer group has this name%s: %s is allowed", path, show(text), known(d.groups), allowed)
		}
		ok = false
	}
	var a netip.Addr
	if !ok || !read(r, path, item, allowed, parseVTEP, &a) || !r.fits(path, a, item.at, d) || !r.once(path, a, item.at, set) {
		set.partly = true
	}
}

// isGroupName reports whether a text that names no group was rather meant as one than as an address.
func isGroupName(s string) bool {
	_, err := l2.ParseName(s)
	return err == nil && strings.ContainsFunc(s, func(c rune) bool { return c == '-' || c > '9' })
}
