//go:build cgo

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// reductions are the factors that the looks of JPEG originals are measured at.
var reductions = []float64{2, 3, 4, 6, 8, 12}

// compareLooks prints, for each reduction of JPEG originals, what variants look like and
// cost: ours, ours with --looks best, the usual way, and libvips without shrink-on-load, once plain and once in
// linear light. Scores are against the original reduced in floating point, first with the
// levels as they are, then in linear light. Variants are JPEGs of quality 80. Originals are
// 4000 pixels wide: three are drawn, and those of the folder are photographs.
func compareLooks(out io.Writer, n int, photos string) error {
	drawn := [][]byte{toJPEG(samples.Scene(4000, 2667)), toJPEG(samples.Portrait(4000, 2667)), toJPEG(samples.Chart(4000, 2500))}
	kinds := map[string][][]byte{"drawn": drawn}
	if photos != "" {
		o := originals{}
		if err := o.addFolder(photos); err != nil {
			return err
		}
		kinds["photos"] = o["large.jpg"]
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "libvips %s\npictures\treduction\t", vips.Version())
	for _, w := range lookWays {
		fmt.Fprintf(t, "%s\tlinear\tms\tkB\t", w.name)
	}
	fmt.Fprintln(t)
	for _, kind := range []string{"drawn", "photos"} {
		for _, by := range reductions {
			if len(kinds[kind]) == 0 {
				continue
			}
			fmt.Fprintf(t, "%s\t%.1f\t", kind, by)
			looks := make([]look, len(lookWays))
			for _, original := range kinds[kind] {
				if err := addLooks(looks, original, by, n); err != nil {
					return err
				}
			}
			for _, l := range looks {
				n := float64(len(kinds[kind]))
				fmt.Fprintf(t, "%.2f\t%.2f\t%.1f\t%.1f\t", l.plain/n, l.linear/n, l.ms/n, l.kB/n)
			}
			fmt.Fprintln(t)
		}
	}
	return t.Flush()
}

// A look is what a way's variants look like and cost, summed over originals.
type look struct{ plain, linear, ms, kB float64 }

var lookWays = []struct {
	name string
	make way
}{
	{"ours", func(original []byte, width int, to transform.Format) ([]byte, error) {
		return ours(original, width, to, false)
	}},
	{"best", func(original []byte, width int, to transform.Format) ([]byte, error) {
		return ours(original, width, to, true)
	}},
	{"usual", usual},
	{"full", func(original []byte, width int, _ transform.Format) ([]byte, error) {
		return whole(original, width, false)
	}},
	{"full, linear light", func(original []byte, width int, _ transform.Format) ([]byte, error) {
		return whole(original, width, true)
	}},
}

// addLooks adds the looks of one original. Times are the medians of n.
func addLooks(looks []look, original []byte, by float64, n int) error {
	frames, err := decode(original)
	if err != nil {
		return err
	}
	width := int(float64(frames[0].w)/by + 0.5)
	height := int(float64(frames[0].h)*float64(width)/float64(frames[0].w) + 0.5)
	plain, linear := frames[0].resized(width, height).pixels(), frames[0].resizedInLight(width, height).pixels()
	times := make([][]float64, len(looks))
	for round := range n + 1 {
		for i, w := range lookWays {
			start := cpu()
			data, err := w.make(original, width, transform.JPEG)
			took := cpu() - start
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			if round > 0 {
				times[i] = append(times[i], float64(took)/1e6)
				continue
			}
			inPlain, err := scoreOf(plain, data)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			inLight, err := scoreOf(linear, data)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			looks[i].plain += inPlain
			looks[i].linear += inLight
			looks[i].kB += float64(len(data)) / 1e3
		}
	}
	for i := range times {
		slices.Sort(times[i])
		looks[i].ms += times[i][len(times[i])/2]
	}
	return nil
}

var engine = vips.New()

// ours makes the variant with the engine.
func ours(original []byte, width int, to transform.Format, best bool) ([]byte, error) {
	h, err := header.Read(original)
	if err != nil {
		return nil, err
	}
	query, err := transform.ParseQuery(fmt.Sprintf("w=%d&q=80", width))
	if err != nil {
		return nil, err
	}
	options, err := transform.Parse(transform.Defaults(), query)
	if err != nil {
		return nil, err
	}
	image, err := engine.Transform(context.Background(), transform.Job{
		Originals: []transform.Original{{Body: original, Header: h}}, Options: options, Format: to, Limits: transform.DefaultLimits(), Best: best,
	})
	return image.Data, err
}

// whole makes the variant with libvips, of all pixels of the original.
func whole(original []byte, width int, linear bool) ([]byte, error) {
	p := govips.NewImportParams()
	p.Access.Set(govips.AccessSequential)
	img, err := govips.LoadImageFromBuffer(original, p)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	if linear {
		if err := img.ToColorSpace(govips.InterpretationScRGB); err != nil {
			return nil, err
		}
	}
	if err := img.Resize(float64(width)/float64(img.Width()), govips.KernelLanczos3); err != nil {
		return nil, err
	}
	if linear {
		if err := img.ToColorSpace(govips.InterpretationSRGB); err != nil {
			return nil, err
		}
	}
	return export(img, transform.JPEG, settings{quality: 80})
}
