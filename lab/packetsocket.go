// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveBuffer holds what arrives while the reader has no CPU: a second of 50,000 small frames and more.
const receiveBuffer = 128 << 20

// packetSocket is an AF_PACKET socket bound to one link, known to Go's poller: deadlines work and Close
// ends a blocked read.
type packetSocket struct {
	file *os.File
	conn syscall.RawConn
}

// openPacket opens a socket on a link. A receiving one sees every frame that arrives there, but none that
// leaves.
func (s *NS) openPacket(link string, receive bool) (*packetSocket, error) {
	ifindex, err := s.Ifindex(link)
	if err != nil {
		return nil, err
	}
	fd := -1
	err = s.Do(func() error {
		var err error
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err == nil {
		err = preparePacket(fd, ifindex, receive)
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("open packet socket on %s in %s: %w", link, s.Role, err)
	}
	file := os.NewFile(uintptr(fd), "packet socket "+link)
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open packet socket on %s in %s: %w", link, s.Role, err)
	}
	return &packetSocket{file: file, conn: conn}, nil
}

// preparePacket sets the options before the bind: a socket that is bound to no protocol sees nothing yet.
func preparePacket(fd, ifindex int, receive bool) error {
	protocol := 0
	if receive {
		protocol = int(networkOrder(unix.ETH_P_ALL))
		for _, option := range []struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer},
			{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
			{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
			{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		} {
			if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
				return err
			}
		}
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(protocol), Ifindex: ifindex})
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// lost is how many frames did not fit into the socket's buffer since the last call.
func (p *packetSocket) lost() (uint64, error) {
	var stats *unix.TpacketStats
	var err error
	control := p.conn.Control(func(fd uintptr) {
		stats, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if control != nil {
		return 0, control
	}
	if err != nil {
		return 0, fmt.Errorf("read packet socket statistics: %w", err)
	}
	return uint64(stats.Drops), nil
}

func (p *packetSocket) Close() error { return p.file.Close() }
