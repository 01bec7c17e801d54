package dialect

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
)

// imgproxy is the grammar of imgproxy: /SIGNATURE/OPTION:ARGUMENT:…/plain/URL@EXTENSION. The
// source URL may be in base64 instead: /SIGNATURE/OPTION:ARGUMENT:…/BASE64.EXTENSION.
var imgproxy = &Dialect{
	Name:     "imgproxy",
	Prefixes: []string{"imgproxy"},
	Whole:    true,
	Parse:    parseImgproxy,
	Verify:   verifyImgproxy,
	Params:   imgproxyParams,
}

// An imgproxyURL holds the state of parsing a URL. If an option comes more than once, the
// last value wins, as in imgproxy.
type imgproxyURL struct {
	Request
	url URL

	kind                     string // resizing type
	fitted                   bool   // an option of the URL decides the fit
	width, height            int
	zoomX, zoomY             float64
	enlarge, extend, extends bool // extends is extend_aspect_ratio
	extendAt                 imgproxyGravity
	gravity                  imgproxyGravity
	crop                     [2]float64
	cropped                  bool
	cropAt                   imgproxyGravity
	strip, copyright         bool
	preset                   string
	filename                 string
	attachment               bool
	mark                     string
	names                    struct{ size, extend, crop, preset, file, mark string } // the URL's spellings
}

// An imgproxyGravity is a gravity with its offsets. The zero value means no gravity.
type imgproxyGravity struct {
	kind string
	x, y float64
	name string // the option that has the gravity, in the URL's spelling
}

func parseImgproxy(u URL) (Request, error) {
	signature, path, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if !ok || signature == "" || path == "" {
		return Request{}, &Error{Reason: "the path must be /SIGNATURE/OPTIONS/plain/URL@EXTENSION; without a signature, write unsafe as SIGNATURE"}
	}
	r := imgproxyURL{url: u, kind: "fit", zoomX: 1, zoomY: 1, strip: true, copyright: true}
	switch signature {
	case "unsafe", "_", "insecure":
	default:
		r.Claim.Signature = signature
		r.Claim.Message = u.Path[len(u.Path)-len(path)-1:] // with its leading slash
	}
	rest := path
	for rest != "" {
		segment, next, _ := strings.Cut(rest, "/")
		// Some proxies escape colons.
		if strings.Contains(segment, "%3A") {
			segment = strings.ReplaceAll(segment, "%3A", ":")
		}
		name, args, isOption := strings.Cut(segment, ":")
		if !isOption {
			break
		}
		decoded, err := decodePath(args)
		if err != nil {
			return Request{}, &Error{name, "has a malformed escape, a control character or invalid UTF-8"}
		}
		if err := r.option(name, decoded); err != nil {
			return Request{}, err
		}
		rest = next
	}
	if err := r.source(rest); err != nil {
		return Request{}, err
	}
	if err := r.finish(); err != nil {
		return Request{}, err
	}
	nameQuery(u.RawQuery, r.ignore)
	return r.Request, nil
}

