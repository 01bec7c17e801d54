package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// get sends a GET with headers and cookies, each as names and values in turn.
func (s *site) get(target string, headers, cookies []string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for i := 0; i < len(cookies); i += 2 {
		r.AddCookie(&http.Cookie{Name: cookies[i], Value: cookies[i+1]})
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// TestCookieOfAnotherHost: a session counts only in the cookie that another host, such as one
// below the same domain, can't set.
func TestCookieOfAnotherHost(t *testing.T) {
	s := open(t)
	token := s.tokens["owner"]
	for _, name := range []string{"tt", "__Secure-tt", "__host-tt", "tt-device", "__Host-tt-device", "session"} {
		if w := s.get("/app/me", nil, []string{name, token}); w.Code != 303 {
			t.Errorf("the cookie %s: %d", name, w.Code)
		}
	}
	if w := s.get("/app/me", []string{"Authorization", "Bearer " + token}, nil); w.Code != 303 {
		t.Error("a session as a key:", w.Code)
	}
	if w := s.get("/app/me?tt="+token, nil, nil); w.Code != 303 {
		t.Error("a session in the query:", w.Code)
	}
	if w := s.get("/app/me", nil, []string{"__Host-tt", token}); w.Code != 200 {
		t.Error(w.Code)
	}
}

// TestCrossSitePosts: no form works from a page of another site, and none that another site
// shows in a frame can be pressed.
func TestCrossSitePosts(t *testing.T) {
	s, ids := inhabited(t)
	before := stateOf(t, s)
	b := &browser{s, map[string]string{"__Host-tt": s.tokens["owner"]}}
	for _, r := range pageRows {
		method, target := pageOf(r.pattern)
		if method != "POST" {
			continue
		}
		fields := url.Values{}
		for name, values := range r.fields {
			fields.Set(name, ids.Replace(values[0]))
		}
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			if w := b.send(method, target, fields, headers...); w.Code != 403 || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s with %v: %d", r.pattern, headers, w.Code)
			}
		}
	}
	if !reflect.DeepEqual(before, stateOf(t, s)) || b.send("GET", "/app/me", nil).Code != 200 {
		t.Error("something changed")
	}
}

// TestNextAfterCode: nobody is sent to another site after typing a code.
func TestNextAfterCode(t *testing.T) {
	s := open(t)
	for _, next := range []string{"https://evil.example/", "//evil.example/app", "/app/..//evil.example"} {
		b := &browser{s, map[string]string{}}
		b.send("POST", "/app/me/sign-in", url.Values{"email": {"owner@acme.example"}, "next": {next}})
		w := b.send("POST", "/app/me/sign-in", url.Values{"email": {"owner@acme.example"}, "next": {next}, "code": {s.mail.code()}})
		if w.Code != 303 || w.Header().Get("Location") != "/app" {
			t.Errorf("%q: %d %q", next, w.Code, w.Header().Get("Location"))
		}
	}
}

// TestLinksInMails: links lead to the host of --public-url, whatever host a request names.
func TestLinksInMails(t *testing.T) {
	s := open(t)
	fields := url.Values{"do": {"invite"}, "email": {"new@x.example"}, "role": {"viewer"}}
	r := httptest.NewRequest("POST", "https://evil.example/app/acme/members", strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("Forwarded", "host=evil.example")
	r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: s.tokens["owner"]})
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if m := <-s.mail; w.Code != 303 || strings.Contains(m.Text+m.Subject, "evil") || !strings.Contains(m.Text, "https://img.example/app\n") {
		t.Errorf("%d %+v", w.Code, m)
	}
	for _, target := range []string{"/app/acme", "/app/acme/signing-keys", "/app/me/sign-in"} {
		r := httptest.NewRequest("GET", "https://evil.example"+target, nil)
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: s.tokens["owner"]})
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if strings.Contains(w.Body.String()+w.Header().Get("Location"), "evil.example") {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
}

// TestOpenSignup: where everybody may sign in, a stranger sees no workspace and makes none.
func TestOpenSignup(t *testing.T) {
	s := open(t)
	s.people.Signup = account.SignupOpen
	s.tokens["new"] = signIn(t, s.people, s.mail, "new@x.example", account.Client{IP: "192.0.2.5"})
	page := s.ask("new", "GET", "/app", nil).Body.String()
	if strings.Contains(page, "acme") || strings.Contains(page, "Make a workspace") || !strings.Contains(page, "You are in no workspace yet") {
		t.Error(page)
	}
	for _, namespace := range []string{"squatted", "acme", ""} {
		if w := s.ask("new", "POST", "/app", url.Values{"namespace": {namespace}}); w.Code != 403 {
			t.Errorf("%q: %d", namespace, w.Code)
		}
	}
	if w := s.ask("new", "GET", "/app/squatted", nil); w.Code != 403 {
		t.Error(w.Code)
	}
}

