// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// The parsers of this file read one value from its text. Their errors say what was found and why it is
// refused; what is allowed is said by the reader, which knows the key.

var (
	errEmpty   = errors.New("nothing was found")
	errNotUTF8 = errors.New("text that is not UTF-8 was found")
)

// parseNumber reads a whole number in decimal, as people write it: no sign, no leading zero, no
// exponent, no underscore.
func parseNumber(s string) (uint64, error) {
	if s == "" {
		return 0, errEmpty
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%s is not a whole number", show(s))
		}
	}
	if len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("%s starts with 0, which may mean octal", show(s))
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is out of range", show(s))
	}
	return n, nil
}

// numberIn makes a parser of numbers from low to high.
func numberIn[T uint8 | uint16 | uint32 | uint64 | int](low, high T) func(string) (T, error) {
	return func(s string) (T, error) {
		n, err := parseNumber(s)
		if err != nil {
			return 0, err
		}
		if n < uint64(low) || n > uint64(high) {
			return 0, fmt.Errorf("%s is out of range", show(s))
		}
		return T(n), nil
	}
}

// durationIn makes a parser of a whole number with its unit: ms, s, m or h.
func durationIn(low, high time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := parseDuration(s)
		if err == nil && (d < low || d > high) {
			return 0, fmt.Errorf("%s is out of range", show(s))
		}
		return d, err
	}
}

// fromTo prints the bounds of durationIn as a file writes them, such as 100ms to 24h.
func fromTo(low, high time.Duration) string { return written(low) + " to " + written(high) }

// written prints a duration in the largest unit that leaves a whole number.
func written(d time.Duration) string {
	for _, u := range []struct {
		unit string
		size time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d%u.size == 0 {
			return fmt.Sprintf("%d%s", d/u.size, u.unit)
		}
	}
	return fmt.Sprintf("%dms", d/time.Millisecond)
}

func parseDuration(s string) (time.Duration, error) {
	digits := strings.TrimRight(s, "hms")
	var unit time.Duration
	switch s[len(digits):] {
	case "ms":
		unit = time.Millisecond
	case "s":
		unit = time.Second
	case "m":
		unit = time.Minute
	case "h":
		unit = time.Hour
	default:
		return 0, fmt.Errorf("%s is not a duration", show(s))
	}
	n, err := parseNumber(digits)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration", show(s))
	}
	if n > uint64(1<<62/unit) {
		return 0, fmt.Errorf("%s is out of range", show(s))
	}
	return time.Duration(n) * unit, nil
}

// parseVNI reads a VXLAN network identifier.
func parseVNI(s string) (l2.VNI, error) {
	n, err := parseNumber(s)
	if err != nil {
		return 0, err
	}
	vni, err := l2.NewVNI(int64(min(n, 1<<32)))
	if err != nil {
		return 0, fmt.Errorf("%s is out of range", show(s))
	}
	return vni, nil
}

// parseVID reads one VLAN identifier.
func parseVID(s string) (l2.VID, error) {
	n, err := parseNumber(s)
	if err != nil {
		return 0, err
	}
	vid, err := l2.NewVID(int(min(n, 1<<16)))
	if err != nil {
		return 0, fmt.Errorf("%s is out of range", show(s))
	}
	return vid, nil
}

// parseVLAN reads a circuit's tags. The error tells a number that is too large from one that is not
// written as a VLAN.
func parseVLAN(s string) (l2.VLAN, error) {
	v, err := l2.ParseVLAN(s)
	if err == nil {
		return v, nil
	}
	for _, tag := range strings.SplitN(s, ".", 2) {
		if _, err := parseNumber(tag); err != nil {
			return l2.VLAN{}, fmt.Errorf("%s is not a VLAN", show(s))
		}
	}
	return l2.VLAN{}, fmt.Errorf("%s is out of range", show(s))
}

