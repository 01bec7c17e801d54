package dialect

import (
	"crypto/hmac"
	"crypto/sha1" // thumbor signs with SHA-1
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

// thumbor is the grammar of thumbor and imagor:
// /SIGNATURE/trim/AxB:CxD/fit-in/WxH/HALIGN/VALIGN/smart/filters:NAME(ARGS)/IMAGE.
var thumbor = &Dialect{
	Name:     "thumbor",
	Prefixes: []string{"thumbor"},
	Whole:    true,
	Parse:    parseThumbor,
	Verify:   verifyThumbor,
	Params:   thumborParams,
}

// A thumborURL holds the state of parsing a URL.
type thumborURL struct {
	Request
	url  URL
	rest string // the part that is not parsed yet: raw, without a leading slash

	// segment is the first segment of rest, decoded. It is empty if it is the last one, which
	// names the image.
	segment string

	fitIn, stretch       bool
	width, height        string
	horizontal, vertical string
	smart                bool
	noUpscale, upscale   bool
	outside              bool   // full-fit-in: the image covers the box, and nothing is cut
	flip                 string // applied after the resize
	turn                 int    // counterclockwise, after the resize
	proportion           float64
	pad                  string // from the segment GxH:IxJ; it needs fill()
	fillGiven            bool

	orient  int          // counterclockwise, before the resize
	trimmed bool         // by the segment trim
	changed bool         // a filter has changed edges or size: a native crop or trim can't follow
	region  thumborCrop  // of the segment AxB:CxD
	crop    *thumborCrop // of the filter crop()
	focal   thumborFocal
}

// A thumborCrop is a region of an image.
type thumborCrop struct {
	name string // for Ignored; empty means no region
	x, y span
}

// A thumborFocal is the mean of the focal points, weighted by area. They are fractions.
type thumborFocal struct {
	x, y, weight float64
}

func parseThumbor(u URL) (Request, error) {
	signature, rest, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if !ok || signature == "" || rest == "" {
		return Request{}, &Error{Reason: "the path must be /SIGNATURE/OPTIONS/IMAGE; without a signature, write unsafe as SIGNATURE"}
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
		want = want[:(k.Size*8+5)/6] // imagor truncates the base64, not the bytes
	}
	return hmac.Equal([]byte(c.Signature), []byte(want))
}

// next sets segment to the start of rest. Some clients escape colons, so it is decoded, unless
// it then has a slash.
func (r *thumborURL) next() {
	segment, _, more := strings.Cut(r.rest, "/")
	r.segment = ""
	if !more {
		return
	}
	r.segment = segment
	if strings.IndexByte(segment, '%') < 0 {
		return
	}
	if decoded, err := decodePath(segment); err == nil && strings.IndexByte(decoded, '/') < 0 {
		r.segment = decoded
	}
}

// take removes the segment from rest.
func (r *thumborURL) take() {
	_, r.rest, _ = strings.Cut(r.rest, "/")
	r.next()
}

// segments parses the segments before the filters. Their order is fixed.
func (r *thumborURL) segments() error {
	r.next()
	for r.segment == "params" || r.segment == "meta" {
		r.ignore(r.segment)
		r.take()
	}
	if r.segment == "trim" || strings.HasPrefix(r.segment, "trim:") {
		if err := r.trim(r.segment); err != nil {
			return err
		}
		r.take()
	}
	if isRegion(r.segment) {
		r.readRegion(r.segment)
		r.take()
	}
	switch s := r.segment; s {
	case "fit-in":
		r.fitIn = true
		r.take()
	case "full-fit-in", "adaptive-fit-in", "adaptive-full-fit-in":
		r.fitIn, r.outside = true, s != "adaptive-fit-in"
		if s != "full-fit-in" {
			r.ignore(s) // adaptive swaps width and height if the image's orientation differs
		}
		r.take()
	}
	if r.segment == "stretch" {
		r.stretch = true
		r.take()
	}
	if w, h, ok := thumborSize(r.segment); ok {
		r.size(w, h)
		r.take()
		if thumborPadding(r.segment) {
			r.padding(r.segment)
			r.take()
		}
	}
	switch r.segment {
	case "left", "right", "center":
		r.horizontal = r.segment
		r.take()
	}
	switch r.segment {
	case "top", "bottom", "middle":
		r.vertical = r.segment
		r.take()
	}
	if r.segment == "smart" {
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
				return &Error{"trim", "must be trim, trim:top-left or trim:bottom-right; a colon and a tolerance may follow"}
			}
			tolerance = strconv.Itoa(min(n, 255))
		}
	}
	r.Options.Set("trim", tolerance, "trim")
	r.trimmed = true
	return nil
}

