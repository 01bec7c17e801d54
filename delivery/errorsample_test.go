package delivery

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// counting is a bench whose errors are in a store.
func counting(t *testing.T, change ...func(*setup)) (b *bench, counted func() []workspace.ErrorCount) {
	store := workspacetest.NewMemory()
	failed := usage.NewErrors(usage.ErrorsConfig{Store: store})
	b = newBench(t, append(change, func(c *setup) { c.Errors = failed })...)
	return b, func() []workspace.ErrorCount {
		t.Helper()
		if err := failed.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, err := store.Errors(t.Context(), "id-of-acme", "0000-00-00", "9999-99-99")
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
}

// TestErrorsAreCounted: what delivery answers with an error counts by source, status and code,
// with what was asked for. Hits, redirects and errors of namespaces that nobody has don't.
func TestErrorsAreCounted(t *testing.T) {
	for _, tt := range []struct {
		method, target string // GET is the default
		headers        []string
		source         string
		status         int
		code           string
		path, origin   string
	}{
		{target: "/acme/photos/none.jpg?w=20", source: "photos", status: 404, code: "NOT_FOUND", path: "/photos/none.jpg?w=20"},
		{target: "/acme/photos/cat.jpg?w=0", source: "photos", status: 400, code: "INVALID_OPTION", path: "/photos/cat.jpg?w=0"},
		{target: "/acme/nobody/cat.jpg", status: 404, code: "SOURCE_NOT_FOUND", path: "/nobody/cat.jpg"},
		{target: "/acme/vault/cat.jpg", source: "vault", status: 401, code: "SIGNATURE_REQUIRED", path: "/vault/cat.jpg"},
		{target: "/acme/?src=https://evil.example/x.jpg&w=9", status: 403, code: "SOURCE_NOT_ALLOWED", path: "/?src=https://evil.example/x.jpg&w=9"},
		{target: "/acme", status: 400, code: "INVALID_SOURCE", path: "/"},
		{target: "/acme/info/photos/none.jpg?select=colors", source: "photos", status: 404, code: "NOT_FOUND", path: "/info/photos/none.jpg?select=colors"},
		{target: "/acme/placeholder/blurhash?blurhash=x&w=9&h=9", status: 400, code: "INVALID_OPTION", path: "/placeholder/blurhash?blurhash=x&w=9&h=9"},
		{target: "/acme/grid?src=photos/cat.jpg&src=photos/none.jpg&w=90&h=90", source: "photos", status: 404, code: "NOT_FOUND", path: "/grid?src=photos/cat.jpg&src=photos/none.jpg&w=90&h=90"},
		{target: "/acme/_next/image?url=%2Fphotos%2Fnone.jpg&w=640&q=75", source: "photos", status: 404, code: "NOT_FOUND"},
		{target: "/acme/weserv/?w=9", status: 400, code: "INVALID_SOURCE", path: "/weserv/…"},
		{target: "/acme/photos/cat.jpg", headers: []string{"Origin", "https://other.example"}, source: "photos", status: 403, code: "ORIGIN_NOT_ALLOWED", path: "/photos/cat.jpg", origin: "https://other.example"},
		{method: "DELETE", target: "/acme/photos/cat.jpg", source: "photos", status: 405, code: "METHOD_NOT_ALLOWED", path: "DELETE /photos/cat.jpg"},
		{method: "POST", target: "/acme/transform?w=9", status: 401, code: "UNAUTHORIZED", path: "POST /transform?w=9"},
		{method: "HEAD", target: "/acme/photos/none.jpg", source: "photos", status: 404, code: "NOT_FOUND", path: "/photos/none.jpg"},
		{target: "/acme/photos/none.jpg?default=photos/cat.jpg", source: "photos", status: 404, code: "NOT_FOUND", path: "/photos/none.jpg?default=photos/cat.jpg"},
		{target: "/acme/photos/cat.jpg", headers: []string{"Range", "bytes=9999999-"}, source: "photos", status: 416, code: "RANGE_NOT_SATISFIABLE", path: "/photos/cat.jpg"},
		{target: "/acme/photos/cat.jpg?w=20"},
		{target: "/nobody/photos/none.jpg"},
	} {
		b, counted := counting(t)
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.AllowedOrigins, w.AllowedSources = []string{"https://shop.example"}, []string{"https://cdn.example"}
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
		}))
		method := tt.method
		if method == "" {
			method = "GET"
		}
		for range 2 {
			if w := b.send(method, tt.target, tt.headers...); tt.status > 0 && w.Code != tt.status {
				t.Errorf("%s %s: %d %s", method, tt.target, w.Code, w.Body)
			}
		}
		rows := counted()
		if tt.code == "" {
			if len(rows) > 0 {
				t.Errorf("%s %s counts: %+v", method, tt.target, rows)
			}
			continue
		}
		if len(rows) != 1 || rows[0].Count != 2 || rows[0].Source != tt.source || rows[0].Status != tt.status || rows[0].Code != tt.code || rows[0].FirstSeen.IsZero() || rows[0].LastSeen.Before(rows[0].FirstSeen) {
			t.Errorf("%s %s: %+v", method, tt.target, rows)
			continue
		}
		if s := rows[0].Samples; len(s) != 1 || tt.path != "" && s[0].Path != tt.path || s[0].Origin != tt.origin {
			t.Errorf("%s %s: samples %+v", method, tt.target, s)
		}
	}
}

