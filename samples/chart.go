package samples

import (
	"image"
	"strconv"
)

// Chart draws a bar and line chart of w × h opaque pixels. Like a screenshot it has flat
// colours, sharp lines and small text. It is made for 16:10.
func Chart(w, h int) image.Image {
	w, h = max(w, 1), max(h, 1)
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	fill(m, m.Rect, rgb{255, 255, 255})
	var (
		ink    = rgb{31, 36, 48}
		faint  = rgb{112, 120, 136}
		grid   = rgb{226, 230, 238}
		blue   = rgb{47, 111, 237}
		green  = rgb{18, 163, 116}
		orange = rgb{242, 109, 33}
	)
	u := min(float32(w)/1600, float32(h)/1000) // a pixel of the size it is made for
	px := func(v float32) int { return int(v*u + 0.5) }
	at := func(x, y float32) point { return point{x * u, y * u} }

	text(m, ink, at(110, 108), 38*u, "IMAGES SERVED PER MONTH")
	text(m, faint, at(110, 160), 19*u, "MILLIONS - ORIGINALS AND VARIANTS - 2025")

	const left, right, top, bottom = 160, 1500, 240, 860
	for i := range 6 {
		y := bottom - float32(i)*(bottom-top)/5
		fill(m, image.Rect(px(left), px(y), px(right), px(y)+max(px(2), 1)), grid)
		label := strconv.Itoa(20 * i)
		text(m, faint, at(left-24-textWidth(20, label), y+10), 20*u, label)
	}
	variants := [12]float32{34, 38, 44, 41, 52, 58, 63, 61, 70, 78, 86, 94}
	originals := [12]float32{12, 13, 15, 15, 18, 19, 22, 21, 25, 27, 30, 34}
	hits := [12]float32{61, 64, 62, 68, 72, 71, 77, 80, 82, 86, 89, 92}
	months := [12]string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	const step = (right - left) / 12.0
	height := func(v float32) float32 { return bottom - v/100*(bottom-top) }
	line := make([]point, len(hits))
	for i := range months {
		x := left + step*float32(i)
		fill(m, image.Rect(px(x+20), px(height(variants[i])), px(x+56), px(bottom)), blue)
		fill(m, image.Rect(px(x+58), px(height(originals[i])), px(x+92), px(bottom)), green)
		text(m, faint, at(x+step/2-textWidth(18, months[i])/2, bottom+46), 18*u, months[i])
		line[i] = at(x+step/2, height(hits[i]))
	}
	stroke(m, orange, 5*u, line...)
	for _, p := range line {
		disc(m, orange, p, 10*u)
		disc(m, rgb{255, 255, 255}, p, 5*u)
	}
	fill(m, image.Rect(px(left), px(bottom), px(right), px(bottom)+max(px(3), 1)), ink)
	fill(m, image.Rect(px(left), px(top-20), px(left)+max(px(3), 1), px(bottom)+max(px(3), 1)), ink)

	x := float32(880)
	for _, entry := range [...]struct {
		name   string
		colour rgb
	}{{"VARIANTS", blue}, {"ORIGINALS", green}, {"HITS", orange}} {
		fill(m, image.Rect(px(x), px(136), px(x+26), px(162)), entry.colour)
		text(m, ink, at(x+42, 159), 20*u, entry.name)
		x += 90 + textWidth(20, entry.name)
	}
	text(m, faint, at(left, 950), 15*u, "DRAWN BY TINTYPE. THE FIGURES ARE MADE UP.")
	return m
}
