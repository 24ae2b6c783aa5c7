#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs root tests under another kernel: unpacks a Debian kernel package, boots it in an emulator with nothing but the
# test programs and busybox, and ends with the tests' status.
#
#   lab/kernel/boot.sh linux-image-….deb ./dataplane -test.run Frames
#   lab/kernel/boot.sh linux-image-….deb ./lab -test.run 'TestBond|TestTraffic/routed'
#
# Needs qemu-system-x86, busybox-static, cpio and xz-utils, but neither root nor /dev/kvm.
set -euo pipefail

package=${1:?usage: lab/kernel/boot.sh PACKAGE.deb GO-PACKAGE [TEST-FLAG...]}
subject=${2:?usage: lab/kernel/boot.sh PACKAGE.deb GO-PACKAGE [TEST-FLAG...]}
shift 2

# What the tests need and the kernel has as modules, each behind those that it needs itself.
modules=(llc stp bridge udp_tunnel ip6_udp_tunnel vxlan veth tls bonding sch_ingress)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$work/kernel root=$work/root
mkdir -p "$kernel" "$root"/{bin,modules,tests,usr/bin}
dpkg-deb -x "$package" "$kernel"

for module in "${modules[@]}"; do
	file=$(find "$kernel" -name "$module.ko*" | head -n 1)
	case $file in
	*.xz) xz -dc "$file" >"$root/modules/$module.ko" ;;
	*.ko) cp "$file" "$root/modules/" ;;
	*) echo "boot: the package has no module $module" >&2 ;;
	esac
done

cp "$(command -v busybox)" "$root/bin/busybox"
export CGO_ENABLED=0
go build -o "$root/usr/bin/drawbridge" ./cmd/drawbridge
go test -c -tags bonding -o "$root/tests/subject" "$subject"
if [[ -d $subject/testdata ]]; then
	cp -r "$subject/testdata" "$root/tests/"
fi

cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin HOME=/tmp DRAWBRIDGE_BIN=/usr/bin/drawbridge
mkdir -p /proc /sys /dev /tmp /run /var
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
for module in $(cat /modules/order); do
	[ -e /modules/$module.ko ] && insmod /modules/$module.ko
done
uname -a
cd /tests
eval "set -- $(cat /tests/flags)"
./subject "$@"
echo "boot: status $?"
poweroff -f
INIT
chmod 755 "$root/init"
printf '%s\n' "${modules[@]}" >"$root/modules/order"
printf '%q ' "$@" >"$root/tests/flags"
(cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs"

# The emulated clock stands while the host is busy: time in the tests is their own.
qemu-system-x86_64 -machine q35 -cpu max -smp 2 -m 4096 -nographic -no-reboot -net none \
	-kernel "$kernel"/boot/vmlinuz-* -initrd "$work/initramfs" -append 'console=ttyS0 quiet panic=-1' </dev/null |
	tr -d '\r' | tee "$work/log"
grep -qx 'boot: status 0' "$work/log"
