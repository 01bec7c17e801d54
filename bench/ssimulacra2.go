//go:build cgo

package main

import "math"

// score returns how similar a picture is to the reference, in SSIMULACRA 2 (Jon Sneyers,
// Cloudinary, version 2.1 of April 2023). 100 is identical, 90 is visually the same, 70 is
// high quality, 50 is medium, below 0 is very bad. A difference under about 2 is hard to
// see. Both pictures have the same size, at least 8×8 pixels.
//
// The metric compares structure, added edges and lost edges in the XYB space at six scales.
// Its author fitted the weights to 17,611 opinions of viewers. Where a side is under 113 pixels,
// the original tool leaves out the last scales, and then reads the weights of lightness for
// colours. Here all scales and their weights stay.
//
// Where a picture is smooth, the score depends on how sums are rounded: the structure of two
// nearly flat places is a quotient of tiny differences, and the recursive filter carries its
// rounding along. An exact filter gives up to 3 points more. So every step is rounded as in
// the original tool (ssimulacra2 of libjxl, on a processor that multiplies and adds at once).
func score(reference, picture *pixels) float64 {
	a, b := reference.linear(), picture.linear()
	var norms [3][6][6]float64 // by plane and scale: structure, gained, lost, as mean and as 4-norm
	for s := range 6 {
		if s > 0 {
			a, b = a.halved(), b.halved()
		}
		xa, xb := a.xyb(), b.xyb()
		for c := range 3 {
			norms[c][s] = compare(xa[c], xb[c], a.w, a.h)
		}
	}
	sum, i := 0.0, 0
	for c := range 3 {
		for _, norms := range norms[c] {
			for _, n := range norms {
				sum += ssimulacra2Weights[i] * n
				i++
			}
		}
	}
	sum *= 0.9562382616834844
	sum = 2.326765642916932*sum - 0.020884521182843837*sum*sum + 6.248496625763138e-05*sum*sum*sum
	if sum <= 0 {
		return 100
	}
	return 100 - 10*math.Pow(sum, 0.6276336467831387)
}

// compare returns the six norms of one plane at one scale.
func compare(a, b []float32, w, h int) [6]float64 {
	product := make([]float32, w*h)
	blurred := func(x, y []float32) []float32 {
		for i := range product {
			product[i] = x[i] * y[i]
		}
		return blur(product, w, h)
	}
	saa, sbb, sab := blurred(a, a), blurred(b, b), blurred(a, b)
	ma, mb := blur(a, w, h), blur(b, w, h)
	const c2 = 0.0009
	var sums [6]float64
	add := func(at int, d float64) {
		d = max(d, 0)
		sums[at] += d
		sums[at+3] += d * d * d * d
	}
	for i := range a {
		difference := ma[i] - mb[i]
		structure := (1 - difference*difference) * (2*(sab[i]-ma[i]*mb[i]) + c2) /
			((saa[i] - ma[i]*ma[i]) + (sbb[i] - mb[i]*mb[i]) + c2)
		add(0, 1-float64(structure))
		edge := (1+math.Abs(float64(b[i]-mb[i])))/(1+math.Abs(float64(a[i]-ma[i]))) - 1
		add(1, edge)
		add(2, -edge)
	}
	for i := range 3 {
		sums[i] /= float64(w * h)
		sums[i+3] = math.Sqrt(math.Sqrt(sums[i+3] / float64(w*h)))
	}
	return sums
}

// A linearImage has three planes of linear sRGB.
type linearImage struct {
	w, h  int
	plane [3][]float32
}

// halved averages squares of four pixels. It repeats an odd last row or column.
func (m linearImage) halved() linearImage {
	out := linearImage{w: (m.w + 1) / 2, h: (m.h + 1) / 2}
	for c, from := range m.plane {
		to := make([]float32, out.w*out.h)
		for y := range out.h {
			upper, lower := 2*y*m.w, min(2*y+1, m.h-1)*m.w
			for x := range out.w {
				left, right := 2*x, min(2*x+1, m.w-1)
				to[y*out.w+x] = (from[upper+left] + from[upper+right] + from[lower+left] + from[lower+right]) / 4
			}
		}
		out.plane[c] = to
	}
	return out
}

