// SPDX-License-Identifier: Apache-2.0

package dataplane

import "unsafe"

// The contexts that BPF_PROG_TEST_RUN takes and gives back, as linux/bpf.h has them.

// xdpContext is struct xdp_md.
type xdpContext struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueue, EgressIfindex uint32 }

// skbContext is struct __sk_buff as far as a test run takes it.
type skbContext struct {
	Len, PktType, Mark, QueueMapping, Protocol, VLANPresent, VLANTCI, VLANProto, Priority, IngressIfindex, Ifindex,
	TCIndex uint32
	CB                                                            [5]uint32
	Hash, TCClassid, Data, DataEnd, NAPI, Family, Remote4, Local4 uint32
	Remote6, Local6                                               [4]uint32
	RemotePort, LocalPort, DataMeta                               uint32
	FlowKeys, Tstamp                                              uint64
	WireLen, GSOSegs                                              uint32
	Socket                                                        uint64
	GSOSize                                                       uint32
	TstampType                                                    uint8
	_                                                             [3]uint8
	Hwtstamp                                                      uint64
}

// The kernel refuses a context of another size than its own.
var _ [192]byte = [unsafe.Sizeof(skbContext{})]byte{}
