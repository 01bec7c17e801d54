//go:build cgo

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// compareSmall prints what the engine makes of the pictures of a folder in small sizes: the mean
// bytes, the mean score and that of the worst tenth. The last score is that of a sheet with all
// pictures, which is large.
func compareSmall(out io.Writer, photos string) error {
	trustAll()
	files, err := photographs(photos)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("name a folder of photographs with -photos: files of 100 kB and 1000 pixels or more")
	}
	engine := vips.New()
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, width := range []int{64, 128, 256} {
		var pictures []vips.Pixels
		var originals [][]byte
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			p, err := thumbnail(data, width)
			if err != nil {
				return err
			}
			data, err = pngOf(p)
			if err != nil {
				return err
			}
			pictures, originals = append(pictures, p), append(originals, data)
		}
		fmt.Fprintf(t, "%d pictures of %d\tJPEG: bytes\tscore\tworst\tsheet\tWebP: bytes\tscore\tworst\tsheet\tAVIF: bytes\tscore\tworst\tsheet\t\n", len(pictures), width)
		sheet := onSheet(pictures)
		for _, query := range []string{"q=30", "q=50", "q=60", "q=70", "q=80", "q=85", "q=90", "q=auto"} {
			fmt.Fprintf(t, "%s\t", query)
			for _, f := range []transform.Format{transform.JPEG, transform.WebP, transform.AVIF} {
				made, scores, bytes, err := variants(engine, originals, pictures, query, f)
				if err != nil {
					return err
				}
				together, err := vips.Score(sheet, onSheet(made))
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%.1f\t", bytes/len(pictures), mean(scores), mean(scores[:max(1, len(scores)/10)]), together)
			}
			fmt.Fprintln(t)
		}
	}
	return t.Flush()
}

// variants returns what the engine makes of originals, the scores beside their pictures, the lowest
// first, and the bytes of all.
func variants(engine *vips.Engine, originals [][]byte, pictures []vips.Pixels, query string, f transform.Format) (made []vips.Pixels, scores []float64, bytes int, err error) {
	for i, p := range pictures {
		data, err := variant(engine, originals[i], query, f)
		if err != nil {
			return nil, nil, 0, err
		}
		got, err := levelsOf(data)
		if err != nil {
			return nil, nil, 0, err
		}
		score, err := vips.Score(p, got)
		if err != nil {
			return nil, nil, 0, err
		}
		made, scores, bytes = append(made, got), append(scores, score), bytes+len(data)
	}
	slices.Sort(scores)
	return made, scores, bytes, nil
}

func pngOf(p vips.Pixels) ([]byte, error) {
	picture, err := govips.NewImageFromMemory(p.Levels, p.Width, p.Height, p.Bands, govips.BandFormatUchar, govips.InterpretationSRGB)
	if err != nil {
		return nil, err
	}
	defer picture.Close()
	return export(picture, transform.PNG, settings{effort: 1, filter: govips.PngFilterNone})
}

// onSheet lays pictures of the same width beside each other, on grey.
func onSheet(pictures []vips.Pixels) vips.Pixels {
	const columns, gap = 6, 8
	width, height := pictures[0].Width+gap, 0
	for _, p := range pictures {
		height = max(height, p.Height+gap)
	}
	sheet := vips.Pixels{Width: columns * width, Height: (len(pictures) + columns - 1) / columns * height, Bands: 3}
	sheet.Levels = slices.Repeat([]byte{128}, sheet.Width*sheet.Height*3)
	for i, p := range pictures {
		for y := range p.Height {
			copy(sheet.Levels[((i/columns*height+y)*sheet.Width+i%columns*width)*3:], p.Levels[y*p.Width*3:(y+1)*p.Width*3])
		}
	}
	return sheet
}

func mean(values []float64) (sum float64) {
	for _, v := range values {
		sum += v / float64(len(values))
	}
	return sum
}
