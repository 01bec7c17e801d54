package facts

import (
	"errors"
	"fmt"
	"image"
	"math"
	"strings"
)

// The alphabet of BlurHash, base 83.
const base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"

// maxComponents is the maximum number of components of a BlurHash in one direction.
const maxComponents = 9

// digits are the values of the bytes of base 83, −1 for other bytes.
var digits = func() (values [256]int8) {
	for i := range values {
		values[i] = int8(strings.IndexByte(base83, byte(i)))
	}
	return values
}()

// A BlurHash is a decoded BlurHash: the components of a cosine transform of linear light.
type BlurHash struct {
	nx, ny     int
	components [maxComponents * maxComponents][3]float64 // rows of nx; the first is the mean
}

// ParseBlurHash parses a BlurHash. The error says what is wrong with it.
func ParseBlurHash(text string) (h BlurHash, err error) {
	if len(text) < 6 {
		return h, errors.New("is too short for a BlurHash, which has 6 characters or more")
	}
	for i := range len(text) {
		if digits[text[i]] < 0 {
			return h, errors.New("holds a character that no BlurHash has")
		}
	}
	size := int(digits[text[0]])
	h.nx, h.ny = size%9+1, size/9+1
	if h.ny > maxComponents {
		return h, errors.New("is not a BlurHash: its first character says more than 9 components")
	}
	if want := 4 + 2*h.nx*h.ny; len(text) != want {
		return h, fmt.Errorf("has %d characters, and a BlurHash that begins with %s has %d", len(text), text[:1], want)
	}
	mean := number83(text[2:6])
	if mean > 0xffffff {
		return h, errors.New("is not a BlurHash: its mean colour is none")
	}
	h.components[0] = [3]float64{linear[mean>>16], linear[mean>>8&255], linear[mean&255]}
	most := float64(digits[text[1]]+1) / 166
	for i := 1; i < h.nx*h.ny; i++ {
		v := number83(text[4+2*i : 6+2*i])
		for channel, q := range [3]int{v / (19 * 19), v / 19 % 19, v % 19} {
			h.components[i][channel] = signedSquare(float64(q-9)/9) * most
		}
	}
	return h, nil
}

func number83(text string) (n int) {
	for i := range len(text) {
		n = n*83 + int(digits[text[i]])
	}
	return n
}

func append83(b []byte, n, length int) []byte {
	for at := length - 1; at >= 0; at-- {
		digit := n
		for range at {
			digit /= 83
		}
		b = append(b, base83[digit%83])
	}
	return b
}

// draw draws a part of a picture of w×h pixels. x0,y0 is the corner of the part. punch
// multiplies all components except the mean, and thereby the contrast.
func (h *BlurHash) draw(to *image.NRGBA, w, h2, x0, y0 int, punch float64) {
	size := to.Rect.Size()
	across := cosines(h.nx, size.X, w, float64(x0))
	down := cosines(h.ny, size.Y, h2, float64(y0))
	var row [maxComponents][3]float64
	for y := range size.Y {
		for i := range h.nx {
			var sum [3]float64
			for j := range h.ny {
				c, by := &h.components[j*h.nx+i], down[j][y]
				if i+j > 0 {
					by *= punch
				}
				sum[0] += c[0] * by
				sum[1] += c[1] * by
				sum[2] += c[2] * by
			}
			row[i] = sum
		}
		pixels := to.Pix[y*to.Stride : y*to.Stride+4*size.X]
		for x := range size.X {
			r, g, b := row[0][0], row[0][1], row[0][2]
			for i := 1; i < h.nx; i++ {
				by := across[i][x]
				r += row[i][0] * by
				g += row[i][1] * by
				b += row[i][2] * by
			}
			p := pixels[4*x : 4*x+4 : 4*x+4]
			p[0], p[1], p[2], p[3] = toSRGB(r), toSRGB(g), toSRGB(b), 255
		}
	}
}

// cosines returns cos(π·i·(x+from)/whole) for i below n and x below count.
func cosines(n, count, whole int, from float64) [][]float64 {
	all := make([]float64, n*count)
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = all[i*count : (i+1)*count]
		for x := range rows[i] {
			rows[i][x] = math.Cos(math.Pi * float64(i) * (float64(x) + from) / float64(whole))
		}
	}
	return rows
}

// EncodeBlurHash returns the BlurHash of a picture with nx × ny components, 1 to 9 each.
// BlurHash has no transparency: transparent pixels get the mean colour of the others, or
// white if there are no others.
func EncodeBlurHash(picture *image.NRGBA, nx, ny int) string {
	picture = at0(picture)
	size := picture.Rect.Size()
	var behind [3]float64
	if !picture.Opaque() {
		behind = meanLight(picture)
	}
	across, down := cosines(nx, size.X, size.X, 0), cosines(ny, size.Y, size.Y, 0)
	columns := make([]float64, nx*size.X) // across by x
	for i := range across {
		for x, v := range across[i] {
			columns[x*nx+i] = v
		}
	}
	var c [maxComponents * maxComponents][3]float64
	for y := range size.Y {
		var row [maxComponents][3]float64
		for x := range size.X {
			at := y*picture.Stride + 4*x
			p := picture.Pix[at : at+4 : at+4]
			light := [3]float64{linear[p[0]], linear[p[1]], linear[p[2]]}
			if p[3] != 255 {
				alpha := float64(p[3]) / 255
				for k := range light {
					light[k] = light[k]*alpha + behind[k]*(1-alpha)
				}
			}
			for i, by := range columns[x*nx : (x+1)*nx] {
				sum := &row[i]
				sum[0] += light[0] * by
				sum[1] += light[1] * by
				sum[2] += light[2] * by
			}
		}
		for j := range ny {
			for i := range nx {
				for k := range 3 {
					c[j*nx+i][k] += row[i][k] * down[j][y]
				}
			}
		}
	}
	most := 0.0
	for i := range nx * ny {
		by := 2 / float64(size.X*size.Y)
		if i == 0 {
			by /= 2
		}
		for k := range 3 {
			c[i][k] *= by
			if i > 0 {
				most = max(most, math.Abs(c[i][k]))
			}
		}
	}
	scale := int(max(0, min(82, math.Floor(most*166-0.5))))
	b := append83(make([]byte, 0, 4+2*nx*ny), nx-1+(ny-1)*9, 1)
	b = append83(b, scale, 1)
	b = append83(b, int(toSRGB(c[0][0]))<<16|int(toSRGB(c[0][1]))<<8|int(toSRGB(c[0][2])), 4)
	for i := 1; i < nx*ny; i++ {
		n := 0
		for k := range 3 {
			v := c[i][k] / (float64(scale+1) / 166)
			v = math.Copysign(math.Sqrt(math.Abs(v)), v)
			n = n*19 + int(max(0, min(18, math.Floor(v*9+9.5))))
		}
		b = append83(b, n, 2)
	}
	return string(b)
}

// meanLight returns the mean of the visible pixels, in linear light.
func meanLight(picture *image.NRGBA) (mean [3]float64) {
	seen := 0.0
	for i := 0; i+3 < len(picture.Pix); i += 4 {
		p := picture.Pix[i : i+4 : i+4]
		alpha := float64(p[3]) / 255
		for k := range mean {
			mean[k] += linear[p[k]] * alpha
		}
		seen += alpha
	}
	if seen == 0 {
		return [3]float64{1, 1, 1}
	}
	for k := range mean {
		mean[k] /= seen
	}
	return mean
}

func signedSquare(v float64) float64 { return math.Copysign(v*v, v) }
