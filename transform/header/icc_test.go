package header

import (
	"encoding/binary"
	"math"
	"testing"
)

func parametric(kind uint16, params ...float64) []byte {
	b := binary.BigEndian.AppendUint16([]byte("para\x00\x00\x00\x00"), kind)
	b = append(b, 0, 0)
	for _, p := range params {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(p*65536))))
	}
	return b
}

func table(values ...uint16) []byte {
	b := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), uint32(len(values)))
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func TestIsSRGBCurve(t *testing.T) {
	var sampled []uint16
	for i := range 64 {
		x := float64(i) / 63
		y := x / 12.92
		if x > 0.04045 {
			y = math.Pow((x+0.055)/1.055, 2.4)
		}
		sampled = append(sampled, uint16(math.Round(y*65535)))
	}
	for name, c := range map[string]struct {
		curve []byte
		want  bool
	}{
		"parametric":          {parametric(3, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045), true},
		"parametric, offsets": {parametric(4, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045, 0, 0), true},
		"table":               {table(sampled...), true},
		"gamma 2.2":           {table(0x0233), false},
		"gamma 1.8":           {parametric(0, 1.8), false},
		"linear":              {table(), false},
		"unknown function":    {parametric(9, 1), false},
		"cut short":           {parametric(3, 2.4), false},
		"table cut short":     {table(sampled...)[:40], false},
		"nothing":             {nil, false},
	} {
		if got := isSRGBCurve(c.curve); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A profile of tables keeps the one that browsers take, under the other's name.
func TestOneTable(t *testing.T) {
	profile := func(space string, tags ...string) []byte {
		b := make([]byte, profileTable)
		copy(b[16:], space+"Lab ")
		copy(b[36:], "acsp")
		b = binary.BigEndian.AppendUint32(b, uint32(len(tags)))
		for i, tag := range tags {
			b = binary.BigEndian.AppendUint32(append(b, tag...), uint32(profileTable+4+profileEntry*len(tags)+i))
			b = binary.BigEndian.AppendUint32(b, 1)
		}
		for i := range tags {
			b = append(b, byte(i+1))
		}
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		want byte // the data of A2B1, 0 for none
		ok   bool
	}{
		"both":                  {profile("CMYK", "A2B0", "A2B1"), 1, true},
		"both, the other way":   {profile("CMYK", "A2B1", "A2B0", "A2B2"), 2, true},
		"with floating point":   {profile("RGB ", "D2B0", "D2B1", "A2B0"), 3, true},
		"perceptual":            {profile("RGB ", "A2B0"), 1, true},
		"relative":              {profile("CMYK", "A2B1"), 1, true},
		"curves":                {profile("RGB ", "rTRC"), 0, true},
		"inks that say nothing": {profile("CMYK", "A2B2"), 0, false},
	} {
		before := string(c.file)
		got, ok := OneTable(c.file)
		tags := profileTags(got)
		if ok != c.ok || c.want != 0 && (len(tags["A2B1"]) != 1 || tags["A2B1"][0] != c.want) || ok && (tags["A2B0"] != nil || c.want != 0 && tags["D2B1"] != nil) {
			t.Errorf("%s: %v, %v", name, tags, ok)
		}
		if string(c.file) != before {
			t.Errorf("%s: the original has changed", name)
		}
	}
}

func FuzzParseColorProfile(f *testing.F) {
	f.Add(make([]byte, 200))
	seed := make([]byte, 132, 200)
	copy(seed[16:], "RGB XYZ ")
	copy(seed[36:], "acsp")
	seed[131] = 1
	f.Add(append(seed, "rXYZ\x00\x00\x00\x90\x00\x00\x00\x14XYZ \x00\x00\x00\x00\x00\x00\x6f\xa2\x00\x00\x38\xf5\x00\x00\x03\x90"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := ParseColorProfile(b)
		if p.SRGB && (!ok || p.Channels != 3) {
			t.Errorf("%+v", p)
		}
		if !ok {
			return
		}
		if one, ok := OneTable(b); ok && (len(one) != len(b) || profileTags(one)["A2B0"] != nil) {
			t.Errorf("%d of %d bytes, tags %v", len(one), len(b), profileTags(one))
		}
	})
}
