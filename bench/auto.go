//go:build cgo

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// A trial is one picture in one format: its detail, and its score and bytes at each quality
// of the encoder.
type trial struct {
	Name    string
	Held    bool // not for fitting
	Way     string
	W, H    int
	Detail  vips.Detail
	Quality []int
	Score   []float64
	Bytes   []int
}

// An autoWay is an encoder with a mode of colours.
type autoWay struct {
	name    string
	format  transform.Format
	full    bool  // the full resolution of colours, or for WebP the slower way to halve it
	quality []int // to try, on the scale of the encoder
}

var autoWays = []autoWay{
	{"jpeg", transform.JPEG, false, []int{25, 42, 56, 67, 75, 81, 86, 89}},
	{"jpeg full", transform.JPEG, true, []int{15, 25, 42, 56, 67, 75, 83, 90, 95}},
	{"webp", transform.WebP, false, []int{20, 40, 55, 66, 75, 83, 90, 96, 100}},
	{"avif", transform.AVIF, false, []int{30, 42, 50, 56, 62, 68, 75, 83, 89}},
	{"avif full", transform.AVIF, true, []int{25, 36, 45, 52, 58, 66, 75, 83, 92}},
	{"jxl", transform.JXL, true, []int{35, 52, 64, 73, 79, 84, 88, 92, 95}},
}

// tryQualities writes a trial for each picture and format, as lines of JSON.
// The scores of earlier ones are kept.
func tryQualities(name, photos string) error {
	trustAll()
	earlier, err := readTrials(name)
	if err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	w := bufio.NewWriter(out)
	defer w.Flush()
	return autoPictures(photos, func(name string, p vips.Pixels) error {
		picture, err := govips.NewImageFromMemory(p.Levels, p.Width, p.Height, 3, govips.BandFormatUchar, govips.InterpretationSRGB)
		if err != nil {
			return err
		}
		defer picture.Close()
		detail, err := vips.DetailOf(p)
		if err != nil {
			return err
		}
		for _, way := range autoWays {
			t := trial{Name: name, Held: heldOut(name), Way: way.name, W: p.Width, H: p.Height, Detail: detail, Quality: way.quality}
			if e, ok := earlier[t.Name+t.Way]; ok && slices.Equal(e.Quality, t.Quality) {
				t.Score, t.Bytes = e.Score, e.Bytes
			}
			for _, q := range t.Quality[len(t.Score):] {
				var data []byte
				if way.format == transform.JPEG {
					data, err = vips.EncodeJPEG(p, q, way.full)
				} else {
					data, err = export(picture, way.format, settings{quality: q, effort: autoEffort[way.format], full: way.full})
				}
				if err != nil {
					return err
				}
				score, err := scoreOf(p, data)
				if err != nil {
					return err
				}
				t.Score, t.Bytes = append(t.Score, score), append(t.Bytes, len(data))
			}
			line, err := json.Marshal(t)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s\n", line)
		}
		return w.Flush()
	})
}

func readTrials(name string) (map[string]trial, error) {
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	trials := map[string]trial{}
	for line := range bytes.Lines(data) {
		var t trial
		if err := json.Unmarshal(line, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		trials[t.Name+t.Way] = t
	}
	return trials, nil
}

var autoEffort = map[transform.Format]int{transform.WebP: 2, transform.AVIF: 1, transform.JXL: 3}

// heldOut reports whether a picture is for judging only: half of them are. Those whose names
// begin alike are on the same side, since they may show the same.
func heldOut(name string) bool {
	h := fnv.New32a()
	name = strings.ToLower(name)
	h.Write([]byte(name[:min(len(name), 4)]))
	return h.Sum32()%2 == 1
}

// autoPictures calls do with each picture, in sizes as pages use them: drawn ones in two
// sizes, and the photographs of the folder in one.
func autoPictures(photos string, do func(name string, p vips.Pixels) error) error {
	return pictures(photos, func(i int, drawn bool) []int {
		if drawn {
			return []int{240, 400}
		}
		return []int{[]int{512, 240, 400, 320}[i%4]}
	}, do)
}

// pictures calls do with each picture in these widths: drawn ones and the photographs of the
// folder.
func pictures(photos string, widths func(i int, drawn bool) []int, do func(name string, p vips.Pixels) error) error {
	one := func(name string, data []byte, width int) error {
		p, err := thumbnail(data, width)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return do(fmt.Sprintf("%s-%d", name, width), p)
	}
	for i, m := range []func() image.Image{
		func() image.Image { return samples.SceneSeed(1600, 1066, samples.Dusk) },
		func() image.Image { return samples.SceneSeed(1600, 1066, samples.Noon) },
		func() image.Image { return samples.SceneSeed(1600, 1066, samples.Night) },
		func() image.Image { return samples.SceneSeed(1600, 1066, 77) },
		func() image.Image { return samples.SceneSeed(1066, 1600, 1234) },
		func() image.Image { return samples.Portrait(1200, 1200) },
		func() image.Image { return samples.Chart(1600, 1066) },
		func() image.Image { return samples.Logo(1200, 1200) },
	} {
		name := fmt.Sprintf("%cdrawn%d", 'a'+i, i)
		data := toPNG(m())
		for _, width := range widths(i, true) {
			if err := one(name, data, width); err != nil {
				return err
			}
		}
	}
	files, err := photographs(photos)
	if err != nil {
		return err
	}
	for i, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, width := range widths(i, false) {
			if err := one(autoName(name), data, width); err != nil {
				return err
			}
		}
	}
	return nil
}

