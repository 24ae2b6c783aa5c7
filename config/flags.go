// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"strings"
)

// Flags is a configuration as it is typed behind run: text, unchecked. Each attachment circuit has
// its VNI, in the same order; all extensions share the peers. Empty means not given.
type Flags struct {
	Underlay string   // --underlay eth1, or eth1,eth3
	Address  string   // --address 192.0.2.10
	Port     string   // --port 4789
	Attach   []string // --attach eth2:2301, eth2:100.200 or eth2:untagged
	VNI      []string // --vni 10100
	Peer     []string // --peer 192.0.2.20
	Name     string   // --name gw-a
	Engine   string   // --engine auto
	Socket   string   // --socket /run/drawbridge/api.sock
	State    string   // --state /var/lib/drawbridge
}

// FromFlags checks flags as Parse checks a file. An extension is named after its circuit: eth2-2301. The
// error is Faults, whose File is the flag and its value.
func FromFlags(f Flags) (*Config, error) { return fromFlags(f, os.Hostname) }

func fromFlags(f Flags, hostname func() (string, error)) (*Config, error) {
	b := &flagTree{reader: &reader{flags: []string{"flags"}}}
	root := b.tree(f)
	return b.finish("", root, &draft{hostname: hostname})
}

// flagTree builds the nodes that a file with the same meaning would have. A place's line counts the
// flags in reader.flags; the first stands for all of them together.
type flagTree struct{ *reader }

func (b *flagTree) tree(f Flags) *node {
	api := object(b.optional("--socket", "socket", f.Socket)...)
	gateway := object(pairs("underlay", b.underlay(f), "api", api)...)
	gateway.pairs = append(gateway.pairs, b.optional("--name", "name", f.Name)...)
	gateway.pairs = append(gateway.pairs, b.optional("--engine", "engine", f.Engine)...)
	gateway.pairs = append(gateway.pairs, b.optional("--state", "state", f.State)...)
	root := object(pairs("gateway", gateway, "extensions", b.extensions(f))...)
	root.pairs = append(root.pairs, pair{key: "peer-groups", at: place{1, 1}, value: b.peers(f.Peer)})
	return root
}

func (b *flagTree) underlay(f Flags) *node {
	n := object()
	switch names := strings.Split(f.Underlay, ","); {
	case f.Underlay == "":
		b.missing("--underlay", "the interface towards the VTEPs, such as --underlay eth1,")
		n.partly = true
	case len(names) == 1:
		n.pairs = b.optional("--underlay", "interface", f.Underlay)
	default:
		at := b.flag("--underlay", f.Underlay)
		uplinks := &node{kind: list, at: at, key: at}
		for _, name := range names {
			uplinks.items = append(uplinks.items, text(name, at))
		}
		n.pairs = []pair{{key: "interface", at: at, value: uplinks}}
	}
	n.pairs = append(n.pairs, b.optional("--address", "address", f.Address)...)
	n.pairs = append(n.pairs, b.optional("--port", "port", f.Port)...)
	return n
}

func (b *flagTree) extensions(f Flags) *node {
	n := object()
	if len(f.Attach) == 0 {
		b.missing("--attach", "a circuit, such as --attach eth2:2301,")
	}
	if len(f.Attach) != len(f.VNI) {
		b.add(b.flag("--vni", ""), "%s and %s were found: one --vni for each --attach is needed", plural(len(f.Attach), "circuit"), plural(len(f.VNI), "VNI"))
	}
	taken := map[string]bool{}
	for i, attach := range f.Attach {
		at := b.flag("--attach", attach)
		e := b.extension(attach, at)
		peers := &node{kind: list, at: at, key: at, items: []*node{text(peersGroup, at)}}
		overlay := object(pair{key: "peers", at: at, value: peers})
		if i < len(f.VNI) {
			overlay.pairs = append(overlay.pairs, b.optional("--vni", "vni", f.VNI[i])...)
		}
		overlay.partly = i >= len(f.VNI)
		e.pairs = append(e.pairs, pair{key: "overlay", at: at, value: overlay})
		n.pairs = append(n.pairs, pair{key: circuitName(attach, taken), at: at, value: e})
	}
	return n
}

// peersGroup names the group of all peers. As a group they are checked once, not with each extension.
const peersGroup = "flags"

func (b *flagTree) peers(addresses []string) *node {
	if len(addresses) == 0 {
		b.missing("--peer", "the address of a VTEP, such as --peer 192.0.2.20,")
		return &node{kind: broken, at: place{1, 1}}
	}
	members := &node{kind: list, at: place{1, 1}}
	for _, a := range addresses {
		members.items = append(members.items, text(a, b.flag("--peer", a)))
	}
	return object(pair{key: peersGroup, at: place{1, 1}, value: members})
}

func (b *flagTree) extension(attach string, at place) *node {
	nic, vlan, ok := strings.Cut(attach, ":")
	if !ok {
		b.add(at, "no VLAN was found: an interface and its VLAN such as eth2:2301, eth2:100.200 or eth2:untagged is allowed")
		return object(pair{key: "attachment", at: at, value: &node{kind: broken, at: at, key: at}})
	}
	attachment := object(
		pair{key: "interface", at: at, value: text(nic, at)},
		pair{key: "vlan", at: at, value: text(vlan, at)},
	)
	return object(pair{key: "attachment", at: at, value: attachment})
}

// circuitName makes a name that no other circuit has taken; the checks then judge the circuits.
func circuitName(attach string, taken map[string]bool) string {
	base := nameLetters(attach)
	base = base[:min(len(base), 28)] // room for -4096
	if base == "" {
		base = "-"
	}
	name := base
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	taken[name] = true
	return name
}

// flag notes what was typed, and returns its place.
func (b *flagTree) flag(name, typed string) place {
	b.flags = append(b.flags, strings.TrimRight(name+" "+printed(typed), " "))
	return place{len(b.flags), 1}
}

func (b *flagTree) missing(name, need string) {
	b.add(b.flag(name, ""), "it is missing: %s is needed", need)
}

// optional is the pair of a flag that was given, or none.
func (b *flagTree) optional(name, key, typed string) []pair {
	if typed == "" {
		return nil
	}
	at := b.flag(name, typed)
	return []pair{{key: key, at: at, value: text(typed, at)}}
}

func text(s string, at place) *node { return &node{kind: scalar, at: at, key: at, text: s} }

func object(pairs ...pair) *node { return &node{kind: mapping, at: place{1, 1}, pairs: pairs} }

func pairs(key1 string, value1 *node, key2 string, value2 *node) []pair {
	all := place{1, 1}
	return []pair{{key: key1, at: all, value: value1}, {key: key2, at: all, value: value2}}
}

// plural prints a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
