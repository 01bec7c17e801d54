//go:build cgo

package vips_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// A tiffWriter lays out an uncompressed TIFF of one strip (TIFF 6.0).
type tiffWriter struct {
	order         binary.ByteOrder
	width, height int
	photometric   uint16
	bits          []uint16
	format        uint16 // 1 unsigned, 3 floating point
	extra         []uint16
	colours       []uint16 // of a palette
	orientation   uint16
	profile       []byte
	data          []byte
}

func (w tiffWriter) bytes() []byte {
	type tag struct {
		number, kind uint16
		count        int
		data         []byte
	}
	shorts := func(v ...uint16) (b []byte) {
		for _, n := range v {
			b = append(b, 0, 0)
			w.order.PutUint16(b[len(b)-2:], n)
		}
		return b
	}
	long := func(v int) []byte {
		b := make([]byte, 4)
		w.order.PutUint32(b, uint32(v))
		return b
	}
	n := uint16(len(w.bits))
	tags := []tag{
		{256, 4, 1, long(w.width)}, {257, 4, 1, long(w.height)}, {258, 3, int(n), shorts(w.bits...)},
		{259, 3, 1, shorts(1)}, {262, 3, 1, shorts(w.photometric)}, {273, 4, 1, nil},
		{274, 3, 1, shorts(max(w.orientation, 1))}, {277, 3, 1, shorts(n)}, {278, 4, 1, long(w.height)}, {279, 4, 1, long(len(w.data))},
	}
	if w.colours != nil {
		tags = append(tags, tag{320, 3, len(w.colours), shorts(w.colours...)})
	}
	if w.extra != nil {
		tags = append(tags, tag{338, 3, len(w.extra), shorts(w.extra...)})
	}
	if w.format != 0 {
		tags = append(tags, tag{339, 3, int(n), shorts(slices.Repeat([]uint16{w.format}, int(n))...)})
	}
	if w.profile != nil {
		tags = append(tags, tag{34675, 7, len(w.profile), w.profile})
	}
	at := 8 + 2 + 12*len(tags) + 4
	var body []byte
	place := func(b []byte) []byte {
		offset := at + len(body)
		body = append(body, b...)
		if len(body)%2 == 1 {
			body = append(body, 0)
		}
		return long(offset)
	}
	out := []byte("II*\x00")
	if w.order == binary.BigEndian {
		out = []byte("MM\x00*")
	}
	out = append(append(out, long(8)...), shorts(uint16(len(tags)))...)
	for _, t := range tags {
		out = append(append(append(out, shorts(t.number)...), shorts(t.kind)...), long(t.count)...)
		switch {
		case t.number == 273:
			out = append(out, place(w.data)...)
		case len(t.data) > 4:
			out = append(out, place(t.data)...)
		default:
			out = append(out, append(slices.Clone(t.data), 0, 0, 0, 0)[:4]...)
		}
	}
	return append(append(out, long(0)...), body...)
}

// storedTIFF stores a picture as each pixel's bytes.
func storedTIFF(m *image.NRGBA, w tiffWriter, pixel func(c color.NRGBA) []byte) []byte {
	w.width, w.height = m.Rect.Dx(), m.Rect.Dy()
	for i := 0; i < len(m.Pix); i += 4 {
		w.data = append(w.data, pixel(color.NRGBA{m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3]})...)
	}
	return w.bytes()
}

