package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
)

// settings is a workspace with secrets, which no answer may show.
const settings = `{
	"namespace": "acme", "name": "Acme & Söhne <img>",
	"sources": [
		{"key": "photos", "kind": "http", "url": "https://origin.acme.test/photos/", "headers": {"X-Token": "header-secret"}},
		{"key": "media", "kind": "s3", "bucket": "acme-media", "region": "eu-west-1", "access_key_id": "AKIAEXAMPLE", "secret_access_key": "bucket-secret"}
	],
	"marks": [{"name": "brand", "image": "media/logo.png", "opacity": 0, "auto_apply_sources": ["photos"]}],
	"presets": [{"name": "thumb", "options": "w=320&h=320&fit=cover"}]
}`

func wantNoSecrets(t testing.TB, where, text string) {
	t.Helper()
	for _, secret := range []string{"header-secret", "bucket-secret"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows a secret: %s", where, text)
		}
	}
}

func TestLife(t *testing.T) {
	s := start(t, nil)

	created := s.do(t, "POST", "/v1/workspaces", settings).want(t, 201)
	created.wantHeader(t, "Location", "/v1/workspaces/acme")
	created.wantHeader(t, "ETag", `"1"`)
	created.wantHeader(t, "Content-Type", "application/json")
	created.wantHeader(t, "Cache-Control", "no-store")
	created.wantHeader(t, "X-Content-Type-Options", "nosniff")
	created.wantHeader(t, "Link", "")
	wantNoSecrets(t, "POST", created.body)
	w := created.decode(t)
	if w.ID == "" || w.Revision != 1 || w.CreatedAt.IsZero() || w.UpdatedAt.IsZero() {
		t.Errorf("created %+v", w)
	}
	if !strings.Contains(created.body, "Acme & Söhne <img>") {
		t.Errorf("the name is escaped: %s", created.body)
	}
	if diff := cmp.Diff([]string{"*"}, w.AllowedOrigins); diff != "" {
		t.Errorf("allowed_origins (-want +got):\n%s", diff)
	}

	got := s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200)
	if diff := cmp.Diff(created.body, got.body); diff != "" {
		t.Errorf("GET after POST (-want +got):\n%s", diff)
	}
	got.wantHeader(t, "ETag", `"1"`)

	head := s.do(t, "HEAD", "/v1/workspaces/acme", "").want(t, 200)
	head.wantHeader(t, "ETag", `"1"`)
	if head.body != "" {
		t.Errorf("HEAD answers a body: %q", head.body)
	}

	// PUT accepts the answer of GET, and nothing changes.
	same := s.do(t, "PUT", "/v1/workspaces/acme", got.body).want(t, 200)
	if diff := cmp.Diff(got.body, same.body); diff != "" {
		t.Errorf("PUT of what GET answered (-want +got):\n%s", diff)
	}

	w.Name = "Acme 2"
	w.ID, w.CreatedAt = "forged", w.CreatedAt.AddDate(-1, 0, 0)
	put := s.do(t, "PUT", "/v1/workspaces/acme", encode(t, w)).want(t, 200)
	put.wantHeader(t, "ETag", `"2"`)
	wantNoSecrets(t, "PUT", put.body)
	now := put.decode(t)
	first := created.decode(t)
	if now.Name != "Acme 2" || now.Revision != 2 || now.ID != first.ID || !now.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("after PUT: %+v", now)
	}
	if diff := cmp.Diff(put.body, s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200).body); diff != "" {
		t.Errorf("GET after PUT (-want +got):\n%s", diff)
	}
	s.do(t, "PUT", "/v1/workspaces/acme", encode(t, w)).wantError(t, 409, "CONFLICT")

	patched := s.do(t, "PATCH", "/v1/workspaces/acme", `{"https_only":true,"allowed_origins":["https://acme.test"],"limits":{"requests_per_minute":9}}`,
		"Content-Type", "application/merge-patch+json; charset=utf-8").want(t, 200)
	patched.wantHeader(t, "ETag", `"3"`)
	wantNoSecrets(t, "PATCH", patched.body)
	if w := patched.decode(t); !w.HTTPSOnly || w.Name != "Acme 2" || w.Limits.RequestsPerMinute != 9 || w.ID != first.ID {
		t.Errorf("after PATCH: %+v", w)
	}
	restored := s.do(t, "PATCH", "/v1/workspaces/acme", `{"allowed_origins":null,"revision":3}`, "Content-Type", "-").want(t, 200)
	if diff := cmp.Diff([]string{"*"}, restored.decode(t).AllowedOrigins); diff != "" {
		t.Errorf("null in a patch (-want +got):\n%s", diff)
	}
	for _, nothing := range []string{`{}`, `{"https_only":true}`, `{"id":"forged"}`, `{"revision":null}`, `{"updated_at":"2001-01-01T00:00:00Z"}`} {
		a := s.do(t, "PATCH", "/v1/workspaces/acme", nothing).want(t, 200)
		a.wantHeader(t, "ETag", `"4"`)
		if diff := cmp.Diff(restored.body, a.body); diff != "" {
			t.Errorf("PATCH %s (-want +got):\n%s", nothing, diff)
		}
	}

	// The secrets are still the same.
	stored, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if stored.Sources[0].Headers["X-Token"] != "header-secret" || stored.Sources[1].SecretAccessKey != "bucket-secret" {
		t.Errorf("secrets are lost: %+v", stored.Sources)
	}

	gone := s.do(t, "DELETE", "/v1/workspaces/acme?revision=4", "").want(t, 204)
	gone.wantHeader(t, "Cache-Control", "no-store")
	if gone.body != "" {
		t.Errorf("DELETE answers %q", gone.body)
	}
	s.do(t, "GET", "/v1/workspaces/acme", "").wantError(t, 404, "WORKSPACE_NOT_FOUND")
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201).wantHeader(t, "ETag", `"1"`)
	s.do(t, "DELETE", "/v1/workspaces/acme", "").want(t, 204)
	wantNoSecrets(t, "the log", s.log.String())
}

