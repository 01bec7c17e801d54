//go:build cgo

package vips_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// jpegPart splits a JPEG before its first marker of this kind.
func jpegPart(t testing.TB, jpeg []byte, marker byte) (before, from []byte) {
	t.Helper()
	i := bytes.Index(jpeg, []byte{0xff, marker})
	if i < 0 {
		t.Fatalf("no marker %x", marker)
	}
	return jpeg[:i:i], jpeg[i:]
}

// ultraHDR is a JPEG as cameras write it for screens that can show more: XMP that names
// a gain map, an index of the pictures in the file (CIPA DC-007), and behind the end of
// the first picture the map, a JPEG of its own, and a video.
func ultraHDR(jpeg, gainMap []byte) []byte {
	const trailer = "\x00\x00\x00\x18ftypmp42 a video"
	index := func(size, offset int) []byte {
		le := binary.LittleEndian
		b := []byte("II*\x00\x08\x00\x00\x00\x03\x00")
		entry := func(tag, kind uint16, count, value uint32) {
			b = le.AppendUint16(le.AppendUint16(b, tag), kind)
			b = le.AppendUint32(le.AppendUint32(b, count), value)
		}
		entry(0xb000, 7, 4, le.Uint32([]byte("0100"))) // version
		entry(0xb001, 4, 1, 2)                         // pictures
		entry(0xb002, 7, 32, 50)                       // their list, behind this one
		b = le.AppendUint32(b, 0)
		for _, v := range []uint32{0x30000, uint32(size), 0, 0, 0, uint32(len(gainMap)), uint32(offset), 0} {
			b = le.AppendUint32(b, v)
		}
		return segment(0xe2, append([]byte("MPF\x00"), b...))
	}
	xmp := segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00"+
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/></x:xmpmeta>`))
	size := len(jpeg) + len(xmp) + len(index(0, 0))
	return slices.Concat(withSegments(jpeg, xmp, index(size, size-len(xmp)-10)), gainMap, []byte(trailer))
}

// A jpegShown is a JPEG that is not quite what the standard asks for, or holds more than
// a picture. Browsers show it, and so does the engine: as if nothing was wrong.
type jpegShown struct {
	name   string
	file   []byte
	sound  []byte // what it looks like
	within float64
}

func jpegsShown(t testing.TB) []jpegShown {
	drawn := scene(64, 48, false)
	plain := jpegBytes(t, drawn)
	start, rest := jpegPart(t, plain, 0xc4)
	header, scan := jpegPart(t, plain, 0xda)
	adobe := func(n int, payload string) []byte { // n bytes of it, said to be so many
		return segment(0xee, []byte(payload)[:n])
	}
	short := segment(0xe1, append([]byte("Exif\x00\x00"), "II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"...))
	binary.BigEndian.PutUint16(short[2:], 10) // the rest is junk

	gainMap := jpegBytes(t, image.NewGray(image.Rect(0, 0, 16, 12)))
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	damaged := slices.Clone(plain)
	damaged[len(damaged)-60] ^= 0x55
	return []jpegShown{
		{"junk between segments", slices.Concat(start, []byte("\x00junk"), rest), plain, 0},
		{"junk behind the start", withSegments(plain, segment(0xe0, []byte("JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00")), []byte("\x00\x00\x00\x00")), plain, 0},
		{"stuffed zeros in the header", slices.Concat(start, []byte{0xff, 0, 0xff, 0}, rest), plain, 0},
		{"junk before the scan", slices.Concat(header, []byte{1, 2, 3}, scan), plain, 0},
		{"EXIF longer than it says", withSegments(plain, short), plain, 0},
		{"Adobe's marker longer than it says", withSegments(plain, adobe(11, "Adobe\x00\x64\x00\x00\x00\x00"), []byte{1}), plain, 0},
		{"Adobe's marker with an unknown transform", withSegments(plain, adobe(12, "Adobe\x00\x64\x00\x00\x00\x00\x07")), plain, 0},
		{"junk before the end", append(slices.Clone(plain[:len(plain)-2]), 1, 2, 3, 0xff, 0xd9), plain, 0},
		{"damaged pixels", damaged, plain, 30},
		{"arithmetic coding", read("arithmetic.jpg"), plain, 1},
		{"arithmetic coding, progressive", read("arithmetic-progressive.jpg"), plain, 2},
		{"Ultra HDR", ultraHDR(plain, gainMap), plain, 0},
		{"Ultra HDR with junk", ultraHDR(slices.Concat(start, []byte("junk"), rest), gainMap), plain, 0},
	}
}

func TestJPEGsThatBrowsersShow(t *testing.T) {
	for _, c := range jpegsShown(t) {
		t.Run(c.name, func(t *testing.T) {
			for _, query := range []string{"", "w=32", "w=8", "trim=5", "rotate=90&gravity=attention&w=20&h=20&fit=cover"} {
				got, err := serve(t, c.file, query, transform.PNG)
				if err != nil {
					t.Errorf("%q: %v", query, err)
					continue
				}
				if d := difference(t, decode(t, got.Data), picture(t, c.sound, query)); d > c.within {
					t.Errorf("%q: differs by %.2f levels from the sound picture", query, d)
				}
			}
		})
	}
}

// Of what is cut off, nothing is shown: the next fetch may be whole. Only where the
// picture itself is whole does it matter little what lacks behind it.
func TestCutJPEGsAreRefused(t *testing.T) {
	for _, c := range jpegsShown(t) {
		t.Run(c.name, func(t *testing.T) {
			end := len(c.file)
			if i := bytes.Index(c.file, []byte("\xff\xd9\xff\xd8")); i >= 0 {
				if _, err := serve(t, c.file[:i+20], "", transform.PNG); err != nil {
					t.Errorf("without the pictures behind the first: %v", err)
				}
				end = i + 2
			}
			for _, n := range []int{end - 1, end - 2, end - 30, end / 2, 10} {
				if _, err := serve(t, c.file[:n], "w=32", transform.PNG); !errors.Is(err, transform.ErrTruncated) {
					t.Errorf("the first %d bytes of %d: %v", n, end, err)
				}
			}
		})
	}
}

// What follows the picture in its file is another picture, without the marks and the
// crop: no output holds it, but the original that metadata=keep asks for.
func TestNothingFollowsThePicture(t *testing.T) {
	plain := smaller(t, transform.JPEG)
	file := ultraHDR(plain, jpegBytes(t, image.NewGray(image.Rect(0, 0, 16, 12))))
	mark := markOf(t, pngBytes(t, solid(9, 9, black)), "mark-w=50")
	for _, c := range []struct {
		query string
		marks []transform.MarkImage
		kept  bool
	}{
		{"q=100", nil, false},
		{"q=100&metadata=copyright", nil, false},
		{"q=100&metadata=keep", nil, true},
		{"q=100&metadata=keep&w=100", nil, false},
		{"q=100", []transform.MarkImage{mark}, false},
		{"q=100&metadata=keep", []transform.MarkImage{mark}, false},
	} {
		j := job(t, file, c.query, transform.JPEG)
		j.MayKeep, j.Marks = true, c.marks
		out, err := vips.New().Transform(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if kept := bytes.Equal(out.Data, file); kept != c.kept {
			t.Errorf("%q, %d marks: the original: %v", c.query, len(c.marks), kept)
		}
		if c.kept {
			continue
		}
		if end := bytes.Index(out.Data, []byte{0xff, 0xd9}); end != len(out.Data)-2 {
			t.Errorf("%q, %d marks: %d bytes follow the picture", c.query, len(c.marks), len(out.Data)-2-end)
		}
		if bytes.Contains(out.Data, []byte("MPF\x00")) || bytes.Contains(out.Data, []byte("a video")) {
			t.Errorf("%q, %d marks: the output speaks of further pictures", c.query, len(c.marks))
		}
		if strings.Contains(c.query, "keep") && len(c.marks) == 0 {
			continue // XMP stays
		}
		if bytes.Contains(out.Data, []byte("hdrgm")) {
			t.Errorf("%q, %d marks: the output speaks of a gain map", c.query, len(c.marks))
		}
	}
}

// A damaged original isn't passed on: what others make of it is theirs.
func TestDamagedIsNeverTheOriginal(t *testing.T) {
	start, rest := jpegPart(t, smaller(t, transform.JPEG), 0xc4)
	file := slices.Concat(start, []byte("secret"), rest)
	for _, query := range []string{"q=100", "q=100&metadata=keep"} {
		out := run(t, file, query, transform.JPEG)
		if bytes.Contains(out.Data, []byte("secret")) {
			t.Errorf("%s: the output holds what lay between the segments", query)
		}
	}
}

// A mark is an original too.
func TestDamagedMark(t *testing.T) {
	source, logo := jpegBytes(t, solid(64, 48, gold)), jpegBytes(t, solid(16, 16, red))
	start, rest := jpegPart(t, logo, 0xc4)
	want := marked(t, source, "", transform.PNG, markOf(t, logo, "mark-w=16"))
	got := marked(t, source, "", transform.PNG, markOf(t, slices.Concat(start, []byte("junk"), rest), "mark-w=16"))
	if d := difference(t, decode(t, got.Data), decode(t, want.Data)); d != 0 {
		t.Errorf("differs by %.2f levels", d)
	}
}
