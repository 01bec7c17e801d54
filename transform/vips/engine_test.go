//go:build cgo

package vips_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"image"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

func TestStartAgain(t *testing.T) {
	if err := vips.Start(vips.Config{Threads: 4}); err != nil {
		t.Error(err)
	}
	if vips.Version() == "" {
		t.Error("no version")
	}
}

// failure is the error of a job, header included, after checking that it is safe
// to show.
func failure(t testing.TB, data []byte, query string, format transform.Format) error {
	t.Helper()
	h, err := header.Read(data)
	if err == nil {
		_, err = vips.New().Transform(t.Context(), transform.Job{
			Originals: []transform.Original{{Body: data, Header: h}}, Options: options(t, query), Format: format, Limits: transform.DefaultLimits(),
		})
	}
	if err == nil {
		return nil
	}
	for _, leak := range []string{"Stack", "goroutine", "0x", "/", "\n", "govips", "libvips"} {
		if strings.Contains(err.Error(), leak) {
			t.Errorf("the error contains %q: %v", leak, err)
		}
	}
	return err
}

func TestTruncated(t *testing.T) {
	drawn := noise(160, 120)
	originals := map[string][]byte{
		"animated gif":  animation(t),
		"animated webp": run(t, animation(t), "", transform.WebP).Data,
	}
	for _, format := range outputs {
		originals[string(format)] = original(t, drawn, format)
	}
	for name, whole := range originals {
		for _, percent := range []int{5, 30, 60, 90, 99} {
			cut := whole[:len(whole)*percent/100]
			err := failure(t, cut, "w=50", transform.JPEG)
			if !errors.Is(err, transform.ErrCorrupt) && !errors.Is(err, transform.ErrUnsupported) {
				t.Errorf("%s cut to %d %%: %v", name, percent, err)
			}
		}
	}
}

// A JPEG with an end marker where the data should go on satisfies every look at
// its structure; only decoding shows that it is short.
func TestTruncatedInside(t *testing.T) {
	whole := jpegBytes(t, noise(400, 300))
	cut := append(slices.Clone(whole[:len(whole)/2]), 0xff, 0xd9)
	for _, format := range outputs {
		if err := failure(t, cut, "w=350&q=50", format); !errors.Is(err, transform.ErrTruncated) {
			t.Errorf("to %s: %v", format, err)
		}
		if err := failure(t, cut, "w=50&rotate=90", format); !errors.Is(err, transform.ErrTruncated) {
			t.Errorf("to %s, rotated: %v", format, err)
		}
	}
}

func TestDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, format := range outputs {
		whole := original(t, noise(160, 120), format)
		failed := 0
		for range 60 {
			damaged := slices.Clone(whole)
			for range 20 {
				damaged[len(damaged)/4+random.IntN(len(damaged)*3/4)] ^= byte(1 + random.IntN(255))
			}
			err := failure(t, damaged, "w=50", transform.PNG)
			if err == nil {
				continue // what is left can be shown
			}
			failed++
			if !errors.Is(err, transform.ErrCorrupt) && !errors.Is(err, transform.ErrUnsupported) && !errors.Is(err, transform.ErrTooLarge) {
				t.Errorf("%s: %v", format, err)
			}
		}
		if failed == 0 && format == transform.PNG {
			t.Error("damaged PNGs pass, though they hold checksums")
		}
	}
}

