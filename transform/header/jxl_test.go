package header

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

// jxlWriter writes the fields of a codestream, lowest bit first.
type jxlWriter struct {
	b    []byte
	bits int
}

func (w *jxlWriter) put(n int, v uint64) *jxlWriter {
	for k := range n {
		if w.bits%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.bits/8] |= byte(v>>k&1) << (w.bits % 8)
		w.bits++
	}
	return w
}

// u32 writes a number the way-th way, in so many bits.
func (w *jxlWriter) u32(way uint64, bits int, v uint64) *jxlWriter { return w.put(2, way).put(bits, v) }

// jxlStream is 203×151 pixels with whatever metadata puts, and a byte of a frame.
func jxlStream(metadata func(w *jxlWriter)) []byte {
	w := &jxlWriter{}
	w.put(1, 0).u32(0, 9, 150).put(3, 0).u32(0, 9, 202) // 151, no ratio, 203
	metadata(w)
	return append(append([]byte("\xff\x0a"), w.b...), 0x5a)
}

// jxlMetadata has extra fields, then channels, in sRGB or grey.
func jxlMetadata(extra func(w *jxlWriter), depth, channels func(w *jxlWriter), grey bool) []byte {
	return jxlStream(func(w *jxlWriter) {
		w.put(1, 0) // not all as usual
		if extra == nil {
			w.put(1, 0)
		} else {
			w.put(1, 1)
			extra(w)
		}
		if depth == nil {
			w.put(1, 0).u32(0, 0, 0) // 8 bits
		} else {
			depth(w)
		}
		w.put(1, 1) // 16-bit buffers
		if channels == nil {
			w.u32(0, 0, 0)
		} else {
			channels(w)
		}
		w.put(1, 1) // XYB
		if grey {
			w.put(1, 0).put(1, 0).u32(1, 0, 0)                  // no profile, grey
			w.u32(1, 0, 0).put(1, 0).u32(2, 4, 11).u32(1, 0, 0) // D65, sRGB's curve, relative
		} else {
			w.put(1, 1)
		}
	})
}

func jxlFile(boxes ...[]byte) []byte {
	return slices.Concat([]byte(jxlContainer), isoBox("ftyp", []byte("jxl \x00\x00\x00\x00jxl ")), slices.Concat(boxes...))
}

func jxlPart(index uint32, stream []byte) []byte {
	return isoBox("jxlp", binary.BigEndian.AppendUint32(nil, index), stream)
}

