//go:build cgo

package vips_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// markOf is a mark as a job carries it, placed as a query says.
func markOf(t testing.TB, data []byte, query string) transform.MarkImage {
	t.Helper()
	h, err := header.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return transform.MarkImage{Image: data, Header: h, Hash: sha256.Sum256(data), Mark: options(t, "mark=m&"+query).Mark}
}

// marked is the original with marks.
func marked(t testing.TB, original []byte, query string, format transform.Format, marks ...transform.MarkImage) transform.Image {
	t.Helper()
	j := job(t, original, query, format)
	j.Marks = marks
	out, err := vips.New().Transform(t.Context(), j)
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	return out
}

// laid is what a mark on a picture looks like by the definition of source-over.
func laid(on, mark *image.NRGBA, at image.Point, pitch transform.Size, opacity float64) *image.NRGBA {
	out := image.NewNRGBA(on.Rect)
	copy(out.Pix, on.Pix)
	for y := range on.Rect.Dy() {
		for x := range on.Rect.Dx() {
			u, v := x-at.X, y-at.Y
			if pitch != (transform.Size{}) {
				u, v = ((u%pitch.W)+pitch.W)%pitch.W, ((v%pitch.H)+pitch.H)%pitch.H
			}
			if !image.Pt(u, v).In(mark.Rect) {
				continue
			}
			over, under := mark.NRGBAAt(u, v), on.NRGBAAt(x, y)
			a, b := float64(over.A)/255*opacity, float64(under.A)/255
			sum := a + b*(1-a)
			mix := func(over, under uint8) uint8 {
				if sum == 0 {
					return 0
				}
				return uint8(math.Round((float64(over)*a + float64(under)*b*(1-a)) / sum))
			}
			out.SetNRGBA(x, y, color.NRGBA{mix(over.R, under.R), mix(over.G, under.G), mix(over.B, under.B), uint8(math.Round(sum * 255))})
		}
	}
	return out
}

// TestMarkIsLaidOver holds marks against what they are by definition, made of the
// variant without it and of the mark's image as a variant of its own.
func TestMarkIsLaidOver(t *testing.T) {
	photo, faded := jpegBytes(t, scene(300, 200, false)), pngBytes(t, scene(300, 200, true))
	logo := pngBytes(t, disc(120, gold))
	svg, _ := drawing(50, 40)
	for _, c := range []struct {
		original, mark []byte
		query, place   string
	}{
		{photo, logo, "", ""},
		{photo, logo, "w=100", "mark-w=50%25&mark-opacity=0.3"},
		{photo, logo, "w=100&h=100&fit=cover&rotate=90", "mark-align=top,left&mark-pad=0"},
		{photo, logo, "w=100&h=80&fit=pad&bg=navy&pad=10", "mark-align=top&mark-size=30"},
		{photo, logo, "w=100&pad=20", "mark-pad=0"}, // on transparent padding
		{photo, logo, "grayscale&w=90", "mark-w=30"},
		{photo, logo, "w=64&dpr=2", "mark-w=30&mark-pad=5"},
		{photo, logo, "w=200", "mark-repeat&mark-w=25&mark-opacity=0.5"},
		{photo, logo, "w=200", "mark-repeat&mark-w=31&mark-pad=0&mark-align=center"},
		{photo, logo, "w=1", ""},
		{photo, logo, "size=1&fit=cover", "mark-w=8192"},
		{photo, logo, "w=60", "mark-w=100%25&mark-h=100%25&mark-fit=squeeze"},
		{photo, logo, "w=60", "mark-w=40&mark-h=20&mark-fit=cover"},
		{photo, logo, "w=60", "mark-w=40&mark-h=20&mark-fit=pad"},
		{photo, photo, "", "mark-align=center"},
		{photo, svg, "w=200", "mark-w=90"},
		{faded, logo, "", "mark-align=right"},
		{faded, logo, "w=150", "mark-repeat&mark-w=40&mark-opacity=0.7"},
		{faded, faded, "w=150", "mark-align=right&mark-w=80%25"},
		{faded, logo, "w=90&bg=00f8", "mark-align=right&mark-w=80%25"},
	} {
		mark := markOf(t, c.mark, c.place)
		plain := picture(t, c.original, c.query)
		size := transform.Size{W: plain.Rect.Dx(), H: plain.Rect.Dy()}
		place := mark.Mark.Place(size, mark.Header.Upright(), options(t, c.query).DPR)
		stamp := picture(t, c.mark, place.Options.String())

		got := decode(t, marked(t, c.original, c.query, transform.PNG, mark).Data)
		want := laid(plain, stamp, place.At, place.Pitch, mark.Mark.Opacity)
		if d := farthestSeen(t, got, want); d > 2 {
			t.Errorf("%q with %q: differs by up to %d levels", c.query, c.place, d)
		}
		if d := farthestSeen(t, got, plain); d < 20 && c.query != "grayscale&w=90" {
			t.Errorf("%q with %q: hardly differs from the variant without mark", c.query, c.place)
		}
	}
}