// TestSecretsStay: *** keeps a secret only if the source's place stays the same.
func TestSecretsStay(t *testing.T) {
	s := start(t, nil)
	w := s.do(t, "POST", "/v1/workspaces", settings).want(t, 201).decode(t)

	w.Sources[0].URL = "https://attacker.test/"
	a := s.do(t, "PUT", "/v1/workspaces/acme", encode(t, w))
	wantNoSecrets(t, "PUT", a.body)
	if message := a.wantError(t, 400, "VALIDATION_ERROR"); !strings.Contains(message, "sources[0].headers.X-Token: ") {
		t.Errorf("message %q", message)
	}
	s.do(t, "PATCH", "/v1/workspaces/acme",
		`{"sources":[{"key":"media","kind":"s3","bucket":"other","region":"eu-west-1","access_key_id":"AKIAEXAMPLE","secret_access_key":"***"}]}`).
		wantError(t, 400, "VALIDATION_ERROR")

	// An error about a body with secrets doesn't quote it.
	a = s.do(t, "PUT", "/v1/workspaces/acme", strings.Replace(settings, `"region"`, `"regio"`, 1))
	a.wantError(t, 400, "VALIDATION_ERROR")
	wantNoSecrets(t, "PUT", a.body)
	a = s.do(t, "POST", "/v1/workspaces", strings.TrimSuffix(settings, "}"))
	a.wantError(t, 400, "VALIDATION_ERROR")
	wantNoSecrets(t, "POST", a.body)
	wantNoSecrets(t, "list", s.do(t, "GET", "/v1/workspaces", "").want(t, 200).body)
}