// autoName names a photograph by what its path says beside "images", sizes and extensions.
func autoName(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	name := strings.TrimSuffix(parts[len(parts)-1], filepath.Ext(path))
	if len(parts) > 3 && parts[len(parts)-3] == "contents" {
		name = parts[len(parts)-4] + "-" + name
	}
	return name
}

// photographs returns the pictures of a folder and its subfolders, by name.
func photographs(dir string) ([]string, error) {
	if dir == "" {
		return nil, nil
	}
	var files []string
	seen := map[int64]bool{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || seen[info.Size()] || info.Size() < 100_000 {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		h, err := header.Read(data)
		if err != nil || h.Width < 1000 || h.Frames > 1 {
			return nil
		}
		seen[info.Size()] = true
		files = append(files, name)
		return nil
	})
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(autoName(a), autoName(b)) })
	return files, err
}

// thumbnail returns a picture with this width in sRGB, without alpha.
func thumbnail(data []byte, width int) (vips.Pixels, error) {
	picture, err := govips.LoadThumbnailFromBuffer(data, width, 1_000_000, govips.InterestingNone, govips.SizeDown, govips.NewImportParams())
	if err != nil {
		return vips.Pixels{}, err
	}
	defer picture.Close()
	return levels(picture)
}

func levelsOf(data []byte) (vips.Pixels, error) {
	picture, err := govips.LoadImageFromBuffer(data, govips.NewImportParams())
	if err != nil {
		return vips.Pixels{}, err
	}
	defer picture.Close()
	return levels(picture)
}

// scoreOf returns how similar an encoded picture is to p.
func scoreOf(p vips.Pixels, data []byte) (float64, error) {
	got, err := levelsOf(data)
	if err != nil {
		return 0, err
	}
	return vips.Score(p, got)
}

func levels(picture *govips.ImageRef) (vips.Pixels, error) {
	if picture.Bands() < 3 || picture.BandFormat() != govips.BandFormatUchar || picture.Interpretation() != govips.InterpretationSRGB {
		if err := picture.ToColorSpace(govips.InterpretationSRGB); err != nil {
			return vips.Pixels{}, err
		}
	}
	if picture.HasAlpha() {
		if err := picture.Flatten(&govips.Color{R: 255, G: 255, B: 255}); err != nil {
			return vips.Pixels{}, err
		}
	}
	if err := picture.Cast(govips.BandFormatUchar); err != nil {
		return vips.Pixels{}, err
	}
	b, err := picture.ToBytes()
	return vips.Pixels{Levels: b, Width: picture.Width(), Height: picture.Height(), Bands: picture.Bands()}, err
}

