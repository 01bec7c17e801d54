package dialect

import (
	"crypto/md5" // imgix signs with MD5
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/transform"
)

// imgix is the grammar of imgix's Rendering API: /PATH?w=400&fit=crop&s=SIGNATURE. imgix
// publishes names, aliases and ranges in parameters.json (imgix/imgix-url-params).
var imgix = &Dialect{
	Name:     "imgix",
	Prefixes: []string{"imgix"},
	Whole:    true,
	Parse:    parseImgix,
	Verify:   verifyImgix,
	Params:   imgixParams,
}

// An imgixParam is a parameter that the parser knows. All its names have the same value.
type imgixParam int

const (
	imgixUnsupported imgixParam = iota // goes to Ignored
	imgixNeutral                       // has no effect in Tintype or in imgix
	imgixW
	imgixH
	imgixFit
	imgixCrop
	imgixAR
	imgixDPR
	imgixRect
	imgixFPX
	imgixFPY
	imgixFPZ
	imgixAuto
	imgixFM
	imgixQ
	imgixLossless
	imgixProgressive
	imgixBG
	imgixFill
	imgixFillColor
	imgixPad
	imgixPadTop
	imgixPadRight
	imgixPadBottom
	imgixPadLeft
	imgixMask
	imgixMaskBG
	imgixCornerRadius
	imgixBlur
	imgixSharp
	imgixUSM
	imgixBri
	imgixCon
	imgixSat
	imgixGam
	imgixInvert
	imgixSepia
	imgixMonochrome
	imgixPX
	imgixTrim
	imgixTrimMD
	imgixTrimTol
	imgixRot
	imgixRotType
	imgixOrient
	imgixFlip
	imgixDL
	imgixExpires
	imgixCS
	imgixFrame
	imgixMark
	imgixMarkBase
	imgixMarkAlign
	imgixMarkW
	imgixMarkH
	imgixMarkScale
	imgixMarkAlpha
	imgixMarkPad
	imgixMarkFit
	imgixMarkTile
	imgixCount
)

// imgixName finds a parameter by its name or alias. For all other names known is false: they
// go to Ignored. exp is the exposure in imgix. In native URLs it is the end of a signature.
func imgixName(name string) (p imgixParam, known bool) {
	switch name {
	case "w", "width":
		return imgixW, true
	case "h", "height":
		return imgixH, true
	case "fit", "f":
		return imgixFit, true
	case "crop":
		return imgixCrop, true
	case "ar":
		return imgixAR, true
	case "dpr":
		return imgixDPR, true
	case "rect":
		return imgixRect, true
	case "fp-x":
		return imgixFPX, true
	case "fp-y":
		return imgixFPY, true
	case "fp-z":
		return imgixFPZ, true
	case "auto":
		return imgixAuto, true
	case "fm":
		return imgixFM, true
	case "q":
		return imgixQ, true
	case "lossless":
		return imgixLossless, true
	case "jpg-progressive", "jpeg-progressive":
		return imgixProgressive, true
	case "bg":
		return imgixBG, true
	case "fill":
		return imgixFill, true
	case "fill-color", "fillcolor":
		return imgixFillColor, true
	case "pad":
		return imgixPad, true
	case "pad-top":
		return imgixPadTop, true
	case "pad-right":
		return imgixPadRight, true
	case "pad-bottom":
		return imgixPadBottom, true
	case "pad-left":
		return imgixPadLeft, true
	case "mask":
		return imgixMask, true
	case "mask-bg", "maskbg":
		return imgixMaskBG, true
	case "corner-radius":
		return imgixCornerRadius, true
	case "blur":
		return imgixBlur, true
	case "sharp":
		return imgixSharp, true
	case "usm":
		return imgixUSM, true
	case "bri":
		return imgixBri, true
	case "con":
		return imgixCon, true
	case "sat":
		return imgixSat, true
	case "gam":
		return imgixGam, true
	case "invert", "inv":
		return imgixInvert, true
	case "sepia":
		return imgixSepia, true
	case "monochrome", "mono":
		return imgixMonochrome, true
	case "px":
		return imgixPX, true
	case "trim":
		return imgixTrim, true
	case "trim-md", "trimmd":
		return imgixTrimMD, true
	case "trim-tol", "trimtol":
		return imgixTrimTol, true
	case "rot":
		return imgixRot, true
	case "rot-type", "rottype", "rott":
		return imgixRotType, true
	case "orient", "or":
		return imgixOrient, true
	case "flip":
		return imgixFlip, true
	case "dl":
		return imgixDL, true
	case "expires":
		return imgixExpires, true
	case "cs":
		return imgixCS, true
	case "frame":
		return imgixFrame, true
	case "mark", "m":
		return imgixMark, true
	case "mark-base", "mb", "markbase":
		return imgixMarkBase, true
	case "mark-align", "ma", "markalign":
		return imgixMarkAlign, true
	case "mark-w", "mw", "markw":
		return imgixMarkW, true
	case "mark-h", "mh", "markh":
		return imgixMarkH, true
	case "mark-scale", "ms", "markscale":
		return imgixMarkScale, true
	case "mark-alpha", "markalpha", "malph":
		return imgixMarkAlpha, true
	case "mark-pad", "mp", "markpad":
		return imgixMarkPad, true
	case "mark-fit", "mf", "markfit":
		return imgixMarkFit, true
	case "mark-tile", "mtile", "marktile":
		return imgixMarkTile, true
	case "ch", "exp":
		return imgixUnsupported, true
	case "svg-sanitize", "ixid": // imgix's analytics use ixid
		return imgixNeutral, true
	}
	return 0, false
}

