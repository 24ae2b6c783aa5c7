// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"
	"testing"
)

// paletted is a PNG with 256 of its colours, and so a fraction of the size. What people see of
// a page is a few colours and the edges of letters between them.
func paletted(t *testing.T, raw []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(raw))
	must(t, err)
	counts := map[color.RGBA]int{}
	eachPixel(full, func(_, _ int, c color.RGBA) { counts[c]++ })
	frequent := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return counts[b] - counts[a] })
	var palette color.Palette
	for _, c := range frequent[:min(paletteFrequent, len(frequent))] {
		palette = append(palette, c)
	}
	for _, c := range rare(palette, frequent, paletteAll) {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	for c := range counts {
		index[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(full.Bounds(), palette)
	eachPixel(full, func(x, y int, c color.RGBA) { small.SetColorIndex(x, y, index[c]) })
	var out bytes.Buffer
	must(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small))
	return out.Bytes()
}

// The colours of a palette: most are chosen by how frequent they are, the others by how far they are from all of these,
// such as those of a small icon.
const (
	paletteAll      = 256
	paletteFrequent = 200
)

func rare(palette color.Palette, all []color.RGBA, most int) (chosen []color.RGBA) {
	distance := map[color.RGBA]int{}
	for _, c := range all {
		distance[c] = far(c, palette.Convert(c).(color.RGBA))
	}
	for len(palette)+len(chosen) < most {
		farthest := slices.MaxFunc(all, func(a, b color.RGBA) int { return distance[a] - distance[b] })
		if distance[farthest] == 0 {
			break
		}
		chosen = append(chosen, farthest)
		for _, c := range all {
			distance[c] = min(distance[c], far(c, farthest))
		}
	}
	return chosen
}

func far(a, b color.RGBA) int {
	square := func(x, y uint8) int { return (int(x) - int(y)) * (int(x) - int(y)) }
	return square(a.R, b.R) + square(a.G, b.G) + square(a.B, b.B)
}

func eachPixel(m image.Image, do func(x, y int, c color.RGBA)) {
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			do(x, y, color.RGBAModel.Convert(m.At(x, y)).(color.RGBA))
		}
	}
}

func TestPaletted(t *testing.T) {
	full := image.NewRGBA(image.Rect(0, 0, 300, 2))
	for x := range 300 {
		full.Set(x, 0, color.RGBA{uint8(x / 2), uint8(x % 2), 0, 255})
		full.Set(x, 1, color.White)
	}
	var raw bytes.Buffer
	must(t, png.Encode(&raw, full))
	small, err := png.Decode(bytes.NewReader(paletted(t, raw.Bytes())))
	must(t, err)
	eachPixel(small, func(x, y int, got color.RGBA) {
		want := full.RGBAAt(x, y)
		if d := int(got.R) - int(want.R); d < -1 || d > 1 || got.B != want.B {
			t.Fatalf("%d,%d is %v, want about %v", x, y, got, want)
		}
	})
}
