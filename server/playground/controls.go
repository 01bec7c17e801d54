package playground

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/transform"
)

// A control is one option on a page. Its name, values and meaning come from
// [transform.Vocabulary]. faces says how it looks.
type control struct {
	transform.OptionDoc
	face
	Kind     string // range, choice, compass, flag, color, text
	Percent  bool   // a range also takes a percentage
	Min, Max string // bounds of a range
	Bottom   string // the start of its slider, at least Min
	Top      string // the end of its slider, at most Max
	Step     string
	Choices  []choice
}

// A face says how an option is shown. The zero face is the control that fits the option's
// values, with its name as the label.
type face struct {
	label   string
	bottom  string   // start of the slider, where smaller values are rare
	top     string   // end of the slider, where larger values are rare
	Quick   []string // values as buttons beside the field
	Example string   // placeholder of a text
	List    string   // id of the suggestions
}

// Label returns the option's name for people.
func (c control) Label() string {
	if c.label != "" {
		return c.label
	}
	return c.Name
}

// Named reports whether the label is the option's name.
func (c control) Named() bool { return strings.EqualFold(c.Label(), c.Name) }

// A choice is one value of a control. The empty value leaves the option out.
type choice struct {
	Value, Label string
	Cell         string // cell in the grid of a compass, such as "nw"; empty is below the grid
}

type controlGroup struct {
	Name     string
	Open     bool
	Controls []control
}

// layout says where each option is shown. Options that are missing here come last, in a
// group of their own.
var layout = []struct {
	name    string
	open    bool
	options []string
}{
	{"Size", true, []string{"w", "h", "size", "dpr", "fit", "enlarge", "ar", "gravity"}},
	{"Focus", false, []string{"fp-x", "fp-y", "fp-z"}},
	{"Crop", false, []string{"rect", "inset", "trim"}},
	{"Turn", false, []string{"rotate", "flip"}},
	{"Look", false, []string{"bg", "pad", "radius", "blur", "sharpen", "brightness", "contrast", "saturation", "gamma", "grayscale", "sepia", "invert", "pixelate"}},
	{"Output", true, []string{"format", "q", "q-avif", "q-webp", "q-jxl", "q-target", "lossless", "progressive", "anim", "metadata"}},
	{"Delivery", false, []string{"preset", "dl", "v", "default"}},
	{"Mark", false, []string{"mark", "mark-size", "mark-w", "mark-h", "mark-fit", "mark-align", "mark-pad", "mark-opacity", "mark-repeat"}},
}

var faces = map[string]face{
	"w":            {label: "Width", top: "2400", Quick: []string{"320", "640", "1280", "50%"}},
	"h":            {label: "Height", top: "2400", Quick: []string{"240", "480", "960"}},
	"size":         {label: "Square", top: "2400", Quick: []string{"96", "256", "512"}},
	"dpr":          {label: "Pixel ratio", top: "3", Quick: []string{"2", "3"}},
	"fit":          {label: "Fit"},
	"enlarge":      {label: "Enlarge"},
	"ar":           {label: "Aspect ratio", Example: "16:9", Quick: []string{"1:1", "4:3", "3:2", "16:9", "9:16"}},
	"gravity":      {label: "Keep"},
	"fp-x":         {label: "From the left"},
	"fp-y":         {label: "From the top"},
	"fp-z":         {label: "Zoom"},
	"rect":         {label: "Region", Example: "x,y,w,h", Quick: []string{"25%,25%,50%,50%"}},
	"inset":        {label: "Cut off", Example: "8 or 8,16,8,16", Quick: []string{"50", "0,100"}},
	"trim":         {label: "Trim border", Quick: []string{"10", "40"}},
	"rotate":       {label: "Rotate", bottom: "-180", top: "180", Quick: []string{"90", "180", "270"}},
	"flip":         {label: "Flip"},
	"bg":           {label: "Background", Example: "transparent"},
	"pad":          {label: "Padding", Example: "8 or 8,16,8,16", Quick: []string{"16", "24,48"}},
	"radius":       {label: "Rounded corners", Example: "24, 10% or max", Quick: []string{"24", "max"}},
	"blur":         {label: "Blur", top: "40"},
	"sharpen":      {label: "Sharpen"},
	"brightness":   {label: "Brightness"},
	"contrast":     {label: "Contrast"},
	"saturation":   {label: "Saturation"},
	"gamma":        {label: "Gamma"},
	"grayscale":    {label: "Grayscale"},
	"sepia":        {label: "Sepia"},
	"invert":       {label: "Invert"},
	"pixelate":     {label: "Pixelate", top: "64"},
	"format":       {label: "Format"},
	"q":            {label: "Quality", Quick: []string{"auto"}},
	"q-avif":       {label: "Quality of AVIF"},
	"q-webp":       {label: "Quality of WebP"},
	"q-jxl":        {label: "Quality of JPEG XL"},
	"q-target":     {label: "Target of auto"},
	"lossless":     {label: "Lossless"},
	"progressive":  {label: "Progressive"},
	"anim":         {label: "Keep animation"},
	"metadata":     {label: "Metadata"},
	"preset":       {label: "Preset", Example: "name", List: "presets"},
	"dl":           {label: "Save as", Example: "picture.jpg"},
	"v":            {label: "Version", Example: "1"},
	"default":      {label: "Stand-in", Example: "source/path", List: "pictures"},
	"mark":         {label: "Mark", Example: "name, source/path or URL", List: "pictures"},
	"mark-size":    {label: "Size", Example: "120 or 20%", Quick: []string{"15%", "30%"}},
	"mark-w":       {label: "Width", Example: "120 or 20%", Quick: []string{"10%", "25%"}},
	"mark-h":       {label: "Height", Example: "80 or 20%", Quick: []string{"10%", "25%"}},
	"mark-fit":     {label: "Fit"},
	"mark-pad":     {label: "Distance", Example: "16 or 2%", Quick: []string{"0", "5%"}},
	"mark-opacity": {label: "Opacity"},
	"mark-repeat":  {label: "Repeat"},
	"mark-align":   {label: "Place"},
}

