package transform

import (
	"fmt"
	"math"
)

// Parse applies the queries to base in this order: first a preset's, then the URL's. Start
// from [Defaults]. In one query the order doesn't matter. An option that is given twice,
// also under an alias, is an [*OptionError], and so is a value that is not allowed. Names
// that are not options are ignored. In the end, options without an effect are dropped (a
// focal point under another gravity, mark-* without a mark), so that equal variants have
// equal options. A preset may therefore hold options that only take effect with others in
// the URL.
//
//	w=400                        400 pixels wide, the height follows
//	w=400&h=300&fit=cover        exactly 400 × 300, the rest cropped
//	w=400&ar=16:9&fit=cover      400 × 225
//	size=96&dpr=2&fit=cover      192 × 192
//	rect=10%25,10%25,80%25,80%25 without the outer tenth on each side
//	w=400&fp-x=0.2&fit=cover     around a point in the left of the image
//	format=webp&q=60             WebP, whatever the client accepts
//
// The options, their aliases and values:
//
//	size                       1–8192 pixels, or above 0 and up to 100% of the image
//	w, width                   1–8192 pixels, or above 0 and up to 100% of the image
//	h, height                  1–8192 pixels, or above 0 and up to 100% of the image
//	dpr                        0.1–5
//	fit                        scale-down, contain, cover, crop, outside, pad, squeeze (fill), auto
//	enlarge                    1, true or empty; 0 or false
//	ar, aspect, aspect_ratio   W:H, such as 16:9 or 1.91:1, each above 0 and up to 10000
//	fp-x                       0–1
//	fp-y                       0–1
//	fp-z                       1–10
//	gravity, g, crop           center, north (top), south (bottom), east (right), west (left), northeast, northwest, southeast, southwest, attention, entropy, face, focal
//	rect                       x,y,w,h, each in whole pixels (up to 1000000) or 0–100%; w and h above 0; x also left, center, right and y top, center, bottom
//	inset                      1 to 4 of 0–1000000, separated by commas or spaces
//	trim                       a whole number from 0 to 255
//	rotate                     −360–360, whole degrees
//	flip                       h, v, hv
//	bg, background             RGB, RGBA, RRGGBB or RRGGBBAA in hexadecimal digits, or a CSS colour name
//	pad                        1 to 4 of 0–8192, separated by commas or spaces
//	radius                     0–8192 pixels, 0–100% of the output's shorter side, or max
//	blur                       0–100
//	sharpen                    0–100
//	brightness                 0–3
//	contrast                   0–3
//	saturation                 0–3
//	gamma                      0.1–3
//	grayscale                  1, true or empty; 0 or false
//	sepia                      1, true or empty; 0 or false
//	invert                     1, true or empty; 0 or false
//	pixelate                   a whole number from 0 to 1024
//	format, fm, f, output      auto, avif, webp, jpeg (jpg), png (nocompress), gif, tiff, jxl, original
//	q, quality                 a whole number from 1 to 100, or auto
//	q-avif                     a whole number from 1 to 100, or auto
//	q-webp                     a whole number from 1 to 100, or auto
//	q-jxl                      a whole number from 1 to 100, or auto
//	q-target                   a whole number from 50 to 95
//	lossless                   1, true or empty; 0 or false
//	progressive                1, true or empty; 0 or false
//	anim                       1, true or empty; 0 or false
//	metadata                   none, copyright, keep
//	mark                       a mark's name, source/path or URL of 1–2048 bytes
//	mark-size                  1–8192 pixels, or above 0 and up to 100% of the output
//	mark-w                     1–8192 pixels, or above 0 and up to 100% of the output
//	mark-h                     1–8192 pixels, or above 0 and up to 100% of the output
//	mark-fit                   scale-down, contain, cover, crop, pad, squeeze (fill)
//	mark-align                 one or two of top, center, bottom and left, center, right, such as top,left
//	mark-pad                   0–8192 pixels, or 0–100% of the output's smaller side
//	mark-opacity               0–1
//	mark-repeat                1, true or empty; 0 or false
//	default                    source/path of 1–2048 bytes
//	dl                         a file name of 1–255 bytes without /, \ and control characters
//	v                          anything up to 64 bytes
//
// docs/options.md and [Vocabulary] explain them.
func Parse(base Options, queries ...Query) (Options, error) {
	o := base
	for _, q := range queries {
		if err := o.apply(q); err != nil {
			return Options{}, err
		}
	}
	if err := o.checkProducts(); err != nil {
		return Options{}, err
	}
	o.dropIdle()
	return o, nil
}