func TestTIFFIn(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	drawn, faded := scene(96, 64, false), scene(96, 64, true)
	grey := image.NewNRGBA(drawn.Rect)
	for i := range grey.Pix {
		grey.Pix[i] = uint8(i / 4 % 96 * 2)
		if i%4 == 3 {
			grey.Pix[i] = 255
		}
	}
	indexed := quadrants(96, 64)
	palette := make([]uint16, 3*256)
	for i, c := range []color.NRGBA{red, green, blue, gold} {
		palette[i], palette[256+i], palette[512+i] = uint16(c.R)*257, uint16(c.G)*257, uint16(c.B)*257
	}
	flat := image.NewNRGBA(image.Rect(0, 0, 96, 64))
	for i := range flat.Pix {
		flat.Pix[i] = []uint8{180, 90, 40, 255}[i%4]
	}
	eights := func(n int) []uint16 { return slices.Repeat([]uint16{8}, n) }
	for name, c := range map[string]struct {
		file []byte
		want *image.NRGBA
		most float64
	}{
		"RGB":            {storedTIFF(drawn, tiffWriter{order: le, photometric: 2, bits: eights(3)}, func(c color.NRGBA) []byte { return []byte{c.R, c.G, c.B} }), drawn, 1},
		"RGB big-endian": {storedTIFF(drawn, tiffWriter{order: be, photometric: 2, bits: eights(3)}, func(c color.NRGBA) []byte { return []byte{c.R, c.G, c.B} }), drawn, 1},
		"RGBA":           {storedTIFF(faded, tiffWriter{order: le, photometric: 2, bits: eights(4), extra: []uint16{2}}, func(c color.NRGBA) []byte { return []byte{c.R, c.G, c.B, c.A} }), faded, 1},
		"RGB, 16 bits": {storedTIFF(drawn, tiffWriter{order: be, photometric: 2, bits: []uint16{16, 16, 16}}, func(c color.NRGBA) []byte {
			return []byte{c.R, c.R, c.G, c.G, c.B, c.B}
		}), drawn, 1},
		"RGBA, 16 bits": {storedTIFF(faded, tiffWriter{order: be, photometric: 2, bits: []uint16{16, 16, 16, 16}, extra: []uint16{2}}, func(c color.NRGBA) []byte {
			return []byte{c.R, c.R, c.G, c.G, c.B, c.B, c.A, c.A}
		}), faded, 1},
		"grey":          {storedTIFF(grey, tiffWriter{order: le, photometric: 1, bits: eights(1)}, func(c color.NRGBA) []byte { return []byte{c.R} }), grey, 1},
		"grey, 16 bits": {storedTIFF(grey, tiffWriter{order: be, photometric: 1, bits: []uint16{16}}, func(c color.NRGBA) []byte { return []byte{c.R, c.R} }), grey, 1},
		"white is zero": {storedTIFF(grey, tiffWriter{order: le, photometric: 0, bits: eights(1)}, func(c color.NRGBA) []byte { return []byte{255 - c.R} }), grey, 1},
		"grey and alpha": {storedTIFF(grey, tiffWriter{order: le, photometric: 1, bits: eights(2), extra: []uint16{2}}, func(c color.NRGBA) []byte {
			return []byte{c.R, 255}
		}), grey, 1},
		"palette": {storedTIFF(indexed, tiffWriter{order: le, photometric: 3, bits: eights(1), colours: palette}, func(c color.NRGBA) []byte {
			return []byte{uint8(slices.Index([]color.NRGBA{red, green, blue, gold}, c))}
		}), indexed, 2},
		"CMYK": {storedTIFF(flat, tiffWriter{order: le, photometric: 5, bits: eights(4)}, func(color.NRGBA) []byte { return []byte{0, 0, 0, 0} }), solid(96, 64, white), 4},
		// sRGB 180, 90, 40 is L* 46.6, a* 33.2, b* 43.9 under D50.
		"Lab": {storedTIFF(flat, tiffWriter{order: le, photometric: 8, bits: eights(3)}, func(color.NRGBA) []byte { return []byte{119, 33, 44} }), flat, 5},
	} {
		for _, size := range []image.Point{{96, 64}, {48, 32}, {150, 100}} {
			got := picture(t, c.file, fmt.Sprintf("w=%d&fit=contain", size.X))
			if d := difference(t, got, average(c.want, size.X, size.Y)); d > c.most+0.9 {
				t.Errorf("%s, %d wide: %.2f levels off", name, size.X, d)
			}
		}
	}
	for orientation := 1; orientation <= 8; orientation++ {
		m := stored(quadrants(80, 40), orientation)
		file := storedTIFF(m, tiffWriter{order: le, photometric: 2, bits: eights(3), orientation: uint16(orientation)}, func(c color.NRGBA) []byte { return []byte{c.R, c.G, c.B} })
		got := picture(t, file, "w=40")
		wantSize(t, got, 40, 20)
		wantCorners(t, got, [4]color.NRGBA{red, green, blue, gold})
	}
	whole := storedTIFF(noise(96, 64), tiffWriter{order: le, photometric: 2, bits: eights(3)}, func(c color.NRGBA) []byte { return []byte{c.R, c.G, c.B} })
	if err := failure(t, whole[:len(whole)/2], "w=20", transform.PNG); !errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("cut: %v", err)
	}
}

