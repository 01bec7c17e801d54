//go:build cgo

package vips_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"log/slog"
	"math"
	"os"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

var update = flag.Bool("update", false, "rewrite the golden pictures under testdata")

// TestMain fails where a test leaves an image open: libvips would keep its
// memory until the garbage collector happens on it. Started as a worker, this
// binary is one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerCommand {
		serveWorker()
		return
	}
	flag.Parse()
	quiet := slog.New(slog.DiscardHandler)
	if err := vips.Start(vips.Config{Logger: quiet}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if n := govips.OpenImageRefs(); n != 0 {
		fmt.Fprintf(os.Stderr, "%d images were left open\n", n)
		code = 1
	}
	os.Exit(code)
}

// options are the defaults with what a query string says.
func options(t testing.TB, query string) transform.Options {
	t.Helper()
	q, err := transform.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	o, err := transform.Parse(transform.Defaults(), q)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func job(t testing.TB, original []byte, query string, format transform.Format) transform.Job {
	t.Helper()
	h, err := header.Read(original)
	if err != nil {
		t.Fatalf("header.Read: %v", err)
	}
	return jobOf(t, original, h, query, format)
}

// jobOf is a job for an original whose header is known.
func jobOf(t testing.TB, original []byte, h transform.Header, query string, format transform.Format) transform.Job {
	t.Helper()
	return transform.Job{
		Originals: []transform.Original{{Body: original, Header: h}}, Options: options(t, query), Format: format,
		Limits: transform.DefaultLimits(),
	}
}

func run(t testing.TB, original []byte, query string, format transform.Format) transform.Image {
	t.Helper()
	out, err := vips.New().Transform(t.Context(), job(t, original, query, format))
	if err != nil {
		t.Fatalf("Transform(%q, %s): %v", query, format, err)
	}
	if out.Format != format {
		t.Fatalf("Transform(%q): format %s, want %s", query, out.Format, format)
	}
	return out
}

// picture is what the transform shows, through a lossless format.
func picture(t testing.TB, original []byte, query string) *image.NRGBA {
	t.Helper()
	return decode(t, run(t, original, query, transform.PNG).Data)
}

// decode reads an image with Go's decoders; formats that Go has none for go
// through the engine to PNG first.
func decode(t testing.TB, data []byte) *image.NRGBA {
	t.Helper()
	switch header.Sniff(data) {
	case transform.WebP, transform.AVIF, transform.TIFF, transform.JXL:
		data = run(t, data, "", transform.PNG).Data
	}
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return toNRGBA(m)
}

func toNRGBA(m image.Image) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(out, out.Rect, m, m.Bounds().Min, draw.Src)
	return out
}

