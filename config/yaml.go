// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of one part. The deepest legal value is nested 6 deep, and the longest legal mapping has 14
// keys; the parser recurses for each level and for each key, and a stack that overflows ends the program.
const (
	maxPartSize  = 1 << 19 // bytes
	maxNesting   = 32      // brackets, dashes of one line, anchors and tags
	maxIndent    = 256     // columns
	maxBlockKeys = 256     // keys in a row outside brackets, without a dash between them
)

var (
	tooDeepMessage     = fmt.Sprintf("the value is nested too deeply: at most %d levels of brackets or dashes, and an indentation of at most %d spaces are allowed", maxNesting, maxIndent)
	tooManyKeysMessage = fmt.Sprintf("the map has too many keys: at most %d are allowed", maxBlockKeys)
)

// reading is what one part holds, and what is wrong with it.
type reading struct {
	findings
	pairs  []pair
	partly bool // an entry with an unknown key is missing
}

// tree reads a file's pieces as one mapping.
func tree(f *findings, p pieces) *node {
	sections, parts := p.sections, p.parts
	readings := readParts(parts)
	root := &node{kind: mapping, at: place{1, 1}}
	values := make([]*node, len(sections))
	for i, p := range parts {
		into := root
		switch s := sections[p.section]; {
		case p.role == header:
			into = &node{kind: empty, at: s.at, key: s.at}
			values[p.section] = into
			root.pairs = append(root.pairs, pair{key: s.key, at: s.at, value: into})
		case p.role == entry:
			into = values[p.section]
			if into.kind == empty {
				into.kind = mapping
				into.at = place{p.line, s.indent + 1}
			}
		}
		into.pairs = append(into.pairs, readings[i].pairs...)
		into.partly = into.partly || readings[i].partly
		for _, m := range readings[i].marks {
			f.add(m.at, "%s", m.message)
		}
		f.skipped += readings[i].skipped
	}
	return root
}

// readParts reads all parts, several at a time.
func readParts(parts []part) []reading {
	readings := make([]reading, len(parts))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 1+len(parts)/16) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(parts); i = int(next.Add(1)) - 1 {
				readings[i].read(parts[i])
			}
		})
	}
	workers.Wait()
	return readings
}

// read parses a part. Of one that cannot be read, the key is kept when its first line shows it, so that
// nobody calls it missing.
func (r *reading) read(p part) {
	if p.role == header {
		r.partly = p.broken
		return
	}
	if !p.broken {
		var ok bool
		if r.pairs, ok = readSimple(p.text, p.line); ok || r.parse(p) {
			return
		}
	}
	content := strings.TrimLeft(p.text, " ")
	key, ok := plainKey(firstLine(content))
	if !ok || p.role == whole && len(content) < len(p.text) {
		r.partly = true
		return
	}
	at := place{p.line, len(p.text) - len(content) + 1}
	r.pairs = []pair{{key: key, at: at, value: &node{kind: broken, at: at, key: at}}}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// parse reports whether the part is a mapping; if not, it has reported why.
func (r *reading) parse(p part) (ok bool) {
	start := place{p.line, 1}
	defer func() {
		// A fault of the parser must not end the daemon that reads a file.
		if recover() != nil {
			r.add(start, "what starts here cannot be read as YAML")
			ok = false
		}
	}()
	if len(p.text) > maxPartSize {
		r.add(start, "what starts here is %d bytes long: at most %d is allowed for one section or entry", len(p.text), maxPartSize)
		return false
	}
	text, bad := untab(p.text)
	if bad >= 0 {
		r.add(placeOf(text, bad, p.line), "a tab was found inside a text: spaces are allowed, or the text in quotes")
		return false
	}
	r.pairs = nil
	tokens := lexer.Tokenize(text)
	if message, tk := tooDeep(tokens); tk != nil {
		r.add(position(tk, p.line), "%s", message)
		return false
	}
	if !r.colons(tokens, p.line) {
		return false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err, p.line)
		return false
	}
	c := converter{findings: &r.findings, line: p.line, lines: strings.Split(text, "\n")}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		n := c.convert(d.Body)
		if n.kind != mapping {
			r.add(start, "%s was found: key: value is expected", n.kind)
			return false
		}
		r.pairs = append(r.pairs, n.pairs...)
	}
	return true
}

func (r *reading) syntax(err error, line int) {
	var bad yaml.Error
	if !errors.As(err, &bad) || bad.GetToken() == nil || bad.GetToken().Position == nil {
		r.add(place{line, 1}, "what starts here is not YAML")
		return
	}
	r.add(position(bad.GetToken(), line), "not YAML: %s", strings.Join(strings.Fields(bad.GetMessage()), " "))
}

// position is a token's place in the file, when its part starts at line. Columns count characters.
func position(tk *token.Token, line int) place {
	p := tk.Position
	if p == nil {
		return place{line, 1}
	}
	return place{line + p.Line - 1, max(p.Column, 1)}
}

// placeOf is the place in the file of an offset into a part that starts at line.
func placeOf(text string, offset, line int) place {
	before := text[:offset]
	begin := strings.LastIndexByte(before, '\n') + 1
	return place{line + strings.Count(before, "\n"), utf8.RuneCountInString(before[begin:]) + 1}
}

