//go:build cgo

package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// metricWidths are what pictures have whose scores are compared. Below 113
// pixels the tool gives weights to the wrong colours, so its score isn't ours.
var metricWidths = []int{400, 1200, 240, 700, 320}

// checkMetric compares the engine's score and that of this package with a tool that takes
// two PNG files and prints theirs, over n pairs: pictures and what encoders make of them.
func checkMetric(out io.Writer, photos, tool string, n int) error {
	trustAll()
	dir, err := os.MkdirTemp(os.Getenv("TMPDIR"), "metric")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	pairs, worst, worstOwn, sum := 0, 0.0, 0.0, 0.0
	widths := func(i int, drawn bool) []int { return []int{metricWidths[i%len(metricWidths)]} }
	err = pictures(photos, widths, func(name string, p vips.Pixels) error {
		picture, err := govips.NewImageFromMemory(p.Levels, p.Width, p.Height, 3, govips.BandFormatUchar, govips.InterpretationSRGB)
		if err != nil {
			return err
		}
		defer picture.Close()
		for i, way := range autoWays {
			if pairs == n || (pairs+i)%3 > 0 {
				continue
			}
			q := way.quality[(pairs*5)%len(way.quality)]
			data, err := export(picture, way.format, settings{quality: q, effort: autoEffort[way.format], full: way.full})
			if err != nil {
				return err
			}
			got, err := levelsOf(data)
			if err != nil {
				return err
			}
			mine, err := vips.Score(p, got)
			if err != nil {
				return err
			}
			theirs, err := toolScore(tool, dir, p, got)
			if err != nil {
				return err
			}
			own := score(floats(p), floats(got))
			pairs++
			fmt.Fprintf(out, "%s %s %d: %.4f engine %+.4f bench %+.4f\n", name, way.name, q, theirs, mine-theirs, own-theirs)
			sum += math.Abs(mine - theirs)
			worst, worstOwn = max(worst, math.Abs(mine-theirs)), max(worstOwn, math.Abs(own-theirs))
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d pairs: the engine's score differs from the tool's by %.4f in the mean and %.4f at most, that of bench by %.4f at most\n",
		pairs, sum/float64(pairs), worst, worstOwn)
	return nil
}

func toolScore(tool, dir string, a, b vips.Pixels) (float64, error) {
	var names []string
	for i, p := range []vips.Pixels{a, b} {
		picture, err := govips.NewImageFromMemory(p.Levels, p.Width, p.Height, 3, govips.BandFormatUchar, govips.InterpretationSRGB)
		if err != nil {
			return 0, err
		}
		data, err := export(picture, transform.PNG, settings{effort: 1, filter: govips.PngFilterNone})
		picture.Close()
		if err != nil {
			return 0, err
		}
		names = append(names, filepath.Join(dir, strconv.Itoa(i)+".png"))
		if err := os.WriteFile(names[i], data, 0o644); err != nil {
			return 0, err
		}
	}
	said, err := exec.Command(tool, names...).Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(said)), 64)
}

func floats(p vips.Pixels) *pixels {
	out := &pixels{p.Width, p.Height, make([]float32, len(p.Levels))}
	for i, level := range p.Levels {
		out.rgb[i] = float32(level)
	}
	return out
}
