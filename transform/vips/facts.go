//go:build cgo

package vips

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/facts"
	"github.com/tintype/tintype/transform/header"
)

// facts tells the hashes and colours of an original, as JSON.
func (e *Engine) facts(ctx context.Context, job transform.Job) (transform.Image, error) {
	picture, err := look(ctx, job)
	if err != nil {
		return transform.Image{}, err
	}
	return asJSON(facts.Look(picture), picture.Rect.Dx(), picture.Rect.Dy())
}

// metadata tells what EXIF, IPTC and XMP of an original say, as JSON. It decodes no pixels.
func (e *Engine) metadata(_ context.Context, job transform.Job) (transform.Image, error) {
	if n := len(job.Originals); n != 1 {
		return transform.Image{}, fmt.Errorf("vips: metadata are those of one original, but this job has %d", n)
	}
	o := job.Originals[0]
	var m facts.Metadata
	var err error
	if o.Header.Format == transform.JXL {
		m, err = facts.ReadBlocks(header.JXLMetadata(o.Body))
	} else {
		m, err = facts.ReadMetadata(o.Body, o.Header.Format)
	}
	if err != nil {
		return transform.Image{}, err
	}
	return asJSON(m, o.Header.Width, o.Header.Height)
}

func asJSON(v any, w, h int) (transform.Image, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return transform.Image{}, fmt.Errorf("vips: %w", err)
	}
	return transform.Image{Data: data, Format: transform.JSON, Width: w, Height: h, Frames: 1}, nil
}

// draw draws the job's drawing. Where there is an original, the drawing is made of that.
func (e *Engine) draw(ctx context.Context, job transform.Job) (transform.Image, error) {
	if job.Drawing == nil {
		return transform.Image{}, errors.New("vips: there is nothing to draw")
	}
	d := *job.Drawing
	if limit := job.Limits.OutputPixels; limit > 0 && d.Output.W > limit/max(d.Output.H, 1) {
		return transform.Image{}, fmt.Errorf("%w: %d×%d pixels", transform.ErrOutputTooLarge, d.Output.W, d.Output.H)
	}
	if len(job.Originals) > 0 {
		picture, err := look(ctx, job)
		if err != nil {
			return transform.Image{}, err
		}
		d = facts.Drawn(d, picture)
	}
	drawn, err := facts.Draw(d)
	if err != nil {
		return transform.Image{}, fmt.Errorf("vips: %w", err)
	}
	opaque := drawn.Opaque()
	if !opaque && !job.Format.Alpha() {
		onWhite(drawn)
		opaque = true
	}
	t := &task{job: job, frames: 1, strip: true}
	if err := t.checkFormat(); err != nil {
		return transform.Image{}, err
	}
	t.plan.Output = d.Output
	forgetErrors()
	ref, err := govips.NewImageFromMemory(drawn.Pix, d.Output.W, d.Output.H, 4, govips.BandFormatUchar, govips.InterpretationSRGB)
	if err != nil {
		return transform.Image{}, fault("draw", err)
	}
	picture := &frame{ref}
	defer func() { picture.Close() }()
	if opaque {
		if err := picture.ExtractBand(0, 3); err != nil {
			return transform.Image{}, fault("draw", err)
		}
	}
	data, _, err := t.encode(ctx, picture)
	if err != nil {
		return transform.Image{}, err
	}
	return transform.Image{Data: data, Format: job.Format, Width: d.Output.W, Height: d.Output.H, Frames: 1, Quality: t.found}, nil
}

// look makes the small picture that the options of a job describe, with the same steps as a
// variant. A damaged JPEG is looked at as far as it goes.
func look(ctx context.Context, job transform.Job) (*image.NRGBA, error) {
	job.Task, job.Format, job.MayKeep, job.Marks = transform.TaskVariant, transform.PNG, false, nil
	p, err := draw(ctx, job)
	if err != nil {
		return nil, err
	}
	return &image.NRGBA{Pix: p.rgba, Stride: 4 * p.size.W, Rect: image.Rect(0, 0, p.size.W, p.size.H)}, nil
}

// onWhite lays a picture on white.
func onWhite(m *image.NRGBA) {
	for i := 0; i+3 < len(m.Pix); i += 4 {
		p := m.Pix[i : i+4 : i+4]
		a := int(p[3])
		for k := range 3 {
			p[k] = uint8((int(p[k])*a + 255*(255-a) + 127) / 255)
		}
		p[3] = 255
	}
}
