package workspace_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestDiff(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*workspace.Workspace)
		want   []string
	}{
		{"nothing", func(w *workspace.Workspace) {}, nil},
		{"what the server makes", func(w *workspace.Workspace) { w.ID, w.Revision, w.CreatedAt = "x", 9, w.CreatedAt.AddDate(1, 0, 0) }, nil},
		{"order", func(w *workspace.Workspace) {
			w.Sources[0], w.Sources[2] = w.Sources[2], w.Sources[0]
			w.AllowedOrigins[0], w.AllowedOrigins[1] = w.AllowedOrigins[1], w.AllowedOrigins[0]
		}, nil},
		{"order within a source", func(w *workspace.Workspace) {
			w.Sources[0].PublicURLs = append(w.Sources[0].PublicURLs, w.Sources[0].PublicURLs[0])
		}, nil},
		{"another case of a header", func(w *workspace.Workspace) {
			w.Sources[0].Headers = map[string]string{"AUTHORIZATION": w.Sources[0].Headers["authorization"] + w.Sources[0].Headers["Authorization"]}
		}, nil},
		{"nil for empty", func(w *workspace.Workspace) { w.AllowedSources = nil }, nil},
		{"masks", func(w *workspace.Workspace) { *w = *w.Masked() }, nil},
		{"plain values", func(w *workspace.Workspace) { w.Name, w.HTTPSOnly, w.Limits.RequestsPerMinute = "B", false, 5 },
			[]string{`name: "Acme & <söhne>" → "B"`, `https_only: true → false`, `limits.requests_per_minute: 1 → 5`}},
		{"lists", func(w *workspace.Workspace) { w.AllowedOrigins = []string{"*.example.com", "a.example.com"} },
			[]string{`allowed_origins: removed "https://app.example.com", added "a.example.com"`}},
		{"a source's field", func(w *workspace.Workspace) {
			w.Sources[0].URL, w.Sources[0].PublicURLs = "https://b.example.com/", nil
		},
			[]string{`sources[photos].url: "https://origin.example.com/photos/" → "https://b.example.com/"`,
				`sources[photos].public_urls: removed "https://cdn.example.com/p/"`}},
		{"secrets", func(w *workspace.Workspace) {
			w.Sources[0].Headers = map[string]string{"authorization": "Bearer other", "X-Key": "v"}
			w.Sources[1].SecretAccessKey = "other"
			w.Sources[2].SecretAccessKey = ""
		}, []string{`sources[media].secret_access_key: changed`, `sources[photos].headers.Authorization: changed`,
			`sources[photos].headers.X-Key: added`, `sources[vault].secret_access_key: removed`}},
		{"a header removed", func(w *workspace.Workspace) { w.Sources[0].Headers = nil },
			[]string{`sources[photos].headers.Authorization: removed`}},
		{"a source removed and one added", func(w *workspace.Workspace) {
			w.Sources = append(w.Sources[:2], workspace.Source{Key: "new", Kind: "s3", Bucket: "b", SecretAccessKey: "s3cret"})
		}, []string{`sources[vault]: removed`, `sources[new]: added`, `sources[new].kind: "s3"`, `sources[new].bucket: "b"`,
			`sources[new].secret_access_key: set`}},
		{"a mark", func(w *workspace.Workspace) {
			w.Marks[0].Opacity, w.Marks[0].AutoApplySources = nil, []string{"photos", "vault"}
		}, []string{`marks[brand].opacity: 0.6 → none`, `marks[brand].auto_apply_sources: added "vault"`}},
		{"a preset", func(w *workspace.Workspace) { w.Presets[0].Options = "w=1" },
			[]string{`presets[thumb].options: "w=320&h=320&fit=cover" → "w=1"`}},
	} {
		old := workspacetest.Full("acme")
		w := old.Clone()
		test.change(w)
		if d := cmp.Diff(test.want, workspace.Diff(old, w)); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
		// Same compares what is stored; masks are never stored, and nil is stored as empty.
		w = w.Clone()
		w.ID, w.Revision, w.CreatedAt = old.ID, old.Revision, old.CreatedAt
		if same := string(marshal(t, old)) == string(marshal(t, w)); test.name != "masks" && workspace.Same(old, w) != same {
			t.Errorf("%s: Same says %t", test.name, !same)
		}
	}
	w := workspacetest.Full("acme")
	created := workspace.Diff(nil, w)
	if len(created) < 5 || created[0] != `workspace "acme": created` || strings.Contains(strings.Join(created, "\n"), "s3cret") {
		t.Errorf("created: %q", created)
	}
	if d := cmp.Diff([]string{`workspace "acme": created`}, workspace.Diff(nil, workspace.New("acme"))); d != "" {
		t.Errorf("created empty:\n%s", d)
	}
	if d := cmp.Diff([]string{`workspace "acme": deleted`}, workspace.Diff(w, nil)); d != "" {
		t.Errorf("deleted:\n%s", d)
	}
	if changes := workspace.Diff(w.Masked(), w); len(changes) != 3 || !strings.HasSuffix(changes[0], "may change: the present one is not shown") {
		t.Errorf("against a masked one: %q", changes)
	}
}

