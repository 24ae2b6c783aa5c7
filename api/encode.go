// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// The status is written by hand: with 4,000 extensions reflection took longer than all the rest. What
// comes out is, byte for byte, what encoding/json makes of the types without escaping HTML; a test holds
// the two against each other.

// appendStatus adds the document of GET /v1/status.
func appendStatus(b []byte, s *Status) []byte {
	b = appendJSON(append(b, `{"gateway":`...), s.Gateway)
	b = appendJSON(append(b, `,"interfaces":`...), s.Interfaces)
	b = append(b, `,"extensions":[`...)
	for i := range s.Extensions {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendExtension(b, &s.Extensions[i])
	}
	return append(b, `]}`...)
}

func appendExtension(b []byte, e *Extension) []byte {
	b = appendString(append(b, `{"name":`...), e.Name)
	b = appendString(append(b, `,"bridge":`...), e.Bridge)
	b = appendString(append(b, `,"reason":`...), e.Reason)
	b = append(b, `,"since":"`...)
	b = e.Since.AppendFormat(b, time.RFC3339Nano)
	b = appendString(append(b, `","attachment":{"interface":`...), e.Attachment.Interface)
	b = appendString(append(b, `,"vlan":`...), e.Attachment.VLAN)
	b = appendOverlay(append(b, `},"overlay":`...), &e.Overlay)
	b = appendInt(append(b, `,"macs":{"customer":`...), e.MACs.Customer)
	b = appendInt(append(b, `,"cloud":`...), e.MACs.Cloud)
	b = appendInt(append(b, `,"limit":`...), e.MACs.Limit)
	b = appendCounters(append(b, `},"to_cloud":`...), &e.ToCloud)
	b = appendCounters(append(b, `,"to_customer":`...), &e.ToCustomer)
	b = appendString(append(b, `,"description":`...), e.Description)
	return append(b, '}')
}

func appendOverlay(b []byte, o *Overlay) []byte {
	b = appendString(append(b, `{"encapsulation":`...), o.Encapsulation)
	b = appendUint(append(b, `,"vni":`...), uint64(o.VNI))
	b = append(b, `,"peers":[`...)
	for i, peer := range o.Peers {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, peer)
	}
	return append(b, `]}`...)
}

func appendCounters(b []byte, c *Counters) []byte {
	b = appendCount(append(b, `{"rx":`...), c.Rx)
	b = appendCount(append(b, `,"tx":`...), c.Tx)
	b = appendUint(append(b, `,"copies":`...), c.Copies)
	b = appendUint(append(b, `,"generated":`...), c.Generated)
	b = appendReasons(append(b, `,"drops":`...), c.Drops)
	b = appendReasons(append(b, `,"would_drop":`...), c.WouldDrop)
	return append(b, '}')
}

func appendCount(b []byte, c Count) []byte {
	b = appendUint(append(b, `{"frames":`...), c.Frames)
	b = appendUint(append(b, `,"bytes":`...), c.Bytes)
	return append(b, '}')
}

func appendReasons(b []byte, reasons map[string]uint64) []byte {
	if len(reasons) == 0 {
		return append(b, `{}`...)
	}
	next := byte('{')
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		b = appendString(append(b, next), reason)
		b = appendUint(append(b, ':'), reasons[reason])
		next = ','
	}
	return append(b, '}')
}

func appendUint(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// appendString leaves what needs escaping to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			return appendJSON(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendJSON adds anything. Plain values cannot fail to encode; were one to, the document would be broken
// in one place, and the client would say so.
func appendJSON(b []byte, v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return b
	}
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}