// TestMarkOnPicture: padding changes nothing of what a mark does to the picture, so
// that cutting the padding off leaves what is seen without any.
func TestMarkOnPicture(t *testing.T) {
	photo, logo := jpegBytes(t, scene(300, 200, false)), pngBytes(t, disc(120, gold))
	for _, c := range []struct{ plain, padding, place string }{
		{"w=120", "pad=0,200,200,0", "mark-w=30%25"},
		{"w=120", "pad=10,20,30,40&bg=navy", "mark-align=top,left"},
		{"w=120", "h=600&fit=pad", "mark-w=30%25"},
		{"w=120", "h=600&fit=pad&g=north&bg=f00", "mark-size=30"},
		{"h=80", "w=700&fit=pad&g=west&pad=9&dpr=1", "mark-align=center"},
		{"w=60&dpr=2", "pad=50", "mark-w=20&mark-pad=3"},
		{"w=120", "pad=33,200,47,18&bg=00f", "mark-repeat&mark-w=17&mark-pad=3"},
	} {
		mark := markOf(t, logo, c.place)
		mark.OnPicture = true
		want := decode(t, marked(t, photo, c.plain, transform.PNG, mark).Data)
		padded := decode(t, marked(t, photo, c.plain+"&"+c.padding, transform.PNG, mark).Data)

		p, err := options(t, c.plain+"&"+c.padding).Plan(transform.Size{W: 300, H: 200})
		if err != nil {
			t.Fatal(err)
		}
		wantSize(t, padded, p.Output.W, p.Output.H)
		got := image.NewNRGBA(image.Rectangle{Max: p.Picture().Size()})
		draw.Draw(got, got.Rect, padded, p.Picture().Min, draw.Src)
		if d := farthestSeen(t, got, want); d > 1 {
			t.Errorf("%q with %q, %q: the picture differs by up to %d levels", c.plain, c.padding, c.place, d)
		}
	}
}

// TestMarkedKeepsNoPreview: metadata holds pictures of the picture, which are none
// that a mark lies on.
func TestMarkedKeepsNoPreview(t *testing.T) {
	preview := jpegBytes(t, scene(30, 20, false))
	xmp := []byte("http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><preview>" +
		base64.StdEncoding.EncodeToString(preview) + "</preview></x:xmpmeta>")
	original := withSegments(jpegBytes(t, scene(300, 200, false)), exifWithPreview("Ada", preview), segment(0xe1, xmp))
	logo := pngBytes(t, disc(120, gold))
	holds := func(data []byte) bool {
		return bytes.Contains(data, preview) || bytes.Contains(data, []byte(base64.StdEncoding.EncodeToString(preview)))
	}
	for _, format := range []transform.Format{transform.JPEG, transform.WebP, transform.PNG, transform.TIFF} {
		if out := marked(t, original, "w=200&metadata=keep", format, markOf(t, logo, "")); holds(out.Data) {
			t.Errorf("%s holds the preview, which is unmarked", format)
		}
	}
	if out := run(t, original, "w=200&metadata=keep", transform.JPEG); !holds(out.Data) {
		t.Error("without a mark nothing of the original's metadata is kept")
	}
	if out := marked(t, original, "w=200&metadata=keep", transform.JPEG, markOf(t, logo, "")); !bytes.Contains(out.Data, []byte("Ada")) {
		t.Error("the artist is not named")
	}
}

