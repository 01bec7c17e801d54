//go:build cgo

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// originals are files by name: "photo.jpg" holds every photograph as a JPEG of 2000 pixels,
// "large.jpg" those of at least 4000 pixels, and so on.
type originals map[string][][]byte

// draw makes the drawn originals. With an empty folder name it draws the photographs too.
func draw(photos string) (originals, error) {
	o := originals{}
	if photos == "" {
		o.add("large.jpg", toJPEG(samples.Scene(4000, 2667)))
		o.add("huge.jpg", toJPEG(samples.Scene(6000, 4000)))
		if err := o.addPhoto(toPNG(samples.Scene(2000, 1333))); err != nil {
			return nil, err
		}
	} else if err := o.addFolder(photos); err != nil {
		return nil, err
	}
	o.add("avatar.jpg", toJPEG(samples.Portrait(300, 300)))
	o.add("chart.png", toPNG(samples.Chart(2000, 1250)))
	o.add("logo.png", toPNG(samples.Logo(1600, 1600)))
	if err := o.addAnimation("orbit.gif", 1000, 600, 12); err != nil {
		return nil, err
	}
	return o, o.addAnimation("small.gif", 480, 320, 36)
}

func (o originals) addAnimation(name string, width, height, frames int) error {
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, samples.Animation(width, height, frames)); err != nil {
		return err
	}
	o.add(name, b.Bytes())
	return nil
}

func (o originals) add(name string, data []byte) { o[name] = append(o[name], data) }

// addPhoto adds a photograph in every format, 2000 pixels wide.
func (o originals) addPhoto(data []byte) error {
	for _, f := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP, transform.AVIF} {
		photo, err := govips.NewImageFromBuffer(data)
		if err != nil {
			return err
		}
		defer photo.Close()
		if photo.HasAlpha() {
			if err := photo.Flatten(&govips.Color{R: 255, G: 255, B: 255}); err != nil {
				return err
			}
		}
		if photo.Width() != 2000 {
			if err := photo.Resize(2000/float64(photo.Width()), govips.KernelLanczos3); err != nil {
				return err
			}
		}
		if err := photo.RemoveICCProfile(); err != nil {
			return err
		}
		encoded, err := export(photo, f, settings{quality: map[transform.Format]int{transform.JPEG: 90, transform.WebP: 90, transform.AVIF: 80}[f], effort: 4})
		if err != nil {
			return err
		}
		o.add("photo."+strings.Replace(string(f), "jpeg", "jpg", 1), encoded)
	}
	return nil
}

// addFolder adds up to six photographs of a folder and its subfolders.
func (o originals) addFolder(dir string) error {
	const most = 6
	var files []string
	seen := map[int64]bool{} // by size: desktop themes hold the same picture many times
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || seen[info.Size()] {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		h, err := header.Read(data)
		if err != nil || h.Format != transform.JPEG || h.Width < 1600 || h.Width < h.Height {
			return nil
		}
		seen[info.Size()] = true
		files = append(files, name)
		if h.Width >= 4000 && len(o["large.jpg"]) < most {
			o.add("large.jpg", data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s: no JPEG of 1600 pixels or more", dir)
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
	for i := range min(most, len(files)) {
		data, err := os.ReadFile(files[i*len(files)/min(most, len(files))])
		if err != nil {
			return err
		}
		if err := o.addPhoto(data); err != nil {
			return err
		}
	}
	return nil
}

func toJPEG(m image.Image) []byte {
	var b bytes.Buffer
	// Encoding to memory fails only above 65535 pixels.
	_ = jpeg.Encode(&b, m, &jpeg.Options{Quality: 90})
	return b.Bytes()
}

func toPNG(m image.Image) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, m)
	return b.Bytes()
}

// settings are parameters of an encoder, on its own scales.
type settings struct {
	quality, effort int
	filter          govips.PngFilter
	full            bool // JPEG, AVIF: the full resolution of colours; WebP: a slower way to halve it
}

func export(picture *govips.ImageRef, to transform.Format, s settings) (data []byte, err error) {
	switch to {
	case transform.JPEG:
		p := &govips.JpegExportParams{Quality: s.quality, OptimizeCoding: true, StripMetadata: true}
		if s.full {
			p.SubsampleMode = govips.VipsForeignSubsampleOff
		}
		data, _, err = picture.ExportJpeg(p)
	case transform.PNG:
		data, _, err = picture.ExportPng(&govips.PngExportParams{Compression: s.effort, Filter: s.filter, StripMetadata: true})
	case transform.WebP:
		data, _, err = picture.ExportWebp(&govips.WebpExportParams{
			Quality: s.quality, ReductionEffort: s.effort, StripMetadata: true,
			MaxKeyFrames: math.MaxInt32, MinKeyFrames: math.MaxInt32 - 1,
		})
	case transform.AVIF:
		data, err = exportAVIF(picture, s)
	case transform.GIF:
		data, _, err = picture.ExportGIF(&govips.GifExportParams{Dither: 1, Effort: s.effort, Bitdepth: 8})
	case transform.JXL:
		data, _, err = picture.ExportJxl(&govips.JxlExportParams{Distance: jxlDistance(s.quality), Effort: s.effort})
	default:
		err = fmt.Errorf("%s: no encoder", to)
	}
	return data, err
}
