package transform

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A codec reads and writes the value of one option. parse stores equal values in the same
// form.
type codec struct {
	domain Domain
	values string                            // the allowed values, in words
	parse  func(o *Options, v string) bool   // returns false and leaves o as it is if v is not allowed
	format func(b []byte, o *Options) []byte // appends the value, or nothing if it is the default
}

// A field returns the place of an option's value.
type field[T any] func(*Options) *T

// defaults are the values that format leaves out.
var defaults = Defaults()

// whole takes whole numbers from least to most.
func whole(least, most int, at field[int]) codec {
	return codec{
		domain: Domain{Kind: KindInt, Min: float64(least), Max: float64(most), Step: 1},
		values: fmt.Sprintf("a whole number from %d to %d", least, most),
		parse: func(o *Options, v string) bool {
			n, ok := parseWhole(v)
			if !ok || n < least || n > most {
				return false
			}
			*at(o) = n
			return true
		},
		format: func(b []byte, o *Options) []byte {
			n := *at(o)
			if n == *at(&defaults) {
				return b
			}
			return strconv.AppendInt(b, int64(n), 10)
		},
	}
}

// decimal takes numbers from least to most and rounds them to four decimals.
func decimal(least, most float64, at field[float64]) codec {
	step := 0.01
	if most > 10 {
		step = 1
	}
	return codec{
		domain: Domain{Kind: KindFloat, Min: least, Max: most, Step: step},
		values: formatDecimal(least) + "–" + formatDecimal(most),
		parse: func(o *Options, v string) bool {
			f, ok := parseDecimal(v)
			if !ok || f < least || f > most {
				return false
			}
			*at(o) = round4(f)
			return true
		},
		format: func(b []byte, o *Options) []byte {
			f := *at(o)
			if f == *at(&defaults) {
				return b
			}
			return appendDecimal(b, f)
		},
	}
}

// focal is decimal, and sets Gravity to GravityFocal. A gravity in the same query overrides
// that.
func focal(least, most float64, at field[float64]) codec {
	c := decimal(least, most, at)
	parse := c.parse
	c.parse = func(o *Options, v string) bool {
		if !parse(o, v) {
			return false
		}
		o.Gravity = GravityFocal
		return true
	}
	return c
}

const flagValues = "1, true or empty; 0 or false"

// flag takes on or off. A URL can write "off" to override a preset.
func flag(at field[bool]) codec {
	return codec{
		domain: Domain{Kind: KindBool},
		values: flagValues,
		parse: func(o *Options, v string) bool {
			switch v {
			case "", "1", "true":
				*at(o) = true
			case "0", "false":
				*at(o) = false
			default:
				return false
			}
			return true
		},
		format: func(b []byte, o *Options) []byte {
			switch on := *at(o); {
			case on == *at(&defaults):
				return b
			case on:
				return append(b, '1')
			default:
				return append(b, '0')
			}
		},
	}
}

// A synonym is another spelling of a value.
type synonym[T ~string] struct {
	spelling string
	value    T
}

// word takes one of a list of words.
func word[T ~string](at field[T], also []synonym[T], words ...T) codec {
	domain := Domain{Kind: KindEnum}
	var values strings.Builder
	for i, w := range words {
		domain.Words = append(domain.Words, string(w))
		if i > 0 {
			values.WriteString(", ")
		}
		values.WriteString(string(w))
		for _, s := range also {
			if s.value == w {
				values.WriteString(" (" + s.spelling + ")")
			}
		}
	}
	for _, s := range also {
		domain.Synonyms = append(domain.Synonyms, Synonym{s.spelling, string(s.value)})
	}
	return codec{
		domain: domain,
		values: values.String(),
		parse: func(o *Options, v string) bool {
			for _, w := range words {
				if string(w) == v {
					*at(o) = w
					return true
				}
			}
			for _, s := range also {
				if s.spelling == v {
					*at(o) = s.value
					return true
				}
			}
			return false
		},
		format: func(b []byte, o *Options) []byte {
			w := *at(o)
			if w == *at(&defaults) {
				return b
			}
			return append(b, w...)
		},
	}
}

