package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// openPlayground is a gallery with a signing key, presets, and files in the folder.
func openPlayground(t *testing.T, change ...func(*workspace.Workspace)) *gallery {
	t.Helper()
	g := openGallery(t)
	for _, name := range []string{"a b.jpg", "2026/c.jpg", `"><script>x.jpg`} {
		file := filepath.Join(g.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, deliverytest.Photo(t, 40, 30), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.edit(t, func(w *workspace.Workspace) {
		w.SigningKeys = []signing.Key{{ID: "KEY", Secret: signing.NewSecret(), CreatedAt: now.Add(-time.Hour)}}
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=20"}}
		for _, f := range change {
			f(w)
		}
	})
	return g
}

// playData is what the script of the page knows.
type playData struct {
	Namespace string
	Member    struct {
		Sources []struct {
			Key             string
			Private, Listed bool
			Marks           []string
		}
		Presets                       map[string]string
		RequireSignature, PresetsOnly bool
		Page, Base, Src               string
		First                         map[string]string
		CannotSign                    *struct{ Means, Do, Path string }
	}
}

var pageData = regexp.MustCompile(`(?s)<script type="application/json" id="page-data">(.*?)</script>`)

func (g *gallery) playData(t *testing.T, as, query string) (d playData, body string) {
	t.Helper()
	w := g.ask(as, "GET", "/app/acme/playground"+query, nil)
	body = w.Body.String()
	found := pageData.FindStringSubmatch(body)
	if w.Code != 200 || found == nil {
		t.Fatalf("%s as %s: %d\n%s", query, as, w.Code, body)
	}
	if err := json.Unmarshal([]byte(found[1]), &d); err != nil {
		t.Fatal(err)
	}
	return d, body
}

// TestPlaygroundPage: the page knows the workspace, and opens with what was chosen.
func TestPlaygroundPage(t *testing.T) {
	g := openPlayground(t)
	d, body := g.playData(t, "editor", "")
	if got, want := fmt.Sprint(d.Member.Sources), "[{photos false false [red]} {open false false []} {vault true false []} {files false true []}]"; got != want {
		t.Errorf("sources %s, want %s", got, want)
	}
	if d.Namespace != "acme" || d.Member.Page != "/app/acme/playground" || d.Member.Base != "https://img.example" || d.Member.Presets["thumb"] != "w=20" || d.Member.CannotSign != nil {
		t.Errorf("%+v", d.Member)
	}
	for _, text := range []string{`<option>thumb</option>`, `<option>red</option>`, `(web server, private)`, `data-option="mark-repeat"`, `src="/app/acme/images/thumbnail?`, "&#34;&gt;&lt;script&gt;x.jpg"} {
		if !strings.Contains(body, text) {
			t.Errorf("the page is without %s", text)
		}
	}
	if strings.Contains(body, "<script>x") || strings.Contains(body, "theirs") {
		t.Error("markup of a file name, or a source of another workspace")
	}
	if len(body) > 90_000 {
		t.Errorf("the page has %d bytes", len(body))
	}
	for _, tt := range []struct{ query, src, first, text string }{
		{"", `files/"><script>x.jpg`, "map[w:640]", `aria-current="page">files<`},
		{"?src=files/2026/c.jpg", "files/2026/c.jpg", "map[w:640]", `value="files/2026/c.jpg" checked`},
		{"?src=vault/a.jpg&options=preset%3Dthumb", "vault/a.jpg", "map[preset:thumb]", `value="vault" selected`},
		{"?src=&options=preset%3Dthumb", `files/"><script>x.jpg`, "map[preset:thumb]", `value="files" selected`},
		{"?source=files&prefix=2026/", "files/2026/c.jpg", "map[w:640]", `aria-current="page">2026<`},
		{"?source=photos", "", "map[w:640]", "A web server tells nobody what it has."},
		{"?source=nothing&prefix=..%2F", `files/"><script>x.jpg`, "map[w:640]", `value="files" selected`},
		{"?src=https%3A%2F%2Fexample.com%2Fa.jpg", "https://example.com/a.jpg", "map[w:640]", `value="https://example.com/a.jpg"`},
		{"?src=none/x&options=%25", "none/x", "map[w:640]", `Must be written as in a URL`},
	} {
		d, body := g.playData(t, "viewer", tt.query)
		if d.Member.Src != tt.src || fmt.Sprint(d.Member.First) != tt.first || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %q %v, with the text: %v", tt.query, d.Member.Src, d.Member.First, strings.Contains(body, tt.text))
		}
	}
	part := g.ask("viewer", "GET", "/app/acme/playground?part=browse&source=files&prefix=2026/", nil)
	if b := part.Body.String(); part.Code != 200 || !strings.Contains(b, `id="browse"`) || !strings.Contains(b, "c.jpg") || strings.Contains(b, "<html") {
		t.Errorf("%d\n%s", part.Code, b)
	}
	for query, want := range map[string]int{"source=nothing": 404, "source=theirs": 404, "source=files&cursor=x": 200, "source=photos": 200} {
		if w := g.ask("viewer", "GET", "/app/acme/playground?part=browse&"+query, nil); w.Code != want {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	// Both pages lead here with the picture.
	for target, want := range map[string]string{
		"/app/acme/images/image?source=files&path=2026/c.jpg": `href="/app/acme/playground?src=files%2F2026%2Fc.jpg"`,
		"/app/acme/presets?picture=open/a.jpg":                `href="/app/acme/playground?options=preset%3Dthumb&amp;src=open%2Fa.jpg"`,
	} {
		if b := g.ask("viewer", "GET", target, nil).Body.String(); !strings.Contains(b, want) {
			t.Errorf("%s is without %s", target, want)
		}
	}
}

// TestPlaygroundWords: who can't sign reads who can, or what is missing. An empty workspace
// says what comes first.
func TestPlaygroundWords(t *testing.T) {
	g := openPlayground(t)
	d, body := g.playData(t, "viewer", "?src=vault/a.jpg")
	if c := d.Member.CannotSign; c == nil || !strings.Contains(c.Do, "editor@acme.example (editor)") || !strings.Contains(c.Do, "owner@acme.example (owner)") || strings.Contains(c.Do, "viewer@") {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(body, "the role viewer can&#39;t sign") || strings.Contains(body, `<form method="post" action="/app/acme/playground"`) {
		t.Error("without scripts, a viewer isn't told")
	}
	g.edit(t, func(w *workspace.Workspace) { w.SigningKeys = nil })
	for as, path := range map[string]string{"owner": "/app/acme/signing-keys", "editor": "/app/acme/members"} {
		if d, _ := g.playData(t, as, ""); d.Member.CannotSign == nil || d.Member.CannotSign.Path != path {
			t.Errorf("%s: %+v", as, d.Member.CannotSign)
		}
	}
	g.edit(t, func(w *workspace.Workspace) { w.PresetsOnly = true })
	if d, body := g.playData(t, "editor", ""); !d.Member.PresetsOnly || fmt.Sprint(d.Member.First) != "map[preset:thumb]" || !strings.Contains(body, `src="/app/acme/images/thumbnail?`) {
		t.Errorf("presets only: %+v", d.Member)
	}
	s := open(t)
	for as, text := range map[string]string{"editor": `href="/app/acme/sources/_new"`, "viewer": "An editor or an owner of the workspace adds one."} {
		s.edit(t, func(w *workspace.Workspace) { w.AllowedSources = nil })
		if b := s.ask(as, "GET", "/app/acme/playground", nil).Body.String(); !strings.Contains(b, text) || strings.Contains(b, "page-data") {
			t.Errorf("an empty workspace, as %s:\n%s", as, b)
		}
	}
}

// TestPlaygroundSigns: the page signs URLs of its workspace for those who may, and bounds how
// often.
func TestPlaygroundSigns(t *testing.T) {
	g := openPlayground(t)
	sign := func(as string, headers []string, fields url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/app/acme/playground", strings.NewReader(fields.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/json")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: g.tokens[as]})
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r)
		return w
	}
	const path = "/acme/vault/a.jpg?w=20"
	urls := func(list ...string) url.Values { return url.Values{"url": list} }
	for _, tt := range []struct {
		as      string
		headers []string
		fields  url.Values
		status  int
		text    string
	}{
		{"editor", nil, urls(path), 200, `"expires":"` + now.Add(time.Hour).UTC().Format(time.RFC3339)},
		{"owner", nil, url.Values{"url": {path}, "seconds": {"86400"}}, 200, `"expires":"` + now.Add(24*time.Hour).UTC().Format(time.RFC3339)},
		{"operator", nil, urls(path), 200, "&sig="},
		{"viewer", nil, urls(path), 403, ""},
		{"stranger", nil, urls(path), 403, ""},
		{"", nil, urls(path), 303, ""},
		{"editor", []string{"Sec-Fetch-Site", "cross-site"}, urls(path), 403, ""},
		{"editor", nil, urls("/other/theirs/a.jpg"), 400, "must be a URL of this workspace"},
		{"editor", nil, urls(path, "/acme/../other/theirs/a.jpg", "/otheracme/x"), 400, "urls[2]"},
		{"editor", nil, urls("https://evil.example/x/a.jpg"), 400, "must be a URL of this workspace"},
		{"editor", nil, urls(), 400, "1 to 1000"},
		{"editor", nil, urls(strings.Fields(strings.Repeat(path+" ", 51))...), 400, "At most 50"},
		{"editor", nil, url.Values{"url": {path}, "seconds": {"604801"}}, 400, "604800"},
		{"editor", nil, url.Values{"url": {path}, "seconds": {"-5"}}, 200, now.Add(time.Hour).UTC().Format(time.RFC3339)},
	} {
		w := sign(tt.as, tt.headers, tt.fields)
		var answer struct {
			Error struct{ Code, Message string }
		}
		if w.Code != tt.status || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\u0026`, "&"), tt.text) {
			t.Errorf("%s %v %v: %d %s", tt.as, tt.headers, tt.fields, w.Code, w.Body)
		}
		if w.Code == 400 && (json.Unmarshal(w.Body.Bytes(), &answer) != nil || answer.Error.Code != "VALIDATION_ERROR") {
			t.Errorf("%v: %s", tt.fields, w.Body)
		}
	}
	var answer struct{ Signed []string }
	if err := json.Unmarshal(sign("editor", nil, urls(path, "/acme/open/a%20b.jpg")).Body.Bytes(), &answer); err != nil || len(answer.Signed) != 2 {
		t.Fatal(err, answer)
	}
	for _, signed := range answer.Signed {
		g.deliver(t, signed)
	}

	// One person has 120 in a minute, and takes none of another's.
	refused := 0
	for range 120 {
		if w := sign("owner", nil, urls(path)); w.Code == 429 {
			refused++
			if !strings.Contains(w.Body.String(), `"RATE_LIMITED"`) || w.Header().Get("Retry-After") == "" {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		}
	}
	if refused != 1 || sign("editor", nil, urls(path)).Code != 200 {
		t.Errorf("%d of 121 were refused", refused)
	}
}

// TestPlaygroundWithoutScript: a form answers with the URL of a picture, signed where it must
// be.
func TestPlaygroundWithoutScript(t *testing.T) {
	g := openPlayground(t)
	_, body := g.playData(t, "editor", "?src=open/a+b.jpg&options=w%3D20%26fit%3Dcover")
	if !strings.Contains(body, `value="https://img.example/acme/open/a%20b.jpg?fit=cover&amp;w=20"`) || !strings.Contains(body, `<img src="/acme/open/a%20b.jpg?fit=cover&amp;w=20"`) {
		t.Error(body)
	}
	if _, body = g.playData(t, "editor", "?src=vault/a.jpg"); !strings.Contains(body, "It is private. Share it for") || strings.Contains(body, `<img src="/acme/vault`) {
		t.Error(body)
	}
	w := g.ask("editor", "POST", "/app/acme/playground", url.Values{"src": {"vault/a.jpg"}, "options": {"w=20"}, "seconds": {"86400"}})
	signed := regexp.MustCompile(`<img src="(/acme/vault/a.jpg[^"]+)"`).FindStringSubmatch(w.Body.String())
	if w.Code != 200 || signed == nil || !strings.Contains(w.Body.String(), "until "+now.Add(24*time.Hour).UTC().Format("2006-01-02 15:04")) {
		t.Fatal(w.Code, w.Body)
	}
	g.deliver(t, strings.ReplaceAll(signed[1], "&amp;", "&"))
	for _, fields := range []url.Values{{}, {"src": {"vault"}}, {"src": {`"><script>x`}}, {"src": {"vault/a.jpg"}, "options": {"%"}}} {
		if w := g.ask("editor", "POST", "/app/acme/playground", fields); w.Code != 422 || !strings.Contains(w.Body.String(), `aria-invalid="true"`) || strings.Contains(w.Body.String(), "<script>x") {
			t.Errorf("%v: %d", fields, w.Code)
		}
	}
}

// TestPrivateFolders: pages sign what they show of a folder that the operator made private.
func TestPrivateFolders(t *testing.T) {
	s := open(t, func(c *manage.Config) {
		c.Process = func(string) workspace.Process {
			return workspace.Process{Dirs: []string{"files"}, PrivateDirs: []string{"files"}}
		}
	})
	s.edit(t, func(w *workspace.Workspace) {
		w.SigningKeys = []signing.Key{{ID: "KEY", Secret: signing.NewSecret(), CreatedAt: now.Add(-time.Hour)}}
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=20"}}
	})
	if b := s.ask("editor", "GET", "/app/acme/presets?picture=files/a.jpg", nil).Body.String(); !strings.Contains(b, `src="/acme/files/a.jpg?preset=thumb&amp;exp=`) {
		t.Error(b)
	}
	if b := s.ask("viewer", "GET", "/app/acme/presets?picture=files/a.jpg", nil).Body.String(); strings.Contains(b, `src="/app/acme/images/thumbnail?`) {
		t.Error(b)
	}
}
