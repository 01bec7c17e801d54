//go:build cgo

package vips

import (
	"context"
	"image"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// crop keeps what the plan keeps, where the plan knows the place.
func (t *task) crop(_ context.Context, f *frame) error {
	if t.plan.Smart || t.reduced || t.kept == t.frameSize(f) {
		return nil
	}
	return t.cut(f, t.kept, turn{})
}

// smartCrop keeps the part that draws the eye, or that holds most detail. The
// first frame of an animation decides for all, so that the picture stands still.
func (t *task) smartCrop(ctx context.Context, f *frame) error {
	if !t.plan.Smart {
		return nil
	}
	at, err := t.findSmart(ctx, f)
	if err != nil {
		return err
	}
	return t.cut(f, image.Rectangle{at, at.Add(t.plan.Crop.Size())}, turn{})
}

// findSmart looks where to crop, on a copy of the first frame in the colours that the
// output shows.
func (t *task) findSmart(ctx context.Context, f *frame) (at image.Point, err error) {
	if err := t.materialise(ctx, f); err != nil {
		return at, err
	}
	copied, err := f.Copy()
	if err != nil {
		return at, fault("crop", err)
	}
	look := &frame{copied}
	defer func() { look.Close() }()
	first := t.frameSize(f)
	if err := look.ExtractArea(0, 0, first.Dx(), first.Dy()); err != nil {
		return at, fault("crop", err)
	}
	if err := look.onePage(); err != nil {
		return at, err
	}
	if err := t.unpremultiply(ctx, look); err != nil {
		return at, err
	}
	if err := t.toSRGB(ctx, look); err != nil {
		return at, err
	}
	interest := govips.InterestingAttention
	if t.job.Options.Gravity == transform.GravityEntropy {
		interest = govips.InterestingEntropy
	}
	err = t.evaluate(ctx, look.ImageRef, func() error {
		return look.SmartCrop(t.plan.Crop.Dx(), t.plan.Crop.Dy(), interest)
	})
	if err != nil {
		return at, err
	}
	// A cropped image remembers where it was cut from as a negative offset.
	return image.Pt(-look.OffsetX(), -look.OffsetY()), nil
}
