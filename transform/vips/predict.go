//go:build cgo

package vips

import (
	"math"

	"github.com/tintype/tintype/transform"
)

// A model predicts the score of an encoder for each of its qualities, from what is seen in a
// picture without encoding it. `go run ./bench/autofit` fits the models. docs/quality.md says
// how well they do.
type model struct {
	least, most int // qualities to choose from
	points      []point
}

// A point is a quality of an encoder. The logarithm of the loss there, 101 less the score,
// is the sum of a picture's traits with their weights. It is off by spread where all points
// are off together.
type point struct {
	quality int
	spread  float64
	weights traits
}

// traits are what a model reads of a picture.
type traits [8]float64

func traitsOf(d Detail, probe, pixels int) traits {
	level := func(v float64) float64 { return math.Log(v + 0.2) }
	probed := loss(d.Probe[probe])
	return traits{
		1, probed, probed * probed,
		level(d.Mean[0]), level(d.Mean[2]), d.Flat[0], level(d.Colour), math.Log(float64(pixels)),
	}
}

// probeFor returns the probe from which the scores of a format are predicted.
func probeFor(f transform.Format) int {
	switch f {
	case transform.WebP:
		return probeWebP
	case transform.AVIF:
		return probeAVIF
	case transform.JXL:
		return probeJXL
	}
	return probeJPEG
}

// A guess is a quality that a model predicts for a target.
type guess struct {
	own  int  // on the encoder's scale
	full bool // with the full resolution of colours

	model  *model
	target float64
	losses []float64 // logarithms, by point
	// The last scores below the target, and above it.
	below, above measured
}

// measured is the logarithm of the loss that an encoding had.
type measured struct {
	own  int // 0 where there is none
	loss float64
}

// fullFrom is the quality from which an encoder that halves the resolution of colours needs
// more bytes for the target than with all of it. Where colours have much detail, no quality
// makes up for halving them.
func fullFrom(target float64) int { return int(min(60+1.4*(target-60), 87)) }

// predict returns the lowest quality whose predicted score is the target. mayFull means that the
// full resolution of colours may be kept.
func predict(f transform.Format, d Detail, pixels int, target float64, mayFull bool) guess {
	half, full := &jxlModel, (*model)(nil)
	switch f {
	case transform.JPEG:
		half, full = &jpegModel, &jpegFullModel
	case transform.AVIF:
		half, full = &avifModel, &avifFullModel
	case transform.WebP:
		half = &webpModel
	}
	t := traitsOf(d, probeFor(f), pixels)
	g := half.guess(t, target)
	if full != nil && mayFull && g.own >= fullFrom(target) {
		g = full.guess(t, target)
		g.full = true
	}
	return g
}

func (m *model) guess(t traits, target float64) guess {
	g := guess{model: m, target: target, losses: make([]float64, len(m.points))}
	for i, p := range m.points {
		for k, v := range t {
			g.losses[i] += p.weights[k] * v
		}
	}
	g.own = g.nearest()
	return g
}

// correct predicts again, after the score of that which was guessed. It reports whether the
// quality is another one. The error moves the model. Once there are scores on both sides of
// the target, the quality lies between them. A model that misses twice on the same side is too
// steep: then the line through both scores is followed where it goes farther, at most to twice
// their distance.
func (g *guess) correct(score float64) bool {
	now, want := measured{g.own, loss(score)}, loss(g.target)
	unit := g.at(now.own, func(i int) float64 { return g.model.points[i].spread })
	off := now.loss - g.at(now.own, func(i int) float64 { return g.losses[i] })
	for i, p := range g.model.points {
		g.losses[i] += off * min(max(p.spread/unit, 0.8), 1.25)
	}
	next, last := float64(g.nearest()), g.below
	if now.loss > want {
		g.below = now
	} else {
		last, g.above = g.above, now
	}
	moved := float64(now.own - last.own)
	switch {
	case g.below.own > 0 && g.above.own > 0:
		part := (g.below.loss - want) / (g.below.loss - g.above.loss)
		next = float64(g.below.own) + min(max(part, 0.2), 0.8)*float64(g.above.own-g.below.own)
	case last.own > 0 && (now.loss-last.loss)*moved < 0:
		most := math.Abs(2 * moved)
		step := min(max((want-now.loss)/(now.loss-last.loss)*moved, -most), most)
		if math.Abs(step) > math.Abs(next-float64(now.own)) {
			next = float64(now.own) + step
		}
	}
	g.own = min(max(int(math.Round(next)), g.model.least), g.model.most)
	return g.own != now.own
}

func loss(score float64) float64 { return math.Log(101 - score) }

// nearest returns the lowest quality whose predicted score is nearest to the target.
func (g *guess) nearest() int {
	want, last := loss(g.target), math.Inf(1)
	for q := g.model.least; q <= g.model.most; q++ {
		l := g.at(q, func(i int) float64 { return g.losses[i] })
		if l <= want {
			if last-want < want-l {
				return q - 1
			}
			return q
		}
		last = l
	}
	return g.model.most
}

// at interpolates the values of the points.
func (g *guess) at(quality int, value func(point int) float64) float64 {
	p, i := g.model.points, 1
	for i < len(p)-1 && quality > p[i].quality {
		i++
	}
	part := float64(quality-p[i-1].quality) / float64(p[i].quality-p[i-1].quality)
	return value(i-1) + (value(i)-value(i-1))*part
}
