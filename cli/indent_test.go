// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"testing"
)

// The layout is that of encoding/json, whatever is in the strings.
func TestIndent(t *testing.T) {
	for _, document := range []string{
		`{}`, `[]`, `[[],{},[{}]]`, `"a"`, `12`, `{"a":[1,2.5e3,null,true],"b":{"c":"d"}}`,
		`{"a\"b":"{[,:]}"}`, `["\\","\\\"","a\\\\"]`, `{"a":"\\","b":["\\\\\"",""]}`, `["ä \u2028"]`,
	} {
		var want bytes.Buffer
		if err := json.Indent(&want, []byte(document+"\n"), "", "  "); err != nil {
			t.Fatal(err)
		}
		if got := indent([]byte(document + "\n")); string(got) != want.String() {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", document, got, want.String())
		}
	}
}

// What is no document is at least printed to its end.
func TestIndentOfATornDocument(t *testing.T) {
	for _, torn := range []string{`{"a`, `{"a":"b\`, "[[", "}x"} {
		if got := indent([]byte(torn)); len(got) < len(torn) {
			t.Errorf("%s: got %s", torn, got)
		}
	}
}
