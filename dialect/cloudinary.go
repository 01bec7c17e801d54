package dialect

import (
	"cmp"
	"crypto/sha1" // Cloudinary signs with SHA-1
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/tintype/tintype/transform"
)

// cloudinary is the grammar of Cloudinary's URLs for images:
// /CLOUD/image/upload/s--SIGNATURE--/c_fill,w_400/v1/ID and /image/fetch/…/URL. It has the
// parameters that Cloudinary's SDKs write.
var cloudinary = &Dialect{
	Name:     "cloudinary",
	Prefixes: []string{"cloudinary"},
	Whole:    true,
	Parse:    parseCloudinary,
	Verify:   verifyCloudinary,
	Params:   cloudinaryParams,
}

// A cloudinaryURL holds the state of parsing a URL.
type cloudinaryURL struct {
	Request
	url     URL
	resized bool // a component has resized: later components can't
	cropped bool
	c       cloudinaryComponent
}

// A cloudinaryComponent has the parameters of one component that decide the size. A slash ends
// a component.
type cloudinaryComponent struct {
	crop, gravity, width, height, ratio, x, y string
}

func parseCloudinary(u URL) (Request, error) {
	path := strings.TrimPrefix(u.Path, "/")
	rest, ok := strings.CutPrefix(path, "image/")
	if !ok {
		_, rest, ok = strings.Cut(path, "/")
		if ok {
			rest, ok = strings.CutPrefix(rest, "image/")
		}
	}
	kind, rest, _ := strings.Cut(rest, "/")
	if !ok || kind != "upload" && kind != "fetch" || rest == "" {
		return Request{}, &Error{Reason: "the path must be /image/upload/TRANSFORMATIONS/PATH or /image/fetch/TRANSFORMATIONS/URL"}
	}
	r := cloudinaryURL{url: u}
	if s, after, ok := strings.Cut(rest, "/"); ok && strings.HasPrefix(s, "s--") && strings.HasSuffix(s, "--") && len(s) > 5 {
		r.Claim.Signature, rest = s[3:len(s)-2], after
	}
	signed := rest
	for {
		component, after, more := strings.Cut(rest, "/")
		if !more || !isComponent(component) {
			break
		}
		if err := r.component(component); err != nil {
			return Request{}, err
		}
		rest = after
	}
	before := signed[:len(signed)-len(rest)]
	if version, after, ok := strings.Cut(rest, "/"); ok && len(version) > 1 && version[0] == 'v' && isDigits(version[1:]) {
		rest = after
	}
	if r.Claim.Signature != "" {
		r.Claim.Message = before + rest // Cloudinary doesn't sign the version
	}
	if err := r.image(rest); err != nil {
		return Request{}, err
	}
	r.Options.Imply("format", "original", "f")
	nameQuery(u.RawQuery, r.ignore)
	return r.Request, nil
}

func verifyCloudinary(k Key, c Claim) bool {
	var sum []byte
	size := k.Size
	if k.Algorithm == "sha256" {
		s := sha256.Sum256(append([]byte(c.Message), k.Secret...))
		sum = s[:]
		if size == 0 {
			size = 32
		}
	} else {
		s := sha1.Sum(append([]byte(c.Message), k.Secret...))
		sum = s[:]
		if size == 0 {
			size = 8
		}
	}
	want := base64.RawURLEncoding.EncodeToString(sum)
	if size != 8 && size != 32 || size > len(want) {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(want[:size]), []byte(c.Signature)) == 1
}

func (r *cloudinaryURL) image(rest string) error {
	if isURL(rest) {
		if !transform.IsText(rest) {
			return &Error{Reason: "the image's URL has a control character or invalid UTF-8"}
		}
		return r.Image.setURL(rest, "")
	}
	name, err := decodePath(rest)
	if err != nil {
		return err
	}
	return r.Image.set(r.url, name)
}

// isComponent reports whether a segment is a transformation: parameters such as w_400,
// separated by commas.
func isComponent(s string) bool {
	if strings.HasPrefix(s, "if_") || strings.HasPrefix(s, "$") {
		return true
	}
	for more := true; more; {
		var piece string
		piece, s, more = strings.Cut(s, ",")
		if at := strings.IndexByte(piece, '_'); at < 0 || at == len(piece)-1 || !cloudinaryName(piece[:at]) {
			return false
		}
	}
	return true
}

// cloudinaryName reports whether Cloudinary has a parameter of this name.
func cloudinaryName(name string) bool {
	switch name {
	case "a", "ac", "af", "ar", "b", "bo", "br", "c", "co", "cs", "d", "dl", "dn", "dpr", "du", "e", "eo", "f", "fl", "fn", "fps", "g", "h",
		"ki", "l", "o", "p", "pg", "q", "r", "so", "sp", "t", "u", "vc", "vs", "w", "x", "y", "z":
		return true
	}
	return false
}

