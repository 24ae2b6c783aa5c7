// SPDX-License-Identifier: Apache-2.0

package gateway

import "testing"

// In another namespace, as after a container began anew, a NIC of the same name and index is another one.
func TestNICsOfAnotherNamespaceAreNotOurs(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	if held := r.gw.recorder.held(); held["eth2"] != 3 {
		t.Fatalf("held %v, want eth2 as 3", held)
	}
	r.namespace = "net:[2]"
	if held := r.boot().recorder.held(); held["eth2"] != 0 {
		t.Errorf("held %v in another namespace", held)
	}
}

func TestTheStoreKnowsTheNamespace(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	store, err := OpenStore(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	want := func(gateway, boot, want string) {
		t.Helper()
		if got, err := store.Namespace("gw-a", boot); err != nil || got != want {
			t.Errorf("namespace of %s in %s: %q, %v; want %q", gateway, boot, got, err, want)
		}
	}
	want("gw-a", "boot-1", "")
	r.start()
	want("gw-a", "boot-1", "net:[1]")
	want("gw-a", "boot-2", "") // settings do not outlive a boot: nothing is elsewhere
	if errs := RestoreHost(store, "gw-a", r.host); len(errs) > 0 {
		t.Fatal(errs)
	}
	want("gw-a", "boot-1", "net:[1]") // for another try
	if _, err := store.Namespace("gw-b", "boot-1"); err == nil {
		t.Error("the directory of another gateway was read")
	}
}
