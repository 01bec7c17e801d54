//go:build cgo

package vips_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

var withQuality = []transform.Format{transform.JPEG, transform.WebP, transform.AVIF, transform.JXL}

// pixelsOf is a picture over mid-grey, in three bands.
func pixelsOf(m *image.NRGBA) vips.Pixels {
	p := vips.Pixels{Width: m.Rect.Dx(), Height: m.Rect.Dy(), Bands: 3}
	for y := range p.Height {
		for x := range p.Width {
			c := m.NRGBAAt(x, y)
			for _, v := range []uint8{c.R, c.G, c.B} {
				p.Levels = append(p.Levels, uint8((int(v)*int(c.A)+128*(255-int(c.A))+127)/255))
			}
		}
	}
	return p
}

func scoreOf(t *testing.T, reference, picture *image.NRGBA) float64 {
	t.Helper()
	s, err := vips.Score(pixelsOf(reference), pixelsOf(picture))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestScore: more noise scores less, and nothing but the picture itself scores 100.
func TestScore(t *testing.T) {
	for _, size := range [][2]int{{8, 8}, {97, 61}, {300, 200}} {
		m := scene(size[0], size[1], false)
		if got := scoreOf(t, m, m); got != 100 {
			t.Errorf("%v: the same picture scores %v", size, got)
		}
		random := rand.New(rand.NewPCG(1, 1))
		last := 100.0
		for _, noise := range []float64{1, 4, 12, 50} {
			other := image.NewNRGBA(m.Rect)
			for i, v := range m.Pix {
				other.Pix[i] = v
				if i%4 < 3 {
					other.Pix[i] = uint8(min(max(float64(v)+noise*random.NormFloat64(), 0), 255))
				}
			}
			got := scoreOf(t, m, other)
			if got >= last {
				t.Errorf("%v: noise of %v scores %.1f, less noise %.1f", size, noise, got, last)
			}
			last = got
		}
	}
	small := vips.Pixels{Levels: make([]byte, 7*8*3), Width: 7, Height: 8, Bands: 3}
	if _, err := vips.Score(small, small); err == nil {
		t.Error("a picture of 7×8 pixels has a score")
	}
}

// TestScoreKinds has testdata/score.c compare the code for this processor with plain code.
func TestScoreKinds(t *testing.T) {
	t.Parallel()
	runC(t, "score", "testdata/score.c", "score.c", "-lm")
}

// TestAutoQuality: each format comes near the target, with fewer bytes for a lower one, and
// with the same bytes each time.
func TestAutoQuality(t *testing.T) {
	for name, m := range map[string]image.Image{
		"noon":     samples.SceneSeed(800, 533, samples.Noon),
		"portrait": samples.Portrait(500, 500),
		"chart":    samples.Chart(800, 500),
	} {
		original := pngBytes(t, m)
		reference := picture(t, original, "w=400")
		for _, format := range withQuality {
			last := math.MaxInt
			for _, target := range []float64{86, 74, 62} {
				query := fmt.Sprintf("w=400&q=auto&q-target=%.0f", target)
				out := run(t, original, query, format)
				got := scoreOf(t, reference, decode(t, out.Data))
				t.Logf("%s in %s: %.1f for %.0f in %d bytes of quality %d", name, format, got, target, len(out.Data), out.Quality)
				if out.Quality < 1 || out.Quality > 100 {
					t.Errorf("%s in %s: the quality that was found is %d", name, format, out.Quality)
				}
				if format == transform.WebP && target > 80 { // it halves the resolution of colours
					continue
				}
				if math.Abs(got-target) > 4 {
					t.Errorf("%s in %s scores %.1f, want %.0f", name, format, got, target)
				}
				if len(out.Data) >= last {
					t.Errorf("%s in %s: %d bytes for %.0f, %d for more", name, format, len(out.Data), target, last)
				}
				last = len(out.Data)
				if again := run(t, original, query, format); !bytes.Equal(again.Data, out.Data) {
					t.Errorf("%s in %s: other bytes the second time", name, format)
				}
			}
		}
	}
}

// TestAutoQualityOfLarge: the quality of a large picture is predicted, and not far off.
func TestAutoQualityOfLarge(t *testing.T) {
	original := jpegBytes(t, samples.SceneSeed(1400, 933, samples.Noon))
	reference := picture(t, original, "")
	for _, format := range []transform.Format{transform.JPEG, transform.WebP, transform.AVIF} {
		out := run(t, original, "q=auto", format)
		if got := scoreOf(t, reference, decode(t, out.Data)); out.Quality == 0 || math.Abs(got-74) > 8 {
			t.Errorf("%s: %.1f, of quality %d", format, got, out.Quality)
		}
	}
}

// TestAutoQualityOfColours: where halving the resolution of colours would lose the target,
// JPEG and AVIF keep it.
func TestAutoQualityOfColours(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 256, 256))
	for i := range 256 * 256 {
		x, y := i%256, i/256
		c := color.NRGBA{220, 30, 40, 255}
		if (x/3+y/3)%2 == 0 {
			c = color.NRGBA{20, 90, 220, 255}
		}
		m.SetNRGBA(x, y, c)
	}
	for _, format := range []transform.Format{transform.JPEG, transform.AVIF} {
		got := scoreOf(t, m, decode(t, run(t, pngBytes(t, m), "q=auto", format).Data))
		if usual := scoreOf(t, m, decode(t, run(t, pngBytes(t, m), "", format).Data)); got < 66 || usual > 50 {
			t.Errorf("%s: %.1f, and %.1f at the usual quality", format, got, usual)
		}
	}
}

// TestAutoQualityOfOthers: what has no quality to find is made as without q.
func TestAutoQualityOfOthers(t *testing.T) {
	original := pngBytes(t, scene(200, 150, true))
	frames := noisyFrames(t, 40, 30, 3)
	for _, tt := range []struct {
		original []byte
		query    string
		format   transform.Format
	}{
		{original, "w=100", transform.PNG},
		{original, "w=100&lossless", transform.WebP},
		{original, "w=100&lossless", transform.JXL},
		{original, "w=7", transform.JPEG},
		{frames, "", transform.WebP},
		{frames, "", transform.GIF},
	} {
		auto, usual := run(t, tt.original, tt.query+"&q=auto", tt.format), run(t, tt.original, tt.query, tt.format)
		if !bytes.Equal(auto.Data, usual.Data) {
			t.Errorf("%q in %s: q=auto makes %d bytes, without it %d", tt.query, tt.format, len(auto.Data), len(usual.Data))
		}
		if auto.Quality != 0 || usual.Quality != 0 {
			t.Errorf("%q in %s: q=auto found quality %d, without it %d", tt.query, tt.format, auto.Quality, usual.Quality)
		}
	}
	for _, format := range withQuality { // with alpha, and grey
		for _, query := range []string{"w=100&q=auto", "w=100&grayscale&bg=fff&q=auto", "w=100&grayscale&q=auto"} {
			if got := run(t, original, query, format); len(got.Data) == 0 {
				t.Errorf("%s: %q makes nothing", format, query)
			}
		}
	}
}
