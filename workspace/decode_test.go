package workspace_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// example is a complete workspace.
const example = `{ "namespace": "acme", "name": "Acme", "allowed_origins": ["*"], "allowed_sources": ["*"], "https_only": false, "require_signature": false,
  "presets_only": false, "dialect": "native", "allow_svg": false, "allow_tiff": false, "domains": [],
  "sources": [ {"key":"photos","kind":"http","url":"https://origin.acme.com/photos/","private":false,"headers":{},"public_urls":[]},
               {"key":"media","kind":"s3","bucket":"acme-media","region":"eu-west-1","prefix":"","endpoint":"",
                "access_key_id":"AKIAEXAMPLE","secret_access_key":"wJalrXUtnFEMI"},
               {"key":"vault","kind":"r2","account_id":"0123456789abcdef0123456789abcdef","bucket":"vault","access_key_id":"k","secret_access_key":"s","private":true} ],
  "marks":   [ {"name":"brand","image":"media/logo.png","width":"15%","align":"bottom,right","pad":"2%","opacity":0.6,
                "auto_apply_sources":["photos"]} ],
  "presets": [ {"name":"thumb","options":"w=320&h=320&fit=cover"} ],
  "limits":  {"requests_per_minute":0,"transforms_per_minute":0,"transforms_per_month":0}, "revision": 7 }`

func decode(t *testing.T, data string) *workspace.Workspace {
	t.Helper()
	w, err := workspace.Decode([]byte(data))
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	return w
}

func marshal(t *testing.T, w *workspace.Workspace) []byte {
	t.Helper()
	data, err := json.Marshal(w)
	if err != nil {
		t.Fatalf("Marshal: %v", err)
	}
	return data
}

func TestExample(t *testing.T) {
	w := decode(t, example)
	if err := w.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	if w.Revision != 7 || len(w.Sources) != 3 || !w.Sources[2].Private || *w.Marks[0].Opacity != 0.6 ||
		w.Presets[0].Options != "w=320&h=320&fit=cover" || w.Sources[1].SecretAccessKey != "wJalrXUtnFEMI" {
		t.Errorf("decoded: %+v", w)
	}
	if d := cmp.Diff(w, decode(t, string(marshal(t, w)))); d != "" {
		t.Errorf("round trip (-before +after):\n%s", d)
	}
}

func TestEveryFieldRoundTrips(t *testing.T) {
	w := workspacetest.Full("acme")
	if err := w.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	if d := cmp.Diff(w, decode(t, string(marshal(t, w)))); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
}

