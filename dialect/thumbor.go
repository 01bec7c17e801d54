package dialect

import (
	"crypto/hmac"
	"crypto/sha1" // thumbor signs with it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/transform"
)

// thumbor is thumbor's and imagor's grammar:
// /SIGNATURE/trim/AxB:CxD/fit-in/WxH/HALIGN/VALIGN/smart/filters:NAME(ARGS)/IMAGE.
var thumbor = &Dialect{
	Name:     "thumbor",
	Prefixes: []string{"thumbor"},
	Whole:    true,
	Parse:    parseThumbor,
	Verify:   verifyThumbor,
	Params:   thumborParams,
}

// A thumborURL is a URL that is being read.
type thumborURL struct {
	Request
	url  URL
	rest string // what is not read yet: raw, without a leading slash

	fitIn, stretch       bool
	width, height        string
	horizontal, vertical string
	smart                bool
	noUpscale, upscale   bool
	outside              bool   // full-fit-in: the box is covered, and nothing is cut
	flip                 string // applied after the resize
	turn                 int    // counterclockwise, after the resize
	proportion           float64
	pad                  string // of the segment GxH:IxJ, for fill() only
	fillGiven            bool
}

func parseThumbor(u URL) (Request, error) {
	signature, rest, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if !ok || signature == "" || rest == "" {
		return Request{}, &Error{Reason: "write /SIGNATURE/OPTIONS/IMAGE; without a signature its place is taken by unsafe"}
	}
	r := thumborURL{url: u, rest: rest, proportion: 1}
	switch signature {
	case "unsafe", "_", "insecure":
	default:
		r.Claim.Signature, r.Claim.Message = signature, rest
	}
	err := r.segments()
	if err == nil {
		err = r.filters()
	}
	if err == nil {
		err = r.image()
	}
	if err != nil {
		return Request{}, err
	}
	r.finish()
	nameQuery(u.RawQuery, r.ignore)
	return r.Request, nil
}

func verifyThumbor(k Key, c Claim) bool {
	algorithm := sha1.New
	switch k.Algorithm {
	case "sha256":
		algorithm = func() hash.Hash { return sha256.New() }
	case "sha512":
		algorithm = func() hash.Hash { return sha512.New() }
	}
	mac := hmac.New(algorithm, k.Secret)
	mac.Write([]byte(c.Message))
	want := base64.URLEncoding.EncodeToString(mac.Sum(nil))
	if k.Size > 0 && k.Size < mac.Size() {
		want = want[:(k.Size*8+5)/6] // imagor cuts the text off
	}
	return hmac.Equal([]byte(c.Signature), []byte(want))
}

// segment takes the next segment, where one follows it. decoded has its escapes decoded;
// the words of the grammar hold none, but some clients escape colons.
func (r *thumborURL) segment() (decoded string, ok bool) {
	segment, _, more := strings.Cut(r.rest, "/")
	if !more {
		return "", false
	}
	if strings.IndexByte(segment, '%') < 0 {
		return segment, true
	}
	decoded, err := decodePath(segment)
	if err != nil || strings.IndexByte(decoded, '/') >= 0 {
		return segment, true
	}
	return decoded, true
}

func (r *thumborURL) take() { _, r.rest, _ = strings.Cut(r.rest, "/") }