func jxlCases() []headerCase {
	header := transform.Header{Format: transform.JXL, Width: 203, Height: 151, Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	with := func(change func(*transform.Header)) transform.Header {
		h := header
		change(&h)
		return h
	}
	usual := jxlStream(func(w *jxlWriter) { w.put(1, 1) })
	sized := func(size func(w *jxlWriter)) []byte {
		w := &jxlWriter{}
		size(w)
		return append(append([]byte("\xff\x0a"), w.put(1, 1).b...), 0x5a)
	}
	alpha := func(w *jxlWriter) { w.u32(1, 0, 0).put(1, 1) }
	named := func(w *jxlWriter) { // a spot colour with a name, then alpha of 16 bits
		w.u32(2, 4, 0)                                                // 2 channels
		w.put(1, 0).u32(2, 4, 0).put(1, 0).u32(0, 0, 0).u32(0, 0, 0)  // type 2, 8 bits, as large
		w.u32(1, 4, 3).put(24, 0x6c6d6e).put(64, 0x3c003c003c003c00)  // name, colour
		w.put(1, 0).u32(0, 0, 0).put(1, 0).u32(3, 6, 15).u32(3, 3, 1) // type 0, 16 bits, a quarter as large
		w.u32(0, 0, 0).put(1, 1)                                      // no name, premultiplied
	}
	// Linear light, or a profile, with alpha multiplied in.
	coded := func(bits uint64, colours func(w *jxlWriter)) []byte {
		return jxlStream(func(w *jxlWriter) {
			w.put(1, 0).put(1, 0)
			w.put(1, 0).u32(bits, 0, 0).put(1, 1)                                                            // 8, 10 or 12 bits
			w.u32(1, 0, 0).put(1, 0).u32(0, 0, 0).put(1, 0).u32(0, 0, 0).u32(0, 0, 0).u32(0, 0, 0).put(1, 1) // alpha
			colours(w)
		})
	}
	linear := func(w *jxlWriter) {
		w.put(1, 1).put(1, 0).put(1, 0).u32(0, 0, 0) // XYB, no profile, RGB
		w.u32(2, 4, 0).u32(0, 19, 1).u32(1, 19, 2)   // a white of its own
		w.u32(2, 4, 0)                               // primaries of its own
		w.u32(0, 19, 1).u32(0, 19, 1).u32(2, 20, 1).u32(0, 19, 1).u32(3, 21, 1).u32(0, 19, 1)
		w.put(1, 0).u32(2, 4, 6).u32(1, 0, 0) // linear, relative
	}
	gamma := func(g uint64) func(w *jxlWriter) {
		return func(w *jxlWriter) {
			w.put(1, 1).put(1, 0).put(1, 0).u32(0, 0, 0).u32(1, 0, 0).u32(1, 0, 0).put(1, 1).put(24, g).u32(1, 0, 0)
		}
	}
	profile := func(xyb uint64) func(w *jxlWriter) {
		return func(w *jxlWriter) { w.put(1, xyb).put(1, 0).put(1, 1).u32(0, 0, 0) }
	}
	premultiplied := func(bits int) transform.Header {
		return with(func(h *transform.Header) { h.Alpha, h.Premultiplied, h.Bands, h.Bits = true, true, 4, bits })
	}
	extra := func(kinds ...uint64) func(w *jxlWriter) {
		return func(w *jxlWriter) {
			if len(kinds) == 1 {
				w.u32(1, 0, 0)
			} else {
				w.u32(2, 4, uint64(len(kinds)-2))
			}
			for _, kind := range kinds {
				w.put(1, 0)
				if kind < 2 {
					w.u32(kind, 0, 0)
				} else {
					w.u32(2, 4, kind-2)
				}
				w.put(1, 0).u32(0, 0, 0).u32(0, 0, 0).u32(0, 0, 0)
				if kind == jxlAlpha {
					w.put(1, 0)
				}
			}
		}
	}
	hasAlpha := with(func(h *transform.Header) { h.Alpha, h.Bands = true, 4 })
	return []headerCase{
		{name: "jxl", file: usual, want: header},
		{name: "jxl in a box", file: jxlFile(isoBox("jxlc", usual)), want: header},
		{name: "jxl in parts", file: jxlFile(jxlPart(0, usual[:3]), isoBox("Exif", []byte("x")), jxlPart(1<<31|1, usual[3:])), want: header},
		{name: "jxl in eighths", file: sized(func(w *jxlWriter) { w.put(1, 1).put(5, 3).put(3, 0).put(5, 4) }), want: with(func(h *transform.Header) { h.Width, h.Height = 40, 32 })},
		{name: "jxl square", file: sized(func(w *jxlWriter) { w.put(1, 0).u32(1, 13, 4999).put(3, 1) }), want: with(func(h *transform.Header) { h.Width, h.Height = 5000, 5000 })},
		{name: "jxl 16:9", file: sized(func(w *jxlWriter) { w.put(1, 0).u32(1, 13, 1079).put(3, 5) }), want: with(func(h *transform.Header) { h.Width, h.Height = 1920, 1080 })},
		{name: "jxl of 16 bits", file: jxlMetadata(nil, func(w *jxlWriter) { w.put(1, 0).u32(3, 6, 15) }, nil, false), want: with(func(h *transform.Header) { h.Bits = 16 })},
		{name: "jxl of floats", file: jxlMetadata(nil, func(w *jxlWriter) { w.put(1, 1).u32(0, 0, 0).put(4, 7) }, nil, false), want: with(func(h *transform.Header) { h.Bits = 32 })},
		{name: "grey jxl", file: jxlMetadata(nil, nil, nil, true), want: with(func(h *transform.Header) { h.Bands = 1 })},
		{name: "jxl with alpha", file: jxlMetadata(nil, nil, alpha, false), want: hasAlpha},
		{name: "jxl with a spot colour and alpha", file: jxlMetadata(nil, nil, named, false), err: transform.ErrUnsupported},
		{name: "jxl with depth", file: jxlMetadata(nil, nil, extra(1), false), want: header},
		{name: "jxl with depth and alpha", file: jxlMetadata(nil, nil, extra(1, jxlAlpha), false), err: transform.ErrUnsupported},
		{name: "jxl in CMYK", file: jxlMetadata(nil, nil, extra(jxlBlack), false), err: transform.ErrUnsupported},
		{name: "jxl in linear light", file: coded(0, linear), want: premultiplied(12)},
		{name: "jxl in linear light, 10 bits", file: coded(1, linear), want: premultiplied(10)},
		{name: "jxl of gamma 1.2", file: coded(0, gamma(8333333)), want: premultiplied(12)},
		{name: "jxl of gamma 2.2", file: coded(0, gamma(4545454)), want: premultiplied(8)},
		{name: "jxl with a profile", file: coded(0, profile(1)), want: premultiplied(12)},
		{name: "jxl with a profile of what it stores", file: coded(0, profile(0)), want: premultiplied(8)},
		{name: "turned jxl", file: jxlMetadata(func(w *jxlWriter) { w.put(3, 5).put(3, 0) }, nil, nil, false), want: with(func(h *transform.Header) { h.Width, h.Height = 151, 203 })},
		{name: "animated jxl with a preview", file: jxlMetadata(func(w *jxlWriter) {
			w.put(3, 0)
			w.put(1, 1).put(1, 1).put(5, 0).put(3, 1)                     // shown at 8×8
			w.put(1, 1).put(1, 0).u32(1, 8, 9).put(3, 0).u32(0, 6, 1)     // a preview
			w.put(1, 1).u32(2, 10, 7).u32(0, 0, 0).u32(1, 3, 0).put(1, 0) // ticks
		}, nil, alpha, true), want: with(func(h *transform.Header) { h.Alpha, h.Bands = true, 2 })},

		{name: "jxl of 12 extra channels", file: jxlMetadata(nil, nil, func(w *jxlWriter) { w.u32(2, 4, 10).put(12, 0xfff) }, false), err: transform.ErrTooLarge},
		{name: "jxl of 2³⁰ pixels", file: sized(func(w *jxlWriter) { w.put(1, 0).u32(3, 30, 1<<30-1).put(3, 7) }), err: transform.ErrTooLarge},
		{name: "jxl in two boxes", file: jxlFile(isoBox("jxlc", usual), isoBox("jxlc", usual)), err: transform.ErrCorrupt},
		{name: "jxl with a part after the last", file: jxlFile(jxlPart(1<<31, usual), jxlPart(1, usual)), err: transform.ErrCorrupt},
		{name: "jxl of something else", file: jxlFile(isoBox("jxlc", []byte("codestream"))), err: transform.ErrCorrupt},
		{name: "jxl without a codestream", file: jxlFile(isoBox("Exif", []byte("x"))), err: transform.ErrTruncated},
		{name: "jxl without its last part", file: jxlFile(jxlPart(0, usual)), err: transform.ErrTruncated},
		{name: "jxl of its signature", file: []byte("\xff\x0a"), err: transform.ErrTruncated},
		{name: "jxl cut off in a name", file: jxlMetadata(nil, nil, func(w *jxlWriter) {
			w.u32(1, 0, 0).put(1, 0).u32(2, 4, 0).put(1, 0).u32(0, 0, 0).u32(0, 0, 0).u32(3, 10, 900)
		}, false), err: transform.ErrTruncated},
	}
}

// DeepJXL changes two bits at most, wherever in the file they are, and nothing of what
// isn't in linear light once it is decoded.
func TestDeepJXL(t *testing.T) {
	for _, c := range jxlCases() {
		if c.err != nil {
			continue
		}
		stream := c.file
		if !hasPrefix(stream, jxlSignature) {
			var err error
			if stream, err = jxlCodestream(c.file); err != nil {
				t.Fatal(err)
			}
		}
		files := [][]byte{stream, jxlFile(isoBox("jxlc", stream))}
		for cut := range min(len(stream), 12) {
			files = append(files, jxlFile(jxlPart(0, stream[:cut]), isoBox("Exif", []byte("x")), jxlPart(1, nil), jxlPart(1<<31|2, stream[cut:])))
		}
		for i, file := range files {
			before := string(file)
			deep := DeepJXL(file)
			changed := 0
			for k := range file {
				changed += bits.OnesCount8(deep[k] ^ file[k])
			}
			want := 0
			if c.want.Bits == 12 {
				want = 1
			}
			if len(deep) != len(file) || changed != want || string(file) != before {
				t.Errorf("%s, %d: %d bits changed, want %d", c.name, i, changed, want)
			}
			if h, err := Read(deep); err != nil || h != c.want {
				t.Errorf("%s, %d: %+v, %v", c.name, i, h, err)
			}
		}
	}
}

func TestJXLMetadata(t *testing.T) {
	stream := isoBox("jxlc", jxlStream(func(w *jxlWriter) { w.put(1, 1) }))
	exif := func(at uint32, block string) []byte {
		return isoBox("Exif", binary.BigEndian.AppendUint32(nil, at), []byte(block))
	}
	for name, tt := range map[string]struct {
		file      []byte
		exif, xmp string
	}{
		"none":                   {jxlFile(stream), "", ""},
		"a bare codestream":      {jxlStream(func(w *jxlWriter) { w.put(1, 1) }), "", ""},
		"both":                   {jxlFile(exif(0, "II*\x00"), stream, isoBox("xml ", []byte("<x/>"))), "II*\x00", "<x/>"},
		"an offset":              {jxlFile(exif(6, "Exif\x00\x00MM\x00*"), stream), "MM\x00*", ""},
		"an offset to the end":   {jxlFile(exif(4, "II*\x00"), stream), "", ""},
		"an offset past the end": {jxlFile(exif(5, "II*\x00"), stream), "", ""},
		"a large offset":         {jxlFile(exif(math.MaxUint32, "II*\x00"), stream), "", ""},
		"no offset":              {jxlFile(isoBox("Exif", []byte("II*")), stream), "", ""},
		"two":                    {jxlFile(exif(0, "II*1"), exif(0, "II*2"), stream), "II*1", ""},
		"compressed":             {jxlFile(isoBox("brob", []byte("Exif\x0b\x01\x80")), stream), "", ""},
		"cut off":                {jxlFile(stream, exif(0, "II*\x00"))[:len(jxlFile(stream))+14], "", ""},
	} {
		exif, xmp := JXLMetadata(tt.file)
		if string(exif) != tt.exif || string(xmp) != tt.xmp {
			t.Errorf("%s: %q, %q; want %q, %q", name, exif, xmp, tt.exif, tt.xmp)
		}
	}
}