func (r *cloudinaryURL) component(raw string) error {
	component, err := decodePath(raw)
	if err != nil {
		return err
	}
	if name := component; strings.HasPrefix(name, "if_") || strings.HasPrefix(name, "$") {
		return &Error{strings.SplitN(name, "_", 2)[0], "Tintype doesn't support conditions and variables"}
	}
	if strings.HasPrefix(component, "l_") || strings.HasPrefix(component, "u_") {
		r.ignore(component[:1]) // the whole component is about the layer
		return nil
	}
	r.c = cloudinaryComponent{}
	for more := true; more; {
		var piece string
		piece, component, more = strings.Cut(component, ",")
		name, value, _ := strings.Cut(piece, "_")
		if err := r.param(name, value); err != nil {
			return err
		}
	}
	return r.resize()
}

func (r *cloudinaryURL) param(name, value string) error {
	switch name {
	case "c":
		r.c.crop = value
	case "g":
		r.c.gravity = value
	case "w", "h":
		return r.side(name, value)
	case "ar":
		r.c.ratio = value
	case "x":
		r.c.x = value
	case "y":
		r.c.y = value
	case "dpr":
		if value == "auto" {
			r.ignore(name)
			return nil
		}
		n, ok := number(value)
		if !ok || n <= 0 {
			return &Error{name, "must be a number above 0"}
		}
		r.Options.Set("dpr", format(min(max(n, 0.1), 5)), name)
	case "q":
		return r.quality(value)
	case "f":
		return r.format(value)
	case "b":
		return r.background(value)
	case "r":
		return r.radius(value)
	case "a":
		return r.angle(value)
	case "e":
		return r.effect(value)
	case "t":
		if preset, ok := r.Options.Get("preset"); ok && preset != value {
			return &Error{name, "must name one preset: make one preset of them"}
		}
		r.Options.Set("preset", value, name)
	case "fl":
		r.flags(value)
	default:
		r.ignore(name)
	}
	return nil
}

func (r *cloudinaryURL) side(name, value string) error {
	n, ok := number(value)
	switch {
	case value == "auto" || value == "iw" || value == "ih" || strings.HasPrefix(value, "auto:"):
		r.ignore(name)
		return nil
	case !ok || n < 0:
		return &Error{name, "must be a number of pixels, or a fraction of the original's side up to 1"}
	case isDigits(value) && value[0] != '0' && len(value) <= 6: // the common case, without allocation
	case strings.Contains(value, ".") && n > 0 && n <= 1: // a fraction of the original's side
		value = format(n*100) + "%"
	case strings.Contains(value, ".") && n == 0:
		r.ignore(name)
		return nil
	default:
		value = strconv.Itoa(int(math.Round(min(n, 1e6))))
	}
	if name == "w" {
		r.c.width = value
	} else {
		r.c.height = value
	}
	return nil
}

// resize sets size, fit and gravity from one component.
func (r *cloudinaryURL) resize() error {
	c := &r.c
	if c.crop == "crop" && !r.resized && !r.cropped && c.ratio == "" {
		return r.cut()
	}
	r.ignorePlace()
	if c.crop == "" && c.width == "" && c.height == "" && c.ratio == "" {
		return nil
	}
	if r.resized {
		r.ignore("c")
		return nil
	}
	r.resized = true
	fit, keep, cuts := "", false, false
	switch c.crop {
	case "", "scale":
		fit = "contain"
		if c.width != "" && c.height != "" {
			fit = "squeeze"
		}
	case "fit":
		fit = "contain"
	case "limit":
		fit = "scale-down"
	case "fill", "thumb":
		fit, cuts = "cover", true
	case "auto":
		fit, cuts = "cover", true
		if c.gravity == "" {
			c.gravity = "auto"
		}
	case "lfill":
		fit, cuts = "crop", true
	case "pad":
		fit, cuts = "pad", true
	case "lpad":
		fit, cuts, keep = "pad", true, true
	case "mfit":
		fit = "contain"
		r.ignore("c")
	case "mpad", "fill_pad":
		fit, cuts = "pad", true
		r.ignore("c")
	case "crop", "auto_pad", "imagga_scale", "imagga_crop":
		fit, cuts = "cover", true
		r.ignore("c")
	default:
		return &Error{"c", "must be one of scale, fit, limit, fill, lfill, pad, lpad, crop, thumb, auto"}
	}
	r.Options.Set("fit", fit, "c")
	if keep {
		r.Options.Set("enlarge", "0", "c")
	}
	if c.width != "" {
		r.Options.Set("w", c.width, "w")
	}
	if c.height != "" {
		r.Options.Set("h", c.height, "h")
	}
	if c.ratio != "" && c.ratio != "auto" {
		w, h, ok := strings.Cut(c.ratio, ":")
		if !ok {
			h = "1"
		}
		r.Options.Set("ar", w+":"+h, "ar")
	}
	if !cuts || c.gravity == "" {
		return nil
	}
	gravity, ok := cloudinaryGravity(c.gravity)
	if !ok {
		r.ignore("g")
	}
	if gravity != "" {
		r.Options.Set("gravity", gravity, "g")
	}
	return nil
}

