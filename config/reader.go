// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// reader turns nodes into checked values. Its methods report what is wrong, and leave the default where a
// value is missing or faulty, so that reading always goes on.
type reader struct {
	findings
	flags []string // what was typed, when the configuration comes from flags
}

// field is one key that a mapping may hold.
type field struct {
	key  string
	need string // what is allowed, when the key must be there
	read func(path string, n *node)
}

// mapping reads the entries of n: every key must be one of fields, once.
func (r *reader) mapping(path string, n *node, fields []field) {
	if n.kind == scalar || n.kind == list {
		r.isMapping(path, n, "a map of "+keysOf(fields))
	}
	if n.kind != mapping && n.kind != empty {
		return
	}
	seen := make([]place, len(fields))
	for _, p := range n.pairs {
		i := fieldIndex(fields, p.key)
		if i < 0 {
			r.add(p.at, "%s: unknown key %s%s: %s is allowed", dotted(path), show(p.key), suggest(p.key, fields), keysOf(fields))
			continue
		}
		if seen[i].known() {
			r.add(p.at, "%s: the key is there twice, first %s: once is allowed", join(path, p.key), r.where(seen[i]))
			continue
		}
		seen[i] = p.at
		fields[i].read(join(path, p.key), p.value)
	}
	for i, f := range fields {
		if f.need != "" && !seen[i].known() && !n.partly {
			r.add(n.home(), "%s: %s is missing: %s is needed", dotted(path), f.key, f.need)
		}
	}
}

// entries calls read for each entry of a mapping whose keys the user chooses.
func (r *reader) entries(path string, n *node, what string, read func(path string, p pair)) {
	if !r.isMapping(path, n, what) {
		return
	}
	seen := make(map[string]place, len(n.pairs))
	for _, p := range n.pairs {
		if first, twice := seen[p.key]; twice {
			r.add(p.at, "%s: the key is there twice, first %s: once is allowed", join(path, p.key), r.where(first))
			continue
		}
		seen[p.key] = p.at
		read(join(path, p.key), p)
	}
}

func (r *reader) isMapping(path string, n *node, what string) bool {
	if n.kind == scalar || n.kind == list {
		r.add(n.at, "%s: %s was found: %s is allowed", path, found(n), what)
	}
	return n.kind == mapping || n.kind == empty
}

// items returns the items of a list. A key without a value is a list without items: its items may all
// be comments.
func (r *reader) items(path string, n *node, what string) []*node {
	if n.kind == scalar || n.kind == mapping {
		r.add(n.at, "%s: %s was found: a list of %s is allowed", path, found(n), what)
	}
	return n.items
}

// text returns a scalar's text.
func (r *reader) text(path string, n *node, allowed string) (string, bool) {
	switch n.kind {
	case scalar:
		return n.text, true
	case broken:
		return "", false
	}
	at := n.at
	if n.kind == empty {
		at = n.home()
	}
	r.add(at, "%s: %s was found: %s is allowed", path, found(n), allowed)
	return "", false
}

// read sets into to what parse makes of n's text. The errors of parse say what was found and why it
// is refused; what is allowed is added here.
func read[T any](r *reader, path string, n *node, allowed string, parse func(string) (T, error), into *T) bool {
	text, ok := r.text(path, n, allowed)
	if !ok {
		return false
	}
	v, err := parse(text)
	if err != nil {
		r.add(n.at, "%s: %s: %s is allowed", path, err, allowed)
		return false
	}
	*into = v
	return true
}

// value makes a field that holds one scalar.
func value[T any](r *reader, key, allowed string, parse func(string) (T, error), into *T) field {
	return field{key: key, read: func(path string, n *node) { read(r, path, n, allowed, parse, into) }}
}

// readNumber is read for a number, or a word in place of it. A number in quotes is text.
func readNumber[T any](r *reader, path string, n *node, allowed string, parse func(string) (T, error), into *T) bool {
	if n.kind == scalar && n.quoted && n.text != "" && strings.Trim(n.text, "0123456789") == "" {
		r.add(n.at, "%s: text in quotes was found: %s is allowed, without quotes", path, allowed)
		return false
	}
	return read(r, path, n, allowed, parse, into)
}