// apply applies q.
func (o *Options) apply(q Query) error {
	var given [len(vocabulary)]int // place in q plus one
	for i, p := range q {
		at, known := positions[p.Name]
		if !known {
			continue
		}
		if earlier := given[at]; earlier > 0 {
			reason := "is given more than once; give it once"
			if first := q[earlier-1].Name; first != p.Name {
				reason = "is given already, as " + first + "; give one of them"
			}
			return &OptionError{p.Name, reason}
		}
		given[at] = i + 1
	}
	for at, place := range given {
		if place == 0 {
			continue
		}
		p, opt := q[place-1], &vocabulary[at]
		if !opt.parse(o, p.Value) {
			return &OptionError{p.Name, quote(p.Value) + " is not allowed; allowed: " + opt.values}
		}
	}
	return nil
}

// checkProducts refuses lengths that exceed the maximum after the multiplication by DPR.
func (o *Options) checkProducts() error {
	if o.DPR <= 1 {
		return nil
	}
	check := func(name string, pixels float64) error {
		if product := math.Round(pixels * o.DPR); product > maxSide {
			return &OptionError{"dpr", fmt.Sprintf("%s × dpr is %.0f pixels; at most %d is allowed", name, product, maxSide)}
		}
		return nil
	}
	length := func(name string, l Length) error {
		if l.Percent {
			return nil
		}
		return check(name, l.Value)
	}
	for _, err := range [...]error{
		check("w", float64(o.Width)),
		check("h", float64(o.Height)),
		check("pad", float64(max(o.Pad[0], o.Pad[1], o.Pad[2], o.Pad[3]))),
		length("radius", o.Radius),
		length("mark-w", o.Mark.Width),
		length("mark-h", o.Mark.Height),
		length("mark-pad", o.Mark.Pad),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// dropIdle resets options that have no effect.
func (o *Options) dropIdle() {
	if o.Gravity != GravityFocal {
		o.FocalX, o.FocalY, o.FocalZoom = defaults.FocalX, defaults.FocalY, defaults.FocalZoom
	} else if o.FocalX == 0.5 && o.FocalY == 0.5 && o.FocalZoom == 1 {
		o.Gravity = GravityCenter
	}
	o.dropEnlarge()
	o.dropQualities()
	if o.Pixelate == 1 {
		o.Pixelate = 0
	}
	if usual := (Length{15, true}); o.Mark.Width == usual && o.Mark.Height == (Length{}) {
		o.Mark.Width = Length{}
	}
	if o.Mark.Name == "" {
		o.Mark = defaults.Mark
	}
}

// dropEnlarge replaces Enlarge by the Fit that means the same, if there is one.
func (o *Options) dropEnlarge() {
	switch {
	case o.Enlarge == EnlargeAlways && o.Fit == FitScaleDown:
		o.Fit = FitContain
	case o.Enlarge == EnlargeAlways && o.Fit == FitCrop:
		o.Fit = FitCover
	case o.Enlarge == EnlargeNever && o.Fit == FitContain:
		o.Fit = FitScaleDown
	}
	if o.Enlarge == EnlargeAlways || o.Fit == FitScaleDown || o.Fit == FitCrop {
		o.Enlarge = EnlargeAsFit
	}
}

// dropQualities resets the qualities of formats that Format rules out, and the target of a
// quality that isn't to be found.
func (o *Options) dropQualities() {
	for _, own := range [...]struct {
		format  Format
		quality *int
	}{{AVIF, &o.QualityAVIF}, {WebP, &o.QualityWebP}, {JXL, &o.QualityJXL}} {
		open := o.Format == SameAsOriginal || o.Format == Auto && own.format != JXL
		if o.Format == own.format {
			o.Quality = o.QualityIn(own.format)
		}
		if !open || *own.quality == o.Quality {
			*own.quality = 0
		}
	}
	if o.Quality != QualityAuto && o.QualityAVIF != QualityAuto && o.QualityWebP != QualityAuto && o.QualityJXL != QualityAuto {
		o.QualityTarget = defaults.QualityTarget
	}
}

// String returns the canonical query string of o: without defaults, in a fixed order, and
// escaped. [ParseQuery] and [Parse] over [Defaults] turn it into o again.
func (o Options) String() string {
	// One allocation for both. They are passed to functions of the table, so both escape to
	// the heap.
	s := &struct {
		options Options
		buffer  [128]byte
	}{options: o}
	b := s.buffer[:0]
	for i := range vocabulary {
		opt := &vocabulary[i]
		if opt.format == nil {
			continue
		}
		start := len(b)
		if start > 0 {
			b = append(b, '&')
		}
		b = append(b, opt.name...)
		b = append(b, '=')
		value := len(b)
		b = opt.format(b, &s.options)
		if len(b) == value {
			b = b[:start]
			continue
		}
		b = escapeFrom(b, value)
	}
	return string(b)
}

// escapeFrom escapes the bytes of b from start on.
func escapeFrom(b []byte, start int) []byte {
	for _, c := range b[start:] {
		if !plain[c] {
			return appendEscaped(b[:start], string(b[start:]))
		}
	}
	return b
}
