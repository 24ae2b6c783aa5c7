// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"unicode/utf8"
)

// part is a run of lines that is read by itself: a section that is not divided, or one entry of a
// section. Dividing has three reasons: what is wrong in one entry hides no fault of another; the YAML
// parser needs time that grows with the square of a mapping's keys; and its tokens, some 400 bytes
// each, live only as long as their part.
type part struct {
	section int // index into the sections
	role    role
	line    int    // of the first line of text, from 1
	text    string // whole lines
	broken  bool   // a fault is reported already: not to be parsed
}

// role says what the lines of a part are.
type role uint8

const (
	whole  role = iota // a section with its key
	header             // the key of a section whose entries are parts of their own
	entry              // one entry of a section
)

// section is a key in column 1.
type section struct {
	key    string // only with a header
	at     place
	indent int // of the entries, behind a header
}

// splitter cuts a file into parts, line by line.
type splitter struct {
	*findings
	sections []section
	parts    []part
	starts   []int // offset of each part's text
	indent   int   // of the current section's entries; 0: not known yet; -1: the section is not divided
	begun    bool  // "---" or content was seen
	closed   bool  // "..." was seen
	ended    bool  // what follows belongs to another document
	end      int   // offset behind the last line that counts
}

// split cuts text, whose lines end in \n, into sections and parts.
func split(f *findings, text string) ([]section, []part) {
	s := &splitter{findings: f}
	offset := 0
	for number := 1; offset < len(text) && !s.ended; number++ {
		line, _, _ := strings.Cut(text[offset:], "\n")
		s.line(number, offset, line)
		if !s.ended {
			offset = min(offset+len(line)+1, len(text))
			s.end = offset
		}
	}
	for i := range s.parts {
		end := s.end
		if i+1 < len(s.parts) {
			end = s.starts[i+1]
		}
		s.parts[i].text = text[s.starts[i]:end]
	}
	return s.sections, s.parts
}

func (s *splitter) line(number, offset int, line string) {
	content := strings.TrimLeft(line, " ")
	indent := len(line) - len(content)
	bare := strings.TrimLeft(content, "\t")
	if bare == "" || bare[0] == '#' {
		return
	}
	switch {
	case s.closed:
		s.second(place{number, indent + 1})
	case indent == 0 && s.marker(number, line):
	case content != bare:
		s.tab(number, offset, indent)
	case indent == 0:
		s.top(number, offset, line)
	default:
		s.inner(number, offset, indent, content)
	}
	s.begun = s.begun || line[0] != '%'
}

// marker handles the lines that only start or end documents, and reports whether line was one.
func (s *splitter) marker(number int, line string) bool {
	at := place{number, 1}
	switch {
	case line[0] == '%':
		s.add(at, "a YAML directive was found: none is allowed")
	case startsWord(line, "---") && !s.begun:
		if rest := strings.TrimSpace(line[3:]); rest != "" && rest[0] != '#' {
			s.add(at, "text follows the document's start: --- stands alone on its line")
		}
	case startsWord(line, "---"):
		s.second(at)
	case startsWord(line, "..."):
		s.closed = true
	default:
		return false
	}
	return true
}

func (s *splitter) second(at place) {
	s.add(at, "a second YAML document starts here: one document is allowed")
	s.ended = true
}

func (s *splitter) tab(number, offset, indent int) {
	s.add(place{number, indent + 1}, "a tab was found in the indentation: spaces are allowed")
	if len(s.parts) == 0 {
		s.open(part{section: s.addSection(section{}), line: number}, offset)
	}
	s.parts[len(s.parts)-1].broken = true
}

// top handles a line that starts in column 1.
func (s *splitter) top(number, offset int, line string) {
	if len(s.parts) > 0 && continues(line) {
		if s.indent == 0 {
			s.first(0, line)
		}
		return
	}
	at := place{number, 1}
	if key, ok := headerKey(line); ok {
		s.indent = 0
		s.open(part{section: s.addSection(section{key: key, at: at}), role: header, line: number}, offset)
		return
	}
	s.indent = -1
	s.open(part{section: s.addSection(section{at: at}), line: number}, offset)
}

// inner handles an indented line.
func (s *splitter) inner(number, offset, indent int, content string) {
	at := place{number, indent + 1}
	if len(s.sections) == 0 {
		s.add(at, "the line is indented, but no section is open: sections such as gateway: start in column 1")
		s.open(part{section: s.addSection(section{}), line: number, broken: true}, offset)
		s.indent = -1
		return
	}
	if s.indent == 0 {
		s.first(indent, content)
	}
	p := part{section: len(s.sections) - 1, role: entry, line: number}
	switch {
	case s.indent < 0 || indent > s.indent || continues(content):
	case indent == s.indent:
		s.open(p, offset)
	default:
		s.add(at, "an indentation of %d spaces fits no block: the section's entries have %d", indent, s.indent)
		p.broken = true
		s.open(p, offset)
	}
}

// first decides from the first line below a header whether the section is divided.
func (s *splitter) first(indent int, content string) {
	if isWord(content[0]) || content[0] == '"' || content[0] == '\'' {
		s.indent = indent
		s.sections[len(s.sections)-1].indent = indent
		return
	}
	s.indent = -1
	s.parts[len(s.parts)-1].role = whole
}

func (s *splitter) addSection(c section) int {
	s.sections = append(s.sections, c)
	return len(s.sections) - 1
}

func (s *splitter) open(p part, offset int) {
	s.parts = append(s.parts, p)
	s.starts = append(s.starts, offset)
}

// continues reports whether content belongs to the entry above although it is indented no deeper: an
// item of a list, or the end of a flow collection.
func continues(content string) bool {
	return content[0] == '}' || content[0] == ']' || startsWord(content, "-")
}

// startsWord reports whether line starts with word, followed by a space or nothing.
func startsWord(line, word string) bool {
	rest, ok := strings.CutPrefix(line, word)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// headerKey reads "key:" alone on its line, with or without a comment.
func headerKey(line string) (string, bool) {
	key, ok := plainKey(line)
	if !ok {
		return "", false
	}
	rest := line[len(key)+1:]
	value := strings.TrimLeft(rest, " \t")
	return key, value == "" || (value[0] == '#' && len(value) < len(rest))
}

// plainKey reads the key at the start of a line, when it is made of letters, digits and hyphens.
func plainKey(line string) (string, bool) {
	for i := range len(line) {
		if line[i] == ':' && i > 0 && (i+1 == len(line) || line[i+1] == ' ' || line[i+1] == '\t') {
			return line[:i], true
		}
		if !isWord(line[i]) && line[i] != '-' {
			return "", false
		}
	}
	return "", false
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// clean reports what no YAML text may hold, and returns text without it, with \n ending its lines: bytes
// that are not UTF-8, and control characters.
func clean(f *findings, text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.Contains(text, "\r\n") {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	if isPlain(text) {
		return text
	}
	at := place{1, 0}
	faulty := false
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		at.column++
		switch {
		case r == '\n':
			at = place{at.line + 1, 0}
		case r == utf8.RuneError && size == 1:
			f.add(at, "the byte 0x%02x was found: the file must be UTF-8", text[i-1])
			faulty = true
		case !printable(r) && r != '\t':
			f.add(at, "the control character %U was found: none is allowed", r)
			faulty = true
		}
	}
	if !faulty {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || printable(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(text, "?"))
}

// isPlain reports whether text is ASCII without control characters, as most files are.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// printable is YAML 1.2.2's c-printable without line breaks, tab and the byte order mark; the line and
// paragraph separators are left out too, since editors count lines differently by them.
func printable(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}