// An imgixURL holds the state of parsing a URL.
type imgixURL struct {
	Request
	url URL
	// given has the parameters with their names as the URL spells them, and their values
	// decoded. nil means that the URL has none.
	given [imgixCount]*transform.Param
}

// value returns a parameter's value and name. Both are empty if the URL has no such parameter.
func (r *imgixURL) value(p imgixParam) (value, name string) {
	if g := r.given[p]; g != nil {
		return g.Value, g.Name
	}
	return "", ""
}

func parseImgix(u URL) (Request, error) {
	r := imgixURL{url: u}
	if err := r.image(); err != nil {
		return Request{}, err
	}
	r.claim()
	if err := r.read(); err != nil {
		return Request{}, err
	}
	// A loop over the methods would move r to the heap.
	err := r.size()
	if err == nil {
		err = r.format()
	}
	if err == nil {
		err = r.look()
	}
	if err == nil {
		err = r.turn()
	}
	if err == nil {
		err = r.mark()
	}
	if err == nil {
		err = r.rest()
	}
	if err != nil {
		return Request{}, err
	}
	return r.Request, nil
}

// image parses the path. It is the path of an object, or a full URL, encoded or not. imgix's
// web proxy sources have full URLs.
func (r *imgixURL) image() error {
	raw := strings.TrimLeft(r.url.Path, "/")
	if isURL(raw) {
		if !transform.IsText(raw) {
			return &Error{Reason: "the URL in the path has a control character or invalid UTF-8"}
		}
		return r.Image.setURL(raw, "")
	}
	path, err := decodePath(raw)
	if err != nil {
		return err
	}
	return r.Image.set(r.url, path)
}

// claim finds the signature. It must be the last parameter.
func (r *imgixURL) claim() {
	q := r.url.RawQuery
	at := strings.LastIndexByte(q, '&') + 1
	sig, ok := strings.CutPrefix(q[at:], "s=")
	if !ok {
		return
	}
	r.Claim.Signature = sig
	r.Claim.Message = r.url.Path
	if at > 0 {
		r.Claim.Message += "?" + q[:at-1]
	}
}

func verifyImgix(k Key, c Claim) bool {
	sum := md5.Sum(append(append(make([]byte, 0, len(k.Secret)+len(c.Message)), k.Secret...), c.Message...))
	var want [2 * md5.Size]byte
	hex.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(want[:], []byte(c.Signature)) == 1
}

