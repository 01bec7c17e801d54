//go:build cgo

package vips_test

import (
	"bytes"
	"image/color"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

var outputs = []transform.Format{transform.JPEG, transform.PNG, transform.WebP, transform.AVIF, transform.GIF}

// withEverything is a JPEG that carries EXIF, XMP, a comment and a profile.
func withEverything(t testing.TB, orientation int) []byte {
	return withSegments(withProfile(jpegBytes(t, stored(quadrants(80, 40), orientation)), matrixProfile(swappedPrimaries, tableCurve(srgbDecode))),
		exif(orientation),
		segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>secret xmp</x:xmpmeta>")),
		segment(0xfe, []byte("secret comment")))
}

func TestMetadataNone(t *testing.T) {
	source := withEverything(t, 6)
	for _, format := range outputs {
		for _, query := range []string{"", "w=40", "lossless"} {
			data := run(t, source, query, format).Data
			for _, trace := range []string{"Exif", "EXIF", "secret", "Ansel", "Tester", "xmp", "XMP", "ICC", "iCCP", "acsp", "http"} {
				if bytes.Contains(data, []byte(trace)) {
					t.Errorf("%s %q: the output contains %q", format, query, trace)
				}
			}
		}
	}
	for _, anim := range []transform.Format{transform.WebP, transform.GIF} {
		data := run(t, animation(t), "w=20", anim).Data
		if bytes.Contains(data, []byte("EXIF")) {
			t.Errorf("the %s animation contains EXIF", anim)
		}
	}
}

func TestMetadataCopyright(t *testing.T) {
	source := withEverything(t, 6)
	for _, format := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP, transform.AVIF} {
		data := run(t, source, "metadata=copyright&w=40", format).Data
		for _, kept := range []string{"Ansel Tester", "(c) Tester Ltd"} {
			if !bytes.Contains(data, []byte(kept)) {
				t.Errorf("%s: the output lacks %q", format, kept)
			}
		}
		for _, trace := range []string{"secret", "xmp", "acsp"} {
			if bytes.Contains(data, []byte(trace)) {
				t.Errorf("%s: the output contains %q", format, trace)
			}
		}
		wantUpright(t, data)
	}
}

func TestMetadataKeep(t *testing.T) {
	source := withEverything(t, 6)
	profile := matrixProfile(swappedPrimaries, tableCurve(srgbDecode))
	for _, format := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP, transform.AVIF} {
		data := run(t, source, "metadata=keep&w=40", format).Data
		if !bytes.Contains(data, []byte("Ansel Tester")) {
			t.Errorf("%s: the output lacks the artist", format)
		}
		if got := profileOf(t, data); !bytes.Equal(got, profile) {
			t.Errorf("%s: the output has a profile of %d bytes, want the original's %d", format, len(got), len(profile))
		}
		wantUpright(t, data)
		// The pixels are in the profile's colours, and come out right once that
		// is taken into account: red and green change places.
		wantColor(t, decode(t, run(t, data, "", transform.PNG).Data), 10, 5, swap(red), 25)
	}
	for _, format := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP} {
		ref, err := govips.NewImageFromBuffer(run(t, source, "metadata=keep", format).Data)
		if err != nil {
			t.Fatal(err)
		}
		if xmp := ref.GetBlob("xmp-data"); !bytes.Contains(xmp, []byte("secret xmp")) {
			t.Errorf("%s: the output has the XMP %q", format, xmp)
		}
		ref.Close()
	}
}

// wantUpright checks that nothing asks a viewer to turn an upright picture.
func wantUpright(t *testing.T, data []byte) {
	t.Helper()
	h, err := header.Read(data)
	if err != nil || h.Orientation != 1 || h.Width != 40 || h.Height != 20 {
		t.Errorf("header.Read of the output: %+v, %v", h, err)
	}
	ref, err := govips.NewImageFromBuffer(data)
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	if o := ref.Orientation(); o > 1 {
		t.Errorf("libvips reads orientation %d", o)
	}
}

func swap(c color.NRGBA) color.NRGBA { return color.NRGBA{c.G, c.R, c.B, c.A} }
