// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// sum is what became of all mutants.
type sum struct {
	mu        sync.Mutex
	counts    map[verdict]int
	survivors []mutant
	err       error
}

func newSum() *sum { return &sum{counts: make(map[verdict]int)} }

func (s *sum) add(m mutant, v verdict, by string, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = errors.Join(s.err, fmt.Errorf("%v: %w", m, err))
		return
	}
	s.counts[v]++
	if v == survived {
		s.survivors = append(s.survivors, m)
	}
	if by != "" {
		by = " by " + by
	}
	fmt.Printf("%3.0fs %v: %s%s\n", took.Seconds(), m, v, by)
}

// String is the last lines: the survivors, then the figures.
func (s *sum) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, m := range s.survivors {
		fmt.Fprintf(&b, "survived: %v\n", m)
	}
	dead := s.counts[killed] + s.counts[unloaded] + s.counts[hung]
	fmt.Fprintf(&b, "mutants: %d run, %d killed (%d by the verifier, %d by time), %d survived, %d same code, %d do not compile",
		dead+s.counts[survived], dead, s.counts[unloaded], s.counts[hung], s.counts[survived], s.counts[same], s.counts[malformed])
	return b.String()
}
