// SPDX-License-Identifier: Apache-2.0

// Package host is the gateway's view of the machine it runs on: links, addresses, routes, MTU and
// neighbours. It reads and writes them through netlink, and ethtool's ioctls for what netlink lacks; it
// runs no programs. Types of the netlink library stop here.
//
// A Host works in the network namespace of the thread that called Open. Everything here is idempotent:
// what is already right is left alone, deleting what is gone is success, and what we did not create is
// not deleted. Settings that were changed on a NIC are returned with their former values (Saved), so that
// they can be put back (Restore) by a later process.
package host
