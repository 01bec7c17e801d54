//go:build cgo

package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tintype/tintype/transform/vips"
)

// TestEngineScore: the engine's score is that of the other code, which takes the same
// steps, also where the last scales have a pixel.
func TestEngineScore(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for _, size := range [][2]int{{8, 8}, {33, 17}, {160, 121}, {301, 240}} {
		a := drawn(t, size[0], size[1]).rounded()
		for _, noise := range []float64{2, 10, 40} {
			b := a.with(func(level float32) float32 { return level + float32(noise*random.NormFloat64()) }).rounded()
			got, err := vips.Score(a.pixels(), b.pixels())
			if err != nil {
				t.Fatal(err)
			}
			if want := score(a, b); math.Abs(got-want) > 0.001 {
				t.Errorf("%v, noise of %v: %.4f, want %.4f", size, noise, got, want)
			}
		}
	}
}