// isRegion reports whether a segment has the form AxB:CxD.
func isRegion(s string) bool {
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

// readRegion parses the two corners of a region, in pixels or as fractions of the original.
func (r *thumborURL) readRegion(s string) {
	from, to, _ := strings.Cut(s, ":")
	left, top, _ := strings.Cut(from, "x")
	right, bottom, _ := strings.Cut(to, "x")
	x, w, okX := thumborSpan(left, right)
	y, h, okY := thumborSpan(top, bottom)
	if !okX || !okY {
		r.ignore(s) // imagor doesn't crop to an empty region
		return
	}
	r.region = thumborCrop{s, span{at: x, length: w}, span{at: y, length: h}}
}

func thumborSpan(from, to string) (at, length string, ok bool) {
	a, _ := number(from)
	b, _ := number(to)
	switch {
	case b == 0 && a > 0: // in imagor, 0 is the end of the side
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

// thumborSize splits WxH. Each side is a number, orig or empty, and may have a minus sign.
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

// thumborSide returns a side in pixels. It is empty if the side follows from the other one.
func thumborSide(s string) string {
	if s == "orig" {
		return ""
	}
	return strings.TrimLeft(s, "0")
}

// thumborPadding reports whether a segment has the form GxH or GxH:IxJ, in whole pixels.
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

// filters parses filters:NAME(ARGS):NAME(ARGS)/ if it comes next. Parentheses may nest.
func (r *thumborURL) filters() error {
	list, ok := strings.CutPrefix(r.rest, "filters:")
	if !ok {
		return nil
	}
	for {
		open := strings.IndexByte(list, '(')
		if open <= 0 || strings.IndexByte(list[:open], '/') >= 0 {
			return &Error{"filters", "must be NAME(ARGUMENTS), with a colon between two filters and a slash after the last"}
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
			return &Error{name, "must have a closing parenthesis"}
		}
		args, err := decodePath(list[open+1 : end])
		if err != nil {
			return &Error{name, "has a malformed escape, a control character or invalid UTF-8"}
		}
		// thumbor and imagor skip a filter if its arguments are malformed. A filter without
		// arguments that needs some does nothing, so it isn't named as ignored.
		switch err := r.filter(name, args); {
		case err != nil && name == "expire":
			return err // without the filter, the URL would never expire
		case err != nil && args != "":
			r.ignore(name)
		}
		if !harmless(name) {
			r.changed = true
		}
		list = list[end+1:]
		switch {
		case strings.HasPrefix(list, ":"):
			list = list[1:]
		case strings.HasPrefix(list, "/"):
			r.rest = list[1:]
			return nil
		default:
			return &Error{"filters", "must be NAME(ARGUMENTS), with a colon between two filters and a slash after the last"}
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
		if n, ok := number(first); ok && n >= 0 && n <= 3 { // a factor, as in thumbor
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
			return &Error{name, "must be a whole number from 1 to 100"}
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
			return &Error{name, "must be a fraction up to 1, or a percentage above 1"}
		case n > 1:
			n = min(n, 100) / 100
		}
		if n >= 0.001 { // a smaller fraction would leave no pixel
			r.proportion *= n
		}
	case "orient":
		n, ok := whole(first)
		if !ok || n%90 != 0 {
			return &Error{name, "must be 0, 90, 180 or 270"}
		}
		r.orient = n
	case "crop":
		return r.cropFilter(name, args)
	case "trim":
		return r.trimFilter(name, args)
	case "image", "text", "label", "hue", "rgb", "modulate", "page", "dpi", "max_bytes", "max_frames":
		if args != "" { // without arguments these filters do nothing
			r.ignore(name)
		}
	case "round_corner":
		radius, _, _ := strings.Cut(first, "|")
		n, ok := whole(radius)
		if !ok {
			return &Error{name, "must begin with a radius in whole pixels"}
		}
		if n > 0 {
			r.Options.Set("radius", strconv.Itoa(min(n, 8192)), name)
		}
	case "focal":
		return r.readFocal(name, args)
	case "padding":
		return r.paddingFilter(name, args)
	case "watermark":
		return r.watermark(name, args)
	case "expire":
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil || n < 0 || n > 1<<50 {
			return &Error{name, "must be a time in Unix milliseconds"}
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
		return &Error{name, "must be a colour: RGB or RRGGBB in hexadecimal digits, or a CSS colour name"}
	}
	r.Options.Set("bg", c, name)
	return nil
}

func (r *thumborURL) amount(name, s, native string, value func(float64) float64) error {
	n, ok := number(s)
	if !ok || n < 0 {
		return &Error{name, "must be a number, 0 or more"}
	}
	r.Options.Set(native, format(value(n)), name)
	return nil
}

func (r *thumborURL) percent(name, s, native string) error {
	n, ok := number(s)
	if !ok || n < -100 || n > 100 {
		return &Error{name, "must be a number from -100 to 100"}
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
		return &Error{name, "must be one of jpeg, png, gif, webp, avif, jxl, tiff"}
	}
	r.Options.Set("format", f, name)
	return nil
}

// rotate turns counterclockwise, as in thumbor. Both products take only multiples of 90.
func (r *thumborURL) rotate(name, s string) error {
	n, ok := number(s)
	if !ok || math.Mod(n, 90) != 0 || math.Abs(n) > 1e6 {
		return &Error{name, "must be a multiple of 90"}
	}
	r.turn += int(n)
	return nil
}

// knownColor reports whether the native option bg accepts a colour.
func knownColor(c string) bool {
	_, err := transform.Parse(transform.Defaults(), transform.Query{{Name: "bg", Value: c, Literal: true}})
	return err == nil
}

// readFocal parses a region, AxB:CxD, or a point, X,Y. Tintype uses fractions. Pixels need the
// size of the original, which Parse doesn't know.
func (r *thumborURL) readFocal(name, args string) error {
	from, to, region := strings.Cut(args, ":")
	if !region {
		to = from
	}
	var at [2][2]float64 // corner, axis
	fraction := true
	for i, corner := range [...]string{from, to} {
		x, y, ok := strings.Cut(strings.ReplaceAll(corner, ",", "x"), "x")
		for j, s := range [...]string{x, y} {
			n, isNumber := number(strings.TrimSpace(s))
			if !ok || !isNumber || n < 0 {
				return &Error{name, "must be AxB:CxD or X,Y"}
			}
			at[i][j] = n
			fraction = fraction && (n < 1 || n == 1 && region && i == 1)
		}
	}
	weight := 1e-9 // imagor takes a point for a region of one pixel
	if region {
		weight = (at[1][0] - at[0][0]) * (at[1][1] - at[0][1])
	}
	switch {
	case !fraction:
		r.ignore(name)
	case weight <= 0 || at[1][0] < at[0][0]: // imagor skips an empty region
	default:
		f := &r.focal
		f.weight += weight
		f.x += ((at[0][0]+at[1][0])/2 - f.x) * weight / f.weight
		f.y += ((at[0][1]+at[1][1])/2 - f.y) * weight / f.weight
	}
	return nil
}

// resizes reports whether the URL asks for another size than the original's.
func (r *thumborURL) resizes() bool {
	return r.width != "" || r.height != "" || r.proportion != 1
}

// cropFilter parses left,top,width,height in pixels, or in fractions below 1. imagor crops
// after the resize and the filters before it. Tintype crops first. The result is the same if
// nothing has changed the size or the edges.
func (r *thumborURL) cropFilter(name, args string) error {
	parts := strings.Split(args, ",")
	if len(parts) < 4 {
		return &Error{name, "must be LEFT,TOP,WIDTH,HEIGHT"}
	}
	var sides [4]string
	for i := range sides {
		n, ok := number(strings.TrimSpace(parts[i]))
		if !ok || i > 1 && n <= 0 {
			return &Error{name, "must be LEFT,TOP,WIDTH,HEIGHT in pixels, or in fractions below 1"}
		}
		if n = max(n, 0); n > 0 && n < 1 {
			sides[i] = format(n*100) + "%"
		} else {
			sides[i] = strconv.Itoa(int(min(n, 1e6)))
		}
	}
	if r.resizes() || r.changed || r.trimmed || r.turn != 0 || r.region.name != "" || r.crop != nil {
		r.ignore(name)
		return nil
	}
	r.crop = &thumborCrop{name, span{at: sides[0], length: sides[2]}, span{at: sides[1], length: sides[3]}}
	return nil
}

// trimFilter parses tolerance,position. imagor trims after the resize, so the same rules hold
// as for cropFilter.
func (r *thumborURL) trimFilter(name, args string) error {
	tolerance, position, _ := strings.Cut(args, ",")
	n, ok := whole(strings.TrimSpace(tolerance))
	if !ok && tolerance != "" {
		return &Error{name, "must be TOLERANCE or TOLERANCE,POSITION"}
	}
	if strings.TrimSpace(position) == "bottom-right" {
		r.ignore(name) // Tintype takes the colour of most corners
	}
	if r.resizes() || r.changed || r.trimmed || r.turn != 0 {
		r.ignore(name)
		return nil
	}
	r.Options.Set("trim", strconv.Itoa(min(n, 255)), name)
	r.trimmed = true
	return nil
}

// harmless reports whether a filter leaves the size and the edges as they are, so that a native
// crop or trim before it gives the same image.
func harmless(filter string) bool {
	switch filter {
	case "attachment", "autojpg", "brightness", "contrast", "crop", "expire", "focal", "format", "grayscale", "hue", "invert", "lossless", "max_bytes",
		"max_frames", "no_upscale", "orient", "preview", "quality", "saturation", "sepia", "strip_exif", "strip_icc", "strip_metadata", "trim", "upscale", "utm":
		return true
	}
	return false
}

// paddingFilter parses color,left,top,right,bottom.
func (r *thumborURL) paddingFilter(name, args string) error {
	color, rest, _ := strings.Cut(args, ",")
	parts := strings.Split(rest, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
		if _, ok := whole(parts[i]); !ok {
			return &Error{name, "must be COLOUR,LEFT,TOP,RIGHT,BOTTOM with sides in whole pixels"}
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
		r.ignore(name) // fill() decides the colour
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

// watermark parses image,x,y,alpha,w_ratio,h_ratio.
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
		return &Error{name, "must begin with an image"}
	}
	for len(parts) < 6 {
		parts = append(parts, "")
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	var named Image
	if err := named.set(r.url, image); err != nil {
		return &Error{name, "must begin with an image"}
	}
	r.Options.Set("mark", named.URL+named.Path, name)
	alignX, padX, repeatX, okX := thumborAlign(parts[1], "left", "right")
	alignY, padY, repeatY, okY := thumborAlign(parts[2], "top", "bottom")
	if !okX || !okY {
		return &Error{name, "must have a place: x is pixels, left, center, right or repeat, and y is pixels, top, center, bottom or repeat"}
	}
	if padX != padY && alignX != "center" && alignY != "center" {
		r.ignore(name) // Tintype has one distance for both sides
	}
	r.Options.Set("mark-align", alignY+","+alignX, name)
	r.Options.Set("mark-pad", strconv.Itoa(max(padX, padY)), name)
	if repeatX || repeatY {
		r.Options.Set("mark-repeat", "1", name)
	}
	if parts[3] != "" {
		n, ok := number(parts[3])
		if !ok || n < 0 || n > 100 {
			return &Error{name, "must have a transparency from 0 to 100"}
		}
		r.Options.Set("mark-opacity", format(1-n/100), name)
	}
	for i, native := range [...]string{"mark-w", "mark-h"} {
		if s := parts[4+i]; s != "" && s != "none" {
			n, ok := number(s)
			if !ok || n <= 0 {
				return &Error{name, "must have ratios above 0, in percent of the image"}
			}
			r.Options.Set(native, format(min(n, 100))+"%", name)
		}
	}
	return nil
}

// thumborAlign parses one coordinate of a watermark.
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

// name decodes the name of an image. Without a scheme, it is an object key of the default
// source. If the workspace has no default source, it begins with a host.
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

// image parses the last part of the path.
func (r *thumborURL) image() error {
	// If the client didn't escape the full URL, its escapes belong to it.
	if isURL(r.rest) {
		if !transform.IsText(r.rest) {
			return &Error{Reason: "the image's URL has a control character or invalid UTF-8"}
		}
		return r.Image.setURL(r.rest, "")
	}
	if strings.HasPrefix(r.rest, "color:") {
		return &Error{Reason: "color: is not supported: use /placeholder/color"}
	}
	name, err := r.name(r.rest)
	if err != nil {
		return err
	}
	return r.Image.set(r.url, name)
}

// finish sets the defaults, and the native options that depend on several parts.
func (r *thumborURL) finish() {
	r.Options.turn(-r.orient, false, "orient")
	r.cut(r.region)
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
	focal := fit == "cover" && r.focalPoint()
	switch at := r.gravity(); {
	case fit != "cover" || focal:
	case r.smart:
		r.Options.Set("gravity", "attention", "smart")
	case at != "":
		r.Options.Set("gravity", at, "align")
	}
	r.Options.mirror(r.flip, true, "size")
	if r.crop != nil {
		r.cut(*r.crop)
	}
	r.Options.turn(-r.turn, true, "rotate")
	if turned(r.turn)%180 == 90 {
		if pad, ok := r.Options.Get("pad"); ok && pad != "0" {
			r.ignore("rotate") // the order of the filters decides which sides are padded
		}
	}
	if _, ok := r.Options.Get("format"); !ok {
		r.Options.Set("format", "original", "format")
	}
}

// cut sets the region to keep. It is a region of the image after the turns and flips so far.
func (r *thumborURL) cut(c thumborCrop) {
	if c.name == "" {
		return
	}
	rect, ok := r.Options.rectOf(c.x, c.y)
	if !ok {
		r.ignore(c.name)
		return
	}
	r.Options.Set("rect", rect, "crop")
}

// focalPoint sets the focal point, if the URL has one. In imagor it is a point of the original.
// In Tintype it is a point of the region that the crop keeps.
func (r *thumborURL) focalPoint() bool {
	if r.focal.weight == 0 {
		return false
	}
	if r.trimmed { // the size after a trim is unknown
		r.ignore("focal")
		return false
	}
	at := [...]float64{r.focal.x, r.focal.y}
	for i, s := range [...]span{r.region.x, r.region.y} {
		if r.region.name == "" {
			break
		}
		from, isPercent := strings.CutSuffix(s.at, "%")
		length, both := strings.CutSuffix(s.length, "%")
		if !isPercent || !both {
			r.ignore("focal")
			return false
		}
		start, _ := number(from)
		over, _ := number(length)
		at[i] = min(max((at[i]*100-start)/over, 0), 1)
	}
	r.Options.Set("fp-x", format(at[0]), "focal")
	r.Options.Set("fp-y", format(at[1]), "focal")
	return true
}

// scaled returns a side in pixels after proportion().
func (r *thumborURL) scaled(side string) string {
	if r.proportion == 1 {
		return side
	}
	n, _ := whole(side)
	return strconv.Itoa(max(int(float64(n)*r.proportion), 1))
}

// gravity returns the native gravity of the alignment. It is empty for the centre.
func (r *thumborURL) gravity() string {
	horizontal := side(r.horizontal)
	if horizontal == "center" {
		horizontal = ""
	}
	return side(r.vertical) + horizontal
}
