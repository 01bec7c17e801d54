//go:build cgo

package vips_test

import (
	"testing"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
)

// TestAVIFOfASmoothSky: an AVIF of what libaom takes for a screen is smaller than a JPEG. With effort 1, libaom 3.12 makes
// it twice as large.
func TestAVIFOfASmoothSky(t *testing.T) {
	source := jpegBytes(t, samples.Portrait(800, 1200))
	const options = "w=480&h=480&fit=cover&gravity=north"
	avif, jpeg := len(run(t, source, options, transform.AVIF).Data), len(run(t, source, options, transform.JPEG).Data)
	if avif > jpeg*2/3 {
		t.Errorf("%d bytes, and %d as a JPEG", avif, jpeg)
	}
}