// A TIFF looks the same in 8 and in 16 bits a channel, and RGB in floating point, which
// is linear light, as well. Those whose black and white nobody can say are refused.
func TestTIFFDepths(t *testing.T) {
	le := binary.LittleEndian
	drawn := scene(96, 64, true)
	level := func(v uint8) []byte { return []byte{v} }
	deep := func(v uint8) []byte { return le.AppendUint16(nil, uint16(v)*257) }
	light := func(v uint8) []byte {
		return le.AppendUint32(nil, math.Float32bits(float32(srgbDecode(float64(v)/255))))
	}
	over := func(v, alpha uint8) uint8 { return uint8(int(v) * int(alpha) / 255) }
	type kind struct {
		name        string
		photometric uint16
		extra       []uint16
		samples     func(c color.NRGBA) []uint8
	}
	file := func(k kind, bits, format uint16, put func(uint8) []byte, alpha func(uint8) []byte) []byte {
		n := len(k.samples(color.NRGBA{}))
		w := tiffWriter{order: le, photometric: k.photometric, bits: slices.Repeat([]uint16{bits}, n), format: format, extra: k.extra}
		return storedTIFF(drawn, w, func(c color.NRGBA) (b []byte) {
			for i, v := range k.samples(c) {
				if i >= n-len(k.extra) {
					b = append(b, alpha(v)...)
				} else {
					b = append(b, put(v)...)
				}
			}
			return b
		})
	}
	for _, k := range []kind{
		{"grey", 1, nil, func(c color.NRGBA) []uint8 { return []uint8{c.B} }},
		{"white is zero", 0, nil, func(c color.NRGBA) []uint8 { return []uint8{c.B} }},
		{"grey and alpha", 1, []uint16{2}, func(c color.NRGBA) []uint8 { return []uint8{c.B, c.A} }},
		{"RGB", 2, nil, func(c color.NRGBA) []uint8 { return []uint8{c.R, c.G, c.B} }},
		{"RGBA", 2, []uint16{2}, func(c color.NRGBA) []uint8 { return []uint8{c.R, c.G, c.B, c.A} }},
		{"RGB and premultiplied alpha", 2, []uint16{1}, func(c color.NRGBA) []uint8 {
			return []uint8{over(c.R, c.A), over(c.G, c.A), over(c.B, c.A), c.A}
		}},
		{"CMYK", 5, nil, func(c color.NRGBA) []uint8 { return []uint8{c.R, c.G, c.B, c.A / 4} }},
		{"CMYK and alpha", 5, []uint16{2}, func(c color.NRGBA) []uint8 { return []uint8{c.R, c.G, c.B, c.R / 4, c.A} }},
		{"Lab", 8, nil, func(c color.NRGBA) []uint8 { return []uint8{c.R, c.G / 4, c.B / 4} }},
	} {
		for _, query := range []string{"", "w=48"} {
			want := picture(t, file(k, 8, 0, level, level), query)
			most := 1.0
			if k.photometric == 8 { // whose a* and b* are 256 times as much, not 257
				most = 2
			}
			if d := difference(t, picture(t, file(k, 16, 0, deep, deep), query), want); d > most {
				t.Errorf("%s, %q: 16 bits differ from 8 by %.2f levels", k.name, query, d)
			}
			if k.photometric != 2 || len(k.extra) > 0 && k.extra[0] == 1 {
				continue
			}
			whole := func(v uint8) []byte { return le.AppendUint32(nil, math.Float32bits(float32(v)/255)) }
			got := picture(t, file(k, 32, 3, light, whole), query)
			if d := difference(t, got, want); d > 1 {
				t.Errorf("%s, %q: floating point differs from 8 bits by %.2f levels", k.name, query, d)
			}
		}
		for name, c := range map[string][2]uint16{"signed": {16, 2}, "32 bits": {32, 1}} {
			_, err := header.Read(file(k, c[0], c[1], func(v uint8) []byte { return make([]byte, c[0]/8) }, level))
			if !errors.Is(err, transform.ErrUnsupported) {
				t.Errorf("%s, %s: %v", k.name, name, err)
			}
		}
	}
}

