//go:build cgo

package vips_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/faces/facestest"
)

// people is a picture without detail but faces, and a bright ball that draws the eye more.
func people(w, h int, size float64, at ...image.Point) *image.NRGBA {
	m := spot(w, h, image.Pt(w/2, h-30))
	for _, p := range at {
		facestest.Draw(m, p, size)
	}
	return m
}

// hair is how much of a picture has the level of a drawn face's hair and features.
func hair(m *image.NRGBA) int {
	n := 0
	for i := 0; i < len(m.Pix); i += 4 {
		if c := m.Pix[i : i+4]; max(c[0], c[1], c[2]) < 70 && c[3] > 200 {
			n++
		}
	}
	return n
}

// TestFaceCrop: the crop keeps the face wherever it is, however the picture is turned, and
// however small the output is.
func TestFaceCrop(t *testing.T) {
	for _, x := range []int{70, 530} {
		upright := people(600, 300, 80, image.Pt(x, 130))
		all := hair(picture(t, pngBytes(t, upright), "h=100"))
		for _, orientation := range []int{1, 3, 6} {
			file := withSegments(jpegBytes(t, stored(upright, orientation)), exif(orientation))
			for _, query := range []string{
				"h=100&w=70&fit=cover", "h=100&w=70&fit=crop", "h=100&w=70&fit=cover&flip=h", "h=100&w=70&fit=cover&enlarge=0", "rect=0,0,100%25,280&w=67&h=93&fit=cover",
				"h=100&w=70&fit=cover&trim=0", "h=20&w=14&fit=cover",
			} {
				got := picture(t, file, query+"&gravity=face")
				share := float64(hair(got)) / float64(all)
				if got.Rect.Dy() < 30 {
					share *= 25
				}
				if share < 0.7 && (got.Rect.Dy() > 30 || share < 0.4) { // blurred in so small an output
					t.Errorf("face at %d, orientation %d, %q: %.2f of it is kept", x, orientation, query, share)
				}
			}
		}
	}
}

// TestFacesCrop: all faces are kept where they fit, and else the largest.
func TestFacesCrop(t *testing.T) {
	m := people(900, 300, 60, image.Pt(420, 100), image.Pt(620, 120))
	facestest.Draw(m, image.Pt(800, 180), 110)
	file := pngBytes(t, m)
	for query, want := range map[string]image.Rectangle{ // of the original that is kept, about
		"w=600&h=300": image.Rect(300, 0, 900, 300),
		"w=200&h=300": image.Rect(700, 0, 900, 300),
		"w=150&h=150": image.Rect(600, 0, 900, 300),
	} {
		got := picture(t, file, query+"&fit=cover&gravity=face")
		shown := average(toNRGBA(m.SubImage(want)), got.Rect.Dx(), got.Rect.Dy())
		if d := difference(t, got, shown); d > 6 {
			t.Errorf("%s: %.1f levels from %v of the original", query, d, want)
		}
	}
}

// TestNoFace: without a face the crop is the one of gravity=attention, to the byte.
func TestNoFace(t *testing.T) {
	for _, m := range []*image.NRGBA{spot(400, 100, image.Pt(330, 50)), scene(300, 200, true), noise(200, 100)} {
		for _, query := range []string{"w=50&h=50&fit=cover", "w=40&h=90&fit=crop&rotate=90", "w=60&h=20&fit=cover&rotate=20"} {
			face := run(t, pngBytes(t, m), query+"&gravity=face", transform.PNG).Data
			attention := run(t, pngBytes(t, m), query+"&gravity=attention", transform.PNG).Data
			if !bytes.Equal(face, attention) {
				t.Errorf("%s: not what attention chooses", query)
			}
		}
	}
}