// xyb returns the picture in the colour space of JPEG XL, scaled to 0–1 as the metric needs
// it: X, Y and B−Y.
func (m linearImage) xyb() [3][]float32 {
	const bias float32 = 0.0037930732552754493
	less := -float32(math.Cbrt(float64(bias)))
	cone := func(red, green, blue, r, g, b float32) float32 {
		return rootAndAdd(fma(red, r, fma(green, g, fma(blue, b, bias))), less)
	}
	one := float32(1) // so that the differences are rounded to 32 bits
	const red, green float32 = 0.24342268924547819, 0.20476744424496821
	var out [3][]float32
	for c := range out {
		out[c] = make([]float32, m.w*m.h)
	}
	for i := range out[0] {
		r, g, b := m.plane[0][i], m.plane[1][i], m.plane[2][i]
		long := cone(0.30, one-0.078-0.30, 0.078, r, g, b)
		middle := cone(0.23, one-0.078-0.23, 0.078, r, g, b)
		short := cone(red, green, one-red-green, r, g, b)
		y := 0.5 * (long + middle)
		out[0][i] = float32(0.5*(long-middle)*14) + 0.42
		out[1][i] = y + 0.01
		out[2][i] = (short - y) + 0.55
	}
	return out
}

// rootAndAdd returns the cube root of x, which is above 0.003, and what is added to it.
func rootAndAdd(x, add float32) float32 {
	third, four := float32(1)/3, float32(4)/3
	r := math.Float32frombits(0x54800000 - math.Float32bits(x)>>23*0x2aaaaa)
	for range 3 {
		square := r * r
		r = fma(-third*x, square*square, float32(four*r))
	}
	square := r * r
	r = fma(third, fma(-x, square*square, r), r)
	return fma(r*r, x, add)
}

// fma returns a·b + c. The product is exact in 64 bits.
func fma(a, b, c float32) float32 { return float32(math.FMA(float64(a), float64(b), float64(c))) }

// blur applies a Gaussian of σ 1.5. Pixels beyond the edges count as zero.
func blur(in []float32, w, h int) []float32 {
	across, out := make([]float32, w*h), make([]float32, w*h)
	for y := range h {
		gaussian.line(in[y*w:(y+1)*w], across[y*w:(y+1)*w])
	}
	gaussian.columns(across, out, w, h)
	return out
}

var gaussian = newRecursive(1.5)

// A recursive filter approximates a Gaussian by truncated cosines (Charalampidis,
// "Recursive Implementation of the Gaussian Filter Using Truncated Cosine Functions",
// 2016), as the reference implementation does. Numbers in brackets are the paper's
// equations.
type recursive struct {
	radius int
	// Factors by k and by place among four outputs that are made at once. Those of a single
	// output come first.
	in     [3][4]float32 // (33)
	last   [3][4]float32 // (35)
	before [3][4]float32
}

func newRecursive(sigma float64) recursive {
	radius := math.Round(3.2795*sigma + 0.2546) // (57)
	var omega, p, r, rho [3]float64             // of k = 1, 3, 5
	for i := range 3 {
		sign := float64(1 - i%2*2)
		omega[i] = float64(2*i+1) * math.Pi / (2 * radius)
		p[i] = sign / math.Tan(omega[i]/2)                           // (37)
		r[i] = sign * p[i] * p[i] / math.Sin(omega[i])               // (44)
		rho[i] = math.Exp(-sigma*sigma*omega[i]*omega[i]/2) / radius // (50)
	}
	cross := func(i, j int) float64 { return p[i]*r[j] - r[i]*p[j] } // (52)
	zeta1, zeta3 := cross(1, 2)/cross(0, 1), cross(2, 0)/cross(0, 1)
	beta := solve([3][3]float64{p, r, {zeta1, zeta3, 1}}, // (55), (56)
		[3]float64{1, radius*radius - sigma*sigma, zeta1*rho[0] + zeta3*rho[1] + rho[2]})
	f := recursive{radius: int(radius)}
	for i := range 3 {
		n, d := -beta[i]*math.Cos(omega[i]*(radius+1)), -2*math.Cos(omega[i])
		f.in[i] = [4]float32{float32(n), float32(-d * n), float32(d*d*n - n), float32(-d*d*d*n + 2*d*n)}
		f.last[i] = [4]float32{float32(-d), float32(d*d - 1), float32(-d*d*d + 2*d), float32(d*d*d*d - 3*d*d + 1)}
		f.before[i] = [4]float32{-1, float32(d), float32(1 - d*d), float32(d*d*d - 2*d)}
	}
	return f
}

