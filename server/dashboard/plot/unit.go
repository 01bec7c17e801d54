package plot

import (
	"math"
	"strconv"
	"strings"
)

// A Unit says how values are written.
type Unit int

// The units.
const (
	Count   Unit = iota // a whole number
	Bytes               // with kB, MB and so on, of 1000 bytes each
	Percent             // of values from 0 to 100
)

// Short writes a value of an axis: 12k, 3.4 GB, 80 %.
func (u Unit) Short(v float64) string {
	switch u {
	case Percent:
		return digits(v, 3) + " %"
	case Bytes:
		n, prefix := scaled(v)
		if prefix == "" {
			return digits(n, 3) + " B"
		}
		return digits(n, 3) + " " + prefix + "B"
	}
	n, prefix := scaled(v)
	return digits(n, 3) + countPrefix[prefix]
}

// countPrefix has the letters of thousands, millions and so on of counts: 3G requests would
// be read as gigabytes.
var countPrefix = map[string]string{"": "", "k": "k", "M": "M", "G": "B", "T": "T", "P": "Q"}

// Exact writes a value: 12,345 for a count, 3.41 GB for bytes, 81.5 % for a share.
func (u Unit) Exact(v float64) string {
	switch {
	case math.IsNaN(v):
		return u.none()
	case u == Count:
		return Grouped(int64(math.Round(v)))
	case u == Percent:
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " %"
	}
	return u.Short(v)
}

// Amount writes a number with at most three decimals, such as 12,345.5.
func Amount(v float64) string {
	whole, part := math.Modf(math.Round(math.Abs(v)*1000) / 1000)
	s := Grouped(int64(whole))
	if part != 0 {
		s += strings.TrimPrefix(strconv.FormatFloat(math.Round(part*1000)/1000, 'f', -1, 64), "0")
	}
	if v < 0 && s != "0" {
		s = "-" + s
	}
	return s
}

func (u Unit) none() string {
	if u == Percent {
		return "no requests"
	}
	return u.Exact(0)
}

// cell writes a value of the table.
func (u Unit) cell(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return u.Exact(v)
}

// Grouped writes a whole number with separators of thousands: 12,345.
func Grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return sign + b.String()
}

// scaled returns a value as thousands, millions and so on.
func scaled(v float64) (n float64, prefix string) {
	prefixes := []string{"", "k", "M", "G", "T", "P"}
	i := 0
	// What rounds to 1000 is written with the next prefix.
	for i < len(prefixes)-1 && math.Abs(v) >= 999.5 {
		v /= 1000
		i++
	}
	return v, prefixes[i]
}

// digits writes a value with at most this many significant digits.
func digits(v float64, most int) string {
	whole := len(strconv.FormatInt(int64(math.Abs(v)), 10))
	scale := math.Pow10(max(0, most-whole))
	return strconv.FormatFloat(math.Round(v*scale)/scale, 'f', -1, 64)
}

// ticks returns the round values of the axis up to the ceiling: three to five steps above 0.
func (u Unit) ticks(top float64) (list []float64) {
	step := u.step(top)
	for v := 0.0; v <= u.ceiling(top)+step/2; v += step {
		list = append(list, v)
	}
	return list
}

// ceiling returns the value at the top of the axis.
func (u Unit) ceiling(top float64) float64 {
	if u == Percent {
		return 100
	}
	step := u.step(top)
	return step * max(1, math.Ceil(top/step-1e-9))
}

// step returns the distance of two ticks: 1, 2 or 5 times a power of ten, or 2.5 times where
// that is a whole number.
func (u Unit) step(top float64) float64 {
	if u == Percent {
		return 25
	}
	if top <= 1 {
		return 1
	}
	power := math.Pow10(int(math.Floor(math.Log10(top / 5))))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		step := m * power
		if step >= 1 && step == math.Trunc(step) && top/step <= 5 {
			return step
		}
	}
	return 10 * power
}
