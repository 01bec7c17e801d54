//go:build cgo

package vips

import (
	"context"
	"image"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/faces"
)

// findFaces chooses the crop for gravity=face. In a small output, a face is too small to be
// found. So findFaces makes a copy of the whole picture in another pass over the original.
// Without a face, smartCrop chooses the crop. For an animation, findFaces uses the first
// frame.
func (t *task) findFaces(ctx context.Context) error {
	if !t.plan.Smart || t.job.Options.Gravity != transform.GravityFace {
		return nil
	}
	small, err := t.facesLook(ctx)
	if err != nil {
		return err
	}
	w, h := small.size.W, small.size.H
	greys := make([]byte, 0, w*h)
	for i := 0; i < len(small.rgba); i += 4 {
		greys = append(greys, faces.Grey(small.rgba[i], small.rgba[i+1], small.rgba[i+2]))
	}
	found := faces.Find(greys, w, h)
	if len(found) == 0 {
		return nil
	}
	scaled := t.plan.Scaled
	for i, f := range found {
		found[i] = image.Rect(f.Min.X*scaled.W/w, f.Min.Y*scaled.H/h, f.Max.X*scaled.W/w, f.Max.Y*scaled.H/h)
	}
	t.plan.Smart = false
	t.keep(t.plan.CropOn(found))
	return nil
}

// facesLook makes a small copy of the whole picture, on white.
func (t *task) facesLook(ctx context.Context) (*stampPicture, error) {
	job := t.job
	job.Options = transform.Defaults()
	job.Options.Width, job.Options.Height, job.Options.Anim = faces.Side, faces.Side, false
	job.Options.Rotate, job.Options.Flip = t.job.Options.Rotate, t.job.Options.Flip
	job.Format, job.Marks, job.Limits.OutputPixels = transform.JPEG, nil, 0
	look, err := newTask(job)
	if err != nil {
		return nil, err
	}
	look.lenient, look.region, look.trimmed = t.lenient, t.region, t.trimmed
	return look.drawn(ctx, part{})
}
