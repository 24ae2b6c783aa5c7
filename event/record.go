// SPDX-License-Identifier: Apache-2.0

package event

import "time"

// Kind is the closed set of kinds in the event log that users read.
type Kind string

// Every kind that the event log may hold.
const (
	Started     Kind = "started"
	Reloaded    Kind = "reloaded"
	ConfigError Kind = "config-error"
	Trip        Kind = "trip"
	Released    Kind = "released"
	Raised      Kind = "raised"
	Lowered     Kind = "lowered"
	MACMove     Kind = "mac-moved"
	MACFreeze   Kind = "mac-frozen"
	Link        Kind = "link"
	NextHop     Kind = "next-hop"
	Tamper      Kind = "tamper"
	OverflowLog Kind = "overflow"
	Hint        Kind = "hint"
)

// Severity grades a record: info, warning or error.
type Severity string

// The three severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Record is one line of the event log. Seq grows by one with each record of a gateway and survives
// restarts; Extension is empty when the record is about the whole gateway; Detail has numbers and names
// for programs, Message is one sentence for people.
type Record struct {
	Seq       uint64         `json:"seq"`
	Time      time.Time      `json:"time"`
	Extension string         `json:"extension"`
	Kind      Kind           `json:"kind"`
	Severity  Severity       `json:"severity"`
	Message   string         `json:"message"`
	Detail    map[string]any `json:"detail"`
}
