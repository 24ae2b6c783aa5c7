// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"net"
	"strings"
	"testing"
)

func TestListenNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:9471": "tcp4", "127.0.0.1:9471": "tcp4", "[::ffff:192.0.2.10]:9471": "tcp4",
		"[::1]:9471": "tcp6", "[2001:db8::1]:9471": "tcp6", "[fe80::1%eth0]:9471": "tcp6",
		"[::]:9471": "tcp", ":9471": "tcp", "localhost:9471": "tcp",
	} {
		if got := listenNetwork(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// Who writes every address of IPv4 does not mean those of IPv6.
func TestListeningOnIPv4LeavesIPv6Alone(t *testing.T) {
	l, err := listenTCP("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Addr().String(); !strings.HasPrefix(got, "0.0.0.0:") {
		t.Errorf("listens on %s", got)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if c, err := net.Dial("tcp6", "[::1]:"+port); err == nil {
		c.Close()
		t.Error("answers over IPv6")
	}
}
