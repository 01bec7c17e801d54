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

// An Engine makes variants with libvips in this process. The zero Engine works. It
// must not be copied.
type Engine struct{ stamps stamps }

var _ transform.Engine = (*Engine)(nil)

// New returns an engine. [Start] must have been called before its first use.
func New() *Engine { return &Engine{} }

// Transform makes one variant. Its errors wrap those of package transform
// ([transform.ErrCorrupt], [transform.ErrTruncated], [transform.ErrTooLarge],
// [transform.ErrOutputTooLarge], [transform.ErrUnsupported], [transform.ErrMark],
// and [*transform.OptionError]) or are ctx's; any other is a fault of the engine,
// with what libvips said in its text. It is safe for concurrent use, and keeps
// nothing of job but the pixels of marks that were used last, in 32 MiB at most.
//
// The end of ctx stops the work between two steps, and the decoding and resizing
// within them; an encoder that has all its pixels runs to its end.
func (e *Engine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	if !running() {
		return transform.Image{}, errNotStarted
	}
	if err := ctx.Err(); err != nil {
		return transform.Image{}, err
	}
	allowUntrusted()
	out, err := e.transform(ctx, job, false)
	if errors.Is(err, errDamaged) && !errors.Is(err, transform.ErrMark) {
		out, err = e.transform(ctx, job, true)
	}
	return out, err
}

// transform makes the variant. If lenient, damage of a JPEG is passed over: see errDamaged.
func (e *Engine) transform(ctx context.Context, job transform.Job, lenient bool) (transform.Image, error) {
	t, err := newTask(job)
	if err != nil {
		return transform.Image{}, err
	}
	t.stamps, t.lenient = &e.stamps, lenient
	defer t.pins.Unpin() // once the picture is closed
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
	picture, err := t.load(ctx)
	if err != nil {
		return transform.Image{}, err
	}
	defer func() { picture.Close() }() // of whatever image it has come to hold

	for _, step := range append(t.steps(), t.stamp, t.setMetadata) {
		if err := ctx.Err(); err != nil {
			return transform.Image{}, err
		}
		if err := step(ctx, picture); err != nil {
			return transform.Image{}, err
		}
	}
	data, err := t.encode(ctx, picture)
	if err != nil {
		return transform.Image{}, err
	}
	out := transform.Image{
		Data: data, Format: job.Format,
		Width: t.plan.Output.W, Height: t.plan.Output.H, Frames: t.frames,
	}
	if kept, ok := t.original(); ok && len(kept) <= len(data) {
		out.Data, out.Format = kept, t.header.Format
	}
	return out, nil
}

// steps are what is done to a picture from its loading to where it has all its
// pixels, in this order.
func (t *task) steps() []func(context.Context, *frame) error {
	return []func(context.Context, *frame) error{
		t.toBytes,
		t.reduce,
		t.premultiply,
		t.geometry, // cutRegion, resize, crop, turnUpright, smartCrop, blur, sharpen, pixelate
		t.unpremultiply,
		t.toSRGB,
		t.tone,
		t.flatten,
		t.pad,
	}
}

// A task is a job with what follows from it before anything is decoded.
//
// The plan speaks of the picture as the output shows it. Turning a picture needs
// all of its pixels, and the original is read from top to bottom only, so that
// everything that can be done before turning is: hence the second half.
type task struct {
	job     transform.Job
	body    []byte           // of the original
	header  transform.Header // of the original
	plan    transform.Plan
	frames  int // of the output
	fill    govips.ColorRGBA
	lenient bool           // pass over damage of a JPEG
	stamps  *stamps        // that the engine keeps
	pins    runtime.Pinner // of those in use, and of what is decoded
	marks   []drawnMark

	turn   turn            // from how the original is stored to how the output shows it
	region image.Rectangle // of the original as stored
	scaled transform.Size  // what the region is resized to, before turning
	kept   image.Rectangle // of scaled: what the plan crops to, before turning
	loaded image.Rectangle // of the original as stored: what load opens

	// Set on the way:
	trimmed  bool                  // the region is without its border
	profile  profile               // of the original's colours
	reduced  bool                  // the region has its final size
	weighted bool                  // colours are multiplied with alpha, …
	space    govips.Interpretation // … and will be in this space again
	strip    bool                  // the output is to carry no metadata at all
}

// A frame is a picture on its way through the steps, which change it in place or
// replace it: the roll of all its frames, one above the other.
type frame struct{ *govips.ImageRef }

// replace puts another image in the frame's place.
func (f *frame) replace(by *govips.ImageRef) {
	f.Close()
	f.ImageRef = by
}

func newTask(job transform.Job) (*task, error) {
	if n := len(job.Originals); n != 1 {
		return nil, fmt.Errorf("vips: a transform takes one original, and this job has %d", n)
	}
	h, options := job.Originals[0].Header, job.Options
	if err := job.Limits.Check(h); err != nil {
		return nil, err
	}
	if _, ok := encoders[job.Format]; !ok || !canWrite(job.Format) {
		return nil, fmt.Errorf("%w: %q is no format that this engine writes", transform.ErrUnsupported, job.Format)
	}
	if len(job.Marks) > 0 && options.Metadata == transform.MetadataKeep {
		job.Options.Metadata = transform.MetadataCopyright // no preview without the marks
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

// makePlan says what becomes of the region.
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
	t.turn = upright.rotated(options.Rotate).flipped(options.Flip)
	t.scaled = t.turn.swapped(t.plan.Scaled)
	t.kept = t.turn.undo(t.plan.Crop, t.scaled)
	return t.checkScaled()
}

// original is the original as the output, where its pixels are those of the output
// and whoever asks takes it. One that is damaged may look different elsewhere.
func (t *task) original() ([]byte, bool) {
	job := t.job
	if len(job.Marks) > 0 || t.lenient || job.Format != t.header.Format && !job.MayKeep || !job.Options.KeepsPixels(t.header, t.plan, job.Format) {
		return nil, false
	}
	return header.Strip(t.body, t.header, job.Options.Metadata)
}

func sizeOf(r image.Rectangle) transform.Size { return transform.Size{W: r.Dx(), H: r.Dy()} }

// checkScaled refuses what libvips can't hold on the way to a small output: an
// extreme aspect ratio, or a crop that has to see all of a vastly enlarged
// picture to choose its place.
func (t *task) checkScaled() error {
	const edge = 10_000_000 // VIPS_MAX_COORD
	size, limit := t.plan.Scaled, t.job.Limits.OutputPixels
	if size.W > edge || size.H > edge || t.plan.Smart && limit > 0 && size.W > limit/size.H {
		return fmt.Errorf("%w: the picture would have to be enlarged to %d×%d pixels before cropping", transform.ErrOutputTooLarge, size.W, size.H)
	}
	return nil
}
