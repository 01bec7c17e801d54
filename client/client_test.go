package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/client"
	"github.com/tintype/tintype/server/api/apitest"
)

const rootKey = apitest.RootKey

// exampleServer serves the API for an example, until the process ends. It returns the server's URL.
func exampleServer() string {
	folder, err := os.MkdirTemp("", "tintype-example")
	if err != nil {
		panic(err)
	}
	server, end, err := apitest.Serve(folder)
	if err != nil {
		panic(err)
	}
	examples = append(examples, func() error { return errors.Join(end(), os.RemoveAll(folder)) })
	return server
}

var examples []func() error // end the servers of examples

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range examples {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func newClient(t testing.TB, server string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(server, rootKey, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWorkspace makes a workspace and what is in it, and reads it again.
func TestWorkspace(t *testing.T) {
	c := newClient(t, apitest.New(t))
	ctx := t.Context()
	w, err := c.CreateWorkspace(ctx, client.NewWorkspace{Namespace: "acme", AllowedSources: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if w.Revision != 1 || len(w.AllowedSources) != 0 || w.Dialect != "native" || w.CreatedAt.IsZero() {
		t.Errorf("made %+v", w)
	}
	if _, err := c.CreateWorkspace(ctx, client.NewWorkspace{Namespace: "acme"}); !errors.Is(err, client.CodeConflict) {
		t.Errorf("made twice: %v", err)
	}
	source := client.Source{Key: "photos", Kind: "http", URL: "https://origin.example.com/", Headers: map[string]string{"X-Key": "secret"}}
	if _, err := c.PutSource(ctx, "acme", "photos", source); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PatchWorkspace(ctx, "acme", client.WorkspacePatch{"name": "Acme", "strict_options": true}); err != nil {
		t.Fatal(err)
	}
	w, err = c.GetWorkspace(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	source.Headers["X-Key"] = "***"
	if diff := cmp.Diff([]client.Source{source}, w.Sources); diff != "" || w.Name != "Acme" || !w.StrictOptions {
		t.Errorf("read %+v\n%s", w, diff)
	}
	if err := c.DeleteWorkspace(ctx, "acme", client.DeleteWorkspaceOptions{Revision: 1}); !errors.Is(err, client.CodeConflict) {
		t.Errorf("deleted by an old revision: %v", err)
	}
	if err := c.DeleteWorkspace(ctx, "acme", client.DeleteWorkspaceOptions{Revision: w.Revision}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetWorkspace(ctx, "acme")
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Status != 404 || e.Code != client.CodeWorkspaceNotFound || e.Message == "" {
		t.Errorf("read after it was deleted: %#v", err)
	}
}

// TestPages goes through lists of several pages.
func TestPages(t *testing.T) {
	c := newClient(t, apitest.New(t))
	var want []string
	for _, name := range []string{"a-1", "b-2", "c-3", "d-4", "e-5"} {
		if _, err := c.CreateWorkspace(t.Context(), client.NewWorkspace{Namespace: name}); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	var got []string
	for w, err := range c.AllWorkspaces(t.Context(), client.ListWorkspacesOptions{Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, w.Namespace)
	}
	if !slices.Equal(got, want) {
		t.Errorf("all pages: %v, want %v", got, want)
	}
	got = nil
	for w, err := range c.AllWorkspaces(t.Context(), client.ListWorkspacesOptions{Limit: 2, After: "b-2"}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, w.Namespace); len(got) == 2 {
			break
		}
	}
	if !slices.Equal(got, want[2:4]) {
		t.Errorf("two from b-2: %v", got)
	}
	for _, err := range c.AllAudit(t.Context(), "nobody", client.ListAuditOptions{}) {
		if err == nil {
			t.Error("the audit log of no workspace")
		}
	}
	n := 0
	for entry, err := range c.AllAudit(t.Context(), "a-1", client.ListAuditOptions{Limit: 1}) {
		if err != nil || entry.Action == "" || entry.Actor == "" {
			t.Fatal(entry, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d entries about a new workspace", n)
	}
}

// TestKeys makes a key, and calls with it.
func TestKeys(t *testing.T) {
	server := apitest.New(t)
	c := newClient(t, server)
	if _, err := c.CreateWorkspace(t.Context(), client.NewWorkspace{Namespace: "acme"}); err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateAPIKey(t.Context(), "acme", client.NewAPIKey{Name: "ci", Scopes: []string{"write"}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := client.New(server, made.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.GetWorkspace(t.Context(), "acme"); !errors.Is(err, client.CodeForbidden) {
		t.Errorf("read with a key of scope write: %v", err)
	}
	purged, err := own.Purge(t.Context(), "acme", client.PurgeRequest{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(purged.CompleteBy); left < 0 || left > time.Minute {
		t.Errorf("a purge is complete in %s", left)
	}
}

// A script answers requests in turn.
type script struct {
	answers []func(http.ResponseWriter)
	seen    []string // method, path and key of each request
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	key := "-"
	if k := r.Header.Get("Idempotency-Key"); k != "" {
		key = k
	}
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI()+" "+key)
	answer := s.answers[min(len(s.seen), len(s.answers))-1]
	if answer == nil {
		return nil, errors.New("connection reset")
	}
	w := httptest.NewRecorder()
	answer(w)
	return w.Result(), nil
}

func say(status int, body string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func failing(status int, code string, header ...string) func(http.ResponseWriter) {
	text, err := json.Marshal(map[string]any{"error": map[string]any{"code": code, "message": "It is so.", "status": status, "request_id": "r-1"}})
	if err != nil {
		panic(err)
	}
	return say(status, string(text), header...)
}

// TestTries: what is tried again, how often, and after how long.
func TestTries(t *testing.T) {
	busy := failing(503, "OVERLOADED", "Retry-After", "1")
	limited := failing(429, "RATE_LIMITED", "Retry-After", "7")
	used := failing(429, "QUOTA_EXCEEDED", "Retry-After", "40000")
	conflict := failing(409, "CONFLICT")
	gone := failing(404, "NOT_FOUND")
	ok := say(200, `{"namespace":"acme","revision":2}`)
	get := func(ctx context.Context, c *client.Client) error { _, err := c.GetWorkspace(ctx, "acme"); return err }
	sign := func(ctx context.Context, c *client.Client) error {
		_, err := c.SignURL(ctx, "acme", client.SignRequest{URL: "/a"})
		return err
	}
	replace := func(ctx context.Context, c *client.Client) error {
		_, err := c.ReplaceWorkspace(ctx, "acme", client.WorkspaceReplacement{Namespace: "acme", Revision: 1})
		return err
	}
	patch := func(ctx context.Context, c *client.Client) error {
		_, err := c.PatchWorkspace(ctx, "acme", client.WorkspacePatch{"name": "x"})
		return err
	}
	based := func(ctx context.Context, c *client.Client) error {
		_, err := c.PatchWorkspace(ctx, "acme", client.WorkspacePatch{"name": "x", "revision": 1})
		return err
	}
	remove := func(ctx context.Context, c *client.Client) error { return c.DeleteSource(ctx, "acme", "photos") }
	type answers = []func(http.ResponseWriter)
	for _, test := range []struct {
		name    string
		call    func(context.Context, *client.Client) error
		answers answers
		tries   int
		code    client.Code // of the error; "-" is one without an answer
		least   time.Duration
	}{
		{"at once", get, answers{ok}, 1, "", 0},
		{"busy once", get, answers{busy, ok}, 2, "", time.Second},
		{"busy for ever", get, answers{busy}, 4, client.CodeOverloaded, 3 * time.Second},
		{"a broken connection", get, answers{nil, ok}, 2, "", 200 * time.Millisecond},
		{"no connection", get, answers{nil}, 4, "-", 0},
		{"over the limit", sign, answers{limited, ok}, 2, "", 7 * time.Second},
		{"over a quota", sign, answers{used}, 1, client.CodeQuotaExceeded, 0},
		{"a POST that breaks", sign, answers{nil, busy, ok}, 3, "", time.Second},
		{"what is wrong", get, answers{conflict}, 1, client.CodeConflict, 0},
		{"based on a revision, broken", replace, answers{nil}, 1, "-", 0},
		{"based on a revision, busy", replace, answers{busy}, 1, client.CodeOverloaded, 0},
		{"based on a revision, limited", replace, answers{limited, ok}, 2, "", 7 * time.Second},
		{"a patch", patch, answers{nil, ok}, 2, "", 0},
		{"a patch of a revision", based, answers{nil}, 1, "-", 0},
		{"deleted by the first try", remove, answers{nil, gone}, 2, "", 0},
		{"nothing to delete", remove, answers{gone}, 1, client.CodeNotFound, 0},
		{"nothing to delete after busy", remove, answers{busy, gone}, 2, client.CodeNotFound, time.Second},
		{"another server", get, answers{say(502, "<html>")}, 4, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: test.answers}
				c := newClient(t, "http://img.example", client.WithHTTPClient(&http.Client{Transport: s}))
				began := time.Now()
				err := test.call(t.Context(), c)
				if test.name == "another server" {
					if err == nil || !strings.Contains(err.Error(), "which is not Tintype's API") {
						t.Error(err)
					}
				} else if e, answered := errors.AsType[*client.Error](err); (err == nil) != (test.code == "") || err != nil && answered == (test.code == "-") || answered && (e.Code != test.code || e.RequestID != "r-1") {
					t.Errorf("error %v, want %q", err, test.code)
				}
				if len(s.seen) != test.tries {
					t.Errorf("%d tries: %v", len(s.seen), s.seen)
				}
				for _, seen := range s.seen {
					if seen != s.seen[0] {
						t.Errorf("another try is another request: %v", s.seen)
					}
					if strings.HasPrefix(seen, "POST") == strings.HasSuffix(seen, " -") {
						t.Errorf("Idempotency-Key of %s", seen)
					}
				}
				if took := time.Since(began); took < test.least || took > test.least*3/2+3*time.Second {
					t.Errorf("it took %s, at least %s", took, test.least)
				}
			})
		})
	}
}

// TestDeadline: a context that ends before the next try gives the last error at once.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []func(http.ResponseWriter){failing(429, "RATE_LIMITED", "Retry-After", "20")}}
		c := newClient(t, "http://img.example", client.WithHTTPClient(&http.Client{Transport: s}))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := c.GetWorkspace(ctx, "acme"); !errors.Is(err, client.CodeRateLimited) || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestEscaping: what a caller gives can't leave its place in a path.
func TestEscaping(t *testing.T) {
	for _, test := range []struct {
		call func(*client.Client) error
		want string
	}{
		{func(c *client.Client) error { return c.DeleteSource(t.Context(), "acme", "../other?x=1#y") }, "DELETE /v1/workspaces/acme/sources/..%2Fother%3Fx=1%23y -"},
		{func(c *client.Client) error { return c.DeleteImage(t.Context(), "acme", "photos", "a b/ü%2F?.jpg") }, "DELETE /v1/workspaces/acme/images/photos/a%20b/%C3%BC%252F%3F.jpg -"},
		{func(c *client.Client) error {
			_, err := c.ListImages(t.Context(), "acme", client.ListImagesOptions{Source: "s", Prefix: "a&b", Limit: 5})
			return err
		}, "GET /v1/workspaces/acme/images?limit=5&prefix=a%26b&source=s -"},
	} {
		s := &script{answers: []func(http.ResponseWriter){say(200, "{}")}}
		if err := test.call(newClient(t, "http://img.example/acme/", client.WithHTTPClient(&http.Client{Transport: s}))); err != nil || !slices.Equal(s.seen, []string{test.want}) {
			t.Errorf("%v %q, want %q", err, s.seen, test.want)
		}
	}
}

func TestNew(t *testing.T) {
	for _, test := range [][2]string{
		{"", "key"}, {"img.example", "key"}, {"ftp://img.example", "key"}, {"https://", "key"}, {"https://a:b@img.example", "key"}, {"https://img.example?x", "key"},
		{"https://img.example", ""}, {"https://img.example", "two lines\n"},
	} {
		if _, err := client.New(test[0], test[1]); err == nil || strings.Contains(err.Error(), "two lines") {
			t.Errorf("New(%q, %q): %v", test[0], test[1], err)
		}
	}
	t.Setenv("TINTYPE_URL", "")
	t.Setenv("TINTYPE_API_KEY", "")
	if _, err := client.FromEnv(); err == nil || !strings.Contains(err.Error(), "TINTYPE_URL") {
		t.Error(err)
	}
	t.Setenv("TINTYPE_URL", "https://img.example/")
	if _, err := client.FromEnv(); err == nil || !strings.Contains(err.Error(), "TINTYPE_API_KEY") {
		t.Error(err)
	}
	t.Setenv("TINTYPE_API_KEY", "key")
	if _, err := client.FromEnv(); err != nil {
		t.Error(err)
	}
}

// TestRedirects: the key goes to no other server.
func TestRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("followed to %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	if _, err := newClient(t, s.URL).GetWorkspace(t.Context(), "acme"); err == nil || !strings.Contains(err.Error(), "307") {
		t.Error(err)
	}
}