func solid(w, h int, c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = []uint8{c.R, c.G, c.B, c.A}[i%4]
	}
	return m
}

// What is neither a colour nor alpha is left out.
func TestTIFFExtraBands(t *testing.T) {
	drawn := scene(60, 40, false)
	file := storedTIFF(drawn, tiffWriter{order: binary.LittleEndian, photometric: 2, bits: slices.Repeat([]uint16{8}, 5), extra: []uint16{2, 0}}, func(c color.NRGBA) []byte {
		return []byte{c.R, c.G, c.B, 255, 9}
	})
	two := storedTIFF(drawn, tiffWriter{order: binary.LittleEndian, photometric: 1, bits: []uint16{8, 8, 8}, extra: []uint16{2, 0}}, func(c color.NRGBA) []byte {
		return []byte{c.R, 255, 9}
	})
	for _, format := range append(slices.Clone(outputs), transform.TIFF, transform.JXL) {
		for _, query := range []string{"lossless", "w=30&lossless", "blur=1", "sepia", "pad=4", "trim=3"} {
			out := run(t, file, query, format)
			if query == "lossless" && format != transform.JXL && format != transform.GIF {
				if d := difference(t, decode(t, out.Data), drawn); d > 6 {
					t.Errorf("%s: %.2f levels off", format, d)
				}
			}
			run(t, two, query, format)
		}
	}
}

// Of several pages the first is taken.
func TestTIFFPages(t *testing.T) {
	two := export(t, quadrants(40, 60), func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
		if err := errors.Join(m.SetPageHeight(30), m.SetPages(2)); err != nil {
			t.Fatal(err)
		}
		return m.ExportTiff(&govips.TiffExportParams{Compression: govips.TiffCompressionLzw})
	})
	if h := job(t, two, "", transform.PNG).Originals[0].Header; h.Frames != 2 || h.Height != 30 {
		t.Fatalf("header %+v", h)
	}
	got := picture(t, two, "")
	wantSize(t, got, 40, 30)
	wantCorners(t, got, [4]color.NRGBA{red, green, red, green})
	// As GIF, which could hold two.
	if out := run(t, two, "", transform.GIF); out.Frames != 1 {
		t.Errorf("%d frames", out.Frames)
	}
}

func TestTIFFOut(t *testing.T) {
	for _, m := range []*image.NRGBA{scene(120, 80, false), scene(120, 80, true)} {
		for _, query := range []string{"", "q=1", "metadata=keep"} {
			out := run(t, pngBytes(t, m), query, transform.TIFF)
			if d := farthest(t, decode(t, out.Data), m); d != 0 {
				t.Errorf("%q: %d levels off", query, d)
			}
			if raw := 120 * 80 * 3; len(out.Data) > raw {
				t.Errorf("%d bytes for %d of pixels", len(out.Data), raw)
			}
		}
	}
	source := withEverything(t, 6)
	if out := run(t, source, "w=40", transform.TIFF); bytes.Contains(out.Data, []byte("Tester")) || bytes.Contains(out.Data, []byte("secret")) || profileOf(t, out.Data) != nil {
		t.Error("metadata in the TIFF")
	}
	out := run(t, source, "w=40&metadata=keep", transform.TIFF)
	if profileOf(t, out.Data) == nil {
		t.Error("the profile is gone")
	}
	wantColor(t, decode(t, out.Data), 10, 5, swap(red), 25)
	wantUpright(t, out.Data)
	if h, err := header.Read(run(t, animation(t), "", transform.TIFF).Data); err != nil || h.Frames != 1 {
		t.Errorf("of an animation: %+v, %v", h, err)
	}
}

