//go:build cgo

package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tintype/tintype/samples"
)

func drawn(t *testing.T, w, h int) *pixels {
	t.Helper()
	m := samples.Scene(w, h)
	p := &pixels{w, h, make([]float32, 0, 3*w*h)}
	for y := range h {
		for x := range w {
			r, g, b, _ := m.At(x, y).RGBA()
			p.rgb = append(p.rgb, float32(r>>8), float32(g>>8), float32(b>>8))
		}
	}
	return p
}

// with returns a copy of the picture with every level changed.
func (p *pixels) with(change func(level float32) float32) *pixels {
	out := &pixels{p.w, p.h, make([]float32, len(p.rgb))}
	for i, level := range p.rgb {
		out.rgb[i] = min(max(change(level), 0), 255)
	}
	return out
}

func TestScore(t *testing.T) {
	p := drawn(t, 160, 120)
	if got := score(p, p); got != 100 {
		t.Errorf("the same picture scores %v", got)
	}
	random := rand.New(rand.NewPCG(1, 1))
	last := 100.0
	for _, noise := range []float64{1, 3, 8, 20, 60} {
		got := score(p, p.with(func(level float32) float32 { return level + float32(noise*random.NormFloat64()) }))
		if got >= last {
			t.Errorf("noise of %v scores %.1f, less noise %.1f", noise, got, last)
		}
		last = got
	}
	last = 100.0
	for _, by := range []int{2, 3, 5, 8} {
		small := p.resized(p.w/by, p.h/by)
		got := score(p, small.enlarged(p.w, p.h))
		if got >= last {
			t.Errorf("1/%d scores %.1f, a larger one %.1f", by, got, last)
		}
		last = got
	}
	if one := score(p, p.with(func(level float32) float32 { return level + 1 })); one < 90 {
		t.Errorf("one level lighter, which nobody sees, scores %.1f", one)
	}
}

func (p *pixels) enlarged(w, h int) *pixels {
	out := &pixels{w, h, make([]float32, 3*w*h)}
	for y := range h {
		for x := range w {
			copy(out.rgb[3*(y*w+x):][:3], p.rgb[3*(y*p.h/h*p.w+x*p.w/w):][:3])
		}
	}
	return out
}

// TestBlur compares the recursive filter with the Gaussian that it approximates.
func TestBlur(t *testing.T) {
	const side = 41
	in := make([]float32, side*side)
	in[20*side+20] = 1
	out := blur(in, side, side)
	for y := range side {
		for x := range side {
			d := float64((x-20)*(x-20) + (y-20)*(y-20))
			want := math.Exp(-d/(2*1.5*1.5)) / (2 * math.Pi * 1.5 * 1.5)
			if got := float64(out[y*side+x]); math.Abs(got-want) > 0.001 {
				t.Fatalf("(%d, %d): %.5f, want %.5f", x, y, got, want)
			}
		}
	}
}
