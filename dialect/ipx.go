package dialect

import (
	"math"
	"strconv"
	"strings"
)

// ipx is the grammar of unjs/ipx, the default provider of @nuxt/image:
// /_ipx/s_200x200,f_webp/images/me.png.
var ipx = &Dialect{
	Name:     "ipx",
	Prefixes: []string{"_ipx"},
	Parse:    parseIPX,
	Params:   ipxParams,
}

// An ipxURL holds the state of parsing a URL.
type ipxURL struct {
	Request
	width, height, resizeW, resizeH int // 0 is none
	enlarge                         bool
	fit, gravity                    string // fit is ipx's, gravity native
	background                      string // native; finish decides whether it has an effect
	flatten, extend                 bool
	rotate                          int
	flip, flop                      bool
	format                          string // native; empty is the original's
	animated                        bool
	quality                         string
}

func parseIPX(u URL) (Request, error) {
	modifiers, id, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if modifiers == "" || id == "" {
		return Request{}, &Error{Reason: "write modifiers, or _ for none, and an image, as in /_ipx/w_200/PATH"}
	}
	var r ipxURL
	if modifiers != "_" {
		for modifiers != "" {
			modifier := modifiers
			if end := strings.IndexAny(modifiers, ",&"); end >= 0 {
				modifier, modifiers = modifiers[:end], modifiers[end+1:]
			} else {
				modifiers = ""
			}
			name, args := cutIPX(modifier)
			args, err := decodePath(args)
			if err != nil {
				return Request{}, &Error{name, err.Error()}
			}
			if args == "undefined" {
				args = ""
			}
			if err := r.modifier(name, args); err != nil {
				return Request{}, err
			}
		}
	}
	r.finish()
	if err := r.image(u, id); err != nil {
		return Request{}, err
	}
	nameQuery(u.RawQuery, r.ignore)
	return r.Request, nil
}

// cutIPX splits a raw modifier into its name and its arguments. In the result, "_" separates
// the arguments.
func cutIPX(modifier string) (name, args string) {
	end := strings.IndexAny(modifier, "_:=")
	if end < 0 {
		return modifier, ""
	}
	name, args = modifier[:end], modifier[end+1:]
	if strings.ContainsAny(args, ":=") {
		args = strings.NewReplacer(":", "_", "=", "_").Replace(args)
	}
	return name, args
}

// image parses the part after the modifiers: a full URL or a path.
func (r *ipxURL) image(u URL, id string) error {
	if decoded, err := decodePath(id); err != nil {
		return err
	} else if full, ok := mergedURL(decoded); ok {
		return r.Image.setURL(strings.ReplaceAll(full, " ", "%20"), "")
	}
	image, err := u.object(id, "")
	r.Image = image
	return err
}

func (r *ipxURL) modifier(name, args string) error {
	switch name {
	case "width", "w":
		return pixels(name, args, &r.width)
	case "height", "h":
		return pixels(name, args, &r.height)
	case "resize", "s":
		return r.readSize(name, args)
	case "enlarge":
		r.enlarge = true
	case "fit":
		r.fit = args
		if args != "" {
			return oneOf(name, args, "contain", "cover", "fill", "inside", "outside")
		}
	case "position", "pos":
		return r.readPosition(name, args)
	case "background", "b":
		if args == "" {
			return nil
		}
		c, ok := cssColor(args)
		if !ok {
			return &Error{name, cssColorValues}
		}
		r.background = c
	case "quality", "q":
		if args == "" {
			return nil
		}
		if n, ok := whole(args); !ok || n < 1 || n > 100 {
			return &Error{name, "must be a whole number from 1 to 100"}
		}
		r.quality = args
	case "format", "f":
		r.readFormat(name, args)
	case "animated", "a":
		r.animated = true
	case "extract", "crop":
		return r.readExtract(name, args)
	case "extend":
		return r.readExtend(args)
	case "trim":
		return r.amount(name, args, "trim", 0, math.Inf(1), 10, func(f float64) float64 { return math.Round(min(f, 255)) })
	case "rotate":
		f, ok := number(args)
		if args != "" && (!ok || math.Abs(f) > 3600) {
			return &Error{name, "must be a number of degrees from -3600 to 3600"}
		}
		r.rotate = (int(math.Round(f))%360 + 360) % 360
	case "autoorient": // Tintype always does
	case "flip":
		r.flip = true
	case "flop":
		r.flop = true
	case "flatten":
		r.flatten = true
	case "grayscale":
		r.Options.Set("grayscale", "1", name)
	case "negate":
		r.Options.Set("invert", "1", name)
		if args != "" {
			return oneOf(name, args, "true", "false", "1", "0")
		}
	case "blur":
		sigma, _, _ := strings.Cut(args, "_")
		return r.amount(name, sigma, "blur", 0.3, 1000, 0.8, func(f float64) float64 { return min(f, 100) })
	case "sharpen":
		sigma, _, _ := strings.Cut(args, "_")
		return r.amount(name, sigma, "sharpen", 0.000001, 10, 1, func(f float64) float64 { return f * 10 })
	case "modulate":
		return r.readModulate(args)
	case "brightness", "saturation":
		if args == "" {
			return &Error{name, "needs a number, 0 or more"}
		}
		return r.amount(name, args, name, 0, math.Inf(1), 1, func(f float64) float64 { return min(f, 3) })
	default:
		r.ignore(name)
	}
	return nil
}

