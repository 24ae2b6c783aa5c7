// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clock is what a frame rate is counted against.
type clock string

const (
	// clockCPU counts the time that the CPU really worked for the frames: of the generator's thread, on which gateway and sink run,
	// too, and of the kernel thread that helps it out. On an idle machine it is the wall's; on a busy one it
	// leaves out what others took.
	clockCPU clock = "cpu"
	// clockWall counts all time. Needed where generator and gateway have a CPU each.
	clockWall clock = "wall"
)

// elapsed is how long frames took, on both clocks.
type elapsed struct{ wall, cpu time.Duration }

func (e elapsed) add(more elapsed) elapsed {
	return elapsed{wall: e.wall + more.wall, cpu: e.cpu + more.cpu}
}

// on is the time on one of the clocks.
func (e elapsed) on(c clock) time.Duration {
	if c == clockCPU {
		return e.cpu
	}
	return e.wall
}

// workTime is the CPU time that the calling thread and its CPU's softirq thread have had.
func workTime(softirq int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read thread's CPU time: %w", err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", softirq))
	if err != nil {
		return 0, fmt.Errorf("read softirq thread's CPU time: %w", err)
	}
	first, _, _ := strings.Cut(string(stat), " ")
	helped, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read softirq thread's CPU time: %w", err)
	}
	return time.Duration(t.Nano() + helped), nil
}

// softirqThread is the process id of ksoftirqd on a CPU.
func softirqThread(cpu int) (int, error) {
	threads, err := kernelThreads(func(name string) bool { return name == fmt.Sprintf("ksoftirqd/%d", cpu) })
	if err != nil || len(threads) != 1 {
		return 0, fmt.Errorf("find ksoftirqd/%d: found %d: %w", cpu, len(threads), err)
	}
	return threads[0], nil
}

// kernelThreads are the processes whose name is wanted.
func kernelThreads(wanted func(name string) bool) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil, err
	}
	var threads []int
	for _, file := range files {
		name, err := os.ReadFile(file)
		if err != nil || !wanted(strings.TrimSpace(string(name))) {
			continue // another one, or it ended meanwhile
		}
		if id, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			threads = append(threads, id)
		}
	}
	return threads, nil
}
