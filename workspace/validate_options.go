package workspace

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/transform"
)

const (
	maxImage   = 2048 // bytes
	maxOptions = 2048 // bytes
)

// Query returns the mark as options: mark with its name, and mark-* for every field that is
// set. Parsed over [transform.Defaults], they give the [transform.Mark] for the engine.
func (m *Mark) Query() transform.Query {
	q := transform.Query{{Name: "mark", Value: m.Name, Literal: true}}
	for _, f := range m.fields() {
		if f.value != "" {
			q = append(q, transform.Param{Name: f.option, Value: f.value, Literal: true})
		}
	}
	return q
}

// A markField is a field of a mark, and the option with the same meaning.
type markField struct{ name, option, value string }

func (m *Mark) fields() []markField {
	var opacity, repeat string
	if m.Opacity != nil {
		opacity = strconv.FormatFloat(*m.Opacity, 'f', -1, 64)
	}
	if m.Repeat {
		repeat = "1"
	}
	return []markField{
		{"width", "mark-w", m.Width},
		{"height", "mark-h", m.Height},
		{"size", "mark-size", m.Size},
		{"fit", "mark-fit", m.Fit},
		{"align", "mark-align", m.Align},
		{"pad", "mark-pad", m.Pad},
		{"opacity", "mark-opacity", opacity},
		{"repeat", "mark-repeat", repeat},
	}
}

// MarkOptions returns the option for each field of a [Mark] that has one, by the field's
// JSON name, such as "mark-w" for "width".
func MarkOptions() map[string]string {
	names := map[string]string{}
	for _, f := range new(Mark).fields() {
		names[f.name] = f.option
	}
	return names
}

// MarkWords returns the words that a field of a [Mark] takes, by the field's JSON name: align
// or fit. Other fields take no words.
func MarkWords(field string) []string {
	option := MarkOptions()[field]
	for _, doc := range transform.Vocabulary() {
		if doc.Name == option {
			return doc.Domain.Words
		}
	}
	return nil
}

// Words returns align and fit of a valid mark as [MarkWords] has them, also where they are
// left out.
func (m *Mark) Words() (align, fit string) {
	named := *m
	named.Name = "mark" // an option without a name is wrong
	o, err := transform.Parse(transform.Defaults(), named.Query())
	if err != nil {
		return m.Align, m.Fit
	}
	return cmp.Or(o.Mark.Align, "bottom,right"), string(o.Mark.Fit)
}

func (v *validator) marks() {
	for i := range v.w.Marks {
		v.mark(element("marks", i), &v.w.Marks[i], i)
	}
}

func (v *validator) mark(path string, m *Mark, i int) {
	first := slices.IndexFunc(v.w.Marks, func(o Mark) bool { return o.Name == m.Name }) == i
	v.key(member(path, "name"), m.Name, "mark", first)
	switch at := member(path, "image"); {
	case m.Image == "":
		v.add(at, "is missing: give source/path, such as media/logo.png, or a URL")
	case len(m.Image) > maxImage:
		v.add(at, "is %d bytes long; at most %d are allowed", len(m.Image), maxImage)
	default:
		v.image(at, m.Image)
	}
	for _, f := range m.fields() {
		if f.value == "" {
			continue
		}
		_, err := transform.Parse(transform.Defaults(), transform.Query{{Name: "mark", Value: "mark"}, {Name: f.option, Value: f.value}})
		if err != nil {
			v.add(member(path, f.name), "%s", optionReason(err))
		}
	}
	for j, key := range m.AutoApplySources {
		at := element(member(path, "auto_apply_sources"), j)
		switch {
		case !v.hasSource(key):
			v.add(at, "there is no source %q", cut(key))
		case slices.Index(m.AutoApplySources, key) < j:
			v.add(at, "%q is there twice", key)
		}
	}
}

// optionNames maps names and aliases of options to names.
var optionNames = func() map[string]string {
	names := map[string]string{}
	for _, doc := range transform.Vocabulary() {
		names[doc.Name] = doc.Name
		for _, alias := range doc.Aliases {
			names[alias] = doc.Name
		}
	}
	return names
}()

func (v *validator) presets() {
	for i := range v.w.Presets {
		p := &v.w.Presets[i]
		path := element("presets", i)
		first := slices.IndexFunc(v.w.Presets, func(o Preset) bool { return o.Name == p.Name }) == i
		v.key(member(path, "name"), p.Name, "preset", first)
		v.presetOptions(member(path, "options"), p.Options)
	}
}

func (v *validator) presetOptions(path, options string) {
	if len(options) > maxOptions {
		v.add(path, "are %d bytes long; at most %d are allowed", len(options), maxOptions)
		return
	}
	query, err := transform.ParseQuery(options)
	if err != nil {
		v.add(path, "%v", err)
		return
	}
	for _, param := range query {
		name, known := optionNames[param.Name]
		switch {
		case param.Name == "preset" || strings.HasPrefix(param.Name, "p:"):
			v.add(path, "%q is not allowed in a preset: presets don't refer to presets", cut(param.Name))
		case param.Name == "sig" || param.Name == "exp" || param.Name == "src" || param.Name == "dl":
			v.add(path, "%q is not allowed in a preset: it belongs to one URL", param.Name)
		case !known:
			v.add(path, "%q is no option; write options as in a URL, such as \"w=320&h=320&fit=cover\"", cut(param.Name))
		case name == "default" && strings.Contains(param.Value, "://"):
			v.add(path, "default: give source/path; a URL is not allowed")
		}
	}
	if _, err := transform.Parse(transform.Defaults(), query); err != nil {
		v.add(path, "%v", err)
		return // the checks below are slow for many images
	}
	for _, param := range query {
		switch name := optionNames[param.Name]; {
		case name == "mark" && ValidSourceKey(param.Value):
			if !slices.ContainsFunc(v.w.Marks, func(m Mark) bool { return m.Name == param.Value }) {
				v.add(path, "mark: there is no mark %q", param.Value)
			}
		case name == "mark", name == "default" && !strings.Contains(param.Value, "://"):
			v.image(path, param.Value)
		}
	}
}

// optionReason returns what is wrong with an option's value. It leaves the option's name
// out, since the workspace's field has another name.
func optionReason(err error) string {
	if e, ok := errors.AsType[*transform.OptionError](err); ok {
		return e.Reason
	}
	return fmt.Sprint(err)
}
