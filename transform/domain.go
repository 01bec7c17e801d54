package transform

import "slices"

// A Kind is the type of an option's values.
type Kind string

// The kinds of options.
const (
	KindInt      Kind = "int"      // a whole number
	KindFloat    Kind = "float"    // a number, kept to four decimals
	KindBool     Kind = "bool"     // 1 or 0
	KindEnum     Kind = "enum"     // one of some words
	KindPosition Kind = "position" // a position in the picture: one of some words
	KindColor    Kind = "color"    // hexadecimal digits or a CSS colour name
	KindLength   Kind = "length"   // pixels, or a percentage
	KindSides    Kind = "sides"    // pixels, one to four numbers as CSS gives a padding
	KindRatio    Kind = "ratio"    // W:H
	KindRegion   Kind = "region"   // x,y,w,h, each pixels or a percentage; left, center, right for x, top, center, bottom for y
	KindText     Kind = "text"
)

// A Domain describes the values of an option as data, for code that is generated from the
// vocabulary. [OptionDoc.Values] is the text for people. A value can be in the domain and
// still be refused by [Parse].
type Domain struct {
	Kind Kind

	// Min and Max bound a number. Max also bounds the pixels of a length, each number of
	// sides and of a region, and each part of a ratio. For a text they bound its bytes.
	Min, Max float64
	// Step is the distance between values of an int. For a float it is a visible difference;
	// finer values are allowed. 0 for other kinds.
	Step float64

	// Words are the values of an enum, and those of a position in their usual spelling.
	// A bool has them if leaving it out means neither on nor off.
	Words    []string
	Synonyms []Synonym

	// Default is a value that means the same as leaving the option out, whatever the other
	// options are. It is empty if no value does: the option is then off, or is derived from
	// others.
	Default string
}

// A Synonym is another spelling of a word.
type Synonym struct{ Spelling, Word string }

// typed returns the option's domain with its default.
func (opt *option) typed() Domain {
	d := opt.domain
	d.Words, d.Synonyms = slices.Clone(d.Words), slices.Clone(d.Synonyms)
	if d.Kind == KindText {
		return d
	}
	// A mark's options only have an effect with a mark, and its width is derived from its
	// height.
	const mark = "mark=m&mark-h=1"
	o, err := Parse(defaults, Query{{Name: "mark", Value: "m"}, {Name: "mark-h", Value: "1"}, {Name: opt.name, Value: opt.fallback}})
	if err == nil && o.String() == mark {
		d.Default = opt.fallback
	}
	return d
}
