//go:build cgo

package vips

import (
	"context"
	"errors"
	"image"
)

// eachRow computes a part of a picture of bytes, and calls do for each row from top to
// bottom. It holds only a few rows in memory. For an original that is read in order, a
// further call must be for a part below.
func (t *task) eachRow(ctx context.Context, f *frame, part image.Rectangle, do func(y int, row []byte)) error {
	const most = 1 << 20 // bytes at a time
	length := part.Dx() * f.Bands()
	step := max(most/length&^15, 16)
	// libvips decodes 16 rows at a time and forgets them after each read. So a read ends
	// where such a strip does: the next one can't ask for a strip that has passed.
	for top, rows := part.Min.Y, 0; top < part.Max.Y; top += rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows = min((top+step)&^15, part.Max.Y) - top
		pixels, err := t.readPart(ctx, f, image.Rect(part.Min.X, top, part.Max.X, top+rows))
		if err != nil {
			return err
		}
		for y := range rows {
			do(top+y, pixels[y*length:][:length])
		}
	}
	return nil
}

// readPart computes a part of a picture.
func (t *task) readPart(ctx context.Context, f *frame, part image.Rectangle) ([]byte, error) {
	strip, err := f.Copy()
	if err != nil {
		return nil, fault("read", err)
	}
	defer strip.Close()
	if err := (&frame{strip}).onePage(); err != nil {
		return nil, err
	}
	if err := strip.ExtractArea(part.Min.X, part.Min.Y, part.Dx(), part.Dy()); err != nil {
		return nil, fault("read", err)
	}
	var pixels []byte
	err = t.evaluate(ctx, strip, func() (err error) {
		if pixels, err = strip.ToBytes(); err != nil {
			return errors.New(lastError()) // the error of govips lacks the text
		}
		return nil
	})
	return pixels, err
}
