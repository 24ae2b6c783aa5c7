#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the benchmark's BPF programs; run by `go generate` in lab/bench. The flags keep the build's path out of
# the objects; ../../bpf has the asm headers that the BPF target lacks.
set -eu
flags="-O2 -g -Wall -Werror -mcpu=v3 -fdebug-compilation-dir=. -ffile-prefix-map=$PWD=. -I../../bpf"
for name in generator sink redirect tag; do
	go run github.com/cilium/ebpf/cmd/bpf2go -cc "${BPF2GO_CC:-clang-14}" -strip "${BPF2GO_STRIP:-llvm-strip-14}" \
		-go-package main -target bpfel -cflags "$flags" "$name" "bpf/$name.bpf.c"
done
