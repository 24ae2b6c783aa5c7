// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/host"
)

// judge makes the findings of what was looked at. It is pure.
func judge(x *examined) []finding {
	var all []finding
	for _, check := range []func(*examined) []finding{
		judgeKernel, judgeBTF, judgeBPFFS, judgeMemory, judgeClock, judgeCertificate,
		judgeNICs, judgeUnderlay, judgePeers, judgeSpread, judgeMTU, judgeTwoTags, judgePaths,
		judgePort, judgeFirewall, judgeConntrack, judgeReversePath, judgeVirtual, judgeStrangers,
	} {
		all = append(all, check(x)...)
	}
	return all
}

func judgeKernel(x *examined) []finding {
	f := finding{Check: "kernel", Severity: fine, Finding: x.system.Release}
	if err := x.system.KernelFault(); err != nil {
		f.Severity, f.Finding = severe, err.Error()
		f.Consequence = "the gateway does not start"
		f.Remedy = "boot Linux 6.6 or newer: Debian 13, Ubuntu 24.04"
	}
	found := []finding{f}
	if !x.system.JIT {
		found = append(found, finding{"jit", "", warning, "the kernel interprets BPF programs",
			"each frame costs several times as much", "sysctl -w net.core.bpf_jit_enable=1, and the same line in /etc/sysctl.d"})
	}
	return found
}

func judgeBTF(x *examined) []finding {
	if x.system.BTF {
		return []finding{{Check: "btf", Severity: fine, Finding: "/sys/kernel/btf/vmlinux is there"}}
	}
	return []finding{{"btf", "", severe, "the kernel has no BTF (/sys/kernel/btf/vmlinux)", "the gateway does not start",
		"use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions' kernels are; in a container, mount the host's /sys"}}
}

func judgeBPFFS(x *examined) []finding {
	switch {
	case !x.system.HasBPFFS():
		return []finding{{"bpffs", "", severe, "the kernel has no BPF file system", "the gateway does not start",
			"use a kernel built with CONFIG_BPF_SYSCALL=y"}}
	case !x.system.BPFFSMounted:
		return []finding{{"bpffs", "", warning, "the BPF file system is not mounted on " + dataplaneFS,
			"the daemon mounts it, and the data plane lasts as long as that mount: in a container or a unit it ends with it",
			"mount -t bpf bpf " + dataplaneFS + "; with systemd it is mounted at boot"}}
	}
	return []finding{{Check: "bpffs", Severity: fine, Finding: "mounted on " + dataplaneFS}}
}

// lowMemory is what a gateway with some dozens of extensions takes, with room for the rest of the machine.
const lowMemory = 256 << 20

func judgeMemory(x *examined) []finding {
	s := x.system
	locked := "without limit"
	if s.Memlock != host.Unlimited {
		locked = fmt.Sprintf("%d KiB, which does not matter: since Linux 5.11 tables count for the control group", s.Memlock>>10)
	}
	found := []finding{{Check: "memlock", Severity: fine, Finding: "memory that may be locked: " + locked}}
	f := finding{Check: "memory", Severity: fine, Finding: fmt.Sprintf("%d MiB are available", s.MemAvailable>>20)}
	if s.MemAvailable < lowMemory {
		f.Severity = warning
		f.Consequence = "the daemon may be killed, and new extensions may get no tables; what forwards goes on"
		f.Remedy = "give the machine more memory, or lower guard.macs.limit of extensions that need less"
	}
	return append(found, f)
}

// judgeClock looks at the clock of the wall. No guard and no timer in the data path uses it.
func judgeClock(x *examined) []finding {
	const consequence = "times in the event log and in evidence cannot be compared with other machines'; guards are not affected, they have a clock of their own"
	c := x.system.Clock
	at := c.Now.UTC().Format("2006-01-02T15:04:05Z")
	switch {
	case c.Now.Before(c.Built):
		return []finding{{"clock", "", warning, at + " is before the kernel was built", consequence, "set it: timedatectl set-ntp true, or start chrony"}}
	case !c.Synchronised:
		return []finding{{"clock", "", warning, at + ", and nothing keeps it right", consequence, "timedatectl set-ntp true, or start chrony"}}
	}
	return []finding{{Check: "clock", Severity: fine, Finding: at + ", synchronised"}}
}

// certificateNotice is how long before its end a certificate is worth a word: a fifth of the shortest that is common, 90 days.
const certificateNotice = 18 * 24 * time.Hour

// judgeCertificate looks at the files of the API over TLS. Without them the socket still answers.
func judgeCertificate(x *examined) []finding {
	if x.tls == nil {
		return nil
	}
	const consequence = "over TCP nobody gets metrics, status and page; the socket and forwarding are not affected"
	const remedy = "renew what gateway.api.tls names; the daemon reads it again by itself"
	listen, now, until := x.config.Gateway.API.Listen, x.system.Clock.Now, x.tls.until.UTC().Format(time.DateOnly)
	switch {
	case x.tls.err != nil:
		return []finding{{"certificate", listen, severe, x.tls.err.Error(), consequence, remedy}}
	case !now.Before(x.tls.until):
		return []finding{{"certificate", listen, severe, "it was valid until " + until, consequence, remedy}}
	case now.Add(certificateNotice).After(x.tls.until):
		return []finding{{"certificate", listen, warning, "it is valid until " + until + " only", "after that " + consequence, remedy}}
	}
	return []finding{{Check: "certificate", Subject: listen, Severity: fine, Finding: "valid until " + until}}
}
