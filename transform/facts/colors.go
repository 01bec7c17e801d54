package facts

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
)

// A lab is a colour in OKLab (Björn Ottosson, 2020). Distances in OKLab are proportional to
// visible differences. A difference of 0.02 is just visible.
type lab struct{ l, a, b float64 }

func (c lab) minus(o lab) lab { return lab{c.l - o.l, c.a - o.a, c.b - o.b} }

func (c lab) square() float64 { return c.l*c.l + c.a*c.a + c.b*c.b }

// labOf converts linear light to OKLab.
func labOf(r, g, b float64) lab {
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	return lab{
		0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s,
	}
}

// light converts OKLab to linear light. Outside of sRGB the result is below 0 or above 1.
func (c lab) light() (r, g, b float64) {
	l := c.l + 0.3963377774*c.a + 0.2158037573*c.b
	m := c.l - 0.1055613458*c.a - 0.0638541728*c.b
	s := c.l - 0.0894841775*c.a - 1.2914855480*c.b
	l, m, s = l*l*l, m*m*m, s*s*s
	return 4.0767416621*l - 3.3077115913*m + 0.2309699292*s,
		-1.2684380046*l + 2.6097574011*m - 0.3413193965*s,
		-0.0041960863*l - 0.7034186147*m + 1.7076147010*s
}

// intensity returns the chroma of a colour as a fraction of the maximum in sRGB at its hue
// and lightness.
func (c lab) intensity() float64 {
	chroma := math.Hypot(c.a, c.b)
	if chroma < 0.004 { // grey, up to rounding
		return 0
	}
	inside := func(chroma2 float64) bool {
		r, g, b := lab{c.l, c.a * chroma2 / chroma, c.b * chroma2 / chroma}.light()
		const slack = 1e-6
		return min(r, g, b) >= -slack && max(r, g, b) <= 1+slack
	}
	low, high := 0.0, 0.5
	for range 24 {
		if middle := (low + high) / 2; inside(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	if low == 0 {
		return 0
	}
	return min(1, chroma/low)
}

// A group is a set of pixels with similar colours.
type group struct {
	at    lab        // their mean
	light [3]float64 // their mean in linear light, each 0–1
	area  float64    // fraction of the picture that they cover
	most  bin        // the largest bin among them
}

// A bin is a set of pixels with almost the same colour.
type bin struct {
	light [3]float64
	area  float64
}

// rgb returns the colour of the group in sRGB. If one colour has half of the group, such as
// the paper of a drawing, it returns that colour. Otherwise it returns the mean.
func (g group) rgb() (c [3]uint8) {
	light := g.light
	if g.most.area >= g.area/2 {
		light = g.most.light
	}
	for k := range c {
		c[k] = toSRGB(light[k])
	}
	return c
}

func (g group) hex() string {
	c := g.rgb()
	return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2])
}

// with returns the union of two groups.
func (g group) with(o group) group {
	all := g.area + o.area
	for k := range g.light {
		g.light[k] = (g.light[k]*g.area + o.light[k]*o.area) / all
	}
	g.area, g.at = all, labOf(g.light[0], g.light[1], g.light[2])
	if o.most.area > g.most.area {
		g.most = o.most
	}
	return g
}

const (
	mostGroups = 16    // maximum of groupsOf, as in Android's Palette
	sameColor  = 0.035 // groups with a smaller distance are merged
	similar    = 0.085 // colours with a smaller distance are reported as one
	least      = 0.005 // fraction of the picture; smaller colours are not reported
)

// groupsOf finds the colours of a picture, the largest first. It ignores pixels that are at
// least half transparent.
func groupsOf(picture *image.NRGBA) []group {
	bins := binsOf(picture)
	if len(bins) == 0 {
		return nil
	}
	groups := settle(split(bins), bins)
	return merge(groups, sameColor)
}

// binsOf counts pixels by the upper five bits of their channels. Where half of a bin is
// exactly one colour, as the paper of a drawing is, its most is that one, since scaling and
// compression leave pixels around it that are a level or two away.
func binsOf(picture *image.NRGBA) []group {
	var places [1 << 15]uint16 // index in tallies, plus one
	all := len(picture.Pix) / 4
	of := make([]uint16, all) // of each pixel, as in places
	tallies := make([]tally, 0, 512)
	for i := range of {
		p := picture.Pix[4*i : 4*i+4 : 4*i+4]
		if p[3] < 128 {
			continue
		}
		at := &places[int(p[0]>>3)<<10|int(p[1]>>3)<<5|int(p[2]>>3)]
		if *at == 0 {
			tallies = append(tallies, tally{})
			*at = uint16(len(tallies))
		}
		of[i] = *at
		t := &tallies[*at-1]
		t.count++
		t.light[0] += linear[p[0]]
		t.light[1] += linear[p[1]]
		t.light[2] += linear[p[2]]
		t.add([3]uint8(p))
	}
	for i, at := range of {
		if at > 0 {
			if t := &tallies[at-1]; t.color == [3]uint8(picture.Pix[4*i:4*i+3]) {
				t.has++
			}
		}
	}
	bins := make([]group, len(tallies))
	for i := range bins {
		bin, t := &bins[i], &tallies[i]
		for k := range bin.light {
			bin.light[k] = t.light[k] / t.count
		}
		bin.most.light = bin.light
		if t.has >= t.count/2 {
			bin.most.light = [3]float64{linear[t.color[0]], linear[t.color[1]], linear[t.color[2]]}
		}
		bin.at, bin.area = labOf(bin.light[0], bin.light[1], bin.light[2]), t.count/float64(all)
		bin.most.area = bin.area
	}
	return bins
}

// A tally is what binsOf counts of a bin. It is smaller than a group, so that more of them
// stay in the processor's cache.
type tally struct {
	light [3]float64 // sum
	count float64
	vote
}