// read stores the known parameters of the query in given, and the others in Ignored. If a
// parameter comes more than once, the last value wins. The values of auto= add up.
func (r *imgixURL) read() error {
	q, err := transform.ParseQuery(r.url.RawQuery)
	if err != nil {
		return &Error{Reason: err.Error()}
	}
	for i := range q {
		p := &q[i]
		at, known := imgixName(p.Name)
		if short, encoded := strings.CutSuffix(p.Name, "64"); !known && encoded {
			// auto and ch have no variant in base64.
			if at, known = imgixName(short); at == imgixAuto || short == "ch" {
				known = false
			}
			if known {
				if p.Value, err = decodeBase64(p.Value); err != nil {
					return &Error{p.Name, "must be text in base64url"}
				}
			}
		}
		switch {
		case !known:
			r.ignoreUnknown(p.Name)
			continue
		case at == imgixUnsupported:
			r.Ignored = append(r.Ignored, p.Name)
			continue
		}
		if earlier := r.given[at]; at == imgixAuto && earlier != nil {
			earlier.Value += "," + p.Value
		} else {
			r.given[at] = p
		}
	}
	return nil
}

// size parses the parameters for the size of the output and for the part of the image that a
// crop keeps.
func (r *imgixURL) size() error {
	crops, pads := false, false
	fit, name := r.value(imgixFit)
	fit, _, _ = strings.Cut(fit, ",")
	switch fit {
	case "", "clip":
		r.Options.Set("fit", "contain", name)
	case "max":
		r.Options.Set("fit", "scale-down", name)
	case "crop":
		crops = true
		r.Options.Set("fit", "cover", name)
	case "min":
		crops = true
		r.Options.Set("fit", "crop", name)
	case "facearea":
		crops = true
		r.Options.Set("fit", "cover", name)
		r.Options.Set("gravity", "face", name)
	case "fill", "clamp":
		pads = true
		r.Options.Set("fit", "pad", name)
	case "fillmax":
		pads = true
		r.Options.Set("fit", "pad", name)
		r.Options.Set("enlarge", "0", name)
	case "scale":
		r.Options.Set("fit", "squeeze", name)
	default:
		return &Error{name, "must be one of clip, max, crop, min, fill, fillmax, scale, clamp, facearea"}
	}
	if fit == "clamp" {
		r.ignore(name) // imgix repeats the pixels of the edges
	}
	if pads {
		if err := r.fillColor(); err != nil {
			return err
		}
	} else if err := r.background(); err != nil {
		return err
	}
	if err := r.sides(); err != nil {
		return err
	}
	if g := r.given[imgixDPR]; g != nil {
		n, ok := number(g.Value)
		if !ok || n < 0 || n > 5 {
			return &Error{g.Name, "must be a number from 0.1 to 5"}
		}
		r.Options.Set("dpr", format(max(n, 0.1)), g.Name)
	}
	if g := r.given[imgixAR]; g != nil && (crops || pads) {
		w, h, ok := strings.Cut(g.Value, ":")
		if !ok {
			h = "1"
		}
		r.Options.Set("ar", w+":"+h, g.Name)
	}
	if crops && fit != "facearea" {
		if err := r.crop(); err != nil {
			return err
		}
	}
	return r.rect()
}

// background sets the background for a fit that doesn't pad. bg comes before mask-bg, since
// it also has an effect without a mask.
func (r *imgixURL) background() error {
	if g := r.given[imgixBG]; g != nil {
		return r.color("bg", g)
	}
	if g := r.given[imgixMaskBG]; g != nil && r.given[imgixMask] != nil {
		return r.color("bg", g)
	}
	return nil
}

// fillColor sets the background for a fit that pads. The default is white.
func (r *imgixURL) fillColor() error {
	if g := r.given[imgixFill]; g != nil && g.Value != "solid" {
		r.ignore(g.Name)
	}
	for _, at := range [...]imgixParam{imgixFillColor, imgixBG} {
		if g := r.given[at]; g != nil {
			return r.color("bg", g)
		}
	}
	r.Options.Set("bg", "fff", "bg")
	return nil
}