func TestList(t *testing.T) {
	s := start(t, nil)
	type page struct {
		Workspaces []struct{ Namespace string }
		Next       string
	}
	list := func(query string) (p page) {
		t.Helper()
		a := s.do(t, "GET", "/v1/workspaces"+query, "").want(t, 200)
		if err := json.Unmarshal([]byte(a.body), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if a := s.do(t, "GET", "/v1/workspaces", ""); strings.TrimSpace(a.body) != `{"workspaces":[],"next":""}` {
		t.Errorf("list of none: %s", a.body)
	}
	for i := range 51 {
		s.do(t, "POST", "/v1/workspaces", fmt.Sprintf(`{"namespace":"ns-%02d"}`, 50-i)).want(t, 201)
	}
	p := list("?utm_source=ignored")
	if len(p.Workspaces) != 50 || p.Workspaces[0].Namespace != "ns-00" || p.Next != "ns-49" {
		t.Errorf("first page: %d, next %q", len(p.Workspaces), p.Next)
	}
	p = list("?after=" + p.Next)
	if len(p.Workspaces) != 1 || p.Workspaces[0].Namespace != "ns-50" || p.Next != "" {
		t.Errorf("second page: %+v", p)
	}
	if p = list("?limit=51"); len(p.Workspaces) != 51 || p.Next != "" {
		t.Errorf("page of all: %d, next %q", len(p.Workspaces), p.Next)
	}
	var seen []string
	for after := ""; ; {
		p := list("?limit=7&after=" + after)
		for _, w := range p.Workspaces {
			seen = append(seen, w.Namespace)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	if len(seen) != 51 {
		t.Errorf("pages of 7 have %d workspaces, want 51", len(seen))
	}
}

// TestConcurrentPuts: of several writes based on one revision, one succeeds.
func TestConcurrentPuts(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", settings).want(t, 201)
	for revision := int64(1); revision <= 10; revision++ {
		w := s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200).decode(t)
		answers := together(2, func(i int) answer {
			w := w.Clone()
			w.Name = fmt.Sprintf("writer %d of revision %d", i, revision)
			return s.do(t, "PUT", "/v1/workspaces/acme", encode(t, w))
		})
		winner, loser := answers[0], answers[1]
		if winner.status != 200 {
			winner, loser = loser, winner
		}
		loser.wantError(t, 409, "CONFLICT")
		winner.want(t, 200).wantHeader(t, "ETag", fmt.Sprintf(`"%d"`, revision+1))
		if diff := cmp.Diff(winner.body, s.do(t, "GET", "/v1/workspaces/acme", "").body); diff != "" {
			t.Fatalf("GET after the winner's PUT (-want +got):\n%s", diff)
		}
	}
}

// TestConcurrentPatches: patches without a revision are applied one after another.
func TestConcurrentPatches(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", settings).want(t, 201)
	patches := []string{`{"https_only":true}`, `{"allow_svg":true}`, `{"allow_tiff":true}`}
	for _, a := range together(len(patches), func(i int) answer {
		return s.do(t, "PATCH", "/v1/workspaces/acme", patches[i])
	}) {
		a.want(t, 200)
	}
	w := s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200).decode(t)
	if !w.HTTPSOnly || !w.AllowSVG || !w.AllowTIFF || w.Revision != 4 {
		t.Errorf("after patches: %+v", w)
	}
}

// TestDirSources: marks can refer to the operator's folders of their namespace.
func TestDirSources(t *testing.T) {
	s := start(t, func(c *config) {
		c.Process = func(namespace string) workspace.Process {
			if namespace == "demo" {
				return workspace.Process{Dirs: []string{"samples"}}
			}
			return workspace.Process{}
		}
	})
	const marks = `"marks":[{"name":"brand","image":"samples/logo.png","auto_apply_sources":["samples"]}]`
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"demo"}`).want(t, 201)
	s.do(t, "PATCH", "/v1/workspaces/demo", `{`+marks+`}`).want(t, 200)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme",`+marks+`}`).wantError(t, 400, "VALIDATION_ERROR")
}

