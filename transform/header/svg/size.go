package svg

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/tintype/tintype/transform"
)

// A root holds what the root element says about the size, in CSS pixels. 0 means that it
// says nothing.
type root struct {
	width, height float64
	styled        [2]bool // set by a style attribute, which overrides the attributes width and height
	boxed         bool
	box           [2]float64 // of viewBox
}

func (r *root) set(name, value []byte, style bool) {
	to, i := &r.width, 0
	switch string(name) {
	case "width":
	case "height":
		to, i = &r.height, 1
	default:
		return
	}
	if style || !r.styled[i] {
		if v, ok := length(value); ok {
			*to = v
			r.styled[i] = r.styled[i] || style
		}
	}
}

func (r *root) setViewBox(value []byte) {
	n := 0
	for field := range bytes.FieldsFuncSeq(value, separates) {
		v, rest := leadingNumber(field)
		if len(rest) > 0 || n == 4 {
			return
		}
		if n >= 2 {
			r.box[n-2] = v
		}
		n++
	}
	r.boxed = n == 4
}

// length reads a length in pixels. It returns false if the length depends on where the
// picture is shown. A font is 12 pixels high, as in librsvg.
func length(b []byte) (float64, bool) {
	v, unit := leadingNumber(b)
	if len(unit) == len(b) || v < 0 {
		return 0, false
	}
	perUnit, ok := map[string]float64{
		"": 1, "px": 1, "pt": 96. / 72, "pc": 96. / 6, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "em": 12, "ex": 6,
	}[strings.ToLower(string(unit[:min(len(unit), 3)]))]
	return v * perUnit, ok
}

// setSize computes the size as librsvg does. A missing side is derived from the viewBox.
func setSize(h *transform.Header, r root) error {
	w, ht := r.width, r.height
	if r.boxed && !(r.box[0] > 0 && r.box[1] > 0) {
		return corrupt("the viewBox of the SVG is empty")
	}
	switch {
	case w > 0 && ht > 0:
	case !r.boxed:
		return unsupported("the SVG has no size; give it a viewBox")
	case w > 0:
		ht = w * r.box[1] / r.box[0]
	case ht > 0:
		w = ht * r.box[0] / r.box[1]
	default:
		w, ht = r.box[0], r.box[1]
	}
	if !(w < math.MaxInt32 && ht < math.MaxInt32) {
		return tooLarge("the SVG is %.0f×%.0f pixels", w, ht)
	}
	h.Width, h.Height = int(math.Floor(w+0.5)), int(math.Floor(ht+0.5))
	if h.Width == 0 || h.Height == 0 {
		return corrupt("the SVG is smaller than a pixel")
	}
	return nil
}

// leadingNumber returns the number at the start of b and the rest of b. Without a number it
// returns 0 and b.
func leadingNumber(b []byte) (float64, []byte) {
	i := 0
	digits := func() (n int) {
		for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
			n++
		}
		return n
	}
	sign := func() {
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
	}
	sign()
	n := digits()
	if i < len(b) && b[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return 0, b
	}
	if i < len(b) && b[i]|0x20 == 'e' { // if no digits follow, the e belongs to a unit
		mantissa := i
		i++
		sign()
		if digits() == 0 {
			i = mantissa
		}
	}
	f, err := strconv.ParseFloat(string(b[:i]), 64)
	if err != nil {
		return math.Inf(1), b[i:] // out of range
	}
	return f, b[i:]
}
