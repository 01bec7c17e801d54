package delivery

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/facts"
)

// placeholderEndpoint answers with a picture that stands in for an image while that loads:
// of a hash or a colour in the URL, for which nothing is fetched, or of those of an
// original. It stamps no marks: see infoEndpoint.
var placeholderEndpoint = &endpoint{
	name: "placeholder", lifetime: 365 * 24 * time.Hour, cacheControl: cacheControlVersioned,
	parts: drawnOf, needsPart: true, takes: slices.Concat(drawnOf, sharedOptions, []string{"w", "width", "h", "height", "dpr", "fit", "punch"}),
	read: (*site).readPlaceholder, make: (*Service).makePlaceholder,
}

// drawnOf are what placeholders are made of: a parameter each, and a part of the path.
var drawnOf = []string{string(transform.DrawBlurHash), string(transform.DrawThumbHash), string(transform.DrawColor)}

// mostPlaceholder is the longest side of a placeholder, in pixels.
const mostPlaceholder = 2048

// naturalPlaceholder is the longer side of one whose size the URL doesn't say.
const naturalPlaceholder = 32

// A placeholder is what a URL says of one.
type placeholder struct {
	transform.Drawing      // without its sizes
	w, h              int  // pixels after dpr; 0 is derived
	cover             bool // fills w × h
	dataURI           bool
}

// Names of the parameters that placeholders share with variants, with their aliases.
var (
	sharedOptions = []string{"format", "fm", "f", "output", "q", "quality", "q-avif", "q-webp", "q-jxl", "q-target", "v"}
	formatNames   = sharedOptions[:4]
)

// readPlaceholder reads what a placeholder is of, its size and its format.
func (c *site) readPlaceholder(a *ask, n name, q transform.Query) error {
	p := &placeholder{}
	p.Of, p.Punch = transform.DrawingOf(n.part), 1
	a.drawing = p
	fromSrc, err := p.readOf(n, q)
	if err != nil {
		return err
	}
	if err := p.readSize(q, fromSrc); err != nil {
		return err
	}
	if err := a.readDrawn(q); err != nil {
		return err
	}
	a.canonical = p.canonical(a.options, fromSrc)
	version := a.options.Version
	if !fromSrc {
		a.marks = withoutMarks()
		return c.takesPlain()
	}
	if err := c.readPlain(a, n, q); err != nil {
		return err
	}
	a.options.Version = version
	return nil
}

// readOf reads what the placeholder is made of: exactly one of a hash or colour and src.
func (p *placeholder) readOf(n name, q transform.Query) (fromSrc bool, err error) {
	kind := string(p.Of)
	for _, other := range drawnOf {
		if other != kind && slices.ContainsFunc(q, func(param transform.Param) bool { return param.Name == other }) {
			return false, &transform.OptionError{Name: other, Reason: "is not taken by /placeholder/" + kind + "; ask /placeholder/" + other}
		}
	}
	value, has, err := q.Value(kind)
	if err != nil {
		return false, err
	}
	_, hasSrc, err := q.Value("src")
	if err != nil {
		return false, err
	}
	fromSrc = hasSrc || !n.bySrc
	switch {
	case has && fromSrc:
		return false, &transform.OptionError{Name: kind, Reason: "and an image are both given; give one of them"}
	case !has && !fromSrc:
		return false, &transform.OptionError{Name: kind, Reason: "is missing; give it, or name an image with src"}
	case fromSrc:
		return true, nil
	}
	switch p.Of {
	case transform.DrawBlurHash:
		p.Hash = strings.ReplaceAll(value, " ", "+") // no BlurHash has a space, which + in a query is
		_, err = facts.ParseBlurHash(p.Hash)
	case transform.DrawThumbHash:
		var hash []byte
		if hash, err = facts.DecodeThumbHash(value); err == nil {
			_, err = facts.ParseThumbHash(hash)
		}
		p.Hash = string(hash)
	default:
		color, ok := transform.ParseColor(strings.TrimPrefix(value, "#"))
		if !ok {
			return false, &transform.OptionError{Name: "color", Reason: fmt.Sprintf("%.40q is no colour; give RGB, RGBA, RRGGBB or RRGGBBAA in hexadecimal digits, or a CSS colour name", value)}
		}
		p.Color, p.Alpha = color, color.A < 255
		return false, nil
	}
	if err != nil {
		return false, &transform.OptionError{Name: kind, Reason: err.Error()}
	}
	return false, nil
}

