// SPDX-License-Identifier: Apache-2.0

// Package tune proposes the numbers of an extension's guards from what was seen of its frames: how often each class
// flooded, how many MACs there were, who served whom. It has neither clock nor I/O: readings come in, a proposal goes
// out, with the evidence beside each number.
package tune