// scene is a picture without hard edges or fine detail, so that any decent
// resampling of it looks the same; with alpha it fades out to the right.
func scene(w, h int, alpha bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			u, v := (float64(x)+.5)/float64(w), (float64(y)+.5)/float64(h)
			c := color.NRGBA{
				uint8(255 * u),
				uint8(255 * v),
				uint8(127 + 120*math.Sin(7*u+3*v)),
				255,
			}
			if alpha {
				c.A = uint8(255 * min(1, 2*(1-u)))
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

var (
	red   = color.NRGBA{230, 30, 30, 255}
	green = color.NRGBA{30, 200, 30, 255}
	blue  = color.NRGBA{30, 30, 230, 255}
	gold  = color.NRGBA{220, 200, 30, 255}
	white = color.NRGBA{255, 255, 255, 255}
	black = color.NRGBA{0, 0, 0, 255}
	clear = color.NRGBA{}
)

// quadrants is red, green / blue, gold.
func quadrants(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for _, q := range []struct {
		r image.Rectangle
		c color.Color
	}{
		{image.Rect(0, 0, w/2, h/2), red}, {image.Rect(w/2, 0, w, h/2), green},
		{image.Rect(0, h/2, w/2, h), blue}, {image.Rect(w/2, h/2, w, h), gold},
	} {
		draw.Draw(m, q.r, image.NewUniform(q.c), image.Point{}, draw.Src)
	}
	return m
}

func pngBytes(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegBytes(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gifBytes(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, m, &gif.Options{NumColors: 256}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// original encodes a picture in a format that originals come in.
func original(t testing.TB, m image.Image, format transform.Format) []byte {
	t.Helper()
	switch format {
	case transform.PNG:
		return pngBytes(t, m)
	case transform.JPEG:
		return jpegBytes(t, m)
	case transform.GIF:
		return gifBytes(t, m)
	}
	return run(t, pngBytes(t, m), "q=95", format).Data
}

// exif is an APP1 segment with an orientation and texts that must not leak.
func exif(orientation int) []byte {
	const description, artist, rights = "secret place\x00", "Ansel Tester\x00", "(c) Tester Ltd\x00"
	entries := []struct {
		tag, kind uint16
		text      string
		value     uint16
	}{
		{0x010e, 2, description, 0},
		{0x0112, 3, "", uint16(orientation)},
		{0x013b, 2, artist, 0},
		{0x8298, 2, rights, 0},
	}
	le := binary.LittleEndian
	tiff := []byte("II*\x00\x08\x00\x00\x00")
	tiff = le.AppendUint16(tiff, uint16(len(entries)))
	texts := []byte{}
	textsAt := len(tiff) + 12*len(entries) + 4
	for _, e := range entries {
		tiff = le.AppendUint16(le.AppendUint16(tiff, e.tag), e.kind)
		if e.kind == 3 {
			tiff = le.AppendUint32(tiff, 1)
			tiff = le.AppendUint32(tiff, uint32(e.value))
			continue
		}
		tiff = le.AppendUint32(tiff, uint32(len(e.text)))
		tiff = le.AppendUint32(tiff, uint32(textsAt+len(texts)))
		texts = append(texts, e.text...)
	}
	tiff = append(le.AppendUint32(tiff, 0), texts...)
	return segment(0xe1, append([]byte("Exif\x00\x00"), tiff...))
}

func segment(marker byte, payload []byte) []byte {
	s := []byte{0xff, marker}
	s = binary.BigEndian.AppendUint16(s, uint16(len(payload)+2))
	return append(s, payload...)
}

// withSegments puts segments behind a JPEG's SOI marker.
func withSegments(jpeg []byte, segments ...[]byte) []byte {
	out := append([]byte{}, jpeg[:2]...)
	for _, s := range segments {
		out = append(out, s...)
	}
	return append(out, jpeg[2:]...)
}

func wantSize(t testing.TB, m image.Image, w, h int) {
	t.Helper()
	if got := m.Bounds().Size(); got != (image.Point{w, h}) {
		t.Fatalf("size is %v, want %d×%d", got, w, h)
	}
}

// wantColor checks one pixel, each channel within tolerance.
func wantColor(t testing.TB, m *image.NRGBA, x, y int, want color.NRGBA, tolerance int) {
	t.Helper()
	got := m.NRGBAAt(x, y)
	if want.A == 0 && int(got.A) <= tolerance {
		return
	}
	for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B), int(got.A) - int(want.A)} {
		if d > tolerance || d < -tolerance {
			t.Errorf("pixel (%d, %d) is %v, want %v ± %d", x, y, got, want, tolerance)
			return
		}
	}
}

// difference is the mean absolute difference of two pictures over the channels of
// what one sees: each laid on white.
func difference(t testing.TB, a, b *image.NRGBA) float64 {
	t.Helper()
	wantSize(t, a, b.Rect.Dx(), b.Rect.Dy())
	sum := 0.0
	for i := 0; i < len(a.Pix); i += 4 {
		for c := range 3 {
			sum += math.Abs(onWhite(a.Pix[i+c], a.Pix[i+3]) - onWhite(b.Pix[i+c], b.Pix[i+3]))
		}
	}
	return sum / float64(len(a.Pix)/4*3)
}

func onWhite(level, alpha uint8) float64 {
	a := float64(alpha) / 255
	return float64(level)*a + 255*(1-a)
}

// average is the reference for resizing: every output pixel is the mean of what
// it covers, weighted with alpha.
func average(m *image.NRGBA, w, h int) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	sx, sy := float64(m.Rect.Dx())/float64(w), float64(m.Rect.Dy())/float64(h)
	for y := range h {
		for x := range w {
			var sum [4]float64
			area := 0.0
			for v := int(float64(y) * sy); float64(v) < float64(y+1)*sy; v++ {
				fy := min(float64(v+1), float64(y+1)*sy) - max(float64(v), float64(y)*sy)
				for u := int(float64(x) * sx); float64(u) < float64(x+1)*sx; u++ {
					f := fy * (min(float64(u+1), float64(x+1)*sx) - max(float64(u), float64(x)*sx))
					c := m.NRGBAAt(u, v)
					a := f * float64(c.A)
					sum[0] += a * float64(c.R)
					sum[1] += a * float64(c.G)
					sum[2] += a * float64(c.B)
					sum[3] += a
					area += f
				}
			}
			c := color.NRGBA{A: uint8(sum[3]/area + .5)}
			if sum[3] > 0 {
				c.R, c.G, c.B = uint8(sum[0]/sum[3]+.5), uint8(sum[1]/sum[3]+.5), uint8(sum[2]/sum[3]+.5)
			}
			out.SetNRGBA(x, y, c)
		}
	}
	return out
}