// cells are the cells of values in a compass.
var cells = map[string]string{
	"northwest": "nw", "north": "n", "northeast": "ne", "west": "w", "center": "c", "east": "e", "southwest": "sw", "south": "s", "southeast": "se",
	"top,left": "nw", "top,center": "n", "top,right": "ne", "center,left": "w", "center,right": "e", "bottom,left": "sw", "bottom,center": "s", "bottom,right": "se",
}

// presetDoc shows preset among the options.
var presetDoc = transform.OptionDoc{Name: "preset", Domain: transform.Domain{Kind: transform.KindText}, Values: "a preset's name", Default: "none",
	Meaning: "Options that the workspace has under a name. Options in the URL override them. `p:NAME` is short for it."}

// controlGroups are the controls of every option, in the order of layout.
var controlGroups = newControlGroups(append(transform.Vocabulary(), presetDoc))

func newControlGroups(docs []transform.OptionDoc) []controlGroup {
	left := map[string]transform.OptionDoc{}
	for _, d := range docs {
		left[d.Name] = d
	}
	var groups []controlGroup
	for _, l := range layout {
		g := controlGroup{Name: l.name, Open: l.open}
		for _, name := range l.options {
			if d, ok := left[name]; ok {
				g.Controls = append(g.Controls, newControl(d))
				delete(left, name)
			}
		}
		groups = append(groups, g)
	}
	more := controlGroup{Name: "More"}
	for _, d := range docs {
		if _, ok := left[d.Name]; ok {
			more.Controls = append(more.Controls, newControl(d))
		}
	}
	if len(more.Controls) > 0 {
		groups = append(groups, more)
	}
	return groups
}

// newControl returns the control that fits the values of an option.
func newControl(d transform.OptionDoc) control {
	c := control{OptionDoc: d, face: faces[d.Name]}
	values := d.Domain
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case values.Kind == transform.KindBool && len(values.Words) == 0:
		c.Kind = "flag"
	case values.Kind == transform.KindPosition:
		c.Kind = "compass"
	case values.Kind == transform.KindColor:
		c.Kind = "color"
	case len(values.Words) > 0:
		c.Kind = "choice"
	case values.Kind == transform.KindInt, values.Kind == transform.KindFloat:
		c.Kind, c.Min, c.Max, c.Step = "range", number(values.Min), number(values.Max), number(values.Step)
		c.Bottom, c.Top = cmp.Or(c.bottom, c.Min), cmp.Or(c.top, c.Max)
	case values.Kind == transform.KindLength && c.top != "": // mostly pixels
		c.Kind, c.Percent, c.Min, c.Max, c.Step = "range", true, number(values.Min), number(values.Max), "1"
		c.Bottom, c.Top = cmp.Or(c.bottom, c.Min), c.top
	default:
		c.Kind = "text"
	}
	words := values.Words
	if len(words) > 0 && !slices.Contains(words, d.Default) {
		c.Choices = append(c.Choices, choice{Label: d.Default})
	}
	for _, word := range words {
		ch := choice{Value: word, Label: word}
		if values.Kind == transform.KindBool {
			ch.Label = map[string]string{"0": "off", "1": "on"}[word]
		}
		if c.Kind == "compass" {
			ch.Cell = cells[word]
		}
		c.Choices = append(c.Choices, ch)
	}
	return c
}

// An Option describes an option to the script of a page.
type Option struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
	Kind    string   `json:"kind"`
	Default string   `json:"default"` // in words
	Group   string   `json:"group"`
}

// options are in the order of options in URLs of the page.
var options = func() (all []Option) {
	for _, g := range controlGroups {
		for _, c := range g.Controls {
			all = append(all, Option{c.Name, append([]string{}, c.Aliases...), c.Kind, c.Default, g.Name})
		}
	}
	return all
}()