func verifyImgproxy(k Key, c Claim) bool {
	got, err := base64.RawURLEncoding.Strict().DecodeString(c.Signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write(k.Salt)
	mac.Write([]byte(c.Message))
	want := mac.Sum(nil)
	if k.Size > 0 && k.Size < len(want) {
		want = want[:k.Size]
	}
	return hmac.Equal(got, want)
}

// source parses the part after the options.
func (r *imgproxyURL) source(rest string) error {
	var name, extension string
	switch plain, ok := strings.CutPrefix(rest, "plain/"); {
	case ok:
		encoded, ext, _ := strings.Cut(plain, "@")
		if strings.Contains(ext, "@") {
			return &Error{Reason: "the URL has two formats: write @ in the source URL as %40"}
		}
		decoded, err := decodePath(encoded)
		if err != nil {
			return err
		}
		name, extension = decoded, ext
	case strings.HasPrefix(rest, "enc/"):
		return &Error{Reason: "Tintype can't decrypt source URLs: use plain/ or base64"}
	case rest == "":
		return &Error{Reason: "the source URL is missing after the options"}
	default:
		encoded, ext, _ := strings.Cut(strings.ReplaceAll(rest, "/", ""), ".")
		if strings.Contains(ext, ".") {
			return &Error{Reason: "the URL has two formats: write one dot and the format after the base64"}
		}
		decoded, err := decodeBase64(encoded)
		if err != nil {
			return &Error{Reason: "the source URL must be text in base64url, or begin with plain/"}
		}
		name, extension = decoded, ext
	}
	if extension != "" {
		if err := r.format("extension", extension); err != nil {
			return err
		}
	}
	scheme, path, ok := strings.Cut(name, "://")
	switch {
	case isURL(name) || !ok:
	case scheme == "local":
		name = path
	default:
		return &Error{Reason: "the source URL must begin with http://, https:// or local://, or be a path: for a bucket, add a source to the workspace and write the object's path"}
	}
	return r.Image.set(r.url, name)
}

// option parses one option. args has its arguments, separated by colons.
func (r *imgproxyURL) option(name, args string) error {
	switch name {
	case "resize", "rs":
		kind, rest, more := strings.Cut(args, ":")
		if kind != "" {
			if err := r.resizingType(name, kind); err != nil {
				return err
			}
		}
		if more {
			return r.size(name, rest)
		}
		return nil
	case "size", "s":
		return r.size(name, args)
	case "resizing_type", "rt":
		return r.resizingType(name, args)
	case "width", "w":
		return r.pixels(name, args, &r.width)
	case "height", "h":
		return r.pixels(name, args, &r.height)
	case "zoom", "z":
		return r.zoom(name, args)
	case "dpr":
		return r.positive(name, args, "dpr", 1, 1e3)
	case "enlarge", "el":
		r.enlarge, r.fitted = imgproxyBool(args), true
	case "extend", "ex":
		on, at, _ := strings.Cut(args, ":")
		return r.extendTo(name, on, at, &r.extend)
	case "extend_aspect_ratio", "extend_ar", "exar":
		on, at, _ := strings.Cut(args, ":")
		return r.extendTo(name, on, at, &r.extends)
	case "gravity", "g":
		return r.readGravity(name, args, &r.gravity)
	case "crop", "c":
		return r.readCrop(name, args)
	case "trim", "t":
		return r.trim(name, args)
	case "padding", "pd":
		return r.padding(name, args)
	case "auto_rotate", "ar":
		if !imgproxyBool(args) {
			r.ignore(name)
		}
	case "rotate", "rot":
		n, err := strconv.Atoi(args)
		if err != nil || n%90 != 0 {
			return &Error{name, "must be a multiple of 90"}
		}
		r.Options.Set("rotate", strconv.Itoa((n%360+360)%360), name)
	case "flip", "fl":
		horizontal, vertical, _ := strings.Cut(args, ":")
		flip := ""
		if imgproxyBool(horizontal) {
			flip += "h"
		}
		if imgproxyBool(vertical) {
			flip += "v"
		}
		r.Options.Unset("flip")
		if flip != "" {
			r.Options.Set("flip", flip, name)
		}
	case "background", "bg":
		return r.background(name, args)
	case "blur", "bl":
		return r.positive(name, args, "blur", 1, 100)
	case "sharpen", "sh":
		return r.positive(name, args, "sharpen", 10, 100)
	case "pixelate", "pix":
		var n int
		if err := r.pixels(name, args, &n); err != nil {
			return err
		}
		r.Options.Set("pixelate", strconv.Itoa(min(n, 1024)), name)
	case "contrast", "co":
		return r.positive(name, args, "contrast", 1, 3)
	case "saturation", "sa":
		return r.positive(name, args, "saturation", 1, 3)
	default:
		return r.output(name, args)
	}
	return nil
}

// output parses the options for watermark, metadata, format and file name, and the others
// that don't change the size.
func (r *imgproxyURL) output(name, args string) error {
	switch name {
	case "watermark", "wm":
		return r.watermark(name, args)
	case "watermark_url", "wmu":
		url, err := decodeBase64(args)
		if err != nil {
			return &Error{name, "must be text in base64url"}
		}
		if r.mark = url; url != "" && !isURL(url) {
			r.mark = r.url.Key(url)
		}
		r.names.mark = name
	case "strip_metadata", "sm":
		r.strip = imgproxyBool(args)
	case "keep_copyright", "kcr":
		r.copyright = imgproxyBool(args)
	case "quality", "q":
		n, ok := whole(args)
		if !ok || n > 100 {
			return &Error{name, "must be a whole number from 0 to 100"}
		}
		r.Options.Unset("q")
		if n > 0 {
			r.Options.Set("q", args, name)
		}
	case "format_quality", "fq":
		return r.formatQuality(name, args)
	case "format", "f", "ext":
		return r.format(name, args)
	case "cachebuster", "cb":
		r.Options.Unset("v")
		if args != "" {
			r.Options.Set("v", args, name)
		}
	case "expires", "exp":
		n, err := strconv.ParseInt(args, 10, 64)
		if err != nil || n < 0 || n > 1<<40 {
			return &Error{name, "must be a time in Unix seconds"}
		}
		r.Claim.Expires = time.Unix(n, 0)
	case "filename", "fn":
		file, encoded, _ := strings.Cut(args, ":")
		if imgproxyBool(encoded) {
			decoded, err := decodeBase64(file)
			if err != nil {
				return &Error{name, "must be text in base64url"}
			}
			file = decoded
		}
		r.filename, r.names.file = file, name
	case "return_attachment", "att":
		r.attachment = imgproxyBool(args)
	case "preset", "pr":
		if r.preset != "" && r.preset != args || strings.Contains(args, ":") {
			return &Error{name, "must name one preset: make one preset of them"}
		}
		r.preset, r.names.preset = args, name
	case "preserve_hdr", "ph", "enforce_thumbnail", "eth", "raw":
		if imgproxyBool(args) {
			r.ignore(name)
		}
	case "strip_color_profile", "scp":
		if !imgproxyBool(args) {
			r.ignore(name)
		}
	default:
		r.ignore(name)
	}
	return nil
}

func (r *imgproxyURL) resizingType(name, kind string) error {
	r.fitted = true
	switch kind {
	case "fit", "fill", "fill-down", "force", "auto":
		r.kind = kind
	default:
		return &Error{name, "must be one of fit, fill, fill-down, force, auto"}
	}
	r.names.size = name
	return nil
}

// size parses width:height:enlarge:extend. Each of them may be empty.
func (r *imgproxyURL) size(name, args string) error {
	width, rest, _ := strings.Cut(args, ":")
	height, rest, _ := strings.Cut(rest, ":")
	enlarge, rest, _ := strings.Cut(rest, ":")
	extend, at, _ := strings.Cut(rest, ":")
	if width != "" {
		if err := r.pixels(name, width, &r.width); err != nil {
			return err
		}
	}
	if height != "" {
		if err := r.pixels(name, height, &r.height); err != nil {
			return err
		}
	}
	if enlarge != "" {
		r.enlarge, r.fitted = imgproxyBool(enlarge), true
	}
	if extend != "" {
		return r.extendTo(name, extend, at, &r.extend)
	}
	return nil
}

func (r *imgproxyURL) extendTo(name, on, at string, extend *bool) error {
	*extend, r.fitted, r.names.extend = imgproxyBool(on), true, name
	r.extendAt = imgproxyGravity{}
	if at == "" {
		return nil
	}
	if err := r.readGravity(name, at, &r.extendAt); err != nil {
		return err
	}
	if r.extendAt.kind == "sm" || r.extendAt.kind == "obj" {
		return &Error{name, "must have one of no, so, ea, we, noea, nowe, soea, sowe, ce, fp as gravity"}
	}
	return nil
}

func (r *imgproxyURL) pixels(name, s string, n *int) error {
	v, ok := whole(s)
	if !ok {
		return &Error{name, "must be a whole number of pixels"}
	}
	*n = v
	return nil
}

// positive parses a number from 0. The native option is the number times factor, at most
// most.
func (r *imgproxyURL) positive(name, s, native string, factor, most float64) error {
	n, ok := number(s)
	if !ok || n < 0 {
		return &Error{name, "must be a number, 0 or more"}
	}
	r.Options.Set(native, format(min(n*factor, most)), name)
	return nil
}

func (r *imgproxyURL) zoom(name, args string) error {
	x, y, both := strings.Cut(args, ":")
	if !both {
		y = x
	}
	var okX, okY bool
	r.zoomX, okX = number(x)
	r.zoomY, okY = number(y)
	if !okX || !okY || r.zoomX <= 0 || r.zoomY <= 0 {
		return &Error{name, "must be a number above 0, or X:Y with two such numbers"}
	}
	if r.names.size == "" {
		r.names.size = name
	}
	return nil
}

var imgproxyGravities = map[string]string{
	"ce": "center", "no": "north", "so": "south", "ea": "east", "we": "west",
	"noea": "northeast", "nowe": "northwest", "soea": "southeast", "sowe": "southwest", "sm": "attention",
}

func (r *imgproxyURL) readGravity(name, args string, g *imgproxyGravity) error {
	kind, rest, _ := strings.Cut(args, ":")
	switch kind {
	case "obj", "objw":
		*g = imgproxyGravity{kind: "obj", name: name}
		if class, _, _ := strings.Cut(rest, ":"); kind == "objw" || class != "face" || strings.Contains(rest, ":") {
			r.ignore(name)
			*g = imgproxyGravity{kind: "sm", name: name}
		}
		return nil
	case "fp":
	default:
		if imgproxyGravities[kind] == "" {
			return &Error{name, "must be one of ce, no, so, ea, we, noea, nowe, soea, sowe, sm, fp:X:Y"}
		}
	}
	*g = imgproxyGravity{kind: kind, name: name}
	x, y, _ := strings.Cut(rest, ":")
	for _, at := range [...]struct {
		s string
		n *float64
	}{{x, &g.x}, {y, &g.y}} {
		if at.s == "" && kind != "fp" {
			continue
		}
		n, ok := number(at.s)
		if !ok || kind == "fp" && (n < 0 || n > 1) {
			return &Error{name, "must have numbers as offsets; the offsets of fp must be from 0 to 1"}
		}
		*at.n = n
	}
	return nil
}

func (r *imgproxyURL) readCrop(name, args string) error {
	width, rest, _ := strings.Cut(args, ":")
	height, at, _ := strings.Cut(rest, ":")
	if height == "" {
		height = "0"
	}
	w, okW := number(width)
	h, okH := number(height)
	if !okW || !okH || w < 0 || h < 0 {
		return &Error{name, "must be WIDTH:HEIGHT: each in pixels, or a fraction below 1, or 0 for the whole side"}
	}
	r.crop, r.cropped, r.names.crop, r.cropAt = [2]float64{w, h}, true, name, imgproxyGravity{}
	if at != "" {
		return r.readGravity(name, at, &r.cropAt)
	}
	return nil
}

func (r *imgproxyURL) trim(name, args string) error {
	threshold, rest, more := strings.Cut(args, ":")
	r.Options.Unset("trim")
	if threshold == "" {
		return nil
	}
	n, ok := number(threshold)
	if !ok {
		return &Error{name, "must begin with a number, the threshold"}
	}
	r.Options.Set("trim", strconv.Itoa(clamp(n, 0, 255)), name)
	if more && strings.Trim(rest, ":") != "" {
		r.ignore(name)
	}
	return nil
}

func (r *imgproxyURL) padding(name, args string) error {
	parts := strings.Split(args, ":")
	if len(parts) > 4 {
		return &Error{name, "must be top:right:bottom:left, in whole pixels"}
	}
	var pad [4]int
	for i := range pad {
		switch {
		case i < len(parts) && parts[i] != "":
			if err := r.pixels(name, parts[i], &pad[i]); err != nil {
				return err
			}
		case i == 3:
			pad[i] = pad[1]
		case i > 0:
			pad[i] = pad[0]
		}
	}
	r.Options.Set("pad", strconv.Itoa(pad[0])+","+strconv.Itoa(pad[1])+","+strconv.Itoa(pad[2])+","+strconv.Itoa(pad[3]), name)
	return nil
}

func (r *imgproxyURL) background(name, args string) error {
	parts := strings.Split(args, ":")
	switch {
	case args == "":
		r.Options.Unset("bg")
		return nil
	case len(parts) == 3:
		hex := ""
		for _, p := range parts {
			n, ok := whole(p)
			if !ok || n > 255 {
				return &Error{name, "must be R:G:B with numbers from 0 to 255, or a hexadecimal colour"}
			}
			hex += string("0123456789abcdef"[n>>4]) + string("0123456789abcdef"[n&15])
		}
		r.Options.Set("bg", hex, name)
	case len(parts) == 1 && isHex(args) && (len(args) == 3 || len(args) == 6):
		r.Options.Set("bg", args, name)
	default:
		return &Error{name, "must be R:G:B with numbers from 0 to 255, or a hexadecimal colour"}
	}
	return nil
}

var imgproxyAligns = map[string]string{
	"ce": "center", "no": "top,center", "so": "bottom,center", "ea": "center,right", "we": "center,left",
	"noea": "top,right", "nowe": "top,left", "soea": "bottom,right", "sowe": "bottom,left",
}

// watermark parses opacity:position:x:y:scale. In imgproxy, the configuration names the
// image. In Tintype, the image is the workspace's mark "watermark".
func (r *imgproxyURL) watermark(name, args string) error {
	parts := strings.Split(args, ":")
	if len(parts) > 7 {
		return &Error{name, "must be opacity:position:x:y:scale"}
	}
	parts = append(parts, "", "", "", "")
	opacity, ok := number(parts[0])
	if !ok || opacity < 0 || opacity > 1 {
		return &Error{name, "must begin with an opacity from 0 to 1"}
	}
	if opacity == 0 {
		return nil
	}
	r.names.mark = name
	if r.mark == "" {
		r.mark = "watermark"
	}
	r.Options.Set("mark-opacity", format(opacity), name)
	switch at := parts[1]; {
	case at == "re":
		r.Options.Set("mark-repeat", "1", name)
	case at == "ch":
		r.Options.Set("mark-repeat", "1", name)
		r.ignore(name)
	case at == "":
		r.Options.Set("mark-align", "center", name)
	case imgproxyAligns[at] != "":
		r.Options.Set("mark-align", imgproxyAligns[at], name)
	default:
		return &Error{name, "must have one of ce, no, so, ea, we, noea, nowe, soea, sowe, re, ch as position"}
	}
	for _, offset := range parts[2:4] {
		n, ok := number(offset)
		if offset != "" && !ok {
			return &Error{name, "must have numbers as offsets"}
		}
		if n != 0 {
			r.ignore(name)
			break
		}
	}
	r.Options.Set("mark-pad", "0", name)
	if parts[4] != "" {
		scale, ok := number(parts[4])
		if !ok || scale < 0 {
			return &Error{name, "must end with a scale, a number from 0"}
		}
		if scale > 0 {
			r.Options.Set("mark-w", format(min(scale, 1)*100)+"%", name)
			r.Options.Set("mark-h", format(min(scale, 1)*100)+"%", name)
		}
	}
	return nil
}

func (r *imgproxyURL) formatQuality(name, args string) error {
	parts := strings.Split(args, ":")
	if len(parts)%2 != 0 {
		return &Error{name, "must be FORMAT:QUALITY, once or more"}
	}
	for i := 0; i < len(parts); i += 2 {
		n, ok := whole(parts[i+1])
		if !ok || n > 100 {
			return &Error{name, "must have whole numbers from 0 to 100 as qualities"}
		}
		switch f := parts[i]; {
		case n == 0:
		case f == "avif" || f == "webp" || f == "jxl":
			r.Options.Set("q-"+f, parts[i+1], name)
		case f == "jpg" || f == "jpeg":
			r.Options.Set("q", parts[i+1], name)
		default:
			r.ignore(name)
		}
	}
	return nil
}

func (r *imgproxyURL) format(name, f string) error {
	switch f {
	case "jpg", "jpeg":
		f = "jpeg"
	case "png", "webp", "avif", "gif", "tiff", "jxl":
	case "best":
		f = "auto"
	case "ico", "svg", "heic", "heif", "bmp", "mp4", "pdf":
		r.ignore(name)
		return nil
	default:
		return &Error{name, "must be one of jpg, png, webp, avif, gif, tiff, jxl, best"}
	}
	r.Options.Set("format", f, name)
	return nil
}

// finish sets the native options that depend on several options.
func (r *imgproxyURL) finish() error {
	r.resize()
	if r.cropped {
		r.rect()
	}
	r.Options.Imply("format", "original", "format")
	switch {
	case !r.strip:
		r.Options.Set("metadata", "keep", "strip_metadata")
	case r.copyright:
		r.Options.Imply("metadata", "copyright", "keep_copyright")
	}
	if r.preset != "" {
		r.Options.Set("preset", r.preset, r.names.preset)
	}
	if r.mark != "" {
		r.Options.Set("mark", r.mark, r.names.mark)
	}
	switch {
	case r.attachment && r.filename != "":
		r.Options.Set("dl", r.filename, r.names.file)
	case r.attachment:
		name := r.Image.Path
		if r.Image.URL != "" {
			name, _, _ = strings.Cut(r.Image.URL, "?")
		}
		if name = name[strings.LastIndexByte(name, '/')+1:]; name != "" {
			r.Options.Set("dl", name, "return_attachment")
		}
	case r.filename != "":
		r.ignore(r.names.file)
	}
	return nil
}

// resize sets size, fit and gravity.
func (r *imgproxyURL) resize() {
	fit, keep := "", !r.enlarge // keep sets enlarge=0
	at := r.gravity
	switch r.kind {
	case "fill":
		fit = "cover"
	case "fill-down":
		fit = "cover"
		if keep {
			fit, keep = "crop", false
		}
	case "force":
		fit = "squeeze"
	case "auto":
		fit = "auto"
	default:
		switch both := r.width > 0 && r.height > 0; {
		case both && (r.extend || r.extends):
			fit, at = "pad", r.extendAt
		case r.enlarge:
			fit = "contain"
		default:
			fit, keep = "scale-down", false
		}
	}
	// imgproxy also extends what these fits leave smaller than width and height.
	smaller := !r.enlarge || r.kind == "fill-down" || r.kind == "auto"
	if (r.extend || r.extends) && r.kind != "fit" && smaller {
		r.ignore(r.names.extend)
	}
	set := r.Options.Set
	if !r.fitted {
		set = r.Options.Imply
	}
	set("fit", fit, r.names.size)
	if keep {
		set("enlarge", "0", "enlarge")
	}
	if r.zoomX != 1 || r.zoomY != 1 {
		if r.width == 0 && r.height == 0 {
			r.ignore(r.names.size)
		}
		r.width = int(math.Round(min(float64(r.width)*r.zoomX, 1e6)))
		r.height = int(math.Round(min(float64(r.height)*r.zoomY, 1e6)))
	}
	if r.width > 0 {
		r.Options.Set("w", strconv.Itoa(r.width), "width")
	}
	if r.height > 0 {
		r.Options.Set("h", strconv.Itoa(r.height), "height")
	}
	if fit == "scale-down" || fit == "contain" || fit == "squeeze" {
		return // these fits cut nothing, so the gravity has no effect
	}
	switch {
	case at.kind == "":
	case at.kind == "fp":
		r.Options.Set("fp-x", format(at.x), at.name)
		r.Options.Set("fp-y", format(at.y), at.name)
	case at.kind == "obj":
		r.Options.Set("gravity", "face", at.name)
	default:
		r.Options.Set("gravity", imgproxyGravities[at.kind], at.name)
		if at.x != 0 || at.y != 0 {
			r.ignore(at.name)
		}
	}
}

// rect sets the region that crop keeps. In imgproxy, it is a region of the image after the
// turn.
func (r *imgproxyURL) rect() {
	at := r.cropAt
	if at.kind == "" {
		at = r.gravity
	}
	offset := func(n float64) string {
		if n != 0 && n < 1 {
			return format(n*100) + "%"
		}
		return strconv.Itoa(int(math.Round(min(n, 1e6))))
	}
	length := func(n float64) string {
		if n == 0 {
			return "100%"
		}
		return offset(n)
	}
	x, y := span{at: "center", length: length(r.crop[0])}, span{at: "center", length: length(r.crop[1])}
	if at.kind == "fp" || at.kind == "sm" || at.kind == "obj" {
		r.ignore(r.names.crop)
		return
	}
	if south := strings.HasPrefix(at.kind, "so"); south || strings.HasPrefix(at.kind, "no") {
		y.at, y.end = offset(max(at.y, 0)), south
	}
	if east := strings.HasSuffix(at.kind, "ea"); east || strings.HasSuffix(at.kind, "we") {
		x.at, x.end = offset(max(at.x, 0)), east
	}
	rect, ok := r.Options.rectOf(x, y)
	if !ok || at.x < 0 || at.y < 0 || at.x != 0 && x.at == "center" || at.y != 0 && y.at == "center" {
		r.ignore(r.names.crop)
		return
	}
	r.Options.Set("rect", rect, r.names.crop)
}

// imgproxyBool parses a flag. As in imgproxy, everything that isn't a boolean is false.
func imgproxyBool(s string) bool {
	b, err := strconv.ParseBool(s)
	return err == nil && b
}