// pixels parses a width or a height. An empty argument means that the URL sets none.
func pixels(name, args string, n *int) error {
	if *n = 0; args == "" {
		return nil
	}
	side, ok := whole(args)
	if !ok || side == 0 {
		return &Error{name, "must be a whole number of pixels, above 0"}
	}
	*n = side
	return nil
}

func (r *ipxURL) readSize(name, args string) error {
	if args == "" {
		return nil
	}
	first, second, two := strings.Cut(args, "x")
	if !two {
		second = first
	}
	w, ok := whole(first)
	h, okH := whole(second)
	if !ok || !okH || w == 0 || h == 0 {
		return &Error{name, "must be WIDTHxHEIGHT, or one number for both, in whole pixels above 0"}
	}
	r.resizeW, r.resizeH = w, h
	return nil
}

func (r *ipxURL) readPosition(name, args string) error {
	switch strings.Replace(args, "-", " ", 1) {
	case "":
	case "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "center", "entropy", "attention":
		r.gravity = args
	case "centre", "0":
		r.gravity = "center"
	case "top", "1":
		r.gravity = "north"
	case "right", "2":
		r.gravity = "east"
	case "bottom", "3":
		r.gravity = "south"
	case "left", "4":
		r.gravity = "west"
	case "right top", "5":
		r.gravity = "northeast"
	case "right bottom", "6":
		r.gravity = "southeast"
	case "left bottom", "7":
		r.gravity = "southwest"
	case "left top", "8":
		r.gravity = "northwest"
	case "16":
		r.gravity = "entropy"
	case "17":
		r.gravity = "attention"
	default:
		return &Error{name, "must be a position such as top or right-top, a gravity such as northeast, or entropy or attention"}
	}
	return nil
}

// readFormat parses a format. In ipx, an unknown format means the original's format.
func (r *ipxURL) readFormat(name, args string) {
	r.format = ""
	switch args {
	case "":
	case "jpg":
		r.format = "jpeg"
	case "jpeg", "png", "webp", "avif", "gif", "tiff", "auto":
		r.format = args
	default: // such as heif and svg
		r.ignore(name)
	}
}

// readExtract parses LEFT_TOP_WIDTH_HEIGHT.
func (r *ipxURL) readExtract(name, args string) error {
	const most = 1_000_000 // the bound of native regions; no image is larger
	b := make([]byte, 0, 32)
	rest := args
	for i := range 4 {
		var arg string
		arg, rest, _ = strings.Cut(rest, "_")
		n, ok := whole(arg)
		if !ok || i >= 2 && n == 0 {
			return &Error{name, "must be LEFT_TOP_WIDTH_HEIGHT, in whole pixels"}
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(min(n, most)), 10)
	}
	r.Options.Set("rect", string(b), name)
	return nil
}

// readExtend parses TOP_RIGHT_BOTTOM_LEFT_WITH. A missing side is 0. The default of WITH is
// background.
func (r *ipxURL) readExtend(args string) error {
	const name, most = "extend", 10_000
	b := make([]byte, 0, 32)
	rest := args
	for i := range 4 {
		var arg string
		arg, rest, _ = strings.Cut(rest, "_")
		n, ok := whole(arg)
		if arg != "" && (!ok || n > most) {
			return &Error{name, "must be TOP_RIGHT_BOTTOM_LEFT, each from 0 to 10000 pixels"}
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(min(n, maxIPXSide)), 10)
	}
	with, _, _ := strings.Cut(rest, "_")
	switch with {
	case "", "background":
		r.extend = true
		r.Options.Set("pad", string(b), name)
		return nil
	}
	r.ignore(name)
	return oneOf(name, with, "background", "copy", "repeat", "mirror")
}

