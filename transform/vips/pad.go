//go:build cgo

package vips

import (
	"context"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// fill returns the colour behind and around a picture: the requested background, or
// transparent. In formats without transparency it is laid on white.
func fill(background transform.Color, format transform.Format) govips.ColorRGBA {
	c := govips.ColorRGBA{R: background.R, G: background.G, B: background.B, A: background.A}
	if !background.Set {
		c = govips.ColorRGBA{}
	}
	if !format.Alpha() {
		c = govips.ColorRGBA{R: overWhite(c.R, c.A), G: overWhite(c.G, c.A), B: overWhite(c.B, c.A), A: 255}
	}
	return c
}

func overWhite(level, alpha uint8) uint8 {
	a := int(alpha)
	return uint8((int(level)*a + 255*(255-a) + 127) / 255)
}

// flatten lays a transparent picture on the background.
func (t *task) flatten(_ context.Context, f *frame) error {
	if !f.HasAlpha() || t.fill.A == 0 {
		return nil
	}
	if err := f.toColour(); err != nil {
		return err
	}
	if t.fill.A < 255 {
		return t.tint(f)
	}
	if err := f.Flatten(&govips.Color{R: t.fill.R, G: t.fill.G, B: t.fill.B}); err != nil {
		return fault("flatten", err)
	}
	return nil
}

// tint lays a transparent picture on a translucent background.
func (t *task) tint(f *frame) error {
	behind, err := govips.NewTransparentCanvas(f.Width(), f.Height())
	if err != nil {
		return fault("tint", err)
	}
	defer behind.Close()
	fill := []float64{float64(t.fill.R), float64(t.fill.G), float64(t.fill.B), float64(t.fill.A)}
	if err := behind.Linear([]float64{0, 0, 0, 0}, fill); err != nil {
		return fault("tint", err)
	}
	if err := behind.Cast(govips.BandFormatUchar); err != nil {
		return fault("tint", err)
	}
	// Destination-over keeps the picture on top, with its metadata.
	if err := f.Composite(behind, govips.BlendModeDestOver, 0, 0); err != nil {
		return fault("tint", err)
	}
	if err := f.Cast(govips.BandFormatUchar); err != nil {
		return fault("tint", err)
	}
	return nil
}

// pad places the picture on a canvas of the output's size. For a roll, govips does this for
// each frame.
func (t *task) pad(_ context.Context, f *frame) error {
	p := t.plan
	if f.Width() == p.Output.W && f.PageHeight() == p.Output.H {
		return nil
	}
	if err := f.takeColour(t.fill); err != nil {
		return err
	}
	if t.fill.A < 255 {
		if err := f.AddAlpha(); err != nil {
			return fault("pad", err)
		}
	}
	at := p.Picture().Min
	if err := f.EmbedBackgroundRGBA(at.X, at.Y, p.Output.W, p.Output.H, &t.fill); err != nil {
		return fault("pad", err)
	}
	return nil
}

// toColour converts a grey picture to sRGB. It removes a profile of greys, which doesn't
// describe the result.
func (f *frame) toColour() error {
	if f.Bands() > 2 {
		return nil
	}
	if err := f.RemoveICCProfile(); err != nil {
		return fault("colour", err)
	}
	if err := f.ToColorSpace(govips.InterpretationSRGB); err != nil {
		return fault("colour", err)
	}
	return nil
}
