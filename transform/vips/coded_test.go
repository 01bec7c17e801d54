//go:build cgo

package vips_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

// withCoding inserts a cICP chunk into a PNG.
func withCoding(png []byte, primaries, transfer byte) []byte {
	chunk := append([]byte("cICP"), primaries, transfer, 0, 1)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk))
	const header = 8 + 25
	return slices.Concat(png[:header], []byte{0, 0, 0, 4}, chunk, png[header:])
}

// plain is a picture of one colour, of levels from 0 to 1.
func plain(levels [3]float64) image.Image {
	m := image.NewNRGBA64(image.Rect(0, 0, 16, 16))
	deep := func(v float64) uint16 { return uint16(math.Round(v * 65535)) }
	for i := range 256 {
		m.SetNRGBA64(i%16, i/16, color.NRGBA64{deep(levels[0]), deep(levels[1]), deep(levels[2]), 65535})
	}
	return m
}

// pqLevel is the level of a light in cd/m² (SMPTE ST 2084).
func pqLevel(light float64) float64 {
	p := math.Pow(light/10000, 2610.0/16384)
	return math.Pow((3424.0/4096+2413.0/128*p)/(1+2392.0/128*p), 2523.0/32)
}

// wideOf is the BT.2020 light of an sRGB colour (ITU-R BT.2087).
func wideOf(c [3]uint8) (light [3]float64) {
	var in [3]float64
	for i, v := range c {
		in[i] = srgbLight(float64(v) / 255)
	}
	for i, row := range [3][3]float64{{0.6274, 0.3293, 0.0433}, {0.0691, 0.9195, 0.0114}, {0.0164, 0.0880, 0.8956}} {
		light[i] = row[0]*in[0] + row[1]*in[1] + row[2]*in[2]
	}
	return light
}

func srgbLight(level float64) float64 {
	if level <= 0.04045 {
		return level / 12.92
	}
	return math.Pow((level+0.055)/1.055, 2.4)
}

func TestHDR(t *testing.T) {
	pq := func(c [3]uint8, white float64) (levels [3]float64) {
		for i, v := range wideOf(c) {
			levels[i] = pqLevel(v * white)
		}
		return levels
	}
	grey := func(v float64) [3]float64 { return [3]float64{v, v, v} }
	const bt2020, isPQ, isHLG = transform.PrimariesBT2020, transform.TransferPQ, transform.TransferHLG
	for _, test := range []struct {
		name     string
		levels   [3]float64
		transfer byte
		want     [3]uint8
	}{
		// What is darker than half of white stays, in its colour.
		{"black", grey(0), isPQ, [3]uint8{}},
		{"dark grey", pq([3]uint8{30, 30, 30}, 203), isPQ, [3]uint8{30, 30, 30}},
		{"grey", pq([3]uint8{128, 128, 128}, 203), isPQ, [3]uint8{128, 128, 128}},
		{"brown", pq([3]uint8{150, 75, 0}, 203), isPQ, [3]uint8{150, 75, 0}},
		{"blue", pq([3]uint8{20, 60, 160}, 203), isPQ, [3]uint8{20, 60, 160}},
		// By BT.2390, 203 of 1000 cd/m² are shown as 160 of 203.
		{"white", grey(pqLevel(203)), isPQ, [3]uint8{229, 229, 229}},
		{"the brightest", grey(pqLevel(1000)), isPQ, [3]uint8{255, 255, 255}},
		{"brighter", grey(1), isPQ, [3]uint8{255, 255, 255}},
		// HLG: white is at 75 %, and the brightest are 1000 cd/m².
		{"HLG, black", grey(0), isHLG, [3]uint8{}},
		{"HLG, white", grey(0.75), isHLG, [3]uint8{229, 229, 229}},
		{"HLG, the brightest", grey(1), isHLG, [3]uint8{255, 255, 255}},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := withCoding(pngBytes(t, plain(test.levels)), bt2020, test.transfer)
			for _, options := range []string{"", "w=8", "trim=10"} {
				got := decode(t, run(t, source, options, transform.PNG).Data)
				for i, want := range test.want {
					if d := int(got.Pix[i]) - int(want); d < -2 || d > 2 {
						t.Errorf("%q: %v, want %v", options, got.Pix[:3], test.want)
						break
					}
				}
			}
		})
	}
}

// An AVIF of 10 bits, as phones and cameras write them, is as bright as a PNG of these levels: of
// a half, in PQ and BT.2020.
func TestHDRInAVIF(t *testing.T) {
	source, err := os.ReadFile("testdata/hdr.avif")
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, run(t, source, "", transform.PNG).Data).Pix[0]
	want := decode(t, run(t, withCoding(pngBytes(t, plain([3]float64{0.5, 0.5, 0.5})), transform.PrimariesBT2020, transform.TransferPQ), "", transform.PNG).Data).Pix[0]
	if d := int(got) - int(want); d < -2 || d > 2 || want < 150 {
		t.Errorf("%d, and in a PNG %d", got, want)
	}
}

// Display P3 by a number is what it is by a profile: red of it is beyond sRGB's.
func TestCodedP3(t *testing.T) {
	source := withCoding(pngBytes(t, plain([3]float64{0.8, 0.4, 0.3})), transform.PrimariesP3, 13)
	got := decode(t, run(t, source, "w=8", transform.PNG).Data).Pix[:3]
	for i, want := range []int{220, 95, 68} {
		if d := int(got[i]) - want; d < -2 || d > 2 {
			t.Errorf("%v, want 220, 95, 68", got)
			break
		}
	}
	// In a PNG it precedes a profile.
	withProfile := run(t, source, "w=8&metadata=keep", transform.PNG).Data
	pq := func(png []byte) color.NRGBA {
		return decode(t, run(t, withCoding(png, transform.PrimariesBT2020, transform.TransferPQ), "", transform.PNG).Data).NRGBAAt(0, 0)
	}
	levels := decode(t, withProfile).NRGBAAt(0, 0)
	without := pngBytes(t, plain([3]float64{float64(levels.R) / 255, float64(levels.G) / 255, float64(levels.B) / 255}))
	if got, want := pq(withProfile), pq(without); got != want {
		t.Errorf("%v with a profile, and %v without", got, want)
	}
	if kept := run(t, source, "w=8&metadata=keep", transform.PNG).Data; !bytes.Contains(kept, []byte("iCCP")) {
		t.Error("metadata=keep loses what the colours are")
	}
}
