//go:build cgo

package main

import (
	"fmt"
	"image"
	"io"
	"text/tabwriter"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
)

// sweep prints, for each quality of JPEG, the quality of each other encoder that gives the
// same mean score. Encoders have the engine's settings. The pictures are 512 pixels wide:
// three landscapes, a portrait and a chart, drawn at four times the size and reduced in
// floating point, and the photographs of the folder.
func sweep(out io.Writer, photos string) error {
	trustAll()
	pictures, err := sweepPictures(photos)
	if err != nil {
		return err
	}
	var jpegQualities, own []int
	for q := 10; q <= 100; q += 10 {
		jpegQualities = append(jpegQualities, q)
	}
	jpegQualities = append(jpegQualities[:9], 95, 100)
	for q := 5; q <= 95; q += 5 {
		own = append(own, q)
	}
	own = append(own, 98, 100)
	jpeg, err := curveOf(pictures, transform.JPEG, settings{}, jpegQualities)
	if err != nil {
		return err
	}
	encoders := []struct {
		format transform.Format
		settings
	}{
		{transform.WebP, settings{effort: 2}},
		{transform.AVIF, settings{effort: 1}},
		{transform.JXL, settings{effort: 3}},
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%d pictures\njpeg q\tscore\tkB\t", len(pictures))
	var curves []curve
	for _, e := range encoders {
		c, err := curveOf(pictures, e.format, e.settings, own)
		if err != nil {
			return err
		}
		curves = append(curves, c)
		fmt.Fprintf(t, "%s q\tscore\tkB\t", e.format)
	}
	fmt.Fprintln(t)
	for _, target := range jpeg {
		fmt.Fprintf(t, "%.0f\t%.1f\t%.1f\t", target.quality, target.score, target.kB)
		for _, c := range curves {
			p := c.at(target.score)
			fmt.Fprintf(t, "%.1f\t%.1f\t%.1f\t", p.quality, p.score, p.kB)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// jxlDistance converts a quality as the tools of JPEG XL do. The result is the allowed
// distance, in units of a just noticeable difference.
func jxlDistance(quality int) float64 {
	q := float64(quality)
	if quality >= 30 {
		return 0.1 + (100-q)*0.09
	}
	return min(53.0/3000*q*q-23.0/20*q+25, 15)
}

func sweepPictures(photos string) ([]*pixels, error) {
	const width, scale = 512, 4
	var pictures []*pixels
	add := func(data []byte) error {
		frames, err := decode(data)
		if err != nil {
			return err
		}
		p := frames[0]
		pictures = append(pictures, p.resized(width, p.h*width/p.w).rounded())
		return nil
	}
	for _, m := range []image.Image{
		samples.SceneSeed(width*scale, width*scale*2/3, samples.Dusk),
		samples.SceneSeed(width*scale, width*scale*2/3, samples.Noon),
		samples.SceneSeed(width*scale, width*scale*2/3, samples.Night),
		samples.Portrait(width*scale, width*scale),
		samples.Chart(width*scale, width*scale*2/3),
	} {
		if err := add(toPNG(m)); err != nil {
			return nil, err
		}
	}
	if photos == "" {
		return pictures, nil
	}
	o := originals{}
	if err := o.addFolder(photos); err != nil {
		return nil, err
	}
	for _, data := range o["photo.png"] {
		if err := add(data); err != nil {
			return nil, err
		}
	}
	return pictures, nil
}

// A point is the mean result of a quality. A curve has points in ascending order of
// quality. Its score never falls.
type (
	point struct{ quality, score, kB float64 }
	curve []point
)

func curveOf(pictures []*pixels, to transform.Format, s settings, qualities []int) (curve, error) {
	var c curve
	highest := 0.0
	for i, q := range qualities {
		p := point{quality: float64(q)}
		s.quality = q
		for _, picture := range pictures {
			data, err := picture.export(to, s)
			if err != nil {
				return nil, err
			}
			got, err := decode(data)
			if err != nil {
				return nil, err
			}
			p.score += score(picture, got[0]) / float64(len(pictures))
			p.kB += float64(len(data)) / 1e3 / float64(len(pictures))
		}
		if i == 0 || p.score > highest {
			highest = p.score
		}
		p.score = highest
		c = append(c, p)
	}
	return c, nil
}

// at returns the point where the curve reaches a score, interpolated between its points.
func (c curve) at(score float64) point {
	if score <= c[0].score {
		return c[0]
	}
	for i := 1; i < len(c); i++ {
		from, to := c[i-1], c[i]
		if score <= to.score {
			part := (score - from.score) / (to.score - from.score)
			return point{from.quality + part*(to.quality-from.quality), score, from.kB + part*(to.kB-from.kB)}
		}
	}
	return c[len(c)-1]
}

func (p *pixels) bytes() []byte {
	levels := make([]byte, len(p.rgb))
	for i, level := range p.rgb {
		levels[i] = byte(level + 0.5)
	}
	return levels
}

// rounded returns the picture in whole levels, as encoders take it.
func (p *pixels) rounded() *pixels {
	out := &pixels{p.w, p.h, make([]float32, len(p.rgb))}
	for i, level := range p.bytes() {
		out.rgb[i] = float32(level)
	}
	return out
}

func (p *pixels) export(to transform.Format, s settings) ([]byte, error) {
	picture, err := govips.NewImageFromMemory(p.bytes(), p.w, p.h, 3, govips.BandFormatUchar, govips.InterpretationSRGB)
	if err != nil {
		return nil, err
	}
	defer picture.Close()
	return export(picture, to, s)
}
