package facts

import (
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/tintype/tintype/transform"
)

// A ThumbHash is a decoded ThumbHash. It has the components of cosine transforms of the
// luminance (l), of yellow minus blue (p), of red minus green (q), and of alpha (a).
type ThumbHash struct {
	l, p, q, a channel
	alpha      bool
	natural    transform.Size
}

// A channel is one cosine transform. It has only those of the nx × ny components that are
// above the diagonal.
type channel struct {
	nx, ny int
	mean   float64
	rest   [7 * 7]float64 // rows of nx; missing components are zero
}

// has reports whether a channel has a component.
func (c *channel) has(x, y int) bool { return x*c.ny < c.nx*(c.ny-y) }

func (c *channel) count() (n int) {
	for y := range c.ny {
		for x := range c.nx {
			if x+y > 0 && c.has(x, y) {
				n++
			}
		}
	}
	return n
}

// ParseThumbHash parses the bytes of a ThumbHash. The error says what is wrong with them.
func ParseThumbHash(hash []byte) (h ThumbHash, err error) {
	if len(hash) < 5 {
		return h, fmt.Errorf("has %d bytes, and a ThumbHash has 5 or more", len(hash))
	}
	head := int(hash[0]) | int(hash[1])<<8 | int(hash[2])<<16
	more := int(hash[3]) | int(hash[4])<<8
	h.alpha = head>>23 != 0
	landscape := more>>15 != 0
	long, short := 7, more&7
	if h.alpha {
		long = 5
	}
	if short == 0 || short > long {
		return h, errors.New("is not a ThumbHash: its ratio of width to height is none")
	}
	nx, ny := short, long
	if landscape {
		nx, ny = long, short
	}
	h.natural = transform.Size{W: 32, H: int(math.Round(32 / (float64(nx) / float64(ny))))}
	if ratio := float64(nx) / float64(ny); ratio <= 1 {
		h.natural = transform.Size{W: int(math.Round(32 * ratio)), H: 32}
	}
	h.l = channel{nx: max(3, nx), ny: max(3, ny), mean: float64(head&63) / 63}
	h.p = channel{nx: 3, ny: 3, mean: float64(head>>6&63)/31.5 - 1}
	h.q = channel{nx: 3, ny: 3, mean: float64(head>>12&63)/31.5 - 1}
	h.a = channel{mean: 1}
	at, nibbles := 5, h.l.count()+h.p.count()+h.q.count()
	if h.alpha {
		h.a.nx, h.a.ny = 5, 5
		at, nibbles = 6, nibbles+h.a.count()
	}
	if want := at + (nibbles+1)/2; len(hash) != want {
		return h, fmt.Errorf("has %d bytes, and a ThumbHash that begins like this has %d", len(hash), want)
	}
	n := 0
	read := func(c *channel, scale float64) {
		for y := range c.ny {
			for x := range c.nx {
				if x+y == 0 || !c.has(x, y) {
					continue
				}
				v := hash[at+n/2] >> (n % 2 * 4) & 15
				c.rest[y*c.nx+x] = (float64(v)/7.5 - 1) * scale
				n++
			}
		}
	}
	// The factor of 1.25 makes up for what rounding takes from the colours.
	read(&h.l, float64(head>>18&31)/31)
	read(&h.p, float64(more>>3&63)/63*1.25)
	read(&h.q, float64(more>>9&63)/63*1.25)
	if h.alpha {
		h.a.mean = float64(hash[5]&15) / 15
		read(&h.a, float64(hash[5]>>4)/15)
	}
	return h, nil
}

// Natural returns the size of the picture in the reference implementation: the longer side
// has 32 pixels, and the aspect is about that of the image.
func (h *ThumbHash) Natural() transform.Size { return h.natural }

// Alpha reports whether the picture may have transparent pixels.
func (h *ThumbHash) Alpha() bool { return h.alpha }

// draw is [BlurHash.draw] for a ThumbHash.
func (h *ThumbHash) draw(to *image.NRGBA, w, h2, x0, y0 int, punch float64) {
	size := to.Rect.Size()
	across := cosines(7, size.X, w, float64(x0)+0.5)
	down := cosines(7, size.Y, h2, float64(y0)+0.5)
	var l, p, q, a [7]float64
	for y := range size.Y {
		h.l.rowOf(&l, down, y, punch)
		h.p.rowOf(&p, down, y, punch)
		h.q.rowOf(&q, down, y, punch)
		h.a.rowOf(&a, down, y, 1)
		pixels := to.Pix[y*to.Stride : y*to.Stride+4*size.X]
		for x := range size.X {
			L, P, Q, A := l[0], p[0], q[0], a[0]
			for i := 1; i < h.l.nx; i++ {
				L += l[i] * across[i][x]
			}
			for i := 1; i < 3; i++ {
				P += p[i] * across[i][x]
				Q += q[i] * across[i][x]
			}
			for i := 1; i < h.a.nx; i++ {
				A += a[i] * across[i][x]
			}
			b := L - 2.0/3*P
			r := (3*L - b + Q) / 2
			g := r - Q
			v := pixels[4*x : 4*x+4 : 4*x+4]
			v[0], v[1], v[2], v[3] = level(r), level(g), level(b), level(A)
		}
	}
}

// rowOf sums up the components of a row. The result is a sum over x only.
func (c *channel) rowOf(row *[7]float64, down [][]float64, y int, punch float64) {
	*row = [7]float64{c.mean}
	for j := range c.ny {
		by := 2 * down[j][y] * punch
		for i := range c.nx {
			row[i] += c.rest[j*c.nx+i] * by
		}
	}
}

