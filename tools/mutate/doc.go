// SPDX-License-Identifier: Apache-2.0

// Command mutate asks how much the frame tests notice. It changes the data plane's C in one place at a time (a
// condition turned, a bound moved by one, a statement taken out), compiles that in a copy, and runs the tests of
// ./dataplane over the changed programs. A mutant that no test notices shows a missing test, or code that does nothing.
//
// What costs least comes first: engine tc is compiled alone and held against the reference model, then engine xdp, and only what
// is left runs all frame tests. Every mutant is as likely as any other to be in the sample.
//
// The test binary is built once, with room behind each BPF object that it embeds; each mutant's objects are written into
// their place. abi.h and maps.h are not mutated: they are the layout that Go shares.
//
// Its last line is the sum: mutants: N run, K killed, S survived, and so on.
package main