// number makes a field that holds a number, or a word in place of it.
func number[T any](r *reader, key, allowed string, parse func(string) (T, error), into *T) field {
	return field{key: key, read: func(path string, n *node) { readNumber(r, path, n, allowed, parse, into) }}
}

// option is one word that a choice allows.
type option[T any] struct {
	word  string
	value T
}

// choice makes a field that holds one of a few words.
func choice[T any](r *reader, key string, into *T, options ...option[T]) field {
	return field{key: key, read: func(path string, n *node) {
		for _, o := range options {
			if n.kind == scalar && n.text == o.word {
				*into = o.value
				return
			}
		}
		read(r, path, n, wordsOf(options), chosen(options), into)
	}}
}

// chosen makes a parser of the options' words.
func chosen[T any](options []option[T]) func(string) (T, error) {
	return func(s string) (T, error) {
		for _, o := range options {
			if o.word == s {
				return o.value, nil
			}
		}
		var zero T
		return zero, fmt.Errorf("%s was found", show(s))
	}
}

// boolean makes a field that holds true or false, without quotes.
func boolean(r *reader, key string, into *bool) field {
	options := []option[bool]{{"true", true}, {"false", false}}
	return field{key: key, read: func(path string, n *node) {
		if n.kind == scalar && n.quoted {
			r.add(n.at, "%s: text in quotes was found: %s is allowed", path, wordsOf(options))
			return
		}
		read(r, path, n, wordsOf(options), chosen(options), into)
	}}
}

// where says in a fault where something else stands.
func (r *reader) where(at place) string {
	if r.flags != nil {
		return "by " + r.flags[at.line-1]
	}
	return fmt.Sprintf("in line %d", at.line)
}

func fieldIndex(fields []field, key string) int {
	for i := range fields {
		if fields[i].key == key {
			return i
		}
	}
	return -1
}

func keysOf(fields []field) string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return enumerate(keys)
}

func wordsOf[T any](options []option[T]) string {
	words := make([]string, len(options))
	for i, o := range options {
		words[i] = o.word
	}
	return enumerate(words)
}

// enumerate prints "a, b or c".
func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func join(path, key string) string {
	key = printed(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

// dotted names the top of the file in a fault.
func dotted(path string) string {
	if path == "" {
		return "configuration"
	}
	return path
}

// maxShown bounds how much of a user's text a fault repeats, in bytes.
const maxShown = 40

// found describes a node that is not what was expected.
func found(n *node) string {
	if n.kind == scalar {
		return show(n.text)
	}
	return n.kind.String()
}

// show prints a user's text for a fault: numbers and addresses as they are, words in quotes.
func show(s string) string {
	if isBare(s) {
		return s
	}
	if len(s) > maxShown {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:maxShown], ""))
	}
	return fmt.Sprintf("%q", s)
}

// printed returns s as it can be printed: on one line, without control characters, not too long.
func printed(s string) string {
	if len(s) <= maxShown && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return !printable(c) }) {
		return s
	}
	return show(s)
}

// isBare reports whether s reads as a number or an address without quotes.
func isBare(s string) bool {
	if s == "" || len(s) > maxShown || !strings.ContainsAny(s, "0123456789") {
		return false
	}
	for _, c := range []byte(s) {
		if !isWord(c) && !strings.ContainsRune("+-.:/%", rune(c)) {
			return false
		}
	}
	return s[0] >= '0' && s[0] <= '9' || s[0] == '-' || s[0] == '+' || strings.Count(s, ":") > 1
}

// suggest names the key that the user may have meant: at most two letters away.
func suggest(key string, fields []field) string {
	best, distance := "", 3
	for _, f := range fields {
		if d := editDistance(key, f.key, distance); d < distance {
			best, distance = f.key, d
		}
	}
	if best == "" || distance >= len(best) {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// editDistance is Levenshtein's distance, or limit when it is not below.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j+1]+1, row[j]+1)
		}
	}
	return min(row[len(b)], limit)
}
