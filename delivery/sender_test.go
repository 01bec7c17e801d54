package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

const rootKey = "root-key-of-the-tests"

// recordingEngine keeps the marks, the original's name and the owner of its last job.
type recordingEngine struct {
	deliverytest.Engine
	marks atomic.Pointer[[]transform.MarkImage]
	name  atomic.Pointer[string]
	owner atomic.Pointer[transform.Owner]
}

func (e *recordingEngine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	e.marks.Store(&job.Marks)
	e.owner.Store(&job.Owner)
	if len(job.Originals) > 0 {
		e.name.Store(&job.Originals[0].ID)
	}
	return e.Engine.Transform(ctx, job)
}

// A keyBench is a server with a private source, a signed workspace, and a key of each kind.
type keyBench struct {
	*bench
	store   *workspacetest.Memory
	engine  *recordingEngine
	usage   *usage.Recorder
	journal *usage.Journal
	keys    map[string]string
	down    atomic.Bool // the store doesn't answer
}

// looked is the store, unless it is down.
type looked struct {
	*workspacetest.Memory
	down *atomic.Bool
}

func (l looked) APIKey(ctx context.Context, hash [32]byte) (*workspace.APIKey, error) {
	if l.down.Load() {
		return nil, workspace.ErrUnavailable
	}
	return l.Memory.APIKey(ctx, hash)
}

func newKeyBench(t *testing.T) *keyBench {
	k := &keyBench{store: workspacetest.NewMemory(), engine: &recordingEngine{}, keys: map[string]string{}}
	k.usage = usage.New(usage.Config{Counters: k.store})
	k.journal = usage.NewJournal(usage.JournalConfig{Entries: k.store})
	k.bench = newBench(t, func(c *setup) {
		c.Auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{rootKey}, Keys: looked{k.store, &k.down}})
		c.Engine, c.Usage, c.Journal, c.MaxOriginalBytes = k.engine, k.usage, k.journal, 1<<20
	})
	k.upstream.Serve("/vault/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	for _, ns := range []string{"acme", "signed", "other"} {
		k.registry.Set(t, k.acme(func(w *workspace.Workspace) {
			w.Namespace, w.RequireSignature = ns, ns == "signed"
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: k.upstream.URL + "/vault/", Private: true, TTL: 600})
			w.SigningKeys = []signing.Key{{ID: "k", Secret: signing.NewSecret()}}
		}))
	}
	both := []string{"read", "write"}
	for _, key := range []workspace.APIKey{
		{ID: "read", Scopes: both[:1]}, {ID: "write", Scopes: both[1:]}, {ID: "both", Scopes: both}, {ID: "test", Scopes: both[:1], Test: true},
		{ID: "test2", Scopes: both[:1], Test: true}, {ID: "brief", Scopes: both, ExpiresAt: time.Now().Add(9 * time.Minute)},
		{ID: "expired", Scopes: both, ExpiresAt: time.Now().Add(-time.Second)}, {ID: "revoked", Scopes: both, RevokedAt: time.Now()},
		{ID: "other", Scopes: both, Namespace: "other"}, {ID: "replaced", Scopes: both, WorkspaceID: "an-older-acme"},
	} {
		secret := apikey.New(key.Test)
		if key.Namespace == "" {
			key.Namespace = "acme"
		}
		if key.WorkspaceID == "" {
			key.WorkspaceID = "id-of-" + key.Namespace
		}
		key.Hash, key.CreatedAt = secret.Hash(), time.Now()
		if err := k.store.CreateAPIKey(t.Context(), &key); err != nil {
			t.Fatal(err)
		}
		k.keys[key.ID] = secret.Reveal()
	}
	k.keys["root"], k.keys["malformed"], k.keys["unknown"] = rootKey, "eyJhbGciOiJIUzI1NiJ9", apikey.New(false).Reveal()
	last := k.keys["both"][apikey.Len-1]
	k.keys["bad checksum"] = k.keys["both"][:apikey.Len-1] + string('0'+(last-'0'+1)%2)
	return k
}

func (k *keyBench) as(key string) []string {
	if key == "no key" {
		return nil
	}
	return []string{"Authorization", "Bearer " + k.keys[key]}
}

