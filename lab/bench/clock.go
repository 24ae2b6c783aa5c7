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
	// clockCPU counts the time that the CPU really worked for the frames, which a meter knows. On an idle machine it is the wall's;
	// on a busy one it leaves out what others took.
	clockCPU clock = "cpu"
	// clockWall counts all time.
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

// meter knows whose CPU time is spent on frames.
type meter struct {
	own       bool  // the calling thread's: generator, gateway and sink when they share it
	threads   []int // kernel threads: softirqs that overflow, threaded NAPI
	processes []int // with all threads that they have or had
}

// now is the CPU time that they have had together.
func (m meter) now() (time.Duration, error) {
	var sum time.Duration
	if m.own {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			return 0, fmt.Errorf("read thread's CPU time: %w", err)
		}
		sum = time.Duration(t.Nano())
	}
	for _, thread := range m.threads {
		ran, err := kernelThreadTime(thread)
		if err != nil {
			return 0, err
		}
		sum += ran
	}
	for _, process := range m.processes {
		var t unix.Timespec
		if err := unix.ClockGettime(processClock(process), &t); err != nil {
			return 0, fmt.Errorf("read CPU time of process %d: %w", process, err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}

// processClock is clock_getcpuclockid(3).
func processClock(process int) int32 {
	const sched = 2 // CPUCLOCK_SCHED
	return int32(^process<<3 | sched)
}

// processTime is the CPU time that this process and all softirq threads have had.
func processTime() (time.Duration, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	threads, err := kernelThreads(func(name string) bool { return strings.HasPrefix(name, "ksoftirqd/") })
	if err != nil {
		return 0, err
	}
	helped, err := meter{threads: threads}.now()
	return time.Duration(usage.Utime.Nano()+usage.Stime.Nano()) + helped, err
}

// kernelThreadTime is the first figure of /proc/ID/schedstat.
func kernelThreadTime(id int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", id))
	if err != nil {
		return 0, fmt.Errorf("read kernel thread's CPU time: %w", err)
	}
	first, _, _ := strings.Cut(string(stat), " ")
	ran, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read kernel thread's CPU time: %w", err)
	}
	return time.Duration(ran), nil
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
