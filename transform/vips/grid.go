//go:build cgo

package vips

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// grid lays several originals beside each other. Each cell is drawn with its marks, one
// after the other, so that no more than one original is decoded at a time.
func (e *Engine) grid(ctx context.Context, job transform.Job) (transform.Image, error) {
	if job.Grid == nil {
		return transform.Image{}, errors.New("vips: there is no grid to make")
	}
	size := job.Grid.Size
	t := &task{job: job, frames: 1, strip: true, stamps: &e.stamps, fill: fill(job.Options.Background, job.Format)}
	defer t.pins.Unpin() // after the picture is closed
	if err := t.checkFormat(); err != nil {
		return transform.Image{}, err
	}
	t.plan.Output, t.plan.Crop = size, image.Rect(0, 0, size.W, size.H)
	if err := job.Options.CheckOutput(t.plan, job.Format, 1, job.Limits); err != nil {
		return transform.Image{}, err
	}
	jobs, cells := job.Cells()
	if jobs == nil {
		return transform.Image{}, fmt.Errorf("%w: %d×%d pixels are too few for %d images", transform.ErrOutputTooLarge, size.W, size.H, len(job.Originals))
	}
	var pictures []drawnMark
	for i := range jobs {
		from, _ := job.MarksOf(i + 1)
		p, err := drawPart(ctx, jobs[i], part{stamps: &e.stamps, original: i + 1, firstMark: from})
		switch {
		case err == nil:
		case errors.Is(err, transform.ErrMark), ctx.Err() != nil:
			return transform.Image{}, err
		default:
			return transform.Image{}, &transform.OriginalError{Index: i, Err: err}
		}
		pictures = append(pictures, drawnMark{picture: p, at: cells[i].Min})
	}
	if err := t.drawWholeMarks(ctx); err != nil {
		return transform.Image{}, err
	}
	t.marks = append(pictures, t.marks...)

	picture, err := t.canvas()
	if err != nil {
		return transform.Image{}, err
	}
	defer func() { picture.Close() }()
	if err := t.stamp(ctx, picture); err != nil {
		return transform.Image{}, err
	}
	data, _, err := t.encode(ctx, picture)
	if err != nil {
		return transform.Image{}, err
	}
	return transform.Image{Data: data, Format: job.Format, Width: size.W, Height: size.H, Frames: 1, Quality: t.found}, nil
}

// drawWholeMarks draws the marks of the whole output.
func (t *task) drawWholeMarks(ctx context.Context) error {
	all := t.job.Marks
	from, to := t.job.MarksOf(0)
	t.job.Marks, t.firstMark = all[from:to], from
	defer func() { t.job.Marks = all }()
	return t.drawMarks(ctx)
}

// canvas returns the background of the output. It repeats a row: libvips would go pixel by
// pixel through a repeated pixel, which took longer than all the rest of a grid.
func (t *task) canvas() (*frame, error) {
	pixel := []byte{t.fill.R, t.fill.G, t.fill.B, t.fill.A}
	if t.fill.A == 255 {
		pixel = pixel[:3]
	}
	forgetErrors()
	size := t.plan.Output
	ref, err := govips.NewImageFromMemory(bytes.Repeat(pixel, size.W), size.W, 1, len(pixel), govips.BandFormatUchar, govips.InterpretationSRGB)
	if err != nil {
		return nil, fault("grid", err)
	}
	f := &frame{ref}
	if err := f.Replicate(1, size.H); err != nil {
		f.Close()
		return nil, fault("grid", err)
	}
	return f, nil
}
