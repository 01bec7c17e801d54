//go:build cgo && linux

package vips_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/worker"
)

// TestEstimate: what a worker takes at its peak, of the memory that counts against its
// bound, is no more than the estimate, which is not far above it. Noise takes the most.
func TestEstimate(t *testing.T) {
	soaking, megapixels := os.Getenv("SOAK") != "", 1.0
	if soaking {
		megapixels = 16
	}
	height := int(math.Sqrt(megapixels * 1e6 * 3 / 4))
	width := height * 4 / 3

	p, err := worker.Start(t.Context(), worker.Config{
		Command: []string{os.Args[0], workerCommand}, Workers: 1, Queue: 10, Timeout: 10 * time.Minute, Memory: -1, Budget: 1 << 50,
		RecycleJobs: 1, // so that nothing is left of the job before
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })

	made := map[string][]byte{
		"png":   pngBytes(t, noisy(width, height, false)),
		"alpha": pngBytes(t, noisy(width, height, true)),
		"jpeg":  jpegBytes(t, noisy(width, height, false)),
		"small": jpegBytes(t, noisy(400, 300, false)),
		"gif":   noisyFrames(t, width/3, height/3, 9),
		"long":  noisyFrames(t, width/10, height/10, 100),
		"drawn": pngBytes(t, drawnNoise(width, height)),
		"svg":   fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"><rect width="300" height="200" fill="#fed"/></svg>`, width, height),
	}
	for name, query := range map[string]string{"webp": "", "avif": "", "tiff": "", "jxl": "", "pjpeg": "progressive"} {
		f := transform.Format(strings.TrimPrefix(name, "p"))
		image, err := p.Transform(t.Context(), job(t, made["png"], query, f))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		made[name] = image.Data
	}

	size := fmt.Sprintf("w=%d&h=%d&fit=cover", width, height)
	for _, c := range []struct {
		original, query string
		format          transform.Format
	}{
		// Encoders and marks, all of which are tried.
		{"jpeg", "", transform.JXL},
		{"jpeg", "lossless", transform.JXL},
		{"alpha", "", transform.JXL},
		{"alpha", "lossless", transform.JXL},
		{"jpeg", "", transform.AVIF},
		{"alpha", "", transform.AVIF},
		{"jpeg", "", transform.WebP},
		{"jpeg", "lossless", transform.WebP},
		{"alpha", "", transform.WebP},
		{"alpha", "lossless", transform.WebP},
		{"jpeg", "", transform.GIF},
		{"jpeg", "", transform.PNG},
		{"alpha", "progressive", transform.PNG},
		{"png", "", transform.JPEG},
		{"png", "progressive", transform.JPEG},
		{"alpha", "", transform.TIFF},
		{"jpeg", "pad=50", transform.JXL},
		{"jpeg", "mark=avif", transform.JPEG},
		{"small", size + "&mark=alpha", transform.PNG},
		{"alpha", "grid", transform.JPEG},
		{"webp", "grid", transform.PNG},
		{"pjpeg", "facts", transform.JSON},
		{"webp", "facts", transform.JSON},
		{"small", "draw", transform.JPEG},
		{"small", "draw", transform.WebP},
		{"small", "draw", transform.PNG},
		{"small", "draw", transform.AVIF},
		{"jpeg", "q=auto", transform.JPEG},
		{"jpeg", "q=auto", transform.WebP},
		{"alpha", "q=auto", transform.AVIF},
		{"jpeg", "q=auto", transform.JXL},
		{"small", "w=1300&h=1000&fit=cover&q=auto", transform.AVIF}, // too large to be checked
		{"small", "w=1300&h=1000&fit=cover&q=auto", transform.JXL},
		{"jpeg", "w=512&h=512&fit=cover", transform.AVIF},
		{"alpha", "w=512&h=512&fit=cover", transform.AVIF},
		{"drawn", "either&", transform.AVIF},
		{"drawn", "either&q=auto", transform.AVIF},
		{"drawn", "either&w=500&q=auto", transform.AVIF},
		// Decoders.
		{"png", "w=64", transform.PNG},
		{"jpeg", "w=64", transform.PNG},
		{"pjpeg", "w=64", transform.PNG},
		{"webp", "", transform.JPEG},
		{"avif", "w=64", transform.PNG},
		{"tiff", "w=64", transform.PNG},
		{"jxl", "w=64", transform.PNG},
		{"gif", "w=64&anim=0", transform.PNG},
		{"svg", "", transform.JPEG},
		{"svg", "w=2000&h=90&fit=squeeze", transform.JPEG},
		// Steps.
		{"jpeg", "rotate=90", transform.JPEG},
		{"jpeg", "flip=v", transform.JPEG},
		{"jpeg", "rotate=45", transform.JPEG},
		{"alpha", "rotate=-20&blur=9", transform.PNG},
		{"jpeg", "rotate=45&fit=cover&w=300&h=300&fp-z=2", transform.JPEG},
		{"small", size + "&rotate=10", transform.JPEG},
		{"small", size + "&rotate=10&gravity=entropy", transform.PNG},
		{"jpeg", "radius=max", transform.AVIF},
		{"jpeg", "w=60%25&inset=100,7", transform.JPEG},
		{"jpeg", "w=300&h=900&fit=outside", transform.JPEG},
		{"jpeg", "w=900&h=300&fit=auto", transform.JPEG},
		{"jpeg", "w=100&h=300&fit=cover&gravity=face", transform.JPEG},
		{"small", size + "&gravity=face&rect=0,0,100%25,90%25", transform.PNG},
		{"jpeg", "radius=40", transform.WebP},
		{"long", "rotate=30", transform.WebP},
		{"jpeg", "blur=100", transform.JPEG},
		{"jpeg", "blur=3&sharpen=50&pixelate=9", transform.JPEG},
		{"jpeg", "trim=200", transform.JPEG},
		{"alpha", "rotate=90&blur=9&sharpen=9&pixelate=3&sepia&gamma=2&saturation=2", transform.PNG},
		{"alpha", "bg=ff00ff80&pad=50", transform.PNG},
		{"small", size, transform.JPEG},
		{"small", size + "&blur=50", transform.JPEG},
		{"small", fmt.Sprintf("w=%d&h=100&fit=cover&gravity=attention", width), transform.JPEG},
		{"small", fmt.Sprintf("w=%d&h=100&fit=cover&gravity=entropy", width), transform.JPEG},
		{"alpha", size + "&gravity=entropy&rect=0,0,100%25,50%25", transform.JPEG},
		// Animations.
		{"gif", "", transform.WebP},
		{"gif", "lossless", transform.WebP},
		{"gif", "", transform.GIF},
		{"gif", "rotate=90&blur=50&sharpen=50", transform.WebP},
		{"long", "", transform.WebP},
		{"long", "", transform.GIF},
		{"long", "blur=100", transform.WebP},
		{"long", "rotate=90", transform.WebP},
		{"long", "pixelate=5", transform.GIF},
		{"long", "pad=9&bg=ff000080", transform.GIF},
		// The best looks, all of which are tried.
		{"jpeg", "best&w=64", transform.JPEG},
		{"jpeg", fmt.Sprintf("best&w=%d", width-1), transform.JPEG},
		{"alpha", "best&w=200", transform.PNG},
	} {
		query, best := strings.CutPrefix(c.query, "best&")
		query, either := strings.CutPrefix(query, "either&")
		name := fmt.Sprintf("%s?%s to %s", c.original, c.query, c.format)
		j := job(t, made[c.original], query, c.format)
		j.Best, j.OrWebP = best, either
		if c.query == "grid" {
			body := made[c.original]
			j = gridJob(t, transform.Grid{Type: transform.GridClassic, Cols: 2, Size: transform.Size{W: width, H: height}}, "", c.format, body, body, body, body)
		}
		switch c.query {
		case "facts":
			j = factsJob(t, made[c.original])
		case "draw":
			j = factsJob(t, made[c.original])
			whole := transform.Size{W: width, H: height}
			j.Task, j.Format, j.Drawing = transform.TaskDraw, c.format, &transform.Drawing{Of: transform.DrawThumbHash, Whole: whole, Output: whole}
		}
		j.Limits = transform.Limits{}
		if j.Options.Mark.Name != "" {
			j.Marks = []transform.MarkImage{markOf(t, made[j.Options.Mark.Name], "mark-w=100%25&mark-h=100%25")}
		}
		peak := peakOf(t, p, func() {
			if _, err := p.Transform(t.Context(), j); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		estimate := worker.Estimate(&j)
		t.Logf("%-90s peak %5d MB, estimate %5d MB", name, peak/1e6, estimate/1e6)
		if peak > estimate {
			t.Errorf("%s: it took %d MB, estimated were %d MB", name, peak/1e6, estimate/1e6)
		}
		// The original is in memory that no worker is charged for. A TIFF could be in one
		// strip, which is decoded whole; these aren't.
		bodies := int64(0)
		for _, o := range j.Originals {
			bodies += int64(len(o.Body))
		}
		if most := 4*peak + 80e6 + 2*bodies; estimate > most && c.original != "tiff" {
			t.Errorf("%s: it took %d MB, estimated were as many as %d MB", name, peak/1e6, estimate/1e6)
		}
	}
}

// drawnNoise looks like a drawing to the engine, which tries WebP beside AVIF then, and has as
// many edges as such a picture can have.
func drawnNoise(width, height int) image.Image {
	m := noisy(width, height, false)
	return samplesOf(width, height, func(x, y int) color.NRGBA { return m.NRGBAAt(x/3*3, y) })
}

// noisyFrames is an animation of which every pixel is its own.
func noisyFrames(t *testing.T, width, height, frames int) []byte {
	t.Helper()
	palette := make(color.Palette, 0, 256)
	for i := range 255 {
		palette = append(palette, color.NRGBA{uint8(i), uint8(i * 3), uint8(i * 7), 255})
	}
	palette = append(palette, color.NRGBA{})
	random := rand.New(rand.NewPCG(1, 2))
	return encodeFrames(t, frames, func(int) *image.Paletted {
		m := image.NewPaletted(image.Rect(0, 0, width, height), palette)
		for i := range m.Pix {
			m.Pix[i] = uint8(random.Uint32())
		}
		return m
	})
}

// peakOf is how much more memory a worker took, in bytes, than it had, while something
// was done.
func peakOf(t *testing.T, p *worker.Pool, do func()) (peak int64) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if s := p.Stats(); s.Idle == 2 && s.Starting == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("there are no workers")
		}
	}
	before := workersMemory()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		every := time.NewTicker(time.Millisecond)
		defer every.Stop()
		for {
			for pid, had := range before {
				peak = max(peak, memoryOf(pid)-had)
			}
			select {
			case <-stop:
				return
			case <-every.C:
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return peak
}

// workersMemory returns what each child process takes, as memoryOf counts it.
func workersMemory() map[int]int64 {
	memory := map[int]int64{}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range lists {
		b, _ := os.ReadFile(name) // a thread that has ended
		for _, field := range strings.Fields(string(b)) {
			pid, _ := strconv.Atoi(field)
			memory[pid] = memoryOf(pid)
		}
	}
	return memory
}

// memoryOf returns what counts against the memory bound of a process, in bytes: the private
// memory that it may write to. It is 0 for a process that has ended.
func memoryOf(pid int) int64 {
	statm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	f := strings.Fields(string(statm))
	if len(f) < 6 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[5], 10, 64)
	return pages * int64(os.Getpagesize())
}
