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
	given [37]weservValue
}

type weservValue struct {
	value string
	set   bool
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
	url, ok := r.value("url")
	if !ok || url == "" {
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
	fit, _ := r.value("fit")
	keep := r.flag("we")
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
		if err := r.color("cbg", "bg"); err != nil {
			return err
		}
	default:
		return &Error{"fit", "must be one of inside, outside, cover, fill, contain"}
	}
	r.Options.Set("fit", fit, "fit")
	if keep {
		r.Options.Set("enlarge", "0", "we")
	}
	for _, side := range [...]string{"w", "h"} {
		v, ok := r.value(side)
		if !ok {
			continue
		}
		if of, ok := strings.CutSuffix(v, "%"); ok {
			n, ok := number(of)
			if !ok || n <= 0 || n > 100 {
				return &Error{side, "must be a whole number of pixels, or a percentage of the original's side up to 100%"}
			}
			r.Options.Set(side, v, side)
			continue
		}
		n, ok := whole(v)
		if !ok {
			return &Error{side, "must be a whole number of pixels, or a percentage of the original's side up to 100%"}
		}
		if n > 0 {
			r.Options.Set(side, v, side)
		}
	}
	if v, ok := r.value("dpr"); ok {
		n, ok := number(v)
		if !ok {
			return &Error{"dpr", "must be a number from 1 to 8; Tintype uses at most 5"}
		}
		r.Options.Set("dpr", format(min(max(n, 1), 5)), "dpr")
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
	a, ok := r.value("a")
	if !ok || a == "" {
		return nil
	}
	if gravity, ok := weservPositions[a]; ok {
		r.Options.Set("gravity", gravity, "a")
		return nil
	}
	if a == "focal" {
		for _, side := range [...][2]string{{"fpx", "fp-x"}, {"fpy", "fp-y"}} {
			v, ok := r.value(side[0])
			if !ok {
				continue
			}
			n, ok := number(v)
			if !ok || n < 0 || n > 1 {
				return &Error{side[0], "must be a number from 0 to 1"}
			}
			r.Options.Set(side[1], format(n), side[0])
		}
		return nil
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

// region parses crop=x,y,w,h, or cx, cy, cw and ch. weserv crops after the resize, and Tintype
// crops before it. The result is the same with precrop, and without a resize.
func (r *weservURL) region() error {
	name, parts := "crop", [4]string{"0", "0", "100%", "100%"}
	given := false
	if v, ok := r.value("crop"); ok && v != "" {
		list := strings.Split(v, ",")
		if len(list) != 4 {
			return &Error{"crop", "must be x,y,w,h"}
		}
		parts, given = [4]string(list), true
		// An older form was crop=w,h,x,y. weserv's reference has only this one.
	}
	for i, side := range [...]string{"cx", "cy", "cw", "ch"} {
		if v, ok := r.value(side); ok {
			name, parts[i], given = side, v, true
		}
	}
	if !given {
		return nil
	}
	_, w := r.Options.Get("w")
	_, h := r.Options.Get("h")
	rect, ok := r.Options.rectOf(span{at: parts[0], length: parts[2]}, span{at: parts[1], length: parts[3]})
	if !ok || (w || h) && !r.flag("precrop") {
		r.ignore(name)
		return nil
	}
	r.Options.Set("rect", rect, name)
	return nil
}

// turn parses trim, mask, flips and rotation.
func (r *weservURL) turn() error {
	if v, ok := r.value("trim"); ok {
		n, ok := whole(v)
		if !ok || n < 1 || n > 254 {
			n = 10 // as in weserv
		}
		r.Options.Set("trim", strconv.Itoa(n), "trim")
	}
	if v, ok := r.value("mask"); ok && v != "" {
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
	if v, ok := r.value("ro"); ok && v != "" {
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
	if r.flag("flop") {
		flip += "h"
	}
	if r.flag("flip") {
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
	return r.color("rbg", "bg")
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
	case r.flag("precrop"):
	case (fit == "cover" || fit == "pad") && hasW && hasH && w != h:
		r.ignore("ro") // weserv then crops each side to the shorter of w and h
	default:
		r.Options.swapSides()
	}
}

// look parses the parameters for colours and detail.
func (r *weservURL) look() error {
	if err := r.color("bg", "bg"); err != nil {
		return err
	}
	if v, ok := r.value("blur"); ok {
		n, ok := number(v)
		switch {
		case v == "":
			n = 1
		case !ok || n < 0:
			return &Error{"blur", "must be a number from 0.3 to 1000"}
		}
		r.Options.Set("blur", format(min(n, 100)), "blur")
	}
	if v, ok := r.value("sharp"); ok {
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
	if v, ok := r.value("con"); ok && v != "" {
		n, ok := number(v)
		if !ok || n < -100 || n > 100 {
			return &Error{"con", "must be a number from -100 to 100"}
		}
		r.Options.Set("contrast", percent(n), "con")
	}
	if v, ok := r.value("gam"); ok {
		n, ok := number(v)
		if !ok || n < 1 || n > 3 {
			n = 2.2 // as in weserv
		}
		r.Options.Set("gamma", format(n), "gam")
	}
	if v, ok := r.value("filt"); ok && v != "" {
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
	if v, ok := r.value("mod"); ok && v != "" {
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
	if v, ok := r.value("sat"); ok && v != "" {
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
	output, _ := r.value("output")
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
	if v, ok := r.value("q"); ok && v != "" {
		n, ok := whole(v)
		if !ok || n < 1 || n > 100 {
			return &Error{"q", "must be a whole number from 1 to 100"}
		}
		r.Options.Set("q", v, "q")
	}
	if r.flag("ll") {
		r.Options.Set("lossless", "1", "ll")
	}
	if r.flag("il") {
		r.Options.Set("progressive", "1", "il")
	}
	anim := "0"
	if v, ok := r.value("n"); ok && v != "" && v != "1" {
		if v == "-1" {
			anim = "1"
		} else {
			r.ignore("n")
		}
	}
	r.Options.Set("anim", anim, "n")
	if v, ok := r.value("page"); ok && v != "" && v != "0" {
		r.ignore("page")
	}
	switch v, ok := r.value("default"); {
	case v == "1":
		r.RedirectOnError = true
	case ok && v != "":
		r.ignore("default")
	}
	return nil
}

// read stores the known parameters of the query in given, and the others in Ignored.
func (r *weservURL) read(q transform.Query) {
	for _, p := range q {
		if p.Name == "filename" {
			continue // it names the file of an inline image, and changes no pixel
		}
		if i := weservIndex(p.Name); i >= 0 {
			r.given[i] = weservValue{p.Value, true} // the last value wins
		} else {
			r.ignore(p.Name)
		}
	}
}

// weservIndex returns the index of a parameter in given, or -1 if the parameter is unknown.
func weservIndex(name string) int {
	switch name {
	case "url":
		return 0
	case "fit":
		return 1
	case "we":
		return 2
	case "cbg":
		return 3
	case "w":
		return 4
	case "h":
		return 5
	case "dpr":
		return 6
	case "a":
		return 7
	case "fpx":
		return 8
	case "fpy":
		return 9
	case "crop":
		return 10
	case "cx":
		return 11
	case "cy":
		return 12
	case "cw":
		return 13
	case "ch":
		return 14
	case "precrop":
		return 15
	case "trim":
		return 16
	case "mask":
		return 17
	case "flip":
		return 18
	case "flop":
		return 19
	case "ro":
		return 20
	case "rbg":
		return 21
	case "bg":
		return 22
	case "blur":
		return 23
	case "sharp":
		return 24
	case "con":
		return 25
	case "gam":
		return 26
	case "filt":
		return 27
	case "mod":
		return 28
	case "sat":
		return 29
	case "output":
		return 30
	case "q":
		return 31
	case "ll":
		return 32
	case "il":
		return 33
	case "n":
		return 34
	case "page":
		return 35
	case "default":
		return 36
	}
	return -1
}

// value returns a parameter's value.
func (r *weservURL) value(name string) (value string, ok bool) {
	v := r.given[weservIndex(name)]
	return v.value, v.set
}

// flag reports whether a flag is on. A flag without a value is on.
func (r *weservURL) flag(name string) bool {
	v, ok := r.value(name)
	return ok && v != "0" && v != "false"
}

// color sets a colour. weserv writes the alpha first, as imgix does.
func (r *weservURL) color(name, native string) error {
	v, ok := r.value(name)
	if !ok || v == "" {
		return nil
	}
	c, ok := imgixColor(v)
	if !ok {
		return &Error{name, colorValues}
	}
	r.Options.Set(native, c, name)
	return nil
}
