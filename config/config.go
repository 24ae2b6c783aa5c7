// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
)

// maxFileSize is the most that is read of a file, in bytes. 4,096 extensions with every key take about half.
const maxFileSize = 8 << 20

// Config is a checked configuration. Every default is filled in.
type Config struct {
	File       string // where it came from; empty for flags
	Gateway    Gateway
	Interfaces map[string]Interface // only those that the file names
	Extensions []Extension          // sorted by name
}

// Load reads and checks a file. The error is Faults when the content is at fault, and wraps the
// system's error when the file cannot be read.
func Load(file string) (*Config, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(file, data)
}

// readFile reads one byte more than is allowed at most: enough for Parse to see it.
func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileSize+1))
}

// Parse checks the content of a file, whose name appears in faults only. The error is Faults: all of
// them. The host's name is asked for when the content has no gateway.name; nothing else of the host
// matters.
func Parse(file string, data []byte) (*Config, error) {
	return parse(file, data, os.Hostname)
}

func parse(file string, data []byte, hostname func() (string, error)) (*Config, error) {
	r := &reader{}
	if len(data) > maxFileSize {
		r.add(place{1, 1}, "the file is longer than %d bytes: at most that is allowed", maxFileSize)
		return r.finish(file, nil, &draft{hostname: hostname})
	}
	return r.parts(file, cutText(&r.findings, string(data)), &draft{hostname: hostname})
}

// cutText cuts a file into sections and parts.
func cutText(f *findings, text string) pieces {
	sections, parts := split(f, clean(f, text))
	return pieces{sections, parts}
}

// pieces are a file that was cut.
type pieces struct {
	sections []section
	parts    []part
}

// parts makes a configuration of a file's pieces.
func (r *reader) parts(file string, p pieces, d *draft) (*Config, error) {
	root := tree(&r.findings, p)
	if len(root.pairs) == 0 && !root.partly && len(r.marks) == 0 {
		r.add(place{1, 1}, "the file is empty: at least gateway: {underlay: {interface: eth1}} is needed")
	}
	return r.finish(file, root, d)
}

// finish checks a tree as a whole. Without a tree, or with an empty one whose faults are known, there is
// nothing more to say.
func (r *reader) finish(file string, root *node, d *draft) (*Config, error) {
	c := &Config{File: file, Interfaces: map[string]Interface{}}
	d.config = c
	if root != nil && (len(root.pairs) > 0 || len(r.marks) == 0) {
		r.document(root, d)
		r.check(d)
	}
	if len(r.marks) > 0 {
		return nil, r.sorted(file, r.flags)
	}
	slices.SortFunc(c.Extensions, func(a, b Extension) int { return cmp.Compare(a.Name, b.Name) })
	return c, nil
}

// draft is a configuration while it is read, with what is only needed to check its sections against
// each other.
type draft struct {
	config   *Config
	hostname func() (string, error)
	gateway  gatewayPlaces
	groups   map[string]group
	// groupsPartly is set when a group could not be read: an unknown one may be that.
	groupsPartly bool
	interfaces   map[string]place
	extensions   []places // beside config.Extensions
	family       family
}

// document reads the sections. Peer groups and the gateway come before what refers to them, wherever
// they stand in the file.
func (r *reader) document(root *node, d *draft) {
	d.config.Gateway = defaultGateway()
	later := func(string, *node) {}
	r.mapping("", root, []field{
		{key: "gateway", need: "gateway: {underlay: {interface: eth1}}", read: func(path string, n *node) { r.gateway(path, n, d) }},
		{key: "interfaces", read: func(path string, n *node) { r.interfaces(path, n, d) }},
		{key: "peer-groups", read: later},
		{key: "extensions", read: later},
	})
	if root.get("gateway") != nil {
		r.gatewayName(d)
	}
	d.groupsPartly = root.partly
	if n := root.get("peer-groups"); n != nil {
		r.peerGroups("peer-groups", n, d)
	}
	if n := root.get("extensions"); n != nil {
		r.extensions("extensions", n, d)
	}
}