func (k *keyBench) post(target string, image io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", image)
	r.RequestURI = target
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	k.handler.ServeHTTP(w, r)
	return w
}

// TestKeyMatrix asks for every kind of image with every kind of key.
func TestKeyMatrix(t *testing.T) {
	k := newKeyBench(t)
	const none, sig = "UNAUTHORIZED", "SIGNATURE_REQUIRED"
	columns := []string{"public", "private", "signed by rule", "post"}
	checked := 0
	for _, row := range []struct {
		key   string
		codes [4]string // of the columns; empty is the image
	}{
		{"no key", [4]string{"", sig, sig, none}},
		{"malformed", [4]string{"", none, none, none}},
		{"bad checksum", [4]string{none, none, none, none}},
		{"unknown", [4]string{none, none, none, none}},
		{"expired", [4]string{none, none, none, none}},
		{"revoked", [4]string{none, none, none, none}},
		{"replaced", [4]string{none, none, "FORBIDDEN", none}},
		{"other", [4]string{"FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"}},
		{"write", [4]string{"FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"}},
		{"read", [4]string{"", "", "FORBIDDEN", ""}}, // the signed workspace is another one
		{"both", [4]string{"", "", "FORBIDDEN", ""}},
		{"test", [4]string{"", "", "FORBIDDEN", ""}},
		{"brief", [4]string{"", "", "FORBIDDEN", ""}},
		{"root", [4]string{"", "", "", ""}},
	} {
		for i, column := range columns {
			var w *httptest.ResponseRecorder
			switch column {
			case "public":
				w = k.get("/acme/photos/cat.jpg?w=9", k.as(row.key)...)
			case "private":
				w = k.get("/acme/vault/a.jpg?w=9", k.as(row.key)...)
			case "signed by rule":
				w = k.get("/signed/photos/cat.jpg?w=9", k.as(row.key)...)
			case "post":
				w = k.post("/acme/transform?w=9", bytes.NewReader(deliverytest.Photo(t, 30, 20)), k.as(row.key)...)
			}
			if got := code(t, w); got != row.codes[i] {
				t.Errorf("%s with %s: %d %s, want %q", column, row.key, w.Code, got, row.codes[i])
			}
			control := w.Header().Get("Cache-Control")
			if w.Code >= 400 && control != "no-store" {
				t.Errorf("%s with %s: Cache-Control %q of an error", column, row.key, control)
			}
			if w.Code == 200 && row.key != "no key" && row.key != "malformed" && !strings.HasPrefix(control, "private, ") && column != "post" {
				t.Errorf("%s with %s: Cache-Control %q", column, row.key, control)
			}
			if key := k.keys[row.key]; key != "" && strings.Contains(w.Body.String(), key) {
				t.Errorf("%s with %s: the answer shows the key", column, row.key)
			}
			if (w.Header().Get("WWW-Authenticate") == "Bearer") != (row.codes[i] == none) {
				t.Errorf("%s with %s: WWW-Authenticate %q", column, row.key, w.Header().Get("WWW-Authenticate"))
			}
			checked++
		}
	}
	t.Logf("%d answers", checked)
}

func TestKeyCacheControl(t *testing.T) {
	k := newKeyBench(t)
	for _, c := range []struct{ key, target, want string }{
		{"no key", "/acme/photos/cat.jpg?w=9", cacheControlDefault},
		{"read", "/acme/photos/cat.jpg?w=9", "private, max-age=31536000"},
		{"read", "/acme/vault/a.jpg?w=9", "private, max-age=600"},
		{"brief", "/acme/vault/a.jpg?w=9", "private, max-age=5"}, // 539 or less
	} {
		w := k.get(c.target, k.as(c.key)...)
		if got := w.Header().Get("Cache-Control"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s with %s: %q, want %q", c.target, c.key, got, c.want)
		}
	}
	// A key with a signature that is wrong or over still opens.
	if w := k.get("/acme/vault/a.jpg?w=9&exp=1&sig="+strings.Repeat("0", 64), k.as("read")...); w.Code != 200 {
		t.Errorf("a key beside an old signature: %d", w.Code)
	}
	if w := k.get("/acme/vault/none.jpg", k.as("read")...); code(t, w) != "NOT_FOUND" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a missing original: %d, Cache-Control %q", w.Code, w.Header().Get("Cache-Control"))
	}
}

