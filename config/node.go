// SPDX-License-Identifier: Apache-2.0

package config

// kind says what a node is.
type kind uint8

const (
	broken  kind = iota // could not be read; the fault is already reported, so that checks stay quiet
	empty               // a key without a value
	scalar              // text
	list                // items
	mapping             // pairs
)

// String names the kind as a fault says what it found.
func (k kind) String() string {
	return [...]string{"something unreadable", "nothing", "a value", "a list", "a map"}[k]
}

// node is a piece of the file: the file type that every checked type is read from.
type node struct {
	kind   kind
	quoted bool   // a scalar in quotes, or a block of text
	at     place  // of the value itself
	key    place  // of the key whose value this is; no place for the file itself and for items of a list
	text   string // of a scalar, as it is written, or what the quotes hold
	items  []*node
	pairs  []pair
	// partly is set on a mapping of which an entry could not be read, not even its key: what seems to be
	// missing may stand there.
	partly bool
}

// pair is one entry of a mapping.
type pair struct {
	key   string
	at    place
	value *node
}

// home is where a fault about the node as a whole belongs: its key, or the node when it has none.
func (n *node) home() place {
	if n.key.known() {
		return n.key
	}
	return n.at
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return n.pairs[i].value
		}
	}
	return nil
}
