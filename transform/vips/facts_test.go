//go:build cgo

package vips_test

import (
	"bytes"
	"encoding/binary"
	"image/color"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/facts"
	"github.com/tintype/tintype/transform/vips"
)

func factsJob(t testing.TB, original []byte) transform.Job {
	t.Helper()
	j := job(t, original, "w=100&h=100&anim=0", transform.JSON)
	j.Task = transform.TaskFacts
	return j
}

func factsOf(t testing.TB, original []byte) facts.Facts {
	t.Helper()
	out, err := vips.New().Transform(t.Context(), factsJob(t, original))
	if err != nil {
		t.Fatal(err)
	}
	f, err := facts.Parse(out.Data)
	if err != nil || out.Format != transform.JSON || out.Width < 1 || out.Height < 1 || out.Frames != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	return f
}

// TestFacts: of every format the facts are those of the same picture as PNG. An orientation
// turns the picture first.
func TestFacts(t *testing.T) {
	m := scene(300, 200, false)
	for y := range 200 { // a blue half
		for x := range 150 {
			m.SetNRGBA(x, y, color.NRGBA{20, 60, 200, 255})
		}
	}
	original := pngBytes(t, m)
	want := factsOf(t, original)
	if len(want.Colors) == 0 || want.Colors[0].Hex != "#143cc8" || math.Abs(want.Colors[0].Area-0.5) > 0.02 || want.Palette.Vibrant == nil {
		t.Errorf("%+v", want)
	}
	for _, f := range []transform.Format{transform.JPEG, transform.WebP, transform.AVIF, transform.GIF, transform.TIFF, transform.JXL} {
		got := factsOf(t, run(t, original, "q=95", f).Data)
		if len(got.Colors) == 0 || distance(t, got.Colors[0].Hex, want.Colors[0].Hex) > 6 || math.Abs(got.Colors[0].Area-0.5) > 0.02 || got.BlurHash[0] != want.BlurHash[0] {
			t.Errorf("%s: %+v", f, got.Colors)
		}
	}
	upright := run(t, original, "q=95", transform.JPEG).Data
	turned := samples.WithOrientation(run(t, original, "rotate=270&q=95", transform.JPEG).Data, 6)
	a, b := factsOf(t, upright), factsOf(t, turned)
	if a.ThumbHash[3]&7 != b.ThumbHash[3]&7 || a.ThumbHash[4]>>7 != b.ThumbHash[4]>>7 || distance(t, a.Colors[0].Hex, b.Colors[0].Hex) > 6 {
		t.Errorf("turned: %x, %x", a.ThumbHash, b.ThumbHash)
	}
	if _, err := vips.New().Transform(t.Context(), transform.Job{Task: "sketch"}); err == nil {
		t.Error("a task that there isn't")
	}
}

// distance is the largest difference of a channel.
func distance(t *testing.T, a, b string) int {
	t.Helper()
	x, ok := transform.ParseColor(strings.TrimPrefix(a, "#"))
	y, ok2 := transform.ParseColor(strings.TrimPrefix(b, "#"))
	if !ok || !ok2 {
		t.Fatal(a, b)
	}
	d := func(a, b uint8) int { return int(max(a, b) - min(a, b)) }
	return max(d(x.R, y.R), d(x.G, y.G), d(x.B, y.B))
}

