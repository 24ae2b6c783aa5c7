// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/drawbridge-l2/drawbridge/state"
)

// macListBuffer is how many bytes of a list are held before they are sent. A list may have a million entries, some 150 MB.
const macListBuffer = 256 << 10

// macList writes a list of MACs while it is read. A short one is written as a whole, with its length.
type macList struct {
	to    http.ResponseWriter
	buf   []byte
	begun bool // something was sent
}

// add is a visitor of the FDB.
func (l *macList) add(portion []state.MACEntry) error {
	for i := range portion {
		next := byte(',')
		if l.buf == nil && !l.begun {
			next = '['
		}
		l.buf = appendMAC(append(l.buf, next), &portion[i])
		if len(l.buf) >= macListBuffer {
			if err := l.send(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *macList) send() error {
	if !l.begun {
		l.to.Header().Set("Content-Type", mediaJSON)
		l.begun = true
	}
	_, err := l.to.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

func (l *macList) end() {
	if l.buf == nil {
		l.buf = append(l.buf, '[')
	}
	l.buf = append(l.buf, "]\n"...)
	if !l.begun {
		writeBody(l.to, http.StatusOK, l.buf)
		return
	}
	_ = l.send() // who asked has gone
}

// appendMAC adds an entry as encoding/json would write it: reflection takes ten times as long.
func appendMAC(b []byte, e *state.MACEntry) []byte {
	b = appendString(append(b, `{"extension":`...), string(e.Extension))
	b = append(b, `,"mac":"`...)
	for i, octet := range e.MAC {
		if i > 0 {
			b = append(b, ':')
		}
		const digits = "0123456789abcdef"
		b = append(b, digits[octet>>4], digits[octet&15])
	}
	b = appendString(append(b, `","side":`...), e.Side.String())
	b = append(b, `,"vtep":"`...)
	if e.VTEP.IsValid() {
		b = e.VTEP.AppendTo(b)
	}
	b = strconv.AppendInt(append(b, `","age_seconds":`...), int64(e.Age/time.Second), 10)
	b = strconv.AppendBool(append(b, `,"static":`...), e.Static)
	b = appendInt(append(b, `,"moves":`...), e.Moves)
	b = strconv.AppendBool(append(b, `,"frozen":`...), e.Frozen)
	return append(b, '}')
}
