package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/signing"
)

// ring is the keyring that delivery verifies with.
func (s *server) ring(t *testing.T, namespace string) *signing.Keyring {
	t.Helper()
	w, err := s.store.Get(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return signing.NewKeyring(w.SigningKeys)
}

func decode[T any](t *testing.T, a answer, status int) (v T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d %s, want %d", a.status, a.body, status)
	}
	if a.body != "" {
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

type newKey struct {
	ID, Secret string
	CreatedAt  time.Time `json:"created_at"`
}

func TestSigningKeys(t *testing.T) {
	now := time.Now()
	s := start(t, func(c *config) {
		c.BaseDomain = "img.example.com"
		c.Now = func() time.Time { return now }
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`)
	const keys = "/v1/workspaces/acme/signing-keys"

	if a := s.do(t, "POST", "/v1/workspaces/acme/sign", `{"url":"/acme/photos/cat.jpg"}`); a.status != http.StatusConflict {
		t.Errorf("signing without a key: %d %s", a.status, a.body)
	}
	var made []newKey
	for range signing.MaxKeys {
		k := decode[newKey](t, s.do(t, "POST", keys, ""), http.StatusCreated)
		if _, err := signing.ParseSecret(k.Secret); err != nil || k.ID == "" || k.CreatedAt.IsZero() {
			t.Fatalf("%+v: %v", k, err)
		}
		made = append(made, k)
	}
	now = now.Add(time.Minute) // every server knows the keys by then
	if a := s.do(t, "POST", keys, ""); a.status != http.StatusConflict {
		t.Errorf("one key too many: %d", a.status)
	}
	list := s.do(t, "GET", keys, "")
	whole := s.do(t, "GET", "/v1/workspaces/acme", "")
	for _, k := range made {
		if !strings.Contains(list.body, k.ID) {
			t.Errorf("the list lacks %s", k.ID)
		}
		if strings.Contains(list.body+whole.body+s.log.String(), k.Secret) {
			t.Error("a secret is shown again")
		}
	}

	// Other changes of the workspace keep the keys.
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"Acme"}`)
	settings := decode[map[string]any](t, s.do(t, "GET", "/v1/workspaces/acme", ""), 200)
	settings["name"] = "Acme Ltd"
	body, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	decode[map[string]any](t, s.do(t, "PUT", "/v1/workspaces/acme", string(body)), 200)

	type signed struct {
		URL string    `json:"signed_url"`
		At  time.Time `json:"expires_at"`
	}
	for url, target := range map[string]func(signedURL string) string{
		"/acme/photos/cat.jpg?w=400":                          func(u string) string { return u },
		"https://img.example.com/acme/photos/cat.jpg":         func(u string) string { return strings.TrimPrefix(u, "https://img.example.com") },
		"https://acme.img.example.com/photos/c%20t.jpg?w=400": func(u string) string { return "/acme" + strings.TrimPrefix(u, "https://acme.img.example.com") },
		"http://localhost:8080/acme?src=photos/cat.jpg":       func(u string) string { return strings.TrimPrefix(u, "http://localhost:8080") },
	} {
		got := decode[signed](t, s.do(t, "POST", "/v1/workspaces/acme/sign", fmt.Sprintf(`{"url":%q,"expires_in":60}`, url)), 200)
		if !strings.HasPrefix(got.URL, url) {
			t.Errorf("%s became %s", url, got.URL)
		}
		g, err := s.ring(t, "acme").Verify(target(got.URL), time.Now())
		if err != nil || g.KeyID != made[len(made)-1].ID || !g.Expires.Equal(got.At) {
			t.Errorf("%s: %+v, %v", got.URL, g, err)
		}
	}
	for _, body := range []string{
		`{}`, `{"url":""}`, `{"url":"photos/cat.jpg"}`, `{"url":"/other/photos/cat.jpg"}`, `{"url":"ftp://x/acme/a"}`, `{"url":"https://user@x/acme/a.jpg"}`,
		`{"url":"/acme/a.jpg?sig=1"}`, `{"url":"/acme/a.jpg?exp=1"}`, `{"url":"/acme/a b.jpg"}`, `{"url":"/acme/a.jpg","expires_in":604801}`,
		`{"url":"/acme/a.jpg","expires_in":-1}`, `{"url":"/acme/a.jpg","expire":1}`, `{"url":"/acme/a.jpg"} x`, `[]`, `{"url":1}`,
	} {
		if a := s.do(t, "POST", "/v1/workspaces/acme/sign", body); a.status != 400 || !strings.Contains(a.body, "VALIDATION_ERROR") {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}

	s.do(t, "PATCH", "/v1/workspaces/acme", `{"sources":[{"key":"photos","kind":"http","url":"https://photos.test/"}]}`).want(t, 200)
	for url, want := range map[string]string{
		"/photos/cat.jpg":                              "its path begins with /acme/, or its host is the workspace's. Put /acme before /photos.",
		"https://img.example.com/photos/cat.jpg":       "Put /acme before /photos.",
		"/nobody/cat.jpg":                              "or its host is the workspace's.",
		"photos/cat.jpg":                               "must begin with https://, http:// or /acme/.",
		"/acme//photos/cat.jpg":                        "has an empty segment before the source. Leave out one slash.",
		"https://acme.img.example.com//photos/cat.jpg": "has an empty segment before the source. Leave out one slash.",
	} {
		message := s.do(t, "POST", "/v1/workspaces/acme/sign", fmt.Sprintf(`{"url":%q}`, url)).wantError(t, 400, "VALIDATION_ERROR")
		if !strings.HasSuffix(strings.TrimSuffix(message, "."), strings.TrimSuffix(want, ".")) {
			t.Errorf("%s: %s", url, message)
		}
	}

	// After the key was revoked, its signatures are refused.
	got := decode[signed](t, s.do(t, "POST", "/v1/workspaces/acme/sign", `{"url":"/acme/a.jpg"}`), 200)
	if a := s.do(t, "DELETE", keys+"/"+made[len(made)-1].ID, ""); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if _, err := s.ring(t, "acme").Verify(got.URL, time.Now()); err == nil {
		t.Error("a revoked key verifies")
	}
	if a := s.do(t, "DELETE", keys+"/"+made[len(made)-1].ID, ""); a.status != http.StatusNotFound {
		t.Errorf("deleting twice: %d", a.status)
	}
	if a := s.do(t, "POST", "/v1/workspaces/nobody/signing-keys", ""); a.status != http.StatusNotFound {
		t.Errorf("unknown workspace: %d", a.status)
	}
}

// TestSigningKeyTakesOver makes a second signing key. Other servers hear of it within 10
// seconds. Until then they refuse its signatures, so the first key signs.
func TestSigningKeyTakesOver(t *testing.T) {
	now := time.Now()
	s := start(t, func(c *config) { c.Now = func() time.Time { return now } })
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	make := func() *signing.Keyring {
		k := decode[newKey](t, s.do(t, "POST", "/v1/workspaces/acme/signing-keys", ""), http.StatusCreated)
		secret, err := signing.ParseSecret(k.Secret)
		if err != nil {
			t.Fatal(err)
		}
		return signing.NewKeyring([]signing.Key{{ID: k.ID, Secret: secret, CreatedAt: k.CreatedAt}})
	}
	wantSignedBy := func(k *signing.Keyring, when string) {
		t.Helper()
		got := decode[struct {
			URL string `json:"signed_url"`
		}](t, s.do(t, "POST", "/v1/workspaces/acme/sign", `{"url":"/acme/a.jpg"}`), 200)
		if _, err := k.Verify(got.URL, now); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	first := make()
	wantSignedBy(first, "the only key, which is new")
	now = now.Add(time.Hour)
	second := make()
	now = now.Add(9 * time.Second)
	wantSignedBy(first, "9 s after the second key")
	now = now.Add(3 * time.Second)
	wantSignedBy(second, "12 s after it")
}

// TestSignHostForm: signed paths have no namespace on hosts that delivery knows as the
// workspace's, and only there.
func TestSignHostForm(t *testing.T) {
	var records manage.Records
	s := start(t, func(c *config) { c.BaseDomain, records = "img.example.com", c.Records })
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","domains":["claimed.example.org","own.example.org"],"sources":[{"key":"photos","kind":"http","url":"https://photos.test/"}]}`).want(t, 201)
	s.do(t, "POST", "/v1/workspaces/acme/signing-keys", "").want(t, 201)
	if err := records.VerifyDomain(t.Context(), "own.example.org", "acme", time.Now()); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]struct{ signed, refusal string }{
		"https://own.example.org/photos/cat.jpg":          {"/acme/photos/cat.jpg", ""},
		"https://OWN.example.org:8443/photos/cat.jpg":     {"/acme/photos/cat.jpg", ""},
		"https://acme.img.example.com/photos/cat.jpg":     {"/acme/photos/cat.jpg", ""},
		"https://img.example.com/acme/photos/cat.jpg":     {"/acme/photos/cat.jpg", ""},
		"https://claimed.example.org/acme/photos/cat.jpg": {"/acme/photos/cat.jpg", ""}, // any host serves path form
		"https://claimed.example.org/photos/cat.jpg":      {"", "claimed.example.org is not verified"},
		"https://own.example.org/acme/photos/cat.jpg":     {"", "Leave out /acme"},
		"https://other.img.example.com/acme/photos/a.jpg": {"", "another workspace, other"},
	} {
		a := s.do(t, "POST", "/v1/workspaces/acme/sign", fmt.Sprintf(`{"url":%q}`, url))
		if want.refusal != "" {
			if a.status != 400 || !strings.Contains(a.body, want.refusal) {
				t.Errorf("%s: %d %s", url, a.status, a.body)
			}
			continue
		}
		got := decode[struct {
			URL string `json:"signed_url"`
		}](t, a, 200)
		if _, query, _ := strings.Cut(got.URL, "?"); !strings.HasPrefix(got.URL, url+"?") {
			t.Errorf("%s became %s", url, got.URL)
		} else if _, err := s.ring(t, "acme").Verify(want.signed+"?"+query, time.Now()); err != nil {
			t.Errorf("%s: %s isn't what was signed: %v", url, want.signed, err)
		}
	}
}

// Keys of other products are given, counted by dialect, and never shown.
func TestDialectKeys(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`)
	const keys = "/v1/workspaces/acme/signing-keys"
	type key struct {
		ID, Secret, Dialect, Algorithm string
		Warnings                       []string
	}
	if k := decode[key](t, s.do(t, "POST", keys, `{}`), 201); k.Secret == "" || k.Dialect != "" { // as clients send that always send a body
		t.Errorf("{} made %+v", k)
	}
	const secret = "hunter2hunter2hunter2"
	for range 5 {
		if k := decode[key](t, s.do(t, "POST", keys, `{"dialect":"thumbor","secret":"`+secret+`"}`), 201); k.Secret != "" || k.Dialect != "thumbor" || k.Algorithm != "sha1" || len(k.Warnings) > 0 {
			t.Errorf("made %+v", k)
		}
	}
	if a := s.do(t, "POST", keys, `{"dialect":"thumbor","secret":"`+secret+`"}`); a.status != 409 {
		t.Errorf("a sixth key of a dialect: %d %s", a.status, a.body)
	}
	weak := decode[key](t, s.do(t, "POST", keys, `{"dialect":"imgproxy","secret":"0001020304","salt":"00","signature_size":8}`), 201)
	if len(weak.Warnings) != 1 || !strings.Contains(weak.Warnings[0], "opens no private source") {
		t.Errorf("a short secret: %+v", weak)
	}
	decode[key](t, s.do(t, "POST", keys, ""), 201) // one of ours beside them
	for body, field := range map[string]string{
		`{"dialect":"imgproxy","secret":"xyz"}`: "secret", `{"dialect":"thumbor"}`: "secret", `{"dialect":"weserv","secret":"x"}`: "dialect",
		`{"dialect":"imgix","secret":"x","signature_size":8}`: "signature_size", `{"secret":"x"}`: "dialect", `{"dialect":"thumbor","secret":"x","more":1}`: "more",
	} {
		if a := s.do(t, "POST", keys, body); a.status != 400 || !strings.Contains(a.body, field+": ") {
			t.Errorf("%s: %d %s, want 400 about %s", body, a.status, a.body, field)
		}
	}
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"Acme"}`).want(t, 200)
	list := s.do(t, "GET", keys, "")
	if n := strings.Count(list.body, `"dialect":"thumbor"`); n != 5 || !strings.Contains(list.body, weak.ID) {
		t.Errorf("after another change the list has %d keys of thumbor: %s", n, list.body)
	}
	shown := list.body + s.do(t, "GET", "/v1/workspaces/acme", "").body + s.do(t, "GET", "/v1/workspaces/acme/audit", "").body + s.log.String()
	if strings.Contains(shown, secret) || strings.Contains(shown, "0001020304") {
		t.Error("a secret is shown again")
	}
	s.do(t, "DELETE", keys+"/"+weak.ID, "").want(t, 204)
	if list := s.do(t, "GET", keys, ""); strings.Contains(list.body, weak.ID) {
		t.Errorf("revoked, and listed: %s", list.body)
	}
}

// TestSignBatch signs several URLs in one call, and takes either one or several.
func TestSignBatch(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[{"key":"photos","kind":"http","url":"https://photos.test/"}]}`).want(t, 201)
	s.do(t, "POST", "/v1/workspaces/acme/signing-keys", "").want(t, 201)
	got := s.do(t, "POST", "/v1/workspaces/acme/sign", `{"urls":["/acme/photos/a.jpg","/acme/photos/b.jpg?w=9"],"expires_in":60}`).want(t, 200).body
	if !strings.HasPrefix(got, `{"signed_urls":["/acme/photos/a.jpg?exp=`) || !strings.Contains(got, `,"/acme/photos/b.jpg?w=9&exp=`) || !strings.Contains(got, `"expires_at":"20`) {
		t.Error(got)
	}
	for _, bad := range []string{`{"url":"/acme/photos/a.jpg","urls":["/acme/photos/a.jpg"]}`, `{"urls":["/acme/photos/a.jpg","nothing"]}`, `{"urls":[]}`} {
		s.do(t, "POST", "/v1/workspaces/acme/sign", bad).wantError(t, 400, "VALIDATION_ERROR")
	}
}
