package dialect

import (
	"math"
	"strconv"
	"strings"

	"github.com/tintype/tintype/transform"
)

// weserv is the grammar of weserv/images and of wsrv.nl: /?url=HOST/PATH&w=400.
var weserv = &Dialect{
	Name:     "weserv",
	Prefixes: []string{"weserv"},
	Whole:    true,
	Parse:    parseWeserv,
	Params:   weservParams,
}

// A weservURL holds the state of parsing a URL.
type weservURL struct {
	Request
	given weservQuery
}

// A weservQuery has the parameters of a URL. The field fallback is default=.
type weservQuery struct {
	url, fit, we, w, h, dpr, a, fpx, fpy, crop, cx, cy, cw, ch, precrop, trim, mask, flip, flop, ro, bg, cbg, rbg,
	blur, sharp, con, gam, filt, mod, sat, output, q, ll, il, n, page, fallback weservValue
}

// A weservValue is the value of a parameter. set tells an empty value from none.
type weservValue struct {
	value string
	set   bool
}

func (v weservValue) get() (value string, ok bool) { return v.value, v.set }

// flag reports whether a flag is on. A flag without a value is on.
func (v weservValue) flag() bool {
	return v.set && v.value != "0" && v.value != "false"
}

func parseWeserv(u URL) (Request, error) {
	if u.Path != "" && u.Path != "/" {
		return Request{}, &Error{Reason: "the path must be empty: name the image with ?url=HOST/PATH"}
	}
	q, err := transform.ParseQuery(u.RawQuery)
	if err != nil {
		return Request{}, &Error{Reason: err.Error()}
	}
	var r weservURL
	r.read(q)
	if err := r.image(); err != nil {
		return Request{}, err
	}
	err = r.fit()
	if err == nil {
		err = r.position()
	}
	if err == nil {
		err = r.turn()
	}
	if err == nil {
		err = r.look()
	}
	if err == nil {
		err = r.output()
	}
	if err != nil {
		return Request{}, err
	}
	return r.Request, nil
}

// image parses url=. Without a scheme, the URL is http, as in weserv.
func (r *weservURL) image() error {
	url := r.given.url.value
	if url == "" {
		return &Error{"url", "is required: HOST/PATH or https://HOST/PATH"}
	}
	switch {
	case isURL(url):
	case strings.HasPrefix(url, "ssl:"):
		url = "https://" + strings.TrimPrefix(url[len("ssl:"):], "//")
	default:
		url = "http://" + strings.TrimPrefix(url, "//")
	}
	return r.Image.setURL(url, "url")
}

// fit parses the fit and the size.
func (r *weservURL) fit() error {
	fit := r.given.fit.value
	keep := r.given.we.flag()
	switch fit {
	case "", "inside":
		fit = "contain"
		if keep {
			fit, keep = "scale-down", false
		}
	case "outside", "cover":
	case "fill":
		fit = "squeeze"
	case "contain":
		fit = "pad"
		if err := r.color(r.given.cbg, "cbg", "bg"); err != nil {
			return err
		}
	default:
		return &Error{"fit", "must be one of inside, outside, cover, fill, contain"}
	}
	r.Options.Set("fit", fit, "fit")
	if keep {
		r.Options.Set("enlarge", "0", "we")
	}
	if err := r.side("w", r.given.w); err != nil {
		return err
	}
	if err := r.side("h", r.given.h); err != nil {
		return err
	}
	if v, ok := r.given.dpr.get(); ok {
		n, ok := number(v)
		if !ok {
			return &Error{"dpr", "must be a number from 1 to 8; Tintype uses at most 5"}
		}
		r.Options.Set("dpr", format(min(max(n, 1), 5)), "dpr")
	}
	return nil
}

// side parses a width or a height.
func (r *weservURL) side(name string, given weservValue) error {
	if !given.set {
		return nil
	}
	v := given.value
	n, ok := whole(v)
	if percent, found := strings.CutSuffix(v, "%"); found {
		var share float64
		share, ok = number(percent)
		ok = ok && share > 0 && share <= 100
		n = 1
	}
	if !ok {
		return &Error{name, "must be a whole number of pixels, or a percentage of the original's side up to 100%"}
	}
	if n > 0 {
		r.Options.Set(name, v, name)
	}
	return nil
}