// readModulate parses BRIGHTNESS_SATURATION_HUE_LIGHTNESS.
func (r *ipxURL) readModulate(args string) error {
	const name = "modulate"
	rest := args
	for _, native := range [...]string{"brightness", "saturation"} {
		var arg string
		arg, rest, _ = strings.Cut(rest, "_")
		if arg == "" {
			continue
		}
		if err := r.amount(name, arg, native, 0, math.Inf(1), 1, func(f float64) float64 { return min(f, 3) }); err != nil {
			return err
		}
	}
	if strings.Trim(rest, "_") != "" {
		r.ignore(name)
	}
	return nil
}

// amount parses a number from least to most. usual is the default. scale converts the number
// to the scale of the native option.
func (r *ipxURL) amount(name, arg, native string, least, most, usual float64, scale func(float64) float64) error {
	f, ok := number(arg)
	if arg == "" {
		f, ok = usual, true
	}
	if !ok || f < least || f > most {
		reason := "must be a number, " + strconv.FormatFloat(least, 'f', -1, 64) + " or more"
		if !math.IsInf(most, 1) {
			reason = "must be a number from " + strconv.FormatFloat(least, 'f', -1, 64) + " to " + format(most)
		}
		return &Error{name, reason}
	}
	r.Options.Set(native, format(scale(f)), name)
	return nil
}

// maxIPXSide is the largest side in pixels. ipx reduces larger sizes to it.
const maxIPXSide = 8192

// finish sets the defaults, and the native options that depend on several modifiers.
func (r *ipxURL) finish() {
	padded := r.resize()
	mirror := ""
	switch {
	case r.flip && r.flop:
		mirror = "hv"
	case r.flip:
		mirror = "v"
	case r.flop:
		mirror = "h"
	}
	if mirror == "h" || mirror == "v" {
		// ipx mirrors before it turns. Tintype mirrors last. So the direction changes.
		r.rotate = (360 - r.rotate) % 360
	}
	if r.rotate > 0 {
		r.Options.Set("rotate", strconv.Itoa(r.rotate), "rotate")
	}
	if mirror != "" {
		r.Options.Set("flip", mirror, "")
	}
	switch {
	case padded || r.extend || r.flatten || r.rotate%90 != 0:
		if r.background == "" {
			r.background = "000"
		}
		r.Options.Set("bg", r.background, "background")
	case r.format == "jpeg":
		r.Options.Set("bg", "000", "")
	}
	switch r.format {
	case "":
		r.Options.Set("format", "original", "")
	case "jpeg":
		r.Options.Set("format", r.format, "")
		r.Options.Set("progressive", "1", "")
	case "auto":
	default:
		r.Options.Set("format", r.format, "")
	}
	if !r.animated && r.format != "" && r.format != "gif" {
		r.Options.Set("anim", "0", "")
	}
	if r.quality != "" {
		r.Options.Set("q", r.quality, "")
	} else {
		r.Options.Set("q-avif", "40", "") // sharp's default, 50, looks like 40 here
	}
}

// resize sets the size. ipx sorts the modifiers by name, and the last one wins: w, then s,
// then h. padded reports whether the fit adds a background around the image.
func (r *ipxURL) resize() (padded bool) {
	bigger := func(yes, no string) string {
		if r.enlarge {
			return yes
		}
		return no
	}
	switch {
	case r.width > 0:
		r.Options.Set("w", strconv.Itoa(min(r.width, maxIPXSide)), "width")
		r.Options.Set("fit", bigger("contain", "scale-down"), "fit")
		return false
	case r.resizeW == 0 && r.height > 0:
		r.Options.Set("h", strconv.Itoa(min(r.height, maxIPXSide)), "height")
		r.Options.Set("fit", bigger("contain", "scale-down"), "fit")
		return false
	case r.resizeW == 0:
		return false
	}
	scale := min(maxIPXSide/float64(max(r.resizeW, r.resizeH)), 1)
	r.Options.Set("w", strconv.Itoa(clamp(float64(r.resizeW)*scale, 1, maxIPXSide)), "resize")
	r.Options.Set("h", strconv.Itoa(clamp(float64(r.resizeH)*scale, 1, maxIPXSide)), "resize")
	fit := ""
	switch r.fit {
	case "", "cover":
		fit = bigger("cover", "crop")
	case "contain":
		fit, padded = "pad", true
	case "fill":
		fit = "squeeze"
	case "outside":
		fit = "outside"
	case "inside":
		fit = bigger("contain", "scale-down")
	}
	r.Options.Set("fit", fit, "fit")
	if !r.enlarge && (fit == "outside" || fit == "pad" || fit == "squeeze") {
		r.Options.Set("enlarge", "0", "fit")
	}
	if r.gravity != "" && (fit == "cover" || fit == "crop" || fit == "pad") {
		r.Options.Set("gravity", r.gravity, "position")
	}
	return padded
}
