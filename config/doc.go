// SPDX-License-Identifier: Apache-2.0

// Package config reads the gateway's YAML file, or the flags that stand for one, into a checked Config.
//
// Reading is strict. An unknown key, a wrong type or a value that is not allowed is a Fault with its
// place, what was found and what is allowed, and one reading reports every fault of a file. Values are
// taken as they are written: a VLAN of 100.200 never passes through a floating-point number.
//
// The way of a file: split.go cuts it into parts, one for each section and for each entry of a section;
// simple.go and, for what is not simple, yaml.go turn a part into nodes, which keep place and text; the
// files named after the sections turn nodes into checked values; check.go compares the sections with
// each other. A part that is not YAML is a fault of its own, and the other parts are still read.
package config