// readSize reads the size, fit and punch.
func (p *placeholder) readSize(q transform.Query, fromSrc bool) error {
	dpr, _, err := number(q, 0.1, 2, "dpr")
	if err != nil {
		return err
	}
	if dpr == 0 {
		dpr = 1
	}
	for _, side := range []struct {
		to    *int
		names []string
	}{{&p.w, []string{"w", "width"}}, {&p.h, []string{"h", "height"}}} {
		v, name, err := wholeNumber(q, 1, mostPlaceholder, side.names...)
		if err != nil {
			return err
		}
		if v == 0 {
			continue
		}
		*side.to = scaled(float64(v), dpr)
		if *side.to > mostPlaceholder {
			return &transform.OptionError{Name: "dpr", Reason: fmt.Sprintf("%s × dpr is %d pixels; at most %d is allowed", name, *side.to, mostPlaceholder)}
		}
	}
	if p.Of == transform.DrawBlurHash && !fromSrc {
		for _, side := range []struct {
			name   string
			pixels int
		}{{"w", p.w}, {"h", p.h}} {
			if side.pixels == 0 {
				return &transform.OptionError{Name: side.name, Reason: "is missing; a BlurHash doesn't say its size, so give w and h"}
			}
		}
	}
	fit, _, err := q.Value("fit")
	if err != nil {
		return err
	}
	switch fit {
	case "", "contain":
	case "cover":
		p.cover = true
	default:
		return &transform.OptionError{Name: "fit", Reason: fmt.Sprintf("%.40q is not allowed; allowed: contain, cover", fit)}
	}
	punch, _, err := number(q, 0.1, 10, "punch")
	if err != nil {
		return err
	}
	if punch > 0 && p.Of != transform.DrawColor {
		p.Punch = punch
	}
	return nil
}

// readDrawn reads what placeholders share with variants.
func (a *ask) readDrawn(q transform.Query) error {
	shared := only(q, sharedOptions...)
	if i := slices.IndexFunc(shared, func(p transform.Param) bool { return p.Value == "datauri" && slices.Contains(formatNames, p.Name) }); i >= 0 {
		// A data: URI ends up in a page that any browser may read, so that Accept doesn't
		// count. WebP is a fifth of PNG here, and shown since 2020 by all.
		a.drawing.dataURI = true
		shared[i].Value = string(transform.WebP)
	}
	o, err := transform.Parse(transform.Defaults(), shared)
	if err != nil {
		return err
	}
	if o.Format == transform.SameAsOriginal {
		return &transform.OptionError{Name: "format", Reason: "original is not allowed here; leave it out, or name a format"}
	}
	version := o.Version
	look := lookOptions()
	o.Width, o.Height, o.Anim = look.Width, look.Height, look.Anim
	a.options, a.options.Version = o, version
	return nil
}

// number reads a number of least to most under one of the names. It is 0 where there is
// none.
func number(q transform.Query, least, most float64, names ...string) (v float64, name string, err error) {
	for _, n := range names {
		text, has, err := q.Value(n)
		switch {
		case err != nil:
			return 0, n, err
		case !has:
			continue
		case name != "":
			return 0, n, &transform.OptionError{Name: n, Reason: "is given already, as " + name + "; give one of them"}
		}
		name = n
		v, err = strconv.ParseFloat(text, 64)
		if err != nil || len(text) > 32 || strings.Trim(text, "0123456789.") != "" || !(v >= least && v <= most) {
			return 0, n, &transform.OptionError{Name: n, Reason: fmt.Sprintf("%.40q is not allowed; allowed: %v–%v", text, least, most)}
		}
		v = math.Round(v*1e4) / 1e4
	}
	return v, name, nil
}

// wholeNumber is number for whole numbers.
func wholeNumber(q transform.Query, least, most int, names ...string) (v int, name string, err error) {
	n, name, err := number(q, float64(least), float64(most), names...)
	if err == nil && n != math.Trunc(n) {
		err = &transform.OptionError{Name: name, Reason: "is not whole; give a whole number"}
	}
	return int(n), name, err
}

// scaled multiplies pixels, of which at least one is left.
func scaled(pixels, dpr float64) int { return max(int(math.Round(pixels*dpr)), 1) }

