// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestStatusExitCodes(t *testing.T) {
	lowered := exampleStatus()
	lowered.Extensions = lowered.Extensions[:1]
	mixed := exampleStatus()
	for _, c := range []struct {
		name   string
		status state.Status
		args   []string
		code   int
	}{
		{"all lowered", lowered, nil, 0},
		{"no extensions", state.Status{}, nil, 0},
		{"one raised", mixed, nil, 3},
		{"the lowered one", mixed, []string{"acme"}, 0},
		{"the raised one", mixed, []string{"beta"}, 3},
		{"unknown", mixed, []string{"nobody"}, 1},
	} {
		for _, output := range []string{"text", "json"} {
			socket := serve(t, &fakeGateway{status: c.status})
			stdout, stderr, code := run(t, append([]string{"status", "--socket", socket, "-o", output}, c.args...)...)
			if code != c.code {
				t.Errorf("%s, %s: exit code %d, want %d: %s", c.name, output, code, c.code, stderr)
			}
			if (stderr != "") != (code == 1) || (stdout == "") != (code == 1) {
				t.Errorf("%s, %s: stdout %q, stderr %q", c.name, output, stdout, stderr)
			}
		}
	}
}

func TestEveryStateButLowered(t *testing.T) {
	for bridge, want := range map[state.Bridge]int{state.Lowered: 0, state.HalfRaised: 3, state.RaisedUp: 3, state.Down: 3} {
		st := exampleStatus()
		st.Extensions = st.Extensions[:1]
		st.Extensions[0].Bridge = bridge
		if _, _, code := run(t, "status", "--socket", serve(t, &fakeGateway{status: st})); code != want {
			t.Errorf("%v: exit code %d, want %d", bridge, code, want)
		}
	}
}

func TestNoDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	for _, args := range []string{"status", "status acme", "macs", "events", "events -f", "raise acme", "lower acme", "reload"} {
		stdout, stderr, code := run(t, append(strings.Fields(args), "--socket", socket)...)
		if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "drawbridge: no daemon is running at "+socket) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range []string{
		"status a b", "status --sockets x", "status -o yaml", "status -o", "raise", "raise a b", "raise a --reason", "lower",
		"reload now", "events acme", "events --follow=maybe", "macs a b",
	} {
		stdout, stderr, code := run(t, strings.Fields(args)...)
		if code != 2 || stdout != "" || !strings.HasPrefix(stderr, "drawbridge: ") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestSocketVariable(t *testing.T) {
	socket := serve(t, &fakeGateway{status: state.Status{Gateway: state.GatewayStatus{Name: "other"}}})
	t.Setenv(SocketVariable, socket)
	if stdout, stderr, code := run(t, "status"); code != 0 || !strings.Contains(stdout, "gateway other") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if _, _, code := run(t, "status", "--socket", socket+"x"); code != 1 {
		t.Errorf("--socket does not win: exit code %d", code)
	}
}

func TestStatusJSON(t *testing.T) {
	socket := serve(t, &fakeGateway{status: exampleStatus()})
	for args, want := range map[string]string{"status": "[acme beta]", "status beta": "[beta]"} {
		stdout, _, _ := run(t, append(strings.Fields(args), "-o", "json", "--socket", socket)...)
		var st api.Status
		if err := json.Unmarshal([]byte(stdout), &st); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range st.Extensions {
			names = append(names, e.Name)
		}
		if fmt.Sprint(names) != want || st.Gateway.Name != "gw-a" || len(st.Interfaces) != 2 {
			t.Errorf("%s: %s", args, stdout)
		}
	}
}

func TestChanges(t *testing.T) {
	gw := &fakeGateway{status: exampleStatus()}
	socket := serve(t, gw)
	for args, want := range map[string]string{
		"raise acme --reason=maintenance": "acme raised\n", "lower acme": "acme lowered\n", "reload": "reloaded\n",
		"lower acme -o json": "{\n  \"extension\": \"acme\",\n  \"done\": \"lowered\"\n}\n",
		"reload -o json":     "{\n  \"done\": \"reloaded\"\n}\n",
	} {
		if stdout, stderr, code := run(t, append(strings.Fields(args), "--socket", socket)...); code != 0 || stdout != want || stderr != "" {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if all := strings.Join(gw.changes, ";"); len(gw.changes) != 3 || !strings.Contains(all, "raise acme maintenance") {
		t.Errorf("asked for %s", all)
	}
}

func TestChangesRefused(t *testing.T) {
	faulty := fmt.Errorf("%w:\ngw.yaml:3:5: VLAN 4095\ngw.yaml:9:1: \x1b[2J", api.ErrFaulty)
	socket := serve(t, &fakeGateway{status: exampleStatus(), reloadErr: faulty})
	const nobody = "no extension is named \"nobody\": `drawbridge status` lists those that there are\n"
	for args, want := range map[string]struct {
		stderr string
		code   int
	}{
		"raise nobody": {nobody, ExitFailed},
		"lower nobody": {nobody, ExitFailed},
		"macs nobody":  {nobody, ExitFailed},
		"reload":       {"gw.yaml:3:5: VLAN 4095\ngw.yaml:9:1:  [2J\n", ExitUsage},
	} {
		stdout, stderr, code := run(t, append(strings.Fields(args), "--socket", socket)...)
		if code != want.code || stdout != "" || !strings.Contains(stderr, want.stderr) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestCompletion(t *testing.T) {
	o := options{socket: serve(t, &fakeGateway{status: exampleStatus()})}
	names, _ := o.completeExtensions(nil, nil, "")
	if len(names) != 2 || names[0] != "acme\tACME, order 4711" || names[1] != "beta" {
		t.Errorf("proposed %q", names)
	}
}