// tooDeep returns the token at which a part goes beyond the bounds, and what is wrong with it.
func tooDeep(tokens token.Tokens) (string, *token.Token) {
	brackets, inRow, keys, dashLine := 0, 0, 0, 0
	marks := 0
	for _, tk := range tokens {
		if tk.Position.Line != dashLine {
			inRow, dashLine = 0, tk.Position.Line
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType:
			inRow++
			keys = 0
		case token.AnchorType, token.AliasType, token.TagType, token.MappingKeyType, token.MergeKeyType:
			marks++
		case token.MappingValueType:
			if brackets == 0 {
				keys++
			}
		}
		switch {
		case brackets > maxNesting || inRow > maxNesting || tk.Position.Column-1 > maxIndent && firstOfLine(tk):
			return tooDeepMessage, tk
		case marks > maxNesting:
			return "there are too many anchors, aliases, tags and question marks: none is allowed", tk
		case keys > maxBlockKeys:
			return tooManyKeysMessage, tk
		}
	}
	return "", nil
}

// colons refuses a colon in the middle of a word where the parser takes it for the end of a key, as in
// {peers: [2001:db8::1]}: YAML 1.2.2 §7.3.3 has it as part of the word.
func (r *reading) colons(tokens token.Tokens, line int) bool {
	ok := true
	for _, tk := range tokens {
		if tk.Type != token.MappingValueType || tk.Prev == nil || tk.Next == nil {
			continue
		}
		key, after := tk.Prev, tk.Next.Origin
		quoted := key.Type == token.DoubleQuoteType || key.Type == token.SingleQuoteType
		apart := tk.Next.Position.Line != tk.Position.Line || tk.Next.Position.Column != tk.Position.Column+1
		if quoted || apart || after == "" || strings.ContainsRune(" \n,[]{}", rune(after[0])) {
			continue
		}
		r.add(position(key, line), "%s has a colon without a space behind it: put the text in quotes", show(key.Value+":"+strings.TrimSpace(after)))
		ok = false
	}
	return ok
}

func firstOfLine(tk *token.Token) bool {
	return tk.Prev == nil || tk.Prev.Position.Line != tk.Position.Line
}

// converter turns the parser's tree into nodes, and refuses what a configuration does not need: anchors,
// aliases, merge keys and tags. Nothing is ever copied for an alias, so that no file grows while it is read.
type converter struct {
	*findings
	line  int      // of the part's first line
	lines []string // of the part
}

func (c *converter) at(n ast.Node) place {
	if tk := n.GetToken(); tk != nil {
		return position(tk, c.line)
	}
	return place{c.line, 1}
}

// start is the place of a scalar. The parser counts the spaces behind a plain one as if they stood
// before it: where its place does not hold the text, the text that starts before is meant.
func (c *converter) start(n ast.Node) place {
	at := c.at(n)
	text := n.GetToken().Value
	switch n.GetToken().Type {
	case token.DoubleQuoteType:
		text = `"`
	case token.SingleQuoteType:
		text = "'"
	}
	if at.line-c.line >= len(c.lines) {
		return at
	}
	line := c.lines[at.line-c.line]
	offset := 0 // of the place in bytes
	for range at.column - 1 {
		_, size := utf8.DecodeRuneInString(line[offset:])
		offset += size
	}
	if strings.HasPrefix(line[offset:], text) {
		return at
	}
	if i := strings.LastIndex(line[:min(offset+len(text), len(line))], text); i >= 0 {
		at.column = utf8.RuneCountInString(line[:i]) + 1
	}
	return at
}

func (c *converter) convert(n ast.Node) *node {
	switch v := n.(type) {
	case *ast.MappingNode:
		return c.mapping(v, v.Values)
	case *ast.MappingValueNode:
		return c.mapping(v, []*ast.MappingValueNode{v})
	case *ast.SequenceNode:
		out := &node{kind: list, at: c.at(v)}
		for _, item := range v.Values {
			out.items = append(out.items, c.convert(item))
		}
		return out
	case *ast.NullNode:
		return &node{kind: empty, at: c.at(v)}
	case *ast.LiteralNode:
		return &node{kind: scalar, quoted: true, at: c.at(v), text: v.Value.GetToken().Value}
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		tk := n.GetToken()
		quoted := tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType
		return &node{kind: scalar, quoted: quoted, at: c.start(n), text: tk.Value}
	}
	return c.refuse(n)
}

func (c *converter) refuse(n ast.Node) *node {
	at := c.at(n)
	what := "something that is no value"
	switch v := n.(type) {
	case *ast.AnchorNode:
		what = "an anchor (&)"
	case *ast.AliasNode:
		what = "an alias (*)"
	case *ast.TagNode:
		what = "the tag " + v.GetToken().Value
	case *ast.DirectiveNode:
		what = "a YAML directive"
	case nil:
		at = place{c.line, 1}
	}
	c.add(at, "%s was found: it is not allowed; write the value itself, in quotes if it starts with & * ! or %%", what)
	return &node{kind: broken, at: at}
}

func (c *converter) mapping(n ast.Node, values []*ast.MappingValueNode) *node {
	out := &node{kind: mapping, at: c.at(n)}
	if len(values) > 0 {
		out.pairs = make([]pair, 0, len(values))
	}
	for i, v := range values {
		at := c.start(v.Key)
		if flow, ok := n.(*ast.MappingNode); i == 0 && (!ok || !flow.IsFlowStyle) {
			out.at = at
		}
		key, ok := c.key(v.Key, at)
		if !ok {
			out.partly = true
			continue
		}
		value := c.convert(v.Value)
		value.key = at
		if value.kind == empty {
			value.at = at
		}
		out.pairs = append(out.pairs, pair{key: key, at: at, value: value})
	}
	return out
}

func (c *converter) key(n ast.MapKeyNode, at place) (string, bool) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
		return n.GetToken().Value, true
	case *ast.MergeKeyNode:
		c.add(at, "the merge key << was found: it is not allowed; write the keys themselves")
	default:
		c.add(at, "a key that is no plain text was found: write key: value")
	}
	return "", false
}
