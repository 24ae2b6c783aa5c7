// SPDX-License-Identifier: Apache-2.0

package model

// Departures are what the data plane is known to do otherwise than the contract says. Each is to go: with its field the
// lines go that ask for it. The zero value is the contract.
type Departures struct {
	AnswersTags bool // a frame with an inner tag that is too big is not answered
}