// exifWithPreview is the EXIF segment of a picture by an artist, with a JPEG of it
// in its second directory (Exif 2.32 §4.5.8).
func exifWithPreview(artist string, preview []byte) []byte {
	const typeASCII, typeShort, typeLong = 2, 3, 4
	le := binary.LittleEndian
	entry := func(b []byte, tag, kind uint16, count, value uint32) []byte {
		return le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, tag), kind), count), value)
	}
	var inline [4]byte
	copy(inline[:], artist)
	b := []byte("II*\x00\x08\x00\x00\x00")
	b = entry(le.AppendUint16(b, 1), 0x013b, typeASCII, uint32(len(artist)+1), le.Uint32(inline[:]))
	b = le.AppendUint32(b, uint32(len(b)+4))
	b = entry(le.AppendUint16(b, 3), 0x0103, typeShort, 1, 6) // JPEG
	b = entry(b, 0x0201, typeLong, 1, uint32(len(b)+2*12+4))
	b = entry(b, 0x0202, typeLong, 1, uint32(len(preview)))
	b = le.AppendUint32(b, 0)
	return segment(0xe1, slices.Concat([]byte("Exif\x00\x00"), b, preview))
}

// farthestSeen is the largest difference of two pictures of what one sees of them,
// on white.
func farthestSeen(t testing.TB, a, b *image.NRGBA) int {
	t.Helper()
	wantSize(t, a, b.Rect.Dx(), b.Rect.Dy())
	most := 0.0
	for i := 0; i < len(a.Pix); i += 4 {
		for c := range 3 {
			most = max(most, math.Abs(onWhite(a.Pix[i+c], a.Pix[i+3])-onWhite(b.Pix[i+c], b.Pix[i+3])))
		}
		most = max(most, math.Abs(float64(a.Pix[i+3])-float64(b.Pix[i+3])))
	}
	return int(most)
}

// Every format that is written and every kind of original that is read has its mark.
func TestMarkOnEveryFormat(t *testing.T) {
	drawn := scene(90, 60, false)
	deep := image.NewNRGBA64(drawn.Rect)
	draw.Draw(deep, deep.Rect, drawn, image.Point{}, draw.Src)
	grey := image.NewGray(drawn.Rect)
	draw.Draw(grey, grey.Rect, drawn, image.Point{}, draw.Src)
	cmyk := export(t, drawn, func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
		if err := m.TransformICCProfile("cmyk"); err != nil {
			return nil, nil, err
		}
		return m.ExportJpeg(&govips.JpegExportParams{Quality: 95})
	})
	svg, _ := drawing(90, 60)
	mark := markOf(t, pngBytes(t, solid(40, 30, red)), "mark-w=30&mark-align=top,left&mark-pad=5")
	for name, source := range map[string][]byte{
		"jpeg": original(t, drawn, transform.JPEG), "png": original(t, drawn, transform.PNG), "gif": original(t, drawn, transform.GIF),
		"webp": original(t, drawn, transform.WebP), "avif": original(t, drawn, transform.AVIF), "tiff": original(t, drawn, transform.TIFF),
		"alpha": pngBytes(t, scene(90, 60, true)), "16 bits": pngBytes(t, deep), "grey": pngBytes(t, grey), "cmyk": cmyk, "svg": svg,
	} {
		for _, format := range outputs {
			for _, query := range []string{"", "w=60&metadata=keep", "w=60&metadata=copyright&lossless", "q=100&bg=white"} {
				m := decode(t, marked(t, source, query, format, mark).Data)
				tolerance := 12
				if format == transform.GIF { // dithered
					tolerance = 60
				}
				mean := meanOf(m, image.Rect(10, 10, 30, 22))
				for i, want := range []float64{230, 30, 30} {
					if math.Abs(mean[i]-want) > float64(tolerance) {
						t.Errorf("%s to %s, %q: the mark is %v", name, format, query, mean)
						break
					}
				}
			}
		}
	}
}

