// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"unicode/utf8"
)

// simple reads the YAML that nearly every part is written in: plain keys, and values and flow collections
// that end on their line. It exists for speed, since thousands of extensions take the YAML parser a
// second, and for [2001:db8::1], which the parser takes for a mapping when the list is in a mapping in
// braces. It gives up on anything else, and on anything wrong, and then the parser decides; what both
// read, they read alike (TestSimpleAgreesWithParser, FuzzParse).
type simple struct {
	rest   string // the lines after the current one
	number int    // of the current line
	indent int    // of the current line; -1 after the last one
	line   string // the current line without its indentation
	column int    // of the next unread character of line, from 0
	failed bool
}

// maxSimpleDepth is deeper than any legal value, and bounds the recursion.
const maxSimpleDepth = 12

// readSimple reads a part whose first line has this number, and reports whether it could.
func readSimple(text string, number int) ([]pair, bool) {
	s := &simple{rest: text, number: number - 1}
	s.next()
	if s.indent < 0 {
		return nil, false
	}
	n := s.block(s.indent, 0)
	return n.pairs, !s.failed && s.indent < 0
}

// next goes to the next line that is neither empty nor a comment.
func (s *simple) next() {
	for s.rest != "" {
		line, rest, _ := strings.Cut(s.rest, "\n")
		s.rest = rest
		s.number++
		content := strings.TrimLeft(line, " ")
		if content != "" && content[0] != '#' {
			s.indent, s.line, s.column = len(line)-len(content), content, 0
			return
		}
	}
	s.indent = -1
}

func (s *simple) fail() *node {
	s.failed = true
	return &node{}
}

// here is the place of the next unread character.
func (s *simple) here() place {
	return place{s.number, s.indent + utf8.RuneCountInString(s.line[:s.column]) + 1}
}

// block reads the lines of a mapping whose keys have this indentation.
func (s *simple) block(indent, depth int) *node {
	n := &node{kind: mapping, at: s.here()}
	for !s.failed && s.indent == indent && !startsWord(s.line, "-") {
		key, ok := s.key()
		if !ok || depth > maxSimpleDepth {
			return s.fail()
		}
		at := place{s.number, indent + 1}
		value := s.blockValue(indent, depth)
		value.key = at
		if value.kind == empty {
			value.at = at
		}
		n.pairs = append(n.pairs, pair{key: key, at: at, value: value})
	}
	if s.indent > indent || len(n.pairs) == 0 {
		return s.fail()
	}
	return n
}

// blockValue reads what follows "key:", on the same line or in the lines below, and goes to the line
// behind it.
func (s *simple) blockValue(indent, depth int) *node {
	if !s.atEnd() {
		return s.lineValue(indent, depth)
	}
	s.next()
	switch {
	case s.indent >= indent && startsWord(s.line, "-"):
		return s.sequence(s.indent, depth+1)
	case s.indent > indent:
		return s.block(s.indent, depth+1)
	}
	return &node{kind: empty}
}

// sequence reads the lines "- value" that have this indentation.
func (s *simple) sequence(indent, depth int) *node {
	n := &node{kind: list, at: s.here()}
	for !s.failed && s.indent == indent && startsWord(s.line, "-") {
		s.column++
		if s.atEnd() {
			return s.fail()
		}
		n.items = append(n.items, s.item(indent, depth))
	}
	if s.indent > indent {
		return s.fail()
	}
	return n
}

// item reads what follows "- ": a value, or a mapping whose first key stands on the same line.
func (s *simple) item(indent, depth int) *node {
	if _, ok := plainKey(s.line[s.column:]); !ok {
		return s.lineValue(indent, depth)
	}
	s.indent += s.column
	s.line = s.line[s.column:]
	s.column = 0
	return s.block(s.indent, depth+1)
}

