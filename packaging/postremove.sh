#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# After removing. Configuration and state stay, with dpkg until the package is purged; and while something forwards, since
# the state says what the NICs were like before.
set -e

case "$1" in
remove | purge | 0) ;;
*) exit 0 ;; # an upgrade
esac

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ] && [ -z "$(ls /sys/fs/bpf/drawbridge 2>/dev/null)" ]; then
	rm -rf /var/lib/drawbridge
fi
