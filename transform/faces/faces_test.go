package faces_test

import (
	"image"
	"image/color"
	_ "image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform/faces"
	"github.com/tintype/tintype/transform/faces/facestest"
)

// wall is a picture without a face.
func wall(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(140 + x*40/w), uint8(150 + y*30/h), 160, 255})
		}
	}
	return m
}

// find finds the faces of a picture.
func find(m *image.NRGBA) []image.Rectangle {
	greys := make([]byte, 0, len(m.Pix)/4)
	for i := 0; i < len(m.Pix); i += 4 {
		greys = append(greys, faces.Grey(m.Pix[i], m.Pix[i+1], m.Pix[i+2]))
	}
	return faces.Find(greys, m.Rect.Dx(), m.Rect.Dy())
}

func TestFind(t *testing.T) {
	type face struct {
		middle image.Point
		size   float64
	}
	for name, want := range map[string][]face{
		"none":              nil,
		"small":             {{image.Pt(200, 300), 30}},
		"large":             {{image.Pt(240, 180), 200}},
		"beside the middle": {{image.Pt(80, 90), 70}},
		"two":               {{image.Pt(100, 150), 90}, {image.Pt(350, 220), 70}},
		"three":             {{image.Pt(70, 70), 60}, {image.Pt(400, 80), 60}, {image.Pt(240, 260), 80}},
	} {
		m := wall(480, 360)
		for _, f := range want {
			facestest.Draw(m, f.middle, f.size)
		}
		got := find(m)
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %d", name, got, len(want))
			continue
		}
		for _, f := range want {
			if !slices.ContainsFunc(got, func(r image.Rectangle) bool {
				middle := r.Min.Add(r.Max).Div(2)
				off := math.Hypot(float64(middle.X-f.middle.X), float64(middle.Y-f.middle.Y))
				return off < f.size/6+2 && math.Abs(float64(r.Dx())-1.2*f.size) < 0.25*f.size
			}) {
				t.Errorf("%s: none of %v is at %v", name, got, f)
			}
		}
		if again := find(m); !slices.Equal(got, again) {
			t.Errorf("%s: %v, and then %v", name, got, again)
		}
	}
}

// What has no face has none, and no size of a picture is too small.
func TestFindNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][2]int{{1, 1}, {1, 480}, {480, 1}, {23, 23}, {24, 24}, {25, 25}, {48, 480}, {480, 480}} {
		noise := make([]byte, size[0]*size[1])
		for i := range noise {
			noise[i] = uint8(random.Uint32())
		}
		for _, greys := range [][]byte{noise, make([]byte, len(noise))} {
			if got := faces.Find(greys, size[0], size[1]); len(got) > 0 {
				t.Errorf("%v: %v", size, got)
			}
		}
	}
	if got := faces.Find(nil, 0, 0); got != nil {
		t.Error(got)
	}
	if got := faces.Find(make([]byte, 9), 10, 1); got != nil {
		t.Error(got)
	}
}

// TestPhotograph looks at the photograph that comes with pigo, where its module is.
func TestPhotograph(t *testing.T) {
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/esimov/pigo").Output()
	if err != nil {
		t.Skipf("the module of pigo isn't here: %v", err)
	}
	f, err := os.Open(filepath.Join(strings.TrimSpace(string(folder)), "testdata", "sample.jpg"))
	if err != nil {
		t.Skipf("the photograph isn't here: %v", err)
	}
	defer f.Close()
	photo, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	m := image.NewNRGBA(image.Rect(0, 0, photo.Bounds().Dx(), photo.Bounds().Dy()))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			m.Set(x, y, photo.At(x, y))
		}
	}
	got := find(m) // of 320 × 400 pixels
	if len(got) != 1 || !image.Pt(155, 200).In(got[0].Inset(got[0].Dx()*2/5)) || got[0].Dx() < 180 || got[0].Dx() > 280 {
		t.Errorf("%v", got)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("a picture of a few pixels"), 5, 5)
	f.Add(make([]byte, 64*48), 64, 48)
	f.Fuzz(func(t *testing.T, greys []byte, w, h int) {
		if w < 0 || h < 0 || w > 500 || h > 500 {
			return
		}
		if n := w * h; n > 0 && len(greys) > 0 { // repeated to the size
			all := make([]byte, n)
			for i := range all {
				all[i] = greys[i%len(greys)]
			}
			greys = all
		}
		for _, r := range faces.Find(greys, w, h) {
			if r.Empty() || !r.In(image.Rect(0, 0, w, h)) {
				t.Errorf("%v of %d×%d", r, w, h)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	m := wall(faces.Side, faces.Side)
	facestest.Draw(m, image.Pt(200, 200), 100)
	for b.Loop() {
		find(m)
	}
}
