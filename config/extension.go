// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// maxExtensions is the most extensions of one gateway.
const maxExtensions = 4096

// Extension is one customer's stretched segment.
type Extension struct {
	Name        l2.Name
	Description string // one line for people; may be empty
	Attachment  Attachment
	Overlay     Overlay
	Guard       Guard
}

// Overlay is the segment and the VTEPs through which it is reached.
type Overlay struct {
	Encapsulation string // "vxlan"
	VNI           l2.VNI
	Peers         []netip.Addr // 1 to 128, groups resolved, without doubles, in the file's order
}

// places is where the values of an extension stand that are checked against other sections. No place:
// the value is missing or at fault, and is not checked further.
type places struct {
	key, nic, circuit, vni place
}

func (r *reader) extensions(path string, n *node, d *draft) {
	if len(n.pairs) > maxExtensions {
		r.add(n.pairs[maxExtensions].at, "%s: %d extensions were found: at most %d are allowed", path, len(n.pairs), maxExtensions)
		return
	}
	d.config.Extensions = make([]Extension, 0, len(n.pairs))
	d.extensions = make([]places, 0, len(n.pairs))
	r.entries(path, n, "a map of extensions' names", func(path string, p pair) {
		e, at := r.extension(path, p, d)
		d.config.Extensions = append(d.config.Extensions, e)
		d.extensions = append(d.extensions, at)
	})
}

func (r *reader) extension(path string, p pair, d *draft) (Extension, places) {
	e := Extension{Name: l2.Name(p.key), Overlay: Overlay{Encapsulation: "vxlan"}, Guard: DefaultGuard(Stretched)}
	at := places{key: p.at}
	if _, err := l2.ParseName(p.key); err != nil {
		r.add(p.at, "%s: %s is not a name: %s is allowed", path, show(p.key), nameAllowed)
	}
	guard := &guardReader{reader: r, guard: &e.Guard}
	r.mapping(path, p.value, []field{
		value(r, "description", "one line of at most 256 characters", parseDescription, &e.Description),
		{key: "attachment", need: "attachment: {interface: eth2, vlan: 2301}", read: func(path string, n *node) {
			r.attachment(path, n, &e.Attachment, &at)
		}},
		{key: "overlay", need: "overlay: {vni: 10100, peers: [192.0.2.20]}", read: func(path string, n *node) {
			r.overlay(path, n, d, &e.Overlay, &at)
		}},
		{key: "guard", read: guard.read},
	})
	guard.checkVTEPs(e.Overlay.Peers)
	return e, at
}

func (r *reader) overlay(path string, n *node, d *draft, o *Overlay, at *places) {
	r.mapping(path, n, []field{
		choice(r, "encapsulation", &o.Encapsulation, option[string]{"vxlan", "vxlan"}),
		{key: "vni", need: "1 to 16777215", read: func(path string, n *node) {
			if readNumber(r, path, n, "1 to 16777215", parseVNI, &o.VNI) {
				at.vni = n.at
			}
		}},
		{key: "peers", need: "peers: [192.0.2.20]", read: func(path string, n *node) { o.Peers = r.peers(path, n, d) }},
	})
}

// parseDescription reads one line. It appears on terminals: control characters were refused with the file,
// except those that a quoted text writes as escapes.
func parseDescription(s string) (string, error) {
	s = strings.TrimSuffix(s, "\n")
	switch {
	case !utf8.ValidString(s):
		return "", errNotUTF8
	case utf8.RuneCountInString(s) > 256:
		return "", fmt.Errorf("a text of %d characters was found", utf8.RuneCountInString(s))
	case strings.ContainsFunc(s, func(c rune) bool { return !printable(c) }):
		return "", fmt.Errorf("%s has a line break or a control character", show(s))
	}
	return s, nil
}