func TestHeaderIsHeldTo(t *testing.T) {
	for format, lie := range map[transform.Format]func(*transform.Header){
		transform.JPEG: func(h *transform.Header) { h.Width += 40 },
		transform.PNG:  func(h *transform.Header) { h.Height-- },
		transform.WebP: func(h *transform.Header) { h.Width, h.Height = h.Height, h.Width },
		transform.AVIF: func(h *transform.Header) { h.Width /= 2 },
		transform.GIF:  func(h *transform.Header) { h.Width = 1 },
	} {
		j := job(t, original(t, scene(160, 120, false), format), "w=10", transform.JPEG)
		lie(&j.Originals[0].Header)
		if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, transform.ErrCorrupt) {
			t.Errorf("%s: %v", format, err)
		}
	}
	j := job(t, animation(t), "w=10", transform.GIF)
	j.Originals[0].Header.Frames--
	if _, err := vips.New().Transform(t.Context(), j); err != nil && !errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("fewer frames: %v", err)
	}
	j.Originals[0].Header.Frames += 2
	if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("more frames: %v", err)
	}
	j = job(t, jpegBytes(t, scene(16, 12, false)), "", transform.JPEG)
	j.Originals[0].Header.Format = transform.PNG
	if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, transform.ErrUnsupported) {
		t.Errorf("another format: %v", err)
	}
}

func TestLimits(t *testing.T) {
	source := jpegBytes(t, scene(160, 120, false))
	for name, c := range map[string]struct {
		change func(*transform.Job)
		want   error
	}{
		"pixels of a frame": {func(j *transform.Job) { j.Limits.FramePixels = 160*120 - 1 }, transform.ErrTooLarge},
		"edge":              {func(j *transform.Job) { j.Limits.Edge = 159 }, transform.ErrTooLarge},
		"output":            {func(j *transform.Job) { j.Limits.OutputPixels = 100 }, transform.ErrOutputTooLarge},
		"output of AVIF":    {func(j *transform.Job) { j.Limits.AVIFPixels, j.Format = 100, transform.AVIF }, transform.ErrOutputTooLarge},
		"smart enlargement": {func(j *transform.Job) {
			j.Options = options(t, "rect=0,0,160,1&w=8000&h=8000&fit=cover&gravity=attention")
		}, transform.ErrOutputTooLarge},
		"unknown output": {func(j *transform.Job) { j.Format = transform.HEIC }, transform.ErrUnsupported},
	} {
		j := job(t, source, "", transform.JPEG)
		c.change(&j)
		if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	j := job(t, animation(t), "", transform.GIF)
	j.Limits.TotalPixels = 60*40*4 - 1
	if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, transform.ErrTooLarge) {
		t.Errorf("pixels of all frames: %v", err)
	}
}

// A countdown is a context that ends once it has been asked n times whether it
// has.
type countdown struct {
	context.Context
	n      int
	cancel context.CancelFunc
}

