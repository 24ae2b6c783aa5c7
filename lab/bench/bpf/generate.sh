#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the benchmark's BPF programs; run by `go generate` in lab/bench. The flags keep the build's path out of
# the objects.
set -eu
clang=${CLANG:-clang-14}
headers=/usr/include/$(uname -m)-linux-gnu
flags="-O2 -g -Wall -Werror -mcpu=v3 -fdebug-compilation-dir=. -ffile-prefix-map=$PWD=. -idirafter $headers"
for name in generator sink redirect tag; do
	go run github.com/cilium/ebpf/cmd/bpf2go@v0.22.0 -go-package main -target bpfel -cc "$clang" \
		-cflags "$flags" "$name" "bpf/$name.bpf.c"
done