var weservPositions = map[string]string{
	"center": "center", "c": "center", "top": "north", "t": "north", "right": "east", "r": "east", "bottom": "south", "b": "south", "left": "west", "l": "west",
	"top-left": "northwest", "tl": "northwest", "bottom-left": "southwest", "bl": "southwest",
	"bottom-right": "southeast", "br": "southeast", "top-right": "northeast", "tr": "northeast",
	"entropy": "entropy", "attention": "attention",
}

// position parses the part of the image that a crop keeps. The older spellings a=crop-25-55
// and a=focal-25-55 have percentages.
func (r *weservURL) position() error {
	a := r.given.a.value
	if a == "" {
		return nil
	}
	if gravity, ok := weservPositions[a]; ok {
		r.Options.Set("gravity", gravity, "a")
		return nil
	}
	if a == "focal" {
		if err := r.focal("fpx", r.given.fpx, "fp-x"); err != nil {
			return err
		}
		return r.focal("fpy", r.given.fpy, "fp-y")
	}
	if kind, rest, _ := strings.Cut(a, "-"); kind == "crop" || kind == "focal" {
		x, y, _ := strings.Cut(rest, "-")
		px, okX := whole(x)
		py, okY := whole(y)
		if okX && okY && px <= 100 && py <= 100 {
			r.Options.Set("fp-x", format(float64(px)/100), "a")
			r.Options.Set("fp-y", format(float64(py)/100), "a")
			return nil
		}
	}
	return &Error{"a", "must be one of center, top, right, bottom, left, top-left, bottom-left, bottom-right, top-right, focal, entropy, attention"}
}

// focal parses one coordinate of a focal point.
func (r *weservURL) focal(name string, given weservValue, native string) error {
	if !given.set {
		return nil
	}
	n, ok := number(given.value)
	if !ok || n < 0 || n > 1 {
		return &Error{name, "must be a number from 0 to 1"}
	}
	r.Options.Set(native, format(n), name)
	return nil
}

// region parses crop=x,y,w,h, or cx, cy, cw and ch. weserv crops after the resize, and Tintype
// crops before it. The result is the same with precrop, and without a resize.
func (r *weservURL) region() error {
	name, parts := "crop", [4]string{"0", "0", "100%", "100%"}
	given := false
	if v := r.given.crop.value; v != "" {
		list := strings.Split(v, ",")
		if len(list) != 4 {
			return &Error{"crop", "must be x,y,w,h"}
		}
		parts, given = [4]string(list), true
		// An older form was crop=w,h,x,y. weserv's reference has only this one.
	}
	for i, side := range [...]struct {
		name  string
		given weservValue
	}{{"cx", r.given.cx}, {"cy", r.given.cy}, {"cw", r.given.cw}, {"ch", r.given.ch}} {
		if side.given.set {
			name, parts[i], given = side.name, side.given.value, true
		}
	}
	if !given {
		return nil
	}
	_, w := r.Options.Get("w")
	_, h := r.Options.Get("h")
	rect, ok := r.Options.rectOf(span{at: parts[0], length: parts[2]}, span{at: parts[1], length: parts[3]})
	if !ok || (w || h) && !r.given.precrop.flag() {
		r.ignore(name)
		return nil
	}
	r.Options.Set("rect", rect, name)
	return nil
}