// solve applies Cramer's rule.
func solve(m [3][3]float64, right [3]float64) (x [3]float64) {
	determinant := func(m [3][3]float64) float64 {
		return m[0][0]*(m[1][1]*m[2][2]-m[1][2]*m[2][1]) -
			m[0][1]*(m[1][0]*m[2][2]-m[1][2]*m[2][0]) +
			m[0][2]*(m[1][0]*m[2][1]-m[1][1]*m[2][0])
	}
	all := determinant(m)
	for i := range 3 {
		replaced := m
		for row := range 3 {
			replaced[row][i] = right[row]
		}
		x[i] = determinant(replaced) / all
	}
	return x
}

// A trail is the last two outputs of a filter.
type trail struct{ last, before [3]float32 }

// add takes the next outputs and returns their sum.
func (t *trail) add(v [3]float32) float32 {
	t.before, t.last = t.last, v
	return v[0] + (v[1] + v[2])
}

// line filters a row. Four outputs are made at once where their sums are whole.
func (f *recursive) line(in, out []float32) {
	var s trail
	w := len(in)
	one := func(n int) {
		var left, right float32
		if i := n - f.radius - 1; i >= 0 {
			left = in[i]
		}
		if i := n + f.radius - 1; i < w {
			right = in[i]
		}
		var v [3]float32
		for k := range v {
			v[k] = fma(f.last[k][0], s.last[k], float32(f.in[k][0]*(left+right))-s.before[k])
		}
		if sum := s.add(v); n >= 0 {
			out[n] = sum
		}
	}
	n := 1 - f.radius
	for ; n < min((f.radius+4)/4*4, w); n++ {
		one(n)
	}
	for ; n < w-f.radius-2; n += 4 {
		var sum [4]float32
		for i := range sum {
			sum[i] = in[n+i-f.radius-1] + in[n+i+f.radius-1]
		}
		var v [3][4]float32
		for k := range v {
			for i := range 4 {
				x := f.in[k][i] * sum[0]
				for j := 1; j <= i; j++ {
					x = fma(f.in[k][i-j], sum[j], x)
				}
				v[k][i] = fma(f.last[k][i], s.last[k], fma(f.before[k][i], s.before[k], x))
			}
			s.before[k], s.last[k] = v[k][2], v[k][3]
		}
		for i := range 4 {
			out[n+i] = v[0][i] + (v[1][i] + v[2][i])
		}
	}
	for ; n < w; n++ {
		one(n)
	}
}

// columns filters all columns together, row by row, because that reads memory in order.
func (f *recursive) columns(in, out []float32, w, h int) {
	trails, nothing := make([]trail, w), make([]float32, w)
	row := func(y int) []float32 {
		if y < 0 || y >= h {
			return nothing
		}
		return in[y*w : (y+1)*w]
	}
	for n := 1 - f.radius; n < h; n++ {
		above, below := row(n-f.radius-1), row(n+f.radius-1)
		for x := range trails {
			s := &trails[x]
			var v [3]float32
			for k := range v {
				v[k] = fma(f.in[k][0], above[x]+below[x], fma(f.last[k][0], s.last[k], -s.before[k]))
			}
			if sum := s.add(v); n >= 0 {
				out[n*w+x] = sum
			}
		}
	}
}

// Weights by plane (X, Y, B−Y), scale (1:1 to 1:32) and norm (mean, 4-norm), for structure,
// added edges and lost edges.
var ssimulacra2Weights = [108]float64{
	0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0,
	0, 0.0004371155730107379, 0, 1.1041726426657346, 0.00066284834129271, 0.00015231632783718752,
	0, 0.0016406437456599754, 0, 1.8422455520539298, 11.441172603757666, 0,
	0.0007989109436015163, 0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142, 0,
	0.0007289346991508072, 0.9677937080626833, 0, 0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053,
	0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0,
	0, 0, 0, 7.466890328078848, 0, 17.445833984131262,
	0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264,
	225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985,
	176.39317598450694, 0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408,
	0, 0, 0, 34.77906344483772, 44.835625328877896, 0,
	0, 0, 0, 0, 0, 0,
	0, 0.0008680556573291698, 0, 0, 0, 0,
	0, 0.0005313191874358747, 0, 0.00016533814161379112, 0, 0,
	0, 0, 0, 0.0004179171803251336, 0.0017290828234722833, 0,
	0.0020827005846636437, 0, 0, 8.826982764996862, 23.19243343998926, 0,
	95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493, 171.2667255897307, 0.9807858872435379,
	0, 0, 0, 0.0005130064588990679, 0, 0.00010854057858411537,
}
