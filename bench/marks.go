//go:build cgo

package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"text/tabwriter"

	"github.com/tintype/tintype/transform"
)

// markCases are variants of photo.jpg with a mark. aim is the target for the ratio to the
// same variant without a mark; 0 is no target.
var markCases = []struct {
	name, query string
	to          transform.Format
	aim         float64
}{
	{"marked jpeg", "mark=folder/logo.png", transform.JPEG, 1.25},
	{"marked all over", "mark=folder/logo.png&mark-repeat&mark-opacity=0.4", transform.JPEG, 0},
	{"marked webp", "mark=folder/logo.png", transform.WebP, 0},
	{"marked avif", "mark=folder/logo.png", transform.AVIF, 0},
}

// compareMarks makes variants of 512 pixels with and without a mark, in turn. It prints the
// median processor time of each, in milliseconds, and their ratio.
func compareMarks(out io.Writer, n int, only *regexp.Regexp, h *house, files originals) error {
	const photo, logo = "photo.jpg", "logo.png"
	if len(files[photo]) == 0 || len(files[logo]) == 0 {
		return nil
	}
	for name, original := range map[string][]byte{photo: files[photo][0], logo: files[logo][0]} {
		if err := h.keep(name, original); err != nil {
			return err
		}
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "case\tmarked ms\tunmarked ms\tratio\taim\t")
	for _, c := range markCases {
		if !only.MatchString(c.name) {
			continue
		}
		var times [2][]float64
		for range n {
			for i, way := range []way{h.missWith(photo, c.query), h.miss(photo)} {
				start := cpu()
				if _, err := way(nil, 512, c.to); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				times[i] = append(times[i], float64(cpu()-start)/1e6)
			}
		}
		var ms [2]float64
		for i := range times {
			slices.Sort(times[i])
			ms[i] = times[i][n/2]
		}
		aim := "–"
		if c.aim > 0 {
			aim = fmt.Sprintf("%.2f", c.aim)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.3f\t%s\t\n", c.name, ms[0], ms[1], ms[0]/ms[1], aim)
	}
	return t.Flush()
}
