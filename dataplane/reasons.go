// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"strconv"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// Reasons lists the names of all drop reasons by their number in bpf/abi.h; number 0 is "".
var Reasons = sync.OnceValue(func() []string {
	spec, err := abi.LoadTc()
	if err != nil {
		return nil
	}
	var enum *btf.Enum
	if err := spec.Types.TypeByName("drop_reason", &enum); err != nil {
		return nil
	}
	names := make([]string, len(enum.Values)-1) // the last value counts them
	for _, v := range enum.Values {
		if v.Value > 0 && int(v.Value) < len(names) {
			text := strings.TrimPrefix(v.Name, "DROP_")
			names[v.Value] = strings.ReplaceAll(strings.ToLower(text), "_", "-")
		}
	}
	return names
})

// reasonName is the name that users read; a number that this version does not know prints as such.
func reasonName(reason int) string {
	names := Reasons()
	if reason > 0 && reason < len(names) {
		return names[reason]
	}
	return "reason-" + strconv.Itoa(reason)
}
