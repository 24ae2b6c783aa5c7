// SPDX-License-Identifier: Apache-2.0

// Package api is the gateway's HTTP interface, both ends of it: a Server on a unix socket (and, for reading
// a little of it, on TCP) and the Client that the commands use.
//
// The JSON types of this package are promises to users. They are a family of their own: what the gateway
// keeps inside (package state) is converted at this edge and may change without them.
//
// Faults are answered as problem documents (RFC 9457).
package api