// sides parses w, h and the padding. In imgix, w and h include the padding.
func (r *imgixURL) sides() error {
	var pad [4]int
	for i, at := range [...]imgixParam{imgixPadTop, imgixPadRight, imgixPadBottom, imgixPadLeft} {
		g := r.given[at]
		if g == nil {
			g = r.given[imgixPad]
		}
		if g == nil {
			continue
		}
		n, ok := whole(g.Value)
		if !ok || n > 8192 {
			return &Error{g.Name, "must be a whole number of pixels from 0 to 8192"}
		}
		pad[i] = n
	}
	if pad != [4]int{} {
		if _, given := r.Options.Get("bg"); !given {
			r.Options.Set("bg", "fff", "bg") // the default colour of padding
		}
		r.Options.Set("pad", strconv.Itoa(pad[0])+","+strconv.Itoa(pad[1])+","+strconv.Itoa(pad[2])+","+strconv.Itoa(pad[3]), "pad")
	}
	if err := r.side(imgixW, "w", pad[1]+pad[3]); err != nil {
		return err
	}
	return r.side(imgixH, "h", pad[0]+pad[2])
}

// side parses a width or a height. padding is the part of it that is padding.
func (r *imgixURL) side(p imgixParam, native string, padding int) error {
	g := r.given[p]
	if g == nil {
		return nil
	}
	if n, ok := whole(g.Value); ok && n > 1 && n <= 8192 && padding == 0 {
		r.Options.Set(native, g.Value, g.Name) // the common case, without allocation
		return nil
	}
	n, ok := number(g.Value)
	switch {
	case !ok || n < 0:
		return &Error{g.Name, "must be a number of pixels from 2 to 8192, or a fraction of the original's side from 0 to 1"}
	case n == 0: // 0 has no effect
	case n <= 1:
		r.Options.Set(native, format(n*100)+"%", g.Name)
	default:
		r.Options.Set(native, strconv.Itoa(max(min(int(math.Round(n)), 8192)-padding, 1)), g.Name)
	}
	return nil
}

// crop parses the part of the image that a crop keeps.
func (r *imgixURL) crop() error {
	g := r.given[imgixCrop]
	if g == nil {
		return nil
	}
	vertical, horizontal := "", ""
	for word := range strings.SplitSeq(g.Value, ",") {
		switch word {
		case "top":
			vertical = "north"
		case "bottom":
			vertical = "south"
		case "left":
			horizontal = "west"
		case "right":
			horizontal = "east"
		case "faces":
			r.Options.Set("gravity", "face", g.Name)
			return nil
		case "entropy", "edges":
			r.Options.Set("gravity", "entropy", g.Name)
			return nil
		case "focalpoint":
			return r.focalPoint()
		case "center", "middle", "":
		default:
			return &Error{g.Name, "must be a list of top, bottom, left, right, faces, entropy, edges and focalpoint"}
		}
	}
	if vertical+horizontal != "" {
		r.Options.Set("gravity", vertical+horizontal, g.Name)
	}
	return nil
}

func (r *imgixURL) focalPoint() error {
	for _, p := range [...]struct {
		at                 imgixParam
		native             string
		least, most, clamp float64
	}{{imgixFPX, "fp-x", 0, 1, 1}, {imgixFPY, "fp-y", 0, 1, 1}, {imgixFPZ, "fp-z", 1, 100, 10}} {
		g := r.given[p.at]
		if g == nil {
			continue
		}
		n, ok := number(g.Value)
		if !ok || n < p.least || n > p.most {
			return &Error{g.Name, "must be a number from " + format(p.least) + " to " + format(p.most)}
		}
		r.Options.Set(p.native, format(min(n, p.clamp)), g.Name)
	}
	return nil
}

