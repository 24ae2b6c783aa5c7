// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/drawbridge-l2/drawbridge/state"
)

// Sources names the busiest sources of what the guards of an extension dropped in the last ten seconds.
func (g *Gateway) Sources(ctx context.Context, ext string) ([]state.Source, error) {
	var sources []state.Source
	err := g.do(ctx, func() error {
		name, err := g.extension(ext)
		if err != nil {
			return err
		}
		if m := g.trips.machines[name]; m != nil {
			sources = m.Sources()
		}
		return nil
	})
	return sources, err
}
