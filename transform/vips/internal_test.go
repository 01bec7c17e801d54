//go:build cgo

package vips

import "testing"

func TestScales(t *testing.T) {
	for name, s := range map[string]scale{"webp": webpQuality, "avif": avifQuality, "jxl": jxlQuality} {
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
