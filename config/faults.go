// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxFaults bounds what one reading keeps: about 10 MB. It is many times what a gateway with all its extensions at fault has; a
// file with more is not meant for us.
const maxFaults = 50_000

// Fault is one thing that is wrong with a configuration, and where.
type Fault struct {
	File    string // as given to Parse; of flags: the flag and its value
	Line    int    // from 1; 0 when the fault is not in a file
	Column  int    // from 1, in characters
	Message string // what was found, and what is allowed
}

// String prints file:line:column: message, or flag: message.
func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// Faults is every fault of a configuration, sorted by place. It is the error of Parse and FromFlags.
type Faults []Fault

// Error prints one fault a line.
func (f Faults) Error() string {
	var b strings.Builder
	for i, fault := range f {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(fault.String())
	}
	return b.String()
}

// place is where a node stands. Of a file: line and column, from 1. Of flags: the line counts the flags.
// The zero value is no place.
type place struct{ line, column int }

func (p place) known() bool { return p.line > 0 }

// mark is a fault before it knows its file.
type mark struct {
	at      place
	message string
}

// findings gathers faults while one configuration is read.
type findings struct {
	marks   []mark
	skipped int // faults beyond maxFaults
}

func (f *findings) add(at place, format string, args ...any) {
	if len(f.marks) >= maxFaults {
		f.skipped++
		return
	}
	f.marks = append(f.marks, mark{at: at, message: oneLine(fmt.Sprintf(format, args...))})
}

// oneLine replaces what could break a line or steer a terminal: messages repeat text of the file.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !printable(c) {
			return '?'
		}
		return c
	}, s)
}

// sorted returns the faults by place; faults at one place stay in the order in which they were found.
func (f *findings) sorted(file string, flags []string) Faults {
	slices.SortStableFunc(f.marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	faults := make(Faults, 0, len(f.marks)+1)
	for _, m := range f.marks {
		fault := Fault{File: file, Line: m.at.line, Column: m.at.column, Message: m.message}
		if flags != nil {
			fault = Fault{File: flags[m.at.line-1], Message: m.message}
		}
		faults = append(faults, fault)
	}
	if f.skipped > 0 {
		faults = append(faults, Fault{File: file, Message: fmt.Sprintf("%d more faults are not shown", f.skipped)})
	}
	return faults
}