func TestMergePatch(t *testing.T) {
	patch := func(t *testing.T, p string) (*workspace.Workspace, *workspace.Workspace, error) {
		t.Helper()
		w := workspacetest.Full("acme")
		w.ID, w.Revision = "id", 7
		before := w.Clone()
		n, err := workspace.MergePatch(w, []byte(p))
		if d := cmp.Diff(before, w); d != "" {
			t.Errorf("%s: MergePatch changed its input:\n%s", p, d)
		}
		return w, n, err
	}
	for _, test := range []struct {
		patch string
		want  []string // from Diff
	}{
		{`{}`, nil},
		{`{"name":"B","https_only":false}`, []string{`name: "Acme & <söhne>" → "B"`, `https_only: true → false`}},
		{`{"name":null}`, []string{`name: "Acme & <söhne>" → ""`}},
		{`{"allowed_sources":null}`, []string{`allowed_sources: added "*"`}},
		{`{"limits":{"requests_per_minute":9,"transforms_per_month":null}}`,
			[]string{`limits.requests_per_minute: 1 → 9`, `limits.transforms_per_month: 3 → 0`}},
		{`{"presets":[]}`, []string{`presets[thumb]: removed`}},
		{`{"id":"forged","created_at":"2020-01-01T00:00:00Z","namespace":"acme"}`, nil},
		{`{"sources":[{"key":"media","kind":"s3","bucket":"acme-media","region":"eu-west-2","prefix":"a","endpoint":"https://s3.example.com","access_key_id":"AKIA","secret_access_key":"***"}]}`,
			[]string{`sources[photos]: removed`, `sources[vault]: removed`, `sources[media].region: "eu-west-1" → "eu-west-2"`}},
	} {
		w, n, err := patch(t, test.patch)
		if err != nil {
			t.Errorf("%s: %v", test.patch, err)
			continue
		}
		if d := cmp.Diff(test.want, workspace.Diff(w, n)); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.patch, d)
		}
		if n.ID != "id" || n.Revision != 7 || !n.CreatedAt.Equal(w.CreatedAt) {
			t.Errorf("%s: server-made fields: %+v", test.patch, n)
		}
		if strings.Contains(string(marshal(t, n)), "***") {
			t.Errorf("%s: a mask is left", test.patch)
		}
	}
	if _, n, err := patch(t, `{"revision":5}`); err != nil || n.Revision != 5 {
		t.Errorf("a patch with a revision: %+v, %v", n, err)
	}
	for _, test := range []struct{ patch, path, message string }{
		{`[]`, "", "must be an object"},
		{`null`, "", "must be an object"},
		{`{`, "", "invalid JSON"},
		{`{"nome":"x"}`, "nome", "unknown field"},
		{`{"nome":null}`, "nome", "unknown field"},
		{`{"limits":{"per_day":null}}`, "limits.per_day", "unknown field"},
		{`{"name":"a","name":"b"}`, "name", "given twice"},
		{`{"https_only":1}`, "https_only", "must be true or false"},
		{`{"domains":[null]}`, "domains[0]", "must be a string, not null"},
		{`{"sources":[{"key":null}]}`, "sources[0].key", "must not be null"},
		{`{"namespace":"beta"}`, "namespace", `must stay "acme"`},
		{`{"namespace":null}`, "namespace", `must stay "acme"`},
		{`{"sources":[{"key":"media","kind":"s3","bucket":"evil","secret_access_key":"***"}]}`, "sources[0].secret_access_key", "given again"},
	} {
		_, _, err := patch(t, test.patch)
		wantProblem(t, test.patch, err, test.path, test.message)
	}
}

func TestDifferences(t *testing.T) {
	old := workspacetest.Full("acme")
	w := old.Clone()
	w.Name, w.HTTPSOnly, w.DefaultSource = "", false, "photos"
	w.AllowedOrigins = []string{"*.example.com", "a.example.com"}
	w.Sources[0].Headers = map[string]string{"Authorization": "Bearer other"}
	w.Marks[0].Opacity = nil
	w.Sources = append(w.Sources[:2], workspace.Source{Key: "new", Kind: "s3", Bucket: "b", SecretAccessKey: "s3cret"})
	want := []workspace.Difference{
		{Path: "name", Was: []string{"Acme & <söhne>"}},
		{Path: "allowed_origins", Was: []string{"https://app.example.com"}, Is: []string{"a.example.com"}},
		{Path: "https_only", Was: []string{"true"}, Is: []string{"false"}},
		{Path: "default_source", Was: []string{"media"}, Is: []string{"photos"}},
		{Path: "sources[vault]", What: "removed"},
		{Path: "sources[new]", What: "added"},
		{Path: "sources[new].kind", Is: []string{"s3"}},
		{Path: "sources[new].bucket", Is: []string{"b"}},
		{Path: "sources[new].secret_access_key", What: "set"},
		{Path: "sources[photos].headers.Authorization", What: "changed"},
		{Path: "marks[brand].opacity", Was: []string{"0.6"}},
	}
	if d := cmp.Diff(want, workspace.Differences(old, w)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if same := workspace.Differences(old, old); same != nil {
		t.Errorf("%+v", same)
	}
}
