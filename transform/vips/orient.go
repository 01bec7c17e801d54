//go:build cgo

package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
import "C"

import (
	"context"
	"errors"
	"image"

	"github.com/tintype/tintype/transform"
)

// A turn is one of the eight orientations of a picture. It mirrors left to right, if
// mirrored is set, and then turns clockwise by quarters. The zero turn changes nothing.
type turn struct {
	mirrored bool
	quarters int // 0–3
}

// exifTurn returns the turn for an EXIF orientation (1–8).
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

// rotated returns t followed by a rotation of 0, 90, 180 or 270 degrees clockwise.
func (t turn) rotated(degrees int) turn {
	return turn{t.mirrored, (t.quarters + degrees/90) & 3}
}

// flipped returns t followed by a flip. Mirroring after a rotation equals mirroring before
// the opposite rotation.
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

// inverse returns the turn that undoes t.
func (t turn) inverse() turn {
	if t.mirrored {
		return t
	}
	return turn{false, -t.quarters & 3}
}

// swapped returns the size after the turn of a picture of size s, or the size before it.
func (t turn) swapped(s transform.Size) transform.Size {
	if t.quarters&1 == 1 {
		return transform.Size{W: s.H, H: s.W}
	}
	return s
}

// undo returns the place of r, a part of the turned picture, in the picture before the
// turn, whose size is before.
func (t turn) undo(r image.Rectangle, before transform.Size) image.Rectangle {
	size := t.swapped(before) // of the turned picture
	for range t.quarters {
		// Clockwise, the point (x, y) of a picture of height h moves to (h−1−y, x).
		r = image.Rect(r.Min.Y, size.W-r.Max.X, r.Max.Y, size.W-r.Min.X)
		size.W, size.H = size.H, size.W
	}
	if t.mirrored {
		r = image.Rect(size.W-r.Max.X, r.Min.Y, size.W-r.Min.X, r.Max.Y)
	}
	return r
}

// turnUpright applies the EXIF orientation, and then rotates and flips.
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

// materialise computes all pixels of the frame in memory, for a step that doesn't read them
// from top to bottom. The picture has its final size by then.
func (t *task) materialise(ctx context.Context, f *frame) error {
	return t.evaluate(ctx, f.ImageRef, func() error {
		if C.vips_image_wio_input(vipsImage(f.ImageRef)) != 0 {
			return errors.New(lastError())
		}
		return nil
	})
}