// outputs with alpha keep it around a mark that lies on nothing.
func TestMarkOnNothing(t *testing.T) {
	source := pngBytes(t, image.NewNRGBA(image.Rect(0, 0, 80, 80)))
	mark := markOf(t, pngBytes(t, solid(10, 10, blue)), "mark-w=20&mark-align=center&mark-opacity=0.5")
	for _, format := range []transform.Format{transform.PNG, transform.WebP, transform.AVIF} {
		m := decode(t, marked(t, source, "lossless", format, mark).Data)
		if a := m.NRGBAAt(5, 5).A; a != 0 {
			t.Errorf("%s: alpha beside the mark is %d", format, a)
		}
		wantColor(t, m, 40, 40, color.NRGBA{30, 30, 230, 128}, 4)
	}
	wantColor(t, decode(t, marked(t, source, "", transform.JPEG, mark).Data), 40, 40, color.NRGBA{142, 142, 242, 255}, 6)
}

func TestMarkOnEveryFrame(t *testing.T) {
	source := animation(t)
	mark := markOf(t, pngBytes(t, solid(8, 8, white)), "mark-w=10&mark-align=top,right&mark-pad=2")
	frames, delays, loop := show(t, marked(t, source, "", transform.GIF, mark).Data)
	if len(frames) != 4 || delays[3] != 40 || loop != 2 {
		t.Fatalf("%d frames, delays %v, loop %d", len(frames), delays, loop)
	}
	frames = append(frames, webpFrames(t, marked(t, source, "lossless", transform.WebP, mark).Data)...)
	for i, m := range frames {
		wantColor(t, m, 53, 7, white, 3)
		wantColor(t, m, 53, 1, []color.NRGBA{red, green, blue, gold}[i%4], 3)
		wantColor(t, m, 46, 7, []color.NRGBA{red, green, blue, gold}[i%4], 3)
	}
	for _, m := range webpFrames(t, marked(t, source, "w=30&h=30&fit=pad&bg=black&lossless", transform.WebP, mark).Data) {
		wantColor(t, m, 23, 7, white, 3)
		wantColor(t, m, 23, 1, black, 3)
	}
	// A repeated mark begins anew on every frame.
	tiled := markOf(t, pngBytes(t, solid(8, 8, white)), "mark-w=10&mark-align=top,left&mark-pad=7&mark-repeat")
	for _, m := range webpFrames(t, marked(t, source, "lossless", transform.WebP, tiled).Data) {
		wantColor(t, m, 12, 12, white, 3)
		wantColor(t, m, 29, 29, white, 3)
		wantColor(t, m, 46, 12, white, 3)
		wantColor(t, m, 20, 20, m.NRGBAAt(3, 3), 3)
	}
}

// A mark that moves shows its first frame.
func TestMarkStandsStill(t *testing.T) {
	mark := markOf(t, animation(t), "mark-w=30&mark-align=top,left&mark-pad=0")
	for _, m := range webpFrames(t, marked(t, animation(t), "lossless", transform.WebP, mark).Data) {
		wantColor(t, m, 10, 10, red, 3)
		wantColor(t, m, 25, 10, red, 3)
	}
}

// Marks lie one on the other in their order.
func TestMarksInOrder(t *testing.T) {
	below := markOf(t, pngBytes(t, solid(10, 10, red)), "mark-w=40&mark-align=center")
	above := markOf(t, pngBytes(t, solid(10, 10, blue)), "mark-w=20&mark-align=center")
	m := decode(t, marked(t, jpegBytes(t, scene(100, 100, false)), "", transform.PNG, below, above).Data)
	wantColor(t, m, 50, 50, blue, 0)
	wantColor(t, m, 35, 50, red, 0)
}

