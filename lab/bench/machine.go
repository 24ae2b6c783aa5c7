// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where a run took place. Its figures say nothing about another one.
type machine struct {
	Kernel    string `json:"kernel"`
	CPU       string `json:"cpu"`
	CPUs      int    `json:"cpus"`
	Virtual   bool   `json:"virtual"`
	SpectreV2 string `json:"spectre_v2"` // retpolines make indirect calls dear, and so the kernel's own path
	NIC       string `json:"nic"`
}

func thisMachine() machine {
	m := machine{CPUs: runtime.NumCPU(), NIC: "none: veth pairs between network namespaces"}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		m.CPU = cpuinfo(info, "model name")
		m.Virtual = strings.Contains(" "+cpuinfo(info, "flags")+" ", " hypervisor ")
	}
	mitigation, err := os.ReadFile("/sys/devices/system/cpu/vulnerabilities/spectre_v2")
	if err == nil {
		m.SpectreV2 = string(bytes.TrimSpace(mitigation))
	}
	return m
}

func cpuinfo(info []byte, key string) string {
	lines := bufio.NewScanner(bytes.NewReader(info))
	lines.Buffer(nil, 1<<16)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// String is a sentence for the reports.
func (m machine) String() string {
	kind := "hardware"
	if m.Virtual {
		kind = "virtual machine"
	}
	return fmt.Sprintf("%s, %d × %s, Linux %s; NIC: %s", kind, m.CPUs, m.CPU, m.Kernel, m.NIC)
}

// cpuTimes are the seconds that all CPUs together have spent since the machine's start.
type cpuTimes struct {
	Busy  float64 `json:"busy"`
	Steal float64 `json:"steal"` // taken by the hypervisor for others
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux.
const ticksPerSecond = 100

// readCPUTimes reads the first line of /proc/stat.
func readCPUTimes() (cpuTimes, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTimes{}, fmt.Errorf("read CPU times: %w", err)
	}
	return parseCPUTimes(string(stat))
}

func parseCPUTimes(stat string) (cpuTimes, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return cpuTimes{}, fmt.Errorf("read CPU times: first line of /proc/stat is %q", line)
	}
	var ticks [8]float64 // user nice system idle iowait irq softirq steal
	for i := range ticks {
		value, err := strconv.ParseFloat(fields[i+1], 64)
		if err != nil {
			return cpuTimes{}, fmt.Errorf("read CPU times: %w", err)
		}
		ticks[i] = value / ticksPerSecond
	}
	return cpuTimes{Busy: ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6], Steal: ticks[7]}, nil
}

func (c cpuTimes) since(earlier cpuTimes) cpuTimes {
	return cpuTimes{Busy: c.Busy - earlier.Busy, Steal: c.Steal - earlier.Steal}
}
