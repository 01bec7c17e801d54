package dialect

import (
	"strconv"
	"strings"

	"github.com/tintype/tintype/transform"
)

// cloudflare is the grammar of Cloudflare's image transformations:
// /cdn-cgi/image/width=400,quality=75/uploads/me.jpg.
var cloudflare = &Dialect{
	Name:     "cloudflare",
	Prefixes: []string{"cdn-cgi/image", "cloudflare"},
	Parse:    parseCloudflare,
	Params:   cloudflareParams,
}

// A cloudflareURL holds the state of parsing a URL.
type cloudflareURL struct {
	Request
	fit, gravity     string // native
	focus            [2]string
	format           string // native
	quality          string // native; empty is Cloudflare's default
	slowQuality      string // for slow connections; empty is quality
	fast, background bool
	dpr              float64
	rotate           int
	flip             string
	zoom             string // the parameter's spelling if its value is above 0
	// trim is in pixels, not yet multiplied by dpr. A width or a height of 0 keeps the rest.
	trim    struct{ top, right, bottom, left, width, height int }
	trimmed string // the spelling of trim, for errors
}

func parseCloudflare(u URL) (Request, error) {
	options, source, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if options == "" || source == "" {
		return Request{}, &Error{Reason: "write options and an image, as in /cdn-cgi/image/width=400/PATH"}
	}
	r := cloudflareURL{dpr: 1}
	for options != "" {
		var option string
		option, options = cutCloudflare(options)
		name, value, ok := strings.Cut(option, "=")
		if !ok || name == "" {
			return Request{}, &Error{Reason: "options must be NAME=VALUE, separated by commas"}
		}
		value, err := decodePath(value)
		if err != nil {
			return Request{}, &Error{name, err.Error()}
		}
		if err := r.option(name, value); err != nil {
			return Request{}, err
		}
	}
	r.finish(u.Slow)
	if err := r.source(u, source); err != nil {
		return Request{}, err
	}
	return r.Request, nil
}