// A grey picture under a grey mark stays one.
func TestGreyMark(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 60, 60))
	source := pngBytes(t, m)
	out := marked(t, source, "", transform.JPEG, markOf(t, pngBytes(t, solid(9, 9, white)), "mark-w=20&mark-align=center"))
	h, err := header.Read(out.Data)
	if err != nil || h.Bands != 1 {
		t.Errorf("%d bands, %v", h.Bands, err)
	}
	wantColor(t, decode(t, out.Data), 30, 30, white, 4)
	out = marked(t, source, "", transform.JPEG, markOf(t, pngBytes(t, solid(9, 9, red)), "mark-w=20&mark-align=center"))
	wantColor(t, decode(t, out.Data), 30, 30, red, 12)
}

// An original that is smaller than what came out is never what is shown.
func TestMarkedIsNeverTheOriginal(t *testing.T) {
	for _, format := range []transform.Format{transform.JPEG, transform.PNG, transform.GIF, transform.WebP} {
		source := smaller(t, format)
		j := job(t, source, "q=100", format)
		j.MayKeep = true
		j.Marks = []transform.MarkImage{markOf(t, pngBytes(t, solid(9, 9, black)), "mark-w=50&mark-align=center")}
		out, err := vips.New().Transform(t.Context(), j)
		if err != nil || bytes.Equal(out.Data, source) {
			t.Fatalf("%s: the original, %v", format, err)
		}
		mean := meanOf(decode(t, out.Data), image.Rect(65, 45, 95, 75))
		if mean[0]+mean[1]+mean[2] > 40 {
			t.Errorf("%s: the mark is %v", format, mean)
		}
	}
}

// What is wrong with a mark is said to be wrong with it, and there is no output.
func TestBadMark(t *testing.T) {
	logo := pngBytes(t, scene(200, 200, false))
	h, err := header.Read(logo)
	if err != nil {
		t.Fatal(err)
	}
	half := append(bytes.Clone(logo[:len(logo)/2]), make([]byte, len(logo)/2)...)
	huge := h
	huge.Width = 40000
	long := pngBytes(t, image.NewGray(image.Rect(0, 0, 20000, 1)))
	longHeader, err := header.Read(long)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		mark  transform.MarkImage
		query string
		want  error
	}{
		"broken":              {transform.MarkImage{Image: half, Header: h}, "", transform.ErrCorrupt},
		"too large":           {transform.MarkImage{Image: logo, Header: huge}, "", transform.ErrTooLarge},
		"of another size":     {transform.MarkImage{Image: logo, Header: longHeader}, "", transform.ErrCorrupt},
		"of another format":   {transform.MarkImage{Image: jpegBytes(t, scene(20, 20, false)), Header: h}, "", transform.ErrUnsupported},
		"too long when drawn": {transform.MarkImage{Image: long, Header: longHeader}, "&mark-w=90%25&mark-h=90%25&mark-fit=cover", transform.ErrOutputTooLarge},
	} {
		c.mark.Hash = sha256.Sum256(c.mark.Image)
		c.mark.Mark = options(t, "mark=m"+c.query).Mark
		j := job(t, jpegBytes(t, scene(300, 3000, false)), "", transform.JPEG)
		j.Marks = []transform.MarkImage{c.mark}
		out, err := vips.New().Transform(t.Context(), j)
		if !errors.Is(err, transform.ErrMark) || !errors.Is(err, c.want) || out.Data != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := job(t, logo, "", transform.PNG)
	j.Marks = []transform.MarkImage{markOf(t, logo, "")}
	if _, err := vips.New().Transform(ctx, j); !errors.Is(err, context.Canceled) || errors.Is(err, transform.ErrMark) {
		t.Errorf("cancelled: %v", err)
	}
}