// lineValue reads a value that ends with its line.
func (s *simple) lineValue(indent, depth int) *node {
	n := s.value(false, depth)
	if !s.atEnd() {
		return s.fail()
	}
	s.next()
	if s.indent > indent {
		return s.fail() // the value goes on in the next line
	}
	return n
}

// atEnd skips spaces, and reports whether only a comment follows on the line.
func (s *simple) atEnd() bool {
	start := s.column
	s.spaces()
	return s.column == len(s.line) || s.line[s.column] == '#' && s.column > start
}

func (s *simple) spaces() {
	for s.column < len(s.line) && s.line[s.column] == ' ' {
		s.column++
	}
}

// take skips spaces and then c, and reports whether it was there.
func (s *simple) take(c byte) bool {
	s.spaces()
	if s.column == len(s.line) || s.line[s.column] != c {
		return false
	}
	s.column++
	return true
}

// key reads "key:", up to the colon.
func (s *simple) key() (string, bool) {
	key, ok := plainKey(s.line[s.column:])
	if !ok || key[0] == '-' {
		return "", false
	}
	s.column += len(key) + 1
	return key, true
}

func (s *simple) value(flow bool, depth int) *node {
	s.spaces()
	if s.column == len(s.line) || depth > maxSimpleDepth {
		return s.fail()
	}
	switch s.line[s.column] {
	case '{':
		return s.flowMapping(depth)
	case '[':
		return s.flowSequence(depth)
	case '"', '\'':
		return s.quoted()
	}
	return s.plain(flow)
}

func (s *simple) flowMapping(depth int) *node {
	n := &node{kind: mapping, at: s.here()}
	s.column++
	if s.take('}') {
		return n
	}
	for !s.failed {
		s.spaces()
		at := s.here()
		key, ok := s.key()
		if !ok {
			break
		}
		value := s.value(true, depth+1)
		value.key = at
		n.pairs = append(n.pairs, pair{key: key, at: at, value: value})
		if s.take('}') {
			return n
		}
		if !s.take(',') {
			break
		}
	}
	return s.fail()
}

func (s *simple) flowSequence(depth int) *node {
	n := &node{kind: list, at: s.here()}
	s.column++
	if s.take(']') {
		return n
	}
	for !s.failed {
		n.items = append(n.items, s.value(true, depth+1))
		if s.take(']') {
			return n
		}
		if !s.take(',') {
			break
		}
	}
	return s.fail()
}

// quoted reads a text in quotes that holds no quote and no escape.
func (s *simple) quoted() *node {
	at, quote := s.here(), s.line[s.column]
	start := s.column + 1
	for s.column = start; s.column < len(s.line); s.column++ {
		switch c := s.line[s.column]; {
		case c == quote:
			s.column++
			if s.column < len(s.line) && !strings.ContainsRune(" ,]}", rune(s.line[s.column])) {
				return s.fail()
			}
			return &node{kind: scalar, quoted: true, at: at, text: s.line[start : s.column-1]}
		case c == '\\' || c < ' ':
			return s.fail()
		}
	}
	return s.fail()
}

// plain reads a text without quotes: letters and digits first, and few other characters behind.
func (s *simple) plain(flow bool) *node {
	at, start := s.here(), s.column
	for ; s.column < len(s.line); s.column++ {
		c := s.line[s.column]
		if flow && (c == ',' || c == ']' || c == '}') || c == '#' && s.line[s.column-1] == ' ' {
			break
		}
		if !isWord(c) && c < utf8.RuneSelf && (s.column == start || !strings.ContainsRune(" -./:%+(),", rune(c))) {
			return s.fail()
		}
	}
	text := strings.TrimRight(s.line[start:s.column], " ")
	s.column = start + len(text)
	if text == "" || strings.Contains(text, ": ") || text[len(text)-1] == ':' || isNull(text) {
		return s.fail()
	}
	return &node{kind: scalar, at: at, text: text}
}

// isNull reports whether a plain text is YAML's null.
func isNull(s string) bool { return s == "null" || s == "Null" || s == "NULL" }
