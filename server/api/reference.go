package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	texttemplate "text/template"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
)

// A reference is the content of the reference page, made from the OpenAPI document.
type reference struct {
	Version string
	Intro   string
	Groups  []group
	Schemas []schemaTable
}

type (
	// A group is the operations under one tag.
	group struct {
		Name, Text string
		Operations []operation
	}
	operation struct {
		Method, Path, ID, Summary, Text string
		Needs                           string // the key that it needs, as text
		Parameters                      []field
		Body, BodyText                  string // schema and description; empty without a body
		Answers                         []answer
	}
	answer struct{ Status, Text, Schema string }
	// A schemaTable is a schema and its fields.
	schemaTable struct {
		Name   string
		Fields []field
	}
	field struct {
		Name, Kind, Text string
		Required         bool
	}
)

// needsText is the text for the right in an operation's Security.
var needsText = map[string]string{
	"": "no key", "root": "the root key", "read": "an API key with the scope read, or the root key", "write": "an API key with the scope write, or the root key",
	"admin":                "an API key with the scope admin, or the root key",
	string(account.AnyKey): "any API key, or the root key",
}

func makeReference(doc *huma.OpenAPI) reference {
	r := reference{Version: doc.Info.Version, Intro: doc.Info.Description}
	byTag := map[string][]operation{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				byTag[op.Tags[0]] = append(byTag[op.Tags[0]], makeOperation(op))
			}
		}
	}
	for _, tag := range doc.Tags {
		r.Groups = append(r.Groups, group{tag.Name, tag.Description, byTag[tag.Name]})
	}
	all := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if s := all[name]; len(s.Properties) > 0 {
			r.Schemas = append(r.Schemas, schemaTable{name, fieldsOf(s)})
		}
	}
	return r
}

func makeOperation(op *huma.Operation) operation {
	o := operation{Method: op.Method, Path: op.Path, ID: op.OperationID, Summary: op.Summary, Text: op.Description}
	role := ""
	if len(op.Security) > 0 {
		role = cmp.Or(strings.Join(op.Security[0][bearer], " "), string(account.AnyKey))
	}
	o.Needs = needsText[role]
	for _, p := range op.Parameters {
		o.Parameters = append(o.Parameters, field{p.Name, cmp.Or(p.In, "query") + ", " + kindOf(p.Schema), p.Description, p.Required})
	}
	if body := op.RequestBody; body != nil {
		types := slices.Sorted(maps.Keys(body.Content))
		o.Body, o.BodyText = schemaName(body.Content[types[0]].Schema.Ref), body.Description+" Sent as "+strings.Join(types, " or ")+"."
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if op.Responses[status].Ref != "" { // an error
			continue
		}
		a := answer{Status: status, Text: op.Responses[status].Description}
		for _, media := range op.Responses[status].Content {
			if media.Schema != nil {
				a.Schema = schemaName(media.Schema.Ref)
			}
		}
		o.Answers = append(o.Answers, a)
	}
	return o
}

func schemaName(ref string) string { return strings.TrimPrefix(ref, schemaPrefix) }

func fieldsOf(s *huma.Schema) (fields []field) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		text := p.Description
		if p.Default != nil {
			text = strings.TrimSpace(text + fmt.Sprintf(" Default %s.", jsonText(p.Default)))
		}
		for _, e := range p.Examples {
			text += fmt.Sprintf(" Example: `%v`.", e)
		}
		fields = append(fields, field{name, kindOf(p), text, slices.Contains(s.Required, name)})
	}
	return fields
}

