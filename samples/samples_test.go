package samples

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pictures draws each kind of still at a size.
var pictures = map[string]func(w, h int) image.Image{
	"dusk":     Scene,
	"noon":     func(w, h int) image.Image { return SceneSeed(w, h, Noon) },
	"night":    func(w, h int) image.Image { return SceneSeed(w, h, Night) },
	"another":  func(w, h int) image.Image { return SceneSeed(w, h, 3) },
	"portrait": Portrait,
	"chart":    Chart,
	"logo":     func(w, h int) image.Image { return Logo(w, h) },
	"orbit":    func(w, h int) image.Image { return Animation(w, h, 3).Image[1] },
}

func sum(m image.Image) [sha256.Size]byte {
	n := image.NewNRGBA(m.Bounds())
	draw.Draw(n, n.Rect, m, n.Rect.Min, draw.Src)
	return sha256.Sum256(n.Pix)
}

func TestDeterministic(t *testing.T) {
	seen := map[[sha256.Size]byte]string{}
	for name, picture := range pictures {
		first := sum(picture(120, 80))
		if first != sum(picture(120, 80)) {
			t.Errorf("%s: two drawings differ", name)
		}
		if other, ok := seen[first]; ok {
			t.Errorf("%s is the same as %s", name, other)
		}
		seen[first] = name
	}
}

func TestSizes(t *testing.T) {
	for name, picture := range pictures {
		for _, size := range []image.Point{{1, 1}, {2, 1}, {1, 7}, {5, 3}, {300, 20}, {20, 300}, {97, 61}} {
			if got := picture(size.X, size.Y).Bounds(); got != (image.Rectangle{Max: size}) {
				t.Errorf("%s: bounds %v, want %v", name, got, size)
			}
		}
		if got := picture(0, -4).Bounds().Size(); got != (image.Point{1, 1}) {
			t.Errorf("%s: size %v of nothing, want one pixel", name, got)
		}
	}
}

// mean is the mean brightness and colourfulness of part of a picture, 0–255.
func mean(m image.Image, r image.Rectangle) (bright, colourful float64) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			bright += float64(c.R)/3 + float64(c.G)/3 + float64(c.B)/3
			colourful += float64(max(c.R, c.G, c.B) - min(c.R, c.G, c.B))
		}
	}
	n := float64(r.Dx() * r.Dy())
	return bright / n, colourful / n
}

func TestScenesDiffer(t *testing.T) {
	all := image.Rect(0, 0, 300, 200)
	dusk, _ := mean(Scene(300, 200), all)
	noon, _ := mean(SceneSeed(300, 200, Noon), all)
	night, _ := mean(SceneSeed(300, 200, Night), all)
	if !(night < 80 && night < dusk && dusk < noon) {
		t.Errorf("brightness of night %.0f, dusk %.0f, noon %.0f", night, dusk, noon)
	}
}

// The subject of the portrait is in one place, off the centre.
func TestPortraitSubject(t *testing.T) {
	m := Portrait(200, 300).(*image.RGBA)
	// The sky is of one brightness along a row; the balloon isn't.
	busy := func(r image.Rectangle) (n int) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X + 1; x < r.Max.X; x++ {
				a, b := m.RGBAAt(x-1, y), m.RGBAAt(x, y)
				if d := int(a.R) - int(b.R); d > 12 || d < -12 {
					n++
				}
			}
		}
		return n
	}
	inside := busy(image.Rect(20, 150, 110, 280))
	if outside := busy(m.Rect) - inside; inside < 200 || outside > inside/20 {
		t.Errorf("%d edges at the balloon, %d elsewhere", inside, outside)
	}
}

func TestChartIsFlat(t *testing.T) {
	m := Chart(800, 500).(*image.RGBA)
	if !m.Opaque() {
		t.Error("the chart is not opaque")
	}
	colours := map[color.RGBA]int{}
	for y := range 500 {
		for x := range 800 {
			colours[m.RGBAAt(x, y)]++
		}
	}
	flat := 0
	for _, n := range colours {
		if n > 200 {
			flat += n
		}
	}
	if flat < 800*500*97/100 {
		t.Errorf("%d of %d pixels are of few colours", flat, 800*500)
	}
}

