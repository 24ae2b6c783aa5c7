// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Problem is a problem document (RFC 9457 §3) and, at the client, the error that carries it.
type Problem struct {
	Type   string `json:"type"`   // about:blank, or one of the Type constants
	Title  string `json:"title"`  // of the type; for about:blank the name of the status
	Status int    `json:"status"` // the HTTP status
	Detail string `json:"detail"` // what failed, on what, and what to do
}

// The types of problems that a program may want to tell apart.
const (
	TypeBlank            = "about:blank" // RFC 9457 §4.2.1: means no more than the status
	TypeUnknownExtension = "urn:drawbridge:unknown-extension"
	TypeFaultyConfig     = "urn:drawbridge:faulty-configuration"
)

const problemMediaType = "application/problem+json"

// Error prints the detail, or the title when there is none.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Is matches ErrNotFound and ErrFaulty by the problem's type.
func (p *Problem) Is(target error) bool {
	return target == ErrNotFound && p.Type == TypeUnknownExtension ||
		target == ErrFaulty && p.Type == TypeFaultyConfig
}

// problemf is a problem that its status describes.
func problemf(status int, format string, args ...any) *Problem {
	return &Problem{Type: TypeBlank, Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

func unknownExtension(name string) *Problem {
	return &Problem{
		Type: TypeUnknownExtension, Title: "Unknown extension", Status: http.StatusNotFound,
		Detail: fmt.Sprintf("no extension is named %q", name),
	}
}

// problemOf says what an error of the gateway is to the one who asked about extension name.
func problemOf(err error, name string) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrNotFound):
		return unknownExtension(name)
	case errors.Is(err, ErrFaulty):
		return &Problem{
			Type: TypeFaultyConfig, Title: "Faulty configuration", Status: http.StatusUnprocessableEntity,
			Detail: err.Error(),
		}
	case errors.Is(err, ErrNoConfigFile):
		return problemf(http.StatusNotFound, "%v", err)
	case errors.Is(err, ErrConflict):
		return problemf(http.StatusConflict, "%v", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problemf(http.StatusServiceUnavailable, "the gateway did not answer in time: %v", err)
	}
	return problemf(http.StatusInternalServerError, "%v", err)
}

// write answers with the problem. The header must not have been written yet.
func (p *Problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil { // four plain fields: cannot happen
		http.Error(w, p.Title, p.Status)
		return
	}
	w.Header().Set("Content-Type", problemMediaType)
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}
