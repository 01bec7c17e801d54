package transform

import "strings"

// Accept is the set of formats that a client accepts, besides those that every browser
// shows.
type Accept uint8

// The members of [Accept].
const (
	AcceptAVIF Accept = 1 << iota
	AcceptWebP
	// AcceptKept: the output keeps the original's format, where every browser shows that
	// or one of the other members says so. It is for clients that name no format.
	AcceptKept
)

// NamesFormats reports whether an Accept header names a type of images, and not only
// ranges such as */* and image/*.
func NamesFormats(header string) bool {
	for rest := header; rest != ""; {
		var element string
		element, rest = cutUnquoted(rest, ',')
		mediaType, _ := cutUnquoted(element, ';')
		mediaType = trimSpace(mediaType)
		if len(mediaType) > len("image/") && strings.EqualFold(mediaType[:len("image/")], "image/") && mediaType[len("image/"):] != "*" {
			return true
		}
	}
	return false
}

// ParseAccept reads an Accept header (RFC 9110 §12.5.1). Join several headers with commas.
// Only named formats count, since browsers send */* for formats that they cannot show. A
// weight of 0 refuses a format, wherever it stands. Malformed parts are ignored.
func ParseAccept(header string) Accept {
	var accepted, refused Accept
	for rest := header; rest != ""; {
		var element string
		element, rest = cutUnquoted(rest, ',')
		mediaType, parameters := cutUnquoted(element, ';')
		var member Accept
		switch mediaType = trimSpace(mediaType); {
		case strings.EqualFold(mediaType, "image/avif"):
			member = AcceptAVIF
		case strings.EqualFold(mediaType, "image/webp"):
			member = AcceptWebP
		default:
			continue
		}
		switch weigh(parameters) {
		case weightPositive:
			accepted |= member
		case weightZero:
			refused |= member
		}
	}
	return accepted &^ refused
}

// A weight is the class of a media range's q parameter.
type weight int

const (
	weightMalformed weight = iota
	weightZero
	weightPositive
)

// weigh reads the parameters of a media range. It ignores all but q.
func weigh(parameters string) weight {
	w := weightPositive
	for parameters != "" {
		var parameter string
		parameter, parameters = cutUnquoted(parameters, ';')
		name, value, _ := strings.Cut(trimSpace(parameter), "=")
		if name == "q" || name == "Q" {
			w = parseWeight(value)
		}
	}
	return w
}

// parseWeight reads a qvalue (RFC 9110 §12.4.2).
func parseWeight(v string) weight {
	if v == "" || len(v) > len("0.000") || len(v) > 1 && v[1] != '.' {
		return weightMalformed
	}
	zero := v[0] == '0'
	if !zero && v[0] != '1' {
		return weightMalformed
	}
	w := weightPositive
	if zero {
		w = weightZero
	}
	for i := 2; i < len(v); i++ {
		switch {
		case v[i] < '0' || v[i] > '9', !zero && v[i] != '0':
			return weightMalformed
		case v[i] != '0':
			w = weightPositive
		}
	}
	return w
}

// cutUnquoted cuts s at the first separator outside of a quoted string.
func cutUnquoted(s string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == separator:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func trimSpace(s string) string { return strings.Trim(s, " \t") }

// String names the formats, for the variant key of an output whose format is Auto:
// "avif,webp", "avif", "webp" or "".
func (a Accept) String() string {
	if a&AcceptKept != 0 {
		if a &^= AcceptKept; a != 0 {
			return "kept," + a.String()
		}
		return "kept"
	}
	switch a & (AcceptAVIF | AcceptWebP) {
	case AcceptAVIF | AcceptWebP:
		return "avif,webp"
	case AcceptAVIF:
		return "avif"
	case AcceptWebP:
		return "webp"
	}
	return ""
}

// Takes reports whether a client can show an image in this format: JPEG, PNG and GIF
// always, AVIF and WebP if a has them.
func (a Accept) Takes(f Format) bool {
	switch f {
	case JPEG, PNG, GIF:
		return true
	case AVIF:
		return a&AcceptAVIF != 0
	case WebP:
		return a&AcceptWebP != 0
	}
	return false
}

// And returns the formats that are in both a and allowed.
func (a Accept) And(allowed Accept) Accept { return a & allowed }

// Animated reports whether an output in this format keeps the animation of the original.
func (o Options) Animated(h Header, out Format) bool {
	return o.Anim && h.Frames > 1 && h.Format.Animated() && out.Animated()
}

// OutputFormat is the format of the output that p describes, never Auto or
// SameAsOriginal. A format that o names is taken as it is, which may take the
// first frame of an animation, or lay transparent pixels on the background. Auto
// takes WebP, else GIF, for an animation; else the first of AVIF, WebP, PNG
// where the output may be transparent, and JPEG, that a has and whose limits the
// output keeps. Padding without a background is transparent, so JPEG never gets
// it by itself; an opaque background leaves nothing transparent. What is to be
// lossless becomes WebP or PNG: AVIF is not, and JPEG can't be. Rounded corners are
// transparent.
func (o Options) OutputFormat(h Header, p Plan, a Accept, l Limits) Format {
	still := JPEG
	if o.Transparent(h, p) || o.Lossless {
		still = PNG
	}
	switch o.Format {
	case Auto:
		if a&AcceptKept != 0 {
			return o.keptFormat(h, p, a, l, still)
		}
	case SameAsOriginal:
		if h.Format == HEIC || h.Format == SVG {
			return still
		}
		return h.Format
	default:
		return o.Format
	}
	if o.Animated(h, WebP) {
		if a&AcceptWebP != 0 && o.CheckOutput(p, WebP, h.Frames, l) == nil {
			return WebP
		}
		return GIF
	}
	if a&AcceptAVIF != 0 && !o.Lossless && o.CheckOutput(p, AVIF, 1, l) == nil {
		return AVIF
	}
	if a&AcceptWebP != 0 && o.CheckOutput(p, WebP, 1, l) == nil {
		return WebP
	}
	return still
}

// OrWebP reports whether an output whose format Auto chose, f, may be WebP as well: see
// [Job.OrWebP].
func (o Options) OrWebP(f Format, p Plan, a Accept, l Limits) bool {
	return f == AVIF && a&AcceptWebP != 0 && a&AcceptKept == 0 && o.CheckOutput(p, WebP, 1, l) == nil
}

// keptFormat is the original's format, where a takes it and it can hold the output. Nothing
// is laid on a background for it.
func (o Options) keptFormat(h Header, p Plan, a Accept, l Limits, still Format) Format {
	f, frames := h.Format, 1
	if o.Animated(h, GIF) {
		if frames = h.Frames; f != WebP || !a.Takes(WebP) {
			f = GIF
		}
	}
	switch {
	case !a.Takes(f), f == JPEG && still == PNG, o.Lossless && f != WebP && frames == 1:
		return still
	case o.CheckOutput(p, f, frames, l) != nil && frames == 1:
		return still
	}
	return f
}

// Transparent reports whether the output that p describes may have transparent pixels, in a
// format that can.
func (o Options) Transparent(h Header, p Plan) bool {
	if o.Radius != (Length{}) {
		return true
	}
	if o.Background.Set && o.Background.A == 255 {
		return false
	}
	padded := p.Output != (Size{p.Crop.Dx(), p.Crop.Dy()})
	return h.Alpha || padded || o.slanted()
}
