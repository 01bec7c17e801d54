//go:build cgo

package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// cases are the variants to measure, 512 pixels wide except two. huge.jpg has no target:
// every way must decode all 24 megapixels, so the ratio stays at 0.78–0.83.
var cases = []struct {
	name  string
	width int
	to    transform.Format
	aim   float64 // target for the ratio miss/usual; 0 is none
}{
	{"photo.jpg", 512, transform.JPEG, 0.62},
	{"large.jpg", 512, transform.JPEG, 0.70},
	{"huge.jpg", 512, transform.JPEG, 0},
	{"photo.jpg", 512, transform.WebP, 0.70},
	{"photo.jpg", 512, transform.AVIF, 0.72},
	{"photo.png", 512, transform.PNG, 0.85},
	{"chart.png", 512, transform.PNG, 0},
	{"logo.png", 512, transform.WebP, 0},
	{"photo.webp", 512, transform.WebP, 0.90},
	{"photo.avif", 512, transform.AVIF, 0},
	{"orbit.gif", 512, transform.WebP, 0.80},
	{"small.gif", 240, transform.WebP, 0.80},
	{"orbit.gif", 512, transform.GIF, 0},
	{"avatar.jpg", 128, transform.JPEG, 0},
}

// compareAll draws the originals, or takes those of a folder. It prints the cost of
// variants, and the cost of marks.
func compareAll(out io.Writer, n int, only *regexp.Regexp, photos string) error {
	dir, err := os.MkdirTemp("", "tintype-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := newHouse(dir)
	if err != nil {
		return err
	}
	files, err := draw(photos)
	if err != nil {
		return err
	}
	if err := compareSpeed(out, n, only, h, files); err != nil {
		return err
	}
	return compareMarks(out, n, only, h, files)
}

// compareSpeed makes the variants of every case in four ways, in turn: a miss through the
// whole handler (policy, fetch from a folder, header check, engine, caching, answer); the
// same plan in plain libvips calls; these calls with a JPEG that libjpeg shrinks twice as much;
// and the usual way. It prints the median processor time in milliseconds, as the mean over the
// originals of a case, then bytes and scores (see ssimulacra2.go). The reference for scores is
// the original reduced in floating point. The peak is the maximum memory of the process during
// a miss, with the originals of all cases in memory.
func compareSpeed(out io.Writer, n int, only *regexp.Regexp, h *house, files originals) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "libvips %s, %d variants of each kind\n", vips.Version(), n)
	fmt.Fprintln(t, "case\tmiss ms\tcalls ms\tshrunk ms\tusual ms\tmiss/calls\tmiss/shrunk\tmiss/usual\taim\tmiss kB\tcalls kB\tusual kB\tmiss score\tcalls score\tshrunk score\tusual score\tpeak MB\t")
	for _, c := range cases {
		name := fmt.Sprintf("%s to %s", c.name, c.to)
		if !only.MatchString(name) || len(files[c.name]) == 0 {
			continue
		}
		var total outcome
		for i, original := range files[c.name] {
			file := strconv.Itoa(i) + c.name
			if err := h.keep(file, original); err != nil {
				return err
			}
			o, err := measure(h.miss(file), original, c.width, c.to, max(n/len(files[c.name]), 5))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			total.add(o)
		}
		total.print(t, name, c.aim, float64(len(files[c.name])))
	}
	return t.Flush()
}

// An outcome is the result for one variant, or the sum of several.
type outcome struct {
	ms, kB, score [4]float64 // miss, calls, shrunk, usual
	peak          float64    // MB
}

func (o *outcome) add(p outcome) {
	for i := range o.ms {
		o.ms[i] += p.ms[i]
		o.kB[i] += p.kB[i]
		o.score[i] += p.score[i]
	}
	o.peak = max(o.peak, p.peak)
}

func (o *outcome) print(out io.Writer, name string, aim, n float64) {
	ratio := func(i int) string {
		if o.ms[i] == 0 {
			return "–"
		}
		return fmt.Sprintf("%.3f", o.ms[0]/o.ms[i])
	}
	wanted := "–"
	if aim > 0 {
		wanted = fmt.Sprintf("%.2f", aim)
	}
	fmt.Fprintf(out, "%s\t", name)
	for _, ms := range o.ms {
		fmt.Fprintf(out, "%.2f\t", ms/n)
	}
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%.1f\t%.1f\t%.1f\t", ratio(1), ratio(2), ratio(3), wanted, o.kB[0]/n, o.kB[1]/n, o.kB[3]/n)
	for _, score := range o.score {
		fmt.Fprintf(out, "%.2f\t", score/n)
	}
	fmt.Fprintf(out, "%.0f\t\n", o.peak)
}

// measure makes one variant n times in each way, after two rounds to warm up.
func measure(miss way, original []byte, width int, to transform.Format, n int) (outcome, error) {
	references, err := decode(original)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	ways := []way{miss, calls, nil, usual}
	if govips.DetermineImageType(original) == govips.ImageTypeJPEG {
		ways[2] = shrunkCalls
	}
	var times [4][]float64
	for round := range n + 2 {
		for i, make := range ways {
			if make == nil {
				continue
			}
			if i == 0 && round == 0 {
				forgetPeak()
			}
			start := cpu()
			data, err := make(original, width, to)
			took := cpu() - start
			if err != nil {
				return outcome{}, err
			}
			if i == 0 && round == 0 {
				o.peak = peak()
			}
			if round >= 2 {
				times[i] = append(times[i], float64(took)/1e6)
				continue
			}
			o.kB[i] = float64(len(data)) / 1e3
			if round == 1 {
				if o.score[i], err = compareFrames(references, data); err != nil {
					return outcome{}, err
				}
			}
		}
	}
	for i := range times {
		if ways[i] == nil {
			continue
		}
		slices.Sort(times[i])
		o.ms[i] = times[i][len(times[i])/2]
	}
	return o, nil
}

// cpu returns the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// forgetPeak frees unused memory and, on Linux, resets the value of peak.
func forgetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// peak returns the maximum memory of the process, in MB, or 0 if unknown.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	n, err := strconv.ParseFloat(kilobytes, 64)
	if err != nil {
		return 0
	}
	return n / 1e3
}