// turn parses trim, mask, flips and rotation.
func (r *weservURL) turn() error {
	if v, ok := r.given.trim.get(); ok {
		n, ok := whole(v)
		if !ok || n < 1 || n > 254 {
			n = 10 // as in weserv
		}
		r.Options.Set("trim", strconv.Itoa(n), "trim")
	}
	if v := r.given.mask.value; v != "" {
		switch v {
		case "circle", "ellipse":
			r.Options.Set("radius", "max", "mask")
		case "triangle", "triangle-180", "pentagon", "pentagon-180", "hexagon", "square", "star", "heart":
			r.ignore("mask")
		default:
			return &Error{"mask", "must be circle or ellipse: Tintype has no other shapes"}
		}
	}
	degrees := 0
	if v := r.given.ro.value; v != "" {
		n, ok := number(v)
		if !ok || n != math.Trunc(n) || math.Abs(n) > 1e6 {
			return &Error{"ro", "must be a whole number of degrees"}
		}
		degrees = turned(int(n))
	}
	// weserv turns by multiples of 90° before it crops. It turns by other angles last.
	if degrees%90 == 0 {
		r.rotate(degrees)
	}
	flip := ""
	if r.given.flop.flag() {
		flip += "h"
	}
	if r.given.flip.flag() {
		flip += "v"
	}
	if flip != "" {
		r.Options.mirror(flip, false, "flip")
	}
	if err := r.region(); err != nil {
		return err
	}
	if degrees%90 == 0 {
		return nil
	}
	r.rotate(degrees)
	return r.color(r.given.rbg, "rbg", "bg")
}

// rotate turns the image. weserv turns after the resize, unless precrop is set.
func (r *weservURL) rotate(degrees int) {
	r.Options.turn(degrees, false, "ro")
	w, hasW := r.Options.Get("w")
	h, hasH := r.Options.Get("h")
	fit, _ := r.Options.Get("fit")
	switch {
	case !hasW && !hasH, degrees%180 == 0:
	case degrees%90 != 0:
		r.ignore("ro") // in weserv, w and h are the size before the turn
	case r.given.precrop.flag():
	case (fit == "cover" || fit == "pad") && hasW && hasH && w != h:
		r.ignore("ro") // weserv then crops each side to the shorter of w and h
	default:
		r.Options.swapSides()
	}
}

// look parses the parameters for colours and detail.
func (r *weservURL) look() error {
	if err := r.color(r.given.bg, "bg", "bg"); err != nil {
		return err
	}
	if v, ok := r.given.blur.get(); ok {
		n, ok := number(v)
		switch {
		case v == "":
			n = 1
		case !ok || n < 0:
			return &Error{"blur", "must be a number from 0.3 to 1000"}
		}
		r.Options.Set("blur", format(min(n, 100)), "blur")
	}
	if v, ok := r.given.sharp.get(); ok {
		v, _, _ = strings.Cut(v, ",")
		n, ok := number(v)
		switch {
		case v == "":
			n = 1
		case !ok || n < 0:
			return &Error{"sharp", "must be a number from 0.000001 to 10"}
		}
		r.Options.Set("sharpen", format(min(n*10, 100)), "sharp")
	}
	if v := r.given.con.value; v != "" {
		n, ok := number(v)
		if !ok || n < -100 || n > 100 {
			return &Error{"con", "must be a number from -100 to 100"}
		}
		r.Options.Set("contrast", percent(n), "con")
	}
	if v, ok := r.given.gam.get(); ok {
		n, ok := number(v)
		if !ok || n < 1 || n > 3 {
			n = 2.2 // as in weserv
		}
		r.Options.Set("gamma", format(n), "gam")
	}
	if v := r.given.filt.value; v != "" {
		switch v {
		case "greyscale", "grayscale":
			r.Options.Set("grayscale", "1", "filt")
		case "sepia":
			r.Options.Set("sepia", "1", "filt")
		case "negate":
			r.Options.Set("invert", "1", "filt")
		case "duotone":
			r.ignore("filt")
		default:
			return &Error{"filt", "must be one of greyscale, sepia, negate"}
		}
	}
	return r.modulate()
}

// modulate parses mod=BRIGHTNESS,SATURATION,HUE and sat=.
func (r *weservURL) modulate() error {
	if v := r.given.mod.value; v != "" {
		for i, part := range strings.Split(v, ",") {
			n, ok := number(part)
			if !ok || i > 2 {
				return &Error{"mod", "must be BRIGHTNESS,SATURATION,HUE: two factors and degrees"}
			}
			switch {
			case i == 0:
				r.Options.Set("brightness", format(min(max(n, 0), 3)), "mod")
			case i == 1:
				r.Options.Set("saturation", format(min(max(n, 0), 3)), "mod")
			case n != 0:
				r.ignore("mod")
			}
		}
	}
	if v := r.given.sat.value; v != "" {
		n, ok := number(v)
		if !ok || n < 0 {
			return &Error{"sat", "must be a factor, 0 or more: 1 changes nothing"}
		}
		r.Options.Set("saturation", format(min(n, 3)), "sat")
	}
	return nil
}

