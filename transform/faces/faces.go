// Package faces finds faces in pictures. Call [Find] with a small picture in greys; it
// decodes nothing. The detector is pigo's, a cascade of decision trees that compares pairs of
// pixels (Markuš et al., "Object Detection with Pixel Intensity Comparisons Organized in
// Decision Trees", 2013). It finds upright faces that look at the camera.
package faces

import (
	"cmp"
	_ "embed"
	"image"
	"math"
	"slices"
	"sync"

	pigo "github.com/esimov/pigo/core"
)

// Side is the recommended longest side of a picture, in pixels. For this size Find takes
// about 30 ms.
const Side = 480

const (
	leastFace = 24 // pixels; the cascade can't tell smaller faces
	// leastScore is the lowest score of a face. In photographs, faces score 12 to 300, and
	// other things score up to 5.
	leastScore = 9
)

// facefinder is the cascade of pigo v1.4.6. LICENSE is the licence of pigo, which covers it.
//
//go:embed facefinder
var facefinder []byte

var classifier = sync.OnceValues(func() (*pigo.Pigo, error) { return pigo.NewPigo().Unpack(facefinder) })

// Find returns the faces in a picture. greys has one byte for each pixel, from 0 for black to
// 255 for white, row by row. Each face is a square from the brows to the chin, clipped to the
// picture. The most likely face is first. The same picture always gives the same faces. Find
// is safe for concurrent use.
func Find(greys []byte, width, height int) []image.Rectangle {
	if width < 1 || height < 1 || len(greys) != width*height {
		return nil
	}
	c, err := classifier()
	if err != nil {
		panic("faces: " + err.Error()) // the cascade is part of the program
	}
	shorter := min(width, height)
	found := c.ClusterDetections(c.RunCascade(pigo.CascadeParams{
		MinSize: max(leastFace, shorter/20), MaxSize: shorter,
		ShiftFactor: 0.1, ScaleFactor: 1.1,
		ImageParams: pigo.ImageParams{Pixels: greys, Rows: height, Cols: width, Dim: width},
	}, 0), 0.2)
	slices.SortStableFunc(found, func(a, b pigo.Detection) int { return cmp.Compare(b.Q, a.Q) })

	var faces []image.Rectangle
	for _, f := range found {
		if f.Q < leastScore {
			break
		}
		half := f.Scale / 2
		face := image.Rect(f.Col-half, f.Row-half, f.Col-half+f.Scale, f.Row-half+f.Scale).Intersect(image.Rect(0, 0, width, height))
		if !slices.ContainsFunc(faces, func(o image.Rectangle) bool { return same(o, face) }) {
			faces = append(faces, face)
		}
	}
	return faces
}

// same reports whether two squares show one face: the middle of one is in the other.
func same(a, b image.Rectangle) bool {
	middle := func(r image.Rectangle) image.Point { return r.Min.Add(r.Max).Div(2) }
	return !a.Empty() && !b.Empty() && (middle(a).In(b) || middle(b).In(a))
}

// Grey returns the grey level of a colour by Rec. ITU-R BT.601.
func Grey(r, g, b uint8) uint8 {
	return uint8(math.Round(0.299*float64(r) + 0.587*float64(g) + 0.114*float64(b)))
}
