//go:build cgo

package vips

import (
	"context"
	"image"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// crop crops to the plan. For a smart crop it does nothing.
func (t *task) crop(_ context.Context, f *frame) error {
	if t.plan.Smart || t.slanted() || t.reduced || t.kept == t.frameSize(f) {
		return nil
	}
	return t.cut(f, t.kept, turn{})
}

// smartCrop keeps the part with the most attention or entropy. findFaces comes before it. It uses the first frame of
// an animation for all frames, so that the picture doesn't jump.
func (t *task) smartCrop(ctx context.Context, f *frame) error {
	if !t.plan.Smart {
		return nil
	}
	at, err := t.findSmart(ctx, f)
	if err != nil {
		return err
	}
	t.keep(image.Rectangle{at, at.Add(t.plan.Crop.Size())})
	return t.cut(f, t.plan.Crop, turn{})
}

// keep changes what the plan keeps of the scaled picture.
func (t *task) keep(crop image.Rectangle) {
	t.plan.Crop = crop
	if !t.slanted() {
		t.kept = t.turn.undo(crop, t.scaled)
	}
	for i := range t.marks { // what shows of the picture may lie elsewhere
		place := t.job.Marks[i].Place(t.job.Options, t.plan)
		t.marks[i].at, t.marks[i].pitch = place.At, place.Pitch
	}
}

// findSmart finds the smart crop on a copy of the first frame in the colours of the output.
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
	// The offset of a cropped image is its negated place in the original.
	return image.Pt(-look.OffsetX(), -look.OffsetY()), nil
}