// TestNodes: another node reads and changes what one node wrote, even before its cache
// knows. Its delivery knows when the change is answered.
func TestNodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tintype.db")
	a, b := startOn(t, openStore(t, path), nil), startOn(t, openStore(t, path), nil)
	a.do(t, "POST", "/v1/workspaces", settings).want(t, 201)
	if _, err := b.store.Get(t.Context(), "acme"); err != nil { // into the cache
		t.Fatal(err)
	}
	a.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"by a"}`).want(t, 200)

	w := b.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200).decode(t)
	if w.Name != "by a" || w.Revision != 2 {
		t.Fatalf("b reads %q in revision %d", w.Name, w.Revision)
	}
	w.Name = "by b"
	b.do(t, "PUT", "/v1/workspaces/acme", encode(t, w)).want(t, 200)
	if w, err := b.store.Get(t.Context(), "acme"); err != nil || w.Name != "by b" {
		t.Errorf("b delivers by %v, %v", w, err)
	}
	if w := a.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200).decode(t); w.Name != "by b" {
		t.Errorf("a reads %q", w.Name)
	}
}

// together runs f n times concurrently and returns the results.
func together(n int, f func(i int) answer) []answer {
	answers := make([]answer, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			answers[i] = f(i)
		})
	}
	close(begin)
	wg.Wait()
	return answers
}

// A brokenStore fails with err.
type brokenStore struct {
	workspace.Store
	err error
}

func (s brokenStore) Get(context.Context, string) (*workspace.Workspace, error) { return nil, s.err }

func TestStoreErrors(t *testing.T) {
	tests := []struct {
		name       string
		err        error
		status     int
		code       string
		retryAfter string
		logged     bool
	}{
		{"unavailable", fmt.Errorf("dial 10.0.0.7: %w", workspace.ErrUnavailable), 503, "OVERLOADED", "5", true},
		{"deadline", context.DeadlineExceeded, 503, "OVERLOADED", "5", true},
		{"other", errors.New("disk 10.0.0.7 is on fire"), 500, "INTERNAL_ERROR", "", true},
		{"not found", fmt.Errorf("10.0.0.7: %w", workspace.ErrNotFound), 404, "WORKSPACE_NOT_FOUND", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, func(c *config) { c.Uncached = brokenStore{c.Uncached, tt.err} })
			a := s.do(t, "GET", "/v1/workspaces/acme", "")
			a.wantError(t, tt.status, tt.code)
			a.wantHeader(t, "Retry-After", tt.retryAfter)
			if strings.Contains(a.body, "10.0.0.7") {
				t.Errorf("the answer shows the cause: %s", a.body)
			}
			if log := s.log.String(); strings.Contains(log, tt.err.Error()) != tt.logged || strings.Contains(log, requestID) != tt.logged {
				t.Errorf("log: %q", log)
			}
		})
	}
}

// A frozenStore has one workspace, and updates don't change it.
type frozenStore struct {
	workspace.Store
	w *workspace.Workspace
}

func (s frozenStore) Get(context.Context, string) (*workspace.Workspace, error) {
	return s.w.Clone(), nil
}

func (s frozenStore) Update(_ context.Context, w *workspace.Workspace, _ ...workspace.AuditEntry) error {
	w.Revision++
	return nil
}

func encode(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// FuzzPatch: the answer to any patch is a workspace or a 4xx error, and shows no secret.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"name":"x"}`, `{"revision":1}`, `{"revision":-1}`, `{"sources":null}`, `{"sources":[{"key":"photos"}]}`,
		`{"sources":[{"key":"photos","kind":"http","url":"https://origin.acme.test/photos/","headers":{"X-Token":"***"}}]}`,
		`{"limits":{"requests_per_minute":-1}}`, `{"limits":null}`, `{"marks":[{"opacity":1e400}]}`, `{"domains":["a.test","a.test"]}`,
		`{"created_at":"never"}`, `{"name":"\ud800"}`, `{"namespace":null}`, `{"":{}}`, settings,
	} {
		f.Add([]byte(seed))
	}
	w, err := workspace.Decode([]byte(settings))
	if err != nil {
		f.Fatal(err)
	}
	w.ID, w.Revision = "id", 1
	h := config{Store: frozenStore{w: w}, Auth: apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{rootKey}})}.new()
	f.Fuzz(func(t *testing.T, patch []byte) {
		r := httptest.NewRequestWithContext(t.Context(), "PATCH", "/v1/workspaces/acme", strings.NewReader(string(patch)))
		r.Header.Set("Authorization", "Bearer "+rootKey)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		body, err := io.ReadAll(rec.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		switch rec.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusConflict:
		default:
			t.Errorf("status %d: %s", rec.Code, body)
		}
		if !json.Valid(body) {
			t.Errorf("not JSON: %q", body)
		}
		if !strings.Contains(string(patch), "secret") {
			wantNoSecrets(t, "PATCH", string(body))
		}
	})
}

// TestIfMatch changes and deletes a workspace if its ETag is still the one that was read.
func TestIfMatch(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"two"}`).wantHeader(t, "ETag", `"2"`)
	for _, old := range []string{`"1"`, `W/"2"`, "2", `"1", "3"`} {
		s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"lost"}`, "If-Match", old).wantError(t, 409, "CONFLICT")
		s.do(t, "PUT", "/v1/workspaces/acme", `{"namespace":"acme","name":"lost","revision":2}`, "If-Match", old).wantError(t, 409, "CONFLICT")
		s.do(t, "DELETE", "/v1/workspaces/acme", "", "If-Match", old).wantError(t, 409, "CONFLICT")
	}
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"three"}`, "If-Match", `"2"`).want(t, 200)
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"four"}`, "If-Match", "*").want(t, 200)
	s.do(t, "PUT", "/v1/workspaces/acme", `{"namespace":"acme","revision":4}`, "If-Match", `"1", "4"`).want(t, 200)
	s.do(t, "DELETE", "/v1/workspaces/acme?revision=", "").wantError(t, 400, "VALIDATION_ERROR")
	s.do(t, "DELETE", "/v1/workspaces/acme", "", "If-Match", `"5"`).want(t, 204)
}

