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
	if !t.smartOK {
		if err := t.findSmart(ctx, f); err != nil {
			return err
		}
	}
	if err := f.ExtractArea(t.smartAt.X, t.smartAt.Y, t.plan.Crop.Dx(), t.plan.Crop.Dy()); err != nil {
		return fault("crop", err)
	}
	return f.onePage()
}

// findSmart looks where to crop, on a copy in the colours that the output shows.
func (t *task) findSmart(ctx context.Context, f *frame) error {
	if err := t.materialise(ctx, f); err != nil {
		return err
	}
	copied, err := f.Copy()
	if err != nil {
		return fault("crop", err)
	}
	look := &frame{copied}
	defer func() { look.Close() }()
	if err := t.unpremultiply(ctx, look); err != nil {
		return err
	}
	if err := t.toSRGB(ctx, look); err != nil {
		return err
	}
	interest := govips.InterestingAttention
	if t.job.Options.Gravity == transform.GravityEntropy {
		interest = govips.InterestingEntropy
	}
	err = t.evaluate(ctx, look.ImageRef, func() error {
		return look.SmartCrop(t.plan.Crop.Dx(), t.plan.Crop.Dy(), interest)
	})
	if err != nil {
		return err
	}
	// A cropped image remembers where it was cut from as a negative offset.
	t.smartAt, t.smartOK = image.Pt(-look.OffsetX(), -look.OffsetY()), true
	return nil
}