// rect parses a region of the original. x and y are pixels, fractions or words. Width and
// height are pixels or fractions.
func (r *imgixURL) rect() error {
	g := r.given[imgixRect]
	if g == nil {
		return nil
	}
	parts := strings.Split(g.Value, ",")
	if len(parts) != 4 {
		return &Error{g.Name, "must be x,y,w,h"}
	}
	for i, p := range parts {
		p = strings.TrimSpace(p)
		switch {
		case i == 0 && (p == "left" || p == "center" || p == "right"),
			i == 1 && (p == "top" || p == "bottom"):
		case i == 1 && (p == "middle" || p == "center"):
			p = "center"
		default:
			n, ok := number(p)
			if !ok || n < 0 {
				return &Error{g.Name, "must be x,y,w,h in pixels; x may be left, center or right, and y may be top, middle or bottom"}
			}
			if strings.Contains(p, ".") && n <= 1 {
				p = format(n*100) + "%"
			} else {
				p = strconv.Itoa(int(math.Round(min(n, 1e6))))
			}
		}
		parts[i] = p
	}
	r.Options.Set("rect", strings.Join(parts, ","), g.Name)
	return nil
}

// format parses the format and the quality of the output.
func (r *imgixURL) format() error {
	auto, compress := false, false
	if g := r.given[imgixAuto]; g != nil {
		unknown := false
		for word := range strings.SplitSeq(g.Value, ",") {
			switch strings.TrimSpace(word) {
			case "format", "true":
				auto = true
			case "compress":
				compress = true
			case "":
			default:
				unknown = true
			}
		}
		if unknown {
			r.ignore(g.Name)
		}
	}
	native := "original"
	fm, name := r.value(imgixFM)
	progressive := r.given[imgixProgressive]
	switch fm {
	case "":
	case "jpg", "jpeg":
		native = "jpeg"
	case "pjpg":
		native = "jpeg"
		progressive = &transform.Param{Name: name, Value: "true"}
	case "png", "png32", "png8":
		native = "png"
	case "gif", "webp", "avif":
		native = fm
	case "blurhash":
		r.Answer = AnswerBlurHash
	case "jp2", "json", "jxr", "mp4", "webm", "mov", "hls", "mp3":
		r.ignore(name)
	default:
		return &Error{name, "must be one of jpg, pjpg, png, png8, png32, gif, webp, avif, blurhash"}
	}
	if fm == "png8" {
		r.ignore(name)
	}
	if auto {
		native = "auto"
	}
	r.Options.Set("format", native, name)
	quality, from := "75", ""
	if compress {
		quality = "45"
	}
	if g := r.given[imgixQ]; g != nil {
		n, ok := number(g.Value)
		if !ok {
			return &Error{g.Name, "must be a whole number from 0 to 100"}
		}
		quality, from = strconv.Itoa(clamp(n, 1, 100)), g.Name
	}
	r.Options.Set("q", quality, from)
	if err := r.flag("lossless", r.given[imgixLossless]); err != nil {
		return err
	}
	switch native {
	case "jpeg":
		if progressive == nil {
			progressive = &transform.Param{} // the default is on
		}
		return r.flag("progressive", progressive)
	case "original", "auto":
		return r.flag("progressive", progressive)
	}
	return nil // other formats have no such parameter
}

// imgixAmounts are parameters that are numbers from least to most. 0 has no effect.
var imgixAmounts = [...]struct {
	at          imgixParam
	native      string
	least, most float64
	value       func(n float64) string
}{
	{imgixBlur, "blur", 0, 2000, func(n float64) string { return format(min(n/10, 100)) }},
	{imgixUSM, "sharpen", -100, 100, format},
	{imgixSharp, "sharpen", 0, 100, format},
	{imgixBri, "brightness", -100, 100, percent},
	{imgixCon, "contrast", -100, 100, percent},
	{imgixSat, "saturation", -100, 100, percent},
	{imgixGam, "gamma", -100, 100, func(n float64) string { return format(math.Round(math.Pow(3, n/100)*1000) / 1000) }},
	{imgixPX, "pixelate", 0, 100, func(n float64) string { return strconv.Itoa(int(math.Round(n))) }},
}