// TestCursors asks for pages after cursors that no page returned.
func TestCursors(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	for _, path := range []string{"/v1/workspaces?after=", "/v1/workspaces/acme/audit?before=", "/v1/audit?before="} {
		for _, cursor := range []string{"", "x", "%00", "%C3%A9", strings.Repeat("x", 256)} {
			s.do(t, "GET", path+cursor, "").want(t, 200)
		}
		for _, cursor := range []string{"%ff", strings.Repeat("x", 257)} {
			s.do(t, "GET", path+cursor, "").wantError(t, 400, "VALIDATION_ERROR")
		}
	}
}

// TestDefaultsAreAnswered: the answer to a request without optional fields has every
// default of the document.
func TestDefaultsAreAnswered(t *testing.T) {
	schemas := fetchDocument(t).Components.Schemas
	a := start(t, nil).do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[{"key":"photos","kind":"http","url":"https://photos.test/"}],
		"marks":[{"name":"brand","image":"photos/logo.png"}],"presets":[{"name":"thumb","options":"w=1"}]}`).want(t, 201)
	var w struct {
		Sources, Marks, Presets []map[string]any
		Limits                  map[string]any
	}
	var whole map[string]any
	if err := errors.Join(json.Unmarshal([]byte(a.body), &w), json.Unmarshal([]byte(a.body), &whole)); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for name, object := range map[string]map[string]any{
		"Workspace": whole, "Source": w.Sources[0], "Mark": w.Marks[0], "Preset": w.Presets[0], "Limits": w.Limits,
	} {
		for field, s := range schemas[name].Properties {
			if s.Default == nil {
				continue
			}
			checked++
			value, there := object[field]
			if list, ok := value.([]any); ok && len(list) > 0 && name == "Workspace" {
				continue // given, since an empty list would show no element
			}
			if diff := cmp.Diff(s.Default, value); !there || diff != "" {
				t.Errorf("%s.%s: there %v (-default +answered):\n%s", name, field, there, diff)
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d fields with a default", checked)
	}
}

// TestServerMadeFields: the server ignores values for fields that it sets.
func TestServerMadeFields(t *testing.T) {
	s := start(t, nil)
	const ours = `"id":5,"created_at":"yesterday","updated_at":{"a":[null]}`
	first := s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme",`+ours+`}`).want(t, 201).decode(t)
	if first.ID == "" || first.CreatedAt.IsZero() || first.UpdatedAt.IsZero() {
		t.Errorf("made: %+v", first)
	}
	for _, method := range []string{"PUT", "PATCH"} {
		before := s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200).decode(t)
		after := s.do(t, method, "/v1/workspaces/acme", fmt.Sprintf(`{"namespace":"acme","name":%q,"revision":%d,%s}`, method, before.Revision, ours)).want(t, 200).decode(t)
		if after.Name != method || after.ID != first.ID || !after.CreatedAt.Equal(first.CreatedAt) || after.UpdatedAt.Before(before.UpdatedAt) {
			t.Errorf("%s: %+v", method, after)
		}
		s.do(t, method, "/v1/workspaces/acme", `{"namespace":"acme","revision":"1"}`).wantError(t, 400, "VALIDATION_ERROR")
	}
}

// TestTooManyElements sends lists that are one element too long, in a patch and by adding
// one.
func TestTooManyElements(t *testing.T) {
	s := start(t, nil)
	presets := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`{"name":"p%d","options":"w=1"}`, i)
		}
		return `{"presets":[` + strings.Join(all, ",") + `]}`
	}
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	if m := s.do(t, "PATCH", "/v1/workspaces/acme", presets(20_000)).wantError(t, 400, "VALIDATION_ERROR"); m != "presets: has 20000 elements; at most 500 are allowed." {
		t.Errorf("20,000 presets: %.300s", m)
	}
	s.do(t, "PATCH", "/v1/workspaces/acme", presets(500)).want(t, 200)
	if m := s.do(t, "PUT", "/v1/workspaces/acme/presets/more", `{"options":"w=1"}`).wantError(t, 400, "VALIDATION_ERROR"); m != "presets: has 501 elements; at most 500 are allowed." {
		t.Errorf("one more: %.300s", m)
	}
}