// parseMAC reads a station's address or a group's.
func parseMAC(s string) (l2.MAC, error) {
	m, err := l2.ParseMAC(s)
	if err != nil {
		return l2.MAC{}, fmt.Errorf("%s is not a MAC address", show(s))
	}
	return m, nil
}

// parseStation reads the address of one station: neither zero nor a group.
func parseStation(s string) (l2.MAC, error) {
	m, err := parseMAC(s)
	switch {
	case err != nil:
		return l2.MAC{}, err
	case m.IsZero():
		return l2.MAC{}, fmt.Errorf("%s is no station's address", s)
	case m.IsGroup():
		return l2.MAC{}, fmt.Errorf("%s is a group's address", s)
	}
	return m, nil
}

// parseHost reads the address of one host: unicast, not of this host itself, without a zone.
func parseHost(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf("%s is not an IP address", show(s))
	case a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%s has a zone", show(s))
	case a.Is4In6():
		return netip.Addr{}, fmt.Errorf("%s is an IPv4 address written as IPv6: write %s", show(s), a.Unmap())
	case a.IsUnspecified():
		return netip.Addr{}, fmt.Errorf("%s is the unspecified address", show(s))
	case a.IsMulticast():
		return netip.Addr{}, fmt.Errorf("%s is a multicast address", show(s))
	case a.IsLoopback():
		return netip.Addr{}, fmt.Errorf("%s is a loopback address", show(s))
	case reserved4.Contains(a) || this4.Contains(a):
		return netip.Addr{}, fmt.Errorf("%s is not a unicast address", show(s))
	}
	return a, nil
}

// Addresses that no host may use: RFC 1122 §3.2.1.3 (a) and (b) "this network", RFC 1112 §4 class E with
// the limited broadcast.
var (
	this4     = netip.MustParsePrefix("0.0.0.0/8")
	reserved4 = netip.MustParsePrefix("240.0.0.0/4")
)

// parseVTEP reads a tunnel endpoint's address. A link-local IPv6 one means nothing without its link.
func parseVTEP(s string) (netip.Addr, error) {
	a, err := parseHost(s)
	if err == nil && a.Is6() && a.IsLinkLocalUnicast() {
		return netip.Addr{}, fmt.Errorf("%s is a link-local address", show(s))
	}
	return a, err
}

// nameAllowed says what parseName takes.
const nameAllowed = "a name of 1 to 32 of a-z, 0-9 and -"

func parseName(s string) (l2.Name, error) {
	name, err := l2.ParseName(s)
	if err != nil {
		return "", fmt.Errorf("%s is not a name", show(s))
	}
	return name, nil
}

// interfaceAllowed says what parseInterface takes.
const interfaceAllowed = "an interface's name of 1 to 15 characters, without space, slash or colon"

// parseInterface reads the name of a network interface, by the kernel's rules (dev_valid_name) and
// without what cannot be printed.
func parseInterface(s string) (string, error) {
	bad := func(c rune) bool { return c <= ' ' || c == '/' || c == ':' || c >= 0x7f }
	if s == "" || len(s) > 15 || s == "." || s == ".." || strings.ContainsFunc(s, bad) {
		return "", fmt.Errorf("%s is not an interface's name", show(s))
	}
	return s, nil
}

// pathAllowed says what parsePath takes.
func pathAllowed(size int) string {
	return fmt.Sprintf("an absolute path of at most %d bytes, without a slash at its end,", size)
}

// parsePath reads an absolute path that is at most size bytes long.
func parsePath(size int) func(string) (string, error) {
	return func(s string) (string, error) {
		switch {
		case !strings.HasPrefix(s, "/"):
			return "", fmt.Errorf("%s is not an absolute path", show(s))
		case len(s) > size:
			return "", fmt.Errorf("%s is %d bytes long", show(s), len(s))
		case strings.HasSuffix(s, "/"):
			return "", fmt.Errorf("%s ends with a slash", show(s))
		}
		return s, nil
	}
}