// segments reads what stands before the filters, in the grammar's order.
func (r *thumborURL) segments() error {
	for {
		s, ok := r.segment()
		if !ok || s != "params" && s != "meta" {
			break
		}
		r.ignore(s)
		r.take()
	}
	if s, ok := r.segment(); ok && (s == "trim" || strings.HasPrefix(s, "trim:")) {
		if err := r.trim(s); err != nil {
			return err
		}
		r.take()
	}
	if s, ok := r.segment(); ok && thumborCrop(s) {
		if err := r.crop(s); err != nil {
			return err
		}
		r.take()
	}
	if s, ok := r.segment(); ok {
		switch s {
		case "fit-in":
			r.fitIn = true
			r.take()
		case "full-fit-in", "adaptive-fit-in", "adaptive-full-fit-in":
			r.fitIn, r.outside = true, s != "adaptive-fit-in"
			if s != "full-fit-in" {
				r.ignore(s) // it swaps the sides of the box if that suits the image
			}
			r.take()
		}
	}
	if s, ok := r.segment(); ok && s == "stretch" {
		r.stretch = true
		r.take()
	}
	if s, ok := r.segment(); ok {
		if w, h, ok := thumborSize(s); ok {
			r.size(w, h)
			r.take()
			if s, ok := r.segment(); ok && thumborPadding(s) {
				r.padding(s)
				r.take()
			}
		}
	}
	if s, ok := r.segment(); ok && (s == "left" || s == "right" || s == "center") {
		r.horizontal = s
		r.take()
	}
	if s, ok := r.segment(); ok && (s == "top" || s == "bottom" || s == "middle") {
		r.vertical = s
		r.take()
	}
	if s, ok := r.segment(); ok && s == "smart" {
		r.smart = true
		r.take()
	}
	return nil
}

func (r *thumborURL) trim(s string) error {
	tolerance := "0"
	for i, part := range strings.Split(s, ":") {
		switch {
		case i == 0 || part == "top-left":
		case part == "bottom-right":
			r.ignore("trim")
		default:
			n, ok := whole(part)
			if !ok {
				return &Error{"trim", "is trim, trim:top-left or trim:bottom-right, and a tolerance after a colon"}
			}
			tolerance = strconv.Itoa(min(n, 255))
		}
	}
	r.Options.Set("trim", tolerance, "trim")
	return nil
}

// thumborCrop reports whether a segment is AxB:CxD.
func thumborCrop(s string) bool {
	a, b, ok := strings.Cut(s, ":")
	return ok && isPair(a) && isPair(b)
}

func isPair(s string) bool {
	a, b, ok := strings.Cut(s, "x")
	if !ok || a == "" || b == "" {
		return false
	}
	_, okA := number(a)
	_, okB := number(b)
	return okA && okB && a[0] != '-' && b[0] != '-' && a[0] != '+' && b[0] != '+'
}

// crop reads the two corners of a region: pixels, or fractions of the original.
func (r *thumborURL) crop(s string) error {
	from, to, _ := strings.Cut(s, ":")
	left, top, _ := strings.Cut(from, "x")
	right, bottom, _ := strings.Cut(to, "x")
	x, w, okX := thumborSpan(left, right)
	y, h, okY := thumborSpan(top, bottom)
	if !okX || !okY {
		r.ignore(s) // imagor doesn't crop then
		return nil
	}
	r.Options.Set("rect", x+","+y+","+w+","+h, "crop")
	return nil
}

func thumborSpan(from, to string) (at, length string, ok bool) {
	a, _ := number(from)
	b, _ := number(to)
	switch {
	case b == 0 && a > 0: // up to the end, as in imagor
		return strconv.Itoa(int(math.Round(min(a, 1e6)))), "100%", true
	case b <= a:
		return "", "", false
	}
	if b <= 1 && (strings.Contains(from, ".") || strings.Contains(to, ".")) {
		return format(a*100) + "%", format((b-a)*100) + "%", true
	}
	a, b = math.Round(min(a, 1e6)), math.Round(min(b, 1e6))
	return strconv.Itoa(int(a)), strconv.Itoa(int(max(b-a, 1))), true
}

// thumborSize splits WxH, where each may be missing, be 0 or orig, and have a minus sign.
func thumborSize(s string) (w, h string, ok bool) {
	w, h, ok = strings.Cut(s, "x")
	if !ok {
		return "", "", false
	}
	for _, side := range [...]string{w, h} {
		side = strings.TrimPrefix(side, "-")
		if _, isNumber := whole(side); !isNumber && side != "" && side != "orig" {
			return "", "", false
		}
	}
	return w, h, true
}

func (r *thumborURL) size(w, h string) {
	flip := ""
	if strings.HasPrefix(w, "-") {
		flip, w = "h", w[1:]
	}
	if strings.HasPrefix(h, "-") {
		flip, h = flip+"v", h[1:]
	}
	r.flip = flip
	r.width, r.height = thumborSide(w), thumborSide(h)
}

