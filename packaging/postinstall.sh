#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# After installing. Starts and enables nothing: a gateway without a configuration has nothing to do, and which NIC
# is a customer's is for the operator to say. An upgrade restarts a daemon that runs: the data plane forwards meanwhile.
set -e

# The groups of the API's socket.
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers drawbridge.conf
else
	for group in drawbridge drawbridge-read; do
		getent group "$group" >/dev/null || groupadd --system "$group"
	done
fi

# Only where systemd runs: not in a chroot, an image under construction, or a container.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart drawbridge.service
fi
