#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Before removing, not before upgrading: dpkg says "remove", rpm how many versions are left.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl disable --now drawbridge.service
fi
# What forwards is the kernel's, and customers' traffic is not to end with a package.
if [ -n "$(ls /sys/fs/bpf/drawbridge 2>/dev/null)" ]; then
	echo "drawbridge: the gateway forwards on without its daemon. 'drawbridge uninstall-state' ends that; it goes with this package." >&2
fi