// TestErrorsOfTestKeys: test keys aren't counted, and other keys are.
func TestErrorsOfTestKeys(t *testing.T) {
	b, counted := counting(t)
	b.registry.Set(t, b.acme())
	site, err := b.site(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []bool{true, false} {
		w := &Response{Status: 404, Log: Record{site: site, Code: fault.NotFound}}
		ctx := apikey.WithPrincipal(t.Context(), apikey.Principal{Kind: apikey.Key, Test: test})
		b.countError(ctx, w, httptest.NewRequest("GET", "/acme/photos/x.jpg", nil), Target{"acme", "/photos/x.jpg", ""})
		if rows := counted(); len(rows) == 0 != test {
			t.Errorf("test %t: %+v", test, rows)
		}
	}
}

// TestErrorSamplesHaveNoSecrets: no signature, key, password and query of another server is in
// a sample, however the URL spells it, and each is text of a URL.
func TestErrorSamplesHaveNoSecrets(t *testing.T) {
	const secret = "hunter2"
	key := apikey.New(false).Reveal()
	signed := signing.NewSecret()
	b, _ := counting(t)
	for _, setting := range []string{"native", "imgix", "imgproxy", "thumbor", "cloudinary", "weserv"} {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.Dialect = setting
			w.StrictOptions = true
			w.SigningKeys = []signing.Key{{ID: "k", Secret: signed}}
		}))
		site, err := b.site(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			target string
			want   string // without a dialect; empty is anything
		}{
			{"/photos/x.jpg?w=9&sig=" + secret + "&exp=99", "/photos/x.jpg?w=9"},
			{"/photos/x.jpg?s=" + secret + "&utm_source=" + secret + "&token=" + secret + "&" + secret, "/photos/x.jpg?token="},
			{"/photos/x.jpg?" + secret + "=1&w=9", "/photos/x.jpg?w=9"},
			{"/photos/" + key + ".jpg", ""},
			{"/photos/x.jpg?w=" + key, "/photos/x.jpg"},
			{"/photos/x.jpg?" + key + "=1&w=9", "/photos/x.jpg?w=9"},
			{"/photos/%25" + fmt.Sprintf("%x", key[0]) + key[1:], ""},
			{"/?src=https://user:" + secret + "@h.example/x.jpg", "/?src=https://…"},
			{"/?src=https://" + secret + "@h.example/x.jpg", "/?src=https://…"},
			{"/?src=https%3A%2F%2Fuser%3A" + secret + "%40h.example%2Fx.jpg", "/?src=https://…"},
			{"/?src=https%253A%252F%252Fuser%253A" + secret + "%2540h.example", ""},
			{"/?src=user:" + secret + "@h.example/x.jpg", "/?src=…"},
			{"/?src=https://b.s3.example/x.jpg?X-Amz-Signature=" + secret + "&w=9", "/?src=https://b.s3.example/x.jpg%3F…&w=9"},
			{"/?src=https%3A%2F%2Fb.s3.example%2Fx.jpg%3FX-Amz-Signature%3D" + secret, "/?src=https://b.s3.example/x.jpg%3F…"},
			{"/?src=https://b.s3.example/x.jpg%23" + secret, "/?src=https://…"},
			{"/photos/x.jpg?default=https://user:" + secret + "@h.example/x.jpg", "/photos/x.jpg?default=https://…"},
			{"/photos/https://user:" + secret + "@h.example/x.jpg", "/photos/…"},
			{"/photos/user:" + secret + "@h.example/x.jpg", "/photos/…"},
			{"/https://user:" + secret + "@h.example/x.jpg", "/…"},
			{"/https%3A%2F%2Fuser%3A" + secret + "%40h.example%2Fx.jpg", "/…"},
			{"/photos/x.jpg%3Ftoken=" + secret, "/photos/…"},
			{"/photos/x.jpg;token=" + secret, "/photos/…"},
			{"/" + secret + "AAAAAAAAAAAAAAAAAAAAA=/300x200/smart/photos/cat.jpg", "/…/cat.jpg"},
			{"/thumbor/" + secret + "AAAAAAAAAAAAAAAAAAAAA=/300x200/photos/none.jpg", ""},
			{"/thumbor/" + secret + "AAAAAAAAAAAAAAAAAAAAA=/fit-in/oops", ""},
			{"/imgproxy/" + secret + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/rs:fit:9/plain/photos/none.jpg", ""},
			{"/imgproxy/" + secret + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/rs:oops:9/plain/photos/none.jpg", ""},
			{"/imgproxy/" + secret + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/plain/https://user:" + secret + "@h.example/x.jpg", ""},
			{"/cloudinary/image/upload/s--" + secret + "--/w_9/photos/none.jpg", ""},
			{"/cloudinary/image/upload/s--" + secret + "--/w_oops/photos/none.jpg", ""},
			{"/thumbor/unsafe/300x200/photos/none.jpg", "/transform?src=https://photos/none.jpg&w=300&h=200&fit=cover&format=original"},
			{"/image/upload/s--" + secret + "--/w_9/photos/none.jpg", "/image/upload/…/w_9/photos/none.jpg"},
			{"/imgix/photos/none.jpg?w=9&s=" + secret + "&expires=9", ""},
			{"/imgix/https%3A%2F%2Fuser%3A" + secret + "%40h.example%2Fx.jpg?w=9", ""},
			{"/weserv/?url=user:" + secret + "@h.example/x.jpg&w=9", ""},
			{"/weserv/?url=https://h.example/x.jpg%3Ftoken=" + secret, ""},
			{"/_next/image?url=https%3A%2F%2Fuser%3A" + secret + "%40h.example%2Fx.jpg&w=640&q=75", ""},
			{"/_next/image?url=https%3A%2F%2Fh.example%2Fx.jpg%3Ftoken%3D" + secret + "&w=640&q=75", ""},
			{"/cdn-cgi/image/width=9/https://user:" + secret + "@h.example/x.jpg", ""},
			{"/cdn-cgi/image/width=9/https://h.example/x.jpg?token=" + secret, ""},
			{"/cdn-cgi/image/width=oops/https://h.example/x.jpg?token=" + secret, ""},
			{"/_ipx/w_9/https://user:" + secret + "@h.example/x.jpg", ""},
			{"/photos/cat@2x.jpg?w=9", "/photos/cat@2x.jpg?w=9"},
			{"/photos/a%20b%22%3Cc.jpg?w=50%25", "/photos/a%20b%22%3Cc.jpg?w=50%25"},
			{"/photos/\xff\"<>\\.jpg", "/photos/%FF%22%3C%3E%5C.jpg"},
			{"/photos/x.jpg?p:thumb&w=%zz", "/photos/x.jpg"},
			{"/photos/x.jpg?p:thumb", "/photos/x.jpg?p:thumb"},
			{"/photos/" + strings.Repeat("%C3%BC", 40) + ".jpg", "/photos/" + strings.Repeat("%C3%BC", 31) + "%C3…"},
		} {
			rest, query, _ := strings.Cut(tt.target, "?")
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Origin", "https://user:"+secret+"@h.example")
			path, from := site.errorSample(&Response{Log: Record{Code: fault.OriginNotAllowed}}, r, Target{"acme", rest, query})
			if strings.Contains(path+from, secret) || strings.Contains(path, key[8:]) || len(path) > workspace.MaxErrorPath || from != "" {
				t.Errorf("%s %q: %q %q", setting, tt.target, path, from)
			}
			if setting == "imgix" && strings.HasPrefix(tt.target, "/photos/x.jpg?w=9&") && path != "/transform?src=photos/x.jpg&fit=contain&w=9&format=original&q=75" {
				t.Errorf("%q of imgix: %q, which explain would read as imgix does", tt.target, path)
			}
			if setting == "native" && tt.want != "" && path != tt.want {
				t.Errorf("%q: %q, want %q", tt.target, path, tt.want)
			}
			if strings.ContainsFunc(strings.TrimSuffix(path, cut), func(r rune) bool { return (r <= ' ' || r >= 0x7f || r == '"' || r == '<') && r != '…' }) {
				t.Errorf("%s %q: %q is no text of a URL", setting, tt.target, path)
			}
		}
	}
	for given, want := range map[string]string{
		"https://shop.example": "https://shop.example", "http://localhost:3000": "http://localhost:3000", "null": "null", "": "",
		"https://shop.example/?" + secret: "", secret: "", "https://" + secret + "@h.example": "", "https://" + strings.Repeat("x", 200): "",
	} {
		if got := originSample([]string{given}); got != want {
			t.Errorf("origin %q: %q", given, got)
		}
	}
}

// TestErrorsOfStrangers: random paths and sources of a stranger make a bounded number of rows
// and samples, and an error costs no memory to count.
func TestErrorsOfStrangers(t *testing.T) {
	b, counted := counting(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.AllowedSources = []string{"https://cdn.example"} }))
	const n = 3000
	for i := range n {
		b.get([]string{
			fmt.Sprintf("/acme/stranger-%d/%d.jpg", i, i), fmt.Sprintf("/acme/photos/cat.jpg?w=x%d", i), fmt.Sprintf("/acme/?src=https://h%d.example/x.jpg", i),
		}[i%3])
	}
	var sum int64
	rows := counted()
	for _, r := range rows {
		if sum += r.Count; len(r.Samples) > workspace.MaxErrorSamples || r.Source != "" && r.Source != "photos" {
			t.Errorf("%+v", r)
		}
	}
	if len(rows) != 3 || sum != n {
		t.Errorf("%d rows, %d errors", len(rows), sum)
	}
	site, err := b.site(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	w := &Response{Status: 404, Log: Record{site: site, Source: "photos", Code: fault.NotFound}}
	r, ctx := httptest.NewRequest("GET", "/", nil), context.Background()
	if n := testing.AllocsPerRun(5000, func() { b.countError(ctx, w, r, Target{"acme", "/photos/x.jpg", "w=9"}) }); n > 0 {
		t.Errorf("%v allocations an error", n)
	}
	w.Status = http.StatusOK
	if n := testing.AllocsPerRun(100, func() { b.countError(ctx, w, r, Target{"acme", "/photos/x.jpg", "w=9"}) }); n > 0 {
		t.Errorf("%v allocations an answer", n)
	}
}
