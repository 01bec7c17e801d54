package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/internal/testlog"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/api"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

const (
	rootKey   = "root-key-of-the-tests"
	requestID = "request-1"
)

func codec(t testing.TB) *workspace.Codec {
	t.Helper()
	c, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openStore(t testing.TB, path string) workspace.Store {
	t.Helper()
	db, err := sqlite.Open(path, codec(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// A server is the API on a loopback port.
type server struct {
	url   string
	store workspace.Store
	log   *testlog.Log

	journal *usage.Journal        // only for servers of cell
	records *workspacetest.Memory // only for servers of cell and startPeople
	ids     *strings.Replacer     // only for servers of cell: puts the IDs of people into paths
}

// A config is the configuration of the API and of the Manager that it calls.
type config struct {
	Store, Uncached workspace.Store
	Records         manage.Records
	Replays         workspace.Replays
	Auth            *apikey.Authenticator
	Process         func(namespace string) workspace.Process
	Delivery        deliveryStub
	Images          manage.Images   // nil: no uploads
	People          *account.People // nil: nobody signs in
	Plans           *plan.Book      // nil: none
	Billing         manage.Billing  // nil: sells nothing
	Front           manage.Front    // nil: no caches in front
	Resolver        manage.Resolver
	BaseDomain      string
	Metrics         prometheus.Registerer
	Now             func() time.Time

	Alerts  *alert.Engine // nil makes one for a store in memory
	Watch   *alert.Watch
	Usage   *usage.Recorder
	Journal *usage.Journal
	Limiter *limit.Limiter
	Quota   func(ctx context.Context, namespace string) http.Header
	Client  string // address of every client
	Log     *slog.Logger
}

// new makes the API.
func (c config) new() http.Handler {
	m := manage.Config{
		Store: c.Store, Uncached: c.Uncached, Process: c.Process, Delivery: c.Delivery, Images: c.Images, Records: c.Records, Auth: c.Auth,
		People: c.People, Plans: c.Plans, Billing: c.Billing, PublicURL: "https://img.example.com", Resolver: c.Resolver, BaseDomain: c.BaseDomain, Metrics: c.Metrics, Now: c.Now, Log: c.Log,
	}
	if db, ok := c.Records.(workspacetest.Store); ok && c.Alerts == nil {
		codec, err := workspace.NewCodec(workspace.NewSecretKey())
		if err != nil {
			panic(err) // a new key is valid
		}
		c.Alerts = alert.New(alert.Config{
			Store: db, Codec: codec, Keys: db, Get: db.Get, List: db.List, Alone: true, Transport: http.DefaultTransport, Now: c.Now, Log: slog.New(slog.DiscardHandler),
		})
	}
	m.Alerts = c.Alerts
	if c.Front != nil {
		m.Fronts = []manage.Front{c.Front}
	}
	return api.New(api.Config{
		Manage: manage.New(m), Replays: c.Replays, Usage: c.Usage, Journal: c.Journal, Limiter: c.Limiter, Quota: c.Quota, Watch: c.Watch, Log: c.Log, Version: "1.2.3",
		Record: func(context.Context) *delivery.Record {
			return &delivery.Record{RequestID: requestID, Client: c.Client}
		},
	})
}

// A deliveryStub answers with its functions. A nil function finds nothing.
type deliveryStub struct {
	check     func(*workspace.Workspace) error
	findPurge func(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error)
	test      func(w *workspace.Workspace, source, path string) (delivery.Metadata, error)
	preview   func(*workspace.Workspace, delivery.Preview) (delivery.Picture, error)
}

func (d deliveryStub) Check(w *workspace.Workspace) error {
	if d.check == nil {
		return nil
	}
	return d.check(w)
}

func (d deliveryStub) FindPurge(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error) {
	if d.findPurge == nil {
		return nil, nil, errors.New("is no URL of an image")
	}
	return d.findPurge(ctx, namespace, url)
}

func (deliveryStub) WouldRefuse(context.Context, *workspace.Workspace) (delivery.Refusals, error) {
	return delivery.Refusals{}, nil
}

func (d deliveryStub) TestSource(_ context.Context, w *workspace.Workspace, source, path string) (delivery.Metadata, error) {
	if d.test == nil {
		return delivery.Metadata{}, nil
	}
	return d.test(w, source, path)
}

func (deliveryStub) Thumbnail(context.Context, string, string, string, string, string) (delivery.Picture, error) {
	return delivery.Picture{}, nil
}

func (d deliveryStub) Preview(_ context.Context, w *workspace.Workspace, p delivery.Preview) (delivery.Picture, error) {
	if d.preview == nil {
		return delivery.Picture{}, nil
	}
	return d.preview(w, p)
}

func (d deliveryStub) Explain(context.Context, string, string, string) (delivery.Explanation, error) {
	return delivery.Explanation{}, nil
}

// start serves the API with a SQLite store, set up as in the server. change, if not nil,
// can change the configuration.
func start(t testing.TB, change func(*config)) *server {
	t.Helper()
	return startOn(t, openStore(t, filepath.Join(t.TempDir(), "tintype.db")), change)
}

func startOn(t testing.TB, db workspace.Store, change func(*config)) *server {
	t.Helper()
	s := &server{log: &testlog.Log{}}
	c := config{
		Store:    cached.New(db, cached.Config{}),
		Uncached: db,
		Log:      slog.New(slog.NewJSONHandler(s.log, nil)),
	}
	c.Records, _ = db.(manage.Records)
	c.Replays, _ = db.(workspace.Replays)
	if c.Records != nil {
		c.Auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{rootKey}, Keys: c.Records, Log: c.Log})
	} else {
		c.Auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{rootKey}})
	}
	if change != nil {
		change(&c)
	}
	s.store = c.Store
	srv := httptest.NewServer(c.new())
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with the root key. header holds names and values in turn; a
// value "-" leaves the header out.
func (s *server) do(t testing.TB, method, target, body string, header ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+target, reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+rootKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "-" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	// The transport, since a client would follow redirects, and the API must not send any.
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// want fails the test unless the answer has the status.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// wantError fails the test unless the answer is exactly an error envelope.
func (a answer) wantError(t testing.TB, status int, code string) (message string) {
	t.Helper()
	a.want(t, status)
	var got map[string]map[string]any
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("not the error envelope: %v: %s", err, a.body)
	}
	message, _ = got["error"]["message"].(string)
	want := map[string]map[string]any{"error": {
		"code": code, "message": message, "status": float64(status), "request_id": requestID,
	}}
	if diff := cmp.Diff(want, got); diff != "" || message == "" {
		t.Fatalf("error envelope (-want +got):\n%s", diff)
	}
	a.wantHeader(t, "Content-Type", "application/json")
	a.wantHeader(t, "Cache-Control", "no-store")
	a.wantHeader(t, "X-Content-Type-Options", "nosniff")
	a.wantHeader(t, "Link", "")
	return message
}

func (a answer) wantHeader(t testing.TB, name, value string) {
	t.Helper()
	if got := strings.Join(a.header.Values(name), "|"); got != value {
		t.Errorf("%s: %q, want %q", name, got, value)
	}
}

// decode returns the workspace in the answer.
func (a answer) decode(t testing.TB) *workspace.Workspace {
	t.Helper()
	w, err := workspace.Decode([]byte(a.body))
	if err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return w
}

func TestRefusals(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","domains":["img.acme.test"]}`).want(t, 201)
	s.do(t, "POST", "/v1/workspaces/acme/domains/img.acme.test/verify", "").want(t, 200)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"other"}`).want(t, 201)

	const mergePatch = "application/merge-patch+json"
	tests := []struct {
		name         string
		method, path string
		body         string
		header       []string
		status       int
		code         string
		message      string   // part of it
		answered     []string // headers and values in turn
	}{
		{"no key", "GET", "/v1/workspaces", "", []string{"Authorization", "-"},
			401, "UNAUTHORIZED", "Authorization: Bearer", []string{"WWW-Authenticate", "Bearer"}},
		{"wrong key", "GET", "/v1/workspaces", "", []string{"Authorization", "Bearer nope"},
			401, "UNAUTHORIZED", "not valid", []string{"WWW-Authenticate", "Bearer"}},
		{"start of the key", "GET", "/v1/workspaces", "", []string{"Authorization", "Bearer root-key"},
			401, "UNAUTHORIZED", "not valid", []string{"WWW-Authenticate", "Bearer"}},
		{"empty key", "GET", "/v1/workspaces", "", []string{"Authorization", "Bearer "},
			401, "UNAUTHORIZED", "Authorization: Bearer", nil},
		{"other scheme", "GET", "/v1/workspaces", "", []string{"Authorization", "Basic " + rootKey},
			401, "UNAUTHORIZED", "Authorization: Bearer", nil},
		{"no key comes before no route", "GET", "/v1/nothing", "", []string{"Authorization", "-"},
			401, "UNAUTHORIZED", "", nil},
		{"no key comes before the method", "PATCH", "/v1/workspaces", "", []string{"Authorization", "-"},
			401, "UNAUTHORIZED", "", nil},
		{"no key comes before the body", "POST", "/v1/workspaces", "{", []string{"Authorization", "-"},
			401, "UNAUTHORIZED", "", nil},
		{"key in the query", "GET", "/v1/workspaces?key=" + rootKey, "", []string{"Authorization", "-"},
			401, "UNAUTHORIZED", "query string", []string{"WWW-Authenticate", "Bearer"}},
		{"key in the query beside the header", "GET", "/v1/workspaces?limit=1&access_token=x", "", nil,
			401, "UNAUTHORIZED", "query string", nil},
		{"key in the query, escaped", "GET", "/v1/workspaces?a=1;%74oken=x", "", nil,
			401, "UNAUTHORIZED", "query string", nil},
		{"key in the query of the document", "GET", "/v1/openapi.json?api_key=x", "", nil,
			401, "UNAUTHORIZED", "query string", nil},

		{"no route", "GET", "/v1/nothing", "", nil, 404, "NOT_FOUND", "/v1/openapi.json", nil},
		{"no route, post", "POST", "/v1/nothing", "{}", nil, 404, "NOT_FOUND", "", nil},
		{"root", "GET", "/v1/", "", nil, 404, "NOT_FOUND", "", nil},
		{"trailing slash", "GET", "/v1/workspaces/", "", nil, 404, "NOT_FOUND", "", nil},
		{"double slash", "GET", "/v1//workspaces", "", nil, 404, "NOT_FOUND", "", nil},
		{"dot segments", "GET", "/v1/x/../workspaces", "", nil, 404, "NOT_FOUND", "", nil},
		{"no docs by huma", "GET", "/v1/openapi.yaml", "", nil, 404, "NOT_FOUND", "", nil},
		{"no schemas by huma", "GET", "/schemas/Workspace.json", "", nil, 404, "NOT_FOUND", "", nil},

		{"method on a collection", "PUT", "/v1/workspaces", "{}", nil,
			405, "METHOD_NOT_ALLOWED", "GET, HEAD, POST", []string{"Allow", "GET, HEAD, POST"}},
		{"method on a workspace", "POST", "/v1/workspaces/acme", "{}", nil,
			405, "METHOD_NOT_ALLOWED", "", []string{"Allow", "DELETE, GET, HEAD, PATCH, PUT"}},
		{"preflight", "OPTIONS", "/v1/workspaces", "", []string{"Origin", "https://a.test", "Access-Control-Request-Method", "GET"},
			405, "METHOD_NOT_ALLOWED", "", []string{"Access-Control-Allow-Origin", ""}},
		{"method on the document", "DELETE", "/v1/openapi.json", "", nil,
			405, "METHOD_NOT_ALLOWED", "", []string{"Allow", "GET, HEAD"}},

		{"no workspace", "GET", "/v1/workspaces/nobody", "", nil, 404, "WORKSPACE_NOT_FOUND", "", nil},
		{"no namespace", "GET", "/v1/workspaces/..%2f..%2f", "", nil, 404, "WORKSPACE_NOT_FOUND", "", nil},
		{"put creates nothing", "PUT", "/v1/workspaces/nobody", `{"namespace":"nobody","revision":1}`, nil, 404, "WORKSPACE_NOT_FOUND", "", nil},
		{"patch creates nothing", "PATCH", "/v1/workspaces/nobody", `{}`, nil, 404, "WORKSPACE_NOT_FOUND", "", nil},
		{"delete nothing", "DELETE", "/v1/workspaces/nobody", "", nil, 404, "WORKSPACE_NOT_FOUND", "", nil},
		{"delete no namespace", "DELETE", "/v1/workspaces/A", "", nil, 404, "WORKSPACE_NOT_FOUND", "", nil},

		{"limit 0", "GET", "/v1/workspaces?limit=0", "", nil, 400, "VALIDATION_ERROR", "limit: must be a whole number from 1 to 200", nil},
		{"limit 201", "GET", "/v1/workspaces?limit=201", "", nil, 400, "VALIDATION_ERROR", "limit", nil},
		{"limit word", "GET", "/v1/workspaces?limit=all", "", nil, 400, "VALIDATION_ERROR", "limit", nil},

		{"no body", "POST", "/v1/workspaces", "", nil, 400, "VALIDATION_ERROR", "empty", nil},
		{"blank body", "PUT", "/v1/workspaces/acme", " \n", nil, 400, "VALIDATION_ERROR", "empty", nil},
		{"broken JSON", "POST", "/v1/workspaces", `{"namespace":`, nil, 400, "VALIDATION_ERROR", "JSON", nil},
		{"two documents", "POST", "/v1/workspaces", `{"namespace":"one"}{}`, nil, 400, "VALIDATION_ERROR", "JSON", nil},
		{"array", "POST", "/v1/workspaces", `[]`, nil, 400, "VALIDATION_ERROR", "object", nil},
		{"null", "PATCH", "/v1/workspaces/acme", `null`, nil, 400, "VALIDATION_ERROR", "object", nil},
		{"form", "POST", "/v1/workspaces", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"},
			415, "UNSUPPORTED_FORMAT", "Content-Type: application/json`", nil},
		{"merge patch to PUT", "PUT", "/v1/workspaces/acme", "{}", []string{"Content-Type", mergePatch},
			415, "UNSUPPORTED_FORMAT", "Content-Type: application/json`", nil},
		{"JSON patch", "PATCH", "/v1/workspaces/acme", "[]", []string{"Content-Type", "application/json-patch+json"},
			415, "UNSUPPORTED_FORMAT", "application/json or application/merge-patch+json", nil},
		{"large body", "POST", "/v1/workspaces", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, nil,
			400, "VALIDATION_ERROR", "1 MiB", nil},

		{"unknown field", "POST", "/v1/workspaces", `{"namespace":"new","sources":[{"key":"a","kindd":"http"}]}`, nil,
			400, "VALIDATION_ERROR", "sources[0].kindd: ", nil},
		{"unknown field in a patch", "PATCH", "/v1/workspaces/acme", `{"limits":{"rpm":null}}`, []string{"Content-Type", mergePatch},
			400, "VALIDATION_ERROR", "limits.rpm: ", nil},
		{"$schema", "POST", "/v1/workspaces", `{"namespace":"new","$schema":"x"}`, nil, 400, "VALIDATION_ERROR", "$schema", nil},
		{"all problems", "POST", "/v1/workspaces", `{"namespace":"-","sources":[{"key":"A","kind":"ftp"}]}`, nil,
			400, "VALIDATION_ERROR", " sources[0].kind: ", nil},
		{"malformed namespace", "POST", "/v1/workspaces", `{"namespace":"Acme"}`, nil, 400, "VALIDATION_ERROR", "namespace: ", nil},
		{"reserved namespace", "POST", "/v1/workspaces", `{"namespace":"admin"}`, nil, 400, "VALIDATION_ERROR", "namespace: ", nil},
		{"no namespace", "POST", "/v1/workspaces", `{}`, nil, 400, "VALIDATION_ERROR", "namespace: ", nil},
		{"a mask on creation", "POST", "/v1/workspaces",
			`{"namespace":"new","sources":[{"key":"a","kind":"http","url":"https://a.test/","headers":{"X-Token":"***"}}]}`, nil,
			400, "VALIDATION_ERROR", "sources[0].headers.X-Token: ", nil},

		{"taken namespace", "POST", "/v1/workspaces", `{"namespace":"acme"}`, nil, 409, "CONFLICT", "taken", nil},
		{"taken domain", "POST", "/v1/workspaces", `{"namespace":"new","domains":["img.acme.test"]}`, nil, 409, "CONFLICT", "domains", nil},
		{"taken domain by patch", "PATCH", "/v1/workspaces/other", `{"domains":["img.acme.test"]}`, nil, 409, "CONFLICT", "domains", nil},
		{"put without revision", "PUT", "/v1/workspaces/acme", `{"namespace":"acme"}`, nil, 400, "VALIDATION_ERROR", "revision: ", nil},
		{"put of a later revision", "PUT", "/v1/workspaces/acme", `{"namespace":"acme","revision":2}`, nil, 409, "CONFLICT", "GET it again", nil},
		{"put of another namespace", "PUT", "/v1/workspaces/acme", `{"namespace":"other","revision":1}`, nil, 400, "VALIDATION_ERROR", "namespace: ", nil},
		{"put without namespace", "PUT", "/v1/workspaces/acme", `{"revision":1}`, nil, 400, "VALIDATION_ERROR", "namespace: ", nil},
		{"patch of another revision", "PATCH", "/v1/workspaces/acme", `{"name":"x","revision":7}`, nil, 409, "CONFLICT", "GET it again", nil},
		{"patch of the namespace", "PATCH", "/v1/workspaces/acme", `{"namespace":"other"}`, nil, 400, "VALIDATION_ERROR", "namespace: ", nil},
		{"delete of another revision", "DELETE", "/v1/workspaces/acme?revision=2", "", nil, 409, "CONFLICT", "", nil},
		{"delete of no revision", "DELETE", "/v1/workspaces/acme?revision=one", "", nil, 400, "VALIDATION_ERROR", "revision: ", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(t, tt.method, tt.path, tt.body, tt.header...)
			if message := a.wantError(t, tt.status, tt.code); !strings.Contains(message, tt.message) {
				t.Errorf("message %q, want it to have %q", message, tt.message)
			}
			for i := 0; i < len(tt.answered); i += 2 {
				a.wantHeader(t, tt.answered[i], tt.answered[i+1])
			}
			if strings.Contains(a.body, rootKey) {
				t.Error("the answer shows the key")
			}
		})
	}
	for _, ns := range []string{"acme", "other"} {
		if got := s.do(t, "GET", "/v1/workspaces/"+ns, "").want(t, 200).decode(t).Revision; got != 1 {
			t.Errorf("%s has revision %d after refusals alone", ns, got)
		}
	}
	if strings.Contains(s.log.String(), rootKey) {
		t.Error("the log shows the key")
	}
}

// TestNoRootKey: a server without a root key accepts no key.
func TestNoRootKey(t *testing.T) {
	s := start(t, func(c *config) { c.Auth = nil })
	for _, authorization := range []string{"-", "Bearer", "Bearer ", "Bearer x", ""} {
		message := s.do(t, "GET", "/v1/workspaces", "", "Authorization", authorization).wantError(t, 401, "UNAUTHORIZED")
		if !strings.Contains(message, "TINTYPE_ROOT_KEY") {
			t.Errorf("message %q", message)
		}
	}
	s.do(t, "GET", "/v1/openapi.json", "").want(t, 200)
}

func TestAuthorizationTwice(t *testing.T) {
	s := start(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/v1/workspaces", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + rootKey, "Bearer nope"}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("status %d, want 401", resp.StatusCode)
	}
}

// visitor is the address of every client.
const visitor = "203.0.113.9"