// jxlHeader is the header of a JPEG XL file of a known picture.
func jxlHeader(m image.Image, alpha bool) transform.Header {
	h := transform.Header{Format: transform.JXL, Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	if alpha {
		h.Alpha, h.Bands = true, 4
	}
	return h
}

func jxlPicture(t testing.TB, data []byte, h transform.Header, query string) *image.NRGBA {
	t.Helper()
	out, err := vips.New().Transform(t.Context(), jobOf(t, data, h, query, transform.PNG))
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	return decode(t, out.Data)
}

func TestJXL(t *testing.T) {
	for _, alpha := range []bool{false, true} {
		drawn := scene(160, 120, alpha)
		last := 0
		for _, q := range []int{5, 30, 60, 80, 95, 100} {
			data := run(t, pngBytes(t, drawn), fmt.Sprintf("q=%d", q), transform.JXL).Data
			if header.Sniff(data) != transform.JXL {
				t.Fatal("not JPEG XL")
			}
			if len(data) < last {
				t.Errorf("q=%d: %d bytes, %d at the quality below", q, len(data), last)
			}
			last = len(data)
			got := jxlPicture(t, data, jxlHeader(drawn, alpha), "")
			if d := difference(t, got, drawn); q >= 60 && d > 4 || d > 12 {
				t.Errorf("alpha %v, q=%d: %.2f levels off", alpha, q, d)
			}
		}
		data := run(t, pngBytes(t, drawn), "lossless", transform.JXL).Data
		if d := farthest(t, jxlPicture(t, data, jxlHeader(drawn, alpha), ""), drawn); d != 0 {
			t.Errorf("lossless, alpha %v: %d levels off", alpha, d)
		}
		if d := difference(t, jxlPicture(t, data, jxlHeader(drawn, alpha), "w=80&rotate=180"), average(stored(drawn, 3), 80, 60)); d > 1 {
			t.Errorf("smaller, alpha %v: %.2f levels off", alpha, d)
		}
	}
	grey := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(i % 64 * 4)
	}
	data := run(t, pngBytes(t, grey), "lossless", transform.JXL).Data
	if d := farthest(t, jxlPicture(t, data, jxlHeader(grey, false), ""), toNRGBA(grey)); d != 0 {
		t.Errorf("grey: %d levels off", d)
	}
}

// jxlBoxes are the kinds of a JPEG XL file's boxes, none of a bare codestream. That of a
// compressed box (ISO/IEC 18181-2 §9.3.3) is the kind of what it holds.
func jxlBoxes(t *testing.T, b []byte) (kinds []string) {
	t.Helper()
	if bytes.HasPrefix(b, []byte("\xff\x0a")) {
		return nil
	}
	for len(b) > 0 {
		size := uint64(len(b))
		if len(b) >= 12 {
			switch n := binary.BigEndian.Uint32(b); n {
			case 0: // up to the end
			case 1:
				size = binary.BigEndian.Uint64(b[8:])
			default:
				size = uint64(n)
			}
		}
		if size < 12 || size > uint64(len(b)) {
			t.Fatalf("a box of %d bytes where %d are left", size, len(b))
		}
		kind := string(b[4:8])
		if kind == "brob" {
			kind = string(b[8:12])
		}
		kinds = append(kinds, kind)
		b = b[size:]
	}
	return kinds
}

func TestJXLMetadata(t *testing.T) {
	source := withEverything(t, 6)
	m := image.NewNRGBA(image.Rect(0, 0, 40, 20))
	isMeta := func(kind string) bool {
		return !slices.Contains([]string{"JXL ", "ftyp", "jxlc", "jxlp", "jxll"}, kind)
	}
	for _, query := range []string{"w=40", "w=40&lossless", "w=40&grayscale"} {
		data := run(t, source, query, transform.JXL).Data
		if kinds := jxlBoxes(t, data); slices.ContainsFunc(kinds, isMeta) {
			t.Errorf("%q: the output has the boxes %q", query, kinds)
		}
		if bytes.Contains(data, []byte("Tester")) || bytes.Contains(data, []byte("secret")) {
			t.Errorf("%q: the output contains metadata", query)
		}
	}
	data := run(t, source, "w=40", transform.JXL).Data
	wantColor(t, jxlPicture(t, data, jxlHeader(m, false), ""), 10, 5, swap(red), 25)
	// From 8.15 on, libvips writes EXIF into JPEG XL.
	for query, want := range map[string]string{"metadata=copyright&w=40": "Tester", "metadata=keep&w=40": "secret"} {
		data = run(t, source, query, transform.JXL).Data
		wantColor(t, jxlPicture(t, data, jxlHeader(m, false), ""), 10, 5, swap(red), 25)
		ref, err := govips.NewImageFromBuffer(data)
		if err != nil {
			t.Fatal(err)
		}
		defer ref.Close()
		exif := ref.GetBlob("exif-data")
		if has := slices.ContainsFunc(jxlBoxes(t, data), isMeta); has && !bytes.Contains(exif, []byte(want)) {
			t.Errorf("%q: the EXIF lacks %q: %q", query, want, exif)
		}
		if o := ref.Orientation(); o > 1 {
			t.Errorf("%q: libvips reads orientation %d", query, o)
		}
		if want == "Tester" && bytes.Contains(exif, []byte("secret")) {
			t.Errorf("%q: the EXIF holds more than rights: %q", query, exif)
		}
	}
	if data = run(t, source, "w=40&metadata=keep", transform.JXL).Data; profileOf(t, data) == nil {
		t.Error("the profile is gone")
	}
}