// cutCloudflare splits off the first option. Commas in brackets belong to a colour.
func cutCloudflare(s string) (option, rest string) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth <= 0 {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

func (r *cloudflareURL) option(name, value string) error {
	switch name {
	case "width", "w", "height", "h":
		if name[0] == 'w' && value == "auto" {
			r.ignore(name)
			return nil
		}
		if n, ok := whole(value); !ok || n == 0 {
			return &Error{name, "must be a whole number of pixels, above 0"}
		}
		r.Options.Set(name[:1], value, name)
	case "dpr":
		f, ok := number(value)
		if !ok || f <= 0 {
			return &Error{name, "must be a number above 0"}
		}
		r.dpr = min(max(f, 0.1), 5)
		r.Options.Set("dpr", format(r.dpr), name)
	case "fit":
		return r.readFit(value)
	case "gravity", "g":
		return r.readGravity(name, value)
	case "zoom", "face-zoom":
		f, ok := number(value)
		if !ok || f < 0 || f > 1 {
			return &Error{name, "must be a number from 0 to 1"}
		}
		if r.zoom = ""; f > 0 {
			r.zoom = name
		}
	case "quality", "q", "slow-connection-quality", "scq":
		q, ok := cloudflareQuality(value)
		if !ok {
			return &Error{name, "must be a whole number from 1 to 100, or one of high, medium-high, medium-low, low"}
		}
		if name[0] == 's' {
			r.slowQuality, r.Hinted = q, true
		} else {
			r.quality = q
		}
	case "format", "f":
		return r.readFormat(name, value)
	case "compression":
		r.fast = value == "fast"
		return oneOf(name, value, "fast")
	case "anim":
		r.Options.Set("anim", value, name)
		return oneOf(name, value, "true", "false")
	case "metadata":
		r.Options.Set("metadata", value, name)
		return oneOf(name, value, "copyright", "keep", "none")
	case "onerror":
		r.RedirectOnError = true
		return oneOf(name, value, "redirect")
	case "background":
		c, ok := cssColor(value)
		if !ok {
			return &Error{name, cssColorValues}
		}
		r.background = true
		r.Options.Set("bg", c, name)
	case "rotate":
		r.rotate, _ = whole(value)
		return oneOf(name, value, "0", "90", "180", "270", "360")
	case "flip":
		r.flip = value
		return oneOf(name, value, "h", "v", "hv")
	case "blur":
		return r.amount(name, value, "blur", 250, func(f float64) float64 { return f / 2.5 })
	case "sharpen":
		return r.amount(name, value, "sharpen", 10, func(f float64) float64 { return f * 10 })
	case "brightness", "contrast", "saturation", "gamma":
		return r.factor(name, value)
	case "upscale":
		if value != "interpolate" {
			r.ignore(name)
		}
		return oneOf(name, value, "interpolate", "generate")
	default:
		if strings.HasPrefix(name, "trim") {
			return r.readTrim(name, value)
		}
		r.ignore(name) // such as segment, border and draw
	}
	return nil
}

func (r *cloudflareURL) readFit(value string) error {
	switch value {
	case "scale-down", "contain", "cover", "pad", "squeeze":
		r.fit = value
	case "crop": // never enlarges: a side that is too short keeps its length
		r.fit = "cover"
		r.Options.Set("enlarge", "0", "fit")
		return nil
	case "aspect-crop":
		r.fit = "crop"
	case "scale-up":
		r.fit = "contain"
		r.ignore("fit")
	default:
		return &Error{"fit", "must be one of scale-down, contain, cover, crop, aspect-crop, pad, squeeze"}
	}
	r.Options.Unset("enlarge")
	return nil
}

func (r *cloudflareURL) readGravity(name, value string) error {
	switch value {
	case "auto":
		r.gravity = "attention"
	case "face", "entropy":
		r.gravity = value
	default:
		if r.gravity = side(value); r.gravity != "" {
			return nil
		}
		x, y, ok := strings.Cut(value, "x")
		for i, v := range [...]string{x, y} {
			f, valid := number(v)
			ok = ok && valid && f >= 0 && f <= 1
			r.focus[i] = format(f)
		}
		if !ok {
			return &Error{name, "must be one of auto, face, left, right, top, bottom, center, or XxY with numbers from 0 to 1"}
		}
		r.gravity = "focal"
	}
	return nil
}

func (r *cloudflareURL) readFormat(name, value string) error {
	r.Answer = AnswerImage
	r.Options.Unset("progressive")
	switch value {
	case "auto", "avif", "webp", "png":
		r.format = value
	case "jpeg", "jpg":
		r.format = "jpeg"
		r.Options.Set("progressive", "1", name)
	case "baseline-jpeg":
		r.format = "jpeg"
	case "json":
		r.format = "original"
		r.Answer = AnswerFacts
	default:
		return &Error{name, "must be one of auto, avif, webp, jpeg, baseline-jpeg, png, json"}
	}
	return nil
}

// cloudflareQuality converts a quality to a native quality.
func cloudflareQuality(value string) (q string, ok bool) {
	switch value {
	case "high":
		return "90", true
	case "medium-high":
		return "80", true
	case "medium-low":
		return "65", true
	case "low":
		return "50", true
	}
	n, ok := whole(value)
	return value, ok && n >= 1 && n <= 100
}

// amount parses a number from 0 to most. scale converts it to the scale of the native option.
func (r *cloudflareURL) amount(name, value, native string, most float64, scale func(float64) float64) error {
	f, ok := number(value)
	if !ok || f < 0 || f > most {
		return &Error{name, "must be a number from 0 to " + format(most)}
	}
	r.Options.Set(native, format(scale(f)), name)
	return nil
}

// factor parses a multiplier. 0 means 1, except for saturation.
func (r *cloudflareURL) factor(name, value string) error {
	f, ok := number(value)
	if !ok || f < 0 {
		return &Error{name, "must be a number, 0 or more"}
	}
	if f == 0 && name != "saturation" {
		f = 1
	}
	if name == "gamma" { // native gamma is the inverse of Cloudflare's exponent
		f = max(1/f, 0.1)
	}
	r.Options.Set(name, format(min(f, 3)), name)
	return nil
}

// readTrim parses trim and the options whose names begin with it.
func (r *cloudflareURL) readTrim(name, value string) error {
	var side *int
	switch name {
	case "trim":
		return r.readSides(value)
	case "trim.left":
		side = &r.trim.left
	case "trim.top":
		side = &r.trim.top
	case "trim.width":
		side = &r.trim.width
	case "trim.height":
		side = &r.trim.height
	case "trim.right":
		side = &r.trim.right
	case "trim.bottom":
		side = &r.trim.bottom
	default:
		r.ignore(name) // such as trim.border.color
		return nil
	}
	n, ok := whole(value)
	if !ok {
		return &Error{name, "must be a whole number of pixels"}
	}
	*side, r.trimmed = n, name
	return nil
}

// readSides parses trim=border or trim=TOP;RIGHT;BOTTOM;LEFT.
func (r *cloudflareURL) readSides(value string) error {
	const name = "trim"
	if value == "border" {
		r.Options.Set("trim", "10", name)
		return nil
	}
	var sides [4]int
	n, rest, more := 0, value, true
	for ; more && n < len(sides); n++ {
		var side string
		side, rest, more = strings.Cut(rest, ";")
		var ok bool
		if sides[n], ok = whole(side); !ok {
			break
		}
	}
	if more || n < len(sides) {
		return &Error{name, "must be border, or TOP;RIGHT;BOTTOM;LEFT in whole pixels"}
	}
	r.trim.top, r.trim.right, r.trim.bottom, r.trim.left = sides[0], sides[1], sides[2], sides[3]
	r.trimmed = name
	return nil
}

// finish sets the defaults, and the native options that depend on several options.
func (r *cloudflareURL) finish(slow bool) {
	q := r.quality
	if slow && r.slowQuality != "" {
		q = r.slowQuality
	}
	if q == "" {
		q = "85"
	}
	r.Options.Set("q", q, "")
	switch {
	case r.fast && r.format != "jpeg":
		r.Options.Set("format", "original", "compression")
	case r.format == "":
		r.Options.Set("format", "original", "")
	case r.format != "auto":
		r.Options.Set("format", r.format, "")
	}
	if r.format == "webp" && q == "100" {
		r.Options.Set("lossless", "1", "")
	}
	if _, ok := r.Options.Get("metadata"); !ok {
		r.Options.Set("metadata", "copyright", "")
	}
	r.finishFit()
	// Cloudflare mirrors before it turns. Tintype mirrors last. So the direction changes.
	if r.flip == "h" || r.flip == "v" {
		r.rotate = 360 - r.rotate
	}
	if r.rotate %= 360; r.rotate > 0 {
		r.Options.Set("rotate", strconv.Itoa(r.rotate), "")
	}
	if r.flip != "" {
		r.Options.Set("flip", r.flip, "")
	}
	r.finishTrim()
}

func (r *cloudflareURL) finishFit() {
	if r.fit != "" {
		r.Options.Set("fit", r.fit, "")
	}
	if r.fit == "pad" && !r.background {
		r.Options.Set("bg", "fff", "")
	}
	if r.fit != "cover" && r.fit != "crop" {
		return
	}
	switch r.gravity {
	case "":
		return
	case "focal":
		r.Options.Set("fp-x", r.focus[0], "gravity")
		r.Options.Set("fp-y", r.focus[1], "gravity")
	case "face":
		if r.zoom != "" {
			r.ignore(r.zoom)
		}
	}
	r.Options.Set("gravity", r.gravity, "")
}

// finishTrim sets the part of the original that trim keeps. A width or a height makes a
// region. It begins at trim.left or trim.top, and trim.right or trim.bottom has no effect.
// A side without a width or a height makes an inset.
func (r *cloudflareURL) finishTrim() {
	t := r.trim
	width, height := "100%", "100%"
	if t.width > 0 {
		width, t.right = r.trimPixels(t.width), 0
	}
	if t.height > 0 {
		height, t.bottom = r.trimPixels(t.height), 0
	}
	if t.width > 0 || t.height > 0 {
		x, y := "0", "0"
		if t.width > 0 {
			x, t.left = r.trimPixels(t.left), 0
		}
		if t.height > 0 {
			y, t.top = r.trimPixels(t.top), 0
		}
		r.Options.Set("rect", x+","+y+","+width+","+height, r.trimmed)
	}
	if t.top|t.right|t.bottom|t.left != 0 {
		r.Options.Set("inset", r.trimPixels(t.top)+","+r.trimPixels(t.right)+","+r.trimPixels(t.bottom)+","+r.trimPixels(t.left), r.trimmed)
	}
}

// trimPixels multiplies pixels of trim by dpr. The bound is the bound of native regions. No
// image is larger.
func (r *cloudflareURL) trimPixels(n int) string {
	return strconv.Itoa(clamp(float64(n)*r.dpr, 0, 1_000_000))
}

// source parses the part after the options: a path, or a full URL with its query. A full URL
// is not encoded, except that unpic encodes a URL that has a query.
func (r *cloudflareURL) source(u URL, source string) error {
	full, ok := mergedURL(source)
	if !ok && encodedURL(source) {
		decoded, err := decodePath(source)
		if err != nil {
			return err
		}
		full, ok = mergedURL(decoded)
	}
	if ok {
		if u.RawQuery != "" {
			full += "?" + u.RawQuery
		}
		if !transform.IsText(full) {
			return &Error{Reason: "the image's URL has a control character or invalid UTF-8"}
		}
		return r.Image.setURL(full, "")
	}
	image, err := u.object(source, "")
	if err != nil {
		return err
	}
	r.Image = image
	nameQuery(u.RawQuery, r.ignore)
	return nil
}
