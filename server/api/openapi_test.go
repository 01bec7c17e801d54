package api_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

type document struct {
	OpenAPI    string
	Info       struct{ Title, Version string }
	Security   []map[string][]string
	Paths      map[string]map[string]operation
	Components struct {
		Responses       map[string]any
		Schemas         map[string]*schema
		SecuritySchemes map[string]struct{ Type, Scheme string }
	}
}

type operation struct {
	OperationID string
	Summary     string
	Security    *[]map[string][]string
	Parameters  []struct {
		Name, In, Description string
		Schema                *schema
	}
	RequestBody struct {
		Required bool
		Content  map[string]struct{ Schema *schema }
	}
	Responses map[string]struct {
		Ref     string `json:"$ref"`
		Content map[string]struct{ Schema *schema }
		Headers map[string]any
	}
}

type schema struct {
	Type        any
	Ref         string `json:"$ref"`
	Description string
	Required    []string
	Properties  map[string]*schema
	Items       *schema
	Default     any
	Enum        []string
	Minimum     *float64
	Maximum     *float64
	Format      string
	Examples    []any
}

func fetchDocument(t *testing.T) document {
	t.Helper()
	a := start(t, nil).do(t, "GET", "/v1/openapi.json", "", "Authorization", "-").want(t, 200)
	a.wantHeader(t, "Content-Type", "application/json")
	a.wantHeader(t, "Cache-Control", "public, max-age=300")
	var doc document
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	// Every reference has a target.
	for _, part := range strings.Split(a.body, `"$ref":"`)[1:] {
		ref, _, _ := strings.Cut(part, `"`)
		schema, response := strings.TrimPrefix(ref, "#/components/schemas/"), strings.TrimPrefix(ref, "#/components/responses/")
		if _, ok := doc.Components.Responses[response]; !ok && doc.Components.Schemas[schema] == nil {
			t.Errorf("%s doesn't exist", ref)
		}
	}
	return doc
}