// One engine, many marks at a time, in and out of what it keeps.
func TestMarksAtOnce(t *testing.T) {
	engine := vips.New()
	source := jpegBytes(t, scene(200, 150, false))
	want := make([][]byte, 8)
	var images []transform.MarkImage
	for i := range want {
		c := color.NRGBA{uint8(i * 30), uint8(255 - i*30), 40, 255}
		images = append(images, markOf(t, pngBytes(t, solid(20, 20, c)), "mark-w=80&mark-opacity=0.8"))
		want[i] = marked(t, source, "w=160", transform.PNG, images[i]).Data
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range images {
				j := job(t, source, "w=160", transform.PNG)
				j.Marks = images[i : i+1]
				out, err := engine.Transform(t.Context(), j)
				if err != nil || !bytes.Equal(out.Data, want[i]) {
					t.Errorf("mark %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
}

// The golden pictures of marks. Each was looked at before it was stored; -update
// rewrites them.
func TestMarkGoldens(t *testing.T) {
	photo := jpegBytes(t, scene(300, 200, false))
	logo := pngBytes(t, disc(120, gold))
	svg, _ := drawing(50, 40)
	for name, c := range map[string]struct {
		original, mark []byte
		query, place   string
	}{
		"mark":         {photo, logo, "w=120", "mark-w=25%25"},
		"mark-repeat":  {photo, logo, "w=120", "mark-w=16&mark-repeat&mark-opacity=0.5&mark-pad=4"},
		"mark-padded":  {photo, logo, "w=100&h=100&fit=pad&bg=navy", "mark-align=top,left&mark-w=40%25"},
		"mark-svg":     {photo, svg, "w=120", "mark-align=center&mark-h=60%25"},
		"mark-alpha":   {pngBytes(t, scene(120, 80, true)), logo, "", "mark-align=right&mark-h=70%25&mark-opacity=0.7"},
		"mark-stretch": {photo, logo, "w=120", "mark-w=90%25&mark-h=30%25&mark-fit=squeeze"},
	} {
		t.Run(name, func(t *testing.T) {
			got := marked(t, c.original, c.query, transform.PNG, markOf(t, c.mark, c.place)).Data
			file := filepath.Join("testdata", name+".png")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := difference(t, decode(t, got), decode(t, want)); d > 1 {
				t.Errorf("differs from %s by %.2f levels on average", file, d)
			}
		})
	}
}

// TestMarksAreNoticed: the engine says which mark it decodes, before it touches the
// original, and decodes none twice.
func TestMarksAreNoticed(t *testing.T) {
	engine := vips.New()
	red, blue := markOf(t, pngBytes(t, scene(20, 20, true)), "mark-w=10"), markOf(t, pngBytes(t, quadrants(20, 20)), "mark-w=10")
	notices := func(original []byte, marks ...transform.MarkImage) (list []int, err error) {
		j := job(t, original, "w=50", transform.PNG)
		j.Marks = marks
		_, err = engine.Transform(transform.WithNotice(t.Context(), func(at transform.Place) { list = append(list, at.Mark) }), j)
		return list, err
	}
	whole := jpegBytes(t, scene(100, 80, false))
	half := slices.Concat(whole[:len(whole)/2], []byte("\xff\xd9"))
	if got, err := notices(half, red); !slices.Equal(got, []int{1, 0}) || !errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("over a broken original: %v, %v", got, err)
	}
	if got, err := notices(whole, red, blue); !slices.Equal(got, []int{2, 0}) || err != nil {
		t.Errorf("with a second mark: %v, %v", got, err)
	}
	if got, err := notices(whole, red, blue); len(got) != 0 || err != nil {
		t.Errorf("again: %v, %v", got, err)
	}
	broken := red
	broken.Image = broken.Image[:len(broken.Image)-30]
	broken.Hash = [32]byte{1}
	if got, err := notices(whole, blue, broken); !slices.Equal(got, []int{2}) || !errors.Is(err, transform.ErrMark) {
		t.Errorf("with a broken mark: %v, %v", got, err)
	}
}
