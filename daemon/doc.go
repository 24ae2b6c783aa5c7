// SPDX-License-Identifier: Apache-2.0

// Package daemon wires the gateway together: it opens the kernel's side and the host's, starts the loop
// and everything that feeds it as tasks of one group, and serves the API. It also has the commands that
// work without a daemon: run, check, demo, doctor, uninstall-state and version.
package daemon
