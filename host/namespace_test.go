// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"os"
	"testing"
)

func TestNamespace(t *testing.T) {
	h := fresh(t)
	got, err := h.Namespace()
	must(t, err)
	want, err := os.Readlink("/proc/thread-self/ns/net")
	must(t, err)
	if got != want {
		t.Errorf("namespace %s, want %s", got, want)
	}
	outside, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	if got == outside {
		t.Errorf("a fresh namespace is the old one, %s", got)
	}
	if file := NamespaceFile(outside); namespaceOf(file) != outside {
		t.Errorf("%s was found for the namespace of this process, %s", file, outside)
	}
	if file := NamespaceFile("net:[1]"); file != "" {
		t.Errorf("%s was found for a namespace that does not exist", file)
	}
	if got := namespaceOf(fmt.Sprintf("/proc/%d/ns/none", os.Getpid())); got != "" {
		t.Errorf("a file that does not exist leads to %s", got)
	}
}
