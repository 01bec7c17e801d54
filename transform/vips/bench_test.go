//go:build cgo

package vips_test

import (
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// grain is a scene with a photograph's noise, without which every encoder has an
// easy time.
func grain(w, h int, alpha bool) *image.NRGBA {
	random := rand.New(rand.NewPCG(3, 3))
	m := scene(w, h, alpha)
	for i := 0; i < len(m.Pix); i += 4 {
		n := random.IntN(17) - 8
		for c := range 3 {
			m.Pix[i+c] = uint8(min(max(int(m.Pix[i+c])+n, 0), 255))
		}
	}
	return m
}

type benchmark struct {
	name     string
	original []byte
	query    string
	format   transform.Format
}

func benchmarks(b *testing.B) []benchmark {
	photo, clear := grain(2000, 1500, false), grain(2000, 1500, true)
	jpeg := jpegBytes(b, photo)
	all := []benchmark{
		{"jpeg to jpeg", jpeg, "w=512", transform.JPEG},
		{"jpeg to webp", jpeg, "w=512", transform.WebP},
		{"jpeg to avif", jpeg, "w=512", transform.AVIF},
		{"png to png", pngBytes(b, photo), "w=512", transform.PNG},
		{"png with alpha to webp", pngBytes(b, clear), "w=512", transform.WebP},
		{"webp to webp", original(b, photo, transform.WebP), "w=512", transform.WebP},
		{"avif to avif", original(b, photo, transform.AVIF), "w=512", transform.AVIF},
		{"gif to webp", animationOf(b, 300, 200, 20), "w=150", transform.WebP},
	}
	return append(all, benchmark{"jpeg from a phone to jpeg", withSegments(jpegBytes(b, stored(photo, 6)), exif(6)), "w=512", transform.JPEG})
}

// BenchmarkTransform is the engine; cpu-ms/op counts all threads of the process.
func BenchmarkTransform(b *testing.B) {
	for _, bench := range benchmarks(b) {
		j := job(b, bench.original, bench.query, bench.format)
		engine := vips.New()
		b.Run(bench.name, func(b *testing.B) {
			loop(b, func() error {
				// What a server does for each original is part of it.
				if _, err := transform.ReadHeader(j.Original); err != nil {
					return err
				}
				_, err := engine.Transform(b.Context(), j)
				return err
			})
		})
	}
}

// BenchmarkPlain makes the same libvips calls with nothing around them: the least
// that these outputs cost.
func BenchmarkPlain(b *testing.B) {
	for _, bench := range benchmarks(b) {
		j := job(b, bench.original, bench.query, bench.format)
		plan, err := j.Options.Plan(j.Header.Upright())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bench.name, func(b *testing.B) {
			loop(b, func() error { return plain(j, plan) })
		})
	}
}

func loop(b *testing.B, work func() error) {
	start := cpuTime(b)
	n := 0
	for b.Loop() {
		if err := work(); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(time.Millisecond)/float64(n), "cpu-ms/op")
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// plain is one job by hand.
func plain(j transform.Job, plan transform.Plan) error {
	params := govips.NewImportParams()
	params.Access.Set(govips.AccessSequential)
	upright := plan.Scaled
	if j.Header.Orientation >= 5 {
		upright.W, upright.H = upright.H, upright.W
	}
	switch j.Header.Format {
	case transform.JPEG:
		by := 1
		for by < 8 && 2*by*upright.W <= j.Header.Width && 2*by*upright.H <= j.Header.Height {
			by *= 2
		}
		params.JpegShrinkFactor.Set(by)
	case transform.WebP:
		if j.Header.Frames == 1 && !j.Header.Alpha {
			params.WebpScaleFactor.Set(float64(upright.W) / float64(j.Header.Width))
		}
	case transform.GIF:
		params.NumPages.Set(-1)
	}
	image, err := govips.LoadImageFromBuffer(j.Original, params)
	if err != nil {
		return err
	}
	defer image.Close()
	defer runtime.KeepAlive(j.Original)
	if image.HasAlpha() {
		if err := image.PremultiplyAlpha(); err != nil {
			return err
		}
		if err := image.Cast(govips.BandFormatUchar); err != nil {
			return err
		}
	}
	if image.Width() != upright.W {
		err := image.ResizeWithVScale(float64(upright.W)/float64(image.Width()), float64(upright.H)/float64(image.PageHeight()), govips.KernelLanczos3)
		if err != nil {
			return err
		}
	}
	if j.Header.Orientation == 6 {
		if err := image.DrawRect(govips.ColorRGBA{}, -2, -2, 1, 1, true); err != nil {
			return err
		}
		if err := image.Rotate(govips.Angle90); err != nil {
			return err
		}
	}
	return write(image, j.Format)
}

func write(image *govips.ImageRef, format transform.Format) (err error) {
	switch format {
	case transform.JPEG:
		_, _, err = image.ExportJpeg(&govips.JpegExportParams{Quality: 80, OptimizeCoding: true, StripMetadata: true})
	case transform.PNG:
		_, _, err = image.ExportPng(&govips.PngExportParams{Compression: 1, Filter: govips.PngFilterPaeth, StripMetadata: true})
	case transform.WebP:
		_, _, err = image.ExportWebp(&govips.WebpExportParams{Quality: 76, ReductionEffort: 2, MinKeyFrames: 1<<31 - 2, MaxKeyFrames: 1<<31 - 1, StripMetadata: true})
	case transform.AVIF:
		_, _, err = image.ExportAvif(&govips.AvifExportParams{Quality: 60, Bitdepth: 8, Effort: 1, StripMetadata: true})
	default:
		err = fmt.Errorf("no encoder for %s", format)
	}
	return err
}

// animationOf is a square walking over a striped ground.
func animationOf(t testing.TB, w, h, frames int) []byte {
	palette := color.Palette{red, green, blue, gold, white, black}
	return encodeFrames(t, frames, func(i int) *image.Paletted {
		m := image.NewPaletted(image.Rect(0, 0, w, h), palette)
		for p := range m.Pix {
			x, y := p%w, p/w
			m.Pix[p] = uint8((x/9 + y/7) % 4)
			if x >= i*10 && x < i*10+40 && y >= 50 && y < 90 {
				m.Pix[p] = 4
			}
		}
		return m
	})
}
