package transform

// unbuilt are the options that no engine carries out yet, with what it takes for
// one to be in use. Building one means deleting its line.
var unbuilt = []struct {
	name string
	used func(o *Options) bool
}{
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
