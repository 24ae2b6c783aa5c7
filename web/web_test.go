// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func handlers(t *testing.T) map[string]http.Handler {
	t.Helper()
	h, err := Handlers()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, method, tag string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryFileIsServed(t *testing.T) {
	for url, h := range handlers(t) {
		w := get(h, "GET", "")
		if w.Code != 200 || w.Body.Len() == 0 || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d, %d bytes of %q", url, w.Code, w.Body.Len(), w.Header().Get("Content-Type"))
		}
		for header, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := w.Header().Get(header); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", url, header, got)
			}
		}
		if head := get(h, "HEAD", ""); head.Body.Len() != 0 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
			t.Errorf("%s: HEAD answers %d bytes, header %v", url, head.Body.Len(), head.Header())
		}
		if again := get(h, "GET", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: a browser that has it gets %d and %d bytes", url, again.Code, again.Body.Len())
		}
	}
}

// TestPolicyIsStrict: nothing inline, nothing from elsewhere.
func TestPolicyIsStrict(t *testing.T) {
	for _, word := range []string{"unsafe", "http:", "https:", "*", "data:"} {
		if strings.Contains(contentSecurityPolicy, word) {
			t.Errorf("the policy has %q: %s", word, contentSecurityPolicy)
		}
	}
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	html := get(handlers(t)["/"], "GET", "").Body.String()
	if found := inline.FindString(html); found != "" {
		t.Errorf("the page has %q inline, which its own policy refuses", found)
	}
}

var (
	// loads finds what a file makes a browser load: in HTML, CSS and JavaScript.
	loads = regexp.MustCompile(`(?:\bsrc=|\bhref=|\burl\(|\bfrom |\bimport )["']([^"']+)`)
	// elsewhere finds addresses of other hosts.
	elsewhere = regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]`)
)

// TestPageIsWhole: all that the files load is among them, and nothing is loaded from elsewhere.
func TestPageIsWhole(t *testing.T) {
	all := handlers(t)
	for url, h := range all {
		text := get(h, "GET", "").Body.String()
		for _, m := range loads.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.HasPrefix(target, "#") || strings.HasPrefix(target, "/v1/") || target == "/metrics" {
				continue
			}
			if !strings.HasPrefix(target, "/") {
				target = path.Join("/page", target)
			}
			if _, there := all[target]; !there {
				t.Errorf("%s loads %s, which is not there", url, m[1])
			}
		}
		text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "") // a namespace
		if found := elsewhere.FindString(text); found != "" {
			t.Errorf("%s names %s", url, found)
		}
		if strings.Contains(text, "innerHTML") || strings.Contains(text, "eval(") {
			t.Errorf("%s makes markup or code of text", url)
		}
	}
}

// TestPageChecksCanFail keeps the patterns above honest.
func TestPageChecksCanFail(t *testing.T) {
	for _, text := range []string{`<script src="https://cdn.example/x.js">`, `@import "//fonts.example/x.css"`} {
		if elsewhere.FindString(text) == "" {
			t.Errorf("%s is not found", text)
		}
	}
	if m := loads.FindStringSubmatch(`import { a } from "./none.js"`); m == nil || m[1] != "./none.js" {
		t.Errorf("found %q", m)
	}
}