// TestMetadataTask: what EXIF says comes back as JSON, without a decode.
func TestMetadataTask(t *testing.T) {
	j := job(t, samples.WithOrientation(jpegBytes(t, scene(30, 20, false)), 6), "", transform.JSON)
	j.Task = transform.TaskMetadata
	out, err := vips.New().Transform(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	m, err := facts.ParseMetadata(out.Data)
	if err != nil || m.EXIF["Artist"] != samples.Artist || m.EXIF["Copyright"] != samples.Copyright {
		t.Errorf("%s, %v", out.Data, err)
	}
}

// TestMetadataOfJXL: the EXIF of a JPEG XL comes from its boxes, which the engine reads without
// libvips. libvips 8.14 writes none.
func TestMetadataOfJXL(t *testing.T) {
	jxl, err := vips.New().Transform(t.Context(), job(t, jpegBytes(t, scene(30, 20, false)), "", transform.JXL))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(jxl.Data, []byte("\xff\x0a")) {
		t.Fatalf("not a bare codestream: % x", jxl.Data[:12])
	}
	box := func(kind, data string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(data)))) + kind + data
	}
	artist := "II*\x00\x08\x00\x00\x00\x01\x00\x3b\x01\x02\x00\x04\x00\x00\x00Ann\x00\x00\x00\x00\x00"
	file := box("JXL ", "\r\n\x87\n") + box("ftyp", "jxl \x00\x00\x00\x00jxl ") + box("Exif", "\x00\x00\x00\x00"+artist) + box("jxlc", string(jxl.Data))
	j := job(t, []byte(file), "", transform.JSON)
	j.Task = transform.TaskMetadata
	out, err := vips.New().Transform(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := facts.ParseMetadata(out.Data); err != nil || m.EXIF["Artist"] != "Ann" {
		t.Errorf("%s, %v", out.Data, err)
	}
}

// TestDraw: a drawing comes out in every format, at its size, with the pixels of the hash.
// What is transparent lies on white where the format has no transparency.
func TestDraw(t *testing.T) {
	d := transform.Drawing{Of: transform.DrawBlurHash, Hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", Punch: 1, Whole: transform.Size{W: 60, H: 45}, Output: transform.Size{W: 60, H: 45}}
	want, err := facts.Draw(d)
	if err != nil {
		t.Fatal(err)
	}
	draw := func(d transform.Drawing, f transform.Format, originals ...transform.Original) transform.Image {
		t.Helper()
		out, err := vips.New().Transform(t.Context(), transform.Job{Task: transform.TaskDraw, Drawing: &d, Originals: originals, Options: options(t, "w=100&h=100&anim=0&q=95"), Format: f, Limits: transform.DefaultLimits()})
		if err != nil {
			t.Fatalf("%s of %s: %v", f, d.Of, err)
		}
		if out.Format != f || out.Width != d.Output.W || out.Height != d.Output.H || out.Frames != 1 {
			t.Errorf("%s: %+v", f, out)
		}
		return out
	}
	for _, f := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP, transform.AVIF, transform.GIF, transform.TIFF, transform.JXL} {
		got := decode(t, draw(d, f).Data)
		if got.Rect.Size() != want.Rect.Size() {
			t.Errorf("%s: %v", f, got.Rect)
			continue
		}
		worst := 0
		for i := range got.Pix {
			worst = max(worst, int(max(got.Pix[i], want.Pix[i])-min(got.Pix[i], want.Pix[i])))
		}
		if most := map[transform.Format]int{transform.PNG: 0, transform.TIFF: 0, transform.GIF: 40}[f]; f == transform.PNG && worst > 0 || worst > max(most, 20) {
			t.Errorf("%s: off by %d", f, worst)
		}
	}
	half := transform.Drawing{Of: transform.DrawColor, Color: transform.Color{R: 255, A: 128, Set: true}, Whole: transform.Size{W: 8, H: 8}, Output: transform.Size{W: 8, H: 8}, Alpha: true}
	if p := decode(t, draw(half, transform.WebP).Data).Pix; p[3] != 128 {
		t.Errorf("half transparent: %v", p[:4])
	}
	if p := decode(t, draw(half, transform.JPEG).Data).Pix; p[0] < 250 || p[1] < 120 || p[1] > 135 || p[3] != 255 {
		t.Errorf("half transparent on white: %v", p[:4])
	}
	// Of an original.
	original := job(t, pngBytes(t, scene(90, 60, false)), "", transform.PNG).Originals[0]
	for _, of := range []transform.DrawingOf{transform.DrawBlurHash, transform.DrawThumbHash, transform.DrawColor} {
		got := decode(t, draw(transform.Drawing{Of: of, Punch: 1, Whole: transform.Size{W: 30, H: 20}, Output: transform.Size{W: 20, H: 20}}, transform.PNG, original).Data)
		if p := got.NRGBAAt(18, 18); of != transform.DrawColor && (p.R < 150 || p.G < 150) { // bottom right is yellow
			t.Errorf("%s: %v", of, p)
		}
	}
	for _, bad := range []transform.Job{
		{Task: transform.TaskDraw, Format: transform.PNG},
		{Task: transform.TaskDraw, Format: transform.PNG, Drawing: &transform.Drawing{Of: transform.DrawBlurHash, Hash: "x", Whole: transform.Size{W: 1, H: 1}, Output: transform.Size{W: 1, H: 1}}},
		{Task: transform.TaskDraw, Format: transform.SVG, Drawing: &half},
		{Task: transform.TaskDraw, Format: transform.PNG, Limits: transform.Limits{OutputPixels: 63}, Drawing: &half},
	} {
		if _, err := vips.New().Transform(t.Context(), bad); err == nil {
			t.Errorf("drawn: %+v", bad.Drawing)
		}
	}
}

