//go:build cgo

package vips_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// Of what libvips calls untrusted only SVG and JPEG XL can be opened. Each of these
// files is one that libvips reads where nothing is blocked.
func TestUntrustedStayBlocked(t *testing.T) {
	svg, header := drawing(10, 10)
	if got := jxlPicture(t, svg, header, ""); got.Rect.Dx() != 10 { // allows what is allowed
		t.Fatal("no SVG")
	}
	native := make([]byte, 64, 65) // libvips's own: one byte, one pixel
	copy(native, "\xb6\xa6\xf2\x08")
	for _, at := range []int{4, 8, 12} {
		binary.LittleEndian.PutUint32(native[at:], 1)
	}
	dir := t.TempDir()
	for name, data := range map[string]string{
		"pixel.ppm":  "P6 1 1 255\nabc",
		"pixel.pgm":  "P5 1 1 255\na",
		"pixel.csv":  "1,2\n3,4\n",
		"pixel.hdr":  "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x01\x02\x03\x80",
		"pixel.v":    string(append(native, 7)),
		"pixel.mat":  "1 1\n1\n",
		"pixel.fits": "SIMPLE  =                    T",
		"page.pdf":   "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
		"pixel.bmp":  "BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x18\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x00",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if ref, err := govips.NewImageFromFile(path); err == nil {
			t.Errorf("%s is read", name)
			ref.Close()
		}
		if ref, err := govips.NewImageFromBuffer([]byte(data)); err == nil {
			t.Errorf("%s is read from memory", name)
			ref.Close()
		}
	}
	ref, err := govips.NewImageFromGoImage(quadrants(8, 8))
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	if _, _, err := ref.ExportMagick(&govips.MagickExportParams{Format: "BMP"}); err == nil {
		t.Error("ImageMagick writes")
	}
}