// A vote finds the colour that most pixels have, if more than half have the same (Boyer and
// Moore, 1981).
type vote struct {
	color [3]uint8
	lead  int
	has   float64 // number of pixels of this colour, counted afterwards
}

func (v *vote) add(c [3]uint8) {
	switch {
	case v.lead == 0:
		v.color, v.lead = c, 1
	case v.color == c:
		v.lead++
	default:
		v.lead--
	}
}

// split divides the bins into boxes and returns their means. In each step it cuts the box
// whose colours differ most, along the axis on which they differ most.
func split(bins []group) []lab {
	boxes := []box{boxOf(slices.Clone(bins))}
	for len(boxes) < mostGroups {
		i := 0
		for j := range boxes {
			if boxes[j].spread > boxes[i].spread {
				i = j
			}
		}
		if boxes[i].spread < 1e-5 { // all boxes have one colour
			break
		}
		one, two, ok := boxes[i].cut()
		if !ok { // rounding put all bins on one side
			boxes[i].spread = 0
			continue
		}
		boxes[i] = one
		boxes = append(boxes, two)
	}
	means := make([]lab, len(boxes))
	for i, b := range boxes {
		means[i] = b.mean
	}
	return means
}

// A box is a set of bins.
type box struct {
	bins   []group
	mean   lab
	spread float64 // squared distances from the mean, weighted by area
	axis   func(lab) float64
}

func boxOf(bins []group) box {
	b := box{bins: bins}
	area := 0.0
	for _, g := range bins {
		b.mean.l += g.at.l * g.area
		b.mean.a += g.at.a * g.area
		b.mean.b += g.at.b * g.area
		area += g.area
	}
	b.mean = lab{b.mean.l / area, b.mean.a / area, b.mean.b / area}
	var by lab
	for _, g := range bins {
		d := g.at.minus(b.mean)
		by.l += d.l * d.l * g.area
		by.a += d.a * d.a * g.area
		by.b += d.b * d.b * g.area
	}
	b.spread = by.l + by.a + by.b
	switch max(by.l, by.a, by.b) {
	case by.a:
		b.axis = func(c lab) float64 { return c.a }
	case by.b:
		b.axis = func(c lab) float64 { return c.b }
	default:
		b.axis = func(c lab) float64 { return c.l }
	}
	return b
}

// cut cuts a box at its mean.
func (b box) cut() (one, two box, ok bool) {
	at := b.axis(b.mean)
	var above []group
	below := b.bins[:0]
	for _, g := range b.bins {
		if b.axis(g.at) > at {
			above = append(above, g)
		} else {
			below = append(below, g)
		}
	}
	if len(below) == 0 || len(above) == 0 {
		return box{}, box{}, false
	}
	return boxOf(below), boxOf(above), true
}

// settle assigns each bin to the nearest mean and moves the means to the centres of their
// bins, several times (k-means).
func settle(means []lab, bins []group) []group {
	var groups []group
	nearest := make([]int, len(bins))
	for range 4 {
		groups = make([]group, len(means))
		moved := false
		for b := range bins {
			bin := &bins[b]
			near, distance := 0, math.Inf(1)
			for i := range means {
				m := &means[i]
				dl, da, db := bin.at.l-m.l, bin.at.a-m.a, bin.at.b-m.b
				if d := dl*dl + da*da + db*db; d < distance {
					near, distance = i, d
				}
			}
			moved = moved || nearest[b] != near
			nearest[b] = near
			g := &groups[near]
			if bin.area > g.most.area {
				g.most = bin.most
			}
			g.area += bin.area
			for k := range g.light {
				g.light[k] += bin.light[k] * bin.area
			}
		}
		groups = slices.DeleteFunc(groups, func(g group) bool { return g.area == 0 })
		means = means[:0]
		for i := range groups {
			g := &groups[i]
			for k := range g.light {
				g.light[k] /= g.area
			}
			g.at = labOf(g.light[0], g.light[1], g.light[2])
			means = append(means, g.at)
		}
		if !moved {
			break
		}
	}
	return groups
}

// merge joins the two nearest groups while their distance is below the threshold, and sorts
// the rest by area.
func merge(groups []group, nearer float64) []group {
	groups = slices.Clone(groups)
	for {
		one, two, distance := 0, 0, nearer*nearer
		for i := range groups {
			for j := range i {
				if d := groups[i].at.minus(groups[j].at).square(); d < distance {
					one, two, distance = j, i, d
				}
			}
		}
		if one == two {
			break
		}
		groups[one] = groups[one].with(groups[two])
		groups = slices.Delete(groups, two, two+1)
	}
	slices.SortStableFunc(groups, func(x, y group) int {
		return cmp.Or(cmp.Compare(y.area, x.area), cmp.Compare(y.at.l, x.at.l), cmp.Compare(y.at.a, x.at.a))
	})
	return groups
}

// merged returns the colours that people can distinguish, at most maxColors.
func merged(groups []group) []group {
	list := merge(groups, similar)
	kept := slices.DeleteFunc(slices.Clone(list), func(g group) bool { return g.area < least })
	if len(kept) == 0 { // almost everything is transparent
		kept = list
	}
	return kept[:min(len(kept), maxColors)]
}

// sharesOf returns the colours as facts report them.
func sharesOf(groups []group) []Share {
	shares := []Share{}
	for _, g := range merged(groups) {
		shares = append(shares, Share{
			Hex:       g.hex(),
			Area:      math.Floor(g.area*1e4+1e-6) / 1e4, // rounded down, so that the sum is at most 1
			Intensity: math.Round(g.at.intensity()*1e3) / 1e3,
		})
	}
	return shares
}
