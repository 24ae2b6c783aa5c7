// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
)

// The exit codes of the commands.
const (
	ExitOK         = 0
	ExitFailed     = 1 // also: no daemon
	ExitUsage      = 2 // wrong command line; elsewhere also a faulty file
	ExitNotLowered = 3 // status: a bridge is not lowered
)

// ExitError is an end with a certain exit code. A nil Err says that there is nothing to print: the code is
// the answer.
type ExitError struct {
	Code int
	Err  error
}

// Error prints Err, or the code when there is none.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap is Err.
func (e *ExitError) Unwrap() error { return e.Err }

func usageError(err error) error { return &ExitError{Code: ExitUsage, Err: err} }

// Report prints what is to be printed of err to stderr, and returns the exit code: 0 without an error, the
// code of an ExitError, and 1 for all others.
func Report(err error, stderr io.Writer) int {
	if err == nil {
		return ExitOK
	}
	code := ExitFailed
	var exit *ExitError
	if errors.As(err, &exit) {
		code = exit.Code
		if exit.Err == nil {
			return code
		}
	}
	fmt.Fprintf(stderr, "drawbridge: %s\n", cleanLines(err.Error()))
	return code
}
