// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// openAPI is the document as a client reads it.
func openAPI(t *testing.T, socket string) map[string]any {
	t.Helper()
	resp, body := ask(t, socket, "GET", "/openapi.json", "", "")
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d, %v: %s", resp.StatusCode, err, body)
	}
	return doc
}

// at follows keys into a document.
func at(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func TestOpenAPINamesEveryRoute(t *testing.T) {
	s := NewServer(newFake(), Options{Page: testPage})
	socket, _ := start(t, newFake(), Options{Credentials: asPeer(Peer{}), LookupGroup: testGroups, Page: testPage})
	doc := openAPI(t, socket)
	if doc["openapi"] != "3.1.0" || at(doc, "info", "title") != "Drawbridge" || at(doc, "info", "version") == nil {
		t.Errorf("head: %v %v", doc["openapi"], doc["info"])
	}
	documented, ids := map[string]bool{}, map[any]bool{}
	for path, item := range at(doc, "paths").(map[string]any) {
		for method, op := range item.(map[string]any) {
			documented[strings.ToUpper(method)+" "+path] = true
			if id := at(op, "operationId"); id == "" || ids[id] {
				t.Errorf("%s %s: operationId %v is empty or taken", method, path, id)
			} else {
				ids[id] = true
			}
		}
	}
	routes := s.routes()
	for _, r := range routes {
		if !documented[strings.TrimSuffix(r.pattern, "{$}")] {
			t.Errorf("%s is not documented", r.pattern)
		}
	}
	if len(documented) != len(routes) {
		t.Errorf("%d routes are documented, %d are there", len(documented), len(routes))
	}
}

// What is answered fits the schema that is told: all of it, and with nothing that the schema does not name.
func TestAnswersFitTheirSchemas(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	doc := openAPI(t, socket)
	for request, operation := range map[string][]string{
		"GET /v1/status":                    {"/v1/status", "get", "200"},
		"GET /v1/status?view=table":         {"/v1/status", "get", "200"},
		"GET /v1/extensions":                {"/v1/extensions", "get", "200"},
		"GET /v1/extensions/acme":           {"/v1/extensions/{name}", "get", "200"},
		"GET /v1/extensions/acme/macs":      {"/v1/extensions/{name}/macs", "get", "200"},
		"GET /v1/extensions/acme/sources":   {"/v1/extensions/{name}/sources", "get", "200"},
		"GET /v1/macs":                      {"/v1/macs", "get", "200"},
		"GET /openapi.json":                 {"/openapi.json", "get", "200"},
		"GET /v1/extensions/nobody":         {"/v1/extensions/{name}", "get", "default"},
		"POST /v1/extensions/nobody/raise":  {"/v1/extensions/{name}/raise", "post", "default"},
		"PUT /v1/config?confirm=60s":        {"/v1/config", "put", "202"},
		"PUT /v1/config?confirm=yesterday":  {"/v1/config", "put", "default"},
		"GET /v1/events?since=the-last-one": {"/v1/events", "get", "default"},
	} {
		method, path, _ := strings.Cut(request, " ")
		resp, body := ask(t, socket, method, path, "", "")
		media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
		schema := at(doc, "paths", operation[0], operation[1], "responses", operation[2], "content", media, "schema")
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil || schema == nil {
			t.Errorf("%s: %v, schema %v, %s: %s", request, err, schema, media, body)
			continue
		}
		if err := fits(doc, schema, v); err != nil {
			t.Errorf("%s: %v", request, err)
		}
	}
}

func TestEventLinesFitTheirSchema(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	doc := openAPI(t, socket)
	schema := at(doc, "paths", "/v1/events", "get", "responses", "200", "content", mediaNDJSON, "schema")
	_, body := ask(t, socket, "GET", "/v1/events?follow=false", "", "")
	for line := range strings.Lines(body) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		if err := fits(doc, schema, v); err != nil {
			t.Error(err)
		}
	}
}

