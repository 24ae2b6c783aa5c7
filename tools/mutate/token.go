// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// token is one word of C: an identifier, a number, or an operator. Comments, strings and directives are none.
type token struct {
	text   string
	offset int
}

func (t token) end() int { return t.offset + len(t.text) }

func (t token) isWord() bool { return t.text != "" && isLetter(t.text[0]) }

func (t token) isNumber() bool { return t.text != "" && isDigit(t.text[0]) }

// endsOperand: what follows is a binary operator, no sign.
func (t token) endsOperand() bool {
	return (t.isWord() && t.text != "return") || t.isNumber() || t.text == ")" || t.text == "]"
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// The longest come first.
var operators = []string{
	"<<=", ">>=", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
}

// tokens splits C into its words. A directive is left out, but for what a #define stands for.
func tokens(source string) []token {
	var list []token
	for at := 0; at < len(source); {
		rest := source[at:]
		switch {
		case strings.HasPrefix(rest, "/*"):
			at += through(rest, "*/")
		case strings.HasPrefix(rest, "//"):
			at += through(rest, "\n")
		case rest[0] == '#':
			at += directive(rest)
		case rest[0] == '"' || rest[0] == '\'':
			at += quoted(rest)
		case isLetter(rest[0]) || isDigit(rest[0]):
			n := word(rest)
			list = append(list, token{rest[:n], at})
			at += n
		case strings.IndexByte(" \t\n\\", rest[0]) >= 0:
			at++
		default:
			t := token{operator(rest), at}
			list = append(list, t)
			at = t.end()
		}
	}
	return list
}

// directive is the length of what to skip: of a #define only as far as its name and parameters go.
func directive(rest string) int {
	if !strings.HasPrefix(rest, "#define ") {
		return through(rest, "\n")
	}
	n := len("#define ")
	n += word(rest[n:])
	if n < len(rest) && rest[n] == '(' {
		n += through(rest[n:], ")")
	}
	return n
}

func through(rest, mark string) int {
	if i := strings.Index(rest, mark); i >= 0 {
		return i + len(mark)
	}
	return len(rest)
}

func quoted(rest string) int {
	for i := 1; i < len(rest); i++ {
		if rest[i] == '\\' {
			i++
		} else if rest[i] == rest[0] {
			return i + 1
		}
	}
	return len(rest)
}

func word(rest string) int {
	n := 0
	for n < len(rest) && (isLetter(rest[n]) || isDigit(rest[n])) {
		n++
	}
	return n
}

func operator(rest string) string {
	for _, o := range operators {
		if strings.HasPrefix(rest, o) {
			return o
		}
	}
	return rest[:1]
}
