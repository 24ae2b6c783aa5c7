#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what a make target needs and this machine lacks, on Debian and Ubuntu, and says so in one line.
# Usage: packaging/setup.sh build|demo|test|kernel|page|bench|generate|lint
# When everything is there, apt is not called: no network and no root is needed then.
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin
target=${1:?usage: packaging/setup.sh build|demo|test|kernel|page|bench|generate|lint}

say() { echo "setup: $*" >&2; }

die() {
	say "$*"
	exit 1
}

# What a target needs, one a line: Debian package, how to see that it is there, and whether the target can
# do without (optional: clang 14 is not in every release, and only the compare of the objects wants it).
needs() {
	case $1 in
	build) ;;
	demo)
		cat <<-'LIST'
			dnsmasq-base  command:dnsmasq                 required
		LIST
		;;
	test)
		needs generate
		cat <<-'LIST'
			gcc           command:gcc                     required
			libc6-dev     file:/usr/include/stdlib.h      required
			iproute2      command:ip                      required
			dnsmasq-base  command:dnsmasq                 required
			tshark        command:tshark                  required
			iputils-ping  command:ping                    required
			groff-base    command:groff                   required
			zsh           command:zsh                     required
			fish          command:fish                    required
			rpm           command:rpm                     required
			prometheus    command:promtool                required
			systemd       command:systemd-analyze         required
		LIST
		;;
	kernel)
		cat <<-'LIST'
			qemu-system-x86  command:qemu-system-x86_64   required
			busybox-static   command:busybox              required
			cpio             command:cpio                 required
			xz-utils         command:xz                   required
		LIST
		;;
	page)
		cat <<-'LIST'
			chromium      command:chromium                required
		LIST
		;;
	bench)
		cat <<-'LIST'
			iproute2            command:ip                required
			openvswitch-switch  command:ovs-vswitchd      optional
		LIST
		;;
	generate)
		cat <<-'LIST'
			clang-14        command:clang-14                        optional
			llvm-14         command:llvm-strip-14                   optional
			libbpf-dev      file:/usr/include/bpf/bpf_helpers.h     optional
			linux-libc-dev  file:/usr/include/linux/bpf.h           optional
		LIST
		;;
	lint)
		cat <<-'LIST'
			clang-format-14  command:clang-format-14      optional
			shellcheck       command:shellcheck           optional
		LIST
		;;
	*) die "unknown target $1" ;;
	esac
}

is_there() {
	case $1 in
	command:*) command -v "${1#command:}" >/dev/null ;;
	file:*) test -e "${1#file:}" ;;
	esac
}

# Prints the packages of the kind asked for whose mark is not there.
missing() {
	local package mark kind
	while read -r package mark kind; do
		[[ $kind == "$1" ]] || continue
		is_there "$mark" || echo "$package"
	done < <(needs "$target")
}

as_root() {
	if ((EUID == 0)); then
		"$@"
	else
		sudo "$@"
	fi
}

can_be_root() { ((EUID == 0)) || command -v sudo >/dev/null; }

has_candidate() {
	local candidate
	candidate=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p')
	[[ -n $candidate && $candidate != "(none)" ]]
}

# Keeps packages from starting their services while they are installed. A policy that the machine already
# has is left alone.
policy=/usr/sbin/policy-rc.d
policy_is_ours=false

forbid_services() {
	[[ -e $policy ]] && return
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
	policy_is_ours=true
}

allow_services() {
	if $policy_is_ours; then
		as_root rm -f "$policy"
	fi
}
trap allow_services EXIT

check_go() {
	command -v go >/dev/null || die "go is not installed: version 1.26 or later is needed (https://go.dev/dl/)"
}

# Old lists are refreshed once a day at most: a package that this release does not have stays missing.
lists_are_fresh() {
	[[ -n $(find /var/lib/apt/lists -maxdepth 0 -mtime -1 2>/dev/null) ]] &&
		compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null
}

# Installs what it can. What a target cannot do without is looked at again afterwards.
install_packages() {
	local wanted=() package
	local all=("$@")

	if ! command -v apt-get >/dev/null; then
		say "missing: ${all[*]}; this is no Debian or Ubuntu: install them by hand"
		return
	fi
	if ! can_be_root; then
		say "missing: ${all[*]}; installing needs root or sudo"
		return
	fi

	for package in "${all[@]}"; do
		if ! has_candidate "$package" && ! lists_are_fresh; then
			say "refreshing the package lists"
			as_root apt-get update -qq || say "the package lists could not be refreshed"
			break
		fi
	done
	for package in "${all[@]}"; do
		if has_candidate "$package"; then
			wanted+=("$package")
		else
			say "$package is not in this release"
		fi
	done
	((${#wanted[@]})) || return 0

	say "installing ${wanted[*]}"
	forbid_services
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -o Dpkg::Use-Pty=0 install -y -qq --no-install-recommends "${wanted[@]}" </dev/null >/dev/null ||
		say "installing failed"
	allow_services
	policy_is_ours=false
}

check_go
needs "$target" >/dev/null
mapfile -t lacking < <(
	missing required
	missing optional
)
if ((${#lacking[@]} == 0)); then
	exit 0
fi
install_packages "${lacking[@]}"

mapfile -t still < <(missing required)
((${#still[@]} == 0)) || die "still missing: ${still[*]}"
mapfile -t without < <(missing optional)
((${#without[@]} == 0)) || say "going on without ${without[*]}"
