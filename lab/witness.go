// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// Sighting is a frame as a Witness tells it from others: by the third byte of its source address, and by the segment
// that it came in: a VNI when it was in a tunnel over IPv4, otherwise the VID of its outer tag.
type Sighting struct {
	Kind    byte
	Tunnel  bool
	Segment uint32
}

// Witness counts the frames with sources of WitnessMAC that arrive on a link, next to any load: the kernel leaves out
// all others.
type Witness struct {
	socket *packetSocket
	done   chan struct{}

	mu   sync.Mutex
	seen map[Sighting]uint64
	err  error
}

// witnessPrefix starts the source addresses that a Witness looks for.
const witnessPrefix = 0x02bd

// WitnessMAC is a source that a Witness sees.
func WitnessMAC(kind, number byte) l2.MAC {
	return l2.MAC{witnessPrefix >> 8, witnessPrefix & 0xff, kind, 0, 0, number}
}

// tunnelHeaders are Ethernet, IPv4, UDP and VXLAN.
const tunnelHeaders = 14 + 20 + 8 + 8

// Instructions of classic BPF.
const (
	loadHalf     = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	jumpEqual    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	returnNumber = unix.BPF_RET | unix.BPF_K
)

// witnessFilter takes frames whose source, outside or inside a tunnel, begins with the prefix.
var witnessFilter = []unix.SockFilter{
	{Code: loadHalf, K: 6},
	{Code: jumpEqual, K: witnessPrefix, Jt: 2},
	{Code: loadHalf, K: tunnelHeaders + 6},
	{Code: jumpEqual, K: witnessPrefix, Jf: 1},
	{Code: returnNumber, K: 1 << 16},
	{Code: returnNumber, K: 0},
}

// Witness starts watching what arrives on a link. The Net's Close ends it.
func (s *NS) Witness(link string) (*Witness, error) {
	socket, err := s.openPacket(link, true)
	if err != nil {
		return nil, err
	}
	if err := socket.filter(witnessFilter); err != nil {
		socket.Close()
		return nil, fmt.Errorf("watch %s in %s: %w", link, s.Role, err)
	}
	w := &Witness{socket: socket, done: make(chan struct{}), seen: make(map[Sighting]uint64)}
	go w.run()
	s.net.OnClose(func() error {
		err := w.socket.Close()
		<-w.done
		return err
	})
	return w, nil
}

func (p *packetSocket) filter(program []unix.SockFilter) error {
	list := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	var err error
	control := p.conn.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &list)
	})
	if control != nil {
		return control
	}
	return err
}

func (w *Witness) run() {
	defer close(w.done)
	c := Capture{socket: w.socket}
	buf, control := make([]byte, 1<<16), make([]byte, 256)
	for {
		f, err := c.read(buf, control)
		w.mu.Lock()
		if err != nil {
			w.err = err
			w.mu.Unlock()
			return
		}
		if s, ok := sighting(f.Data); ok {
			w.seen[s]++
		}
		w.mu.Unlock()
	}
}

func sighting(b []byte) (Sighting, bool) {
	if len(b) < 18 {
		return Sighting{}, false
	}
	if binary.BigEndian.Uint16(b[6:]) == witnessPrefix {
		return Sighting{Kind: b[8], Segment: uint32(binary.BigEndian.Uint16(b[14:]) & 0xfff)}, true
	}
	if len(b) < tunnelHeaders+14 || binary.BigEndian.Uint16(b[36:]) != frame.VXLANPort {
		return Sighting{}, false
	}
	if binary.BigEndian.Uint16(b[tunnelHeaders+6:]) != witnessPrefix {
		return Sighting{}, false // it came before the kernel had its filter
	}
	vni := binary.BigEndian.Uint32(b[tunnelHeaders-4:]) >> 8
	return Sighting{Kind: b[tunnelHeaders+8], Tunnel: true, Segment: vni}, true
}

// Seen is what came up to now.
func (w *Witness) Seen() (map[Sighting]uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[Sighting]uint64, len(w.seen))
	for s, n := range w.seen {
		seen[s] = n
	}
	return seen, w.err
}
