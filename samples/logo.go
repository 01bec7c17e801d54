package samples

import "image"

// Logo draws a badge with a picture in it, w × h pixels. Outside the badge it is transparent,
// apart from a soft shadow. Edges are antialiased.
func Logo(w, h int) *image.NRGBA {
	w, h = max(w, 1), max(h, 1)
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	size := float32(min(w, h))
	aa := 2.4 / size // width of an edge, in halves of the picture
	for y := range h {
		for x := range w {
			// The badge lies between −1 and 1, whatever the format.
			px := (float32(x) + 0.5 - float32(w)/2) / (size / 2)
			py := (float32(y) + 0.5 - float32(h)/2) / (size / 2)
			c, alpha := logoAt(px, py, aa)
			i := m.PixOffset(x, y)
			c.put(m.Pix[i:])
			m.Pix[i+3] = channel(alpha * 255)
		}
	}
	return m
}

func logoAt(x, y, aa float32) (rgb, float32) {
	edge := func(d float32) float32 { return clamp(0.5 - d/aa) } // d is negative inside

	shadow := 0.42 * smooth(0.24, -0.1, rounded(x, y-0.07, 0.72, 0.2))
	c := rgb{16, 18, 40}

	body := edge(rounded(x, y, 0.74, 0.24))
	tint := rgb{38, 198, 190}.mix(rgb{78, 70, 214}, clamp((x+y+1.3)/2.6))
	tint = tint.add(rgb{255, 255, 255}, 0.16*smooth(0.1, -0.75, y))

	// A translucent rim, a sun and two hills.
	white := rgb{255, 255, 255}
	rim := abs(rounded(x, y, 0.6, 0.15)) - 0.016
	tint = tint.mix(white, 0.55*edge(rim))
	inside := edge(rounded(x, y, 0.6, 0.15))
	sun := distance(point{x, y}, point{0.24, -0.24}) - 0.13
	tint = tint.mix(rgb{255, 214, 102}, edge(sun)*inside)
	far := max(hill(x-0.27, y-0.06, 0.8), y-0.6)
	near := max(hill(x+0.16, y+0.14, 0.95), y-0.6)
	tint = tint.mix(white, 0.62*edge(far)*inside)
	tint = tint.mix(white, edge(near)*inside)

	alpha := body + shadow*(1-body)
	if alpha == 0 {
		return rgb{}, 0
	}
	return c.mix(tint, body/alpha), alpha
}

// rounded returns the distance from a square with round corners. half is half its edge.
func rounded(x, y, half, radius float32) float32 {
	dx, dy := abs(x)-half+radius, abs(y)-half+radius
	out := point{max(dx, 0), max(dy, 0)}
	return distance(out, point{}) + min(max(dx, dy), 0) - radius
}

// hill returns the distance from a hill with a slope and a blunt top at the origin.
func hill(x, y, slope float32) float32 {
	blunt := sqrt(x*x+0.002) - 0.02
	return (blunt*slope - y) / sqrt(1+slope*slope)
}