func TestDefaults(t *testing.T) {
	w := decode(t, `{"namespace":"acme"}`)
	if d := cmp.Diff(workspace.New("acme"), w); d != "" {
		t.Errorf("(-New +Decode):\n%s", d)
	}
	const want = `{"namespace":"acme","name":"","allowed_origins":["*"],"allowed_sources":["*"],"https_only":false,` +
		`"require_signature":false,"presets_only":false,"dialect":"native","default_source":"","strict_options":false,"fallback_format":"original","cdn_cache_control":"","surrogate_key":false,"quota_headers":false,"allow_svg":false,"allow_tiff":false,"domains":[],` +
		`"sources":[],"marks":[],"presets":[],"plan":"","limits":{"requests_per_minute":0,"transforms_per_minute":0,"transforms_per_day":0,"transforms_per_month":0},` +
		`"id":"","revision":0,"created_at":"0001-01-01T00:00:00Z","updated_at":"0001-01-01T00:00:00Z"}`
	if got := string(marshal(t, w)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, zero := range map[string]*workspace.Workspace{"Clone": {}, "Masked": {}} {
		c := zero.Clone()
		if name == "Masked" {
			c = zero.Masked()
		}
		if strings.Contains(string(marshal(t, c)), "null") {
			t.Errorf("%s of a zero workspace has nulls", name)
		}
	}
	// An empty list differs from a missing one.
	w = decode(t, `{"allowed_sources":[],"allowed_origins":[],"marks":[{"name":"brand"}]}`)
	if len(w.AllowedSources)+len(w.AllowedOrigins) != 0 {
		t.Errorf("empty lists became %q and %q", w.AllowedSources, w.AllowedOrigins)
	}
	if got := string(marshal(t, w)); !strings.Contains(got, `"allowed_sources":[]`) || !strings.Contains(got, `"auto_apply_sources":[]`) {
		t.Errorf("empty lists are written %s", got)
	}
}

func TestDecodeNormalizes(t *testing.T) {
	w := decode(t, `{"domains":["IMG.Bücher.example"],"sources":[
		{"url":"HTTPS://Origin.ACME.com:443/photos","public_urls":["http://CDN.acme.com"],"prefix":"a/b","endpoint":"https://Minio.example.com:9000/"},
		{"url":"https://origin.acme.com/a?b"}]}`)
	s := w.Sources[0]
	got := []string{w.Domains[0], s.URL, s.PublicURLs[0], s.Prefix, s.Endpoint, w.Sources[1].URL}
	want := []string{"img.xn--bcher-kva.example", "https://origin.acme.com/photos/", "http://cdn.acme.com/", "a/b/",
		"https://minio.example.com:9000", "https://origin.acme.com/a?b"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, test := range []struct{ data, path, message string }{
		{``, "", "invalid JSON"},
		{`{`, "", "invalid JSON in line 1"},
		{"{\n\n,}", "", "invalid JSON in line 3"},
		{`{} {}`, "", "invalid JSON"},
		{`{}x`, "", "invalid JSON"},
		{"{\"name\":\"\xff\"}", "", "not UTF-8"},
		{`[]`, "", "must be an object, not a list"},
		{`null`, "", "must be an object, not null"},
		{`{"name":"a","name":"b"}`, "name", "given twice"},
		{`{"sources":[{},{"headers":{"A":"1","A":"2"}}]}`, "sources[1].headers.A", "given twice"},
		{`{"allowed_sauces":[]}`, "allowed_sauces", "unknown field; known are namespace, name,"},
		{`{"Namespace":"acme"}`, "Namespace", "unknown field"},
		{`{"sources":[{"kez":"a"}]}`, "sources[0].kez", "unknown field; known are key, kind,"},
		{`{"a b":1}`, `["a b"]`, "unknown field"},
		{`{"name":1}`, "name", "must be a string, not a number: put it in quotes"},
		{`{"https_only":"true"}`, "https_only", "must be true or false, not a string"},
		{`{"domains":"a.example.com"}`, "domains", "must be a list, not a string"},
		{`{"domains":[1]}`, "domains[0]", "must be a string"},
		{`{"allowed_sources":null}`, "allowed_sources", "must not be null"},
		{`{"sources":{}}`, "sources", "must be a list, not an object"},
		{`{"limits":[]}`, "limits", "must be an object, not a list"},
		{`{"sources":[{"headers":[]}]}`, "sources[0].headers", "must be an object of strings"},
		{`{"sources":[{"headers":{"X-A":1}}]}`, "sources[0].headers.X-A", "must be a string"},
		{`{"sources":[{"ttl":1.5}]}`, "sources[0].ttl", "must be a whole number"},
		{`{"sources":[{"ttl":99999999999999999999}]}`, "sources[0].ttl", "must be a whole number"},
		{`{"marks":[{"opacity":"1"}]}`, "marks[0].opacity", "must be a number, not a string"},
		{`{"marks":[{"opacity":1e999}]}`, "marks[0].opacity", "too large"},
		{`{"revision":"7"}`, "revision", "must be a whole number"},
		{`{"revision":null}`, "revision", "must not be null"},
		{strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40), "a" + strings.Repeat(".a", 32), "nested too deeply"},
	} {
		w, err := workspace.Decode([]byte(test.data))
		wantProblem(t, test.data, err, test.path, test.message)
		if w != nil {
			t.Errorf("%s: a workspace with an error", test.data)
		}
	}
	_, err := workspace.Decode([]byte(`{"name":1,"nome":2,"sources":[{"ttl":"x"}]}`))
	if invalid, ok := errors.AsType[*workspace.ValidationError](err); !ok || len(invalid.Problems) != 3 {
		t.Errorf("not all problems at once: %v", err)
	}
}

// Fields that the server sets are ignored in requests, whatever their values.
func TestServerMadeFieldsAreIgnored(t *testing.T) {
	for _, value := range []string{`"yesterday"`, `"0000-01-01T00:00:00+01:00"`, `""`, `5`, `true`, `null`, `[1]`, `{"a":{"b":null}}`} {
		for _, field := range []string{"id", "created_at", "updated_at"} {
			data := fmt.Sprintf(`{"namespace":"acme","name":"Acme",%q:%s}`, field, value)
			w, err := workspace.Decode([]byte(data))
			if err != nil || w.Name != "Acme" || !w.CreatedAt.IsZero() || !w.UpdatedAt.IsZero() {
				t.Errorf("Decode of %s: %+v, %v", data, w, err)
			}
			if all, err := workspace.DecodeAll(strings.NewReader(data), "w.yaml"); err != nil || all[0].Name != "Acme" {
				t.Errorf("DecodeAll of %s: %v", data, err)
			}
			before := workspacetest.Full("acme")
			before.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			w, err = workspace.MergePatch(before, []byte(data))
			if err != nil || w.Name != "Acme" || w.ID != before.ID || !w.CreatedAt.Equal(before.CreatedAt) || !w.UpdatedAt.Equal(before.UpdatedAt) {
				t.Errorf("MergePatch of %s: %+v, %v", data, w, err)
			}
		}
	}
	// In other objects these names are unknown fields.
	_, err := workspace.Decode([]byte(`{"sources":[{"id":"x"}]}`))
	wantProblem(t, "a source's id", err, "sources[0].id", "unknown field")
}

// tooLong are documents with a list or map that has too many elements, all of them wrong,
// and the path of that list.
var tooLong = map[string]string{
	`{"allowed_origins":[%s]}`:                "allowed_origins",
	`{"allowed_sources":[%s]}`:                "allowed_sources",
	`{"domains":[%s]}`:                        "domains",
	`{"sources":[%s]}`:                        "sources",
	`{"marks":[%s]}`:                          "marks",
	`{"presets":[%s]}`:                        "presets",
	`{"sources":[{"headers":{%s}}]}`:          "sources[0].headers",
	`{"sources":[{"public_urls":[%s]}]}`:      "sources[0].public_urls",
	`{"marks":[{"auto_apply_sources":[%s]}]}`: "marks[0].auto_apply_sources",
}

// Lists and maps are counted before their elements are decoded. A document with 20,000
// elements is refused for its count alone, and costs little more than parsing its JSON.
func TestCountsComeFirst(t *testing.T) {
	for document, path := range tooLong {
		document := fmt.Sprintf(document, repeated(strings.Contains(document, "headers"), 5_000))
		before := workspacetest.Full("acme")
		_, err := workspace.MergePatch(before, []byte(document))
		invalid, ok := errors.AsType[*workspace.ValidationError](err)
		if !ok || len(invalid.Problems) != 1 || invalid.Problems[0].Path != path || !strings.Contains(invalid.Problems[0].Message, "has 5000 elements; at most") {
			t.Errorf("%s: %.300v", path, err)
			continue
		}
		parse := testing.AllocsPerRun(1, func() { _ = workspace.ParseJSON([]byte(document)) })
		patch := testing.AllocsPerRun(1, func() { _, _ = workspace.MergePatch(before, []byte(document)) })
		if patch > parse+1000 {
			t.Errorf("%s: %v allocations, %v of them for reading the JSON", path, patch, parse)
		}
	}
}

// repeated returns n wrong elements of a list, or members of a map.
func repeated(isMap bool, n int) string {
	all := make([]string, n)
	for i := range all {
		if all[i] = `{"nome":5}`; isMap {
			all[i] = fmt.Sprintf(`"X %d":5`, i)
		}
	}
	return strings.Join(all, ",")
}

// The error of a document with many problems lists some of them.
func TestProblemsAreBounded(t *testing.T) {
	fields := make([]string, 20_000)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"unknown%d":1`, i)
	}
	_, err := workspace.Decode([]byte("{" + strings.Join(fields, ",") + "}"))
	invalid, ok := errors.AsType[*workspace.ValidationError](err)
	if !ok || len(invalid.Problems) != 101 || invalid.Problems[100].String() != "19900 more problems are not listed" {
		t.Errorf("%.300v", err)
	}
	w := workspace.New("acme")
	w.Presets = []workspace.Preset{{Name: "a", Options: strings.Repeat("a&", 1000)}}
	invalid, ok = errors.AsType[*workspace.ValidationError](w.Validate())
	if !ok || len(invalid.Problems) != 101 || invalid.Problems[100].String() != "900 more problems are not listed" {
		t.Errorf("%.300v", invalid)
	}
}

// wantProblem tests that an error contains a problem.
func wantProblem(t *testing.T, what string, err error, path, message string) {
	t.Helper()
	invalid, ok := errors.AsType[*workspace.ValidationError](err)
	if !ok {
		t.Errorf("%s: error %v, want a ValidationError at %s", what, err, path)
		return
	}
	for _, p := range invalid.Problems {
		if p.Path == path && strings.Contains(p.Message, message) {
			return
		}
	}
	t.Errorf("%s:\n got %v\nwant %s: %s", what, err, path, message)
}

func TestDecodeAll(t *testing.T) {
	namespaces := func(t *testing.T, data, name string) string {
		t.Helper()
		all, err := workspace.DecodeAll(strings.NewReader(data), name)
		if err != nil {
			t.Fatalf("DecodeAll: %v", err)
		}
		var names []string
		for _, w := range all {
			names = append(names, w.Namespace)
		}
		return strings.Join(names, " ")
	}
	for _, test := range []struct{ name, data, want string }{
		{"w.json", `{"namespace":"acme"}`, "acme"},
		{"w.json", `[{"namespace":"acme"},{"namespace":"beta"}]`, "acme beta"},
		{"-", "\t{\"namespace\":\n\t\"acme\"}", "acme"},
		{"w.yaml", `{"namespace":"acme"}`, "acme"},
		{"w.yaml", "namespace: acme\n---\nnamespace: beta\n---\n", "acme beta"},
		{"w.yaml", "---\n- namespace: acme\n- namespace: beta\n---\nnamespace: gamma\n", "acme beta gamma"},
		{"w.yaml", "# nothing\n", ""},
		{"w.yaml", "", ""},
		{"w.yaml", "[]", ""},
	} {
		if got := namespaces(t, test.data, test.name); got != test.want {
			t.Errorf("%s %q: %q, want %q", test.name, test.data, got, test.want)
		}
	}

	all, err := workspace.DecodeAll(strings.NewReader(`
namespace: acme
name: 2026-01-01
https_only: true
allowed_sources: []
sources:
  - &photos
    key: photos
    kind: http
    url: https://origin.acme.com/photos/
    ttl: +16
  - key: media
    kind: s3
    bucket: acme-media
    region: eu-west-1
    headers: {}
    access_key_id: "0123"
    secret_access_key: |-
      s3cret
marks:
  - {name: brand, image: photos/logo.png, width: 15%, opacity: .5, auto_apply_sources: [photos]}
limits:
  requests_per_minute: 60
created_at: 2026-01-01T00:00:00Z
`), "acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	half := 0.5
	want := workspace.New("acme")
	want.Name, want.HTTPSOnly, want.AllowedSources = "2026-01-01", true, []string{}
	want.Sources = []workspace.Source{
		{Key: "photos", Kind: "http", URL: "https://origin.acme.com/photos/", TTL: 16},
		{Key: "media", Kind: "s3", Bucket: "acme-media", Region: "eu-west-1", AccessKeyID: "0123", SecretAccessKey: "s3cret"},
	}
	want.Marks = []workspace.Mark{{Name: "brand", Image: "photos/logo.png", Width: "15%", Opacity: &half, AutoApplySources: []string{"photos"}}}
	want.Limits.RequestsPerMinute = 60
	want.CreatedAt = all[0].CreatedAt
	if d := cmp.Diff(want, all[0].Workspace); d != "" || all[0].CreatedAt.Year() != 2026 {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDecodeAllErrors(t *testing.T) {
	for _, test := range []struct{ name, data, want string }{
		{"w.json", `{"namespace":"acme"} {"namespace":"beta"}`, "w.json: document 1: invalid JSON"},
		{"w.json", "namespace: acme", "w.json: document 1: invalid JSON"},
		{"w.json", `[{},{"nome":""}]`, "w.json: document 1: [1].nome: unknown field"},
		{"w.json", `[{"namespace":"acme"},{"name":"Acme"}]`, "w.json: document 1: [1].namespace: is missing: give 3 to 63 of a-z"},
		{"w.yaml", "name: Acme\n", "w.yaml: document 1: namespace: is missing: give 3 to 63 of a-z"},
		{"w.yaml", "namespace: acme\n---\nname: Acme\n", "w.yaml: document 2: namespace: is missing"},
		{"w.yaml", "namespace: ''\n", "namespace: is missing"},
		{"w.yaml", "namespace: acme/api-keys\n", `namespace: "acme/api-keys" is not allowed`},
		{"w.yaml", "namespace: v1-v1\n---\nnamespace: metrics\n", `document 2: namespace: "metrics" is reserved`},
		{"w.yaml", "namespace: acme\n---\nsources:\n- kez: a\n", "w.yaml: document 2: sources[0].kez: unknown field"},
		{"w.yaml", "name: a\nname: b\n", "w.yaml: document 1: name: given twice, the second time in line 2"},
		{"w.yaml", "sources:\n- headers: {A: '1', A: '2'}\n", "w.yaml: document 1: sources[0].headers.A: given twice"},
		{"w.yaml", "name: [\n", "w.yaml: invalid YAML: yaml: line"},
		{"w.yaml", "name: a\n---\n\tname: [\n", "w.yaml: invalid YAML: yaml: line 3"},
		{"w.yaml", "name: 12\n", "name: must be a string, not a number: put it in quotes"},
		{"w.yaml", "allowed_sources:\n", "allowed_sources: must not be null"},
		{"w.yaml", "marks: [{opacity: .inf}]\n", "marks[0].opacity: line 1: \".inf\" is not"},
		{"w.yaml", "limits: {transforms_per_day: 010}\n", "limits.transforms_per_day: line 1: \"010\" is read as different numbers by different versions of YAML: write a decimal number, such as 10, or put text in quotes"},
		{"w.yaml", "name: 0x1f\n", "name: line 1: \"0x1f\" is read as different numbers"},
		{"w.yaml", "name: !!binary aGk=\n", "name: line 1: "},
		{"w.yaml", "? [a]\n: b\n", "a key must be a plain word"},
		{"w.yaml", "just text", "w.yaml: document 1: must be an object, not a string"},
		{"w.yaml", "- \n", "w.yaml: document 1: [0]: must be an object, not null"},
		{"w.yaml", "namespace: acme\n---\nnamespace: acme\n", "w.yaml: document 2: namespace: \"acme\" is already in document 1"},
		{"w.yaml", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d {d: *d}\n", "nested too deeply"},
		{"w.yaml", bomb(), "expand to too many values"},
	} {
		all, err := workspace.DecodeAll(strings.NewReader(test.data), test.name)
		if err == nil || !strings.Contains(err.Error(), test.want) || all != nil {
			t.Errorf("%s %q:\n got %v\nwant %s", test.name, test.data, err, test.want)
		}
		if _, ok := errors.AsType[*workspace.ValidationError](err); !ok {
			t.Errorf("%s %q: %T is no ValidationError", test.name, test.data, err)
		}
	}
	// The error names every wrong document.
	_, err := workspace.DecodeAll(strings.NewReader("nome: a\n---\nnome: b\n"), "w.yaml")
	if err == nil || !strings.Contains(err.Error(), "document 1") || !strings.Contains(err.Error(), "document 2") {
		t.Errorf("got %v", err)
	}
	if _, err := workspace.DecodeAll(failing{}, "w.yaml"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("an error of reading: %v", err)
	}
}

// bomb returns YAML whose aliases expand to 9^9 values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := range 8 {
		name := string(rune('0' + i))
		next := string(rune('1' + i))
		b.WriteString("a" + next + ": &a" + next + " [" + strings.Repeat("*a"+name+",", 8) + "*a" + name + "]\n")
	}
	return b.String()
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.ErrPermission }

func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	f.Add(mustMarshal(workspacetest.Full("acme")))
	f.Add([]byte(`{"namespace":"acme","sources":[{"url":"HTTP://A.b:80/%2e%2E","endpoint":"https://a.b?","prefix":"/"}]}`))
	f.Add([]byte(`{"marks":[{"opacity":-0.0,"auto_apply_sources":null}],"created_at":"2026-01-01T00:00:00+23:59","domains":["ﬀ。ß"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := workspace.Decode(data)
		if err != nil {
			if _, ok := errors.AsType[*workspace.ValidationError](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		_ = w.Validate()
		again, err := workspace.Decode(mustMarshal(w))
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if d := cmp.Diff(w, again); d != "" {
			t.Fatalf("(-before +after):\n%s", d)
		}
		if changes := workspace.Diff(w, again); len(changes) > 0 {
			t.Fatalf("Diff: %q", changes)
		}
	})
}

func mustMarshal(w *workspace.Workspace) []byte {
	data, err := json.Marshal(w)
	if err != nil {
		panic(err)
	}
	return data
}