// look parses the parameters that change colours and sharpness.
func (r *imgixURL) look() error {
	for i := range imgixAmounts {
		p := &imgixAmounts[i]
		g := r.given[p.at]
		if g == nil {
			continue
		}
		n, ok := number(g.Value)
		if !ok {
			return &Error{g.Name, "must be a number from " + format(p.least) + " to " + format(p.most)}
		}
		if p.at == imgixUSM && n < 0 {
			r.ignore(g.Name) // a negative value softens the image
			continue
		}
		if n = min(max(n, p.least), p.most); n != 0 {
			r.Options.Set(p.native, p.value(n), g.Name)
		}
	}
	if err := r.flag("invert", r.given[imgixInvert]); err != nil {
		return err
	}
	if g := r.given[imgixSepia]; g != nil {
		switch n, ok := number(g.Value); {
		case !ok:
			return &Error{g.Name, "must be a whole number from 0 to 100"}
		case n >= 50:
			r.Options.Set("sepia", "1", g.Name)
		case n > 0:
			r.ignore(g.Name)
		}
	}
	if g := r.given[imgixMonochrome]; g != nil {
		c, ok := imgixColor(g.Value)
		switch {
		case !ok:
			return &Error{g.Name, colorValues}
		case grey(c):
			r.Options.Set("grayscale", "1", g.Name)
		default:
			r.ignore(g.Name)
		}
	}
	return r.mask()
}

// mask parses rounded corners.
func (r *imgixURL) mask() error {
	mask, radius := r.given[imgixMask], r.given[imgixCornerRadius]
	switch {
	case mask == nil:
	case mask.Value == "ellipse":
		r.Options.Set("radius", "max", mask.Name)
	case mask.Value != "corners":
		r.ignore(mask.Name)
	case radius == nil:
	case strings.Contains(radius.Value, ","):
		r.ignore(radius.Name)
	default:
		n, ok := whole(radius.Value)
		if !ok {
			return &Error{radius.Name, "must be a whole number of pixels"}
		}
		if n > 0 {
			r.Options.Set("radius", strconv.Itoa(min(n, 8192)), radius.Name)
		}
	}
	return nil
}

// turn parses the parameters that trim, turn and mirror the image.
func (r *imgixURL) turn() error {
	if g := r.given[imgixTrim]; g != nil {
		switch g.Value {
		case "auto":
			if err := r.trim(g.Name, r.given[imgixTrimMD], 11); err != nil {
				return err
			}
		case "color", "colorunlessalpha":
			if err := r.trim(g.Name, r.given[imgixTrimTol], 0); err != nil {
				return err
			}
		case "alpha":
			r.ignore(g.Name)
		default:
			return &Error{g.Name, "must be one of auto, color, alpha, colorunlessalpha"}
		}
	}
	turned := 0
	if g := r.given[imgixOrient]; g != nil {
		n, ok := whole(g.Value)
		switch {
		case ok && (n == 90 || n == 180 || n == 270):
			turned = n
		case ok && n == 0:
		case ok && n <= 8:
			r.ignore(g.Name)
		default:
			return &Error{g.Name, "must be one of 0 to 8, 90, 180, 270"}
		}
	}
	rotType, rotTypeName := r.value(imgixRotType)
	if g := r.given[imgixRot]; g != nil {
		n, ok := number(g.Value)
		if !ok || math.Abs(n) > 1e6 {
			return &Error{g.Name, "must be a number of degrees from 0 to 359"}
		}
		degrees := int(math.Round(n))
		degrees = (degrees%360 + 360) % 360
		if degrees%90 != 0 && rotType != "pivot" {
			r.ignore(g.Name) // straighten also crops the corners away
		} else {
			turned += 360 - degrees // imgix turns counterclockwise
		}
	}
	if rotTypeName != "" && rotType != "pivot" && rotType != "straighten" {
		return &Error{rotTypeName, "must be pivot or straighten"}
	}
	if turned %= 360; turned != 0 {
		r.Options.Set("rotate", strconv.Itoa(turned), "rot")
	}
	if g := r.given[imgixFlip]; g != nil {
		flip := g.Value
		switch flip {
		case "h", "v", "hv":
		case "vh":
			flip = "hv"
		default:
			return &Error{g.Name, "must be one of h, v, hv"}
		}
		r.Options.Set("flip", flip, g.Name)
	}
	return nil
}