// TestFaceInEveryPicture: faces are found in every kind of original, and the frames of an
// animation are all cropped as the first is.
func TestFaceInEveryPicture(t *testing.T) {
	m := people(400, 200, 70, image.Pt(340, 90))
	faded := toNRGBA(m)
	for i := 3; i < len(faded.Pix); i += 4 {
		faded.Pix[i] = 230
	}
	var moving gif.GIF
	for i := range 3 {
		p := image.NewPaletted(m.Rect, greyPalette())
		draw.Draw(p, p.Rect, m, image.Point{}, draw.Src)
		draw.Draw(p, image.Rect(0, 0, 30, 30+i), image.NewUniform(color.Gray{uint8(10 * i)}), image.Point{}, draw.Src)
		moving.Image, moving.Delay = append(moving.Image, p), append(moving.Delay, 5)
	}
	var roll bytes.Buffer
	if err := gif.EncodeAll(&roll, &moving); err != nil {
		t.Fatal(err)
	}
	all := hair(m) / 4
	for name, file := range map[string][]byte{
		"png": pngBytes(t, m), "jpeg": jpegBytes(t, m), "alpha": pngBytes(t, faded), "gif": roll.Bytes(),
		"webp": original(t, m, transform.WebP), "avif": original(t, m, transform.AVIF), "tiff": original(t, m, transform.TIFF),
	} {
		if got := hair(picture(t, file, "w=80&h=100&fit=cover&gravity=face")); got < all*7/10 {
			t.Errorf("%s: %d of %d pixels of the face are kept", name, got, all)
		}
	}
	out := run(t, roll.Bytes(), "w=80&h=100&fit=cover&gravity=face&lossless", transform.WebP)
	for i, frame := range webpFrames(t, out.Data) {
		if got := hair(frame); got < all*7/10 {
			t.Errorf("frame %d: %d of %d pixels of the face are kept", i, got, all)
		}
	}
	if out.Frames != 3 {
		t.Errorf("%d frames", out.Frames)
	}
}

func greyPalette() color.Palette {
	p := make(color.Palette, 0, 256)
	for i := range 256 {
		p = append(p, color.NRGBA{uint8(i), uint8(i), uint8(i), 255})
	}
	return p
}

// TestFaceAndMark: a mark lies where the crop leaves it, also on a slanted picture.
func TestFaceAndMark(t *testing.T) {
	file := pngBytes(t, people(600, 300, 80, image.Pt(120, 130)))
	mark := markOf(t, pngBytes(t, solid(20, 20, gold)), "mark-w=20%25&mark-pad=0")
	mark.OnPicture = true
	for _, query := range []string{"w=70&h=100", "w=100&h=100&rotate=20", "w=100&h=100&radius=max"} {
		m := decode(t, marked(t, file, query+"&fit=cover&gravity=face", transform.PNG, mark).Data)
		n := 0
		for i := 0; i < len(m.Pix); i += 4 {
			if m.Pix[i] == gold.R && m.Pix[i+1] == gold.G && m.Pix[i+2] == gold.B && m.Pix[i+3] == 255 {
				n++
			}
		}
		if side := m.Rect.Dx() / 5; n < side*side*9/10 {
			t.Errorf("%s: %d pixels of the mark", query, n)
		}
	}
}

// TestFaceOfAvatar: a small round output has the face in its middle.
func TestFaceOfAvatar(t *testing.T) {
	file := pngBytes(t, people(600, 300, 80, image.Pt(500, 130)))
	got := picture(t, file, "w=48&h=48&fit=cover&gravity=face&fp-x=0&radius=max")
	if got.NRGBAAt(0, 0) != clear {
		t.Error("the corners are not round")
	}
	want := average(toNRGBA(people(600, 300, 80, image.Pt(500, 130)).SubImage(image.Rect(300, 0, 600, 300))), 48, 48)
	for _, p := range []image.Point{{24, 12}, {32, 20}, {24, 30}} {
		wantColor(t, got, p.X, p.Y, want.NRGBAAt(p.X, p.Y), 40)
	}
}
