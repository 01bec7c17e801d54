package workspace_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name, given   string
		changes, kept []string // without prune
		pruned        []string // changes with prune
	}{
		{"nothing but the namespace", `{namespace: acme}`, nil,
			[]string{
				`name: "Acme"`, `allowed_origins: "https://a.example.com", "https://b.example.com"`, `require_signature: true`,
				`domains: "img.example.com", "pics.example.com"`, `sources[media]`, `sources[photos]`, `marks[brand]`, `presets[hero]`, `presets[thumb]`,
				`limits.requests_per_minute: 10`, `limits.transforms_per_day: 100`,
			},
			[]string{
				`name: "Acme" → ""`, `allowed_origins: removed "https://a.example.com", removed "https://b.example.com", added "*"`, `require_signature: true → false`,
				`domains: removed "img.example.com", removed "pics.example.com"`, `sources[media]: removed`, `sources[photos]: removed`, `marks[brand]: removed`,
				`presets[hero]: removed`, `presets[thumb]: removed`, `limits.requests_per_minute: 10 → 0`, `limits.transforms_per_day: 100 → 0`,
			}},
		{"all of it", workspacetest.Present, nil, nil, nil},
		{"one element, one field, one limit", strings.ReplaceAll(`{namespace: acme, name: Acme, allowed_origins: [https://b.example.com], require_signature: false,
			presets: [{name: hero, options: w=1700}, {name: new, options: w=1}], limits: {requests_per_minute: 20}}`, "\t", " "),
			[]string{
				`allowed_origins: removed "https://a.example.com"`, `require_signature: true → false`, `presets[hero].options: "w=1600" → "w=1700"`,
				`presets[new]: added`, `presets[new].options: "w=1"`, `limits.requests_per_minute: 10 → 20`,
			},
			[]string{`domains: "img.example.com", "pics.example.com"`, `sources[media]`, `sources[photos]`, `marks[brand]`, `presets[thumb]`, `limits.transforms_per_day: 100`},
			[]string{
				`allowed_origins: removed "https://a.example.com"`, `require_signature: true → false`, `domains: removed "img.example.com", removed "pics.example.com"`,
				`sources[media]: removed`, `sources[photos]: removed`, `marks[brand]: removed`,
				`presets[thumb]: removed`, `presets[hero].options: "w=1600" → "w=1700"`, `presets[new]: added`, `presets[new].options: "w=1"`,
				`limits.requests_per_minute: 10 → 20`, `limits.transforms_per_day: 100 → 0`,
			}},
		{"empty lists", strings.ReplaceAll(workspacetest.Present, "presets:\n- {name: thumb, options: w=320}\n- {name: hero, options: w=1600}", "presets: []\nallowed_sources: []"),
			[]string{`allowed_sources: removed "*"`}, []string{`presets[hero]`, `presets[thumb]`},
			[]string{`allowed_sources: removed "*"`, `presets[hero]: removed`, `presets[thumb]: removed`}},
		{"within an element", edit(t, "- {key: photos, kind: http, url: https://origin.example.com/, private: true, headers: {X-Token: hunter2, X-More: hunter3}, public_urls: [https://cdn.example.com/], ttl: 60}",
			"- {key: photos, kind: http, url: https://origin.example.com, headers: {x-token: hunter2}, public_urls: [https://cdn2.example.com]}"),
			[]string{`sources[photos].public_urls: removed "https://cdn.example.com/", added "https://cdn2.example.com/"`},
			[]string{`sources[photos].private: true`, `sources[photos].headers.X-More`, `sources[photos].ttl: 60`},
			[]string{
				`sources[photos].private: true → false`, `sources[photos].headers.X-More: removed`,
				`sources[photos].public_urls: removed "https://cdn.example.com/", added "https://cdn2.example.com/"`, `sources[photos].ttl: 60 → 0`,
			}},
		{"another kind", edit(t, "- {key: media, kind: s3, bucket: media, region: eu-west-1, access_key_id: AKIA, secret_access_key: hunter4}",
			"- {key: media, kind: http, url: https://media.example.com/}"),
			[]string{
				`sources[media].kind: "s3" → "http"`, `sources[media].url: "" → "https://media.example.com/"`, `sources[media].bucket: "media" → ""`,
				`sources[media].region: "eu-west-1" → ""`, `sources[media].access_key_id: "AKIA" → ""`, `sources[media].secret_access_key: removed`,
			}, nil,
			[]string{
				`sources[media].kind: "s3" → "http"`, `sources[media].url: "" → "https://media.example.com/"`, `sources[media].bucket: "media" → ""`,
				`sources[media].region: "eu-west-1" → ""`, `sources[media].access_key_id: "AKIA" → ""`, `sources[media].secret_access_key: removed`,
			}},
		{"a mark's sources", edit(t, "auto_apply_sources: [photos, media]", "auto_apply_sources: [media]"),
			[]string{`marks[brand].auto_apply_sources: removed "photos"`}, nil, []string{`marks[brand].auto_apply_sources: removed "photos"`}},
		{"domains in another spelling", edit(t, "[img.example.com, pics.example.com]", "[IMG.example.com, new.example.com]"),
			[]string{`domains: added "new.example.com"`}, []string{`domains: "pics.example.com"`},
			[]string{`domains: removed "pics.example.com", added "new.example.com"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, d := workspacetest.Document(t, workspacetest.Present).Workspace, workspacetest.Document(t, test.given)
			p, err := d.Plan(old, false)
			if err != nil {
				t.Fatal(err)
			}
			// Applied to a masked workspace, a plan contains masks for secrets that stay.
			if err := p.Workspace.Unmask(old); err != nil {
				t.Fatal(err)
			}
			if err := p.Workspace.Validate(); err != nil {
				t.Errorf("what comes out: %v", err)
			}
			if diff := cmp.Diff(test.changes, workspace.Diff(old, p.Workspace)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.kept, p.Kept); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			again, err := d.Plan(p.Workspace, false)
			if err != nil {
				t.Fatal(err)
			}
			if changes := workspace.Diff(p.Workspace.Masked(), again.Workspace.Masked()); len(changes) > 0 {
				t.Errorf("the second time: %q", changes)
			}
			pruned, err := d.Plan(old, true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.pruned, pruned.Changes); diff != "" || pruned.Kept != nil {
				t.Errorf("pruned, kept %q (-want +got):\n%s", pruned.Kept, diff)
			}
			if diff := cmp.Diff(marshal(t, d.Workspace), marshal(t, pruned.Workspace)); diff != "" {
				t.Errorf("pruned is not the document:\n%s", diff)
			}
		})
	}
}

// edit returns the file of the present workspace with one change.
func edit(t *testing.T, old, new string) string {
	t.Helper()
	if strings.Count(workspacetest.Present, old) != 1 {
		t.Fatalf("%q is not there once", old)
	}
	return strings.Replace(workspacetest.Present, old, new, 1)
}

// The plan shows what can't stay beside the given fields.
func TestPlanRefuses(t *testing.T) {
	old := workspacetest.Document(t, workspacetest.Present).Workspace
	for _, test := range []struct{ name, given, path, message string }{
		{"the headers of another place", `{namespace: acme, sources: [{key: photos, url: https://evil.example.net/}]}`, "sources[0].headers.X-More", "must be given again"},
		{"the secret of another access key", `{namespace: acme, sources: [{key: media, access_key_id: AKIB}]}`, "sources[1].secret_access_key", "is missing"},
		{"an element twice", `{namespace: acme, presets: [{name: hero, options: w=1}, {name: hero, options: w=2}]}`, "presets[2].name", "is there twice"},
		{"a new element without what it must have", `{namespace: acme, sources: [{key: new}]}`, "sources[2].kind", "is unknown"},
	} {
		p, err := workspacetest.Document(t, test.given).Plan(old, false)
		if err == nil {
			if err = p.Workspace.Unmask(old); err == nil {
				err = p.Workspace.Validate()
			}
		}
		wantProblem(t, test.name, err, test.path, test.message)
		if strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: an error shows a secret: %v", test.name, err)
		}
	}
}

// FuzzPlan merges documents over a workspace. Applying the result again changes nothing. It
// has every element of both.
func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"namespace":"acme","presets":[{"name":"thumb","options":"w=1"}],"domains":["IMG.example.com"]}`))
	f.Add([]byte(`{"namespace":"acme","sources":[{"key":"media","kind":"http","url":"https://x.example.com","headers":{"a":"b","A":"c"}}],"revision":3}`))
	f.Add([]byte(`{"namespace":"acme","sources":[{"key":"photos"},{"key":"photos","kind":"r2"}],"marks":[{}],"limits":{"transforms_per_day":1}}`))
	f.Add(mustMarshal(workspacetest.Full("acme")))
	all, err := workspace.DecodeAll(strings.NewReader(workspacetest.Present), "w.yaml")
	if err != nil {
		f.Fatal(err)
	}
	old := all[0].Workspace
	f.Fuzz(func(t *testing.T, data []byte) {
		var anything json.RawMessage
		if json.Unmarshal(data, &anything) != nil {
			return
		}
		documents, err := workspace.DecodeAll(strings.NewReader(string(data)), "w.json")
		if err != nil || len(documents) != 1 {
			return
		}
		p, err := documents[0].Plan(old, false)
		if err != nil {
			return // too many elements
		}
		for _, e := range append(old.Presets, documents[0].Presets...) {
			if !strings.Contains(string(marshal(t, p.Workspace)), string(mustMarshalAny(t, e.Name))) {
				t.Errorf("preset %q is gone", e.Name)
			}
		}
		if p.Workspace.Validate() != nil {
			return
		}
		again, err := documents[0].Plan(p.Workspace, false)
		if err != nil {
			t.Fatal(err)
		}
		if changes := workspace.Diff(p.Workspace.Masked(), again.Workspace.Masked()); len(changes) > 0 {
			t.Errorf("the second time: %q", changes)
		}
	})
}

func mustMarshalAny(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