// trim sets the tolerance of trim.
func (r *imgixURL) trim(name string, tolerance *transform.Param, standard float64) error {
	if tolerance != nil {
		n, ok := number(tolerance.Value)
		if !ok || n < 0 {
			return &Error{tolerance.Name, "must be a number, 0 or more"}
		}
		name, standard = tolerance.Name, n
	}
	r.Options.Set("trim", strconv.Itoa(clamp(standard, 0, 255)), name)
	return nil
}

// mark parses the watermark.
func (r *imgixURL) mark() error {
	g := r.given[imgixMark]
	if g == nil || g.Value == "" {
		return nil
	}
	name := g.Value
	if base := r.given[imgixMarkBase]; base != nil && !isURL(name) {
		name = strings.TrimSuffix(base.Value, "/") + "/" + strings.TrimPrefix(name, "/")
	}
	if !isURL(name) {
		name = r.url.Key(name)
	}
	r.Options.Set("mark", name, g.Name)
	if g := r.given[imgixMarkFit]; g != nil {
		fit, ok := map[string]string{"clip": "contain", "crop": "cover", "fill": "pad", "max": "scale-down", "scale": "squeeze"}[g.Value]
		if !ok {
			return &Error{g.Name, "must be one of clip, crop, fill, max, scale"}
		}
		r.Options.Set("mark-fit", fit, g.Name)
	}
	if err := r.markAlign(); err != nil {
		return err
	}
	for _, side := range [...]struct {
		at     imgixParam
		native string
	}{{imgixMarkW, "mark-w"}, {imgixMarkH, "mark-h"}} {
		g := r.given[side.at]
		if g == nil {
			continue
		}
		n, ok := number(g.Value)
		switch {
		case !ok || n <= 0:
			return &Error{g.Name, "must be a number of pixels from 2 to 8192, or a fraction of the image's side from 0 to 1"}
		case n <= 1:
			r.Options.Set(side.native, format(n*100)+"%", g.Name)
		default:
			r.Options.Set(side.native, strconv.Itoa(min(int(math.Round(n)), 8192)), g.Name)
		}
	}
	if g := r.given[imgixMarkScale]; g != nil {
		n, ok := number(g.Value)
		if !ok {
			return &Error{g.Name, "must be a whole number from 0 to 100"}
		}
		if n > 0 {
			r.Options.Set("mark-w", strconv.Itoa(clamp(n, 1, 100))+"%", g.Name)
		}
	}
	if g := r.given[imgixMarkAlpha]; g != nil {
		n, ok := number(g.Value)
		if !ok {
			return &Error{g.Name, "must be a whole number from 1 to 100"}
		}
		r.Options.Set("mark-opacity", format(float64(clamp(n, 1, 100))/100), g.Name)
	}
	if g := r.given[imgixMarkPad]; g != nil {
		r.Options.Set("mark-pad", g.Value, g.Name)
	} else {
		r.Options.Set("mark-pad", "5", "")
	}
	if g := r.given[imgixMarkTile]; g != nil {
		if g.Value != "grid" {
			return &Error{g.Name, "must be grid"}
		}
		r.Options.Set("mark-repeat", "1", g.Name)
	}
	return nil
}

func (r *imgixURL) markAlign() error {
	g := r.given[imgixMarkAlign]
	if g == nil {
		return nil
	}
	vertical, horizontal := "", ""
	for word := range strings.SplitSeq(g.Value, ",") {
		switch word {
		case "top", "bottom":
			vertical = word
		case "middle":
			vertical = "center"
		case "left", "right", "center":
			horizontal = word
		default:
			return &Error{g.Name, "must be a list of top, middle or bottom, and left, center or right"}
		}
	}
	if vertical == "" {
		vertical = "bottom"
	}
	if horizontal == "" {
		horizontal = "right"
	}
	r.Options.Set("mark-align", vertical+","+horizontal, g.Name)
	return nil
}

