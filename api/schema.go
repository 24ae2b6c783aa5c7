// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// schemaSet collects JSON schemas (2020-12, as OpenAPI 3.1 wants them) of Go types by name.
type schemaSet struct {
	byName  map[string]object
	request bool // of what we take: unknown keys are refused
}

func newSchemaSet() *schemaSet { return &schemaSet{byName: map[string]object{}} }

// requests is the same set for what we take.
func (s *schemaSet) requests() *schemaSet { return &schemaSet{s.byName, true} }

// MarshalJSON writes the schemas by name.
func (s *schemaSet) MarshalJSON() ([]byte, error) { return json.Marshal(s.byName) }

// of is the schema of a value's type.
func (s *schemaSet) of(v any) object { return s.ofType(reflect.TypeOf(v)) }

func (s *schemaSet) ofType(t reflect.Type) object {
	if t == reflect.TypeFor[time.Time]() {
		return object{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return object{"type": "array", "items": s.ofType(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.ofType(t.Elem())}
	case reflect.Interface:
		return object{}
	case reflect.Struct:
		return s.reference(t)
	}
	panic(fmt.Sprintf("a type of the API has no schema: %v", t)) // every test that asks for the document finds it
}

// reference is a reference to a struct's schema, which is added to the set.
func (s *schemaSet) reference(t reflect.Type) object {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if _, known := s.byName[name]; !known {
		s.byName[name] = object{} // ends recursion
		s.byName[name] = s.structure(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// structure is an object with the struct's fields, as encoding/json has them. The tag enum lists a field's values.
func (s *schemaSet) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		schema := s.ofType(f.Type)
		if values := f.Tag.Get("enum"); values != "" {
			schema["enum"] = strings.Split(values, ",")
		}
		properties[name] = schema
		if !slices.Contains(strings.Split(options, ","), "omitempty") {
			required = append(required, name)
		}
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if s.request {
		out["additionalProperties"] = false
	}
	return out
}
