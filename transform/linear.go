package transform

import "math"

// A Linear is a linear map of the plane. It maps (x, y) to (XX·x + XY·y, YX·x + YY·y). y grows
// downwards.
type Linear struct{ XX, XY, YX, YY float64 }

// After returns the map that applies first, and then m.
func (m Linear) After(first Linear) Linear {
	return Linear{
		m.XX*first.XX + m.XY*first.YX, m.XX*first.XY + m.XY*first.YY,
		m.YX*first.XX + m.YY*first.YX, m.YX*first.XY + m.YY*first.YY,
	}
}

// Inverse returns the map that undoes m. Its numbers are not finite if m has no inverse.
func (m Linear) Inverse() Linear {
	d := m.XX*m.YY - m.XY*m.YX
	return Linear{m.YY / d, -m.XY / d, -m.YX / d, m.XX / d}
}

func (m Linear) apply(x, y float64) (float64, float64) {
	return m.XX*x + m.XY*y, m.YX*x + m.YY*y
}

// Slant returns the map of Rotate and Flip for a plan that has Inner. It maps the distance
// from the middle of Inner to the distance from the middle of Scaled.
func (o Options) Slant(p Plan) Linear {
	w, h := float64(p.Region.Dx()), float64(p.Region.Dy())
	sin, cos := math.Sincos(float64(o.Rotate) * math.Pi / 180)
	turned := Linear{cos, -sin, sin, cos}.After(Linear{XX: w / float64(p.Inner.W), YY: h / float64(p.Inner.H)})
	across := float64(p.Scaled.W) / (w*math.Abs(cos) + h*math.Abs(sin))
	down := float64(p.Scaled.H) / (w*math.Abs(sin) + h*math.Abs(cos))
	if o.Flip == FlipH || o.Flip == FlipHV {
		across = -across
	}
	if o.Flip == FlipV || o.Flip == FlipHV {
		down = -down
	}
	return Linear{XX: across, YY: down}.After(turned)
}