// output parses format, quality, frames, and the answer to an error.
func (r *weservURL) output() error {
	output := r.given.output.value
	switch output {
	case "":
		output = "original"
	case "jpg", "jpeg":
		output = "jpeg"
	case "png", "gif", "tiff", "webp", "jxl", "avif":
	case "json":
		output = "original"
		r.ignore("output")
	default:
		return &Error{"output", "must be one of jpg, png, gif, tiff, webp, avif, jxl"}
	}
	r.Options.Set("format", output, "output")
	if v := r.given.q.value; v != "" {
		n, ok := whole(v)
		if !ok || n < 1 || n > 100 {
			return &Error{"q", "must be a whole number from 1 to 100"}
		}
		r.Options.Set("q", v, "q")
	}
	if r.given.ll.flag() {
		r.Options.Set("lossless", "1", "ll")
	}
	if r.given.il.flag() {
		r.Options.Set("progressive", "1", "il")
	}
	anim := "0"
	if v := r.given.n.value; v != "" && v != "1" {
		if v == "-1" {
			anim = "1"
		} else {
			r.ignore("n")
		}
	}
	r.Options.Set("anim", anim, "n")
	if v := r.given.page.value; v != "" && v != "0" {
		r.ignore("page")
	}
	switch v, ok := r.given.fallback.get(); {
	case v == "1":
		r.RedirectOnError = true
	case ok && v != "":
		r.ignore("default")
	}
	return nil
}

// read stores the known parameters of the query in given, and the others in Ignored.
func (r *weservURL) read(q transform.Query) {
	for i := range q {
		p := &q[i]
		if p.Name == "filename" {
			continue // it names the file of an inline image, and changes no pixel
		}
		if v := r.given.param(p.Name); v != nil {
			*v = weservValue{p.Value, true} // the last value wins
		} else {
			r.ignoreUnknown(p.Name)
		}
	}
}

// param returns the place of a parameter, or nil if weserv has no such parameter.
func (q *weservQuery) param(name string) *weservValue {
	switch name {
	case "url":
		return &q.url
	case "fit":
		return &q.fit
	case "we":
		return &q.we
	case "cbg":
		return &q.cbg
	case "w":
		return &q.w
	case "h":
		return &q.h
	case "dpr":
		return &q.dpr
	case "a":
		return &q.a
	case "fpx":
		return &q.fpx
	case "fpy":
		return &q.fpy
	case "crop":
		return &q.crop
	case "cx":
		return &q.cx
	case "cy":
		return &q.cy
	case "cw":
		return &q.cw
	case "ch":
		return &q.ch
	case "precrop":
		return &q.precrop
	case "trim":
		return &q.trim
	case "mask":
		return &q.mask
	case "flip":
		return &q.flip
	case "flop":
		return &q.flop
	case "ro":
		return &q.ro
	case "rbg":
		return &q.rbg
	case "bg":
		return &q.bg
	case "blur":
		return &q.blur
	case "sharp":
		return &q.sharp
	case "con":
		return &q.con
	case "gam":
		return &q.gam
	case "filt":
		return &q.filt
	case "mod":
		return &q.mod
	case "sat":
		return &q.sat
	case "output":
		return &q.output
	case "q":
		return &q.q
	case "ll":
		return &q.ll
	case "il":
		return &q.il
	case "n":
		return &q.n
	case "page":
		return &q.page
	case "default":
		return &q.fallback
	}
	return nil
}

// color sets a colour. weserv writes the alpha first, as imgix does.
func (r *weservURL) color(v weservValue, name, native string) error {
	if v.value == "" {
		return nil
	}
	c, ok := imgixColor(v.value)
	if !ok {
		return &Error{name, colorValues}
	}
	r.Options.Set(native, c, name)
	return nil
}
