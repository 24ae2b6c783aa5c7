// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// untab puts a space for each tab that separates (YAML 1.2.2 §6.2), which the parser drops without counting it. A tab inside a
// text without quotes it would drop too: there, and then bad is its offset, a tab is refused. Else bad is -1.
func untab(text string) (out string, bad int) {
	if !strings.Contains(text, "\t") {
		return text, -1
	}
	b := []byte(text)
	quote := byte(0) // that is open
	fresh := true    // a value may start here
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			} else if c == '\\' && quote == '"' {
				i++
			}
		case c == '\n':
			fresh = true
		case c == ' ':
		case c == '\t':
			n := blanks(text[i:])
			if !fresh && !endsText(text[i+n:]) {
				return text, i
			}
			copy(b[i:], strings.Repeat(" ", n))
			i += n - 1
		case c == '#' && (i == 0 || b[i-1] == ' ' || b[i-1] == '\n'):
			i += len(firstLine(text[i:])) - 1
		case c == '"' || c == '\'':
			if fresh || b[i-1] == c && c == '\'' { // two in a row stand for one
				quote = c
			}
			fresh = false
		default:
			fresh = strings.IndexByte(":,{[", c) >= 0 || c == '-' && fresh
		}
	}
	return string(b), -1
}

// blanks counts the spaces and tabs that text begins with.
func blanks(text string) int { return len(text) - len(strings.TrimLeft(text, " \t")) }

// endsText reports whether a text has ended before the blanks that rest follows.
func endsText(rest string) bool { return rest == "" || strings.IndexByte("\n#,]}", rest[0]) >= 0 }
