// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func macOf(e *state.MACEntry) MAC {
	return MAC{
		Extension: string(e.Extension), MAC: e.MAC.String(), Side: e.Side.String(), VTEP: addrText(e.VTEP),
		AgeSeconds: int64(e.Age / time.Second), Static: e.Static, Moves: e.Moves, Frozen: e.Frozen,
	}
}

func macsOf(entries []state.MACEntry) []MAC {
	out := []MAC{}
	for i := range entries {
		out = append(out, macOf(&entries[i]))
	}
	return out
}

func manyMACs(n int) []state.MACEntry {
	all := make([]state.MACEntry, n)
	for i := range all {
		all[i] = state.MACEntry{
			Extension: "acme", MAC: l2.MAC{2, byte(i >> 16), byte(i >> 8), byte(i)}, Side: l2.Side(i % 2),
			Age: time.Duration(i) * time.Millisecond, Static: i%3 == 0, Moves: i % 7, Frozen: i%5 == 0,
		}
		if i%2 == 1 {
			all[i].VTEP = netip.MustParseAddr([]string{"192.0.2.20", "2001:db8::20"}[i/2%2])
		}
	}
	return all
}

// listed is the answer to a list in portions of seven.
func listed(t *testing.T, entries []state.MACEntry) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	list := macList{to: w}
	for len(entries) > 0 {
		n := min(7, len(entries))
		if err := list.add(entries[:n]); err != nil {
			t.Fatal(err)
		}
		entries = entries[n:]
	}
	list.end()
	return w
}

// TestMACsAreEncodedAsByReflection holds lists against encoding/json: none, one, those that are sent at once, and those that
// are sent in pieces.
func TestMACsAreEncodedAsByReflection(t *testing.T) {
	for _, n := range []int{0, 1, 20, 2 * macListBuffer / 100} {
		entries := manyMACs(n)
		want, err := json.Marshal(macsOf(entries))
		if err != nil {
			t.Fatal(err)
		}
		w := listed(t, entries)
		if got := w.Body.Bytes(); !bytes.Equal(got, append(want, '\n')) {
			t.Errorf("%d MACs: %.300s…, want %.300s…", n, got, want)
		}
		if w.Header().Get("Content-Type") != mediaJSON {
			t.Errorf("%d MACs: content type %q", n, w.Header().Get("Content-Type"))
		}
		short := w.Body.Len() < macListBuffer
		if length := w.Header().Get("Content-Length"); (length == strconv.Itoa(w.Body.Len())) != short {
			t.Errorf("%d MACs: length %q of %d bytes", n, length, w.Body.Len())
		}
	}
}

// TestAListThatBreaksOffIsNoList: whoever reads it must not take it for the whole.
func TestAListThatBreaksOffIsNoList(t *testing.T) {
	gw := &brokenMACs{newFake()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		NewServer(gw, Options{}).writeMACs(w, r, "")
	}))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		return // nothing at all came: as good
	}
	defer response.Body.Close()
	var list []MAC
	if err := json.NewDecoder(response.Body).Decode(&list); err == nil {
		t.Errorf("a list of %d MACs came of one that broke off", len(list))
	}
}

// brokenMACs fails behind what fills the buffer.
type brokenMACs struct{ *fakeGateway }

func (g *brokenMACs) EachMAC(_ context.Context, _ string, visit func([]state.MACEntry) error) error {
	if err := visit(manyMACs(2 * macListBuffer / 100)); err != nil {
		return err
	}
	return errors.New("the table is gone")
}