// text takes free text of least to most bytes.
func text(values string, least, most int, at field[string]) codec {
	return codec{
		domain: Domain{Kind: KindText, Min: float64(least), Max: float64(most)},
		values: values,
		parse: func(o *Options, v string) bool {
			if len(v) < least || len(v) > most || !IsText(v) {
				return false
			}
			*at(o) = v
			return true
		},
		format: func(b []byte, o *Options) []byte { return append(b, *at(o)...) },
	}
}

// fileName takes text without path separators.
func fileName(at field[string]) codec {
	c := text(`a file name of 1–255 bytes without /, \ and control characters`, 1, 255, at)
	parse := c.parse
	c.parse = func(o *Options, v string) bool {
		return !strings.ContainsAny(v, `/\`) && parse(o, v)
	}
	return c
}

// ratio takes an aspect ratio.
func ratio(at field[Ratio]) codec {
	return codec{
		domain: Domain{Kind: KindRatio, Max: maxRatio},
		values: fmt.Sprintf("W:H, such as 16:9 or 1.91:1, each above 0 and up to %d", maxRatio),
		parse: func(o *Options, v string) bool {
			left, right, ok := strings.Cut(v, ":")
			if !ok {
				return false
			}
			w, ok := parseRatioSide(left)
			if !ok {
				return false
			}
			h, ok := parseRatioSide(right)
			if !ok {
				return false
			}
			*at(o) = reduce(w, h)
			return true
		},
		format: func(b []byte, o *Options) []byte {
			r := *at(o)
			if r == (Ratio{}) {
				return b
			}
			b = append(appendDecimal(b, r.W), ':')
			return appendDecimal(b, r.H)
		},
	}
}

// maxRatio bounds both sides of a ratio.
const maxRatio = 10000

// parseRatioSide reads one side of a ratio. It returns ten-thousandths.
func parseRatioSide(v string) (n int, ok bool) {
	f, ok := parseDecimal(v)
	n = int(math.Round(min(f, maxRatio) * 1e4))
	return n, ok && f <= maxRatio && n > 0
}

// reduce returns w:h, both in ten-thousandths, in the smallest whole numbers. If these are
// above maxRatio, it uses as few decimals as possible.
func reduce(w, h int) Ratio {
	a, b := w, h
	for b != 0 {
		a, b = b, a%b
	}
	w, h = w/a, h/a
	unit := 1
	for max(w, h) > maxRatio*unit {
		unit *= 10
	}
	return Ratio{float64(w) / float64(unit), float64(h) / float64(unit)}
}

// region takes x,y,w,h. A region of the whole image is stored as none.
func region(at field[Rect]) codec {
	return codec{
		domain: Domain{Kind: KindRegion, Max: maxRegion},
		values: fmt.Sprintf("x,y,w,h, each in whole pixels (up to %d) or 0–100%%; w and h above 0; x also left, center, right and y top, center, bottom", maxRegion),
		parse: func(o *Options, v string) bool {
			var lengths [4]Length
			var aligned [2]Align
			rest, more := v, true
			for i := range lengths {
				if !more {
					return false
				}
				var part string
				part, rest, more = strings.Cut(rest, ",")
				if i < 2 && (part == regionWords[i].start || part == "center" || part == regionWords[i].end) {
					aligned[i] = regionWords[i].align(part)
					continue
				}
				var ok bool
				if lengths[i], ok = parseLength(part, maxRegion); !ok {
					return false
				}
			}
			r := Rect{X: lengths[0], Y: lengths[1], W: lengths[2], H: lengths[3]}
			if more || r.W.Value == 0 || r.H.Value == 0 {
				return false
			}
			r.X, r.AlignX = aligned[0].at(r.X, r.W)
			r.Y, r.AlignY = aligned[1].at(r.Y, r.H)
			whole := Length{100, true}
			if r == (Rect{W: whole, H: whole}) {
				r = Rect{}
			}
			*at(o) = r
			return true
		},
		format: func(b []byte, o *Options) []byte {
			r := *at(o)
			if r == (Rect{}) {
				return b
			}
			for i, l := range [...]Length{r.X, r.Y, r.W, r.H} {
				if i > 0 {
					b = append(b, ',')
				}
				align := AlignNone
				if i < 2 {
					align = [...]Align{r.AlignX, r.AlignY}[i]
				}
				switch align {
				case AlignCenter:
					b = append(b, "center"...)
				case AlignEnd:
					b = append(b, regionWords[i].end...)
				default:
					b = appendLength(b, l)
				}
			}
			return b
		},
	}
}

// regionWords are the words for both ends of x and of y.
var regionWords = [...]ends{{"left", "right"}, {"top", "bottom"}}

type ends struct{ start, end string }

func (e ends) align(word string) Align {
	switch word {
	case e.start:
		return AlignNone
	case e.end:
		return AlignEnd
	}
	return AlignCenter
}

// at returns the start of a region with this alignment. If the length is a percentage, the
// start is a number and the alignment is AlignNone.
func (a Align) at(start, length Length) (Length, Align) {
	if a == AlignNone || !length.Percent {
		return start, a
	}
	free := 100 - length.Value
	if a == AlignCenter {
		free /= 2
	}
	free = round4(free)
	return Length{free, free > 0}, AlignNone
}

// maxRegion bounds the pixels of a region. It is far above every limit of originals.
const maxRegion = 1_000_000

// markLength takes a length on the output, above zero.
func markLength(at ...field[Length]) codec {
	return codec{
		domain: Domain{Kind: KindLength, Min: 1, Max: maxSide},
		values: fmt.Sprintf("1–%d pixels, or above 0 and up to 100%% of the output", maxSide),
		parse: func(o *Options, v string) bool {
			l, ok := parseLength(v, maxSide)
			if !ok || l.Value == 0 {
				return false
			}
			for _, at := range at {
				*at(o) = l
			}
			return true
		},
		format: func(b []byte, o *Options) []byte {
			l := *at[0](o)
			if l == (Length{}) {
				return b
			}
			return appendLength(b, l)
		},
	}
}

// markPad takes the distance of a mark from the edges. It can be zero.
func markPad() codec {
	usual := Length{2, true}
	return codec{
		domain: Domain{Kind: KindLength, Max: maxSide},
		values: fmt.Sprintf("0–%d pixels, or 0–100%% of the output's smaller side", maxSide),
		parse: func(o *Options, v string) bool {
			l, ok := parseLength(v, maxSide)
			if !ok {
				return false
			}
			o.Mark.Pad, o.Mark.PadSet = l, true
			if l == usual {
				o.Mark.Pad, o.Mark.PadSet = Length{}, false
			}
			return true
		},
		format: func(b []byte, o *Options) []byte {
			if !o.Mark.PadSet {
				return b
			}
			return appendLength(b, o.Mark.Pad)
		},
	}
}

// align takes a position on the output. It is stored as "vertical,horizontal" or "center".
func align(at field[string]) codec {
	const usual = "bottom,right"
	return codec{
		domain: Domain{Kind: KindPosition, Words: []string{"top,left", "top,center", "top,right", "center,left", "center",
			"center,right", "bottom,left", "bottom,center", "bottom,right"}},
		values: "one or two of top, center, bottom and left, center, right, such as top,left",
		parse: func(o *Options, v string) bool {
			first, second, two := strings.Cut(v, ",")
			if !two {
				second = "center"
			}
			if isHorizontal(first) || isVertical(second) {
				first, second = second, first
			}
			switch {
			case !isVertical(first) && first != "center", !isHorizontal(second) && second != "center":
				return false
			case first == "center" && second == "center":
				*at(o) = "center"
			default:
				*at(o) = first + "," + second
			}
			if *at(o) == usual {
				*at(o) = ""
			}
			return true
		},
		format: func(b []byte, o *Options) []byte { return append(b, *at(o)...) },
	}
}

func isHorizontal(s string) bool { return s == "left" || s == "right" }
func isVertical(s string) bool   { return s == "top" || s == "bottom" }

// color takes a colour, or none.
func color(at field[Color]) codec {
	return codec{
		domain: Domain{Kind: KindColor},
		values: "RGB, RGBA, RRGGBB or RRGGBBAA in hexadecimal digits, or a CSS colour name",
		parse: func(o *Options, v string) bool {
			c, ok := parseColor(v)
			if ok {
				*at(o) = c
			}
			return ok
		},
		format: func(b []byte, o *Options) []byte {
			c := *at(o)
			if !c.Set {
				return b
			}
			return appendColor(b, c)
		},
	}
}

// sides takes one to four numbers of pixels up to most, in the order of CSS padding: all
// sides; vertical, horizontal; top, horizontal, bottom; top, right, bottom, left.
func sides(most int, at field[[4]int]) codec {
	return codec{
		domain: Domain{Kind: KindSides, Max: float64(most)},
		values: fmt.Sprintf("1 to 4 of 0–%d, separated by commas or spaces", most),
		parse: func(o *Options, v string) bool {
			var n [4]int
			count, rest, more := 0, v, true
			for more {
				end := strings.IndexAny(rest, ", ")
				part := rest
				if more = end >= 0; more {
					part, rest = rest[:end], rest[end+1:]
				}
				pixels, ok := parseWhole(part)
				if !ok || pixels > most || count == len(n) {
					return false
				}
				n[count] = pixels
				count++
			}
			switch count {
			case 1:
				n[1], n[2], n[3] = n[0], n[0], n[0]
			case 2:
				n[2], n[3] = n[0], n[1]
			case 3:
				n[3] = n[1]
			}
			*at(o) = n
			return true
		},
		format: func(b []byte, o *Options) []byte {
			n := *at(o)
			if n == ([4]int{}) {
				return b
			}
			count := 4
			if n[3] == n[1] {
				if count = 3; n[2] == n[0] {
					if count = 2; n[1] == n[0] {
						count = 1
					}
				}
			}
			for i, pixels := range n[:count] {
				if i > 0 {
					b = append(b, ',')
				}
				b = strconv.AppendInt(b, int64(pixels), 10)
			}
			return b
		},
	}
}

// parseLength reads whole pixels up to most, or a percentage. Zero percent is stored as
// zero pixels.
func parseLength(v string, most int) (l Length, ok bool) {
	if number, percent := strings.CutSuffix(v, "%"); percent {
		f, ok := parseDecimal(number)
		if !ok || f > 100 {
			return Length{}, false
		}
		f = round4(f)
		return Length{f, f > 0}, true
	}
	n, ok := parseWhole(v)
	return Length{Value: float64(n)}, ok && n <= most
}

func appendLength(b []byte, l Length) []byte {
	b = appendDecimal(b, l.Value)
	if l.Percent {
		b = append(b, '%')
	}
	return b
}

// parseWhole reads decimal digits without a sign.
func parseWhole(v string) (n int, ok bool) {
	if v == "" || len(v) > 9 {
		return 0, false
	}
	for i := 0; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return 0, false
		}
		n = n*10 + int(v[i]-'0')
	}
	return n, true
}

// parseDecimal reads decimal digits with an optional fraction. It refuses signs, exponents,
// infinity and hexadecimal.
func parseDecimal(v string) (f float64, ok bool) {
	if v == "" || len(v) > 32 || v[len(v)-1] == '.' {
		return 0, false
	}
	for i := 0; i < len(v); i++ {
		if (v[i] < '0' || v[i] > '9') && v[i] != '.' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(v, 64)
	return f, err == nil
}

// round4 rounds to four decimals, to bound the number of variants that clients can ask for.
func round4(f float64) float64 { return math.Round(f*1e4) / 1e4 }

func appendDecimal(b []byte, f float64) []byte { return strconv.AppendFloat(b, f, 'f', -1, 64) }

func formatDecimal(f float64) string { return string(appendDecimal(nil, f)) }
