// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Memory reads one version of a configuration after the other. Most versions differ from the one before by an extension or two
// among thousands: only those are read anew. What it returns is what Parse returns, faults and all. The zero value has read
// nothing. It is not safe for concurrent use.
type Memory struct {
	hostname func() (string, error) // nil: the system's
	rest     string                 // of the last version: all but the extensions
	host     string                 // its host's name
	draft    *draft                 // what its extensions were checked against
	known    map[string]*remembered // its extensions, by their text
	version  uint64

	last   []Extension  // of the last version, sorted by name
	inFile []l2.Name    // their names in the file's order
	order  []int        // of each of them: its place in inFile
	sorted []*Extension // what last was made of
}

// remembered is an extension that was read from a text of its own, and the last version that had it.
type remembered struct {
	extension Extension
	version   uint64
}

// Parse is as the function of the same name.
func (m *Memory) Parse(file string, data []byte) (*Config, error) {
	if m.hostname == nil {
		m.hostname = os.Hostname
	}
	if len(data) > maxFileSize {
		return parse(file, data, m.hostname)
	}
	r := &reader{}
	p := cutText(&r.findings, string(data))
	if len(r.marks) == 0 {
		if c := m.recall(file, p); c != nil {
			return c, nil
		}
	}
	d := &draft{hostname: m.hostname}
	c, err := r.parts(file, p, d)
	if err == nil {
		m.keep(p, d, c)
	}
	return c, err
}

// isExtension reports whether a part is an entry of the extensions.
func (p *pieces) isExtension(i int) bool {
	return p.parts[i].role == entry && p.sections[p.parts[i].section].key == "extensions"
}

// rest is the text of all but the extensions, which decides what an extension's text means.
func (p *pieces) rest() string {
	var b strings.Builder
	for i := range p.parts {
		if !p.isExtension(i) {
			b.WriteString(p.parts[i].text)
			b.WriteByte(0)
		}
	}
	return b.String()
}

// keep remembers a configuration that was read as a whole.
func (m *Memory) keep(p pieces, d *draft, c *Config) {
	named := make(map[string]*Extension, len(c.Extensions))
	for i := range c.Extensions {
		named[string(c.Extensions[i].Name)] = &c.Extensions[i]
	}
	slim := *d
	slim.config, slim.extensions = &Config{Gateway: c.Gateway, Interfaces: c.Interfaces}, nil
	m.rest, m.draft, m.known = p.rest(), &slim, make(map[string]*remembered, len(named))
	m.last, m.inFile, m.order, m.sorted = nil, nil, nil, nil
	m.host, _ = m.hostname()
	m.version++
	for i := range p.parts {
		if !p.isExtension(i) {
			continue
		}
		name, ok := plainKey(firstLine(strings.TrimLeft(p.parts[i].text, " ")))
		if e := named[name]; ok && e != nil {
			m.known[p.parts[i].text] = &remembered{*e, m.version}
		}
	}
}

// recall makes a configuration of what is remembered, and of extensions that are read anew. It returns nil when it cannot: when
// more than extensions differs, and when anything is wrong, since faults tell places that are not remembered.
func (m *Memory) recall(file string, p pieces) *Config {
	if m.draft == nil || p.rest() != m.rest {
		return nil
	}
	if host, err := m.hostname(); err != nil || host != m.host {
		return nil
	}
	m.version++
	extensions := make([]*Extension, 0, len(p.parts))
	for i := range p.parts {
		if !p.isExtension(i) {
			continue
		}
		e := m.extension(p.parts[i])
		if e == nil {
			return nil
		}
		extensions = append(extensions, e)
	}
	if !m.together(extensions) {
		return nil
	}
	m.forget(len(extensions))
	return m.config(file, extensions)
}

// extension is what a part says; nil when something is wrong with it.
func (m *Memory) extension(p part) *Extension {
	if known := m.known[p.text]; known != nil {
		known.version = m.version
		return &known.extension
	}
	p.text = strings.Clone(p.text) // or the whole version would be kept for as long as this extension is
	var read reading
	read.read(p)
	if len(read.marks) > 0 || read.partly || len(read.pairs) != 1 {
		return nil
	}
	r := &reader{}
	d := *m.draft
	e, _ := r.extension(join("extensions", read.pairs[0].key), read.pairs[0], &d)
	if len(r.marks) > 0 {
		return nil
	}
	known := &remembered{e, m.version}
	m.known[p.text] = known
	return &known.extension
}

// together reports whether extensions, each of which is right, are right together.
func (m *Memory) together(extensions []*Extension) bool {
	if len(extensions) == 0 || len(extensions) > maxExtensions {
		return false
	}
	names := make(map[l2.Name]bool, len(extensions))
	circuits := make(map[circuit]bool, len(extensions))
	vnis := make(map[l2.VNI]bool, len(extensions))
	for _, e := range extensions {
		names[e.Name] = true
		circuits[circuit{nic: e.Attachment.Interface, vlan: e.Attachment.VLAN}] = true
		vnis[e.Overlay.VNI] = true
		if m.draft.uplink(e.Attachment.Interface) >= 0 {
			return false
		}
	}
	return min(len(names), len(circuits), len(vnis)) == len(extensions)
}

// forget drops what this version does not have, once it is as much again.
func (m *Memory) forget(used int) {
	if len(m.known) < 2*used {
		return
	}
	for text, known := range m.known {
		if known.version != m.version {
			delete(m.known, text)
		}
	}
}

// config copies what is the same as in the last version in one go.
func (m *Memory) config(file string, extensions []*Extension) *Config {
	m.sort(extensions)
	var all []Extension
	if len(m.last) == len(m.order) {
		all = slices.Clone(m.last)
	} else {
		all, m.sorted = make([]Extension, len(m.order)), make([]*Extension, len(m.order))
	}
	for i, at := range m.order {
		if e := extensions[at]; m.sorted[i] != e {
			all[i], m.sorted[i] = *e, e
		}
	}
	m.last = all
	return &Config{File: file, Gateway: m.draft.config.Gateway, Interfaces: m.draft.config.Interfaces, Extensions: all}
}

// sort finds the order by name, which is the last version's as long as the names are.
func (m *Memory) sort(extensions []*Extension) {
	same := len(m.inFile) == len(extensions)
	for i := 0; same && i < len(extensions); i++ {
		same = m.inFile[i] == extensions[i].Name
	}
	if same {
		return
	}
	m.inFile, m.order = make([]l2.Name, len(extensions)), make([]int, len(extensions))
	for i, e := range extensions {
		m.inFile[i], m.order[i] = e.Name, i
	}
	slices.SortFunc(m.order, func(a, b int) int { return cmp.Compare(m.inFile[a], m.inFile[b]) })
}
