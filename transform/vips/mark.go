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

// A drawnMark is a mark with its pixels and its place on the output.
type drawnMark struct {
	picture *stampPicture
	at      image.Point
	pitch   transform.Size
}

// drawMarks decodes the job's marks before the original. It reports each mark with
// [transform.Notice], so that after a crash the pool knows the mark.
func (t *task) drawMarks(ctx context.Context) error {
	for i, mark := range t.job.Marks {
		place := mark.Place(t.job.Options, t.plan)
		o := place.Options
		key := stampKey{mark.Hash, o.Width, o.Height, o.Fit, mark.Mark.Opacity}
		p := t.stamps.get(key)
		if p == nil {
			transform.Notice(ctx, transform.Place{Mark: t.firstMark + i + 1})
			job := transform.Job{Originals: []transform.Original{{Body: mark.Image, Header: mark.Header}}, Options: o, Format: transform.PNG, Limits: t.job.Limits}
			var err error
			p, err = draw(ctx, job)
			if err != nil {
				return markError(ctx, err) // the notice still names the mark
			}
			transform.Notice(ctx, transform.Place{})
			p.fade(mark.Mark.Opacity)
			t.stamps.put(key, p)
		}
		t.marks = append(t.marks, drawnMark{p, place.At, place.Pitch})
	}
	return nil
}

// stamp lays the job's marks on every frame: see stamp.c. It is the last step that changes
// pixels, so that no step crops or covers a mark.
func (t *task) stamp(_ context.Context, f *frame) error {
	if len(t.marks) == 0 {
		return nil
	}
	list := make([]C.TintypeStamp, 0, len(t.marks))
	grey := f.Bands() < 3
	for _, m := range t.marks {
		grey = grey && m.picture.alike
		t.pins.Pin(&m.picture.rgba[0])
		list = append(list, C.TintypeStamp{
			rgba: (*C.uint8_t)(&m.picture.rgba[0]),
			left: C.int(m.at.X), top: C.int(m.at.Y),
			width: C.int(m.picture.size.W), height: C.int(m.picture.size.H),
			across: C.int(m.pitch.W), down: C.int(m.pitch.H),
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

// draw makes the picture of a job with the same steps as a variant, but without encoding.
// It stamps no marks. A damaged JPEG is drawn as far as it goes.
func draw(ctx context.Context, job transform.Job) (*stampPicture, error) {
	job.Marks = nil
	return drawPart(ctx, job, part{})
}

// A part says which part of a grid a job is. The zero part is none.
type part struct {
	stamps    *stamps // of the engine, where the job has marks
	original  int     // number of the job's original in the grid, from 1
	firstMark int     // number of marks in the grid before the job's
}

// drawPart is draw for a part of a grid, with its marks. Where it fails at its original,
// the last notice names it.
func drawPart(ctx context.Context, job transform.Job, of part) (*stampPicture, error) {
	p, err := drawOnce(ctx, job, of, false)
	if errors.Is(err, errDamaged) && !errors.Is(err, transform.ErrMark) {
		p, err = drawOnce(ctx, job, of, true)
	}
	return p, err
}

func drawOnce(ctx context.Context, job transform.Job, of part, lenient bool) (*stampPicture, error) {
	t, err := newTask(job)
	if err != nil {
		return nil, err
	}
	t.lenient, t.stamps, t.firstMark = lenient, of.stamps, of.firstMark
	return t.drawn(ctx, of)
}

// drawn makes the picture of the task's region.
func (t *task) drawn(ctx context.Context, of part) (*stampPicture, error) {
	defer t.pins.Unpin() // after the picture is closed
	if err := t.makePlan(); err != nil {
		return nil, err
	}
	if err := t.drawMarks(ctx); err != nil {
		return nil, err
	}
	if of.original > 0 {
		transform.Notice(ctx, transform.Place{Original: of.original})
	}
	if err := t.findFaces(ctx); err != nil {
		return nil, err
	}
	picture, err := t.load(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { picture.Close() }()
	for _, step := range append(t.steps(), t.stamp) {
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
	if err := picture.AddAlpha(); err != nil { // it keeps an existing alpha
		return nil, fault("mark", err)
	}
	size := t.plan.Output
	var rgba []byte
	err = t.evaluate(ctx, picture.ImageRef, func() (err error) {
		if rgba, err = picture.ToBytes(); err != nil {
			return errors.New(lastError()) // the error of govips lacks the text
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(rgba) != size.W*size.H*4 || picture.BandFormat() != govips.BandFormatUchar:
		return nil, fmt.Errorf("vips: mark: %d bytes for %d×%d pixels", len(rgba), size.W, size.H)
	}
	if of.original > 0 {
		transform.Notice(ctx, transform.Place{})
	}
	p := &stampPicture{rgba: rgba, size: size, alike: true}
	for i := 0; i < len(rgba) && p.alike; i += 4 {
		p.alike = rgba[i] == rgba[i+1] && rgba[i] == rgba[i+2]
	}
	return p, nil
}

// fade multiplies alpha with opacity (0–1).
func (p *stampPicture) fade(opacity float64) {
	if opacity >= 1 {
		return
	}
	for i := 3; i < len(p.rgba); i += 4 {
		p.rgba[i] = uint8(math.Round(float64(p.rgba[i]) * max(opacity, 0)))
	}
}

// markError adds [transform.ErrMark] to an error that the mark caused.
func markError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, known := range []error{transform.ErrUnsupported, transform.ErrCorrupt, transform.ErrTooLarge, transform.ErrOutputTooLarge, transform.ErrFailed} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", transform.ErrMark, err)
		}
	}
	return err
}
