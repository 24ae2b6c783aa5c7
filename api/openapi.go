// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// openAPIVersion is the version of the specification that the document follows.
const openAPIVersion = "3.1.0"

// apiVersion is that of the interface, which the routes carry as /v1.
const apiVersion = "1.0"

func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.describe()) }

// object is a JSON object; encoding/json sorts its keys.
type object = map[string]any

// describe makes the OpenAPI document of what the socket serves, out of the routes and the Go types of their
// bodies: there is no other description that could differ.
func (s *Server) describe() object {
	schemas, paths := newSchemaSet(), object{}
	for _, r := range s.routes() {
		method, path, _ := strings.Cut(strings.TrimSuffix(r.pattern, "{$}"), " ")
		item, known := paths[path].(object)
		if !known {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(method)] = r.operation(schemas)
	}
	return object{
		"openapi": openAPIVersion,
		"info": object{
			"title": "Drawbridge", "version": apiVersion,
			"description": "HTTP on the daemon's Unix socket. Root and members of group " + GroupChange + " may use everything, members of group " + GroupRead + " what only reads.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"paths":      paths,
		"components": object{"schemas": schemas},
	}
}

func (r *route) operation(schemas *schemaSet) object {
	responses := object{"default": object{
		"description": "What went wrong (RFC 9457).",
		"content":     object{problemMediaType: object{"schema": schemas.of(Problem{})}},
	}}
	for _, a := range r.answers {
		responses[strconv.Itoa(a.status)] = a.response(schemas)
	}
	op := object{"summary": r.summary, "operationId": r.operationID(), "responses": responses}
	if parameters := r.parameters(schemas); len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if r.takes != nil {
		op["requestBody"] = object{"required": !r.takes.optional, "content": r.takes.describe(schemas.requests())}
	}
	return op
}

// notWord is what an operationId leaves out.
var notWord = regexp.MustCompile(`[^A-Za-z0-9]+`)

// operationID names the route for generated clients: get_v1_extensions_name_macs.
func (r *route) operationID() string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(r.pattern), "_"), "_")
}

// pathParameter finds the wildcards of a pattern; {$} is none.
var pathParameter = regexp.MustCompile(`\{([a-z]+)\}`)

func (r *route) parameters(schemas *schemaSet) []object {
	var out []object
	for _, name := range pathParameter.FindAllStringSubmatch(r.pattern, -1) {
		out = append(out, object{
			"name": name[1], "in": "path", "required": true, "description": "The name of an extension.",
			"schema": object{"type": "string", "pattern": "^[a-z0-9-]{1,32}$"},
		})
	}
	for _, p := range r.query {
		out = append(out, object{"name": p.name, "in": "query", "description": p.about, "schema": p.schema(schemas)})
	}
	return out
}

func (p *parameter) schema(schemas *schemaSet) object {
	schema := schemas.of(p.kind)
	if p.allowed != nil {
		schema["enum"] = p.allowed
	}
	return schema
}

func (a *reply) response(schemas *schemaSet) object {
	out := object{"description": a.about}
	contents := object{}
	for _, c := range a.content {
		for media, described := range c.describe(schemas) {
			contents[media] = described
		}
	}
	if len(contents) > 0 {
		out["content"] = contents
	}
	headers := object{}
	for _, h := range a.headers {
		headers[h.name] = object{"description": h.about, "schema": h.schema(schemas)}
	}
	if len(headers) > 0 {
		out["headers"] = headers
	}
	return out
}

func (c *content) describe(schemas *schemaSet) object {
	var alternatives []object
	for _, v := range c.values {
		alternatives = append(alternatives, schemas.of(v))
	}
	var schema object
	switch len(alternatives) {
	case 0:
		schema = object{"type": "string"}
	case 1:
		schema = alternatives[0]
	default:
		schema = object{"anyOf": alternatives}
	}
	return object{c.media: object{"schema": schema}}
}
