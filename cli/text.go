// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// clean makes text from the daemon fit for a line on a terminal: control characters, which could move the
// cursor or end the line, become blanks, and bytes that are no UTF-8 the replacement character.
func clean(s string) string { return strings.Map(printable, s) }

// cleanLines is clean that leaves line ends alone.
func cleanLines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return printable(r)
	}, s)
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	if unicode.IsControl(r) || unicode.IsSpace(r) {
		return ' '
	}
	return unicode.ReplacementChar
}

// cut shortens text to at most limit letters.
func cut(s string, limit int) string {
	letters := []rune(s)
	if len(letters) <= limit {
		return s
	}
	return string(letters[:limit-1]) + "…"
}

// age prints a duration by its two largest units: 12s, 3m5s, 2h10m, 9d4h.
func age(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%dm", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%dd%dh", s/86400, s%86400/3600)
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// memory prints bytes in binary units.
func memory(bytes uint64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, prefix := float64(bytes)/unit, 0
	for value >= unit && prefix < 3 {
		value, prefix = value/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[prefix])
}

func number[T int | int64 | uint32 | uint64](n T) string { return strconv.FormatInt(int64(n), 10) }

func frames(n uint64) string { return strconv.FormatUint(n, 10) }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