// judgeAuto prints how near to the target q=auto comes for the pictures that were held out,
// and what processor time it takes beside a fixed quality: decoding a JPEG of 2000 pixels,
// reducing it to 512 and encoding it.
func judgeAuto(out io.Writer, photos string, target, most int) error {
	trustAll()
	engine := vips.New()
	formats := []transform.Format{transform.JPEG, transform.WebP, transform.AVIF, transform.JXL}
	off, size := map[transform.Format][]float64{}, map[transform.Format]int{}
	n := 0
	err := autoPictures(photos, func(name string, p vips.Pixels) error {
		if !heldOut(name) || n == most {
			return nil
		}
		n++
		picture, err := govips.NewImageFromMemory(p.Levels, p.Width, p.Height, 3, govips.BandFormatUchar, govips.InterpretationSRGB)
		if err != nil {
			return err
		}
		defer picture.Close()
		original, err := export(picture, transform.PNG, settings{effort: 1, filter: govips.PngFilterNone})
		if err != nil {
			return err
		}
		for _, f := range formats {
			data, err := variant(engine, original, fmt.Sprintf("q=auto&q-target=%d", target), f)
			if err != nil {
				return err
			}
			score, err := scoreOf(p, data)
			if err != nil {
				return err
			}
			off[f] = append(off[f], score-float64(target))
			size[f] += len(data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	timed, err := timedPhotos(photos)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "target %d\tpictures\twithin 2\twithin 3\tmean off\tworst below\tkB\tprocessor time\t\n", target)
	for _, f := range formats {
		within2, within3, sum, worst := 0, 0, 0.0, 0.0
		for _, d := range off[f] {
			if math.Abs(d) <= 2 {
				within2++
			}
			if math.Abs(d) <= 3 {
				within3++
			}
			sum += math.Abs(d) / float64(len(off[f]))
			worst = min(worst, d)
		}
		ratio, err := autoTime(engine, timed, target, f)
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f %%\t%.0f %%\t%.2f\t%.1f\t%.1f\t%.2f\t\n", f, len(off[f]), 100*float64(within2)/float64(len(off[f])),
			100*float64(within3)/float64(len(off[f])), sum, worst, float64(size[f])/1e3/float64(len(off[f])), ratio)
	}
	return t.Flush()
}

// autoTime returns the processor time of q=auto beside that of the usual quality, of making
// 512 pixels from a JPEG of 2000: for each photograph that was held out, the quotient of sums
// over turns that are taken one after the other. It is the median of the photographs.
func autoTime(engine *vips.Engine, photos [][]byte, target int, f transform.Format) (float64, error) {
	var quotients []float64
	for _, original := range photos {
		var took [2]time.Duration
		for range 5 {
			for i, query := range []string{"w=512", fmt.Sprintf("w=512&q=auto&q-target=%d", target)} {
				before := cpu()
				if _, err := variant(engine, original, query, f); err != nil {
					return 0, err
				}
				took[i] += cpu() - before
			}
		}
		quotients = append(quotients, float64(took[1])/float64(took[0]))
	}
	slices.Sort(quotients)
	return quotients[len(quotients)/2], nil
}

// timedPhotos returns at most 15 of the photographs that were held out, as JPEGs of 2000
// pixels. Without a folder it draws one.
func timedPhotos(folder string) ([][]byte, error) {
	files, err := photographs(folder)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return [][]byte{toJPEG(samples.Scene(2000, 1333))}, nil
	}
	files = slices.DeleteFunc(files, func(name string) bool { return !heldOut(autoName(name)) || filepath.Ext(name) != ".jpg" })
	const most = 15
	var photos [][]byte
	for i := range min(most, len(files)) {
		data, err := os.ReadFile(files[i*len(files)/min(most, len(files))])
		if err != nil {
			return nil, err
		}
		p, err := thumbnail(data, 2000)
		if err != nil {
			return nil, err
		}
		picture, err := govips.NewImageFromMemory(p.Levels, p.Width, p.Height, 3, govips.BandFormatUchar, govips.InterpretationSRGB)
		if err != nil {
			return nil, err
		}
		data, err = export(picture, transform.JPEG, settings{quality: 90})
		picture.Close()
		if err != nil {
			return nil, err
		}
		photos = append(photos, data)
	}
	return photos, nil
}

func variant(engine *vips.Engine, original []byte, query string, f transform.Format) ([]byte, error) {
	h, err := header.Read(original)
	if err != nil {
		return nil, err
	}
	q, err := transform.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	o, err := transform.Parse(transform.Defaults(), q)
	if err != nil {
		return nil, err
	}
	made, err := engine.Transform(context.Background(), transform.Job{
		Originals: []transform.Original{{Body: original, Header: h}}, Options: o, Format: f, Limits: transform.DefaultLimits(),
	})
	return made.Data, err
}

func (p *pixels) pixels() vips.Pixels {
	return vips.Pixels{Levels: p.bytes(), Width: p.w, Height: p.h, Bands: 3}
}
