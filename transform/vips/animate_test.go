//go:build cgo

package vips_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// animation has a red, a green and a blue frame, and one that paints its right
// half gold over the blue.
func animation(t testing.TB) []byte {
	t.Helper()
	palette := color.Palette{red, green, blue, gold}
	g := &gif.GIF{Delay: []int{10, 20, 30, 40}, LoopCount: 2}
	for i, r := range []image.Rectangle{
		image.Rect(0, 0, 60, 40), image.Rect(0, 0, 60, 40), image.Rect(0, 0, 60, 40), image.Rect(30, 0, 60, 40),
	} {
		m := image.NewPaletted(r, palette)
		draw.Draw(m, r, image.NewUniform(palette[i]), image.Point{}, draw.Src)
		g.Image = append(g.Image, m)
		g.Disposal = append(g.Disposal, gif.DisposalNone)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeFrames(t testing.TB, n int, draw func(i int) *image.Paletted) []byte {
	t.Helper()
	g := &gif.GIF{}
	for i := range n {
		g.Image, g.Delay = append(g.Image, draw(i)), append(g.Delay, 5)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// show is what a viewer of a GIF sees, frame by frame.
func show(t testing.TB, data []byte) (frames []*image.NRGBA, delays []int, loop int) {
	t.Helper()
	g, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	for i, m := range g.Image {
		before := &image.NRGBA{Pix: slices.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect}
		draw.Draw(canvas, m.Rect, m, m.Rect.Min, draw.Over)
		frames = append(frames, &image.NRGBA{Pix: slices.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect})
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(canvas, m.Rect, image.Transparent, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			canvas = before
		}
	}
	return frames, g.Delay, g.LoopCount
}

// webpFrames are the frames of a WebP animation as libvips composes them.
func webpFrames(t testing.TB, data []byte) (frames []*image.NRGBA) {
	t.Helper()
	params := govips.NewImportParams()
	params.NumPages.Set(-1)
	ref, err := govips.LoadImageFromBuffer(data, params)
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	height := ref.PageHeight()
	m, err := ref.ToGoImage()
	if err != nil {
		t.Fatal(err)
	}
	roll := toNRGBA(m)
	for top := 0; top < roll.Rect.Dy(); top += height {
		frames = append(frames, toNRGBA(roll.SubImage(image.Rect(0, top, roll.Rect.Dx(), top+height))))
	}
	return frames
}

func TestAnimations(t *testing.T) {
	source := animation(t)
	viaWebP := run(t, source, "lossless", transform.WebP).Data
	for name, original := range map[string][]byte{"gif": source, "webp": viaWebP} {
		for query, want := range map[string]struct{ w, h int }{
			"":                                    {60, 40},
			"w=30":                                {30, 20},
			"w=33&h=17&fit=squeeze":               {33, 17},
			"w=120&fit=contain":                   {120, 80},
			"w=20&h=20&fit=cover":                 {20, 20},
			"w=20&h=20&fit=cover&gravity=entropy": {20, 20},
			"rotate=180":                          {60, 40},
			"w=20&rotate=90":                      {20, 30},
			"flip=v":                              {60, 40},
			"rotate=45&rect=26,10,9,9&bg=white":   {13, 13},
			"w=40&h=40&fit=pad&bg=white":          {40, 40},
			"rect=10,10,40,20&w=20":               {20, 10},
		} {
			for _, format := range []transform.Format{transform.GIF, transform.WebP} {
				t.Run(name+" to "+string(format)+" "+query, func(t *testing.T) {
					out := run(t, original, query+"&lossless", format)
					if out.Width != want.w || out.Height != want.h || out.Frames != 4 {
						t.Fatalf("got %d×%d, %d frames, want %d×%d, 4", out.Width, out.Height, out.Frames, want.w, want.h)
					}
					hd, err := header.Read(out.Data)
					if err != nil || hd.Frames != 4 || hd.Width != want.w || hd.Height != want.h {
						t.Errorf("header.Read of the output: %+v, %v", hd, err)
					}
					data := out.Data
					if format == transform.WebP {
						data = run(t, data, "", transform.GIF).Data
					}
					frames, delays, loop := show(t, data)
					if diff := cmp.Diff([]int{10, 20, 30, 40}, delays); diff != "" {
						t.Errorf("delays (-want +got):\n%s", diff)
					}
					if loop != 2 {
						t.Errorf("loop count %d, want 2", loop)
					}
					if format == transform.WebP {
						frames = webpFrames(t, out.Data)
					}
					if query == "rotate=45&rect=26,10,9,9&bg=white" {
						for i, want := range []color.NRGBA{red, green, blue} {
							wantFrame(t, frames[i], image.Rect(4, 4, 9, 9), want)
							wantFrame(t, frames[i], image.Rect(0, 0, 3, 3), white)
							wantFrame(t, frames[i], image.Rect(10, 10, 13, 13), white)
						}
						return
					}
					if query == "w=40&h=40&fit=pad&bg=white" {
						wantFrame(t, frames[1], image.Rect(0, 0, 40, 6), white)
						wantFrame(t, frames[1], image.Rect(0, 7, 40, 33), green)
						wantFrame(t, frames[1], image.Rect(0, 34, 40, 40), white)
						return
					}
					// Any bleeding of one frame into the next would show in its
					// first and last rows.
					for i, want := range []color.NRGBA{red, green, blue} {
						wantFrame(t, frames[i], frames[i].Rect, want)
					}
				})
			}
		}
	}
}

func TestAnimationComposes(t *testing.T) {
	for _, format := range []transform.Format{transform.GIF, transform.WebP} {
		data := run(t, animation(t), "w=30&lossless", format).Data
		frames := webpFrames(t, data)
		wantFrame(t, frames[3], image.Rect(0, 0, 13, 20), blue)
		wantFrame(t, frames[3], image.Rect(17, 0, 30, 20), gold)
	}
}

func wantFrame(t *testing.T, m *image.NRGBA, r image.Rectangle, want color.NRGBA) {
	t.Helper()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			wantColor(t, m, x, y, want, 3)
			if t.Failed() {
				return
			}
		}
	}
}

func TestFirstFrame(t *testing.T) {
	for query, format := range map[string]transform.Format{
		"anim=false":      transform.GIF,
		"anim=false&w=30": transform.WebP,
		"w=30":            transform.PNG,
		"":                transform.AVIF,
	} {
		out := run(t, animation(t), query, format)
		if h, err := header.Read(out.Data); out.Frames != 1 || err != nil || h.Frames != 1 {
			t.Errorf("%q to %s: %d frames, header %+v, %v", query, format, out.Frames, h, err)
		}
		got := decode(t, out.Data)
		wantColor(t, got, got.Rect.Dx()/2, got.Rect.Dy()-1, red, 6)
	}
}

// TestFramesAreStills: what is done to an animation gives what it gives of each
// frame for itself, to the level; where a blur goes by way of a smaller picture, to
// two.
func TestFramesAreStills(t *testing.T) {
	palette := make(color.Palette, 256)
	for i := range palette {
		palette[i] = color.NRGBA{uint8(i), uint8(i * 7), uint8(i * 31), 255}
	}
	palette[0] = color.NRGBA{}
	draw := func(i int) *image.Paletted {
		random := rand.New(rand.NewPCG(uint64(i), 7))
		m := image.NewPaletted(image.Rect(0, 0, 53, 41), palette)
		for p := range m.Pix {
			m.Pix[p] = uint8(random.Uint32())
		}
		return m
	}
	const frames = 4
	g := &gif.GIF{}
	var stills [frames][]byte
	for i := range frames {
		g.Image, g.Delay, g.Disposal = append(g.Image, draw(i)), append(g.Delay, 5), append(g.Disposal, gif.DisposalBackground)
		stills[i] = encodeFrames(t, 1, func(int) *image.Paletted { return draw(i) })
	}
	var roll bytes.Buffer
	if err := gif.EncodeAll(&roll, g); err != nil {
		t.Fatal(err)
	}
	for query, tolerance := range map[string]int{
		"rect=5,7,30,20": 0, "rect=5,7,30,20&w=15": 0, "w=20&h=20&fit=cover": 0, "w=130&fit=contain": 0, "w=80&h=20&fit=squeeze": 0,
		"rotate=90": 0, "rotate=180&flip=h": 0, "flip=v": 0, "flip=h&rotate=270&w=31": 0, "rotate=33": 0, "rotate=-33&w=60&h=20&fit=squeeze&flip=h&blur=2": 0, "rotate=10&w=30&h=30&fit=cover": 0, "radius=max": 0, "rect=5,7,30,20&rotate=90&w=60&h=60&fit=cover": 0,
		"blur=1": 0, "blur=3.5": 0, "blur=9": 2, "blur=40": 2, "sharpen=20": 0, "pixelate=6": 0, "rect=5,7,30,20&blur=2&sharpen=9&pixelate=4&rotate=90": 0,
	} {
		out := run(t, roll.Bytes(), query+"&lossless", transform.WebP)
		for i, got := range webpFrames(t, out.Data) {
			want := decode(t, run(t, stills[i], query+"&lossless", transform.WebP).Data)
			wantSize(t, got, want.Rect.Dx(), want.Rect.Dy())
			for p := range want.Pix {
				a := int(want.Pix[p|3])
				if d := int(got.Pix[p])*a - int(want.Pix[p])*a; max(d, -d) > tolerance*255 {
					t.Errorf("%s: frame %d has %d at byte %d, the still %d", query, i, got.Pix[p], p, want.Pix[p])
					break
				}
			}
		}
	}
}
