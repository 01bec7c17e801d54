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

// loadSVG draws the part of an SVG that the plan keeps, at the size of the output. Only a
// stretched SVG is resized afterwards.
//
// librsvg and the header reader convert physical units differently. So loadSVG uses the
// size of librsvg only relative to the size in the header.
func (t *task) loadSVG(ctx context.Context) (*frame, error) {
	if t.plan.Smart {
		t.kept = image.Rect(0, 0, t.scaled.W, t.scaled.H) // smartCrop crops it later
	}
	drawing, err := t.openSVG()
	if err != nil {
		return nil, err
	}
	defer drawing.close()

	part := t.svgPart(drawing)
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

// openSVG opens the SVG at the scale of the output. For a stretched output it uses the
// larger scale, within bounds. Where the scales differ only by rounding, it uses their
// middle.
func (t *task) openSVG() (svgDrawing, error) {
	horizontal := float64(t.scaled.W) / float64(t.region.Dx())
	vertical := float64(t.scaled.H) / float64(t.region.Dy())
	scale := max(horizontal, vertical)
	if off := math.Abs(horizontal - vertical); off*float64(min(t.region.Dx(), t.region.Dy())) <= 1 {
		scale -= off / 2
	}
	kept := float64(t.kept.Dx()) * float64(t.kept.Dy())
	pixels := kept * (scale / horizontal) * (scale / vertical)
	most := max(16*kept, 1e6)
	if limit := float64(t.job.Limits.OutputPixels); limit > 0 {
		most = min(most, max(limit, kept))
	}
	if pixels > most {
		scale *= math.Sqrt(most / pixels)
	}
	return openSVGAt(t.body, float64(t.header.Width), float64(t.header.Height), scale)
}

// svgPart returns the part of the drawing that the plan keeps.
func (t *task) svgPart(d svgDrawing) image.Rectangle {
	width, height := d.size()
	across, down := width/float64(t.header.Width), height/float64(t.header.Height)
	left, right := drawnSpan(t.region.Min.X, t.region.Dx(), t.scaled.W, t.kept.Min.X, t.kept.Max.X, across)
	top, bottom := drawnSpan(t.region.Min.Y, t.region.Dy(), t.scaled.H, t.kept.Min.Y, t.kept.Max.Y, down)
	return image.Rect(left, top, right, bottom)
}

// drawnSpan converts a span of the scaled region to a span of a drawing at another scale.
// Where the scales differ only by rounding, the length stays the same.
func drawnSpan(region, side, scaled, from, to int, scale float64) (start, end int) {
	larger := float64(side) * scale / float64(scaled)
	start = int(math.Round(float64(region)*scale + float64(from)*larger))
	exact := float64(to-from) * larger
	if math.Abs(float64(scaled)*(larger-1)) <= 1 {
		return start, start + to - from
	}
	return start, start + max(int(math.Round(exact)), 1)
}

// An svgDrawing is an SVG that libvips has opened at a scale, and that it draws in parts.
type svgDrawing struct{ image *C.VipsImage }

func (d svgDrawing) close() { C.g_object_unref(C.gpointer(unsafe.Pointer(d.image))) }

func (d svgDrawing) size() (width, height float64) {
	return float64(d.image.Xsize), float64(d.image.Ysize)
}

// openSVGAt opens an SVG at a scale. width and height are from its header. Where librsvg
// finds another aspect ratio, the scale is slightly larger. The difference must be small
// enough to come from rounding in the header.
func openSVGAt(data []byte, width, height, scale float64) (svgDrawing, error) {
	most := 1 + min(0.02+1/width+1/height, 0.5)
	at := 1.0
	for range 4 {
		if at > 100_000 || at < 0.001 { // libvips's limits
			break
		}
		var d svgDrawing
		forgetErrors()
		if C.openSVG(unsafe.Pointer(&data[0]), C.size_t(len(data)), C.double(at), &d.image) != 0 {
			return d, svgError()
		}
		// The relative error of each side.
		w, h := d.size()
		across, down := (w-width*scale)/w, (h-height*scale)/h
		if lacks := min(across*w, down*h); lacks > -1 && lacks < 1 && (w-1)/(width*scale) <= most && (h-1)/(height*scale) <= most {
			return d, nil
		}
		d.close()
		at *= 1 - min(across, down)
	}
	return svgDrawing{}, fmt.Errorf("%w: its size is not the size in its header", transform.ErrCorrupt)
}

// draw computes a part of the drawing. Beyond the edges it repeats the outermost pixels.
// The caller frees the pixels.
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
