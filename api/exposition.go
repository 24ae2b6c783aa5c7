// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strconv"
	"strings"
)

// Prometheus' text format, version 0.0.4, written by hand: with 4,000 extensions there are a hundred thousand
// samples, for which a registry took most of a second.

// appendMetrics adds all metrics of a scrape. One without samples is left out.
func appendMetrics(b []byte, s *scrape) []byte {
	out := &samples{b: b}
	for i := range metrics {
		m := &metrics[i]
		head := len(out.b)
		out.b = append(out.b, "# HELP "+m.name+" "+m.help+"\n# TYPE "+m.name+" "+string(m.kind)+"\n"...)
		begin := len(out.b)
		out.metric = m
		if m.samples(s, out); len(out.b) == begin {
			out.b = out.b[:head]
		}
	}
	return out.b
}

// samples collects the samples of a metric.
type samples struct {
	b      []byte
	metric *metric
}

// add adds a sample; the values are those of the metric's labels, in their order.
func (o *samples) add(n uint64, values ...string) {
	o.name(values)
	o.b = append(strconv.AppendUint(o.b, n, 10), '\n')
}

func (o *samples) addFloat(v float64, values ...string) {
	o.name(values)
	o.b = append(strconv.AppendFloat(o.b, v, 'g', -1, 64), '\n')
}

func (o *samples) name(values []string) {
	o.b = append(o.b, o.metric.name...)
	next := byte('{')
	for i, label := range o.metric.labels {
		o.b = append(append(append(o.b, next), label...), '=', '"')
		o.b = append(appendLabel(o.b, values[i]), '"')
		next = ','
	}
	if next == ',' {
		o.b = append(o.b, '}')
	}
	o.b = append(o.b, ' ')
}

// labelEscapes are what a label's value may not hold as it is.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func appendLabel(b []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			return append(b, labelEscapes.Replace(strings.ToValidUTF8(value, "�"))...)
		}
	}
	return append(b, value...)
}