// More than eight bits a channel, and floating point: linear light, and by a
// profile.
func TestDeepJXL(t *testing.T) {
	run(t, pngBytes(t, scene(8, 6, false)), "", transform.PNG) // The first job allows libvips to write JPEG XL.
	for _, alpha := range []bool{false, true} {
		drawn := scene(80, 60, alpha)
		for name, prepare := range map[string]func(m *govips.ImageRef) error{
			"16 bits": func(m *govips.ImageRef) error {
				return errors.Join(m.ToColorSpace(govips.InterpretationRGB16), m.Cast(govips.BandFormatUshort))
			},
			"floating point": func(m *govips.ImageRef) error { return m.ToColorSpace(govips.InterpretationScRGB) },
		} {
			ref, err := govips.NewImageFromGoImage(drawn)
			if err != nil {
				t.Fatal(err)
			}
			defer ref.Close()
			if err := prepare(ref); err != nil {
				t.Fatal(err)
			}
			if ref.BandFormat() == govips.BandFormatFloat {
				// Alpha is 0–1 in the file, which libvips makes of it from 8.15 on.
				opaque, err := ref.GetPoint(0, 0)
				if err != nil {
					t.Fatal(err)
				}
				if err := ref.Linear([]float64{1, 1, 1, 1 / opaque[3]}, make([]float64, 4)); err != nil {
					t.Fatal(err)
				}
			}
			data, _, err := ref.ExportJxl(&govips.JxlExportParams{Lossless: true, Effort: 3})
			if err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{"", "w=40"} {
				got := jxlPicture(t, data, jxlHeader(drawn, alpha), query)
				if d := difference(t, got, average(drawn, got.Rect.Dx(), got.Rect.Dy())); d > 1.5 {
					t.Errorf("%s, alpha %v, %q: %.2f levels off", name, alpha, query, d)
				}
			}
		}
	}
}

