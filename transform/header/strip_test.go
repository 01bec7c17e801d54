package header

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	colors "image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/transform"
)

func pictureToStrip() *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, 24, 16), colors.Palette{colors.RGBA{200, 30, 30, 255}, colors.RGBA{30, 30, 200, 255}, colors.Transparent})
	for i := range m.Pix {
		m.Pix[i] = uint8(i % 5 % 3)
	}
	return m
}

func encoded(t testing.TB, encode func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// behind puts pieces into a file at an offset.
func behind(file []byte, at int, pieces ...[]byte) []byte {
	return slices.Concat(file[:at:at], slices.Concat(pieces...), file[at:])
}

func gifComment(text string) []byte {
	return slices.Concat([]byte{0x21, 0xfe, byte(len(text))}, []byte(text), []byte{0})
}

func gifApplication(name, data string) []byte {
	return slices.Concat([]byte{0x21, 0xff, 11}, []byte(name), []byte{byte(len(data))}, []byte(data), []byte{0})
}

// testProfile is an ICC profile for a number of channels that is not sRGB.
func testProfile(space string) []byte {
	p := make([]byte, 132)
	copy(p[16:], space+"XYZ ")
	copy(p[36:], "acsp")
	return p
}

func deflated(t testing.TB, b []byte) []byte {
	return encoded(t, func(out *bytes.Buffer) error {
		w := zlib.NewWriter(out)
		if _, err := w.Write(b); err != nil {
			return err
		}
		return w.Close()
	})
}

type stripCase struct {
	name string
	file []byte
	m    transform.Metadata
	want []byte // nil where ok is to be false
}

func stripCases(t testing.TB) []stripCase {
	m := pictureToStrip()
	jpg := encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, m, nil) })
	pic := encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, m) })
	gray := image.NewGray(m.Rect)
	greyJPEG := encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, gray, nil) })
	moving := encoded(t, func(b *bytes.Buffer) error {
		return gif.EncodeAll(b, &gif.GIF{Image: []*image.Paletted{m, m}, Delay: []int{5, 6}, LoopCount: 3})
	})
	looped := bytes.Index(moving, []byte("\x21\xff\x0bNETSCAPE"))

	exif := jpegSegment(0xe1, append([]byte(exifPrefix), exifBlock(binary.LittleEndian, 1)...)...)
	jfif := jpegSegment(0xe0, []byte("JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00")...)
	thumb := jpegSegment(0xe0, []byte("JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x01\x01rgb")...)
	adobe := jpegSegment(0xee, []byte("Adobe\x00\x64\x00\x00\x00\x00\x01")...)
	icc := func(seq, of byte, b []byte) []byte {
		return jpegSegment(0xe2, append([]byte{'I', 'C', 'C', '_', 'P', 'R', 'O', 'F', 'I', 'L', 'E', 0, seq, of}, b...)...)
	}
	rgb := testProfile("RGB ")
	iccp := func(b []byte) []byte { return pngChunk("iCCP", append([]byte("name\x00\x00"), deflated(t, b)...)...) }

	vp8 := webpVP8(40, 30)
	frames := slices.Concat(webpChunk("ANIM", 0, 0, 0, 0, 0, 0), webpANMF(0, 0, 40, 30, vp8), webpANMF(0, 0, 40, 30, vp8))
	text := pngChunk("tEXt", []byte("Comment\x00secret")...)
	return []stripCase{
		{"jpeg, plain", jpg, "", jpg},
		{"jpeg, metadata", behind(jpg, 2, jfif, exif, jpegSegment(0xfe, []byte("secret")...), jpegSegment(0xed, []byte("Photoshop 3.0\x00")...)), "", behind(jpg, 2, jfif)},
		{"jpeg, fill bytes", behind(jpg, 2, []byte{0xff, 0xff}, exif), "", behind(jpg, 2, []byte{0xff, 0xff})},
		{"jpeg, keep", behind(jpg, 2, exif), transform.MetadataKeep, behind(jpg, 2, exif)},
		{"jpeg, copyright without EXIF", behind(jpg, 2, jpegSegment(0xfe, []byte("x")...)), transform.MetadataCopyright, jpg},
		{"jpeg, copyright", behind(jpg, 2, exif), transform.MetadataCopyright, nil},
		{"jpeg, thumbnail", behind(jpg, 2, thumb), "", behind(jpg, 2, jfif)},
		{"jpeg, two of JFIF", behind(jpg, 2, jfif, jfif), "", behind(jpg, 2, jfif)},
		{"jpeg, Adobe", behind(jpg, 2, adobe, exif), "", behind(jpg, 2, adobe)},
		{"jpeg, what follows", append(slices.Clone(jpg), "PK\x03\x04"...), "", jpg},
		{"jpeg, a second picture", slices.Concat(behind(jpg, 2, jpegSegment(0xe2, []byte("MPF\x00II*\x00\x08\x00\x00\x00")...)), greyJPEG), "", jpg},
		{"jpeg, arithmetic coding", jpegFile(0xc9, 24, 16, 3), "", nil},
		{"jpeg, arithmetic coding to keep", jpegFile(0xca, 24, 16, 3), transform.MetadataKeep, nil},
		{"jpeg, what lies between", behind(jpg, 2, jpegSegment(0xfe), []byte("junk")), "", nil},
		{"jpeg, profile", behind(jpg, 2, icc(1, 1, rgb)), "", nil},
		{"jpeg, profile to keep", behind(jpg, 2, icc(1, 1, rgb)), transform.MetadataKeep, behind(jpg, 2, icc(1, 1, rgb))},
		{"jpeg, profile in pieces", behind(jpg, 2, icc(1, 2, rgb[:50]), icc(2, 2, rgb[50:])), "", nil},
		{"jpeg, profile out of order", behind(jpg, 2, icc(2, 2, rgb[50:]), icc(1, 2, rgb[:50])), "", nil},
		{"jpeg, no profile", behind(jpg, 2, icc(1, 1, []byte("nonsense"))), "", jpg},
		{"jpeg, profile for another space", behind(greyJPEG, 2, icc(1, 1, rgb)), "", greyJPEG},
		{"jpeg, profile of greys", behind(greyJPEG, 2, icc(1, 1, testProfile("GRAY"))), "", nil},
		{"png, plain", pic, "", pic},
		{"png, metadata", behind(pic, 33, text, pngChunk("tIME", 1, 2, 3, 4, 5, 6, 7), pngChunk("pHYs", 0, 0, 0, 1, 0, 0, 0, 1, 0), pngChunk("prVt")), "", pic},
		{"png, between pixels and end", behind(pic, len(pic)-12, text), "", pic},
		{"png, what follows", append(slices.Clone(pic), "secret"...), "", pic},
		{"png, sRGB", behind(pic, 33, pngChunk("sRGB", 0), pngChunk("gAMA", 0, 0, 1, 2)), "", behind(pic, 33, pngChunk("sRGB", 0))},
		{"png, usual gamma", behind(pic, 33, pngChunk("gAMA", 0, 0, 0xb1, 0x8f)), "", pic},
		{"png, other gamma", behind(pic, 33, pngChunk("gAMA", 0, 1, 0x86, 0xa0)), "", nil},
		{"png, profile", behind(pic, 33, iccp(rgb)), "", nil},
		{"png, profile to keep", behind(pic, 33, iccp(rgb)), transform.MetadataKeep, behind(pic, 33, iccp(rgb))},
		{"png, profile of greys", behind(pic, 33, iccp(testProfile("GRAY"))), "", pic},
		{"png, profile that inflates", behind(pic, 33, iccp(make([]byte, 3<<20))), "", pic},
		{"png, profile that doesn't", behind(pic, 33, pngChunk("iCCP", []byte("name\x00\x00nonsense")...)), "", nil},
		{"png, coding points", behind(pic, 33, pngChunk("cICP", 9, 16, 0, 1)), "", nil},
		{"png, EXIF", behind(pic, 33, pngChunk("eXIf", exifBlock(binary.BigEndian, 1)...)), "", pic},
		{"png, copyright", behind(pic, 33, pngChunk("eXIf", exifBlock(binary.BigEndian, 1)...)), transform.MetadataCopyright, nil},
		{"png, animated", behind(pic, 33, pngChunk("acTL", 0, 0, 0, 1, 0, 0, 0, 0)), "", nil},
		{"png, animated, to keep", behind(pic, 33, pngChunk("acTL", 0, 0, 0, 1, 0, 0, 0, 0)), transform.MetadataKeep, nil},
		{"png, unknown and critical", behind(pic, 33, pngChunk("NEWC")), "", nil},
		{"gif, plain", moving, "", moving},
		{"gif, comments", behind(behind(moving, len(moving)-1, gifComment("secret")), looped, gifComment("secret"), gifApplication("XMP DataXMP", "secret"), gifApplication("ICCRGBG1012", "x")), "", moving},
		{"gif, what follows", append(slices.Clone(moving), "secret"...), "", moving},
		{"gif, text to draw", behind(moving, looped, []byte{0x21, 0x01, 1, 0, 0}), "", nil},
		{"gif, no trailer", moving[:len(moving)-1], "", nil},
		{"webp, simple", webpFile(vp8), "", webpFile(vp8)},
		{"webp, extended", webpFile(webpVP8X(0x1c, 40, 30), webpChunk("ALPH", 0, 1), vp8, webpChunk("EXIF", exifBlock(binary.LittleEndian, 1)...), webpChunk("XMP ", 1, 2, 3), webpChunk("JUNK", 1)), "",
			webpFile(webpVP8X(0x10, 40, 30), webpChunk("ALPH", 0, 1), vp8)},
		{"webp, copyright", webpFile(webpVP8X(0x08, 40, 30), vp8, webpChunk("EXIF", exifBlock(binary.LittleEndian, 1)...)), transform.MetadataCopyright, nil},
		{"webp, animated", webpFile(webpVP8X(0x06, 40, 30), frames, webpChunk("XMP ", 1)), "", webpFile(webpVP8X(0x02, 40, 30), frames)},
		{"webp, what follows", append(webpFile(vp8), "secret"...), "", webpFile(vp8)},
		{"webp, profile", webpFile(webpVP8X(0x20, 40, 30), webpChunk("ICCP", rgb...), vp8), "", nil},
		{"webp, no profile", webpFile(webpVP8X(0x20, 40, 30), webpChunk("ICCP", 1, 2, 3), vp8), "", webpFile(webpVP8X(0, 40, 30), vp8)},
		{"webp, profile to keep", webpFile(webpVP8X(0x20, 40, 30), webpChunk("ICCP", rgb...), vp8), transform.MetadataKeep, webpFile(webpVP8X(0x20, 40, 30), webpChunk("ICCP", rgb...), vp8)},
	}
}

