// Command autofit fits the model with which q=auto predicts a score: see predict.go in
// transform/vips. It writes the table of that file to the standard output, and how well the
// model does to the standard error.
//
//	go run ./bench -auto-trials trials.jsonl -photos FOLDER
//	go run ./bench/autofit trials.jsonl > transform/vips/predict_table.go
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"log"
	"math"
	"os"
	"slices"
)

// A trial is a line of `bench -auto-trials`.
type trial struct {
	Name   string
	Held   bool
	Way    string
	W, H   int
	Detail struct {
		Mean, Square, Flat [3]float64
		Colour             float64
		Probe              [4]float64
	}
	Quality []int
	Score   []float64
	Bytes   []int
}

// probes are those that the models read, as in transform/vips.
var probes = map[string]int{"jpeg": 0, "jpeg full": 0, "webp": 1, "avif": 2, "avif full": 2, "jxl": 3}

// traits are what the model reads, as in transform/vips.
func (t *trial) traits() []float64 {
	d := t.Detail
	level := func(v float64) float64 { return math.Log(v + 0.2) }
	probed := loss(d.Probe[probes[t.Way]])
	return []float64{
		1, probed, probed * probed,
		level(d.Mean[0]), level(d.Mean[2]), d.Flat[0], level(d.Colour), math.Log(float64(t.W * t.H)),
	}
}

func loss(score float64) float64 { return math.Log(101 - score) }
func unloss(l float64) float64   { return 101 - math.Exp(l) }

// A model predicts the loss at each quality.
type model struct {
	quality []int
	weights [][]float64 // by quality, then trait
	spread  []float64   // by quality: how far losses are from the prediction, together
}

func fit(trials []*trial) model {
	m := model{quality: trials[0].Quality}
	n := len(trials[0].traits())
	left := make([][]float64, n)
	for i := range left {
		left[i] = make([]float64, n)
	}
	for _, t := range trials {
		f := t.traits()
		for i := range f {
			for j := range f {
				left[i][j] += f[i] * f[j]
			}
		}
	}
	for i := 1; i < n; i++ {
		left[i][i] += 0.003 * float64(len(trials))
	}
	for k := range m.quality {
		right := make([]float64, n)
		for _, t := range trials {
			for i, f := range t.traits() {
				right[i] += f * loss(t.Score[k])
			}
		}
		m.weights = append(m.weights, solve(left, right))
	}
	// The first principal component of the rests, by power iteration.
	m.spread = make([]float64, len(m.quality))
	for k := range m.spread {
		m.spread[k] = 1
	}
	for range 50 {
		next := make([]float64, len(m.spread))
		for _, t := range trials {
			r := m.rests(t)
			along := dot(r, m.spread)
			for k := range next {
				next[k] += along * r[k]
			}
		}
		size := math.Sqrt(dot(next, next) / float64(len(next)))
		for k := range next {
			m.spread[k] = next[k] / size
		}
	}
	return m
}

