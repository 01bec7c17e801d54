package transform

import (
	"context"
	"errors"
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

// A Job is one variant to make. It holds bytes and plain values only, so that it
// can cross a process boundary.
type Job struct {
	Original []byte  // the whole original; the engine never writes to it
	Header   Header  // what header.Read said of Original
	Options  Options // resolved: presets applied
	Format   Format  // of the output; never Auto or SameAsOriginal
	Limits   Limits
	// Marks are stamped on every frame, the first one lowest. They alone count, not
	// what Options.Mark names. An output with marks carries no more than
	// MetadataCopyright: EXIF and XMP hold previews of the picture without them.
	Marks []MarkImage
	// Whoever gets the output takes the original's own format too. Where no pixel
	// changes and that is smaller, the output is the original, without the metadata
	// that is not to be kept, in its format.
	MayKeep bool
	Owner   Owner
	// Retain keeps the bytes of the original and of the marks until release is called.
	// An engine calls it that reads them after Transform has returned; until then they
	// are kept. Nil is for bytes that are always kept.
	Retain func() (release func())
}

// An Owner says on whose behalf a job is done. It changes nothing about the output;
// an engine that queues and refuses jobs goes by it. The zero Owner is nobody's.
type Owner struct {
	Workspace  string // takes turns with the others
	Source     string // key of the source, for logs and figures; empty for a full URL
	Original   string // equal for the same bytes only; empty is not known
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
}

// An Image is one encoded variant.
type Image struct {
	Data          []byte // may share memory with the job's original
	Format        Format // the job's, or with MayKeep the original's
	Width, Height int    // pixels of one frame
	Frames        int    // at least 1
}

type markNotice struct{}

// WithMarkNotice returns a context for [Engine.Transform] with which an engine may
// call notice before it decodes the image of the job's mark n, counted from 1, and
// with 0 once it has done that. Should it break down, fail or be stopped in between,
// this mark is at fault. notice is called from the goroutine that called Transform.
func WithMarkNotice(ctx context.Context, notice func(n int)) context.Context {
	return context.WithValue(ctx, markNotice{}, notice)
}

// NoticeMark is for engines: see [WithMarkNotice].
func NoticeMark(ctx context.Context, n int) {
	if notice, ok := ctx.Value(markNotice{}).(func(int)); ok {
		notice(n)
	}
}

// An Engine makes variants. Its errors wrap those of this package or the
// context's; anything else is a fault of the engine. It is safe for concurrent
// use, and keeps nothing of a job after Transform returns but, bounded, the pixels
// of its marks.
type Engine interface {
	Transform(ctx context.Context, job Job) (Image, error)
}