// Kinds of JPEG XL that libvips doesn't write, made by testdata/jxl/make.c, look as
// that has drawn them. Those that libvips would decode wrong are refused.
func TestJXLKinds(t *testing.T) {
	const w, h = 48, 32
	// Of a picture of these colours, what is shown: level makes a level of a number.
	drawn := func(level func(float64) uint8, grey, alpha bool) *image.NRGBA {
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				u, v := float64(x), float64(y)
				c := color.NRGBA{level(u / 47), level(v / 31), level(1 - u/94 - v/62), 255}
				if grey {
					c.R, c.G = c.B, c.B
				}
				if alpha {
					c.A = uint8(math.Round(255 * (1 - u/60)))
				}
				m.SetNRGBA(x, y, c)
			}
		}
		return m
	}
	srgb := func(v float64) uint8 { return uint8(math.Round(255 * v)) }
	light := func(v float64) uint8 { return srgb(srgbEncode(.3 * v)) }
	curve := func(v float64) uint8 { return srgb(srgbEncode(.3 * v * .3 * v * (1 + .3*v) / 2)) }
	for name, c := range map[string]struct {
		want *image.NRGBA // nil: refused
		most float64
	}{
		"plain":               {drawn(srgb, false, false), .1},
		"alpha":               {drawn(srgb, false, true), .1},
		"premultiplied":       {drawn(srgb, false, true), 1},
		"premultiplied-16":    {drawn(srgb, false, true), .6},
		"premultiplied-float": {drawn(srgb, false, true), .6},
		"premultiplied-grey":  {drawn(srgb, true, true), 1},
		"float":               {drawn(srgb, false, false), .6},
		"float-grey":          {drawn(srgb, true, false), .6},
		"profile":             {drawn(curve, false, false), 1},
		"profile-16":          {drawn(curve, false, false), 1},
		"profile-grey":        {drawn(curve, true, false), 1},
		"profile-alpha":       {drawn(curve, false, true), 1},
		"linear":              {drawn(light, false, false), 1},
		"depth":               {drawn(srgb, false, false), .1},
		"depth-grey":          {drawn(srgb, true, false), .1},
		"black":               {}, "spot-alpha": {}, "depth-alpha": {},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile("testdata/jxl/" + name + ".jxl")
			if err != nil {
				t.Fatal(err)
			}
			hd, err := header.Read(file)
			if c.want == nil {
				if !errors.Is(err, transform.ErrUnsupported) {
					t.Errorf("%+v, %v", hd, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(file)
			for _, query := range []string{"", "w=24", "metadata=keep", "trim=1&lossless"} {
				out := run(t, file, query, transform.PNG)
				m := decode(t, out.Data)
				if query == "metadata=keep" { // perhaps in the colours of a profile
					m = decode(t, run(t, out.Data, "", transform.PNG).Data)
				}
				most := c.most
				if m.Rect.Dx() < w { // the reference rounds otherwise
					most += .3
				}
				if d := difference(t, m, average(c.want, m.Rect.Dx(), m.Rect.Dy())); d > most {
					t.Errorf("%q: %.2f levels off", query, d)
				}
			}
			if !bytes.Equal(file, before) {
				t.Error("the original has changed")
			}
		})
	}
	// A spot colour is printed over the others: half of green here.
	file, err := os.ReadFile("testdata/jxl/spot.jxl")
	if err != nil {
		t.Fatal(err)
	}
	got := picture(t, file, "")
	wantColor(t, got, 0, 0, color.NRGBA{0, 128, 128, 255}, 2)
	wantColor(t, got, 47, 31, color.NRGBA{128, 255, 0, 255}, 2)
}

// A mark may be a JPEG XL of which a copy is decoded, and nothing holds on to that.
func TestJXLMark(t *testing.T) {
	file, err := os.ReadFile("testdata/jxl/linear.jxl")
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, marked(t, pngBytes(t, solid(48, 32, white)), "", transform.PNG, markOf(t, file, "mark-w=48&mark-align=top,left&mark-pad=0")).Data)
	if d := difference(t, got, picture(t, file, "")); d > 1 {
		t.Errorf("%.2f levels off", d)
	}
	runtime.GC() // which panics over what is pinned and forgotten
	runtime.GC()
}

func TestBrokenJXL(t *testing.T) {
	m := noise(160, 120)
	whole := run(t, pngBytes(t, m), "q=90", transform.JXL).Data
	for _, percent := range []int{5, 30, 60, 90, 99} {
		_, err := vips.New().Transform(t.Context(), jobOf(t, whole[:len(whole)*percent/100], jxlHeader(m, false), "w=50", transform.PNG))
		if !errors.Is(err, transform.ErrCorrupt) { // libjxl doesn't say why
			t.Errorf("cut to %d %%: %v", percent, err)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		damaged := slices.Clone(whole)
		for range 10 {
			damaged[20+random.IntN(len(damaged)-20)] ^= byte(1 + random.IntN(255))
		}
		_, err := vips.New().Transform(t.Context(), jobOf(t, damaged, jxlHeader(m, false), "w=50", transform.PNG))
		if err != nil && !errors.Is(err, transform.ErrCorrupt) && !errors.Is(err, transform.ErrUnsupported) && !errors.Is(err, transform.ErrTooLarge) {
			t.Errorf("damaged: %v", err)
		}
	}
	lie := jxlHeader(m, false)
	lie.Width++
	if _, err := vips.New().Transform(t.Context(), jobOf(t, whole, lie, "", transform.PNG)); !errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("another size: %v", err)
	}
}
