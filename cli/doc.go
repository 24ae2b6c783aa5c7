// SPDX-License-Identifier: Apache-2.0

// Package cli has the commands that ask a running daemon: status, macs, events, raise, lower, reload, top, trace, record
// and tune.
// It knows the daemon only through the api client. What a command prints goes to its output writer; what
// went wrong is returned, and Report prints it and tells the exit code.
package cli
