package vips

import (
	"context"
	"image"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// crop keeps what the plan keeps, where the plan knows the place.
func (t *task) crop(_ context.Context, f *frame) error {
	if t.plan.Smart || t.kept == image.Rect(0, 0, f.Width(), f.Height()) {
		return nil
	}
	if err := f.ExtractArea(t.kept.Min.X, t.kept.Min.Y, t.kept.Dx(), t.kept.Dy()); err != nil {
		return fault("crop", err)
	}
	return f.onePage()
}

// smartCrop keeps the part that draws the eye, or that holds most detail. The
// first frame of an animation decides for all, so that the picture stands still.
func (t *task) smartCrop(ctx context.Context, f *frame) error {
	if !t.plan.Smart {
		return nil
	}
	width, height := t.plan.Crop.Dx(), t.plan.Crop.Dy()
	if t.smartOK {
		if err := f.ExtractArea(t.smartAt.X, t.smartAt.Y, width, height); err != nil {
			return fault("crop", err)
		}
		return f.onePage()
	}
	if err := t.materialise(ctx, f); err != nil {
		return err
	}
	interest := govips.InterestingAttention
	if t.job.Options.Gravity == transform.GravityEntropy {
		interest = govips.InterestingEntropy
	}
	err := t.evaluate(ctx, f.ImageRef, func() error { return f.SmartCrop(width, height, interest) })
	if err != nil {
		return err
	}
	// A cropped image remembers where it was cut from as a negative offset.
	t.smartAt, t.smartOK = image.Pt(-f.OffsetX(), -f.OffsetY()), true
	return f.onePage()
}
