//go:build cgo

package vips

import (
	"context"
	"image"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// A turn is one of the eight ways to lay a picture on its grid: mirrored left to
// right or not, then turned clockwise by quarters. The zero turn leaves it as it
// is.
type turn struct {
	mirrored bool
	quarters int // 0–3
}

// exifTurn is what an EXIF orientation (1–8) asks for.
func exifTurn(orientation int) turn {
	switch orientation {
	case 2:
		return turn{true, 0}
	case 3:
		return turn{false, 2}
	case 4:
		return turn{true, 2}
	case 5:
		return turn{true, 3}
	case 6:
		return turn{false, 1}
	case 7:
		return turn{true, 1}
	case 8:
		return turn{false, 3}
	}
	return turn{}
}

// rotated is t followed by a rotation of 0, 90, 180 or 270 degrees clockwise.
func (t turn) rotated(degrees int) turn {
	return turn{t.mirrored, (t.quarters + degrees/90) & 3}
}

// flipped is t followed by a flip. Mirroring after a rotation is the same as
// mirroring before the opposite rotation.
func (t turn) flipped(f transform.Flip) turn {
	switch f {
	case transform.FlipH:
		return turn{!t.mirrored, -t.quarters & 3}
	case transform.FlipV:
		return turn{!t.mirrored, (2 - t.quarters) & 3}
	case transform.FlipHV:
		return turn{t.mirrored, (t.quarters + 2) & 3}
	}
	return t
}

// inverse is the turn that undoes t.
func (t turn) inverse() turn {
	if t.mirrored {
		return t
	}
	return turn{false, -t.quarters & 3}
}

// swapped is a size as it was before, or will be after, the turn.
func (t turn) swapped(s transform.Size) transform.Size {
	if t.quarters&1 == 1 {
		return transform.Size{W: s.H, H: s.W}
	}
	return s
}

// undo is where r, a part of the turned picture, lies in the picture of this size
// before the turn.
func (t turn) undo(r image.Rectangle, before transform.Size) image.Rectangle {
	size := t.swapped(before) // of the picture that r is in
	for range t.quarters {
		// Clockwise, the point (x, y) of a picture h high went to (h−1−y, x).
		r = image.Rect(r.Min.Y, size.W-r.Max.X, r.Max.Y, size.W-r.Min.X)
		size.W, size.H = size.H, size.W
	}
	if t.mirrored {
		r = image.Rect(size.W-r.Max.X, r.Min.Y, size.W-r.Min.X, r.Max.Y)
	}
	return r
}

// turnUpright lays the picture as the output shows it: upright by its EXIF
// orientation, then rotated and flipped as the options say.
func (t *task) turnUpright(ctx context.Context, f *frame) error {
	if t.turn == (turn{}) {
		return nil
	}
	if t.turn.quarters != 0 {
		if err := t.materialise(ctx, f); err != nil {
			return err
		}
	}
	return t.cut(f, t.frameSize(f), t.turn)
}

// materialise computes all pixels of the frame and holds them in memory, for a
// step that reads them in another order than from top to bottom. By then the
// picture has its final size.
func (t *task) materialise(ctx context.Context, f *frame) error {
	return t.evaluate(ctx, f.ImageRef, func() error {
		// libvips draws in memory: drawing makes it compute the image into it in
		// place. This rectangle lies outside of every image.
		return f.DrawRect(govips.ColorRGBA{}, -2, -2, 1, 1, true)
	})
}
