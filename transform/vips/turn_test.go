//go:build cgo

package vips

import (
	"image"
	"testing"

	"github.com/tintype/tintype/transform"
)

// apply is the turn of a point by its definition: mirror, then quarters.
func (t turn) apply(p image.Point, size transform.Size) (image.Point, transform.Size) {
	if t.mirrored {
		p.X = size.W - 1 - p.X
	}
	for range t.quarters {
		p = image.Pt(size.H-1-p.Y, p.X)
		size.W, size.H = size.H, size.W
	}
	return p, size
}

func TestTurnUndo(t *testing.T) {
	before := transform.Size{W: 7, H: 5}
	for _, mirrored := range []bool{false, true} {
		for quarters := range 4 {
			turn := turn{mirrored, quarters}
			for y := range before.H {
				for x := range before.W {
					p, after := turn.apply(image.Pt(x, y), before)
					if after != turn.swapped(before) {
						t.Fatalf("%+v: swapped is %v, want %v", turn, turn.swapped(before), after)
					}
					pixel := image.Rectangle{p, p.Add(image.Pt(1, 1))}
					if got := turn.undo(pixel, before); got != image.Rect(x, y, x+1, y+1) {
						t.Errorf("%+v: undo(%v) = %v, want the pixel at (%d, %d)", turn, pixel, got, x, y)
					}
				}
			}
		}
	}
}

func TestTurnCompose(t *testing.T) {
	size, start := transform.Size{W: 7, H: 5}, image.Pt(1, 3)
	for orientation := 1; orientation <= 8; orientation++ {
		for _, degrees := range []int{0, 90, 180, 270} {
			for _, flip := range []transform.Flip{transform.FlipNone, transform.FlipH, transform.FlipV, transform.FlipHV} {
				upright := exifTurn(orientation)
				want, turned := upright.apply(start, size)
				want, turned = turn{false, degrees / 90}.apply(want, turned)
				if flip == transform.FlipH || flip == transform.FlipHV {
					want.X = turned.W - 1 - want.X
				}
				if flip == transform.FlipV || flip == transform.FlipHV {
					want.Y = turned.H - 1 - want.Y
				}
				x, y := float64(start.X)-float64(size.W-1)/2, float64(start.Y)-float64(size.H-1)/2
				m := turn{false, degrees / 90}.linear().After(upright.linear())
				if flip == transform.FlipH || flip == transform.FlipHV {
					m.XX, m.XY = -m.XX, -m.XY
				}
				if flip == transform.FlipV || flip == transform.FlipHV {
					m.YX, m.YY = -m.YX, -m.YY
				}
				if p := image.Pt(int(m.XX*x+m.XY*y+float64(turned.W-1)/2), int(m.YX*x+m.YY*y+float64(turned.H-1)/2)); p != want {
					t.Errorf("orientation %d, rotate %d, flip %q: %v by the linear map, want %v", orientation, degrees, flip, p, want)
				}
				if got, _ := upright.rotated(degrees).flipped(flip).apply(start, size); got != want {
					t.Errorf("orientation %d, rotate %d, flip %q: %v, want %v", orientation, degrees, flip, got, want)
				}
			}
		}
	}
}
