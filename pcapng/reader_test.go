// SPDX-License-Identifier: Apache-2.0

package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readAll(data []byte) ([]Packet, error) {
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var packets []Packet
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) && err == io.EOF {
			return packets, nil
		}
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	want := []Packet{
		{At: at, Size: 60, Bytes: frame(60), Comment: "to-cloud, forwarded", ToCloud: true},
		{At: at.Add(1), Size: 1514, Bytes: frame(129), Comment: "to-customer, dropped: storm-broadcast"},
		{At: at.Add(time.Hour), Size: 14, Bytes: frame(14)},
	}
	got, err := readAll(capture(t, want...))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// classic is a capture in the older format.
func classic(order binary.AppendByteOrder, magic uint32, fraction uint32, link uint32, packets ...[]byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = append(b, make([]byte, 16)...)
	b = order.AppendUint32(b, link)
	for _, p := range packets {
		b = order.AppendUint32(b, uint32(at.Unix()))
		b = order.AppendUint32(b, fraction)
		b = order.AppendUint32(b, uint32(len(p)))
		b = order.AppendUint32(b, uint32(len(p))+4)
		b = append(b, p...)
	}
	return b
}

func TestTheOlderFormat(t *testing.T) {
	want := []Packet{{At: at, Size: 24, Bytes: frame(20)}}
	micro := []Packet{{At: at.Truncate(time.Microsecond), Size: 24, Bytes: frame(20)}}
	for name, c := range map[string]struct {
		data []byte
		want []Packet
	}{
		"nanoseconds, little": {classic(binary.LittleEndian, classicNano, 123456789, 1, frame(20)), want},
		"nanoseconds, big":    {classic(binary.BigEndian, classicNano, 123456789, 1, frame(20)), want},
		"microseconds":        {classic(binary.LittleEndian, classicMicro, 123456, 1, frame(20)), micro},
		"empty":               {classic(binary.LittleEndian, classicMicro, 0, 1), nil},
	} {
		got, err := readAll(c.data)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestFaultyCaptures(t *testing.T) {
	good := capture(t, Packet{At: at, Size: 60, Bytes: frame(60)})
	for name, data := range map[string][]byte{
		"nothing": nil, "text": []byte("this is no capture"), "link type": classic(binary.LittleEndian, classicMicro, 0, 113),
		"header only": good[:20], "cut packet": good[:len(good)-10],
		"cut older": classic(binary.LittleEndian, classicMicro, 0, 1, frame(20))[:50],
		"too long":  append(classic(binary.LittleEndian, classicMicro, 0, 1), 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
	} {
		if _, err := readAll(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStatisticsAreRead(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, "a", "b", "c", 0)
	if err = errors.Join(err, w.Write(Packet{At: at, Bytes: frame(5)}), w.Statistics(at, 1234, 1<<40)); err != nil {
		t.Fatal(err)
	}
	if _, err := readStrictly(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	packets := 0
	for in := bytes.NewReader(out.Bytes()); ; {
		block, err := ReadBlock(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if IsPacket(block) {
			packets++
		}
		if received, lost, ok := StatisticsOf(block); ok && (received != 1234 || lost != 1<<40) {
			t.Errorf("%d received, %d lost", received, lost)
		} else if ok {
			packets += 10
		}
	}
	if packets != 11 {
		t.Errorf("%d: one packet and one block of statistics are 11", packets)
	}
}

func FuzzReader(f *testing.F) {
	var out bytes.Buffer
	w, _ := NewWriter(&out, "a", "b", "c", 0)
	w.Write(Packet{At: at, Size: 60, Bytes: frame(60), Comment: "x"})
	f.Add(out.Bytes())
	f.Add(classic(binary.BigEndian, classicNano, 5, 1, frame(20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		packets, err := readAll(data)
		if err == nil && len(packets) > len(data) {
			t.Errorf("%d packets in %d bytes", len(packets), len(data))
		}
		_, _ = ReadBlock(bytes.NewReader(data))
		_, _, _ = StatisticsOf(data)
	})
}
