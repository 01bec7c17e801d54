package transform_test

import (
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestKeepsPixels(t *testing.T) {
	header := transform.Header{Format: transform.PNG, Width: 40, Height: 30, Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	turned, alpha, moving := header, header, header
	turned.Orientation = 2
	alpha.Alpha = true
	moving.Format, moving.Frames = transform.GIF, 4
	for _, c := range []struct {
		query  string
		header transform.Header
		format transform.Format
		want   bool
	}{
		{"", header, transform.PNG, true},
		{"q=3&lossless&metadata=keep&w=400&h=300", header, transform.PNG, true},
		{"w=40&h=30&fit=cover&gravity=north", header, transform.PNG, true},
		{"w=39", header, transform.PNG, false},
		{"w=41&fit=contain", header, transform.PNG, false},
		{"w=40&h=29&fit=cover", header, transform.PNG, false},
		{"w=40&h=40&fit=pad", header, transform.PNG, false},
		{"rect=0,0,40,30", header, transform.PNG, true},
		{"rect=1,0,40,30", header, transform.PNG, false},
		{"rotate=180", header, transform.PNG, false},
		{"flip=v", header, transform.PNG, false},
		{"rotate=45", header, transform.PNG, false},
		{"rotate=360", header, transform.PNG, true},
		{"radius=1", header, transform.PNG, false},
		{"w=400&h=300&fit=cover&enlarge=0", header, transform.PNG, true},
		{"rect=center,bottom,40,30", header, transform.PNG, true},
		{"pad=1", header, transform.PNG, false},
		{"sepia", header, transform.PNG, false},
		{"sharpen=1", header, transform.PNG, false},
		{"pixelate=1", header, transform.PNG, true},
		{"mark=m", header, transform.PNG, false},
		{"", turned, transform.PNG, false},
		{"bg=red", header, transform.PNG, true},
		{"", alpha, transform.PNG, true},
		{"bg=red", alpha, transform.PNG, false},
		{"bg=ff000080", alpha, transform.PNG, true},
		{"", alpha, transform.JPEG, false},
		{"", moving, transform.GIF, true},
		{"", moving, transform.WebP, true},
		{"", moving, transform.PNG, false},
		{"anim=0", moving, transform.GIF, false},
	} {
		o := mustParse(t, c.query)
		p, err := o.Plan(c.header.Upright())
		if err != nil {
			t.Fatal(err)
		}
		if got := o.KeepsPixels(c.header, p, c.format); got != c.want {
			t.Errorf("%q of %+v to %s: %v", c.query, c.header, c.format, got)
		}
	}
}

func TestAcceptTakes(t *testing.T) {
	for _, c := range []struct {
		accept transform.Accept
		want   []transform.Format
	}{
		{0, []transform.Format{transform.JPEG, transform.PNG, transform.GIF}},
		{transform.AcceptWebP, []transform.Format{transform.JPEG, transform.PNG, transform.GIF, transform.WebP}},
		{transform.AcceptAVIF, []transform.Format{transform.JPEG, transform.PNG, transform.GIF, transform.AVIF}},
	} {
		for _, f := range []transform.Format{transform.JPEG, transform.PNG, transform.GIF, transform.WebP, transform.AVIF, transform.TIFF, transform.JXL, transform.HEIC, transform.SVG} {
			if got := c.accept.Takes(f); got != slices.Contains(c.want, f) {
				t.Errorf("%q takes %s: %v", c.accept, f, got)
			}
		}
	}
}
