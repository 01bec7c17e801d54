package transform

import (
	"context"
	"errors"
	"fmt"
)

// Errors of an [Engine], of [Limits] and of the header readers. They are wrapped with
// details that clients may see.
var (
	// ErrUnsupported: the bytes are not an image of a format that is allowed.
	ErrUnsupported = errors.New("unsupported image format")
	// ErrCorrupt: the image is broken.
	ErrCorrupt = errors.New("image is corrupt")
	// ErrTruncated: the image ends too early. It wraps ErrCorrupt. It is never cached, since
	// the next fetch may be complete.
	ErrTruncated error = truncatedError{}
	// ErrTooLarge: the image is over a limit of [Limits].
	ErrTooLarge = errors.New("image is too large")
	// ErrOutputTooLarge: the output would be over a limit of [Limits].
	ErrOutputTooLarge = errors.New("output is too large")
	// ErrMark: the image of a mark can't be used. The variant must not be shown without the
	// mark. The error about the image is wrapped beside it: test for ErrMark first.
	ErrMark = errors.New("the mark can't be stamped")
	// ErrFailed: the engine crashed over this image, or the image needs more memory than one
	// image may use.
	ErrFailed = errors.New("the image could not be processed")
	// ErrTimeout: the transform took longer than allowed.
	ErrTimeout = errors.New("the transform took too long")
	// ErrOverloaded: the engine has more work than it can do. A later try may succeed.
	ErrOverloaded = errors.New("the server is busy")
)

type truncatedError struct{}

func (truncatedError) Error() string { return "image is truncated" }
func (truncatedError) Unwrap() error { return ErrCorrupt }

// A Task says what a job makes. Each kind of output has its own task. A task that needs
// more than a variant does has a pointer in [Job], which costs other jobs nothing on the
// way to a worker.
type Task string

const (
	TaskVariant Task = "" // the variant of one original that Options describe
	// TaskFacts computes the hashes and colours of one original. Options describe the small
	// picture that it reads. Format is JSON.
	TaskFacts Task = "facts"
	// TaskMetadata reads EXIF, IPTC and XMP of one original, without decoding pixels.
	// Format is JSON.
	TaskMetadata Task = "metadata"
	// TaskDraw draws Job.Drawing, from one original or from none. With an original, Options
	// describe the small picture that it reads.
	TaskDraw Task = "draw"
	// TaskGrid lays several originals beside each other, as in Job.Grid. Only the options of
	// the encoder and Background apply.
	TaskGrid Task = "grid"
)

// A Job is one output to make, usually a variant. It holds only bytes and plain values, so
// that it can cross a process boundary.
type Job struct {
	Task Task
	// Originals are the images that the variant is made of. Options.Plan applies to the
	// first. Engines never write to the slice.
	Originals []Original
	Options   Options // resolved: presets applied
	Format    Format  // of the output; never Auto or SameAsOriginal
	Limits    Limits
	// Marks are stamped on every frame, the first one lowest. Engines ignore
	// Options.Mark.Name. An output with marks carries at most MetadataCopyright, since EXIF
	// and XMP can hold previews without the marks.
	Marks []MarkImage
	// MayKeep: the client accepts the original's own format too. If no pixel changes and the
	// original is smaller, the output is the original in its format, without the metadata
	// that must go. It has an effect only with one original.
	MayKeep bool
	// OrWebP: the client accepts WebP too, beside the AVIF of Format. Where WebP is likely to be
	// smaller, both are made, and the output is the smaller one. It has an effect only on still
	// variants.
	OrWebP bool
	// Best: looks are worth more than time. Pictures are decoded whole, and get smaller in
	// linear light.
	Best    bool
	Owner   Owner
	Drawing *Drawing // with TaskDraw
	Grid    *Grid    // with TaskGrid
	// Retain keeps the bytes of all originals and marks valid until release is called. An
	// engine calls it if it reads them after Transform has returned. Nil means that the
	// bytes are always valid.
	Retain func() (release func())
}

