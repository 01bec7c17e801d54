//go:build cgo

package main

import "math"

// score returns how similar a picture is to the reference, in SSIMULACRA 2 (Jon Sneyers,
// Cloudinary, version 2.1 of April 2023). 100 is identical, 90 is visually the same, 70 is
// high quality, 50 is medium, below 0 is very bad. A difference under about 2 is hard to
// see. Both pictures have the same size, at least 8×8 pixels.
//
// The metric compares structure, added edges and lost edges in the XYB space at six scales.
// Its author fitted the weights to 17,611 opinions of viewers.
func score(reference, picture *pixels) float64 {
	a, b := reference.linear(), picture.linear()
	var norms [3][6][6]float64 // by plane and scale: structure, gained, lost, as mean and as 4-norm
	scales := 0
	for ; scales < 6 && a.w >= 8 && a.h >= 8; scales++ {
		if scales > 0 {
			a, b = a.halved(), b.halved()
		}
		xa, xb := a.xyb(), b.xyb()
		for c := range 3 {
			norms[c][scales] = compare(xa[c], xb[c], a.w, a.h)
		}
	}
	sum, i := 0.0, 0
	for c := range 3 {
		for s := range scales {
			for _, n := range norms[c][s] {
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
	const bias = 0.0037930732552754493
	root := math.Cbrt(bias)
	cone := func(v float64) float64 { return math.Cbrt(max(v+bias, 0)) - root }
	var out [3][]float32
	for c := range out {
		out[c] = make([]float32, m.w*m.h)
	}
	for i := range out[0] {
		r, g, b := float64(m.plane[0][i]), float64(m.plane[1][i]), float64(m.plane[2][i])
		long := cone(0.30*r + 0.622*g + 0.078*b)
		middle := cone(0.23*r + 0.692*g + 0.078*b)
		short := cone(0.24342268924547819*r + 0.20476744424496821*g + 0.55180986650955360*b)
		x, y := (long-middle)/2, (long+middle)/2
		out[0][i] = float32(x*14 + 0.42)
		out[1][i] = float32(y + 0.01)
		out[2][i] = float32(short - y + 0.55)
	}
	return out
}

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
	in     [3]float64 // (33)
	back   [3]float64 // (35): the factor of the last output; the one before it has −1
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
		f.in[i] = -beta[i] * math.Cos(omega[i]*(radius+1))
		f.back[i] = 2 * math.Cos(omega[i])
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

func (f recursive) line(in, out []float32) {
	var last, before [3]float64
	for n := 1 - f.radius; n < len(in); n++ {
		sum := 0.0
		if left := n - f.radius - 1; left >= 0 {
			sum += float64(in[left])
		}
		if right := n + f.radius - 1; right < len(in) {
			sum += float64(in[right])
		}
		total := 0.0
		for k := range 3 {
			v := f.in[k]*sum + f.back[k]*last[k] - before[k]
			before[k], last[k] = last[k], v
			total += v
		}
		if n >= 0 {
			out[n] = float32(total)
		}
	}
}

// columns filters all columns together, row by row, because that reads memory in order.
func (f recursive) columns(in, out []float32, w, h int) {
	state := make([]struct{ last, before [3]float64 }, w)
	nothing := make([]float32, w)
	row := func(y int) []float32 {
		if y < 0 || y >= h {
			return nothing
		}
		return in[y*w : (y+1)*w]
	}
	for n := 1 - f.radius; n < h; n++ {
		above, below := row(n-f.radius-1), row(n+f.radius-1)
		for x := range state {
			s := &state[x]
			sum := float64(above[x]) + float64(below[x])
			total := 0.0
			for k := range 3 {
				v := f.in[k]*sum + f.back[k]*s.last[k] - s.before[k]
				s.before[k], s.last[k] = s.last[k], v
				total += v
			}
			if n >= 0 {
				out[n*w+x] = float32(total)
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
