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

// evaluate calls compute, which makes libvips compute the pixels of image. The end of ctx
// stops it, except for GIF output, since a killed GIF encoder can crash (libvips #2708).
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

// readings map texts of libvips to errors. libvips has one buffer of error texts for the
// whole process, so a text can be about another image. The place of the failure is certain:
// describing a step fails through a fault of the engine, and computing pixels almost always
// through a damaged original. The text only adds detail to that.
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
	{"corrupt jpeg data", errDamaged, "its data is damaged"}, // but "premature end" comes first
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

// errDamaged is the error of a JPEG that is damaged, but not cut off. Browsers show these:
// junk between segments changes nothing, and damaged data spoils only some blocks. The
// first attempt stops at the first warning of libjpeg, which tells these JPEGs from ones
// that are cut off. Only then a second attempt ignores all warnings.
var errDamaged error = damagedError{}

type damagedError struct{}

func (damagedError) Error() string { return transform.ErrCorrupt.Error() }
func (damagedError) Unwrap() error { return transform.ErrCorrupt }

// savers are the beginnings of error lines of libvips's encoders. Where all lines begin so,
// the fault is the engine's. Where decoding fails, encoders add lines to those of decoders.
var savers = []string{"vips2", "jpegsave", "pngsave", "webpsave", "heifsave", "gifsave", "cgifsave", "vipsforeignsave"}

// wants are parts of the error texts, in lower case, of libvips and its codecs where they
// get no memory or no thread. A thread needs memory for its stack.
var wants = []string{"insufficient memory", "out of memory", "cannot allocate memory", "failed to allocate", "picture memory error", "error creating thread"}

// decodeError returns the error for a failure of computing pixels. govips adds a stack
// trace to its error. No text of libvips reaches a client.
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

// isDecoders reports whether an error line is from a decoder. Encoders write to memory, so
// where an encoder couldn't write, the decoder gave it no pixels.
func isDecoders(line string) bool {
	if strings.HasSuffix(line, "unable to write to target target") {
		return true
	}
	return !slices.ContainsFunc(savers, func(saver string) bool { return strings.HasPrefix(line, saver) })
}

// forgetErrors empties libvips's buffer of error texts. Decoders add texts even on success,
// until the buffer is full and the next text is lost.
func forgetErrors() { C.vips_error_clear() }

// lastError returns the error texts since forgetErrors.
func lastError() string {
	text := C.vips_error_buffer_copy()
	defer C.g_free(C.gpointer(text))
	return C.GoString(text)
}

// fault returns an error for a fault of the engine.
func fault(step string, err error) error {
	return fmt.Errorf("vips: %s: %s", step, vipsText(err))
}

// vipsText returns the text of libvips on one line.
func vipsText(err error) string {
	const most = 300
	text, _, _ := strings.Cut(err.Error(), "\nStack:")
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	return text[:min(len(text), most)]
}
