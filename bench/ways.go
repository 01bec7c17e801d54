//go:build cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
	"github.com/tintype/tintype/workspace"
)

// A way makes a variant of an original with this width.
type way func(original []byte, width int, to transform.Format) ([]byte, error)

// usual makes the variant as most servers do: the thumbnail of libvips, saved with the
// default settings of other tools (imgproxy, sharp, libvips itself).
func usual(original []byte, width int, to transform.Format) ([]byte, error) {
	params := govips.NewImportParams()
	switch govips.DetermineImageType(original) {
	case govips.ImageTypeGIF:
		params.NumPages.Set(-1)
	}
	picture, err := govips.LoadThumbnailFromBuffer(original, width, 1_000_000, govips.InterestingNone, govips.SizeDown, params)
	if err != nil {
		return nil, err
	}
	defer picture.Close()
	switch to {
	case transform.GIF:
		return export(picture, to, settings{effort: 7})
	case transform.WebP:
		data, _, err := picture.ExportWebp(&govips.WebpExportParams{Quality: 80, ReductionEffort: 4, StripMetadata: true})
		return data, err
	}
	return export(picture, to, map[transform.Format]settings{
		transform.JPEG: {quality: 80},
		transform.PNG:  {effort: 6, filter: govips.PngFilterNone},
		transform.AVIF: {quality: 60, effort: 1}, // as in imgproxy; libvips's default, 4, takes twice as long
	}[to])
}

// calls makes the variant by the engine's plan in plain libvips calls, from memory to memory:
// the decoder shrinks as much, and libvips resizes and encodes with the same quality and effort.
func calls(original []byte, width int, to transform.Format) ([]byte, error) {
	return callsWith(original, width, to, 2)
}

// shrunkCalls is calls where libjpeg shrinks twice as much: to no less than the width that is
// asked for, as most servers have it. The engine keeps twice that, since it looks better.
func shrunkCalls(original []byte, width int, to transform.Format) ([]byte, error) {
	return callsWith(original, width, to, 1)
}

// callsWith is calls where libjpeg leaves at least `keep` times the width.
func callsWith(original []byte, width int, to transform.Format, keep int) ([]byte, error) {
	p := govips.NewImportParams()
	p.Access.Set(govips.AccessSequential)
	kind := govips.DetermineImageType(original)
	h, err := header.Read(original)
	if err != nil {
		return nil, err
	}
	switch kind {
	case govips.ImageTypeJPEG:
		by := 8
		for by > 1 && keep*width*by > h.Width {
			by /= 2
		}
		p.JpegShrinkFactor.Set(by)
	case govips.ImageTypeWEBP:
		p.WebpScaleFactor.Set(float64(width) / float64(h.Width))
	case govips.ImageTypeGIF:
		p.NumPages.Set(-1)
	}
	img, err := govips.LoadImageFromBuffer(original, p)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	if h.Frames > 1 {
		roll, closeAll, err := resizeFrames(img, width)
		defer closeAll()
		if err != nil {
			return nil, err
		}
		img = roll
	} else if scale := float64(width) / float64(img.Width()); scale != 1 {
		if err := img.Resize(scale, govips.KernelLanczos3); err != nil {
			return nil, err
		}
	}
	webp := settings{quality: 85, effort: 2}
	if h.Frames > 1 {
		webp.effort = 3
	}
	return export(img, to, map[transform.Format]settings{
		transform.JPEG: {quality: 80},
		transform.PNG:  {effort: 1, filter: govips.PngFilterPaeth},
		transform.WebP: webp,
		transform.AVIF: {quality: 71, effort: 1},
		transform.GIF:  {effort: 3},
	}[to])
}

// resizeFrames resizes an animation frame by frame.
func resizeFrames(img *govips.ImageRef, width int) (roll *govips.ImageRef, closeAll func(), err error) {
	var frames []*govips.ImageRef
	closeAll = func() {
		for _, f := range frames {
			f.Close()
		}
	}
	delays, err := img.PageDelay()
	if err != nil {
		return nil, closeAll, err
	}
	pages, height := img.Pages(), img.PageHeight()
	if err := errors.Join(img.SetPageHeight(img.Height()), img.SetPages(1)); err != nil {
		return nil, closeAll, err
	}
	for i := range pages {
		f, err := img.Copy()
		if err != nil {
			return nil, closeAll, err
		}
		frames = append(frames, f)
		if err := f.ExtractArea(0, i*height, f.Width(), height); err != nil {
			return nil, closeAll, err
		}
		if err := f.Resize(float64(width)/float64(f.Width()), govips.KernelLanczos3); err != nil {
			return nil, closeAll, err
		}
	}
	roll = frames[0]
	rows := roll.Height()
	if err := roll.ArrayJoin(frames[1:], 1); err != nil {
		return nil, closeAll, err
	}
	return roll, closeAll, errors.Join(roll.SetPageHeight(rows), roll.SetPages(pages), roll.SetPageDelay(delays), roll.SetLoop(img.Loop()))
}

// A house is a server with one workspace, whose originals are files in a folder.
type house struct {
	dir     string
	handler http.Handler
	asked   int
}

// one is a store with a single workspace.
type one struct{ *workspace.Workspace }

func (o one) Get(context.Context, string) (*workspace.Workspace, error) { return o.Workspace, nil }
func (o one) Confirmed(*workspace.Workspace) bool                       { return true }
func (o one) Confirm(context.Context, string) (*workspace.Workspace, error) {
	return o.Workspace, nil
}

func newHouse(dir string) (*house, error) {
	folder, err := origin.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	w := workspace.New("bench")
	w.ID = "bench"
	return &house{dir: dir, handler: server.New(server.Config{Log: slog.New(slog.DiscardHandler), Delivery: delivery.New(delivery.Config{
		Workspaces: one{w},
		Engine:     vips.New(),
		HTTP:       origin.NewHTTP(origin.HTTPConfig{Limits: origin.DefaultLimits()}),
		Cache:      cache.NewMemory(256 << 20),
		Dirs:       map[string]map[string]*origin.Dir{"bench": {"folder": folder}},
		Limits:     transform.DefaultLimits(), TransformTimeout: time.Minute,
		Log: slog.New(slog.DiscardHandler),
	})}).Handler()}, nil
}

// keep stores an original under a name.
func (h *house) keep(name string, original []byte) error {
	return os.WriteFile(filepath.Join(h.dir, name), original, 0o600)
}

// miss returns a way that requests a variant that is not in the cache.
func (h *house) miss(name string) way { return h.missWith(name, "") }

// missWith is miss with more options.
func (h *house) missWith(name, options string) way {
	return func(_ []byte, width int, to transform.Format) ([]byte, error) {
		h.asked++
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/bench/folder/%s?w=%d&format=%s&v=%d&%s", name, width, to, h.asked, options), nil)
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return nil, fmt.Errorf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.Bytes(), nil
	}
}