func jsonText(v any) string {
	var b bytes.Buffer
	if err := jsonFormat.Marshal(&b, v); err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// kindOf describes a schema's type in a few words.
func kindOf(s *huma.Schema) string {
	if s == nil {
		return "any"
	}
	kind := cmp.Or(schemaName(s.Ref), s.Type, "any")
	if s.Items != nil {
		kind = "list of " + kindOf(s.Items)
	}
	if len(s.Enum) > 0 {
		var words []string
		for _, e := range s.Enum {
			if e != nil { // is said below
				words = append(words, fmt.Sprint(e))
			}
		}
		kind = strings.Join(words, ", ")
	}
	if s.Minimum != nil && s.Maximum != nil {
		kind += " " + strconv.FormatFloat(*s.Minimum, 'f', -1, 64) + "–" + strconv.FormatFloat(*s.Maximum, 'f', -1, 64)
	}
	for _, most := range []*int{s.MaxItems, s.MaxProperties} {
		if most != nil {
			kind += ", at most " + strconv.Itoa(*most)
		}
	}
	if s.Nullable && s.Items == nil {
		kind += " or null"
	}
	return kind
}

var (
	//go:embed reference.md.tmpl
	markdownSource string
	//go:embed reference.html.tmpl
	pageSource string
	//go:embed reference.css
	pageStyle string

	markdownTemplate = texttemplate.Must(texttemplate.New("api.md").Funcs(texttemplate.FuncMap{"cell": cell, "anchor": strings.ToLower}).Parse(markdownSource))
	pageTemplate     = template.Must(template.New("docs").Funcs(template.FuncMap{"rich": rich}).Parse(pageSource))
)

// cell escapes a text for a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// rich returns the text as HTML. Text between backticks becomes code.
func rich(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if part = template.HTMLEscapeString(part); i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

// Markdown returns docs/api.md, the reference of the API.
func Markdown() ([]byte, error) {
	a := newAPI(Config{})
	r := makeReference(a.huma.OpenAPI())
	var b bytes.Buffer
	err := markdownTemplate.Execute(&b, r)
	return regexp.MustCompile(`\n{3,}`).ReplaceAll(b.Bytes(), []byte("\n\n")), err
}

// OpenAPI returns the OpenAPI document of the API, as /v1/openapi.json answers it.
func OpenAPI() []byte { return render(newAPI(Config{}).huma.OpenAPI()) }

// page returns the reference as one HTML page without scripts, and its
// Content-Security-Policy, which allows only the page's own style.
func page(doc *huma.OpenAPI) (html []byte, policy string) {
	var b bytes.Buffer
	data := struct {
		reference
		Style template.CSS
	}{makeReference(doc), template.CSS(pageStyle)}
	if err := pageTemplate.Execute(&b, data); err != nil {
		panic("api: the reference page: " + err.Error())
	}
	// A browser hashes the text between the tags (CSP 3 §8.4).
	_, style, _ := strings.Cut(b.String(), "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return b.Bytes(), "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

type pageOutput struct {
	ContentType           string `header:"Content-Type" hidden:"true"`
	ContentLength         string `header:"Content-Length" hidden:"true"`
	CacheControl          string `header:"Cache-Control" hidden:"true"`
	ContentSecurityPolicy string `header:"Content-Security-Policy" hidden:"true"`
	ReferrerPolicy        string `header:"Referrer-Policy" hidden:"true"`
	Body                  []byte
}

func (a *api) getPage(context.Context, *struct{}) (*pageOutput, error) {
	d := a.documents()
	return &pageOutput{
		ContentType:           "text/html; charset=utf-8",
		ContentLength:         strconv.Itoa(len(d.page)),
		CacheControl:          "public, max-age=300",
		ContentSecurityPolicy: d.pagePolicy,
		ReferrerPolicy:        "no-referrer",
		Body:                  d.page,
	}, nil
}

func (a *api) pageRoute() {
	handle(a, anybody, huma.Operation{
		Method: http.MethodGet, Path: "/v1/docs", OperationID: "getReference", Tags: []string{"Documentation"},
		Summary:     "Read this reference as a page",
		Description: "Needs no key. The page has no scripts and loads nothing from other hosts.",
		Responses: map[string]*huma.Response{"200": {
			Description: "A page of HTML.",
			Content:     map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, a.getPage)
}
