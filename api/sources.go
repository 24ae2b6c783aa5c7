// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"net/http"

	"github.com/drawbridge-l2/drawbridge/state"
)

// Source is one of the busiest sources of what the guards dropped in the last ten seconds. Share is its part of the
// samples of its direction, 0 to 1.
type Source struct {
	To    string  `json:"to" enum:"cloud,customer"`
	MAC   string  `json:"mac"`
	IP    string  `json:"ip"`   // empty: no frame of it showed one
	VLAN  int     `json:"vlan"` // behind the circuit's tags; 0: none was seen
	Share float64 `json:"share"`
}

func (s *Server) getSources(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	name := r.PathValue("name")
	sources, err := s.gw.Sources(ctx, name)
	if err != nil {
		problemOf(err, name).write(w)
		return
	}
	writeJSON(w, sourcesOf(sources))
}

func sourcesOf(sources []state.Source) []Source {
	out := make([]Source, 0, len(sources))
	for _, s := range sources {
		one := Source{To: destination(s.Direction), MAC: s.MAC.String(), VLAN: int(s.VLAN), Share: s.Share}
		if s.IP.IsValid() {
			one.IP = s.IP.String()
		}
		out = append(out, one)
	}
	return out
}

// Sources names the busiest sources of what an extension dropped just now.
func (c *Client) Sources(ctx context.Context, ext string) ([]Source, error) {
	var sources []Source
	err := c.get(ctx, extensionPath(ext, "sources"), &sources)
	return sources, err
}
