package transform

// KeepsPixels reports whether p, a plan of o, shows every pixel of every frame of the
// original unchanged. The original can then be the output in format f.
func (o Options) KeepsPixels(h Header, p Plan, f Format) bool {
	size := h.Upright()
	whole := p.Scaled == size && p.Output == size &&
		p.Region.Dx() == size.W && p.Region.Dy() == size.H && p.Crop.Dx() == size.W && p.Crop.Dy() == size.H
	plain := h.Orientation == 1 && o.Rotate == 0 && o.Flip == FlipNone && o.Radius == (Length{}) && !o.Effects() && o.Mark.Name == ""
	still := h.Frames > 1 && !o.Animated(h, f)
	flattened := h.Alpha && (o.Background.Set && o.Background.A == 255 || !f.Alpha())
	return whole && plain && !still && !flattened
}

// Effects reports whether o changes the picture's colours or blurs, sharpens or
// pixelates it.
func (o Options) Effects() bool {
	return o.Blur != 0 || o.Sharpen != 0 || o.Pixelate > 1 ||
		o.Brightness != 1 || o.Contrast != 1 || o.Saturation != 1 || o.Gamma != 1 ||
		o.Grayscale || o.Sepia || o.Invert
}
