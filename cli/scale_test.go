// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// manyExtensions is a gateway at its largest.
func manyExtensions(n int) state.Status {
	st := exampleStatus()
	template := st.Extensions[0]
	st.Extensions = make([]state.ExtensionStatus, n)
	for i := range st.Extensions {
		st.Extensions[i] = template
		st.Extensions[i].Name = l2.Name(fmt.Sprintf("extension-%05d", i))
		st.Extensions[i].VNI = l2.VNI(10000 + i)
	}
	return st
}

// BenchmarkStatus is `status` end to end: gateway, server, socket, client, text.
func BenchmarkStatus(b *testing.B) {
	for _, output := range []string{"text", "json"} {
		b.Run(output, func(b *testing.B) {
			socket := serve(b, &fakeGateway{status: manyExtensions(4000)})
			for b.Loop() {
				if _, stderr, code := runContext(b.Context(), "status", "--socket", socket, "-o", output); code != 0 {
					b.Fatalf("exit code %d: %s", code, stderr)
				}
			}
		})
	}
}