func TestStrip(t *testing.T) {
	for _, c := range stripCases(t) {
		t.Run(c.name, func(t *testing.T) {
			h, err := Read(c.file)
			if err != nil {
				t.Fatal(err)
			}
			before := slices.Clone(c.file)
			if c.m == "" {
				c.m = transform.MetadataNone
			}
			got, ok := Strip(c.file, h, c.m)
			if ok != (c.want != nil) || ok && !bytes.Equal(got, c.want) {
				t.Errorf("ok %v, %d bytes of %d, want %d:\n%x\n%x", ok, len(got), len(c.file), len(c.want), got, c.want)
			}
			if !bytes.Equal(c.file, before) {
				t.Error("the original has changed")
			}
		})
	}
}

func TestStripRefusesOtherFormats(t *testing.T) {
	for _, c := range headerCases(t) {
		if c.err != nil || c.want.Format != Sniff(c.file) || c.want.Format != transform.AVIF && c.want.Format != transform.TIFF && c.want.Format != transform.HEIC {
			continue
		}
		if _, ok := Strip(c.file, c.want, transform.MetadataNone); ok {
			t.Errorf("%s: stripped", c.name)
		}
		_, ok := Strip(c.file, c.want, transform.MetadataKeep)
		if pages := c.want.Format == transform.TIFF && c.want.Frames > 1; ok == pages {
			t.Errorf("%s: kept: %v", c.name, ok)
		}
	}
}

// Whatever comes in, what comes out is no longer, has the same header, and is
// stripped already.
func FuzzStrip(f *testing.F) {
	for _, c := range stripCases(f) {
		f.Add(c.file)
	}
	for _, c := range headerCases(f) {
		f.Add(c.file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Read(b)
		if err != nil {
			return
		}
		before := slices.Clone(b)
		for _, m := range []transform.Metadata{transform.MetadataNone, transform.MetadataCopyright, transform.MetadataKeep} {
			out, ok := Strip(b, h, m)
			if !bytes.Equal(b, before) {
				t.Fatal("the original has changed")
			}
			if !ok {
				continue
			}
			if len(out) > len(b) {
				t.Errorf("%s: %d bytes of %d", m, len(out), len(b))
			}
			got, err := Read(out)
			if err != nil {
				t.Fatalf("%s: %v", m, err)
			}
			want := h
			if m != transform.MetadataKeep {
				want.Orientation = 1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s:\n%s", m, diff)
			}
			if again, ok := Strip(out, got, m); !ok || !bytes.Equal(again, out) {
				t.Errorf("%s: stripping again changes it: %v", m, ok)
			}
		}
	})
}
