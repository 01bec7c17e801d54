package transform

import (
	"context"
	"errors"
	"fmt"
)

// Errors of an [Engine], of [Limits] and of the header readers, wrapped with detail
// that is safe to show to a client.
var (
	// ErrUnsupported: the bytes are not an image of a format that is allowed.
	ErrUnsupported = errors.New("unsupported image format")
	// ErrCorrupt: the image is broken.
	ErrCorrupt = errors.New("image is corrupt")
	// ErrTruncated: the image ends too early. It wraps ErrCorrupt, and is never
	// cached, since the next fetch may be whole.
	ErrTruncated error = truncatedError{}
	// ErrTooLarge: the image is over a limit of [Limits].
	ErrTooLarge = errors.New("image is too large")
	// ErrOutputTooLarge: the output would be over a limit of [Limits].
	ErrOutputTooLarge = errors.New("output is too large")
	// ErrMark: the image of a mark can't be used. The variant must not be shown
	// without it. What is wrong with the image is wrapped beside it: look for ErrMark
	// first.
	ErrMark = errors.New("the mark can't be stamped")
	// ErrFailed: the engine broke down over this image, or it takes more memory than
	// there is for one.
	ErrFailed = errors.New("the image could not be processed")
	// ErrTimeout: the transform took longer than one may.
	ErrTimeout = errors.New("the transform took too long")
	// ErrOverloaded: there is more work than the engine gets through; later it may
	// have less.
	ErrOverloaded = errors.New("the server is busy")
)

type truncatedError struct{}

func (truncatedError) Error() string { return "image is truncated" }
func (truncatedError) Unwrap() error { return ErrCorrupt }

// A Task says what a job makes. A kind of output that isn't a variant of one original
// is a task of its own: it has a value here, and where it needs more than a variant does,
// a pointer in [Job], which costs other jobs nothing on the way to a worker.
type Task string

const (
	TaskVariant Task = "" // the variant of one original that Options describe
	// TaskFacts finds the hashes and colours of one original. Options describe the small
	// picture that is looked at, and Format is JSON.
	TaskFacts Task = "facts"
	// TaskMetadata reads what EXIF, IPTC and XMP of one original say, without decoding
	// pixels. Format is JSON.
	TaskMetadata Task = "metadata"
	// TaskDraw draws Job.Drawing, of one original or of none. Where there is an original,
	// Options describe the small picture that is looked at.
	TaskDraw Task = "draw"
	// TaskGrid lays several originals beside each other, as Job.Grid says. Of the options,
	// those of the encoder and Background count.
	TaskGrid Task = "grid"
)

// A Job is one output to make, mostly a variant. It holds bytes and plain values only, so
// that it can cross a process boundary.
type Job struct {
	Task Task
	// Originals are what the variant is made of. Options.Plan is about the first one. An
	// engine never writes to the slice.
	Originals []Original
	Options   Options // resolved: presets applied
	Format    Format  // of the output; never Auto or SameAsOriginal
	Limits    Limits
	// Marks are stamped on every frame, the first one lowest. They alone count, not
	// what Options.Mark names. An output with marks carries no more than
	// MetadataCopyright: EXIF and XMP hold previews of the picture without them.
	Marks []MarkImage
	// Whoever gets the output takes the original's own format too. Where no pixel
	// changes and that is smaller, the output is the original, without the metadata
	// that is not to be kept, in its format. It counts only where there is one original.
	MayKeep bool
	Owner   Owner
	Drawing *Drawing // with TaskDraw
	Grid    *Grid    // with TaskGrid
	// Retain keeps the bytes of all originals and marks until release is called.
	// An engine calls it that reads them after Transform has returned; until then they
	// are kept. Nil is for bytes that are always kept.
	Retain func() (release func())
}

// Header is the header of the first original, and zero where there is none.
func (j *Job) Header() Header {
	if len(j.Originals) == 0 {
		return Header{}
	}
	return j.Originals[0].Header
}

// A Drawing is a picture that stands in for an image while that loads. It is comparable.
type Drawing struct {
	Of    DrawingOf
	Hash  string  // text of a BlurHash, bytes of a ThumbHash; empty is that of the original
	Color Color   // with DrawColor; none is the main colour of the original
	Punch float64 // multiplies the contrast of a hash; 1 is neutral
	// The hash fills Whole, and the output is the middle of it.
	Whole, Output Size
	Alpha         bool // it may have transparent pixels
}

// A DrawingOf says what a drawing is made of.
type DrawingOf string

const (
	DrawBlurHash  DrawingOf = "blurhash"
	DrawThumbHash DrawingOf = "thumbhash"
	DrawColor     DrawingOf = "color"
)

// An Original is one image that a variant is made of.
type Original struct {
	Body   []byte // the whole file; the engine never writes to it
	Header Header // what header.Read said of Body
	ID     string // equal for the same bytes only; empty where it is not known
}

// An OriginalError is an error about one of several originals of a job.
type OriginalError struct {
	Index int // in Job.Originals, from 0
	Err   error
}

func (e *OriginalError) Error() string { return fmt.Sprintf("original %d: %v", e.Index+1, e.Err) }
func (e *OriginalError) Unwrap() error { return e.Err }

// An Owner says on whose behalf a job is done. It changes nothing about the output;
// an engine that queues and refuses jobs goes by it. The zero Owner is nobody's.
type Owner struct {
	Workspace  string // takes turns with the others
	Source     string // key of the source, for logs and figures; empty for a full URL
	Background bool   // nobody waits for the output
}

// A MarkImage is one mark to stamp: its image, and how it is placed.
type MarkImage struct {
	Image  []byte   // the whole image as it was fetched; the engine never writes to it
	Header Header   // what header.Read said of Image
	Hash   [32]byte // SHA-256 of Image: an engine may keep what it made of an image under it
	Mark   Mark     // Name counts for nothing; pixel lengths are multiplied with Options.DPR
	// OnPicture places the mark on the picture alone rather than on the whole output,
	// so that it doesn't lie on padding, which anybody can cut off.
	OnPicture bool
	// Cell is the cell of a grid that the mark lies on, counted from 1; 0 is the whole
	// output. The marks of a cell stand together in Job.Marks.
	Cell int
}

// An Image is one encoded variant, or the JSON that a task without a picture makes.
type Image struct {
	Data          []byte // may share memory with an original of the job
	Format        Format // the job's, or with MayKeep the original's
	Width, Height int    // pixels of one frame; of JSON, those of the picture that was looked at
	Frames        int    // at least 1
}

// A Place says which image of a job an engine is at. At most one field is set. The
// zero Place is no image in particular: all are open, or none is.
type Place struct {
	Original int // counted from 1
	Mark     int // counted from 1
}

type placeNotice struct{}

// WithNotice returns a context for [Engine.Transform] with which an engine may call
// notice before it reads one of several originals or the image of a mark, and with the
// zero Place once it has done that. Should it break down, fail or be stopped in
// between, this image is at fault. notice is called from the goroutine that called
// Transform.
func WithNotice(ctx context.Context, notice func(at Place)) context.Context {
	return context.WithValue(ctx, placeNotice{}, notice)
}

// Notice is for engines: see [WithNotice].
func Notice(ctx context.Context, at Place) {
	if notice, ok := ctx.Value(placeNotice{}).(func(Place)); ok {
		notice(at)
	}
}

// An Engine makes variants. Its errors wrap those of this package or the
// context's; anything else is a fault of the engine. It is safe for concurrent
// use, and keeps nothing of a job after Transform returns but, bounded, the pixels
// of its marks.
type Engine interface {
	Transform(ctx context.Context, job Job) (Image, error)
}