// TestFactsCost: facts of a photograph take about the processor time of a variant of 512
// pixels, and a placeholder of 2048² pixels about that of a variant of that size. Both are
// measured in turn, and the least of each counts. Twice as much would be another way of making
// them: what a busy machine adds is less.
func TestFactsCost(t *testing.T) {
	original := jpegBytes(t, scene(6000, 4000, false))
	do := func(j transform.Job) func() {
		return func() {
			if _, err := vips.New().Transform(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
	}
	d := &transform.Drawing{Of: transform.DrawBlurHash, Hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", Punch: 1, Whole: transform.Size{W: 2048, H: 2048}, Output: transform.Size{W: 2048, H: 2048}}
	for name, c := range map[string]struct{ is, than transform.Job }{
		"facts": {factsJob(t, original), job(t, original, "w=512", transform.JPEG)},
		"placeholder": {transform.Job{Task: transform.TaskDraw, Drawing: d, Options: options(t, ""), Format: transform.WebP, Limits: transform.DefaultLimits()},
			job(t, original, "w=2048&h=2048&fit=cover", transform.WebP)},
	} {
		is, than := time.Hour, time.Hour
		for round := range 30 {
			is, than = min(is, cputime.Of(do(c.is))), min(than, cputime.Of(do(c.than)))
			if round >= 4 && is <= 2*than {
				break
			}
		}
		t.Logf("%s: %v, and the variant takes %v: %.3f", name, is, than, float64(is)/float64(than))
		if is > 2*than {
			t.Errorf("%s takes twice as much as the variant", name)
		}
	}
}

// TestPlaceholderGoldens is TestGoldens for placeholders.
func TestPlaceholderGoldens(t *testing.T) {
	photo := jpegBytes(t, scene(320, 240, false))
	logo := pngBytes(t, disc(200, white))
	at := func(w, h int) transform.Size { return transform.Size{W: w, H: h} }
	for name, c := range map[string]struct {
		drawing  transform.Drawing
		original []byte // nil is none
	}{
		"placeholder-blurhash":  {transform.Drawing{Of: transform.DrawBlurHash, Hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", Punch: 1, Whole: at(48, 36), Output: at(48, 36)}, nil},
		"placeholder-punch":     {transform.Drawing{Of: transform.DrawBlurHash, Hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", Punch: 2, Whole: at(48, 36), Output: at(48, 36)}, nil},
		"placeholder-thumbhash": {transform.Drawing{Of: transform.DrawThumbHash, Punch: 1, Whole: at(32, 32), Output: at(32, 32), Alpha: true}, logo},
		"placeholder-photo":     {transform.Drawing{Of: transform.DrawBlurHash, Punch: 1, Whole: at(48, 36), Output: at(36, 36)}, photo},
	} {
		j := transform.Job{Task: transform.TaskDraw, Drawing: &c.drawing, Options: options(t, "w=100&h=100&anim=0"), Format: transform.PNG, Limits: transform.DefaultLimits()}
		if c.original != nil {
			j.Originals = job(t, c.original, "", transform.PNG).Originals
		}
		out, err := vips.New().Transform(t.Context(), j)
		if err != nil {
			t.Fatal(name, err)
		}
		goldenPicture(t, name, out.Data)
	}
}