// cloudinaryGravity returns the native gravity. Empty means the centre. ok is false for custom
// regions and objects, which Tintype doesn't know.
func cloudinaryGravity(g string) (gravity string, ok bool) {
	first, _, _ := strings.Cut(g, ":")
	switch first {
	case "center":
		return "", true
	case "north", "south", "east", "west":
		return first, true
	case "north_east", "north_west", "south_east", "south_west":
		return strings.Replace(first, "_", "", 1), true
	case "face", "faces", "adv_face", "adv_faces":
		return "face", true
	case "auto", "auto_face", "auto_faces":
		return "attention", true
	}
	return "", false
}

// ignorePlace names x and y as ignored if they aren't 0. They need c_crop without a gravity.
func (r *cloudinaryURL) ignorePlace() {
	if r.c.x != "" && r.c.x != "0" {
		r.ignore("x")
	}
	if r.c.y != "" && r.c.y != "0" {
		r.ignore("y")
	}
}

// cut sets the region that c_crop keeps. x and y place it from the top left. Without them, the
// gravity places it.
func (r *cloudinaryURL) cut() error {
	r.cropped = true
	c := &r.c
	if c.width == "" {
		c.width = "100%"
	}
	if c.height == "" {
		c.height = "100%"
	}
	x, y := span{at: "center", length: c.width}, span{at: "center", length: c.height}
	gravity, ok := cloudinaryGravity(c.gravity)
	switch {
	case c.gravity == "" && (c.x != "" || c.y != ""):
		for i, s := range [...]string{c.x, c.y} {
			if s == "" {
				s = "0"
			}
			n, ok := number(s)
			if !ok || n < 0 {
				return &Error{[...]string{"x", "y"}[i], "must be a number, 0 or more: pixels or a fraction from the top left"}
			}
			at := strconv.Itoa(int(math.Round(min(n, 1e6))))
			if strings.Contains(s, ".") && n <= 1 {
				at = format(n*100) + "%"
			}
			*[...]*string{&x.at, &y.at}[i] = at
		}
	case c.gravity != "" && (!ok || gravity == "face" || gravity == "attention"):
		r.ignore("g")
	default:
		if south := strings.HasPrefix(gravity, "south"); south || strings.HasPrefix(gravity, "north") {
			y.at, y.end = "0", south
		}
		if east := strings.HasSuffix(gravity, "east"); east || strings.HasSuffix(gravity, "west") {
			x.at, x.end = "0", east
		}
		r.ignorePlace()
	}
	rect, ok := r.Options.rectOf(x, y)
	if !ok {
		r.ignore("c")
		return nil
	}
	r.Options.Set("rect", rect, "c")
	return nil
}

// cloudinaryTargets are the goals of q_auto. good is its default.
var cloudinaryTargets = map[string]string{"best": "85", "good": "74", "eco": "66", "low": "55"}

func (r *cloudinaryURL) quality(value string) error {
	first, rest, _ := strings.Cut(value, ":")
	if first == "auto" {
		goal, _, _ := strings.Cut(rest, ":")
		r.Options.Set("q", "auto", "q")
		r.Options.Set("q-target", cmp.Or(cloudinaryTargets[goal], cloudinaryTargets["good"]), "q")
		return nil
	}
	n, ok := whole(first)
	if !ok || n < 1 || n > 100 {
		return &Error{"q", "must be a whole number from 1 to 100, or auto"}
	}
	r.Options.Set("q", first, "q")
	return nil
}

func (r *cloudinaryURL) format(value string) error {
	first, _, _ := strings.Cut(value, ":")
	switch first {
	case "jpg", "jpeg":
		first = "jpeg"
	case "auto", "png", "webp", "avif", "gif", "jxl", "tiff":
	case "tif":
		first = "tiff"
	default:
		if !isWord(first) {
			return &Error{"f", "must be one of auto, jpg, png, webp, avif, gif, jxl, tiff"}
		}
		r.ignore("f")
		return nil
	}
	r.Options.Set("format", first, "f")
	return nil
}

