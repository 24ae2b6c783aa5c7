// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
)

func TestMutants(t *testing.T) {
	const source = `#include "x.h"
#define LIMIT 3
/* if (a == 1) */
static int f(struct s *s, int a)
{
	if (a && s->x < LIMIT) // return 9;
		s->list[a].x = 'b' + -0x10UL;
	count(s, "a == b");
	*(u8 *)a = b;
	return !a;
}
`
	want := []string{
		"f.h:2:15 constant: 3 → 4",
		"f.h:2:15 constant: 3 → 2",
		"f.h:6:6 condition: a && s->x < LIMIT → !(a && s->x < LIMIT)",
		"f.h:6:8 operator: && → ||",
		"f.h:6:16 operator: < → <=",
		"f.h:6:16 operator: < → >=",
		"f.h:7:3 statement: s->list[a].x = 'b' + -0x10UL → nothing",
		"f.h:7:25 constant: 0x10UL → 17UL",
		"f.h:7:25 constant: 0x10UL → 15UL",
		"f.h:8:2 statement: count(s, \"a == b\") → nothing",
		"f.h:10:9 result: !a → 0",
		"f.h:10:9 negation: ! → nothing",
	}
	var got []string
	for _, m := range mutantsOf("f.h", source) {
		got = append(got, m.String())
		if changed := m.apply(source); changed == source {
			t.Errorf("%v changes nothing", m)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestDeclarationsStay(t *testing.T) {
	for _, source := range []string{
		"int f(void);", "enum e { A, B };", "struct s { int x; };", "int f(void) { int x; }", "int f(void) { return; }",
	} {
		if got := mutantsOf("f.h", source); len(got) != 0 {
			t.Errorf("%q has mutants %v", source, got)
		}
	}
}
