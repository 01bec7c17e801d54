package transform

// unbuilt are the options that no engine carries out yet, with what it takes for
// one to be in use. Building one means deleting its line.
var unbuilt = []struct {
	name string
	used func(o *Options) bool
}{
	{"trim", func(o *Options) bool { return o.Trim >= 0 }},
	{"blur", func(o *Options) bool { return o.Blur != 0 }},
	{"sharpen", func(o *Options) bool { return o.Sharpen != 0 }},
	{"brightness", func(o *Options) bool { return o.Brightness != 1 }},
	{"contrast", func(o *Options) bool { return o.Contrast != 1 }},
	{"saturation", func(o *Options) bool { return o.Saturation != 1 }},
	{"gamma", func(o *Options) bool { return o.Gamma != 1 }},
	{"grayscale", func(o *Options) bool { return o.Grayscale }},
	{"sepia", func(o *Options) bool { return o.Sepia }},
	{"invert", func(o *Options) bool { return o.Invert }},
	{"pixelate", func(o *Options) bool { return o.Pixelate != 0 }},
	{"format", func(o *Options) bool { return o.Format == TIFF || o.Format == JXL }},
	{"mark", func(o *Options) bool { return o.Mark.Name != "" }},
}

// Unbuilt returns the name of the first option in use that no engine carries out
// yet, or "".
func (o Options) Unbuilt() string {
	for _, opt := range unbuilt {
		if opt.used(&o) {
			return opt.name
		}
	}
	return ""
}
