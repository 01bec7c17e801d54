package header

import (
	"encoding/binary"
	"math"
	"slices"
)

// A ColorProfile has the properties of an ICC profile (ICC.1:2022) that decide how to use
// it.
type ColorProfile struct {
	Channels int  // 1 grey, 3 RGB, 4 CMYK; 0 for others
	SRGB     bool // a conversion to sRGB would not be visible
	Coarse   bool // 8-bit levels show steps in dark colours, as in linear light
}

// ParseColorProfile reads an ICC profile. ok is false where b isn't one.
func ParseColorProfile(b []byte) (p ColorProfile, ok bool) {
	const header = 128
	if len(b) < header+4 || string(b[36:40]) != "acsp" {
		return ColorProfile{}, false
	}
	switch string(b[16:20]) {
	case "GRAY":
		p.Channels = 1
		p.Coarse = isCoarse(b, "kTRC")
	case "RGB ":
		p.Channels = 3
		p.SRGB = isSRGB(b)
		p.Coarse = isCoarse(b, "gTRC")
	case "CMYK":
		p.Channels = 4
	}
	return p, true
}

// isSRGB reports whether an RGB profile is equal to sRGB. It compares the primaries and the
// curves with a tolerance that isn't visible in 8 bits. Names don't help, since dozens of
// profiles are sRGB ("sRGB IEC61966-2.1", "c2", "sRGB built-in").
func isSRGB(b []byte) bool {
	tags := profileTags(b)
	if tags["A2B0"] != nil || tags["A2B1"] != nil || string(b[20:24]) != "XYZ " {
		return false // converts by a table
	}
	for name, want := range map[string][3]float64{ // adapted to D50
		"rXYZ": {0.43607, 0.22249, 0.01392},
		"gXYZ": {0.38515, 0.71687, 0.09708},
		"bXYZ": {0.14307, 0.06061, 0.71410},
	} {
		tag := tags[name]
		if len(tag) < 20 {
			return false
		}
		for i, w := range want {
			if math.Abs(s15Fixed16(tag[8+4*i:])-w) > 0.002 {
				return false
			}
		}
	}
	for _, name := range []string{"rTRC", "gTRC", "bTRC"} {
		if !isSRGBCurve(tags[name]) {
			return false
		}
	}
	return true
}

// isCoarse reports whether the lowest 8-bit level equals several levels of sRGB.
func isCoarse(b []byte, curve string) bool {
	y, ok := evalCurve(profileTags(b)[curve], 1./255)
	return ok && sRGBEncode(y)*255 > 4
}

// DeepGreys returns the sRGB levels, 0–65535, for each of the 65536 levels of a grey
// profile. It returns nil where it can't read the curve of the profile.
func DeepGreys(b []byte) []uint16 {
	curve := profileTags(b)["kTRC"]
	levels := make([]uint16, 1<<16)
	for i := range levels {
		y, ok := evalCurve(curve, float64(i)/65535)
		if !ok {
			return nil
		}
		levels[i] = uint16(math.Round(65535 * sRGBEncode(min(max(y, 0), 1))))
	}
	return levels
}

// OneTable returns profile b with one table of colours only, where it has several for
// different intents. It keeps the table that browsers use (A2B0, for the perceptual intent)
// under the name of the one for the relative colorimetric intent (A2B1). With that intent,
// Little CMS keeps the black of the profile, as browsers do. With the perceptual intent, it
// would stretch colours to the black of the screen where one of the profiles has version 4,
// and the version of libvips's own sRGB depends on the version of libvips.
//
// OneTable returns b itself where nothing changes. ok is false where b is for CMYK and has
// no table.
func OneTable(b []byte) (_ []byte, ok bool) {
	tags := profileTags(b)
	if tags["A2B0"] == nil {
		return b, tags["A2B1"] != nil || string(b[16:20]) != "CMYK"
	}
	b = slices.Clone(b)
	for i := range profileTagCount(b) {
		switch name := b[profileTable+4+i*profileEntry:][:4]; string(name) {
		case "A2B0":
			copy(name, "A2B1")
		case "A2B1", "D2B1":
			copy(name, "none")
		}
	}
	return b, true
}

const profileTable, profileEntry = 128, 12 // offset of the table of tags, and length of an entry

func profileTagCount(b []byte) int {
	return min(int(binary.BigEndian.Uint32(b[profileTable:])), (len(b)-profileTable-4)/profileEntry)
}

// profileTags returns the tagged elements of a profile by signature. It ignores elements
// beyond the end of b.
func profileTags(b []byte) map[string][]byte {
	tags := map[string][]byte{}
	for i := range profileTagCount(b) {
		e := b[profileTable+4+i*profileEntry:]
		at, size := uint64(binary.BigEndian.Uint32(e[4:])), uint64(binary.BigEndian.Uint32(e[8:]))
		if at+size <= uint64(len(b)) {
			tags[string(e[:4])] = b[at : at+size]
		}
	}
	return tags
}

func s15Fixed16(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// isSRGBCurve reports whether a curve, a curveType or parametricCurveType element
// (ICC.1:2022 §10.6, §10.18), is the curve of sRGB.
func isSRGBCurve(tag []byte) bool {
	const steps = 32
	for i := 1; i <= steps; i++ {
		x := float64(i) / steps
		y, ok := evalCurve(tag, x)
		if !ok || math.Abs(sRGBEncode(y)-x) > 1.5/255 {
			return false
		}
	}
	return true
}

func sRGBEncode(linear float64) float64 {
	if linear <= 0.0031308 {
		return linear * 12.92
	}
	return 1.055*math.Pow(linear, 1/2.4) - 0.055
}

func evalCurve(tag []byte, x float64) (float64, bool) {
	if len(tag) < 12 {
		return 0, false
	}
	switch string(tag[:4]) {
	case "curv":
		return evalTable(tag[12:], int(binary.BigEndian.Uint32(tag[8:])), x)
	case "para":
		return evalParametric(tag[12:], binary.BigEndian.Uint16(tag[8:]), x)
	}
	return 0, false
}

func evalTable(values []byte, n int, x float64) (float64, bool) {
	switch {
	case n < 0 || len(values)/2 < n:
		return 0, false
	case n == 0:
		return x, true
	case n == 1: // a gamma, as u8Fixed8Number
		return math.Pow(x, float64(binary.BigEndian.Uint16(values))/256), true
	}
	at := x * float64(n-1)
	i := min(int(at), n-2)
	lower := float64(binary.BigEndian.Uint16(values[2*i:])) / 65535
	upper := float64(binary.BigEndian.Uint16(values[2*i+2:])) / 65535
	return lower + (upper-lower)*(at-float64(i)), true
}

// evalParametric evaluates the function types of sRGB profiles: 0, a plain gamma, 3 and 4.
func evalParametric(params []byte, kind uint16, x float64) (float64, bool) {
	count, known := map[uint16]int{0: 1, 3: 5, 4: 7}[kind]
	if !known || len(params) < 4*count {
		return 0, false
	}
	var p [7]float64 // g a b c d e f
	for i := range count {
		p[i] = s15Fixed16(params[4*i:])
	}
	switch {
	case kind == 0:
		return math.Pow(x, p[0]), true
	case x >= p[4]:
		return math.Pow(p[1]*x+p[2], p[0]) + p[5], true
	}
	return p[3]*x + p[6], true
}
