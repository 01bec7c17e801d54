//go:build cgo

package vips_test

import (
	"bytes"
	"compress/zlib"
	"image"
	"image/color"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// TestOpaqueAlphaIsDropped: an alpha that is opaque everywhere isn't written, whatever else
// is done. One pixel that isn't opaque keeps it.
func TestOpaqueAlphaIsDropped(t *testing.T) {
	opaque := scene(120, 90, false)
	opaque.SetNRGBA(5, 5, color.NRGBA{1, 2, 3, 255})
	hole := toNRGBA(opaque)
	hole.SetNRGBA(119, 89, color.NRGBA{1, 2, 3, 254})
	for _, m := range []struct {
		name  string
		m     *image.NRGBA
		alpha bool
	}{
		{"opaque", opaque, false},
		{"hole", hole, true},
	} {
		data := rgbaPNG(t, m.m)
		if h, err := header.Read(data); err != nil || !h.Alpha {
			t.Fatalf("%s: the original has no alpha: %v", m.name, err)
		}
		for query, alpha := range map[string]bool{
			"w=120": m.alpha, "w=120&sharpen=5": m.alpha, "w=120&rotate=90": m.alpha, "w=120&bg=f00": false,
			"w=200&h=200&fit=pad": true, "w=120&radius=20": true,
		} {
			for _, format := range []transform.Format{transform.PNG, transform.TIFF, transform.AVIF} {
				out := run(t, data, query, format)
				h, err := header.Read(out.Data)
				if err != nil {
					t.Fatal(err)
				}
				if h.Alpha != alpha {
					t.Errorf("%s?%s to %s: alpha is %v, want %v", m.name, query, format, h.Alpha, alpha)
				}
			}
		}
		got, want := picture(t, data, "w=60"), lanczos(m.m, 60, 45)
		wantClose(t, got, want, 1)
	}
}

// rgbaPNG encodes a picture with alpha, even if it is opaque: image/png leaves that out.
func rgbaPNG(t *testing.T, m *image.NRGBA) []byte {
	t.Helper()
	var rows bytes.Buffer
	w := zlib.NewWriter(&rows)
	for y := range m.Rect.Dy() {
		if _, err := w.Write(append([]byte{0}, m.Pix[y*m.Stride:][:4*m.Rect.Dx()]...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return pngOf(uint32(m.Rect.Dx()), uint32(m.Rect.Dy()), 6, pngChunk("IDAT", rows.Bytes()))
}