// rest parses the parameters that change no pixel of a still image.
func (r *imgixURL) rest() error {
	if g := r.given[imgixDL]; g != nil {
		name := g.Value
		if name == "" {
			name = r.Image.Path + r.Image.URL
			if i := strings.IndexByte(name, '?'); i >= 0 && r.Image.URL != "" {
				name = name[:i]
			}
			name = strings.TrimRight(name, "/")
			name = name[strings.LastIndexByte(name, '/')+1:]
		}
		r.Options.Set("dl", name, g.Name)
	}
	if g := r.given[imgixExpires]; g != nil {
		n, err := strconv.ParseInt(g.Value, 10, 64)
		if err != nil || n < 0 || n > 1<<40 {
			return &Error{g.Name, "must be a time in Unix seconds"}
		}
		r.Claim.Expires = time.Unix(n, 0)
	}
	if g := r.given[imgixCS]; g != nil && g.Value != "srgb" && g.Value != "strip" && g.Value != "tinysrgb" {
		r.ignore(g.Name)
	}
	if g := r.given[imgixFrame]; g != nil {
		if g.Value != "1" {
			r.ignore(g.Name)
		} else {
			r.Options.Set("anim", "0", g.Name)
		}
	}
	return nil
}

// flag sets a native flag.
func (r *imgixURL) flag(native string, g *transform.Param) error {
	if g == nil {
		return nil
	}
	switch strings.ToLower(g.Value) {
	case "true", "1", "":
		r.Options.Set(native, "1", g.Name)
	case "false", "0":
		r.Options.Set(native, "0", g.Name)
	default:
		return &Error{g.Name, "must be true or false"}
	}
	return nil
}

const colorValues = "must be a colour: RGB, ARGB, RRGGBB or AARRGGBB in hexadecimal digits, or a CSS colour name"

func (r *imgixURL) color(native string, g *transform.Param) error {
	c, ok := imgixColor(g.Value)
	if !ok {
		return &Error{g.Name, colorValues}
	}
	r.Options.Set(native, c, g.Name)
	return nil
}

// imgixColor converts a colour to a native colour. In imgix the alpha comes first. imgixColor
// doesn't check names: the parser of native options knows them.
func imgixColor(s string) (native string, ok bool) {
	s = strings.TrimPrefix(s, "#")
	switch {
	case s == "":
		return "", false
	case !isHex(s):
		return s, isLetters(s)
	case len(s) == 3 || len(s) == 6:
		return s, true
	case len(s) == 4:
		return s[1:] + s[:1], true
	case len(s) == 8:
		return s[2:] + s[:2], true
	}
	return s, isLetters(s)
}

// grey reports whether a colour is black, white or a grey.
func grey(c string) bool {
	switch c {
	case "black", "white", "gray", "grey", "silver", "darkgray", "darkgrey", "lightgray", "lightgrey", "dimgray", "dimgrey", "gainsboro", "whitesmoke":
		return true
	}
	if !isHex(c) {
		return false
	}
	switch len(c) {
	case 3, 4:
		return c[0] == c[1] && c[1] == c[2]
	case 6, 8:
		return strings.EqualFold(c[0:2], c[2:4]) && strings.EqualFold(c[2:4], c[4:6])
	}
	return false
}

// percent converts a change in percent to a factor: 0 to 1, −100 to 0, 100 to 2.
func percent(n float64) string { return format(1 + n/100) }

// decodeBase64 decodes base64url (RFC 4648 §5), with or without padding.
func decodeBase64(s string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return "", err
	}
	if !transform.IsText(string(b)) {
		return "", base64.CorruptInputError(0)
	}
	return string(b), nil
}
