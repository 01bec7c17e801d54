package transform_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/transform"
)

func TestOptionsPage(t *testing.T) {
	path := filepath.Join("..", "docs", "options.md")
	golden.File(t, path, optionsPage())
}

// The comment of Parse has the same table.
func TestParseComment(t *testing.T) {
	const path, before, after = "parse.go", "// The options, their aliases and values:\n//\n", "//\n// docs/options.md and [Vocabulary] explain"
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(source), before)
	_, tail, ok2 := strings.Cut(rest, after)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no table between %q and %q", path, before, after)
	}
	golden.File(t, path, head+before+commentTable()+after+tail)
}

func commentTable() string {
	var b strings.Builder
	for _, doc := range transform.Vocabulary() {
		fmt.Fprintf(&b, "//\t%-26s %s\n", strings.Join(append([]string{doc.Name}, doc.Aliases...), ", "), doc.Values)
	}
	return b.String()
}

func optionsPage() string {
	var b strings.Builder
	b.WriteString(`# Options

<!-- Made from transform/vocabulary.go by "go test ./transform -update": change it there. -->

Options in the query string of a URL transform an image:

` + "```" + `
https://img.example.com/acme/photos/cat.jpg?w=400&h=300&fit=cover
` + "```" + `

- The order of the parameters doesn't matter.
- A value that is not allowed is an error that names the parameter. So is an option that is given twice, also under an alias.
- A name that is not in this table is ignored.
- Write ` + "`%` as `%25`, `&` as `%26`, `;` as `%3B` and `+` as `%2B`" + `.
- Numbers are rounded to four decimals.

Options are always applied in this order: EXIF orientation, ` + "`rect`, `inset`, `trim`, `rotate` and `flip`, resizing and cropping, colours and effects, `pad`, `radius`, the mark" + `,
encoding.

Colours and effects are applied in this order: ` + "`blur`, `sharpen`, `pixelate`, `gamma`, `brightness`, `contrast`, `saturation`, `grayscale`, `sepia`, `invert`" + `. They
don't change the background behind transparent pixels and around the picture. The colour functions don't change transparency.

An output that shows every pixel of the original unchanged never has more bytes than the original. If it would, the output is the original itself, without
the metadata that must go. It has the original's format if ` + "`format`" + ` allows that.

## Resize, crop, rotate, effects, formats, marks
The examples use the demo's pictures. Put ` + "`http://localhost:8080/demo/samples/`" + ` in front of them.

| name | values | default | meaning | example |
| --- | --- | --- | --- | --- |
`)
	code := func(names []string) string { return "`" + strings.Join(names, "` `") + "`" }
	for _, doc := range transform.Vocabulary() {
		names := code([]string{doc.Name})
		if len(doc.Aliases) > 0 {
			names += " (" + code(doc.Aliases) + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | `%s` |\n", names, doc.Values, doc.Default, doc.Meaning, doc.Sample)
	}
	b.WriteString(`
Beside the options, a URL may name a preset (` + "`preset=NAME` or `p:NAME`" + `), whose options come first, so that the URL's override them.
`)
	return b.String()
}

func TestVocabulary(t *testing.T) {
	seen := make(map[string]bool)
	for _, doc := range transform.Vocabulary() {
		for _, name := range append([]string{doc.Name}, doc.Aliases...) {
			if seen[name] {
				t.Errorf("%s is declared twice", name)
			}
			seen[name] = true
			for _, reserved := range []string{"src", "sig", "exp", "select", "preset"} {
				if name == reserved || strings.HasPrefix(name, "p:") {
					t.Errorf("%s is the server's", name)
				}
			}
		}
		for _, text := range []string{doc.Values, doc.Default, doc.Meaning, doc.Sample} {
			if text == "" || strings.ContainsAny(text, "|\n") || !utf8.ValidString(text) {
				t.Errorf("%s: %q is no text of a table", doc.Name, text)
			}
		}
		if !strings.HasSuffix(doc.Meaning, ".") {
			t.Errorf("%s: %q is no sentence", doc.Name, doc.Meaning)
		}
	}
}

// If a default can be written as a value, that value means the same as leaving the option
// out.
func TestVocabularyDefaults(t *testing.T) {
	words := map[string]bool{"derived": true, "none": true, "off": true, "all": true, "the original's": true, "as fit says": true, "as q": true}
	for _, doc := range transform.Vocabulary() {
		if words[doc.Default] && doc.Name != "metadata" {
			continue
		}
		// Options of a mark have no effect without one.
		q := transform.Query{{Name: "mark", Value: "m"}, {Name: doc.Name, Value: doc.Default}}
		o, err := transform.Parse(transform.Defaults(), q)
		if err != nil {
			t.Errorf("%s: the default %q is not allowed: %v", doc.Name, doc.Default, err)
			continue
		}
		if got := o.String(); got != "mark=m" {
			t.Errorf("%s: with its default %q the options are %q", doc.Name, doc.Default, got)
		}
	}
}

// Parse accepts the values that an option's domain describes.
func TestVocabularyDomains(t *testing.T) {
	parse := func(name, value string) (transform.Options, error) {
		return transform.Parse(transform.Defaults(), transform.Query{{Name: "mark", Value: "m"}, {Name: name, Value: value}})
	}
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	// For these, no value means the same as leaving the option out.
	noDefault := map[string]bool{"size": true, "w": true, "h": true, "ar": true, "rect": true, "trim": true, "flip": true, "mark-size": true, "mark-w": true, "mark-h": true,
		"enlarge": true, "q-avif": true, "q-webp": true, "q-jxl": true}
	for _, doc := range transform.Vocabulary() {
		if doc.Name == "mark" {
			continue // a mark has no default
		}
		d := doc.Domain
		var takes, refuses []string
		switch d.Kind {
		case transform.KindInt:
			takes, refuses = []string{number(d.Min), number(d.Max)}, []string{number(d.Max + 1), number(d.Min + d.Step/2)}
			if d.Min > 0 {
				refuses = append(refuses, number(d.Min-1))
			}
		case transform.KindFloat:
			takes, refuses = []string{number(d.Min), number(d.Max), number(d.Max - d.Step)}, []string{number(d.Max + 0.001)}
			if d.Min > 0 {
				refuses = append(refuses, number(d.Min-0.001))
			}
		case transform.KindBool:
			takes, refuses = []string{"0", "1"}, []string{"2"}
		case transform.KindEnum, transform.KindPosition:
			refuses = []string{"such"}
			if len(d.Words) < 2 {
				t.Errorf("%s: words %q", doc.Name, d.Words)
			}
		case transform.KindColor:
			takes, refuses = []string{"f00", "tomato"}, []string{"such"}
		case transform.KindLength:
			takes, refuses = []string{number(d.Max), "50%"}, []string{number(d.Max + 1), "101%"}
		case transform.KindSides:
			takes, refuses = []string{"1,2,3,4", number(d.Max)}, []string{number(d.Max + 1), "1,2,3,4,5"}
		case transform.KindRatio:
			takes, refuses = []string{"16:9", number(d.Max) + ":1"}, []string{number(d.Max+1) + ":1", "16"}
		case transform.KindRegion:
			takes, refuses = []string{"0,0,1,1", "0,0,50%," + number(d.Max)}, []string{"0,0,1", "0,0,1," + number(d.Max+1)}
		case transform.KindText:
			takes, refuses = []string{strings.Repeat("a", int(d.Max)), strings.Repeat("a", int(d.Min))}, []string{strings.Repeat("a", int(d.Max)+1)}
		default:
			t.Errorf("%s has kind %q", doc.Name, d.Kind)
		}
		if (d.Step > 0) != (d.Kind == transform.KindInt || d.Kind == transform.KindFloat) {
			t.Errorf("%s is a %s with step %v", doc.Name, d.Kind, d.Step)
		}
		for _, v := range append(takes, d.Words...) {
			if _, err := parse(doc.Name, v); err != nil {
				t.Errorf("%s=%.40s: %v", doc.Name, v, err)
			}
		}
		for _, v := range refuses {
			if o, err := parse(doc.Name, v); err == nil {
				t.Errorf("%s=%.40s is taken: %s", doc.Name, v, o)
			}
		}
		for _, s := range d.Synonyms {
			spelt, err := parse(doc.Name, s.Spelling)
			plain, err2 := parse(doc.Name, s.Word)
			if err != nil || err2 != nil || spelt != plain {
				t.Errorf("%s: %s is not %s", doc.Name, s.Spelling, s.Word)
			}
		}
		if (d.Default == "") != (noDefault[doc.Name] || d.Kind == transform.KindText) {
			t.Errorf("%s has the default %q", doc.Name, d.Default)
		}
		if d.Default != "" {
			if o, err := parse(doc.Name, d.Default); err != nil || o.String() != "mark=m" {
				t.Errorf("%s: the default %q is %q, %v", doc.Name, d.Default, o, err)
			}
		}
	}
}