// level returns the level for a value. It truncates values as the reference implementation
// does.
func level(v float64) uint8 { return uint8(max(0, 255*min(1, v))) }

// EncodeThumbHash returns the ThumbHash of a picture.
func EncodeThumbHash(picture *image.NRGBA) []byte {
	picture = at0(picture)
	size := picture.Rect.Size()
	w, h, n := size.X, size.Y, size.X*size.Y
	var r, g, b, seen float64
	for i := range n {
		p := picture.Pix[4*i : 4*i+4 : 4*i+4]
		if p[3] == 255 {
			r += fraction[p[0]]
			g += fraction[p[1]]
			b += fraction[p[2]]
			seen++
			continue
		}
		alpha := float64(p[3]) / 255
		r += alpha / 255 * float64(p[0])
		g += alpha / 255 * float64(p[1])
		b += alpha / 255 * float64(p[2])
		seen += alpha
	}
	if seen > 0 {
		r, g, b = r/seen, g/seen, b/seen
	}
	hasAlpha := seen < float64(n)
	long := 7.0
	if hasAlpha {
		long = 5
	}
	lx := max(1, int(math.Round(long*float64(w)/float64(max(w, h)))))
	ly := max(1, int(math.Round(long*float64(h)/float64(max(w, h)))))
	planes := make([]float64, 4*n)
	l, p, q, a := planes[:n], planes[n:2*n], planes[2*n:3*n], planes[3*n:]
	for i := range n {
		px := picture.Pix[4*i : 4*i+4 : 4*i+4]
		alpha, R, G, B := 1.0, fraction[px[0]], fraction[px[1]], fraction[px[2]]
		if px[3] != 255 {
			alpha = float64(px[3]) / 255
			R = r*(1-alpha) + alpha/255*float64(px[0])
			G = g*(1-alpha) + alpha/255*float64(px[1])
			B = b*(1-alpha) + alpha/255*float64(px[2])
		}
		l[i], p[i], q[i], a[i] = (R+G+B)/3, (R+G)/2-B, R-G, alpha
	}
	across, down := cosines(7, w, w, 0.5), cosines(7, h, h, 0.5)
	columns := make([][7]float64, w) // across by x, so that the sums of a row are independent of each other
	for i := range across {
		for x, v := range across[i] {
			columns[x][i] = v
		}
	}
	encode := func(plane []float64, nx, ny int) (c channel, scale float64) {
		c = channel{nx: nx, ny: ny}
		for y := range h {
			var row [7]float64
			sumRow(&row, plane[y*w:(y+1)*w], columns, nx)
			for j := range ny {
				for i := range nx {
					c.rest[j*nx+i] += row[i] * down[j][y] / float64(n)
				}
			}
		}
		c.mean = c.rest[0]
		for j := range ny {
			for i := range nx {
				if i+j > 0 && c.has(i, j) {
					scale = max(scale, math.Abs(c.rest[j*nx+i]))
				}
			}
		}
		return c, scale
	}
	L, lScale := encode(l, max(3, lx), max(3, ly))
	P, pScale := encode(p, 3, 3)
	Q, qScale := encode(q, 3, 3)
	head := rounded(63*L.mean) | rounded(31.5+31.5*P.mean)<<6 | rounded(31.5+31.5*Q.mean)<<12 | rounded(31*lScale)<<18
	more := lx | rounded(63*pScale)<<3 | rounded(63*qScale)<<9
	if w > h {
		more = ly | rounded(63*pScale)<<3 | rounded(63*qScale)<<9 | 1<<15
	}
	if hasAlpha {
		head |= 1 << 23
	}
	hash := []byte{byte(head), byte(head >> 8), byte(head >> 16), byte(more), byte(more >> 8)}
	var A channel
	var aScale float64
	if hasAlpha {
		A, aScale = encode(a, 5, 5)
		hash = append(hash, byte(rounded(15*A.mean)|rounded(15*aScale)<<4))
	}
	count := 0
	write := func(c *channel, scale float64) {
		for j := range c.ny {
			for i := range c.nx {
				if i+j == 0 || !c.has(i, j) {
					continue
				}
				v := 0.0
				if scale > 0 {
					v = 0.5 + 0.5/scale*c.rest[j*c.nx+i]
				}
				if count%2 == 0 {
					hash = append(hash, byte(rounded(15*v)))
				} else {
					hash[len(hash)-1] |= byte(rounded(15*v) << 4)
				}
				count++
			}
		}
	}
	write(&L, lScale)
	write(&P, pScale)
	write(&Q, qScale)
	if hasAlpha {
		write(&A, aScale)
	}
	return hash
}

// fraction is each level as a fraction of 255, as an opaque pixel is read.
var fraction = func() (of [256]float64) {
	for i := range of {
		of[i] = 1.0 / 255 * float64(i)
	}
	return of
}()

// sumRow multiplies the values of a row by each of the first n cosines, and sums them up.
func sumRow(sums *[7]float64, row []float64, columns [][7]float64, n int) {
	columns = columns[:len(row)]
	var s0, s1, s2, s3, s4, s5, s6 float64
	for x, v := range row {
		c := &columns[x]
		s0 += v * c[0]
		s1 += v * c[1]
		s2 += v * c[2]
		if n > 3 {
			s3 += v * c[3]
			s4 += v * c[4]
			s5 += v * c[5]
			s6 += v * c[6]
		}
	}
	*sums = [7]float64{s0, s1, s2, s3, s4, s5, s6}
}

// rounded rounds halves up, as JavaScript does.
func rounded(v float64) int { return int(math.Floor(v + 0.5)) }