// TestEveryPage looks at each page with texts in every place that a member, a client or a
// program can fill. All of them are shown as text, no page has a script or a style of its own,
// no secret of the workspace is on any, and none may be stored or framed.
func TestEveryPage(t *testing.T) {
	s, _ := inhabited(t)
	const x = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	secrets := []string{"hunter2-header", "hunter2-bucket"}
	signer := signing.NewSecret()
	secrets = append(secrets, signer.Reveal())
	s.edit(t, func(w *workspace.Workspace) {
		w.Name, w.DefaultSource, w.CDNCacheControl = x, x, x
		w.AllowedOrigins, w.AllowedSources = []string{x}, []string{x}
		w.Domains = append(w.Domains, x)
		w.Sources = append(w.Sources,
			workspace.Source{Key: x, Kind: "http", URL: "https://" + x, Headers: map[string]string{x: secrets[0]}, PublicURLs: []string{x}, CacheControl: x},
			workspace.Source{Key: "bucket", Kind: "s3", Bucket: x, Region: x, Prefix: x, Endpoint: x, AccessKeyID: x, SecretAccessKey: secrets[1]})
		w.Marks = append(w.Marks, workspace.Mark{Name: x, Image: x, Width: x, Align: x, AutoApplySources: []string{x}})
		w.Presets = append(w.Presets, workspace.Preset{Name: x, Options: x})
		w.SigningKeys = append(w.SigningKeys, signing.Key{ID: x, Secret: signer, CreatedAt: now})
	})
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.CreateAPIKey(t.Context(), &workspace.APIKey{ID: "x", WorkspaceID: w.ID, Namespace: "acme", Name: x, Scopes: []string{x}, CreatedBy: x, Hash: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	s.logged(t, workspace.AuditEntry{Time: now, Actor: x, Action: x, Target: x, IP: x, UserAgent: x, Before: []byte(`{"name":"\"><script>"}`)})
	s.logged(t, workspace.AuditEntry{Time: now, Trail: workspace.TrailAccess, Actor: x, Action: x, Target: x, IP: x, UserAgent: x, Status: 500})
	s.tokens["owner"] = signIn(t, s.people, s.mail, "owner@acme.example", account.Client{IP: x, UserAgent: x})

	inline := regexp.MustCompile(`(?i)<script(?:[^>]*>[^<]|>)|<style|\sstyle=|\son[a-z]+="|javascript:`)
	targets := []string{"/app/acme/log?trail=access", "/app/acme/access?url=" + url.QueryEscape(x) + "&origin=" + url.QueryEscape(x), "/app?search=" + url.QueryEscape(x),
		"/app/acme/presets?picture=" + url.QueryEscape(x), "/app/acme?source=" + url.QueryEscape(x) + "&path=" + url.QueryEscape(x), "/app/" + url.PathEscape(x),
		"/app/acme/sources/" + url.PathEscape(x), "/app/acme/sources/bucket", "/app/acme/presets/" + url.PathEscape(x), "/app/acme/marks/" + url.PathEscape(x), "/app/acme/sources/" + url.PathEscape(x) + "/delete",
		"/app/me/sign-in?next=" + url.QueryEscape(x)}
	for _, pattern := range dashboard.Patterns() {
		if method, target := pageOf(pattern); method == "GET" {
			targets = append(targets, target)
		}
	}
	for _, target := range targets {
		for _, as := range []string{"", "owner", "operator"} {
			a := s.ask(as, "GET", target, nil)
			body := a.Body.String()
			if a.Code >= 500 {
				t.Errorf("%s as %q: %d\n%s", target, as, a.Code, body)
			}
			html := strings.HasPrefix(a.Header().Get("Content-Type"), "text/html")
			body = strings.Replace(body, `<script type="application/json" id="page-data">`, "", 1) // data, which no browser runs
			if html && (strings.Contains(body, "<script>") || strings.Contains(body, "<img src=x") || inline.MatchString(body)) {
				t.Errorf("%s as %q has markup of somebody: %q\n%s", target, as, inline.FindString(body), body)
			}
			for _, secret := range secrets {
				if strings.Contains(body, secret) {
					t.Errorf("%s as %q shows %s", target, as, secret)
				}
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
			} {
				if got := a.Header().Get(name); got != want {
					t.Errorf("%s as %q: %s is %q", target, as, name, got)
				}
			}
			if policy := a.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s as %q: %s", target, as, policy)
			}
			if html && len(body) > 150<<10 {
				t.Errorf("%s weighs %d bytes", target, len(body))
			}
		}
	}
	t.Logf("%d pages", len(targets))
}

// TestEveryForm sends markup in every field of every form. What comes back shows it as text.
func TestEveryForm(t *testing.T) {
	const x = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*>[^<]|>)|<img src=x|\son[a-z]+="|javascript:`)
	s, ids := inhabited(t)
	for _, r := range pageRows {
		method, target := pageOf(r.pattern)
		if method != http.MethodPost || strings.HasSuffix(r.pattern, "sign-out") || r.fields.Has("all") {
			continue
		}
		for name := range r.fields {
			fields := url.Values{}
			for other, values := range r.fields {
				fields.Set(other, ids.Replace(values[0]))
			}
			if fields.Set(name, x); name != "step" {
				fields.Del("step") // nothing is saved
			}
			a := s.ask("owner", method, target, fields)
			body := strings.Replace(a.Body.String(), `<script type="application/json" id="page-data">`, "", 1) // data, which no browser runs
			if a.Code >= 500 || inline.MatchString(body) {
				t.Errorf("%s, %s: %d, %q\n%s", r.pattern, name, a.Code, inline.FindString(body), body)
			}
			if a.Code == http.StatusSeeOther && a.Header().Get("Location") != "" && strings.Contains(a.Header().Get("Location"), "<") {
				t.Errorf("%s, %s: %s", r.pattern, name, a.Header().Get("Location"))
			}
			s, ids = inhabited(t)
		}
	}
}
