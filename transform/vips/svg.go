package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
//
// static int openSVG(const void *data, size_t size, double scale, VipsImage **out) {
//   return vips_svgload_buffer((void *) data, size, out, "scale", scale, NULL);
// }
//
// static int cutSVG(VipsImage *in, int left, int top, int width, int height, VipsImage **out) {
//   return vips_embed(in, out, -left, -top, width, height, "extend", VIPS_EXTEND_COPY, NULL);
// }
import "C"

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// loadSVG draws an SVG at the size that the output needs, and of it only what the
// plan keeps: there is nothing left to resize but where the plan stretches.
//
// The size that librsvg gives the SVG counts only as a scale to what the header
// says, since the two understand physical units differently.
func (t *task) loadSVG(ctx context.Context) (*frame, error) {
	header := t.job.Header
	scale, part := t.svgPart()
	want := [2]float64{float64(header.Width) * scale, float64(header.Height) * scale}
	drawing, err := openSVGAt(t.job.Original, want)
	if err != nil {
		return nil, err
	}
	defer drawing.close()

	pixels, err := drawing.draw(ctx, part)
	if err != nil {
		return nil, err
	}
	defer C.g_free(C.gpointer(unsafe.Pointer(&pixels[0])))
	picture, err := govips.NewImageFromMemory(pixels, part.Dx(), part.Dy(), 4, govips.BandFormatUchar, govips.InterpretationSRGB)
	if err != nil {
		return nil, fault("load", err)
	}
	t.loaded, t.scaled = t.region, sizeOf(t.kept)
	t.kept = t.kept.Sub(t.kept.Min)
	return &frame{picture}, nil
}

// svgPart is the scale at which the SVG is drawn, and the part that is needed of
// the drawing: what is kept of the region. Where the plan stretches the region the
// larger scale counts, as far as the limit on an output's pixels allows.
func (t *task) svgPart() (scale float64, part image.Rectangle) {
	w, h := float64(t.region.Dx()), float64(t.region.Dy())
	horizontal, vertical := float64(t.scaled.W)/w, float64(t.scaled.H)/h
	kept := t.kept
	if t.plan.Smart {
		kept = image.Rect(0, 0, t.scaled.W, t.scaled.H)
	}
	t.kept = kept

	scale = max(horizontal, vertical)
	pixels := float64(kept.Dx()) * scale / horizontal * float64(kept.Dy()) * scale / vertical
	if most := float64(t.job.Limits.OutputPixels); most > 0 && pixels > most {
		scale *= math.Sqrt(most / pixels)
	}
	left, width := drawnSpan(float64(t.region.Min.X)*scale, kept.Min.X, kept.Dx(), scale/horizontal)
	top, height := drawnSpan(float64(t.region.Min.Y)*scale, kept.Min.Y, kept.Dy(), scale/vertical)
	return scale, image.Rect(left, top, left+width, top+height)
}

// drawnSpan is where a span of a scaled side lies in a drawing that is larger by
// some factor, in which the side begins at from. Within a hair of its own length,
// where only rounding makes a difference, it keeps that.
func drawnSpan(from float64, at, length int, larger float64) (start, size int) {
	start = int(math.Round(from + float64(at)*larger))
	exact := float64(length) * larger
	if math.Abs(exact-float64(length)) < 1 {
		return start, length
	}
	return start, max(int(math.Round(exact)), 1)
}

// An svgDrawing is an SVG that libvips has opened at some scale, and draws where
// it is asked to.
type svgDrawing struct{ image *C.VipsImage }

func (d svgDrawing) close() { C.g_object_unref(C.gpointer(unsafe.Pointer(d.image))) }

// openSVGAt opens an SVG at the scale that makes it this large.
func openSVGAt(data []byte, want [2]float64) (svgDrawing, error) {
	scale := 1.0
	for try := range 3 {
		if scale > 100_000 || scale < 0.001 { // libvips's limits
			break
		}
		var d svgDrawing
		forgetErrors()
		if C.openSVG(unsafe.Pointer(&data[0]), C.size_t(len(data)), C.double(scale), &d.image) != 0 {
			return d, svgError()
		}
		width, height := float64(d.image.Xsize), float64(d.image.Ysize)
		fits := math.Abs(width-want[0]) < 1
		if fits && math.Abs(height-want[1]) <= 2+want[1]/50 {
			return d, nil
		}
		d.close()
		if fits || try == 2 {
			break
		}
		scale *= want[0] / width
	}
	return svgDrawing{}, fmt.Errorf("%w: its size is not what its header says", transform.ErrCorrupt)
}

// draw computes a part of the drawing, beyond whose edges it goes on as it is
// there. The caller frees the pixels.
func (d svgDrawing) draw(ctx context.Context, part image.Rectangle) ([]byte, error) {
	var cut *C.VipsImage
	if C.cutSVG(d.image, C.int(part.Min.X), C.int(part.Min.Y), C.int(part.Dx()), C.int(part.Dy()), &cut) != 0 {
		return nil, fault("load", errors.New(lastError()))
	}
	defer C.g_object_unref(C.gpointer(unsafe.Pointer(cut)))

	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		C.vips_image_set_kill(cut, 1)
		close(killed)
	})
	var size C.size_t
	pixels := C.vips_image_write_to_memory(cut, &size)
	if !stop() {
		<-killed
	}
	switch {
	case pixels == nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case pixels == nil:
		return nil, svgError()
	case int(size) != part.Dx()*part.Dy()*4:
		C.g_free(C.gpointer(pixels))
		return nil, fmt.Errorf("vips: load: an SVG of %d bytes for %v", int(size), part)
	}
	return unsafe.Slice((*byte)(pixels), int(size)), nil
}

func svgError() error { return decodeError(errors.New(lastError())) }
