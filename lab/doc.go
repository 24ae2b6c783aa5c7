// SPDX-License-Identifier: Apache-2.0

// Package lab builds networks in network namespaces: a customer's site with tagged hosts, a gateway, an
// underlay, and a cloud of hypervisors with real kernel VXLAN tunnel endpoints and virtual machines. The
// demo, the integration tests and the benchmarks use it. It needs root, and no programs besides nsenter
// (and dnsmasq where a DHCP server is asked for).
//
// A Net is a set of namespaces that goes away as a whole; a Lab is the whole topology in a Net:
//
//	customer's hosts ─ switch ═ trunk ═ gateway ─ underlay ─ hypervisors ─ VMs
//
// Everything is removed by Close, also after half a Build. CloseOnSignal does the same on Ctrl-C.
package lab