func (r *cloudinaryURL) background(value string) error {
	color := strings.TrimPrefix(value, "rgb:")
	switch {
	case strings.HasPrefix(value, "auto") || strings.HasPrefix(value, "gen_fill") || strings.HasPrefix(value, "blurred"):
		r.ignore("b")
		return nil
	case color == value && !isLetters(color), color != value && !isHex(color):
		return &Error{"b", "must be a CSS colour name, or rgb: and RGB or RRGGBB in hexadecimal digits"}
	}
	r.Options.Set("bg", color, "b")
	return nil
}

func (r *cloudinaryURL) radius(value string) error {
	if value != "max" {
		n, ok := whole(value)
		switch {
		case !ok && strings.Contains(value, ":"):
			r.ignore("r")
			return nil
		case !ok:
			return &Error{"r", "must be a whole number of pixels, or max"}
		case n == 0:
			return nil
		}
		value = strconv.Itoa(min(n, 8192))
	}
	r.Options.Set("radius", value, "r")
	return nil
}

// angle parses degrees and flips, separated by dots. They follow each other. A turn by 90°
// after a resize swaps width and height.
func (r *cloudinaryURL) angle(value string) error {
	// Degrees are whole numbers, so a dot is never a decimal point.
	for part := range strings.SplitSeq(value, ".") {
		switch part {
		case "hflip":
			r.Options.mirror("h", r.resized, "a")
		case "vflip":
			r.Options.mirror("v", r.resized, "a")
		case "exif":
		case "auto_left", "auto_right", "ignore":
			r.ignore("a")
		default:
			n, err := strconv.Atoi(part)
			if err != nil || n < -1e6 || n > 1e6 {
				return &Error{"a", "must be whole degrees, hflip or vflip, separated by dots"}
			}
			if !r.Options.turn(n, r.resized, "a") {
				r.ignore("a") // in Tintype, the size is the size after the turn
			}
			if gravity, _ := r.Options.Get("gravity"); gravity == "face" && r.resized && turned(n) != 0 {
				r.ignore("g") // Tintype doesn't find faces that are turned
			}
		}
	}
	return nil
}

// effect parses e_NAME:VALUE.
func (r *cloudinaryURL) effect(value string) error {
	name, arg, given := strings.Cut(value, ":")
	usual := func(n float64) string {
		if !given {
			return format(n)
		}
		return arg
	}
	set := func(native, arg string, least, most float64, value func(n float64) string) error {
		n, ok := number(arg)
		if !ok || n < least || n > most {
			return &Error{"e", name + " must have a number from " + format(least) + " to " + format(most)}
		}
		r.Options.Set(native, value(n), "e")
		return nil
	}
	switch name {
	case "blur":
		return set("blur", usual(100), 0, 2000, func(n float64) string { return format(min(n/10, 100)) })
	case "pixelate":
		return set("pixelate", usual(8), 0, 1024, func(n float64) string { return strconv.Itoa(int(math.Round(n))) })
	case "sharpen":
		return set("sharpen", usual(100), 0, 2000, func(n float64) string { return format(min(n/5, 100)) })
	case "brightness":
		return set("brightness", usual(80), -100, 200, percent)
	case "contrast":
		return set("contrast", usual(0), -100, 200, percent)
	case "saturation":
		return set("saturation", usual(80), -100, 200, percent)
	case "gamma":
		return set("gamma", usual(0), -50, 150, func(n float64) string { return format(max(1+n/100, 0.1)) })
	case "grayscale":
		r.Options.Set("grayscale", "1", "e")
	case "negate":
		r.Options.Set("invert", "1", "e")
	case "sepia":
		n, ok := number(usual(80))
		switch {
		case !ok:
			return &Error{"e", "sepia must have a number from 1 to 100"}
		case n < 50:
			r.ignore("e")
		default:
			r.Options.Set("sepia", "1", "e")
		}
	case "trim":
		tolerance, _, _ := strings.Cut(usual(10), ":")
		return set("trim", tolerance, 0, 255, func(n float64) string { return strconv.Itoa(int(math.Round(n))) })
	default:
		r.ignore("e")
	}
	return nil
}

// flags parses fl_NAME.NAME.
func (r *cloudinaryURL) flags(value string) {
	for flag := range strings.SplitSeq(value, ".") {
		name, arg, _ := strings.Cut(flag, ":")
		switch name {
		case "progressive":
			r.Options.Set("progressive", "1", "fl")
		case "attachment":
			if arg == "" {
				arg = "image"
			}
			r.Options.Set("dl", arg, "fl")
		case "keep_iptc":
			r.Options.Set("metadata", "keep", "fl")
		case "strip_profile", "force_strip", "lossy", "immutable_cache":
		default:
			r.ignore("fl")
		}
	}
}
