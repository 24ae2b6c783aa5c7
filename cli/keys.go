// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"unicode/utf8"
)

// key is what somebody pressed: a letter as it is, or one of the names below.
type key string

const (
	keyUp     key = "up"
	keyDown   key = "down"
	keyPageUp key = "page up"
	keyPageDn key = "page down"
	keyHome   key = "home"
	keyEnd    key = "end"
	keyLeft   key = "left"
	keyRight  key = "right"
	keyEnter  key = "enter"
	keyEscape key = "escape"
)

// sequences are what terminals send for keys without a letter: CSI and SS3 forms (ECMA-48 §8.3.16; xterm, ctlseqs).
var sequences = map[string]key{
	"\x1b[A": keyUp, "\x1bOA": keyUp, "\x1b[B": keyDown, "\x1bOB": keyDown,
	"\x1b[C": keyRight, "\x1bOC": keyRight, "\x1b[D": keyLeft, "\x1bOD": keyLeft,
	"\x1b[5~": keyPageUp, "\x1b[6~": keyPageDn,
	"\x1b[H": keyHome, "\x1bOH": keyHome, "\x1b[1~": keyHome, "\x1b[F": keyEnd, "\x1bOF": keyEnd, "\x1b[4~": keyEnd,
}

// keysOf divides what one read of a terminal brought. A sequence comes whole; one that is not known is passed
// over.
func keysOf(input []byte) []key {
	var keys []key
	for len(input) > 0 {
		k, n := firstKey(input)
		if k != "" {
			keys = append(keys, k)
		}
		input = input[n:]
	}
	return keys
}

// firstKey is the first key and how many bytes it is; an empty key means nothing to us.
func firstKey(input []byte) (key, int) {
	switch input[0] {
	case '\r', '\n':
		return keyEnter, 1
	case 0x1b:
		return escapedKey(input)
	}
	r, n := utf8.DecodeRune(input)
	if r == utf8.RuneError || r < ' ' {
		return "", n
	}
	return key(r), n
}

// escapedKey is the key that begins with an escape character.
func escapedKey(input []byte) (key, int) {
	if len(input) == 1 {
		return keyEscape, 1
	}
	if input[1] != '[' && input[1] != 'O' {
		return "", 2 // Alt and a letter
	}
	// Parameters end with a byte from @ to ~ (ECMA-48 §5.4).
	end := bytes.IndexFunc(input[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	if end < 0 {
		return "", len(input)
	}
	n := 2 + end + 1
	return sequences[string(input[:n])], n
}