func (m *model) rests(t *trial) []float64 {
	r, f := make([]float64, len(m.quality)), t.traits()
	for k := range r {
		r[k] = loss(t.Score[k]) - dot(m.weights[k], f)
	}
	return r
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// solve solves a·x = b by elimination. It leaves a and b as they are.
func solve(a [][]float64, b []float64) []float64 {
	n := len(b)
	m := make([][]float64, n)
	for i := range m {
		m[i] = append(slices.Clone(a[i]), b[i])
	}
	for i := range m {
		best := i
		for r := i; r < n; r++ {
			if math.Abs(m[r][i]) > math.Abs(m[best][i]) {
				best = r
			}
		}
		m[i], m[best] = m[best], m[i]
		for r := range m {
			if r == i {
				continue
			}
			by := m[r][i] / m[i][i]
			for c := i; c <= n; c++ {
				m[r][c] -= by * m[i][c]
			}
		}
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = m[i][n] / m[i][i]
	}
	return x
}

// at interpolates values at the qualities.
func at(quality []int, values []float64, q float64) float64 {
	k := 1
	for k < len(quality)-1 && q > float64(quality[k]) {
		k++
	}
	from, to := float64(quality[k-1]), float64(quality[k])
	return values[k-1] + (values[k]-values[k-1])*(q-from)/(to-from)
}

// nearest returns the lowest quality whose predicted score is nearest to the target. least
// and most bound it.
func nearest(quality []int, losses []float64, target float64, least, most int) int {
	want := loss(target)
	for q := least; q <= most; q++ {
		if l := at(quality, losses, float64(q)); l <= want {
			if q > least && at(quality, losses, float64(q-1))-want < want-l {
				return q - 1
			}
			return q
		}
	}
	return most
}

// near is how far from the target an encoding may be, as in transform/vips.
const near = 1.8

var bounds = map[string][2]int{"jpeg": {10, 89}, "jpeg full": {10, 98}, "webp": {1, 97}, "avif": {10, 89}, "avif full": {10, 97}, "jxl": {10, 98}}

func main() {
	log.SetFlags(0)
	trials := map[string][]*trial{}
	for _, name := range os.Args[1:] {
		f, err := os.Open(name)
		if err != nil {
			log.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			t := &trial{}
			if json.Unmarshal(lines.Bytes(), t) == nil {
				trials[t.Way] = append(trials[t.Way], t)
			}
		}
	}
	models := map[string]model{}
	for _, way := range []string{"jpeg", "jpeg full", "webp", "avif", "avif full", "jxl"} {
		var training []*trial
		for _, t := range trials[way] {
			if !t.Held {
				training = append(training, t)
			}
		}
		models[way] = fit(training)
		m := models[way]
		judge(way, &m, trials[way])
	}
	compareColours(models, trials)
	compareUsual(models, trials)
	write(models)
}

// judge prints how far from the target a first and a second attempt are.
func judge(way string, m *model, trials []*trial) {
	for _, held := range []bool{false, true} {
		for _, target := range []float64{60, 74, 85, 90} {
			var first, second []float64
			again, n := 0, 0
			for _, t := range trials {
				actual := make([]float64, len(t.Score))
				for k, s := range t.Score {
					actual[k] = loss(s)
				}
				if t.Held != held || slices.Max(t.Score) < target-1 || slices.Min(t.Score) > target {
					continue
				}
				n++
				f := t.traits()
				predicted := make([]float64, len(m.quality))
				for k := range predicted {
					predicted[k] = dot(m.weights[k], f)
				}
				b := bounds[way]
				q1 := nearest(m.quality, predicted, target, b[0], b[1])
				s1 := unloss(at(m.quality, actual, float64(q1)))
				first = append(first, math.Abs(s1-target))
				s2 := s1
				if math.Abs(s1-target) > near {
					again++
					off := loss(s1) - at(m.quality, predicted, float64(q1))
					unit := at(m.quality, m.spread, float64(q1))
					for k := range predicted {
						predicted[k] += off * min(max(m.spread[k]/unit, 0.8), 1.25)
					}
					s2 = unloss(at(m.quality, actual, float64(nearest(m.quality, predicted, target, b[0], b[1]))))
				}
				second = append(second, math.Abs(s2-target))
			}
			if n == 0 {
				continue
			}
			fmt.Fprintf(os.Stderr, "%-10s held %-5v target %.0f n %3d  first: mean %.2f within 2 %3.0f%%  again %3.0f%%  second: mean %.2f within 2 %3.0f%%\n",
				way, held, target, n, mean(first), within(first), 100*float64(again)/float64(n), mean(second), within(second))
		}
	}
}

func mean(v []float64) (m float64) {
	for _, x := range v {
		m += x / float64(len(v))
	}
	return m
}

func within(v []float64) float64 {
	n := 0
	for _, x := range v {
		if x <= 2 {
			n++
		}
	}
	return 100 * float64(n) / float64(len(v))
}

// The qualities of the encoders that look like a JPEG of 80, as in transform/vips.
var usual = map[string]float64{"jpeg": 80, "webp": 85, "avif": 71, "jxl": 81}

// compareUsual prints what a fixed quality of 80 takes for the pictures that were held out,
// and what each target takes, at the quality that just reaches it.
func compareUsual(models map[string]model, trials map[string][]*trial) {
	for _, way := range []string{"jpeg", "webp", "avif", "jxl"} {
		fulls := map[string]*trial{}
		for _, t := range trials[way+" full"] {
			fulls[t.Name] = t
		}
		var scores []float64
		size := 0.0
		var held []*trial
		for _, t := range trials[way] {
			if t.Held {
				held = append(held, t)
				losses, bytes := logs(t)
				scores = append(scores, unloss(at(t.Quality, losses, usual[way])))
				size += math.Exp(at(t.Quality, bytes, usual[way]))
			}
		}
		slices.Sort(scores)
		fmt.Fprintf(os.Stderr, "%s q=80: worst decile %.1f, median %.1f, %.0f bytes\n", way, scores[len(scores)/10], scores[len(scores)/2], size/float64(len(scores)))
		usually, reached := scores[len(scores)/10], false
		for target := 50.0; target <= 90; target++ {
			size, encodings := 0.0, 0
			var got, off []float64
			for _, t := range held {
				m, f := models[way], t.traits()
				full := fulls[t.Name]
				data := t
				if full != nil && nearest(m.quality, m.predicted(f), target, bounds[way][0], bounds[way][1]) >= int(min(60+1.4*(target-60), 87)) {
					data, m = full, models[way+" full"]
				}
				q, n := m.attempts(data, target, bounds[data.Way])
				losses, bytes := logs(data)
				score := unloss(at(data.Quality, losses, q))
				got = append(got, score)
				if unloss(losses[len(losses)-1]) > target && unloss(losses[0]) < target {
					off = append(off, math.Abs(score-target))
				}
				encodings += n
				size += math.Exp(at(data.Quality, bytes, q))
			}
			slices.Sort(got)
			now := !reached && got[len(got)/10] >= usually // looks as well as q=80
			reached = reached || now
			if int(target)%4 != 2 && !now {
				continue
			}
			fmt.Fprintf(os.Stderr, "  q-target %.0f: worst decile %.1f, median %.1f, %.0f bytes, within 2 %.0f %% of %d that can, %.2f encodings\n",
				target, got[len(got)/10], got[len(got)/2], size/float64(len(got)), within(off), len(off), float64(encodings)/float64(len(got)))
		}
	}
}

// logs returns the losses and the logarithms of the bytes.
func logs(t *trial) (losses, bytes []float64) {
	for k, s := range t.Score {
		losses, bytes = append(losses, loss(s)), append(bytes, math.Log(float64(t.Bytes[k])))
	}
	return losses, bytes
}

func (m *model) predicted(traits []float64) []float64 {
	p := make([]float64, len(m.quality))
	for k := range p {
		p[k] = dot(m.weights[k], traits)
	}
	return p
}

// attempts returns the quality of the last attempt and their number, as the engine makes
// them.
func (m *model) attempts(t *trial, target float64, b [2]int) (quality float64, encodings int) {
	actual, _ := logs(t)
	predicted := m.predicted(t.traits())
	q := nearest(m.quality, predicted, target, b[0], b[1])
	want, below, above := loss(target), [2]float64{}, [2]float64{} // quality and loss
	for off := math.Inf(1); off > 5 && encodings < 4; encodings++ {
		l := at(t.Quality, actual, float64(q))
		if off = math.Abs(unloss(l) - target); off <= near {
			break
		}
		shift, unit := l-at(m.quality, predicted, float64(q)), at(m.quality, m.spread, float64(q))
		for k := range predicted {
			predicted[k] += shift * min(max(m.spread[k]/unit, 0.8), 1.25)
		}
		next, last := float64(nearest(m.quality, predicted, target, b[0], b[1])), below
		if l > want {
			below = [2]float64{float64(q), l}
		} else {
			last, above = above, [2]float64{float64(q), l}
		}
		moved := float64(q) - last[0]
		switch {
		case below[0] > 0 && above[0] > 0:
			part := (below[1] - want) / (below[1] - above[1])
			next = below[0] + min(max(part, 0.2), 0.8)*(above[0]-below[0])
		case last[0] > 0 && (l-last[1])*moved < 0:
			far := math.Abs(2 * moved)
			if step := min(max((want-l)/(l-last[1])*moved, -far), far); math.Abs(step) > math.Abs(next-float64(q)) {
				next = float64(q) + step
			}
		}
		if n := min(max(int(math.Round(next)), b[0]), b[1]); n != q {
			q = n
		} else {
			break
		}
	}
	return float64(q), encodings + 1
}

// compareColours prints the bytes of both modes of colours at the same score.
func compareColours(models map[string]model, trials map[string][]*trial) {
	for _, way := range []string{"jpeg", "avif"} {
		full := map[string]*trial{}
		for _, t := range trials[way+" full"] {
			full[t.Name] = t
		}
		for _, target := range []float64{60, 74, 85} {
			for _, limit := range []float64{60, 70, 75, 80, 85, 89} {
				sum, n, high := 0.0, 0, 0
				for _, t := range trials[way] {
					f := full[t.Name]
					if f == nil {
						continue
					}
					q, size, ok := reaches(t, target)
					_, sizeFull, okFull := reaches(f, target)
					if !okFull {
						continue
					}
					n++
					if !ok || q > limit {
						high++
						sum += math.Log(sizeFull)
					} else {
						sum += math.Log(size)
					}
				}
				fmt.Fprintf(os.Stderr, "%s target %.0f: full above q %.0f: %d of %d, mean bytes %.0f\n", way, target, limit, high, n, math.Exp(sum/float64(max(n, 1))))
			}
		}
	}
}

// reaches returns the quality and the bytes at which a trial reaches a score.
func reaches(t *trial, target float64) (quality, bytes float64, ok bool) {
	if t.Score[0] > target {
		return float64(t.Quality[0]), float64(t.Bytes[0]), true
	}
	for k := 1; k < len(t.Score); k++ {
		if t.Score[k] >= target {
			part := (target - t.Score[k-1]) / (t.Score[k] - t.Score[k-1])
			between := func(a, b float64) float64 { return a + part*(b-a) }
			return between(float64(t.Quality[k-1]), float64(t.Quality[k])), between(float64(t.Bytes[k-1]), float64(t.Bytes[k])), true
		}
	}
	return 0, 0, false
}

func write(models map[string]model) {
	var b bytes.Buffer
	b.WriteString("// Code generated by go run ./bench/autofit; DO NOT EDIT.\n\n//go:build cgo\n\npackage vips\n\n")
	for _, v := range []struct{ way, name string }{
		{"jpeg", "jpegModel"}, {"jpeg full", "jpegFullModel"}, {"webp", "webpModel"}, {"avif", "avifModel"}, {"avif full", "avifFullModel"}, {"jxl", "jxlModel"},
	} {
		m := models[v.way]
		fmt.Fprintf(&b, "var %s = model{\n\tleast: %d, most: %d,\n\tpoints: []point{\n", v.name, bounds[v.way][0], bounds[v.way][1])
		for k, q := range m.quality {
			fmt.Fprintf(&b, "\t\t{%d, %.3f, traits{", q, m.spread[k])
			for i, w := range m.weights[k] {
				if i > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(&b, "%.4f", w)
			}
			b.WriteString("}},\n")
		}
		b.WriteString("\t},\n}\n\n")
	}
	text, err := format.Source(b.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(text)
}
