package transform_test

import (
	"errors"
	"math"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestLimitsCheck(t *testing.T) {
	header := func(w, h, frames int) transform.Header {
		return transform.Header{Format: transform.GIF, Width: w, Height: h, Frames: frames}
	}
	tests := []struct {
		name   string
		limits transform.Limits
		header transform.Header
		want   string // "" is no error
	}{
		{"at every limit", transform.Limits{FramePixels: 100, TotalPixels: 500, Frames: 5, Edge: 10}, header(10, 10, 5), ""},
		{"frame pixels", transform.DefaultLimits(), header(35584, 18696, 1), "image is too large: 35584×18696 pixels is over the limit of 64 megapixels a frame"},
		{"edge", transform.DefaultLimits(), header(40000, 10, 1), "image is too large: 40000×10 pixels is over the limit of 32768 pixels an edge"},
		{"upright edge", transform.Limits{Edge: 9}, header(1, 10, 1), "image is too large: 1×10 pixels is over the limit of 9 pixels an edge"},
		{"frames", transform.DefaultLimits(), header(1, 1, 1001), "image is too large: 1001 frames is over the limit of 1000"},
		{"total pixels", transform.Limits{TotalPixels: 2_500_000}, header(1000, 1000, 3), "image is too large: 3 frames of 1000×1000 pixels are over the limit of 2.5 megapixels in all"},
		{"no overflow", transform.Limits{TotalPixels: math.MaxInt}, header(math.MaxInt32, math.MaxInt32, math.MaxInt32), "image is too large: 2147483647 frames of 2147483647×2147483647 pixels are over the limit of 9223372036854.775 megapixels in all"},
		{"no limits", transform.Limits{}, header(math.MaxInt32, math.MaxInt32, math.MaxInt32), ""},
		{"pages of a tiff", transform.DefaultLimits(), transform.Header{Format: transform.TIFF, Width: 4000, Height: 4000, Frames: 500}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.limits.Check(test.header)
			if test.want == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			if !errors.Is(err, transform.ErrTooLarge) || err.Error() != test.want {
				t.Errorf("error %v\nwant  %s", err, test.want)
			}
		})
	}
}
