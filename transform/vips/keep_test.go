//go:build cgo

package vips_test

import (
	"bytes"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// smaller is an original that no encoder here makes smaller at q=100.
func smaller(t testing.TB, format transform.Format) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	m := image.NewPaletted(image.Rect(0, 0, 160, 120), color.Palette{red, green, blue, gold})
	for i := range m.Pix { // two bits a pixel
		m.Pix[i] = uint8(random.IntN(4))
	}
	switch format {
	case transform.PNG:
		return pngBytes(t, m)
	case transform.GIF:
		return encodeFrames(t, 1, func(int) *image.Paletted { return m })
	}
	return run(t, pngBytes(t, noise(160, 120)), "q=10", format).Data
}

func TestNeverLarger(t *testing.T) {
	for _, format := range []transform.Format{transform.JPEG, transform.PNG, transform.GIF, transform.WebP} {
		source := smaller(t, format)
		for query, kept := range map[string]bool{
			"q=100":                 true,
			"q=100&lossless":        true,
			"q=100&metadata=keep":   true,
			"q=100&w=5000":          true, // never enlarged
			"q=100&trim=0&rotate=0": true,
			"q=100&bg=fff8":         true,
			"q=100&rotate=180":      false,
			"q=100&flip=h":          false,
			"q=100&w=59":            false,
			"q=100&pad=1":           false,
			"q=100&gamma=1.01":      false,
			"q=100&invert":          false,
			"q=100&blur=0.1":        false,
			"q=100&rect=0,0,59,40":  false,
		} {
			out := run(t, source, query, format)
			if same := bytes.Equal(out.Data, source); same != kept {
				t.Errorf("%s, %s: the original: %v, want %v (%d bytes for %d)", format, query, same, kept, len(out.Data), len(source))
			}
		}
	}
}

// A smaller encoding is preferred, and a format that was asked for is kept to.
func TestKeepsOnlyWhatIsTaken(t *testing.T) {
	source := smaller(t, transform.PNG)
	for _, c := range []struct {
		query   string
		format  transform.Format
		mayKeep bool
		want    transform.Format
	}{
		{"lossless", transform.WebP, false, transform.WebP},
		{"q=100", transform.TIFF, true, transform.PNG},
		{"q=100", transform.TIFF, false, transform.TIFF},
		{"q=1", transform.JPEG, true, transform.JPEG}, // smaller
		{"q=100&invert", transform.TIFF, true, transform.TIFF},
	} {
		j := job(t, source, c.query, c.format)
		j.MayKeep = c.mayKeep
		out, err := vips.New().Transform(t.Context(), j)
		if err != nil || out.Format != c.want || out.Format != header.Sniff(out.Data) {
			t.Errorf("%s to %s: %s, %v; want %s", c.query, c.format, out.Format, err, c.want)
		}
	}
	// Transparent pixels that are to lie on a colour.
	j := job(t, pngBytes(t, disc(9, red)), "bg=navy", transform.PNG)
	out, err := vips.New().Transform(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	wantColor(t, decode(t, out.Data), 0, 0, color.NRGBA{0, 0, 128, 255}, 0)
	// The first frame of what moves.
	j = job(t, animation(t), "anim=0", transform.GIF)
	if out, err = vips.New().Transform(t.Context(), j); err != nil || bytes.Equal(out.Data, j.Originals[0].Body) {
		t.Errorf("the animation is kept: %v", err)
	}
}

// What is kept is without its metadata, and right without it.
func TestKeptIsStripped(t *testing.T) {
	plain := smaller(t, transform.JPEG)
	secret := withSegments(plain, exif(1), segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00secret")), segment(0xfe, []byte("secret")))
	if out := run(t, secret, "q=100", transform.JPEG); !bytes.Equal(out.Data, plain) {
		t.Errorf("%d bytes, want %d", len(out.Data), len(plain))
	}
	if out := run(t, secret, "q=100&metadata=keep", transform.JPEG); !bytes.Equal(out.Data, secret) {
		t.Error("metadata=keep doesn't keep the original")
	}
	if out := run(t, secret, "q=100&metadata=copyright", transform.JPEG); bytes.Contains(out.Data, []byte("secret")) || !bytes.Contains(out.Data, []byte("Ansel")) {
		t.Error("metadata=copyright isn't heeded")
	}
	srgb := withProfile(plain, matrixProfile(srgbPrimaries, tableCurve(srgbDecode)))
	if out := run(t, srgb, "q=100", transform.JPEG); !bytes.Equal(out.Data, plain) {
		t.Error("sRGB's profile isn't dropped")
	}
	other := withProfile(plain, matrixProfile(swappedPrimaries, tableCurve(srgbDecode)))
	if out := run(t, other, "q=100", transform.JPEG); len(out.Data) <= len(plain) || profileOf(t, out.Data) != nil {
		t.Error("colours that aren't sRGB's are kept")
	}
	turned := withSegments(plain, exif(6))
	if out := run(t, turned, "q=100", transform.JPEG); out.Width != 120 {
		t.Errorf("%d pixels wide", out.Width)
	}
}
