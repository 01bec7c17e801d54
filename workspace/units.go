package workspace

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Units are what usage is billed in, in thousandths: 1500 are 1.5 units. In JSON they are
// written as a number of units.
type Units int64

// Unit is one unit.
const Unit Units = 1000

// UnitsOf returns a number of units, to the nearest thousandth.
func UnitsOf(n float64) Units { return Units(math.Round(n * float64(Unit))) }

// Float returns the number of units.
func (u Units) Float() float64 { return float64(u) / float64(Unit) }

// String returns the number of units, such as "1.5".
func (u Units) String() string {
	if u < 0 {
		return "-" + (-u).String()
	}
	whole := strconv.FormatInt(int64(u/Unit), 10)
	part := u % Unit
	if part == 0 {
		return whole
	}
	return whole + "." + strings.TrimRight(fmt.Sprintf("%03d", part), "0")
}

// MarshalJSON implements [json.Marshaler].
func (u Units) MarshalJSON() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalJSON implements [json.Unmarshaler].
func (u *Units) UnmarshalJSON(text []byte) error {
	var n float64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*u = UnitsOf(n)
	return nil
}