// thumborSide is a side in pixels; empty is derived.
func thumborSide(s string) string {
	n, ok := whole(s)
	if !ok || n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// thumborPadding reports whether a segment is GxH or GxH:IxJ in whole pixels.
func thumborPadding(s string) bool {
	for part := range strings.SplitSeq(s, ":") {
		a, b, ok := strings.Cut(part, "x")
		_, okA := whole(a)
		_, okB := whole(b)
		if !ok || !okA || !okB {
			return false
		}
	}
	return strings.Count(s, ":") <= 1
}

func (r *thumborURL) padding(s string) {
	first, second, two := strings.Cut(s, ":")
	if !two {
		second = first
	}
	left, top, _ := strings.Cut(first, "x")
	right, bottom, _ := strings.Cut(second, "x")
	r.pad = top + "," + right + "," + bottom + "," + left
}

// filters reads filters:NAME(ARGS):NAME(ARGS)/ where it follows. Parentheses may nest.
func (r *thumborURL) filters() error {
	list, ok := strings.CutPrefix(r.rest, "filters:")
	if !ok {
		return nil
	}
	for {
		open := strings.IndexByte(list, '(')
		if open <= 0 || strings.IndexByte(list[:open], '/') >= 0 {
			return &Error{"filters", "is NAME(ARGUMENTS), with a colon before the next one and a slash after the last"}
		}
		name, depth, end := list[:open], 0, -1
		for i := open; i < len(list) && end < 0; i++ {
			switch list[i] {
			case '(':
				depth++
			case ')':
				if depth--; depth == 0 {
					end = i
				}
			}
		}
		if end < 0 {
			return &Error{name, "has no closing parenthesis"}
		}
		args, err := decodePath(list[open+1 : end])
		if err != nil {
			return &Error{name, "holds a malformed escape, a control character or invalid UTF-8"}
		}
		// thumbor and imagor leave a filter out if they can't read its arguments. Without
		// arguments, that has no effect.
		switch err := r.filter(name, args); {
		case err != nil && name == "expire":
			return err // a URL that was to expire must not live on
		case err != nil && args != "":
			r.ignore(name)
		}
		list = list[end+1:]
		switch {
		case strings.HasPrefix(list, ":"):
			list = list[1:]
		case strings.HasPrefix(list, "/"):
			r.rest = list[1:]
			return nil
		default:
			return &Error{"filters", "is NAME(ARGUMENTS), with a colon before the next one and a slash after the last"}
		}
	}
}

func (r *thumborURL) filter(name, args string) error {
	first, _, _ := strings.Cut(args, ",")
	first = strings.TrimSpace(first)
	switch name {
	case "background_color":
		return r.color(name, first)
	case "fill":
		return r.readFill(name, first)
	case "blur":
		if _, sigma, two := strings.Cut(args, ","); two {
			first = strings.TrimSpace(sigma)
		}
		return r.amount(name, first, "blur", func(n float64) float64 { return min(n, 100) })
	case "sharpen":
		return r.amount(name, first, "sharpen", func(n float64) float64 { return min(n*10, 100) })
	case "brightness":
		return r.percent(name, first, "brightness")
	case "contrast":
		return r.percent(name, first, "contrast")
	case "saturation":
		if n, ok := number(first); ok && n >= 0 && n <= 3 { // a factor, as thumbor has it
			r.Options.Set("saturation", format(n), name)
			return nil
		}
		return r.percent(name, first, "saturation")
	case "grayscale":
		r.Options.Set("grayscale", "1", name)
	case "sepia":
		r.Options.Set("sepia", "1", name)
	case "invert":
		r.Options.Set("invert", "1", name)
	case "pixelate":
		return r.amount(name, first, "pixelate", func(n float64) float64 { return math.Round(min(n, 1024)) })
	case "quality":
		n, ok := whole(first)
		if !ok || n > 100 {
			return &Error{name, "is a whole number from 1 to 100"}
		}
		if n > 0 { // 0 is the default
			r.Options.Set("q", strconv.Itoa(n), name)
		}
	case "format":
		return r.format(name, first)
	case "lossless":
		r.Options.Set("lossless", "1", name)
	case "no_upscale":
		r.noUpscale, r.upscale = true, false
	case "upscale":
		r.noUpscale, r.upscale = false, true
	case "rotate":
		return r.rotate(name, first)
	case "stretch":
		r.stretch = true
	case "autojpg":
		r.Options.Set("format", "jpeg", name)
	case "proportion":
		n, ok := number(first)
		switch {
		case !ok:
			return &Error{name, "is a fraction, or a percentage above 1"}
		case n > 1:
			n = min(n, 100) / 100
		}
		if n >= 0.001 { // less is nothing in imagor too, but for very large images
			r.proportion *= n
		}
	case "image", "text", "label", "hue", "rgb", "modulate", "orient", "crop", "page", "dpi", "max_bytes", "max_frames":
		if args != "" { // without arguments they do nothing
			r.ignore(name)
		}
	case "round_corner":
		radius, _, _ := strings.Cut(first, "|")
		n, ok := whole(radius)
		if !ok {
			return &Error{name, "begins with a radius in pixels"}
		}
		if n > 0 {
			r.Options.Set("radius", strconv.Itoa(min(n, 8192)), name)
		}
	case "focal":
		return r.focal(name, args)
	case "padding":
		return r.paddingFilter(name, args)
	case "watermark":
		return r.watermark(name, args)
	case "expire":
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil || n < 0 || n > 1<<50 {
			return &Error{name, "is a time in Unix milliseconds"}
		}
		r.Claim.Expires = time.UnixMilli(n)
	case "attachment":
		if first == "" {
			first = "image"
		}
		r.Options.Set("dl", first, name)
	case "strip_exif", "strip_icc", "strip_metadata", "preview", "utm":
	default:
		r.ignore(name)
	}
	return nil
}

func (r *thumborURL) readFill(name, color string) error {
	r.fillGiven = true
	switch color {
	case "transparent", "none":
	case "auto", "blur":
		r.ignore(name)
	default:
		return r.color(name, color)
	}
	return nil
}

func (r *thumborURL) color(name, s string) error {
	c := strings.ToLower(strings.TrimPrefix(s, "#"))
	if !knownColor(c) {
		return &Error{name, "is a colour: RGB or RRGGBB in hexadecimal digits, or a CSS colour name"}
	}
	r.Options.Set("bg", c, name)
	return nil
}

func (r *thumborURL) amount(name, s, native string, value func(float64) float64) error {
	n, ok := number(s)
	if !ok || n < 0 {
		return &Error{name, "is a number from 0"}
	}
	r.Options.Set(native, format(value(n)), name)
	return nil
}

func (r *thumborURL) percent(name, s, native string) error {
	n, ok := number(s)
	if !ok || n < -100 || n > 100 {
		return &Error{name, "is a number from -100 to 100"}
	}
	r.Options.Set(native, percent(n), name)
	return nil
}

func (r *thumborURL) format(name, f string) error {
	switch f {
	case "jpg", "jpeg":
		f = "jpeg"
	case "png", "gif", "webp", "avif", "tiff", "jxl":
	case "jp2", "heif", "heic", "bmp":
		r.ignore(name)
		return nil
	default:
		return &Error{name, "is one of jpeg, png, gif, webp, avif, jxl, tiff"}
	}
	r.Options.Set("format", f, name)
	return nil
}

// rotate turns to the left, as thumbor does. Both products take only multiples of 90.
func (r *thumborURL) rotate(name, s string) error {
	n, ok := number(s)
	if !ok || math.Mod(n, 90) != 0 || math.Abs(n) > 1e6 {
		return &Error{name, "is a multiple of 90"}
	}
	r.turn += int(n)
	return nil
}

// knownColor reports whether native options read a colour.
func knownColor(c string) bool {
	_, err := transform.Parse(transform.Defaults(), transform.Query{{Name: "bg", Value: c, Literal: true}})
	return err == nil
}

// focal reads a region, AxB:CxD, or a point, X,Y. Fractions become a focal point; pixels
// would take the size of the original.
func (r *thumborURL) focal(name, args string) error {
	from, to, region := strings.Cut(args, ":")
	if !region {
		to = from
	}
	sum, fraction := [2]float64{}, true
	for _, corner := range [...]string{from, to} {
		x, y, ok := strings.Cut(strings.ReplaceAll(corner, ",", "x"), "x")
		for i, s := range [...]string{x, y} {
			n, isNumber := number(strings.TrimSpace(s))
			if !ok || !isNumber || n < 0 {
				return &Error{name, "is AxB:CxD or X,Y"}
			}
			fraction = fraction && n <= 1
			sum[i] += n
		}
	}
	if !fraction {
		r.ignore(name)
		return nil
	}
	r.Options.Set("fp-x", format(sum[0]/2), name)
	r.Options.Set("fp-y", format(sum[1]/2), name)
	return nil
}

// paddingFilter reads color,left,top,right,bottom.
func (r *thumborURL) paddingFilter(name, args string) error {
	color, rest, _ := strings.Cut(args, ",")
	parts := strings.Split(rest, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
		if _, ok := whole(parts[i]); !ok {
			return &Error{name, "is a colour and left,top,right,bottom, each in whole pixels"}
		}
	}
	left := parts[0]
	top, right, bottom := left, left, left
	if len(parts) > 1 {
		top, bottom = parts[1], parts[1]
	}
	if len(parts) > 3 {
		right, bottom = parts[2], parts[3]
	}
	sides := [...]string{top, right, bottom, left}
	if r.fillGiven {
		r.ignore(name) // the colour is that of fill()
		for i, s := range strings.Split(r.pad, ",") {
			n, _ := whole(s)
			m, _ := whole(sides[i])
			sides[i] = strconv.Itoa(n + m)
		}
		r.Options.Set("pad", strings.Join(sides[:], ","), name)
		return nil
	}
	if color != "none" && color != "transparent" {
		if err := r.color(name, color); err != nil {
			return err
		}
	}
	r.Options.Set("pad", strings.Join(sides[:], ","), name)
	return nil
}

// watermark reads image,x,y,alpha,w_ratio,h_ratio.
func (r *thumborURL) watermark(name, args string) error {
	if args == "" {
		return nil
	}
	parts := strings.Split(args, ",")
	if parts[0] == "" || strings.Contains(parts[0], "(") {
		r.ignore(name)
		return nil
	}
	image, err := r.name(parts[0])
	if err != nil {
		return &Error{name, "names no image that can be read"}
	}
	for len(parts) < 6 {
		parts = append(parts, "")
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	var named Image
	if err := named.set(r.url, image); err != nil {
		return &Error{name, "names no image that can be read"}
	}
	r.Options.Set("mark", named.URL+named.Path, name)
	alignX, padX, repeatX, okX := thumborAlign(parts[1], "left", "right")
	alignY, padY, repeatY, okY := thumborAlign(parts[2], "top", "bottom")
	if !okX || !okY {
		return &Error{name, "has a place: pixels, left, center, right or repeat, and pixels, top, center, bottom or repeat"}
	}
	if padX != padY && alignX != "center" && alignY != "center" {
		r.ignore(name) // one distance serves both sides
	}
	r.Options.Set("mark-align", alignY+","+alignX, name)
	r.Options.Set("mark-pad", strconv.Itoa(max(padX, padY)), name)
	if repeatX || repeatY {
		r.Options.Set("mark-repeat", "1", name)
	}
	if parts[3] != "" {
		n, ok := number(parts[3])
		if !ok || n < 0 || n > 100 {
			return &Error{name, "has a transparency from 0 to 100"}
		}
		r.Options.Set("mark-opacity", format(1-n/100), name)
	}
	for i, native := range [...]string{"mark-w", "mark-h"} {
		if s := parts[4+i]; s != "" && s != "none" {
			n, ok := number(s)
			if !ok || n <= 0 {
				return &Error{name, "has ratios, which are percent of the picture"}
			}
			r.Options.Set(native, format(min(n, 100))+"%", name)
		}
	}
	return nil
}

// thumborAlign reads one coordinate of a watermark.
func thumborAlign(s, low, high string) (align string, pad int, repeat, ok bool) {
	switch s {
	case "", "0":
		return low, 0, false, true
	case low, high, "center":
		return s, 0, false, true
	case "repeat":
		return "center", 0, true, true
	}
	n, ok := number(s)
	if !ok || math.Abs(n) > 8192 {
		return "", 0, false, false
	}
	if strings.HasPrefix(s, "-") {
		return high, int(-n), false, true
	}
	return low, int(n), false, true
}

// name decodes an image's name. One without a scheme is a host's where the workspace has no
// default source.
func (r *thumborURL) name(raw string) (string, error) {
	decoded, err := decodePath(raw)
	if err != nil {
		return "", err
	}
	if encoded, ok := strings.CutPrefix(decoded, "b64:"); ok {
		if s, err := decodeBase64(encoded); err == nil {
			decoded = s
		}
	}
	if isURL(decoded) || r.url.DefaultSource != "" || strings.TrimLeft(decoded, "/") == "" {
		return decoded, nil
	}
	return "https://" + strings.TrimLeft(decoded, "/"), nil
}

// image reads the rest of the path.
func (r *thumborURL) image() error {
	// A full URL keeps its escapes where it was written without being escaped as a whole.
	if isURL(r.rest) {
		if !transform.IsText(r.rest) {
			return &Error{Reason: "the image's URL holds a control character or invalid UTF-8"}
		}
		r.Image.URL = r.rest
		return nil
	}
	if strings.HasPrefix(r.rest, "color:") {
		return &Error{Reason: "color: makes no image here: /placeholder/color does"}
	}
	name, err := r.name(r.rest)
	if err != nil {
		return err
	}
	return r.Image.set(r.url, name)
}

// finish sets what several parts decide together.
func (r *thumborURL) finish() {
	if r.pad != "" && r.fillGiven {
		if _, given := r.Options.Get("pad"); !given {
			r.Options.Set("pad", r.pad, "padding")
		}
	}
	if r.width != "" {
		r.Options.Set("w", r.scaled(r.width), "size")
	}
	if r.height != "" {
		r.Options.Set("h", r.scaled(r.height), "size")
	}
	if r.proportion != 1 && r.width == "" && r.height == "" {
		r.Options.Set("w", format(r.proportion*100)+"%", "proportion")
	}
	fit := "cover"
	switch {
	case r.stretch:
		fit = "squeeze"
	case r.fitIn && r.fillGiven && r.width != "" && r.height != "":
		fit = "pad"
		if !r.upscale {
			r.Options.Set("enlarge", "0", "fit-in")
		}
	case r.outside && r.width != "" && r.height != "":
		fit = "outside"
	case r.fitIn && r.upscale:
		fit = "contain"
	case r.fitIn:
		fit = "scale-down"
	case r.width == "" || r.height == "":
		fit = "contain"
	}
	if r.noUpscale {
		r.Options.Set("enlarge", "0", "no_upscale")
	}
	r.Options.Set("fit", fit, "size")
	_, focal := r.Options.Get("fp-x")
	switch at := r.gravity(); {
	case fit != "cover" || focal:
	case r.smart:
		r.Options.Set("gravity", "attention", "smart")
	case at != "":
		r.Options.Set("gravity", at, "align")
	}
	r.Options.mirror(r.flip, true, "size")
	r.Options.turn(-r.turn, true, "rotate")
	if turned(r.turn)%180 == 90 {
		if pad, ok := r.Options.Get("pad"); ok && pad != "0" {
			r.ignore("rotate") // the sides of the padding would depend on the order of the filters
		}
	}
	if _, ok := r.Options.Get("format"); !ok {
		r.Options.Set("format", "original", "format")
	}
}

// scaled returns a side in pixels after proportion().
func (r *thumborURL) scaled(side string) string {
	if r.proportion == 1 {
		return side
	}
	n, _ := whole(side)
	return strconv.Itoa(max(int(float64(n)*r.proportion), 1))
}

func (r *thumborURL) gravity() string {
	vertical := map[string]string{"top": "north", "bottom": "south"}[r.vertical]
	horizontal := map[string]string{"left": "west", "right": "east"}[r.horizontal]
	return vertical + horizontal
}