// Header returns the header of the first original, or zero if there is none.
func (j *Job) Header() Header {
	if len(j.Originals) == 0 {
		return Header{}
	}
	return j.Originals[0].Header
}

// A Drawing is a placeholder to show while an image loads. It is comparable.
type Drawing struct {
	Of    DrawingOf
	Hash  string  // text of a BlurHash or bytes of a ThumbHash; empty: computed from the original
	Color Color   // with DrawColor; none: the main colour of the original
	Punch float64 // multiplies the contrast of a hash; 1 is neutral
	// The hash fills Whole. The output is the middle of it.
	Whole, Output Size
	Alpha         bool // the drawing may have transparent pixels
}

// A DrawingOf says what a drawing shows.
type DrawingOf string

const (
	DrawBlurHash  DrawingOf = "blurhash"
	DrawThumbHash DrawingOf = "thumbhash"
	DrawColor     DrawingOf = "color"
)

// An Original is one image that a variant is made of.
type Original struct {
	Body   []byte // the whole file; engines never write to it
	Header Header // from header.Read of Body
	ID     string // equal only for equal bytes; empty if unknown
}

// An OriginalError is an error about one of several originals of a job.
type OriginalError struct {
	Index int // in Job.Originals, from 0
	Err   error
}

func (e *OriginalError) Error() string { return fmt.Sprintf("original %d: %v", e.Index+1, e.Err) }
func (e *OriginalError) Unwrap() error { return e.Err }

// An Owner says for whom a job is done. It doesn't change the output. Engines use it to
// queue and refuse jobs. The zero Owner is nobody.
type Owner struct {
	Workspace  string // workspaces take turns
	Source     string // key of the source, for logs and metrics; empty for a full URL
	Client     string // who asks, see limit.Client; empty if unknown. One client can't fill the queue
	Background bool   // no client waits for the output
}

// A MarkImage is one mark to stamp: its image and its placement.
type MarkImage struct {
	Image  []byte   // the whole file; engines never write to it
	Header Header   // from header.Read of Image
	Hash   [32]byte // SHA-256 of Image; engines may cache a decoded image under it
	Mark   Mark     // Name is ignored; pixel lengths are multiplied by Options.DPR
	// OnPicture places the mark on the picture and not on padding, since anybody can crop
	// padding off.
	OnPicture bool
	// Cell is the cell of a grid that the mark lies on, counted from 1; 0 is the whole
	// output. The marks of a cell stand together in Job.Marks.
	Cell int
}

// An Image is one encoded variant, or the JSON of a task that makes no picture.
type Image struct {
	Data          []byte // may share memory with an original of the job
	Format        Format // the job's, with MayKeep the original's, or with OrWebP WebP
	Width, Height int    // pixels of one frame; for JSON, of the picture that was read
	Frames        int    // at least 1
	Quality       int    // that was found for [QualityAuto], 1–100 on JPEG's scale; else 0
}

// A Place says which image of a job an engine is working on. At most one field is set. The
// zero Place is no single image: before the engine opens any, or after it opened them all.
type Place struct {
	Original int // counted from 1
	Mark     int // counted from 1
}

type placeNotice struct{}

// WithNotice returns a context for [Engine.Transform]. An engine may call notice before it
// reads the image of a mark, or one of several originals. It then calls notice with the
// zero Place afterwards. If it crashes, fails or is stopped in between, that image is the
// cause. notice runs on the goroutine that called Transform.
func WithNotice(ctx context.Context, notice func(at Place)) context.Context {
	return context.WithValue(ctx, placeNotice{}, notice)
}

// Notice calls the function of [WithNotice]. Engines call it.
func Notice(ctx context.Context, at Place) {
	if notice, ok := ctx.Value(placeNotice{}).(func(Place)); ok {
		notice(at)
	}
}

// An Engine makes variants. Its errors wrap those of this package or the context's. Any
// other error is a bug of the engine. It is safe for concurrent use. After Transform
// returns, it keeps nothing of the job except pixels of marks, up to a bound.
type Engine interface {
	Transform(ctx context.Context, job Job) (Image, error)
}
