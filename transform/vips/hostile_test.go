//go:build cgo

package vips_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// serve is what becomes of an original between the fetch and the response.
func serve(t testing.TB, original []byte, query string, format transform.Format) (transform.Image, error) {
	h, err := header.Read(original)
	if err != nil {
		return transform.Image{}, err
	}
	limits := transform.DefaultLimits()
	if err := limits.Check(h); err != nil {
		return transform.Image{}, err
	}
	return vips.New().Transform(t.Context(), transform.Job{
		Originals: []transform.Original{{Body: original, Header: h}}, Options: options(t, query), Format: format, Limits: limits,
	})
}

// Each of these has cost some image server seconds, gigabytes or a secret.
func TestHostile(t *testing.T) {
	png := func(w, h uint32, chunks ...[]byte) []byte { return pngOf(w, h, 2, append(chunks, pngIDAT(t, 100))...) }
	tests := []struct {
		name  string
		file  func() []byte
		wants []error // one of them
	}{
		{"jpeg of 1 KB, 64250²", func() []byte { return jpegClaiming(t, 64250, 64250, 1024) }, oneOf(transform.ErrTooLarge)},
		{"jpeg of 230 bytes, 35584×18696", func() []byte { return jpegTiny(35584, 18696, 1) }, oneOf(transform.ErrTooLarge)},
		{"jpeg of 5,000 scans", func() []byte { return jpegTiny(6000, 6000, 5000) }, oneOf(transform.ErrTooLarge)},
		{"jpeg of 60 scans of 36 megapixels", func() []byte { return jpegTiny(6000, 6000, 60) }, oneOf(transform.ErrTooLarge)},
		{"png 20000²", func() []byte { return png(20000, 20000) }, oneOf(transform.ErrTooLarge)},
		{"png 2³¹−1 × 1", func() []byte { return png(1<<31-1, 1) }, oneOf(transform.ErrTooLarge)},
		{"png with a text of 256 MB", func() []byte { return png(9, 9, pngChunk("zTXt", []byte("a\x00\x00"), zeros(t, 256<<20))) }, oneOf(transform.ErrTooLarge)},
		{"png with a profile of 256 MB", func() []byte { return png(9, 9, pngChunk("iCCP", []byte("a\x00\x00"), zeros(t, 256<<20))) }, oneOf(transform.ErrTooLarge)},
		{"png with an international text of 256 MB", func() []byte { return png(9, 9, pngChunk("iTXt", []byte("a\x00\x01\x00\x00\x00"), zeros(t, 256<<20))) }, oneOf(transform.ErrTooLarge)},
		{"png with too few pixels", func() []byte { return png(4000, 4000) }, oneOf(transform.ErrCorrupt)},
		{"gif of 100,000 frames", func() []byte { return gifOf(1, 1, 1, 100_000) }, oneOf(transform.ErrTooLarge)},
		{"gif 1×1 over 1,000 frames of 8000²", func() []byte { return gifOf(1, 1, 8000, 1000) }, oneOf(transform.ErrTooLarge)},
		{"webp of 200 frames of 16383²", func() []byte { return webpAnimation(16383, 200) }, oneOf(transform.ErrTooLarge)},
		{"tiff of 65,535 bands", func() []byte { return tiffOf(65535, false) }, oneOf(transform.ErrCorrupt)},
		{"tiff whose directories go round", func() []byte { return tiffOf(3, true) }, oneOf(transform.ErrCorrupt)},
		{"svgz of 300 MB", func() []byte { return gzipped(t, "<svg xmlns='http://www.w3.org/2000/svg'>", 300<<20) }, oneOf(transform.ErrUnsupported)},
		{"svg of nested uses", func() []byte { return svgLaughs(`<use href="#l%d"/>`) }, oneOf(transform.ErrTooLarge)},
		{"svg of nested patterns", func() []byte { return svgLaughs(`<path fill="url(#l%d)"/>`) }, oneOf(transform.ErrTooLarge)},
		{"svg that uses itself", func() []byte { return svg(`<g id="a"><use href="#a"/></g>`) }, oneOf(transform.ErrCorrupt)},
		{"svg with entities", func() []byte {
			return []byte(`<!DOCTYPE svg [<!ENTITY a "` + strings.Repeat("a", 1000) + `"><!ENTITY b "` + strings.Repeat("&a;", 1000) + `">]>` + string(svg("<text>&b;</text>")))
		}, oneOf(transform.ErrUnsupported)},
		{"svg with a file as entity", func() []byte {
			return []byte(`<!DOCTYPE svg [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>` + string(svg("<text>&xxe;</text>")))
		}, oneOf(transform.ErrUnsupported)},
		{"svg with a file as type", func() []byte { return []byte(`<!DOCTYPE svg SYSTEM "file:///dev/zero">` + string(svg(""))) }, oneOf(transform.ErrUnsupported)},
		{"svg with an outside picture", func() []byte { return svg(`<image href="http://169.254.169.254/latest"/>`) }, oneOf(transform.ErrUnsupported)},
		{"svg with a file as picture", func() []byte { return svg(`<image href="file:///etc/passwd"/>`) }, oneOf(transform.ErrUnsupported)},
		{"svg with a file as sheet", func() []byte { return svg(`<style>@import url(file:///etc/passwd);</style>`) }, oneOf(transform.ErrUnsupported)},
		{"svg with an included file", func() []byte {
			return svg(`<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>`)
		}, oneOf(transform.ErrUnsupported)},
		{"svg 100000²", func() []byte {
			return []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="100000" height="100000"/>`)
		}, oneOf(transform.ErrTooLarge)},
		{"jxl of 2³⁰ × 2³¹", func() []byte { return []byte("\xff\x0a\xfe\xff\xff\xff\xff\x01\x00\x00") }, oneOf(transform.ErrTooLarge)},
		{"avif coded larger than it says", func() []byte { return avifSaying(t, 16, 16) }, oneOf(transform.ErrCorrupt)},
		{"avif coded smaller than it says", func() []byte { return avifSaying(t, 8000, 8000) }, oneOf(transform.ErrCorrupt)},
		{"html", func() []byte { return []byte("<!DOCTYPE html><html><img src=x onerror=alert(1)></html>") }, oneOf(transform.ErrUnsupported)},
		{"html with an svg in it", func() []byte { return []byte("<html><svg xmlns='http://www.w3.org/2000/svg'></svg></html>") }, oneOf(transform.ErrUnsupported)},
		{"pdf", func() []byte { return []byte("%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF") }, oneOf(transform.ErrUnsupported)},
		{"eps", func() []byte { return []byte("%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (w) file\n") }, oneOf(transform.ErrUnsupported)},
		{"mvg", func() []byte {
			return []byte("push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 9,9 'https://x.test/\"|id'\npop graphic-context\n")
		}, oneOf(transform.ErrUnsupported)},
		{"gif that is JavaScript", func() []byte { return []byte("GIF89a/*\x00\x00\x00\x00\x00*/=1;alert(document.domain)//") }, oneOf(transform.ErrUnsupported, transform.ErrCorrupt)},
		{"jpeg that is JavaScript", func() []byte { return []byte("\xff\xd8\xff\xe0/*\x4a\x46\x49\x46*/=1;alert(1)//") }, oneOf(transform.ErrCorrupt, transform.ErrUnsupported)},
		{"phar behind a jpeg's start", func() []byte { return []byte("\xff\xd8\xff<?php __HALT_COMPILER(); ?>") }, oneOf(transform.ErrCorrupt, transform.ErrUnsupported)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := test.file()
			const most, mostMemory = 200 * time.Millisecond, 50 << 20
			before := resetPeak()
			var err error
			took := cputime.Of(func() { _, err = serve(t, file, "w=100", transform.PNG) })
			grown := peakMemory() - before
			if !slices.ContainsFunc(test.wants, func(want error) bool { return errors.Is(err, want) }) {
				t.Errorf("error %v, want one of %v", err, test.wants)
			}
			t.Logf("%d bytes: %v of processor time, %d KB", len(file), took.Round(time.Microsecond), grown>>10)
			if took > most || grown > mostMemory {
				t.Errorf("took %v of processor time and %d MB", took, grown>>20)
			}
		})
	}
}

func oneOf(errs ...error) []error { return errs }

// resetPeak makes the most memory that the process has held what it holds now,
// and returns that in bytes.
func resetPeak() int {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	return procStatus("VmRSS:")
}

// peakMemory is the most since resetPeak. Where the system doesn't tell, it is
// Go's own.
func peakMemory() int {
	if n := procStatus("VmHWM:"); n > 0 {
		return n
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse)
}

func procStatus(field string) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(status), field)
	if !ok {
		return 0
	}
	n, _ := strconv.Atoi(strings.Fields(rest)[0])
	return n << 10
}

// What is broken besides the pixels costs a picture nothing: it comes out as it
// would without.
func TestBrokenMetadata(t *testing.T) {
	drawn := scene(64, 48, false)
	junk := bytes.Repeat([]byte("\xff\x00junk\x81"), 50)
	badTIFF := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01\x03\x00\xff\xff\xff\xff\x06\x00\x00\x00")
	profile := append(make([]byte, 36), "acsp"...)
	profile = append(profile, bytes.Repeat([]byte{0xff}, 200)...)
	copy(profile[12:], "mntrRGB XYZ ")
	binary.BigEndian.PutUint32(profile, uint32(len(profile)))

	jpeg, png := jpegBytes(t, drawn), pngBytes(t, drawn)
	webp := original(t, drawn, transform.WebP)
	pngWith := func(chunks ...[]byte) []byte { return slices.Concat(png[:33], slices.Concat(chunks...), png[33:]) }
	deflated := func(b []byte) []byte {
		var out bytes.Buffer
		w := zlib.NewWriter(&out)
		_, err := w.Write(b)
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	for name, c := range map[string]struct{ clean, broken []byte }{
		"jpeg, profile of junk":             {jpeg, withSegments(jpeg, segment(0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), junk...)))},
		"jpeg, profile with wrong parts":    {jpeg, withSegments(jpeg, segment(0xe2, append([]byte("ICC_PROFILE\x00\x07\x02"), profile...)))},
		"jpeg, profile of impossible tags":  {jpeg, withSegments(jpeg, segment(0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), profile...)))},
		"jpeg, profile that is empty":       {jpeg, withSegments(jpeg, segment(0xe2, []byte("ICC_PROFILE\x00")))},
		"jpeg, EXIF of junk":                {jpeg, withSegments(jpeg, segment(0xe1, append([]byte("Exif\x00\x00"), junk...)))},
		"jpeg, EXIF of impossible entries":  {jpeg, withSegments(jpeg, segment(0xe1, badTIFF))},
		"jpeg, XMP of junk":                 {jpeg, withSegments(jpeg, segment(0xe1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), junk...)))},
		"jpeg, Photoshop data of junk":      {jpeg, withSegments(jpeg, segment(0xed, append([]byte("Photoshop 3.0\x00"), junk...)))},
		"png, profile of junk":              {png, pngWith(pngChunk("iCCP", []byte("x\x00\x00"), junk))},
		"png, profile that unpacks to junk": {png, pngWith(pngChunk("iCCP", []byte("x\x00\x00"), deflated(junk)))},
		"png, profile of impossible tags":   {png, pngWith(pngChunk("iCCP", []byte("x\x00\x00"), deflated(profile)))},
		"png, profile that is empty":        {png, pngWith(pngChunk("iCCP"))},
		"png, EXIF of junk":                 {png, pngWith(pngChunk("eXIf", junk))},
		"png, EXIF of impossible entries":   {png, pngWith(pngChunk("eXIf", badTIFF[6:]))},
		"png, text of junk":                 {png, pngWith(pngChunk("zTXt", []byte("a\x00\x00"), junk), pngChunk("tEXt", junk), pngChunk("iTXt", junk))},
		"webp, profile of junk":             {webp, webpWith(t, webp, 0x20, webpChunk("ICCP", junk), nil)},
		"webp, profile of impossible tags":  {webp, webpWith(t, webp, 0x20, webpChunk("ICCP", profile), nil)},
		"webp, EXIF of junk":                {webp, webpWith(t, webp, 0x08, nil, webpChunk("EXIF", junk))},
		"webp, XMP of junk":                 {webp, webpWith(t, webp, 0x04, nil, webpChunk("XMP ", junk))},
	} {
		t.Run(name, func(t *testing.T) {
			for _, query := range []string{"w=32", "w=32&metadata=keep", "w=32&metadata=copyright"} {
				want, err := serve(t, c.clean, query, transform.PNG)
				if err != nil {
					t.Fatal(err)
				}
				got, err := serve(t, c.broken, query, transform.PNG)
				if err != nil {
					t.Errorf("%s: %v", query, err)
					continue
				}
				if d := difference(t, decode(t, got.Data), decode(t, want.Data)); d != 0 {
					t.Errorf("%s: differs by %.3f levels from what it is without", query, d)
				}
			}
		})
	}
}

func zeros(t testing.TB, n int) []byte {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); n > 0; n -= len(block) {
		if _, err := w.Write(block[:min(n, len(block))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, start string, n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(start))
	for block := bytes.Repeat([]byte(" "), 1<<20); n > 0 && err == nil; n -= len(block) {
		_, err = w.Write(block)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// jpegClaiming is a JPEG of a single block whose header has another size, made
// length bytes long by a comment.
func jpegClaiming(t testing.TB, w, h uint16, length int) []byte {
	b := jpegBytes(t, scene(8, 8, false))
	i := bytes.Index(b, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(b[i+5:], h)
	binary.BigEndian.PutUint16(b[i+7:], w)
	if n := length - len(b) - 4; n > 0 {
		b = withSegments(b, segment(0xfe, make([]byte, n)))
	}
	return b
}

// jpegTiny is a progressive grey JPEG whose scans all say that their blocks end
// where they begin.
func jpegTiny(w, h uint16, scans int) []byte {
	table := append([]byte{0x10, 1}, make([]byte, 15)...)
	table = append(table, 0xe0) // one code: a run of 2¹⁴ blocks and more
	b := []byte{0xff, 0xd8}
	b = append(b, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...))...)
	b = append(b, segment(0xc2, []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 1, 1, 0x11, 0})...)
	b = append(b, segment(0xc4, table)...)
	b = append(b, segment(0xc4, append(append([]byte{0x00, 1}, make([]byte, 15)...), 0))...)
	for i := range scans {
		if i == 0 {
			b = append(b, segment(0xda, []byte{1, 1, 0, 0, 0, 0})...)
		} else {
			b = append(b, segment(0xda, []byte{1, 1, 0, 1, 63, 0})...)
		}
		b = append(b, bytes.Repeat([]byte{0x55}, 16)...)
	}
	return append(b, 0xff, 0xd9)
}

func pngChunk(kind string, parts ...[]byte) []byte {
	data := slices.Concat(parts...)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngIDAT holds n zero bytes.
func pngIDAT(t testing.TB, n int) []byte { return pngChunk("IDAT", zeros(t, n)) }

func pngOf(w, h uint32, colour byte, chunks ...[]byte) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", ihdr, []byte{8, colour, 0, 0, 0}), slices.Concat(chunks...), pngChunk("IEND"))
}

// gifOf has a screen of w×h and frames of edge².
func gifOf(w, h, edge uint16, frames int) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), w), h)
	b = append(b, 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	frame := le.AppendUint16(le.AppendUint16([]byte{0x2c, 0, 0, 0, 0}, edge), edge)
	frame = append(frame, 0, 2, 2, 0x4c, 0x01, 0)
	return append(append(b, bytes.Repeat(frame, frames)...), 0x3b)
}

func webpChunk(kind string, data []byte) []byte {
	b := append([]byte(kind), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
	b = append(b, data...)
	if len(data)%2 != 0 {
		b = append(b, 0)
	}
	return b
}

func webpFile(chunks ...[]byte) []byte {
	return webpChunk("RIFF", append([]byte("WEBP"), slices.Concat(chunks...)...))
}

func webpAnimation(edge, frames int) []byte {
	u24 := func(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }
	size := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, uint16(edge)), uint16(edge))
	vp8 := webpChunk("VP8 ", append(append([]byte{0x10, 0, 0, 0x9d, 0x01, 0x2a}, size...), 1, 2))
	frame := webpChunk("ANMF", slices.Concat(make([]byte, 6), u24(edge-1), u24(edge-1), []byte{50, 0, 0, 0}, vp8))
	return webpFile(webpChunk("VP8X", slices.Concat([]byte{2, 0, 0, 0}, u24(edge-1), u24(edge-1))), webpChunk("ANIM", make([]byte, 6)), bytes.Repeat(frame, frames))
}

// webpWith puts chunks before and after the picture of a WebP that the engine made,
// which starts with a VP8X chunk or, by some versions of libvips, with the picture.
func webpWith(t testing.TB, made []byte, flags byte, before, after []byte) []byte {
	t.Helper()
	const start, picture = 12, 30
	if string(made[start:start+4]) == "VP8X" {
		b := webpFile(made[start:picture], before, made[picture:], after)
		b[start+8] |= flags
		return b
	}
	h, err := header.Read(made)
	if err != nil {
		t.Fatal(err)
	}
	u24 := func(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }
	return webpFile(webpChunk("VP8X", slices.Concat([]byte{flags, 0, 0, 0}, u24(h.Width-1), u24(h.Height-1))), before, made[start:], after)
}

// tiffOf is a TIFF of 4×4 pixels, perhaps with a directory that follows itself.
func tiffOf(bands uint32, loop bool) []byte {
	le := binary.LittleEndian
	b := []byte("II*\x00\x08\x00\x00\x00\x07\x00")
	for _, tag := range [][2]uint32{{256, 4}, {257, 4}, {258, 8}, {262, 2}, {273, 0}, {277, bands}, {279, 48}} {
		b = le.AppendUint16(le.AppendUint16(b, uint16(tag[0])), 4)
		b = le.AppendUint32(le.AppendUint32(b, 1), tag[1])
	}
	next := uint32(0)
	if loop {
		next = 8
	}
	return le.AppendUint32(b, next)
}

func svg(inner string) []byte {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">` + inner + `</svg>`)
}

// svgLaughs has ten of each level in the next.
func svgLaughs(reference string) []byte {
	var b strings.Builder
	b.WriteString(`<path id="l0" d="M0 0h9v9z"/>`)
	for i := range 9 {
		fmt.Fprintf(&b, `<pattern id="l%d">%s</pattern>`, i+1, strings.Repeat(fmt.Sprintf(reference, i), 10))
	}
	return svg(b.String() + fmt.Sprintf(reference, 9))
}

// avifSaying is an AVIF of 256×256 pixels whose description has another size.
func avifSaying(t testing.TB, w, h uint32) []byte {
	b := original(t, scene(256, 256, false), transform.AVIF)
	for rest := b; ; {
		i := bytes.Index(rest, []byte("ispe"))
		if i < 0 {
			return b
		}
		rest = rest[i+8:]
		binary.BigEndian.PutUint32(rest, w)
		binary.BigEndian.PutUint32(rest[4:], h)
	}
}
