// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mutant is one change of one file.
type mutant struct {
	file         string
	line, column int
	kind         string
	from, until  int // the bytes that are replaced
	old, new     string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%d %s: %s → %s", m.file, m.line, m.column, m.kind, oneLine(m.old), oneLine(m.new))
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "nothing"
	}
	return s
}

// apply is the source with the change made.
func (m mutant) apply(source string) string { return source[:m.from] + m.new + source[m.until:] }

// turned says what becomes of an operator between two operands.
var turned = map[string][]string{
	"==": {"!="}, "!=": {"=="},
	"<": {"<=", ">="}, "<=": {"<", ">"}, ">": {">=", "<="}, ">=": {">", "<"},
	"&&": {"||"}, "||": {"&&"},
	"+": {"-"}, "-": {"+"}, "<<": {">>"}, ">>": {"<<"}, "|": {"&"},
}

// finder collects the mutants of a file.
type finder struct {
	file   string
	source string
	tokens []token
	found  []mutant
}

// mutantsOf finds every mutant of a file, in its order.
func mutantsOf(file, source string) []mutant {
	f := &finder{file: file, source: source, tokens: tokens(source)}
	for i, t := range f.tokens {
		switch {
		case t.isNumber():
			f.number(t)
		case t.text == "if":
			f.condition(i)
		case t.text == "return":
			f.result(i)
		case t.isWord() && f.begins(i):
			f.statement(i)
		case t.text == "!":
			f.add("negation", t.offset, t.end(), "")
		case i > 0 && f.tokens[i-1].endsOperand():
			for _, other := range turned[t.text] {
				f.add("operator", t.offset, t.end(), other)
			}
		}
	}
	return f.found
}

func (f *finder) add(kind string, from, until int, replacement string) {
	f.found = append(f.found, mutant{
		file: f.file, line: 1 + strings.Count(f.source[:from], "\n"), column: from - strings.LastIndex(f.source[:from], "\n"), kind: kind,
		from: from, until: until, old: f.source[from:until], new: replacement,
	})
}

// number moves a constant by one.
func (f *finder) number(t token) {
	digits := strings.TrimRight(t.text, "uUlL")
	value, err := strconv.ParseUint(digits, 0, 64)
	if err != nil {
		return
	}
	suffix := t.text[len(digits):]
	f.add("constant", t.offset, t.end(), strconv.FormatUint(value+1, 10)+suffix)
	if value > 0 {
		f.add("constant", t.offset, t.end(), strconv.FormatUint(value-1, 10)+suffix)
	}
}

// condition turns the condition of an if.
func (f *finder) condition(i int) {
	last := f.closing(i + 1)
	if last < 0 {
		return
	}
	from, until := f.tokens[i+1].end(), f.tokens[last].offset
	f.add("condition", from, until, "!("+f.source[from:until]+")")
}

// closing is the index of the parenthesis that closes the one at index open, -1 without any.
func (f *finder) closing(open int) int {
	depth := 0
	for i := open; i < len(f.tokens); i++ {
		switch f.tokens[i].text {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 {
			if i == open {
				return -1
			}
			return i
		}
	}
	return -1
}

// result makes a function return 0. Constants are moved by number.
func (f *finder) result(i int) {
	last := f.semicolon(i)
	if last < 0 || last == i+1 || last == i+2 && f.tokens[i+1].isNumber() || f.tokens[i+1].text == "DROP_NONE" {
		return
	}
	f.add("result", f.tokens[i+1].offset, f.tokens[last].offset, "0")
}

// begins: a statement may begin at index i.
func (f *finder) begins(i int) bool {
	if i == 0 {
		return false
	}
	if f.tokens[i-1].text != ")" {
		return slices.Contains([]string{";", "{", "}", "else"}, f.tokens[i-1].text)
	}
	open := i - 1
	for depth := 1; depth > 0 && open > 0; {
		open--
		switch f.tokens[open].text {
		case ")":
			depth++
		case "(":
			depth--
		}
	}
	return open > 0 && slices.Contains([]string{"if", "for", "while"}, f.tokens[open-1].text)
}

// statement takes out a call whose result nobody wants, or an assignment.
func (f *finder) statement(i int) {
	last := f.semicolon(i)
	if last < 0 {
		return
	}
	if f.tokens[i+1].text == "(" && f.closing(i+1) == last-1 {
		f.add("statement", f.tokens[i].offset, f.tokens[last].offset, "")
		return
	}
	for _, t := range f.tokens[i+1 : last] {
		if strings.HasSuffix(t.text, "=") && turned[t.text] == nil {
			f.add("statement", f.tokens[i].offset, f.tokens[last].offset, "")
			return
		}
		if !slices.Contains([]string{".", "->", "[", "]"}, t.text) && !isIndex(f.tokens[i+1:last], t) {
			return
		}
	}
}

// isIndex: the token is a member's name or inside brackets, so that it may stand left of an assignment.
func isIndex(list []token, t token) bool {
	depth, before := 0, ""
	for _, u := range list {
		if u == t {
			return depth > 0 || before == "." || before == "->"
		}
		switch u.text {
		case "[":
			depth++
		case "]":
			depth--
		}
		before = u.text
	}
	return false
}

// semicolon is the index of the one that ends the statement at index i, -1 when a block begins or ends before.
func (f *finder) semicolon(i int) int {
	for ; i < len(f.tokens); i++ {
		switch f.tokens[i].text {
		case ";":
			return i
		case "{", "}":
			return -1
		}
	}
	return -1
}