func (c *countdown) Err() error {
	if c.n--; c.n < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// Wherever between two steps a context ends, its error comes out; TestMain sees
// that nothing is left open.
func TestContextEndsBetweenSteps(t *testing.T) {
	j := job(t, withSegments(jpegBytes(t, scene(160, 120, false)), exif(6)), "w=20&h=20&fit=cover&gravity=attention", transform.JPEG)
	for n := 0; ; n++ {
		inner, cancel := context.WithCancel(t.Context())
		ctx := &countdown{inner, n, cancel}
		_, err := vips.New().Transform(ctx, j)
		cancel()
		if err == nil {
			if n < 10 {
				t.Errorf("the context was asked %d times only", n)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d questions: %v", n, err)
		}
	}
}

// A lateDeadline is a context that ends when libvips begins to compute pixels: evaluate asks
// to be told of the end then.
type lateDeadline struct {
	context.Context
	over  chan struct{}
	begun int // how often pixels were begun
}

func (c *lateDeadline) Done() <-chan struct{} { return c.over }

func (c *lateDeadline) Err() error {
	select {
	case <-c.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// AfterFunc is called by context.AfterFunc.
func (c *lateDeadline) AfterFunc(f func()) (stop func() bool) {
	if c.begun++; c.begun == 1 {
		close(c.over)
	}
	go f()
	return func() bool { return false }
}

func TestDeadlineStopsDecoding(t *testing.T) {
	j := job(t, pngBytes(t, noise(2500, 2500)), "w=2400", transform.PNG)
	var err error
	whole := cputime.Best(time.Hour, func() { _, err = vips.New().Transform(t.Context(), j) })
	if err != nil {
		t.Fatal(err)
	}
	stopped := cputime.Best(whole*3/4, func() {
		ctx := &lateDeadline{Context: t.Context(), over: make(chan struct{})}
		if _, err := vips.New().Transform(ctx, j); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if ctx.begun != 1 {
			t.Fatalf("pixels were begun %d times", ctx.begun)
		}
	})
	t.Logf("%v of processor time, %v of the whole", stopped, whole)
	if stopped > whole*3/4 {
		t.Errorf("stopped after %v of processor time, the whole takes %v", stopped, whole)
	}
}

func TestConcurrentJobs(t *testing.T) {
	photo := withSegments(jpegBytes(t, scene(640, 480, false)), exif(6))
	logo := pngBytes(t, disc(300, red))
	broken := append(slices.Clone(photo[:len(photo)/2]), 0xff, 0xd9)
	jobs := []transform.Job{
		job(t, photo, "w=100", transform.JPEG),
		job(t, photo, "w=100&h=50&fit=cover&gravity=attention", transform.WebP),
		job(t, logo, "w=77&bg=navy&pad=3", transform.PNG),
		job(t, logo, "w=64", transform.AVIF),
		job(t, animation(t), "w=31", transform.WebP),
		job(t, animation(t), "rotate=90", transform.GIF),
		job(t, broken, "w=400", transform.JPEG),
	}
	engine := vips.New()
	var want [][]byte
	for _, j := range jobs {
		out, _ := engine.Transform(t.Context(), j)
		want = append(want, out.Data)
	}
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range 3 * len(jobs) {
				k := (i + g) % len(jobs)
				out, err := engine.Transform(t.Context(), jobs[k])
				if want[k] == nil {
					if !errors.Is(err, transform.ErrCorrupt) {
						t.Errorf("broken job: %v", err)
					}
				} else if err != nil || !bytes.Equal(out.Data, want[k]) {
					t.Errorf("job %d differs when others run beside it: %v", k, err)
				}
			}
		})
	}
	wait.Wait()
}

func TestHEIC(t *testing.T) {
	drawn := scene(160, 120, false)
	ref, err := govips.NewImageFromGoImage(drawn)
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	if err := ref.ExtractBand(0, 3); err != nil {
		t.Fatal(err)
	}
	data, _, err := ref.ExportHeif(&govips.HeifExportParams{Quality: 90, Bitdepth: 8, Effort: 1})
	if err != nil {
		t.Skip("this libheif has no HEVC encoder to make an original with")
	}
	if d := difference(t, picture(t, data, "w=80"), average(drawn, 80, 60)); d > 4 {
		t.Errorf("differs by %.2f levels", d)
	}
}

// noise doesn't compress, so that a cut anywhere falls into pixels.
func noise(w, h int) *image.NRGBA {
	random := rand.New(rand.NewPCG(7, 7))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := 0; i+8 <= len(m.Pix); i += 8 {
		binary.LittleEndian.PutUint64(m.Pix[i:], random.Uint64()|0xff000000ff000000)
	}
	return m
}

func ExampleVersion() {
	major, _, _ := strings.Cut(vips.Version(), ".")
	fmt.Println(major)
	// Output: 8
}

// TestOneOriginal: a transform takes one original, and says so.
func TestOneOriginal(t *testing.T) {
	j := job(t, jpegBytes(t, scene(16, 12, false)), "", transform.JPEG)
	for _, originals := range [][]transform.Original{nil, append(j.Originals, j.Originals...)} {
		j.Originals = originals
		if _, err := vips.New().Transform(t.Context(), j); err == nil || !strings.Contains(err.Error(), "takes one original") {
			t.Errorf("%d originals: %v", len(originals), err)
		}
	}
}