func TestLogoAlpha(t *testing.T) {
	m := Logo(200, 200)
	var clear, soft, solid int
	for i := 3; i < len(m.Pix); i += 4 {
		switch m.Pix[i] {
		case 0:
			clear++
		case 255:
			solid++
		default:
			soft++
		}
	}
	if clear < 1000 || soft < 1000 || solid < 15000 {
		t.Errorf("%d clear, %d soft and %d solid pixels", clear, soft, solid)
	}
	if a := m.NRGBAAt(0, 0).A; a != 0 {
		t.Errorf("the corner's alpha is %d", a)
	}
}

func TestAnimation(t *testing.T) {
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, Animation(240, 160, 12)); err != nil {
		t.Fatal(err)
	}
	g, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Image) != 12 || g.LoopCount != 0 || g.Config.Width != 240 || g.Config.Height != 160 {
		t.Fatalf("%d frames, loop count %d, %d×%d", len(g.Image), g.LoopCount, g.Config.Width, g.Config.Height)
	}
	for i, m := range g.Image {
		if g.Delay[i] != 5 {
			t.Errorf("frame %d: delay %d, want 5", i, g.Delay[i])
		}
		if i > 0 && bytes.Equal(m.Pix, g.Image[i-1].Pix) {
			t.Errorf("frame %d is the one before", i)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]image.Config{
		"dusk.jpg": {Width: 2400, Height: 1600}, "noon.jpg": {Width: 2400, Height: 1600}, "night.jpg": {Width: 2400, Height: 1600},
		"balloon.jpg": {Width: 1600, Height: 2400}, "chart.png": {Width: 1600, Height: 1000}, "logo.png": {Width: 800, Height: 800},
		"orbit.gif": {Width: 480, Height: 320},
	}
	got := map[string]image.Config{}
	for name, data := range read(t, dir) {
		c, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got[name] = image.Config{Width: c.Width, Height: c.Height}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	// The user's own file stays, and a missing file is written again.
	before := read(t, dir)
	before["chart.png"] = []byte("mine")
	if err := os.WriteFile(filepath.Join(dir, "chart.png"), before["chart.png"], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "orbit.gif")); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, data := range read(t, dir) {
		if !bytes.Equal(data, before[name]) {
			t.Errorf("%s has changed", name)
		}
	}
}

func TestWriteWhereItCant(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(file); err == nil {
		t.Error("no error for a folder that is a file")
	}
}

func read(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestWithOrientation(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, Chart(20, 10), nil); err != nil {
		t.Fatal(err)
	}
	plain := slices.Clone(b.Bytes())
	for orientation := 1; orientation <= 8; orientation++ {
		turned := WithOrientation(plain, orientation)
		if !bytes.Equal(plain, b.Bytes()) {
			t.Fatal("the JPEG given was changed")
		}
		m, err := jpeg.Decode(bytes.NewReader(turned))
		if err != nil {
			t.Fatal(err)
		}
		if m.Bounds().Dx() != 20 {
			t.Errorf("%d pixels wide", m.Bounds().Dx())
		}
		exif := turned[2 : len(turned)-len(plain)+2]
		if n := int(binary.BigEndian.Uint16(exif[2:])); n != len(exif)-2 {
			t.Errorf("segment length %d of %d bytes", n, len(exif))
		}
		tiff := exif[10:]
		if got := tags(tiff, 8); got[0x112] != uint32(orientation) ||
			text0(tiff[got[0x13b]:]) != Artist || text0(tiff[got[0x8298]:]) != Copyright {
			t.Errorf("tags %x", got)
		}
		if got := tags(tiff, tags(tiff, 8)[0x8825]); got[1] != 'N' || binary.LittleEndian.Uint32(tiff[got[2]:]) != 52 {
			t.Errorf("GPS tags %x", got)
		}
	}
}

// tags are the values of a little-endian TIFF directory.
func tags(tiff []byte, at uint32) map[uint16]uint32 {
	le := binary.LittleEndian
	values := map[uint16]uint32{}
	for i := range uint32(le.Uint16(tiff[at:])) {
		e := tiff[at+2+12*i:]
		values[le.Uint16(e)] = le.Uint32(e[8:])
	}
	return values
}

func text0(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

func BenchmarkWrite(b *testing.B) {
	for b.Loop() {
		if err := Write(b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}