// The check itself must be able to fail.
func TestSchemasRefuse(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	doc := openAPI(t, socket)
	for text, want := range map[string]string{
		`{"type":"x","title":"x","status":404,"detail":"x"}`:          "",
		`{"type":"x","title":"x","status":"404","detail":"x"}`:        "status",
		`{"type":"x","title":"x","status":404}`:                       "detail",
		`{"type":"x","title":"x","status":404,"detail":"x","more":1}`: "more",
		`[]`: "object",
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		err := fits(doc, map[string]any{"$ref": "#/components/schemas/Problem"}, v)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	bridge := at(doc, "components", "schemas", "Extension", "properties", "bridge")
	if fits(doc, bridge, "half-raised") != nil || fits(doc, bridge, "ajar") == nil {
		t.Errorf("the states of a bridge are not those of the schema: %v", bridge)
	}
	request := at(doc, "components", "schemas", "RaiseRequest", "additionalProperties")
	if request != false {
		t.Errorf("a request may have unknown keys: %v", request)
	}
}

// fits checks a value against the part of JSON Schema that the document uses.
func fits(doc map[string]any, schema, v any) error {
	s, ok := schema.(map[string]any)
	if !ok {
		return fmt.Errorf("schema %v", schema)
	}
	if ref, is := s["$ref"].(string); is {
		return fits(doc, at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...), v)
	}
	if any, is := s["anyOf"].([]any); is {
		return fitsOne(doc, any, v)
	}
	if enum, is := s["enum"].([]any); is && !slices.Contains(enum, v) {
		return fmt.Errorf("%v is none of %v", v, enum)
	}
	switch v := v.(type) {
	case map[string]any:
		return fitsObject(doc, s, v)
	case []any:
		for i, item := range v {
			if err := fits(doc, s["items"], item); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return fitsType(s, "array")
	case string:
		return fitsType(s, "string")
	case bool:
		return fitsType(s, "boolean")
	case float64:
		if minimum, is := s["minimum"].(float64); is && v < minimum {
			return fmt.Errorf("%v is below %v", v, minimum)
		}
		if s["type"] == "integer" && v != math.Trunc(v) {
			return fmt.Errorf("%v is no integer", v)
		}
		if s["type"] == "number" {
			return nil
		}
		return fitsType(s, "integer")
	}
	return fmt.Errorf("%v is not allowed", v)
}

// fitsType passes anything when the schema names no type.
func fitsType(s map[string]any, is string) error {
	if want, named := s["type"]; named && want != is {
		return fmt.Errorf("%v was found, %v is wanted", is, want)
	}
	return nil
}

func fitsOne(doc map[string]any, schemas []any, v any) (err error) {
	for _, schema := range schemas {
		if err = fits(doc, schema, v); err == nil {
			return nil
		}
	}
	return err
}

func fitsObject(doc, s, v map[string]any) error {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, there := v[name.(string)]; !there {
			return fmt.Errorf("%v is missing", name)
		}
	}
	for name, value := range v {
		schema, known := properties[name]
		if !known {
			schema = s["additionalProperties"]
		}
		if schema == nil && s["type"] == "object" {
			return fmt.Errorf("%s is not in the schema", name)
		}
		if schema == nil { // a schema that allows anything
			continue
		}
		if err := fits(doc, schema, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return fitsType(s, "object")
}

func TestPageIsServed(t *testing.T) {
	socket, _ := start(t, newFake(), Options{Credentials: asPeer(Peer{}), LookupGroup: testGroups, Page: testPage})
	for path, want := range map[string]int{"/": 200, "/page/x.js": 200, "/page/": 404, "/page/none": 404, "/index.html": 404} {
		resp, body := ask(t, socket, http.MethodGet, path, "", "")
		if resp.StatusCode != want {
			t.Errorf("GET %s: %d, want %d: %s", path, resp.StatusCode, want, body)
		}
	}
}
