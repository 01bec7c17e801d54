package vips

// #cgo pkg-config: vips
// #include "stamp.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// stamp lays the job's marks on every frame: see stamp.c. It comes after everything
// else that touches pixels, so that nothing crops or covers a mark.
func (t *task) stamp(ctx context.Context, f *frame) error {
	if len(t.job.Marks) == 0 {
		return nil
	}
	list := make([]C.TintypeStamp, 0, len(t.job.Marks))
	grey := f.Bands() < 3
	for _, mark := range t.job.Marks {
		on := image.Rect(0, 0, t.plan.Output.W, t.plan.Output.H)
		if mark.OnPicture {
			on = t.plan.Picture()
		}
		place := mark.Mark.Place(sizeOf(on), mark.Header.Upright(), t.job.Options.DPR)
		at := on.Min.Add(place.At)
		p, err := t.stampPicture(ctx, mark, place)
		if err != nil {
			return markError(ctx, err)
		}
		grey = grey && p.alike
		t.pins.Pin(&p.rgba[0])
		list = append(list, C.TintypeStamp{
			rgba: (*C.uint8_t)(&p.rgba[0]),
			left: C.int(at.X), top: C.int(at.Y),
			width: C.int(p.size.W), height: C.int(p.size.H),
			across: C.int(place.Pitch.W), down: C.int(place.Pitch.H),
		})
	}
	if !grey {
		if err := f.toColour(); err != nil {
			return err
		}
	}
	var out *C.VipsImage
	if C.tintype_stamp(vipsImage(f.ImageRef), &out, C.int(t.plan.Output.H), &list[0], C.int(len(list))) != 0 {
		return fault("stamp", errors.New(lastError()))
	}
	setVipsImage(f.ImageRef, out)
	return nil
}

// stampPicture is the mark's picture, decoded now unless it was before.
func (t *task) stampPicture(ctx context.Context, mark transform.MarkImage, place transform.Placement) (*stampPicture, error) {
	o := place.Options
	key := stampKey{mark.Hash, o.Width, o.Height, o.Fit, mark.Mark.Opacity}
	if p := t.stamps.get(key); p != nil {
		return p, nil
	}
	p, err := drawStamp(ctx, transform.Job{
		Original: mark.Image, Header: mark.Header, Options: o, Format: transform.PNG, Limits: t.job.Limits,
	})
	if err != nil {
		return nil, err
	}
	p.fade(mark.Mark.Opacity)
	t.stamps.put(key, p)
	return p, nil
}

// drawStamp makes a mark's picture as the variant that the job asks for is made,
// but for the encoding.
func drawStamp(ctx context.Context, job transform.Job) (*stampPicture, error) {
	t, err := newTask(job)
	if err != nil {
		return nil, err
	}
	if err := t.makePlan(); err != nil {
		return nil, err
	}
	picture, err := t.load(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { picture.Close() }()
	for _, step := range t.steps() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(ctx, picture); err != nil {
			return nil, err
		}
	}
	if err := picture.toColour(); err != nil {
		return nil, err
	}
	if err := picture.AddAlpha(); err != nil { // nothing where there is one
		return nil, fault("mark", err)
	}
	size := t.plan.Output
	var rgba []byte
	err = t.evaluate(ctx, picture.ImageRef, func() (err error) {
		if rgba, err = picture.ToBytes(); err != nil {
			return errors.New(lastError()) // govips doesn't say it
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(rgba) != size.W*size.H*4 || picture.BandFormat() != govips.BandFormatUchar:
		return nil, fmt.Errorf("vips: mark: %d bytes for %d×%d pixels", len(rgba), size.W, size.H)
	}
	p := &stampPicture{rgba: rgba, size: size, alike: true}
	for i := 0; i < len(rgba) && p.alike; i += 4 {
		p.alike = rgba[i] == rgba[i+1] && rgba[i] == rgba[i+2]
	}
	return p, nil
}

// fade makes the picture as translucent as opacity (0–1) says.
func (p *stampPicture) fade(opacity float64) {
	if opacity >= 1 {
		return
	}
	for i := 3; i < len(p.rgba); i += 4 {
		p.rgba[i] = uint8(math.Round(float64(p.rgba[i]) * max(opacity, 0)))
	}
}

// markError says that it is the mark which is at fault, where it is.
func markError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, known := range []error{transform.ErrUnsupported, transform.ErrCorrupt, transform.ErrTooLarge, transform.ErrOutputTooLarge} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", transform.ErrMark, err)
		}
	}
	return err
}
