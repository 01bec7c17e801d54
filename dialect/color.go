package dialect

import (
	"math"
	"strings"
)

// cssColorValues says in messages which colours [cssColor] parses.
const cssColorValues = "must be a CSS colour: #RGB, #RRGGBB, a name, rgb(), hsl() or hwb()"

// cssColor converts a CSS colour to a native colour (CSS Color Level 4 §4.2, §6.1, §7 and §8).
// Commas separate the components, or spaces and a slash. cssColor doesn't check names: the
// parser of native options knows them.
func cssColor(v string) (native string, ok bool) {
	if digits, hash := strings.CutPrefix(v, "#"); hash || len(v) <= 8 && isHex(v) {
		n := len(digits)
		return digits, isHex(digits) && (n == 3 || n == 4 || n == 6 || n == 8)
	}
	function, rest, called := strings.Cut(v, "(")
	if !called {
		return v, isLetters(v)
	}
	rest, closed := strings.CutSuffix(rest, ")")
	var c [4]string
	n := components(rest, &c)
	if !closed || n < 3 {
		return "", false
	}
	if n == 3 {
		c[3] = "1"
	}
	var rgb [3]float64
	switch strings.ToLower(function) {
	case "rgb", "rgba":
		for i := range rgb {
			if rgb[i], ok = component(c[i], 255); !ok {
				return "", false
			}
		}
	case "hsl", "hsla":
		rgb, ok = cylinder(c, func(saturation, light, hue float64) float64 {
			return light + saturation*min(light, 1-light)*(2*hue-1)
		})
	case "hwb":
		rgb, ok = cylinder(c, func(white, black, hue float64) float64 {
			if sum := white + black; sum >= 1 {
				return white / sum
			}
			return hue*(1-white-black) + white
		})
	}
	alpha, alphaOK := component(c[3], 1)
	if !ok || !alphaOK {
		return "", false
	}
	b := make([]byte, 0, 8)
	for _, f := range [...]float64{rgb[0] / 255, rgb[1] / 255, rgb[2] / 255, alpha} {
		level := uint8(math.Round(min(max(f, 0), 1) * 255))
		b = append(b, hexDigits[level>>4], hexDigits[level&15])
	}
	return string(b), true
}

const hexDigits = "0123456789abcdef"

// components splits the text between the brackets of a colour. It returns the number of
// components, or −1 if there are more than four.
func components(s string, into *[4]string) (n int) {
	for field := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ' ' || r == '/' }) {
		if n == len(into) {
			return -1
		}
		into[n] = field
		n++
	}
	return n
}

// component parses a number, or a percentage of whole. "none" is 0.
func component(s string, whole float64) (f float64, ok bool) {
	if s == "none" {
		return 0, true
	}
	digits, percent := strings.CutSuffix(s, "%")
	f, ok = number(digits)
	if percent {
		f = f * whole / 100
	}
	return f, ok
}

// cylinder converts a hue and two percentages to RGB. level computes one channel. Its
// arguments are the percentages as fractions, and the channel of the pure hue. All are 0–1.
func cylinder(c [4]string, level func(a, b, hue float64) float64) (rgb [3]float64, ok bool) {
	turns, ok := hue(c[0])
	if !ok {
		return rgb, false
	}
	var part [2]float64
	for i := range part {
		f, ok := number(strings.TrimSuffix(c[i+1], "%"))
		if !ok && c[i+1] != "none" {
			return rgb, false
		}
		part[i] = min(max(f/100, 0), 1)
	}
	for i := range rgb {
		// The centre of red is at 0 turns, of green at 1/3, of blue at 2/3. A channel is full
		// up to 1/6 turn away from its centre. Then it falls to zero within another 1/6 turn.
		away := math.Abs(math.Mod(turns-float64(i)/3+2.5, 1) - 0.5)
		rgb[i] = 255 * level(part[0], part[1], min(max(2-6*away, 0), 1))
	}
	return rgb, true
}

// hue parses an angle (CSS Values §7.1). The result is in turns, from 0 to below 1.
func hue(s string) (turns float64, ok bool) {
	if s == "none" {
		return 0, true
	}
	whole := 360.0
	for _, unit := range [...]struct {
		name  string
		whole float64
	}{{"deg", 360}, {"grad", 400}, {"rad", 2 * math.Pi}, {"turn", 1}} {
		if digits, has := strings.CutSuffix(s, unit.name); has {
			s, whole = digits, unit.whole
			break
		}
	}
	f, ok := number(s)
	_, turns = math.Modf(f / whole)
	if turns < 0 {
		turns++
	}
	return turns, ok
}
