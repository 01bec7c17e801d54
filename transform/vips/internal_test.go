//go:build cgo

package vips

import (
	"log/slog"
	"math"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"
)

func TestScales(t *testing.T) {
	for name, s := range map[string]scale{"webp": webpQuality, "avif": avifQuality, "small avif": avifSmallQuality, "jxl": jxlQuality} {
		last := 0
		for q := 1; q <= 100; q++ {
			got := s.of(q)
			if got < last || got < 1 || got > 100 {
				t.Fatalf("%s: q=%d is %d after %d", name, q, got, last)
			}
			last = got
		}
		if last != 100 {
			t.Errorf("%s: q=100 is %d", name, last)
		}
	}
	if got := avifQuality.of(80); got != 71 {
		t.Errorf("avif: q=80 is %d, want 71", got)
	}
}

// TestLogLevels: what libvips says of images that are well is no warning.
func TestLogLevels(t *testing.T) {
	for _, c := range []struct {
		level   govips.LogLevel
		message string
		want    slog.Level
	}{
		{govips.LogLevelWarning, "vips_image_open: something", slog.LevelWarn},
		{govips.LogLevelWarning, "error in tile 0 x 120", slog.LevelDebug},
		{govips.LogLevelWarning, "read gave 68 warnings", slog.LevelDebug},
		{govips.LogLevelWarning, "VipsJpeg: Corrupt JPEG data: 4 extraneous bytes before marker 0xdb\n", slog.LevelDebug},
		{govips.LogLevelWarning, "", slog.LevelDebug},
		{govips.LogLevelCritical, "vips_object_unref: assertion failed", slog.LevelWarn},
		{govips.LogLevelWarning, "heifload: ignoring nclx profile", slog.LevelDebug},
		{govips.LogLevelInfo, "threadpool completed", slog.LevelDebug},
	} {
		if got := slogLevel(c.level, c.message); got != c.want {
			t.Errorf("%q is %v, want %v", c.message, got, c.want)
		}
	}
}

// TestCorrect: after two scores, the third quality is near, though the model's slope is wrong.
func TestCorrect(t *testing.T) {
	for _, slope := range []float64{0.2, 0.4, 1} { // of an encoder, beside the model's
		of := func(own int) float64 { return 101 - math.Exp(4.2-0.02*slope*float64(own-20)) }
		for _, want := range []int{16, 30, 45} {
			target := of(want)
			g := guess{model: &model{10, 98, []point{{quality: 20, spread: 1}, {quality: 95, spread: 1}}}, target: target, losses: []float64{4.2, 2.7}}
			g.own = 36
			g.correct(of(g.own))
			g.correct(of(g.own))
			if got := of(g.own); math.Abs(got-target) > 3 {
				t.Errorf("slope %v, want %.1f of quality %d: %.1f of %d", slope, target, want, got, g.own)
			}
		}
	}
}