// TestKeyInURL shows that a key in a URL is refused, also beside a right one.
func TestKeyInURL(t *testing.T) {
	k := newKeyBench(t)
	for _, name := range []string{"key", "token", "v", "dl", "src", "%76"} {
		w := k.get("/acme/photos/cat.jpg?w=9&"+name+"="+k.keys["read"], k.as("read")...)
		if code(t, w) != "UNAUTHORIZED" || strings.Contains(w.Body.String(), k.keys["read"]) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, query := range []string{k.keys["read"], "v=Bearer%20" + k.keys["read"]} {
		if w := k.get("/acme/photos/cat.jpg?w=9&" + query); code(t, w) != "UNAUTHORIZED" {
			t.Errorf("a key in %q: %d %s", query, w.Code, w.Body)
		}
	}
	if w := k.get("/playground/acme/original?src=photos/cat.jpg&v=" + k.keys["read"]); code(t, w) != "UNAUTHORIZED" || strings.Contains(w.Body.String(), k.keys["read"]) {
		t.Errorf("a key in the playground's question for an original: %d %s", w.Code, w.Body)
	}
	for _, target := range []string{
		"/acme/photos/cat.jpg?w=9&v=" + rootKey, "/acme/photos/cat.jpg?w=9&unknown=" + rootKey, "/acme/photos/cat.jpg?" + rootKey, "/acme/photos/cat.jpg?w=9&" + rootKey + "=1",
		"/acme/photos/cat.jpg?w=9&v=%" + fmt.Sprintf("%02x", rootKey[0]) + rootKey[1:], "/acme/photos/cat.jpg?w=9&v=Bearer+" + rootKey,
		"/acme/photos/" + rootKey, "/" + rootKey + "/photos/cat.jpg", "/static/" + rootKey, "/playground/acme/original?src=photos/cat.jpg&v=" + rootKey,
	} {
		if w := k.get(target); code(t, w) != "UNAUTHORIZED" || strings.Contains(w.Body.String(), rootKey) {
			t.Errorf("a root key in %q: %d %s", target, w.Code, w.Body)
		}
	}
	if strings.Contains(k.log.String(), rootKey) {
		t.Error("a root key is in the log")
	}
	if w := k.get("/acme/photos/cat.jpg?w=9&v=" + strings.Repeat("x", len(rootKey))); w.Code != 200 {
		t.Errorf("what is as long as a root key: %d %s", w.Code, w.Body)
	}
	if w := k.get("/acme/photos/cat.jpg?w=9&v=tt_live_band"); w.Code != 200 {
		t.Errorf("what is no key: %d %s", w.Code, w.Body)
	}
}

// TestKeyStoreDown shows what is served while no key can be looked up.
func TestKeyStoreDown(t *testing.T) {
	k := newKeyBench(t)
	k.down.Store(true)
	for _, c := range []struct{ key, target, code string }{
		{"read", "/acme/photos/cat.jpg?w=9", ""},
		{"read", "/acme/vault/a.jpg?w=9", "OVERLOADED"},
		{"root", "/acme/vault/a.jpg?w=9", ""},
		{"test", "/acme/photos/cat.jpg?w=9", "OVERLOADED"}, // never unstamped
	} {
		if got := code(t, k.get(c.target, k.as(c.key)...)); got != c.code {
			t.Errorf("%s with %s: %q, want %q", c.target, c.key, got, c.code)
		}
	}
}

// TestTestKeyStamp stamps, keeps apart what is stamped, and counts to a hundred.
func TestTestKeyStamp(t *testing.T) {
	k := newKeyBench(t)
	k.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 60, 40))) // small, as it is decoded 100 times
	stamped := func() bool {
		marks := *k.engine.marks.Load()
		return len(marks) > 0 && marks[len(marks)-1].Hash == k.testMark.Hash
	}
	plain := k.get("/acme/photos/cat.jpg?w=50", k.as("read")...)
	if stamped() {
		t.Error("an image for a live key is stamped")
	}
	test := k.get("/acme/photos/cat.jpg?w=50", k.as("test")...)
	if !stamped() || test.Code != 200 {
		t.Error("an image for a test key is not stamped")
	}
	if status := test.Header().Get("Cache-Status"); !strings.Contains(status, "fwd=miss") {
		t.Errorf("the stamped variant came from the plain one: %q", status)
	}
	for _, w := range []*httptest.ResponseRecorder{k.get("/acme/photos/cat.jpg?w=50", k.as("test2")...), k.get("/acme/photos/cat.jpg?w=50")} {
		if status := w.Header().Get("Cache-Status"); !strings.Contains(status, "hit") {
			t.Errorf("asked for again: %q", status)
		}
	}
	if plain.Code != 200 || k.engine.Runs.Load() != 2 {
		t.Errorf("%d transforms, want 2", k.engine.Runs.Load())
	}
	if w := k.post("/acme/transform?w=9", bytes.NewReader(deliverytest.Photo(t, 30, 20)), k.as("test")...); w.Code != 200 || !stamped() {
		t.Errorf("a body for a test key: %d, stamped %v", w.Code, stamped())
	}
	for i := range 98 {
		if w := k.get(fmt.Sprintf("/acme/photos/cat.jpg?w=50&v=%d", i), k.as("test")...); w.Code != 200 {
			t.Fatalf("transform %d of a test key: %d %s", i+3, w.Code, w.Body)
		}
	}
	for range 3 {
		w := k.get("/acme/photos/cat.jpg?w=50&v=more", k.as("test")...)
		if code(t, w) != "QUOTA_EXCEEDED" || w.Code != 429 || w.Header().Get("Retry-After") == "" {
			t.Errorf("the 101st: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
	}
	if w := k.get("/acme/photos/cat.jpg?w=50", k.as("test")...); w.Code != 200 {
		t.Errorf("a hit afterwards: %d", w.Code)
	}
	if w := k.get("/acme/photos/cat.jpg?w=50&v=more", k.as("test2")...); w.Code != 200 {
		t.Errorf("another test key: %d", w.Code)
	}
}

func TestTestStamp(t *testing.T) {
	stamp, err := testMark()
	if err != nil {
		t.Fatal(err)
	}
	if stamp.Header.Format != transform.PNG || stamp.Header.Width < 100 {
		t.Errorf("the stamp is %+v", stamp.Header)
	}
	var rows []string
	for row := range 7 {
		line := ""
		for _, g := range glyphs {
			line += (g + " ")[row*6 : row*6+6]
		}
		rows = append(rows, strings.TrimRight(line, " "))
	}
	want := []string{
		"##### #####  #### #####",
		"  #   #     #       #",
		"  #   #     #       #",
		"  #   ####   ###    #",
		"  #   #         #   #",
		"  #   #         #   #",
		"  #   ##### ####    #",
	}
	if got := strings.Join(rows, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the stamp says\n%s", got)
	}
}

// chunked hides the length of a body.
type chunked struct{ io.Reader }

func TestPostTransform(t *testing.T) {
	k := newKeyBench(t)
	k.registry.Set(t, k.acme(func(w *workspace.Workspace) {
		w.AllowedOrigins = []string{"https://app.example.com"}
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=32"}}
	}))
	jpeg := deliverytest.Photo(t, 300, 200)
	tests := []struct {
		name, target string
		body         io.Reader
		code         string
	}{
		{"plain", "/acme/transform?w=30", bytes.NewReader(jpeg), ""},
		{"chunked", "/acme/transform?w=30", chunked{bytes.NewReader(jpeg)}, ""},
		{"no options", "/acme/transform", bytes.NewReader(jpeg), ""},
		{"preset", "/acme/transform?preset=thumb", bytes.NewReader(jpeg), ""},
		{"unknown preset", "/acme/transform?preset=none", bytes.NewReader(jpeg), "INVALID_OPTION"},
		{"bad option", "/acme/transform?w=x", bytes.NewReader(jpeg), "INVALID_OPTION"},
		{"src", "/acme/transform?src=photos/cat.jpg", bytes.NewReader(jpeg), "INVALID_SOURCE"},
		{"default", "/acme/transform?default=photos/cat.jpg", bytes.NewReader(jpeg), "INVALID_OPTION"},
		{"empty", "/acme/transform?w=30", strings.NewReader(""), "INVALID_SOURCE"},
		{"no image", "/acme/transform?w=30", strings.NewReader("hello, hello, hello, hello"), "UNSUPPORTED_FORMAT"},
		{"svg", "/acme/transform?w=30", strings.NewReader(`<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`), "UNSUPPORTED_FORMAT"},
		{"broken", "/acme/transform?w=30", bytes.NewReader(jpeg[:20]), "IMAGE_CORRUPT"},
		{"too large", "/acme/transform?w=30", bytes.NewReader(make([]byte, 1<<20+1)), "ORIGINAL_TOO_LARGE"},
		{"too large, chunked", "/acme/transform?w=30", chunked{bytes.NewReader(append(jpeg, make([]byte, 1<<20)...))}, "ORIGINAL_TOO_LARGE"},
		{"an image's path", "/acme/photos/cat.jpg", bytes.NewReader(jpeg), "METHOD_NOT_ALLOWED"},
		{"transform of a path", "/acme/transform/photos/cat.jpg", bytes.NewReader(jpeg), "METHOD_NOT_ALLOWED"},
		{"no workspace", "/nobody/transform", bytes.NewReader(jpeg), "WORKSPACE_NOT_FOUND"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			w := k.post(c.target, c.body, append(k.as("read"), "Origin", "https://elsewhere.example.com")...)
			if got := code(t, w); got != c.code {
				t.Fatalf("%d %s, want %q: %s", w.Code, got, c.code, w.Body)
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("there is CORS: %s", name)
				}
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			if c.code == "" && (w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("Content-Security-Policy") == "") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
	runs := k.engine.Runs.Load()
	k.post("/acme/transform?w=30", bytes.NewReader(jpeg), k.as("read")...)
	if k.engine.Runs.Load() != runs+1 {
		t.Error("a body's variant was cached")
	}
	// A body that harms an engine is no reason to refuse another.
	one := *k.engine.name.Load()
	k.post("/acme/transform?w=30", bytes.NewReader(deliverytest.Photo(t, 30, 20)), k.as("read")...)
	if other := *k.engine.name.Load(); other == one {
		t.Errorf("two bodies count as one original: %q", one)
	}
}

// TestKeyAccounting follows requests for images into the counts of a key and the access
// log, where images of one key and address are one line an hour.
func TestKeyAccounting(t *testing.T) {
	k := newKeyBench(t)
	for range 5 {
		k.get("/acme/vault/a.jpg?w=9", k.as("read")...)
	}
	k.get("/acme/vault/none.jpg", k.as("read")...)
	k.get("/acme/vault/a.jpg", k.as("revoked")...)
	k.get("/acme/photos/cat.jpg")
	k.post("/acme/transform?w=9", bytes.NewReader(deliverytest.Photo(t, 30, 20)), k.as("root")...)
	k.get("/acme/photos/cat.jpg?w=77", k.as("test")...) // which isn't counted
	for _, flush := range []func(context.Context) error{k.usage.Flush, k.journal.Flush} {
		if err := flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := k.store.APIKeys(t.Context(), "id-of-acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if key.ID == "read" && (key.TotalRequests != 6 || key.TotalErrors != 1) {
			t.Errorf("counted %d requests, %d errors", key.TotalRequests, key.TotalErrors)
		}
	}
	entries, err := k.store.Audit(t.Context(), "id-of-acme", workspace.TrailAccess, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(e.Actor, " ", e.Status))
	}
	counted, err := k.store.Usage(t.Context(), "id-of-acme", "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	var requests, transforms int64
	for _, u := range counted {
		requests += u.Requests
		transforms += u.Transforms
	}
	if requests != 9 || transforms != 3 {
		t.Errorf("counted %d requests and %d transforms, want 9 and 3: %+v", requests, transforms, counted)
	}
	if want := "key:test 200, key:revoked 401, key:read 404, key:read 200"; strings.Join(got, ", ") != want {
		t.Errorf("the access log has %s, want %s", got, want)
	}
}
