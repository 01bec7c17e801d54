//go:build cgo

// Command bench measures what Tintype costs on top of libvips. For each pair of
// formats it makes a variant of a 2000 px picture at 512 px in two ways, turn by
// turn in one run: a miss through the whole handler (policy, fetch from a folder,
// header check, engine, caching, answer), and a plain loop of the same libvips
// calls from memory to memory. It prints CPU time per image, and their ratio.
//
// With -gallery it writes a page to look at instead.
//
//	go run ./bench [-n 40] [-gallery FOLDER]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image/gif"
	"image/jpeg"
	"image/png"
	"log"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
	"github.com/tintype/tintype/workspace"
)

func main() {
	n := flag.Int("n", 40, "images of each kind")
	gallery := flag.String("gallery", "", "write a page of every operation, fit and format into this folder instead")
	flag.Parse()
	log.SetFlags(0)
	err := vips.Start(vips.Config{Logger: slog.New(slog.DiscardHandler)})
	switch {
	case err != nil:
	case *gallery != "":
		err = writeGallery(*gallery)
	default:
		err = run(*n)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(n int) error {
	dir, err := os.MkdirTemp("", "tintype-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	originals, err := draw()
	if err != nil {
		return err
	}
	for name, data := range originals {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	handler, err := newHandler(dir)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "libvips %s, %d of each, CPU ms per image (median)\n", vips.Version(), n)
	fmt.Fprintln(t, "original\tvariant\tmiss\tplain loop\tratio\tmiss kB\tplain kB\t")
	for _, c := range []struct {
		name string
		to   transform.Format
	}{
		{"photo.jpg", transform.JPEG}, {"photo.jpg", transform.WebP}, {"photo.jpg", transform.AVIF},
		{"photo.png", transform.PNG}, {"photo.webp", transform.WebP}, {"photo.avif", transform.AVIF},
		{"orbit.gif", transform.WebP}, {"orbit.gif", transform.GIF},
	} {
		if err := measure(t, handler, c.name, originals[c.name], c.to, n); err != nil {
			return fmt.Errorf("%s to %s: %w", c.name, c.to, err)
		}
	}
	return t.Flush()
}

// measure runs both ways in turn, and prints the medians.
func measure(out *tabwriter.Writer, handler http.Handler, name string, original []byte, to transform.Format, n int) error {
	var miss, plain []time.Duration
	var missBytes, plainBytes int
	for i := range n + 2 { // the first two warm up
		start := cpu()
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/bench/folder/%s?w=512&format=%s&v=%d", name, to, i), nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		took := cpu() - start
		if w.Code != http.StatusOK {
			return fmt.Errorf("status %d: %s", w.Code, w.Body)
		}
		missBytes = w.Body.Len()

		start = cpu()
		data, err := loop(original, to)
		took2 := cpu() - start
		if err != nil {
			return err
		}
		plainBytes = len(data)
		if i >= 2 {
			miss, plain = append(miss, took), append(plain, took2)
		}
	}
	slices.Sort(miss)
	slices.Sort(plain)
	a, b := miss[len(miss)/2], plain[len(plain)/2]
	_, err := fmt.Fprintf(out, "%s\t%s\t%.2f\t%.2f\t%.3f\t%.1f\t%.1f\t\n", name, to, ms(a), ms(b), float64(a)/float64(b), float64(missBytes)/1e3, float64(plainBytes)/1e3)
	return err
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loop makes the variant by the libvips calls that the engine makes, and nothing
// else: the same shrink-on-load, kernel and encoder settings.
func loop(original []byte, to transform.Format) ([]byte, error) {
	p := govips.NewImportParams()
	p.Access.Set(govips.AccessSequential)
	kind := govips.DetermineImageType(original)
	animated := kind == govips.ImageTypeGIF
	switch {
	case kind == govips.ImageTypeJPEG:
		p.JpegShrinkFactor.Set(2) // 2000 to 1000: the most that leaves 512
	case kind == govips.ImageTypeWEBP:
		p.WebpScaleFactor.Set(512.0 / 2000)
	case animated:
		p.NumPages.Set(-1)
	}
	img, err := govips.LoadImageFromBuffer(original, p)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	if animated {
		roll, closeAll, err := resizeFrames(img)
		defer closeAll()
		if err != nil {
			return nil, err
		}
		img = roll
	} else if scale := 512 / float64(img.Width()); scale != 1 {
		if err := img.Resize(scale, govips.KernelLanczos3); err != nil {
			return nil, err
		}
	}
	switch to {
	case transform.JPEG:
		b, _, err := img.ExportJpeg(&govips.JpegExportParams{Quality: 80, OptimizeCoding: true, StripMetadata: true})
		return b, err
	case transform.PNG:
		b, _, err := img.ExportPng(&govips.PngExportParams{Compression: 1, Filter: govips.PngFilterAvg, StripMetadata: true})
		return b, err
	case transform.WebP:
		b, _, err := img.ExportWebp(&govips.WebpExportParams{
			Quality: 76, ReductionEffort: 2, StripMetadata: true, MaxKeyFrames: math.MaxInt32, MinKeyFrames: math.MaxInt32 - 1,
		})
		return b, err
	case transform.AVIF:
		b, _, err := img.ExportAvif(&govips.AvifExportParams{Quality: 60, Bitdepth: 8, Effort: 1, StripMetadata: true})
		return b, err
	default:
		b, _, err := img.ExportGIF(&govips.GifExportParams{Dither: 1, Effort: 3, Bitdepth: 8})
		return b, err
	}
}

// resizeFrames resizes an animation frame by frame, with colours weighted by alpha.
func resizeFrames(img *govips.ImageRef) (roll *govips.ImageRef, closeAll func(), err error) {
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
		if err := f.Resize(512/float64(f.Width()), govips.KernelLanczos3); err != nil {
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

// draw makes the originals: a scene of 2000 px in each format, and an animation.
func draw() (map[string][]byte, error) {
	scene := samples.Scene(2000, 1333)
	var j, p, g bytes.Buffer
	if err := jpeg.Encode(&j, scene, &jpeg.Options{Quality: 90}); err != nil {
		return nil, err
	}
	if err := png.Encode(&p, scene); err != nil {
		return nil, err
	}
	if err := gif.EncodeAll(&g, samples.Animation(1000, 600, 12)); err != nil {
		return nil, err
	}
	originals := map[string][]byte{"photo.jpg": j.Bytes(), "photo.png": p.Bytes(), "orbit.gif": g.Bytes()}
	for _, f := range []transform.Format{transform.WebP, transform.AVIF} {
		h, err := transform.ReadHeader(p.Bytes())
		if err != nil {
			return nil, err
		}
		image, err := vips.New().Transform(context.Background(), transform.Job{
			Original: p.Bytes(), Header: h, Options: transform.Defaults(), Format: f, Limits: transform.DefaultLimits(),
		})
		if err != nil {
			return nil, err
		}
		originals["photo."+string(f)] = image.Data
	}
	return originals, nil
}

// one is the only workspace.
type one struct{ *workspace.Workspace }

func (o one) Get(context.Context, string) (*workspace.Workspace, error) { return o.Workspace, nil }

func newHandler(dir string) (http.Handler, error) {
	folder, err := origin.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	w := workspace.New("bench")
	w.ID = "bench"
	return server.New(server.Config{
		Workspaces: one{w},
		Engine:     vips.New(),
		HTTP:       origin.NewHTTP(origin.HTTPConfig{Limits: origin.DefaultLimits()}),
		Cache:      cache.NewMemory(256 << 20),
		Dirs:       map[string]map[string]*origin.Dir{"bench": {"folder": folder}},
		Limits:     transform.DefaultLimits(), TransformTimeout: time.Minute, Transforms: 1, Queue: 1,
		Log: slog.New(slog.DiscardHandler),
	}).Handler(), nil
}
