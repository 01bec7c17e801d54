// Package playground has what the pages share on which people try options on a picture: the
// playground that anybody opens, and the one of the dashboard. It has the controls of all
// options, what the script main.js of package server/web knows, and the words for answers
// without a picture.
//
// For most uses, put [Bench.HTML] into a page beside a form that names the original, and
// [Data] as JSON into its element page-data.
package playground

import (
	_ "embed"
	"html/template"
	"strings"
	"sync"

	"github.com/tintype/tintype/fault"
)

//go:embed bench.html
var benchHTML string

// benchTemplate is parsed for the first page, since workers and most commands show none.
var benchTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("bench").Parse(benchHTML))
})

// groupsHTML has the controls of all options. It is the same on every page.
var groupsHTML = sync.OnceValue(func() template.HTML {
	var b strings.Builder
	if err := benchTemplate().ExecuteTemplate(&b, "groups", controlGroups); err != nil {
		panic(err) // the template and its data are part of the program
	}
	return template.HTML(b.String())
})

// A Bench is the part of a page below the choice of an original: the URL, the original
// beside the variant, the controls, and texts to copy. The zero value is the one of a
// stranger, who knows no names of the workspace.
type Bench struct {
	Presets, Marks []string // names to choose from
	Lifetimes      []Lifetime
}

// A Lifetime is how long a signed URL may be good for.
type Lifetime struct {
	Seconds int
	Name    string // such as "one hour"
}

// Groups returns the controls, for the template.
func (Bench) Groups() template.HTML { return groupsHTML() }

// HTML returns the part as it stands in a page.
func (b Bench) HTML() (template.HTML, error) {
	var text strings.Builder
	err := benchTemplate().ExecuteTemplate(&text, "bench", b)
	return template.HTML(text.String()), err
}

// Data is what the script of a page knows.
type Data struct {
	Namespace string                `json:"namespace"`
	Options   []Option              `json:"options"`
	Advice    map[fault.Code]Advice `json:"advice"`
	Member    *Member               `json:"member,omitempty"` // nil for a stranger
	Live      bool                  `json:"live,omitempty"`   // the page shows a picture anew when its file changes
}

// A Member is what the script knows where a member of the workspace uses it.
type Member struct {
	Base             string            `json:"base"` // scheme and host of URLs, without a slash at the end
	Sources          []Source          `json:"sources"`
	Presets          map[string]string `json:"presets"` // options by name
	RequireSignature bool              `json:"requireSignature"`
	PresetsOnly      bool              `json:"presetsOnly"`
	Page             string            `json:"page"`       // path of the page, which also signs
	CannotSign       *Advice           `json:"cannotSign"` // why this member gets no signed URL; nil where he gets one
	Src              string            `json:"src"`        // the original that the page opens with
	First            map[string]string `json:"first"`      // options that the page opens with
}

// A Source is a source of the workspace.
type Source struct {
	Key     string   `json:"key"`
	Private bool     `json:"private"`
	Listed  bool     `json:"listed"` // its images can be listed
	Marks   []string `json:"marks"`  // that are bound to it
}

// NewData returns the data for a workspace. dashboard says that there are pages under /app,
// to which advice links.
func NewData(namespace string, dashboard bool) Data {
	return Data{Namespace: namespace, Options: options, Advice: advise(namespace, dashboard, false)}
}

// NewMemberData is NewData for a page of the dashboard.
func NewMemberData(namespace string, m Member) Data {
	return Data{Namespace: namespace, Options: options, Advice: advise(namespace, true, true), Member: &m}
}

// help returns what each option means, by its name, as the file help.json of package
// server/web has it. Of Markdown the texts have only `code`.
func help() map[string]string {
	all := map[string]string{}
	for _, g := range controlGroups {
		for _, c := range g.Controls {
			text := c.Meaning + " Allowed: " + c.Values + ". Default: " + c.Default + "."
			if len(c.Aliases) > 0 {
				text += " Also: `" + strings.Join(c.Aliases, "`, `") + "`."
			}
			all[c.Name] = text
		}
	}
	return all
}
