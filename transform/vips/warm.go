//go:build cgo

package vips

// #cgo linux LDFLAGS: -ldl
// #include "zygote.h"
import "C"

import (
	"bytes"
	"context"
	"image"
	"image/png"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// Warm makes libvips load everything that it would load at the first picture: plugins of
// decoders and encoders, fonts and their configuration. Call it in a process that can't
// open files later. It skips formats that this libvips doesn't support. It does nothing in a
// process that a zygote has forked, which is warm: see zygote.c.
func Warm(ctx context.Context) {
	if C.tintype_forked() != 0 {
		return
	}
	m := image.NewNRGBA(image.Rect(0, 0, 64, 48))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, m); err != nil {
		return // can't happen, since the size is valid for PNG
	}
	// The steps load nothing that differs by format, and take longer than the rest: a crop by attention is made once. The
	// pictures of AVIF and JPEG XL are turned and blurred too, or a first lossless JPEG XL takes 5 MB more than estimated.
	warm(ctx, []byte(warmSVG), transform.JPEG, func(o *transform.Options) {
		turnAndBlur(o)
		o.Height, o.Fit, o.Gravity = 20, transform.FitCover, transform.GravityAttention
	})
	originals := [][]byte{picture.Bytes()}
	for _, format := range []transform.Format{transform.JPEG, transform.PNG, transform.GIF, transform.WebP, transform.AVIF, transform.TIFF, transform.JXL} {
		steps := plain
		if format == transform.AVIF || format == transform.JXL {
			steps = turnAndBlur
		}
		if made, ok := warm(ctx, picture.Bytes(), format, steps); ok {
			originals = append(originals, made)
		}
	}
	for _, original := range originals {
		warm(ctx, original, transform.JPEG, plain)
	}
	trimAll()
}

// warmSVG has text in the default fonts.
const warmSVG = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48">` +
	`<text y="20" font-family="sans-serif">Aa</text><text y="40" font-family="serif" font-weight="bold">Aa</text></svg>`

func plain(*transform.Options) {}

func turnAndBlur(o *transform.Options) { o.Rotate, o.Blur = 90, 1 }

// warm makes a small picture with these steps.
func warm(ctx context.Context, original []byte, format transform.Format, steps func(*transform.Options)) ([]byte, bool) {
	h, err := header.Read(original)
	if err != nil {
		return nil, false
	}
	o := transform.Defaults()
	o.Width = 20
	steps(&o)
	made, err := New().Transform(ctx, transform.Job{
		Originals: []transform.Original{{Body: original, Header: h}}, Options: o, Format: format, Limits: transform.DefaultLimits(),
	})
	return made.Data, err == nil
}
