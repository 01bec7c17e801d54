//go:build cgo

package vips

import (
	"context"
	"errors"
	"fmt"
	"image"
	"runtime"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// An Engine makes variants with libvips in this process. The zero value is ready for use.
// An Engine must not be copied.
type Engine struct{ stamps stamps }

var _ transform.Engine = (*Engine)(nil)

// New returns an engine. Call [Start] before its first use.
func New() *Engine { return &Engine{} }

// Transform makes one variant, or what else the job's task is. Its errors wrap the error of ctx or one of package
// transform: [transform.ErrCorrupt], [transform.ErrTruncated], [transform.ErrTooLarge],
// [transform.ErrOutputTooLarge], [transform.ErrUnsupported], [transform.ErrFailed],
// [transform.ErrMark] or [*transform.OptionError]. Any other error is a fault of the
// engine, and its text has the message of libvips. Transform is safe for concurrent use. It
// keeps nothing of job except the pixels of recently used marks, at most 32 MiB.
//
// The end of ctx stops the work between two steps, and also decoding and resizing. An
// encoder that has all its pixels runs to the end.
func (e *Engine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	if !running() {
		return transform.Image{}, errNotStarted
	}
	if err := ctx.Err(); err != nil {
		return transform.Image{}, err
	}
	allowUntrusted()
	switch job.Task {
	case transform.TaskVariant:
	case transform.TaskFacts:
		return e.facts(ctx, job)
	case transform.TaskMetadata:
		return e.metadata(ctx, job)
	case transform.TaskDraw:
		return e.draw(ctx, job)
	case transform.TaskGrid:
		return e.grid(ctx, job)
	default:
		return transform.Image{}, fmt.Errorf("vips: there is no task %q", job.Task)
	}
	out, err := e.transform(ctx, job, false)
	if errors.Is(err, errDamaged) && !errors.Is(err, transform.ErrMark) {
		out, err = e.transform(ctx, job, true)
	}
	return out, err
}

// transform makes the variant. lenient ignores damage of a JPEG: see errDamaged.
func (e *Engine) transform(ctx context.Context, job transform.Job, lenient bool) (transform.Image, error) {
	t, err := newTask(job)
	if err != nil {
		return transform.Image{}, err
	}
	t.stamps, t.lenient = &e.stamps, lenient
	defer t.pins.Unpin() // after the picture is closed
	if job.Options.Trim >= 0 {
		if err := t.findTrim(ctx); err != nil {
			return transform.Image{}, err
		}
	}
	if err := t.makePlan(); err != nil {
		return transform.Image{}, err
	}
	if err := t.drawMarks(ctx); err != nil {
		return transform.Image{}, err
	}
	if err := t.findFaces(ctx); err != nil {
		return transform.Image{}, err
	}
	picture, err := t.load(ctx)
	if err != nil {
		return transform.Image{}, err
	}
	defer func() { picture.Close() }() // steps replace its image

	for _, step := range append(t.steps(), t.stamp, t.setMetadata) {
		if err := ctx.Err(); err != nil {
			return transform.Image{}, err
		}
		if err := step(ctx, picture); err != nil {
			return transform.Image{}, err
		}
	}
	data, format, err := t.encode(ctx, picture)
	if err != nil {
		return transform.Image{}, err
	}
	out := transform.Image{
		Data: data, Format: format,
		Width: t.plan.Output.W, Height: t.plan.Output.H, Frames: t.frames, Quality: t.found,
	}
	if kept, ok := t.original(); ok && len(kept) <= len(data) {
		out.Data, out.Format, out.Quality = kept, t.header.Format, 0
	}
	return out, nil
}

// steps returns the steps between loading and the marks, in order.
func (t *task) steps() []func(context.Context, *frame) error {
	return []func(context.Context, *frame) error{
		t.toBytes,
		t.reduce,
		t.dropOpaque,
		t.premultiply,
		t.geometry, // cutRegion, resize, crop, turnUpright, slant, smartCrop, blur, sharpen, pixelate
		t.unpremultiply,
		t.toSRGB,
		t.tone,
		t.flatten,
		t.pad,
		t.round,
	}
}

// A task is a job with values that follow from it.
//
// The plan describes the picture as the output shows it. Turning needs all pixels of a
// picture, while the original is read from top to bottom. So most steps run before turning,
// and turn, region, scaled, kept and loaded describe the picture before it.
type task struct {
	job     transform.Job
	body    []byte           // of the original
	header  transform.Header // of the original
	plan    transform.Plan
	frames  int // number of frames of the output
	fill    govips.ColorRGBA
	lenient bool           // ignore damage of a JPEG
	stamps  *stamps        // of the engine
	pins    runtime.Pinner // for stamps in use, and for the original
	marks   []drawnMark
	// firstMark is the number of marks before these in the job that this one is a part of.
	firstMark int

	turn   turn            // from the stored original to the output
	region image.Rectangle // of the original as stored
	scaled transform.Size  // size of the resized region, before turning
	kept   image.Rectangle // the crop within scaled, before turning
	loaded image.Rectangle // the part of the stored original that load opens

	// Set by load:
	planes bool   // reduce decodes the original by its planes
	jpeg   []byte // … which is this JPEG
	shrink int    // … and is shrunk by this as it is decoded

	// Set by steps:
	trimmed  bool                  // the border of the region is removed
	profile  profile               // of the original's colours
	reduced  bool                  // the region already has its final size
	weighted bool                  // colours are premultiplied
	space    govips.Interpretation // colour space before premultiplying
	strip    bool                  // the output has no metadata
	quality  int                   // what the encoder gets, on its own scale
	full     bool                  // the encoder keeps the full resolution of colours
	effort   int                   // of the encoder of AVIF
	found    int                   // the quality on JPEG's scale, if it was to be found
}

// A frame is the picture that the steps change or replace. For an animation it is a roll:
// all frames, one above the other.
type frame struct{ *govips.ImageRef }

// replace replaces the image of the frame.
func (f *frame) replace(by *govips.ImageRef) {
	f.Close()
	f.ImageRef = by
}

func newTask(job transform.Job) (*task, error) {
	if n := len(job.Originals); n != 1 {
		return nil, fmt.Errorf("vips: a transform takes one original, but this job has %d", n)
	}
	h, options := job.Originals[0].Header, job.Options
	if err := job.Limits.Check(h); err != nil {
		return nil, err
	}
	if err := (&task{job: job}).checkFormat(); err != nil {
		return nil, err
	}
	if len(job.Marks) > 0 && options.Metadata == transform.MetadataKeep {
		job.Options.Metadata = transform.MetadataCopyright // an EXIF preview would show no marks
	}
	t := &task{job: job, body: job.Originals[0].Body, header: h, frames: 1, fill: fill(options.Background, job.Format)}
	if options.Anim && h.Frames > 1 && h.Format.Animated() && job.Format.Animated() {
		t.frames = h.Frames
	}

	region, err := options.Region(h.Upright())
	if err != nil {
		return nil, err
	}
	stored := transform.Size{W: h.Width, H: h.Height}
	t.region = exifTurn(h.Orientation).undo(region, stored)
	t.loaded = image.Rect(0, 0, stored.W, stored.H)
	return t, nil
}

// checkFormat refuses a format that can't be written.
func (t *task) checkFormat() error {
	if f := t.job.Format; encoders[f] == nil || !canWrite(f) {
		return fmt.Errorf("%w: %q is no format that this engine writes", transform.ErrUnsupported, f)
	}
	return nil
}

// makePlan makes the plan for the region.
func (t *task) makePlan() error {
	options, h := t.job.Options, t.header
	upright := exifTurn(h.Orientation)
	stored := transform.Size{W: h.Width, H: h.Height}
	var err error
	t.plan, err = options.PlanRegion(upright.inverse().undo(t.region, upright.swapped(stored)))
	if err != nil {
		return err
	}
	if err := options.CheckOutput(t.plan, t.job.Format, t.frames, t.job.Limits); err != nil {
		return err
	}
	if t.slanted() { // slant turns and crops
		t.turn = turn{}
		t.scaled = upright.swapped(t.plan.Inner)
		t.kept = image.Rect(0, 0, t.scaled.W, t.scaled.H)
		return t.checkScaled()
	}
	t.turn = upright.rotated(options.Rotate).flipped(options.Flip)
	t.scaled = t.turn.swapped(t.plan.Scaled)
	t.kept = t.turn.undo(t.plan.Crop, t.scaled)
	return t.checkScaled()
}

// original returns the original as the output, where it has the pixels of the output and
// the job may keep it. It never returns a damaged original, since other decoders may show
// it differently.
func (t *task) original() ([]byte, bool) {
	job := t.job
	if len(job.Marks) > 0 || t.lenient || job.Format != t.header.Format && !job.MayKeep || !job.Options.KeepsPixels(t.header, t.plan, job.Format) {
		return nil, false
	}
	return header.Strip(t.body, t.header, job.Options.Metadata)
}

func sizeOf(r image.Rectangle) transform.Size { return transform.Size{W: r.Dx(), H: r.Dy()} }

// checkScaled refuses a job that needs a picture on the way which libvips can't hold: with
// an extreme aspect ratio, or a smart crop of an extremely enlarged picture.
func (t *task) checkScaled() error {
	const edge = 10_000_000 // VIPS_MAX_COORD
	size, limit := t.plan.Scaled, t.job.Limits.OutputPixels
	if size.W > edge || size.H > edge || t.plan.Inner.W > edge || t.plan.Inner.H > edge || t.plan.Smart && limit > 0 && size.W > limit/size.H {
		return fmt.Errorf("%w: the picture would have to be enlarged to %d×%d pixels before cropping", transform.ErrOutputTooLarge, size.W, size.H)
	}
	return nil
}
