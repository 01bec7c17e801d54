package samples

import "image"

// paint blends a colour over each pixel of r. shade returns the colour and its strength (0
// to 1) at the middle of a pixel.
func paint(dst *image.RGBA, r image.Rectangle, shade func(x, y float32) (rgb, float32)) {
	r = r.Intersect(dst.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c, cover := shade(float32(x)+0.5, float32(y)+0.5)
			if cover <= 0 {
				continue
			}
			p := dst.Pix[dst.PixOffset(x, y):]
			rgb{float32(p[0]), float32(p[1]), float32(p[2])}.mix(c, min(cover, 1)).put(p)
		}
	}
}

// fill paints a rectangle of one colour with sharp edges.
func fill(dst *image.RGBA, r image.Rectangle, c rgb) {
	paint(dst, r, func(_, _ float32) (rgb, float32) { return c, 1 })
}

// A point is a position in pixels.
type point struct{ x, y float32 }

// stroke draws a line through points, with round ends and corners.
func stroke(dst *image.RGBA, c rgb, width float32, points ...point) {
	half := width / 2
	for i := range len(points) - 1 {
		a, b := points[i], points[i+1]
		r := box(min(a.x, b.x), min(a.y, b.y), max(a.x, b.x), max(a.y, b.y), half)
		paint(dst, r, func(x, y float32) (rgb, float32) {
			return c, half - segment(point{x, y}, a, b) + 0.5
		})
	}
}

// disc draws a filled circle.
func disc(dst *image.RGBA, c rgb, middle point, radius float32) {
	paint(dst, box(middle.x, middle.y, middle.x, middle.y, radius), func(x, y float32) (rgb, float32) {
		return c, radius - distance(point{x, y}, middle) + 0.5
	})
}

// box returns the pixels of a rectangle with a margin.
func box(x0, y0, x1, y1, margin float32) image.Rectangle {
	return image.Rect(int(floor(x0-margin))-1, int(floor(y0-margin))-1, int(x1+margin)+2, int(y1+margin)+2)
}

func distance(a, b point) float32 {
	return sqrt((a.x-b.x)*(a.x-b.x) + (a.y-b.y)*(a.y-b.y))
}

// segment returns the distance of p from the line between a and b.
func segment(p, a, b point) float32 {
	dx, dy := b.x-a.x, b.y-a.y
	long := dx*dx + dy*dy
	if long == 0 {
		return distance(p, a)
	}
	t := clamp(((p.x-a.x)*dx + (p.y-a.y)*dy) / long)
	return distance(p, point{a.x + t*dx, a.y + t*dy})
}

// glyphs are capitals and digits as lines. A pair of digits is a point on a grid, 4 wide and
// 6 high. A space lifts the pen.
var glyphs = map[rune]string{
	'A': "062046 1434", 'B': "003041423303 334445360600", 'C': "4130100105163645", 'D': "00204244260600",
	'E': "40000646 0333", 'F': "400006 0333", 'G': "41301001051636454323", 'H': "0006 4046 0343",
	'I': "2026", 'J': "4045361605", 'K': "0006 400346", 'L': "000646", 'M': "0600234046", 'N': "06004640",
	'O': "103041453616050110", 'P': "06003041423303", 'Q': "103041453616050110 3446", 'R': "06003041423303 2346",
	'S': "413010010213334445361605", 'T': "0040 2026", 'U': "000516364540", 'V': "002640", 'W': "0016223640",
	'X': "0046 4006", 'Y': "002340 2326", 'Z': "00400646",
	'0': "103041453616050110", '1': "112026", '2': "01103041420646", '3': "01103041423323 334445361605",
	'4': "36300444", '5': "400002324345361605", '6': "4130100105163645443303", '7': "004016",
	'8': "133342413010010213 133344453616050413", '9': "0516364541301001021343",
	'.': "2626", '-': "1333",
}

// text draws a line of capitals and digits, height pixels high. at is the left end of its
// base. Other characters are drawn as spaces.
func text(dst *image.RGBA, c rgb, at point, height float32, s string) {
	unit := height / 6
	for _, r := range s {
		var line []point
		glyph := glyphs[r] + " "
		for i := 0; i < len(glyph); {
			if glyph[i] == ' ' {
				stroke(dst, c, height*0.13, line...)
				line = line[:0]
				i++
				continue
			}
			line = append(line, point{at.x + unit*float32(glyph[i]-'0'), at.y - height + unit*float32(glyph[i+1]-'0')})
			i += 2
		}
		at.x += advance * height
	}
}

// advance is the distance from one letter to the next, in heights.
const advance = 0.95

// textWidth returns the width of s in pixels.
func textWidth(height float32, s string) float32 {
	return height * (advance*float32(len(s)) - (advance - 4.0/6))
}