func TestDocument(t *testing.T) {
	doc := fetchDocument(t)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") || doc.Info.Version != "1.2.3" {
		t.Errorf("OpenAPI %q, version %q", doc.OpenAPI, doc.Info.Version)
	}
	if s := doc.Components.SecuritySchemes["bearer"]; s.Type != "http" || s.Scheme != "bearer" {
		t.Errorf("security scheme: %+v", s)
	}
	if diff := cmp.Diff([]map[string][]string{{"bearer": {}}}, doc.Security); diff != "" {
		t.Errorf("security (-want +got):\n%s", diff)
	}
	for _, huma := range []string{"ErrorModel"} {
		if doc.Components.Schemas[huma] != nil {
			t.Errorf("the document has huma's %s", huma)
		}
	}

	want := map[string][]string{
		"/v1/workspaces":                                        {"get", "post"},
		"/v1/workspaces/{ns}":                                   {"delete", "get", "patch", "put"},
		"/v1/workspaces/{ns}/api-keys":                          {"delete", "get", "post"},
		"/v1/workspaces/{ns}/api-keys/{id}":                     {"delete"},
		"/v1/workspaces/{ns}/audit":                             {"get"},
		"/v1/workspaces/{ns}/billing":                           {"get"},
		"/v1/workspaces/{ns}/billing/checkout":                  {"post"},
		"/v1/workspaces/{ns}/billing/portal":                    {"post"},
		"/v1/billing/stripe":                                    {"post"},
		"/v1/workspaces/{ns}/signing-keys":                      {"get", "post"},
		"/v1/workspaces/{ns}/signing-keys/{id}":                 {"delete"},
		"/v1/workspaces/{ns}/sign":                              {"post"},
		"/v1/workspaces/{ns}/review":                            {"post"},
		"/v1/workspaces/{ns}/sources":                           {"get"},
		"/v1/workspaces/{ns}/sources/test":                      {"post"},
		"/v1/workspaces/{ns}/marks/preview":                     {"post"},
		"/v1/workspaces/{ns}/sources/{id}":                      {"delete", "put"},
		"/v1/workspaces/{ns}/marks/{id}":                        {"delete", "put"},
		"/v1/workspaces/{ns}/presets/{id}":                      {"delete", "put"},
		"/v1/workspaces/{ns}/purge":                             {"post"},
		"/v1/workspaces/{ns}/usage":                             {"get"},
		"/v1/workspaces/{ns}/errors":                            {"get"},
		"/v1/workspaces/{ns}/limits":                            {"get"},
		"/v1/workspaces/{ns}/domains":                           {"get"},
		"/v1/workspaces/{ns}/domains/{id}/verify":               {"post"},
		"/v1/openapi.json":                                      {"get"},
		"/v1/workspaces/{ns}/explain":                           {"get"},
		"/v1/workspaces/{ns}/blocks":                            {"get", "post"},
		"/v1/workspaces/{ns}/blocks/{id}":                       {"delete"},
		"/v1/workspaces/{ns}/images":                            {"get", "post"},
		"/v1/workspaces/{ns}/images/abort":                      {"post"},
		"/v1/workspaces/{ns}/images/complete":                   {"post"},
		"/v1/workspaces/{ns}/images/resume":                     {"post"},
		"/v1/workspaces/{ns}/images/upload-parts":               {"post"},
		"/v1/workspaces/{ns}/images/upload-url":                 {"post"},
		"/v1/workspaces/{ns}/images/{source}/{path}":            {"delete", "get"},
		"/v1/workspaces/{ns}/images/{source}/{path}/signed-url": {"post"},
		"/v1/workspaces/{ns}/members":                           {"get"},
		"/v1/workspaces/{ns}/alerts":                            {"get"},
		"/v1/workspaces/{ns}/alerts/rules/{id}":                 {"put"},
		"/v1/workspaces/{ns}/alerts/channels":                   {"post"},
		"/v1/workspaces/{ns}/alerts/channels/{id}":              {"delete", "put"},
		"/v1/workspaces/{ns}/alerts/channels/{id}/test":         {"post"},
		"/v1/workspaces/{ns}/alerts/channels/{id}/confirm":      {"post"},
		"/v1/workspaces/{ns}/alerts/channels/{id}/resend":       {"post"},
		"/v1/workspaces/{ns}/members/{id}":                      {"delete", "patch"},
		"/v1/workspaces/{ns}/invitations":                       {"get", "post"},
		"/v1/workspaces/{ns}/invitations/{id}":                  {"delete"},
		"/v1/accounts":                                          {"get", "post"},
		"/v1/accounts/{id}/passkeys":                            {"delete"},
		"/v1/accounts/{id}/sessions":                            {"delete", "get"},
		"/v1/accounts/{id}/sessions/{session}":                  {"delete"},
		"/v1/plans":                                             {"get"},
		"/v1/plans/{name}":                                      {"delete", "get", "put"},
		"/v1/audit":                                             {"get"},
		"/v1/docs":                                              {"get"},
	}
	got := map[string][]string{}
	for path, operations := range doc.Paths {
		got[path] = slices.Sorted(maps.Keys(operations))
		for method, op := range operations {
			if op.OperationID == "" || op.Summary == "" {
				t.Errorf("%s %s has no id or summary", method, path)
			}
			for _, status := range []string{"4XX", "default"} {
				if ref := op.Responses[status].Ref; ref != "#/components/responses/Error" {
					t.Errorf("%s %s: answer %s is %q", method, path, status, ref)
				}
			}
			if public := op.Security != nil && len(*op.Security) == 0; public != (path == "/v1/openapi.json" || path == "/v1/docs" || path == "/v1/billing/stripe") {
				t.Errorf("%s %s: public %t", method, path, public)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: parameter %s is not described", method, path, p.Name)
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}

	for method, schemas := range map[string]map[string]string{
		"put":   {"application/json": "WorkspaceReplacement"},
		"patch": {"application/json": "WorkspacePatch", "application/merge-patch+json": "WorkspacePatch"},
	} {
		body := doc.Paths["/v1/workspaces/{ns}"][method].RequestBody
		got := map[string]string{}
		for contentType, c := range body.Content {
			got[contentType] = strings.TrimPrefix(c.Schema.Ref, "#/components/schemas/")
		}
		if diff := cmp.Diff(schemas, got); diff != "" || !body.Required {
			t.Errorf("body of %s (-want +got):\n%s", method, diff)
		}
	}
	for _, p := range doc.Paths["/v1/workspaces"]["get"].Parameters {
		if p.Name == "limit" && (p.Schema.Type != "integer" || p.Schema.Default != 50.0) {
			t.Errorf("limit: %+v", p.Schema)
		}
	}
	post := doc.Paths["/v1/workspaces"]["post"]
	if created := post.Responses["201"]; created.Content["application/json"].Schema.Ref != "#/components/schemas/Workspace" ||
		created.Headers["Location"] == nil || created.Headers["ETag"] == nil {
		t.Errorf("answer of post: %+v", created)
	}
}

// TestSchemas: the schemas have every field of the Go types, each with a description.
func TestSchemas(t *testing.T) {
	schemas := fetchDocument(t).Components.Schemas
	for _, typ := range []reflect.Type{
		reflect.TypeFor[workspace.Workspace](), reflect.TypeFor[workspace.Source](), reflect.TypeFor[workspace.Mark](),
		reflect.TypeFor[workspace.Preset](), reflect.TypeFor[workspace.Limits](),
	} {
		want := map[string]bool{}
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "-" {
				want[name] = true
			}
		}
		names := []string{typ.Name()}
		if typ.Name() == "Workspace" {
			names = append(names, "NewWorkspace", "WorkspaceReplacement", "WorkspacePatch")
		}
		for _, name := range names {
			got := map[string]bool{}
			for field, s := range schemas[name].Properties {
				got[field] = true
				if s.Description == "" {
					t.Errorf("%s.%s is not described", name, field)
				}
				if s.Type == nil && s.Ref == "" {
					t.Errorf("%s.%s has no type", name, field)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("fields of %s (-want +got):\n%s", name, diff)
			}
		}
	}
	for name, required := range map[string][]string{
		"NewWorkspace":         {"namespace"},
		"WorkspaceReplacement": {"namespace", "revision"},
		"WorkspacePatch":       nil,
		"Limits":               nil,
	} {
		if diff := cmp.Diff(required, schemas[name].Required); diff != "" {
			t.Errorf("required in %s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]any{"array", "null"}, schemas["WorkspacePatch"].Properties["sources"].Type); diff != "" {
		t.Errorf("sources in a patch (-want +got):\n%s", diff)
	}
	if got := schemas["Workspace"].Properties["sources"].Type; got != "array" {
		t.Errorf("sources in an answer: %v", got)
	}
}

// TestDefaults: a workspace that leaves fields out has the defaults that the document
// names.
func TestDefaults(t *testing.T) {
	schemas := fetchDocument(t).Components.Schemas
	data, err := json.Marshal(workspace.New("acme"))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for name, s := range schemas["NewWorkspace"].Properties {
		if s.Default == nil {
			continue
		}
		if diff := cmp.Diff(fields[name], s.Default); diff != "" {
			t.Errorf("default of %s (-workspace +document):\n%s", name, diff)
		}
		delete(fields, name)
	}
	for _, name := range []string{"namespace", "limits", "id", "revision", "created_at", "updated_at"} {
		delete(fields, name) // has no default, or is set by the server
	}
	if len(fields) > 0 {
		t.Errorf("the document has no default for %v", slices.Sorted(maps.Keys(fields)))
	}
}

// TestMarkOptions shows that the schema of a mark has the words, ranges, defaults and kinds of
// the options that the mark's fields stand for, and speaks of fields rather than options.
func TestMarkOptions(t *testing.T) {
	fields := fetchDocument(t).Components.Schemas["Mark"].Properties
	options := workspace.MarkOptions()
	if len(options) < 8 || options["width"] != "mark-w" || options["opacity"] != "mark-opacity" {
		t.Errorf("the options of a mark's fields are %v", options)
	}
	docs := map[string]transform.OptionDoc{}
	for _, doc := range transform.Vocabulary() {
		docs[doc.Name] = doc
	}
	for field, option := range options {
		doc, s := docs[option], fields[field]
		if s == nil {
			t.Errorf("there is no field %s", field)
			continue
		}
		if strings.Contains(s.Description, "mark-") {
			t.Errorf("%s: %q speaks of an option", field, s.Description)
		}
		if d := doc.Domain.Default; d != "" && doc.Domain.Kind != transform.KindBool && !strings.Contains(s.Description, "Default `"+d+"`.") {
			t.Errorf("%s: %q doesn't say the default %s", field, s.Description, d)
		}
		switch doc.Domain.Kind {
		case transform.KindEnum:
			want := slices.Clone(doc.Domain.Words)
			for _, synonym := range doc.Domain.Synonyms {
				want = append(want, synonym.Spelling)
			}
			if diff := cmp.Diff(want, s.Enum); diff != "" {
				t.Errorf("words of %s (-vocabulary +document):\n%s", field, diff)
			}
		case transform.KindFloat:
			if diff := cmp.Diff([]*float64{&doc.Domain.Min, &doc.Domain.Max}, []*float64{s.Minimum, s.Maximum}); diff != "" {
				t.Errorf("range of %s (-vocabulary +document):\n%s", field, diff)
			}
		case transform.KindBool:
			if s.Type != "boolean" || s.Default != false {
				t.Errorf("%s is a %v with the default %v", field, s.Type, s.Default)
			}
		default:
			if !strings.Contains(s.Description, doc.Values) || s.Format != string(doc.Domain.Kind) {
				t.Errorf("%s: %q of format %q doesn't say %q", field, s.Description, s.Format, doc.Values)
			}
			if len(s.Examples) != 1 {
				t.Fatalf("%s has the examples %q", field, s.Examples)
			}
			example, _ := s.Examples[0].(string)
			q := transform.Query{{Name: "mark", Value: "m"}, {Name: option, Value: example}}
			if _, err := transform.Parse(transform.Defaults(), q); err != nil {
				t.Errorf("%s: the example %q: %v", field, example, err)
			}
		}
	}
}

// The document that the types of the npm package are made from.
func TestClientDocument(t *testing.T) {
	a := start(t, nil).do(t, "GET", "/v1/openapi.json", "", "Authorization", "-").want(t, 200)
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(a.body), "", " "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	golden.File(t, "../../clients/js/openapi.json", b.String())
}