// canonical is what decides the placeholder but for the original and Accept.
func (p *placeholder) canonical(o transform.Options, fromSrc bool) string {
	o.Width, o.Height, o.Anim = 0, 0, true
	b := []byte(string(p.Of))
	add := func(name string, value any) { b = fmt.Appendf(b, "&%s=%v", name, value) }
	switch {
	case fromSrc:
	case p.Of == transform.DrawBlurHash:
		add("blurhash", p.Hash)
	case p.Of == transform.DrawThumbHash:
		add("thumbhash", base64.StdEncoding.EncodeToString([]byte(p.Hash)))
	default:
		add("color", fmt.Sprintf("%02x%02x%02x%02x", p.Color.R, p.Color.G, p.Color.B, p.Color.A))
	}
	if p.w > 0 {
		add("w", p.w)
	}
	if p.h > 0 {
		add("h", p.h)
	}
	if p.cover && p.w > 0 && p.h > 0 && (fromSrc || p.Of == transform.DrawThumbHash) {
		add("fit", "cover")
	}
	if p.Punch != 1 {
		add("punch", p.Punch)
	}
	if p.dataURI {
		add("as", "datauri")
	}
	if rest := o.String(); rest != "" {
		b = append(append(b, '&'), rest...)
	}
	return string(b)
}

// sized sets the sizes of the drawing, for something of natural size.
func (p *placeholder) sized(natural transform.Size) transform.Drawing {
	d := p.Drawing
	w, h := float64(natural.W), float64(natural.H)
	boxW, boxH := float64(p.w), float64(p.h)
	switch {
	case p.w == 0 && p.h == 0:
		boxW, boxH = naturalPlaceholder, naturalPlaceholder
	case p.w == 0:
		boxW = mostPlaceholder
	case p.h == 0:
		boxH = mostPlaceholder
	}
	by := min(boxW/w, boxH/h)
	cover := p.cover && p.w > 0 && p.h > 0
	if cover {
		by = max(boxW/w, boxH/h)
	}
	d.Whole = transform.Size{W: max(int(math.Round(w*by)), 1), H: max(int(math.Round(h*by)), 1)}
	d.Output = d.Whole
	if cover {
		d.Output = transform.Size{W: p.w, H: p.h}
		d.Whole = transform.Size{W: max(d.Whole.W, p.w), H: max(d.Whole.H, p.h)}
	}
	return d
}

// drawing is what is drawn, of the originals or of none.
func (p *placeholder) drawing(from []*original) transform.Drawing {
	if len(from) > 0 {
		d := p.sized(from[0].header.Upright())
		d.Alpha = from[0].header.Alpha && p.Of != transform.DrawBlurHash
		return d
	}
	if p.Of == transform.DrawThumbHash {
		if h, err := facts.ParseThumbHash([]byte(p.Hash)); err == nil { // it was parsed before
			d := p.sized(h.Natural())
			d.Alpha = h.Alpha()
			return d
		}
	}
	d := p.Drawing
	d.Output = transform.Size{W: p.w, H: p.h}
	switch { // a colour has no ratio
	case p.w == 0 && p.h == 0:
		d.Output = transform.Size{W: 1, H: 1}
	case p.w == 0:
		d.Output.W = p.h
	case p.h == 0:
		d.Output.H = p.w
	}
	d.Whole = d.Output
	return d
}

// makePlaceholder draws the placeholder.
func (s *Service) makePlaceholder(ctx context.Context, a *ask, from []*original, background bool) (*cache.Entry, error) {
	d := a.drawing.drawing(from)
	format := a.formatOf(d.Output, d.Alpha, s.limits)
	made, err := s.work(ctx, a, from, background, nil, transform.Job{Task: transform.TaskDraw, Drawing: &d, Options: a.options, Format: format})
	if err != nil {
		return nil, err
	}
	e := &cache.Entry{Body: made.Data, ContentType: made.Format.MediaType(), Width: made.Width, Height: made.Height, Frames: made.Frames, Quality: made.Quality}
	if a.drawing.dataURI {
		e = &cache.Entry{Body: []byte("data:" + e.ContentType + ";base64," + base64.StdEncoding.EncodeToString(made.Data)), ContentType: "text/plain"}
	}
	return e, nil
}

// formatOf chooses the format of what isn't a variant of one original, as for a variant of
// that size.
func (a *ask) formatOf(size transform.Size, alpha bool, l transform.Limits) transform.Format {
	o := transform.Defaults()
	o.Format, o.Lossless, o.Background = a.options.Format, a.options.Lossless, a.options.Background
	like := transform.Header{Format: transform.PNG, Width: size.W, Height: size.H, Orientation: 1, Frames: 1, Alpha: alpha}
	plan, err := o.Plan(like.Upright())
	if err != nil { // every size has one
		return transform.PNG
	}
	return o.OutputFormat(like, plan, a.accept, l)
}
