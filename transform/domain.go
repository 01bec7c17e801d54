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
	KindPosition Kind = "position" // a place in the picture: one of some words
	KindColor    Kind = "color"    // hexadecimal digits or a CSS colour name
	KindLength   Kind = "length"   // pixels, or a percentage
	KindSides    Kind = "sides"    // pixels, one to four numbers as CSS gives a padding
	KindRatio    Kind = "ratio"    // W:H
	KindRegion   Kind = "region"   // x,y,w,h, each pixels or a percentage; left, center, right for x, top, center, bottom for y
	KindText     Kind = "text"
)

// A Domain says which values an option takes, as data: what is generated from the
// vocabulary reads it rather than [OptionDoc.Values], which is for people. [Parse] has
// the last word on a value.
type Domain struct {
	Kind Kind

	// Min and Max bound a number. Max bounds the pixels of a length, each number of sides
	// and of a region, and either part of a ratio. Of a text they bound the bytes.
	Min, Max float64
	// Step is the distance of neighbouring values of an int; of a float it is a
	// difference that shows, though finer values are allowed. 0 for other kinds.
	Step float64

	// Words are the values of an enum, and those of a position in their usual spelling.
	// A bool has them where leaving it out is neither on nor off.
	Words    []string
	Synonyms []Synonym

	// Default is a value that means the same as leaving the option out, whatever the others
	// say. It is empty where no value does: the option is then off, or its value follows
	// from others.
	Default string
}

// A Synonym is another spelling of a word.
type Synonym struct{ Spelling, Word string }

// typed is the option's domain, with the default that its words name.
func (opt *option) typed() Domain {
	d := opt.domain
	d.Words, d.Synonyms = slices.Clone(d.Words), slices.Clone(d.Synonyms)
	if d.Kind == KindText {
		return d
	}
	// With a mark, so that its options count, and with its height, which its width follows.
	const mark = "mark=m&mark-h=1"
	o, err := Parse(defaults, Query{{Name: "mark", Value: "m"}, {Name: "mark-h", Value: "1"}, {Name: opt.name, Value: opt.fallback}})
	if err == nil && o.String() == mark {
		d.Default = opt.fallback
	}
	return d
}
