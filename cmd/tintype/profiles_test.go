package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"math"
)

// iccProfile returns a profile of version 2.4 with these tags. A tag is a name and its data.
func iccProfile(class, space, pcs string, tags ...[2]string) []byte {
	p := make([]byte, 128)
	copy(p[8:], "\x02\x40\x00\x00"+class+space+pcs)
	copy(p[36:], "acsp")
	copy(p[68:], whiteD50)
	tags = append(tags, [2]string{"wtpt", "XYZ \x00\x00\x00\x00" + whiteD50})
	p = binary.BigEndian.AppendUint32(p, uint32(len(tags)))
	at := len(p) + 12*len(tags)
	var body []byte
	for _, tag := range tags {
		p = append(p, tag[0]...)
		p = binary.BigEndian.AppendUint32(p, uint32(at+len(body)))
		p = binary.BigEndian.AppendUint32(p, uint32(len(tag[1])))
		body = append(body, tag[1]...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	p = append(p, body...)
	binary.BigEndian.PutUint32(p, uint32(len(p)))
	return p
}

const whiteD50 = "\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d"

// rgbProfile has these primaries, adapted to D50, and a gamma.
func rgbProfile(primaries [3][3]float64, gamma float64) []byte {
	var tags [][2]string
	for i, channel := range []string{"r", "g", "b"} {
		xyz := []byte("XYZ \x00\x00\x00\x00")
		for _, v := range primaries[i] {
			xyz = binary.BigEndian.AppendUint32(xyz, uint32(int32(math.Round(v*65536))))
		}
		tags = append(tags, [2]string{channel + "XYZ", string(xyz)}, [2]string{channel + "TRC", gammaCurve(gamma)})
	}
	return iccProfile("mntr", "RGB ", "XYZ ", tags...)
}

func greyProfile(gamma float64) []byte {
	return iccProfile("mntr", "GRAY", "XYZ ", [2]string{"kTRC", gammaCurve(gamma)})
}

func gammaCurve(gamma float64) string {
	return "curv\x00\x00\x00\x00\x00\x00\x00\x01" + string(binary.BigEndian.AppendUint16(nil, uint16(math.Round(gamma*256))))
}

// labTable returns a table that maps colours with this number of channels, 0–1, to L*a*b*
// (lut8Type, ICC.1:2022 §10.11). look computes an entry.
func labTable(channels int, look func(c []float64) (l, a, b float64)) string {
	const grid = 9
	t := []byte("mft1\x00\x00\x00\x00\x00\x03\x09\x00")
	t[8] = byte(channels)
	for i := range 9 { // the matrix, which Lab doesn't use: unity
		t = binary.BigEndian.AppendUint32(t, map[bool]uint32{true: 1 << 16}[i%4 == 0])
	}
	ramp := func(n int) {
		for range n {
			for v := range 256 {
				t = append(t, byte(v))
			}
		}
	}
	ramp(channels)
	points := 1
	for range channels {
		points *= grid
	}
	for i := range points {
		c := make([]float64, channels)
		for k := channels - 1; k >= 0; k-- {
			c[k] = float64(i%grid) / (grid - 1)
			i /= grid
		}
		l, a, b := look(c)
		t = append(t, byte(math.Round(l*2.55)), byte(math.Round(a+128)), byte(math.Round(b+128)))
	}
	ramp(3)
	return string(t)
}

// dullInks are the inks of a press. They are duller than a screen's colours, and their black
// isn't fully black.
func dullInks(ink []float64) (l, a, b float64) {
	c, m, y, k := ink[0], ink[1], ink[2], ink[3]
	return 100 * (1 - .4*c) * (1 - .5*m) * (1 - .08*y) * (1 - .9*k), (-30*c + 60*m - 4*y) * (1 - k), (-40*c - 5*m + 75*y) * (1 - k)
}

// dullScreen returns the look of RGB on a screen in a lit room.
func dullScreen(c []float64) (l, a, b float64) {
	r, g, bl := c[0], c[1], c[2]
	return 12 + 88*(.3*r+.6*g+.1*bl), 40*(r-g) + 10*(bl-g), 30*(r+g)/2 - 30*bl
}

func cmykProfile() []byte {
	return iccProfile("prtr", "CMYK", "Lab ", [2]string{"A2B0", labTable(4, dullInks)})
}

// inverse returns a look that is very different from look.
func inverse(look func([]float64) (l, a, b float64)) func([]float64) (l, a, b float64) {
	return func(c []float64) (float64, float64, float64) {
		l, a, b := look(c)
		return 100 - l, -a, -b
	}
}

// version4 makes a profile one of version 4.3.
func version4(profile []byte) []byte {
	profile = bytes.Clone(profile)
	copy(profile[8:], "\x04\x30")
	return profile
}

// pngOf is a picture with a profile, if there is one.
func pngOf(m image.Image, profile []byte) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, m) // into memory
	if profile == nil {
		return b.Bytes()
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(profile)
	_ = z.Close()
	chunk := append([]byte("iCCPours\x00\x00"), packed.Bytes()...)
	const header = 8 + 25 // signature and IHDR
	out := append([]byte(nil), b.Bytes()[:header]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)-4))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, b.Bytes()[header:]...)
}

// cmykJPEG is a JPEG as Photoshop writes it, of blocks of 8×8 pixels of one colour:
// each four parts of ink, 0–255.
func cmykJPEG(across int, colours [][4]uint8, profile []byte) []byte {
	out := []byte("\xff\xd8")
	segment := func(marker byte, data string) {
		out = append(out, 0xff, marker, byte((len(data)+2)>>8), byte(len(data)+2))
		out = append(out, data...)
	}
	segment(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x00")
	if profile != nil {
		segment(0xe2, "ICC_PROFILE\x00\x01\x01"+string(profile))
	}
	segment(0xdb, "\x00"+string(bytes.Repeat([]byte{1}, 64)))
	w, h := across*8, len(colours)/across*8
	segment(0xc0, string([]byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 4})+"\x01\x11\x00\x02\x11\x00\x03\x11\x00\x04\x11\x00")
	// Twelve codes of four bits for differences of the mean; one bit ends a block.
	segment(0xc4, "\x00\x00\x00\x00\x0c"+string(make([]byte, 12))+"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b")
	segment(0xc4, "\x10\x01"+string(make([]byte, 15))+"\x00")
	segment(0xda, "\x04\x01\x00\x02\x00\x03\x00\x04\x00\x00\x3f\x00")
	var bits, held uint
	put := func(v uint, n uint) {
		for n > 0 {
			n--
			bits, held = bits<<1|v>>n&1, held+1
			if held == 8 {
				if out = append(out, byte(bits)); byte(bits) == 0xff {
					out = append(out, 0)
				}
				bits, held = 0, 0
			}
		}
	}
	var before [4]int
	for _, colour := range colours {
		for c, ink := range colour {
			mean := 8 * (255 - int(ink) - 128) // Photoshop stores inverted ink
			d := mean - before[c]
			before[c] = mean
			size := uint(0)
			for v := max(d, -d); v > 0; v >>= 1 {
				size++
			}
			if d < 0 {
				d += 1<<size - 1
			}
			put(size, 4)
			put(uint(d), size)
			put(0, 1)
		}
	}
	put(0x7f, 7)
	return append(out, 0xff, 0xd9)
}
