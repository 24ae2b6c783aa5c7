// SPDX-License-Identifier: Apache-2.0

// Package abi is generated from bpf/ by bpf2go: the data plane's objects, and its structures and
// enumerations as Go types. Nothing in it is written by hand but this file.
package abi

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package abi -cflags "-O2 -g -Wall -Werror -mcpu=v3 -fdebug-compilation-dir=. -ffile-prefix-map=$PWD=. -I../../bpf" -type address -type circuit_key -type extension -type vni_key -type inner_key -type fdb_key -type extension_state -type gateway -type uplink -type nic -type vtep -type tally -type nic_tally -type limits -type rate -type flood_prefix -type spending -type suspicion -type probe -type record -type passage -type flow_set -type budget -type protected_key -type print -type signal -type signal_kind -type drop_reason Tc ../../bpf/tc.bpf.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package abi -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -fdebug-compilation-dir=. -ffile-prefix-map=$PWD=. -I../../bpf" Xdp ../../bpf/xdp.bpf.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package abi -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -fdebug-compilation-dir=. -ffile-prefix-map=$PWD=. -I../../bpf" -type admin -type admin_act Admin ../../bpf/admin.bpf.c
