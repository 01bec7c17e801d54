package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
import "C"

import (
	"context"
	"fmt"
	"slices"
	"strings"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// evaluate runs what makes libvips compute the pixels of an image. The end of ctx
// stops that, but for GIF output: killing its encoder can crash (libvips #2708).
func (t *task) evaluate(ctx context.Context, image *govips.ImageRef, compute func() error) error {
	if t.job.Format != transform.GIF {
		stop := context.AfterFunc(ctx, func() { image.SetKill(true) })
		defer stop()
	}
	err := compute()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return decodeError(err)
	}
	return nil
}

// libvips reports what went wrong as text, in one buffer for the whole process,
// so that with several images at work the text may speak of another one. What
// is certain is where it failed: describing a step fails by our fault, computing
// pixels hardly ever for another reason than a damaged original. The text only
// refines that.
var readings = []struct {
	text string // in lower case
	err  error
	says string
}{
	{"premature end", transform.ErrTruncated, "the data ends too early"},
	{"unexpected end", transform.ErrTruncated, "the data ends too early"},
	{"end of file", transform.ErrTruncated, "the data ends too early"},
	{"end of stream", transform.ErrTruncated, "the data ends too early"},
	{"end of data", transform.ErrTruncated, "the data ends too early"},
	{"truncated", transform.ErrTruncated, "the data ends too early"},
	{"not enough data", transform.ErrTruncated, "the data ends too early"},
	{"unsupported feature", transform.ErrUnsupported, "it uses a feature that is not decoded"},
	{"unsupported codec", transform.ErrUnsupported, "it is compressed in a way that is not decoded"},
	{"corrupt jpeg data", errDamaged, "its data is damaged"}, // not the "premature end" of it
	{"adobe color transform", errDamaged, "its colours are described wrongly"},
	{"jfif revision", errDamaged, "its version is unknown"},
	{"inconsistent progression", errDamaged, "its scans are in disorder"},
	{"sos parameters", errDamaged, "its scans are in disorder"},
	{"arithmetic coding", transform.ErrUnsupported, "it is compressed in a way that is not decoded"},
	{"no decoding plugin", transform.ErrUnsupported, "it is compressed in a way that is not decoded"},
	{"security limit", transform.ErrTooLarge, "it is over a limit of its decoder"},
	{"dimensions too large", transform.ErrTooLarge, "it is over a limit of its decoder"},
	{"too many pixels", transform.ErrTooLarge, "it is over a limit of its decoder"},
}

// errDamaged: a JPEG is damaged, but not cut off. Browsers show those: with junk between
// its segments a picture is whole nevertheless, and damaged pixels spoil some blocks. The
// first attempt at a JPEG stops at the first of libjpeg's warnings, which tells them from
// one that ends too early; only then a second attempt passes over all warnings.
var errDamaged error = damagedError{}

type damagedError struct{}

func (damagedError) Error() string { return transform.ErrCorrupt.Error() }
func (damagedError) Unwrap() error { return transform.ErrCorrupt }

// savers start the lines of libvips's encoders. One of these alone is our fault; where
// decoding fails they only add that they can't go on.
var savers = []string{"vips2", "jpegsave", "pngsave", "webpsave", "heifsave", "gifsave", "cgifsave", "vipsforeignsave"}

// wants are parts of what libvips and its decoders and encoders say, in lower case, where
// they get no memory, or no thread, whose stack is memory too.
var wants = []string{"insufficient memory", "out of memory", "cannot allocate memory", "failed to allocate", "picture memory error", "error creating thread"}

// decodeError is what an error of govips means where pixels were computed. govips
// adds a stack trace to it; nothing of libvips's text reaches a client.
func decodeError(err error) error {
	text := strings.ToLower(vipsText(err))
	if slices.ContainsFunc(wants, func(want string) bool { return strings.Contains(text, want) }) {
		return fmt.Errorf("%w: it takes more memory than one image may", transform.ErrFailed)
	}
	if text != "" && !slices.ContainsFunc(strings.Split(text, "; "), isDecoders) {
		return fault("encode", err)
	}
	for _, r := range readings {
		if strings.Contains(text, r.text) {
			return fmt.Errorf("%w: %s", r.err, r.says)
		}
	}
	return fmt.Errorf("%w: it can't be decoded", transform.ErrCorrupt)
}

// The target of an encoder is memory, so that where it couldn't be written to there
// was nothing to write.
func isDecoders(line string) bool {
	if strings.HasSuffix(line, "unable to write to target target") {
		return true
	}
	return !slices.ContainsFunc(savers, func(saver string) bool { return strings.HasPrefix(line, saver) })
}

// forgetErrors empties libvips's buffer of error texts, which decoders add to
// even where all goes well, until it is full and the next text has no room.
func forgetErrors() { C.vips_error_clear() }

// lastError is what libvips said since then.
func lastError() string {
	text := C.vips_error_buffer_copy()
	defer C.g_free(C.gpointer(text))
	return C.GoString(text)
}

// fault is an error of the engine's own making.
func fault(step string, err error) error {
	return fmt.Errorf("vips: %s: %s", step, vipsText(err))
}

// vipsText is what libvips said, on one line.
func vipsText(err error) string {
	const most = 300
	text, _, _ := strings.Cut(err.Error(), "\nStack:")
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	return text[:min(len(text), most)]
}
