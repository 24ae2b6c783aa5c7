// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"net"
	"net/netip"
)

// listenTCP listens where gateway.api.listen says, and nowhere else.
func listenTCP(address string) (net.Listener, error) {
	l, err := net.Listen(listenNetwork(address), address)
	if err != nil {
		return nil, fmt.Errorf("listen for gateway.api.listen: %w", err)
	}
	return l, nil
}

// listenNetwork keeps an address to its own family. Go takes 0.0.0.0 for every address of IPv6 too, past a firewall that only
// knows IPv4. [::] is every address of both, as the kernel has it by default; a name is what it resolves to.
func listenNetwork(address string) string {
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil || at.Addr() == netip.IPv6Unspecified():
		return "tcp"
	case at.Addr().Unmap().Is4():
		return "tcp4"
	}
	return "tcp6"
}
