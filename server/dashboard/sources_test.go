package dashboard_test

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestSources: a source has the fields of its kind, and its secret is kept but never shown.
func TestSources(t *testing.T) {
	s := open(t)
	if w := s.ask("editor", "GET", "/app/acme/sources/_new", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "?kind=r2") {
		t.Error(w.Code, w.Body)
	}
	if b := s.ask("editor", "GET", "/app/acme/sources/_new?kind=s3", nil).Body.String(); !strings.Contains(b, `name="region"`) || strings.Contains(b, `name="url"`) {
		t.Error(b)
	}
	for _, as := range []string{"viewer", "stranger"} {
		if w := s.ask(as, "POST", "/app/acme/sources/_new", url.Values{"kind": {"http"}}); w.Code != 403 {
			t.Error(as, w.Code)
		}
	}
	x := `"><script>x</script>`
	wrong := s.ask("editor", "POST", "/app/acme/sources/_new", url.Values{"kind": {"s3"}, "key": {x}, "bucket": {x}, "region": {x}, "endpoint": {x}, "prefix": {x}, "cache_control": {x}, "public_urls": {x}})
	if wrong.Code != 422 || strings.Contains(wrong.Body.String(), "<script>x") || !strings.Contains(wrong.Body.String(), `id="bucket-fault"`) {
		t.Errorf("%d\n%s", wrong.Code, wrong.Body)
	}
	fields := url.Values{"kind": {"s3"}, "key": {"photos"}, "bucket": {"acme-photos"}, "region": {"eu-west-1"}, "access_key_id": {"id"}, "secret_access_key": {"hidden"}, "private": {"on"}}
	s.change(t, "editor", "/app/acme/sources/_new", fields)
	page := s.ask("editor", "GET", "/app/acme/sources/photos", nil).Body.String()
	if strings.Contains(page, "hidden\"") && strings.Contains(page, `value="hidden"`) || !strings.Contains(page, `value="***"`) {
		t.Error(page)
	}
	fields.Set("secret_access_key", "***")
	fields.Set("ttl", "60")
	fields.Del("step")
	s.change(t, "editor", "/app/acme/sources/photos", fields)
	if w, _ := s.store.Get(t.Context(), "acme"); w.Sources[0].SecretAccessKey != "hidden" || w.Sources[0].TTL != 60 || !w.Sources[0].Private {
		t.Errorf("%+v", w.Sources)
	}
	if w := s.ask("viewer", "GET", "/app/acme/sources", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "acme-photos") || strings.Contains(w.Body.String(), "/delete") {
		t.Error(w.Code, w.Body)
	}
	s.change(t, "editor", "/app/acme/sources/photos/delete", url.Values{"typed": {"photos"}})
	if w, _ := s.store.Get(t.Context(), "acme"); len(w.Sources) != 0 {
		t.Errorf("%+v", w.Sources)
	}
}

// TestSourceErrors: an error of a source stands at the field that it is about, and what was
// typed stays.
func TestSourceErrors(t *testing.T) {
	s := open(t)
	s.change(t, "editor", "/app/acme/sources/_new", url.Values{"kind": {"http"}, "key": {"photos"}, "url": {"https://o.example/"}})
	for _, c := range []struct {
		field, typed, message string
	}{
		{"key", "photos", "Is taken: the workspace has a source of this name already."},
		{"key", "Photos!", "is not allowed"},
		{"ttl", "an hour", "Must be a whole number of seconds"},
		{"revalidate", "-5", "Must be a whole number of seconds"},
		{"ttl", "99999999999", "0 to 31536000"},
		{"headers", "Authorization Bearer", "Must have a name and a value in each line"},
		{"headers", "X-A: b\r\nHost: x", "Host: is a header that a source can"},
		{"headers", "a b: c", "A b: is not the name of a header."},
		{"public_urls", "https://cdn.example/\r\nftp://x/", "bad URL"},
	} {
		fields := url.Values{"kind": {"http"}, "key": {"more"}, "url": {"https://o.example/"}}
		fields.Set(c.field, c.typed)
		w := s.ask("editor", "POST", "/app/acme/sources/_new", fields)
		fault := regexp.MustCompile(`id="` + c.field + `-fault">([^<]*)<`).FindStringSubmatch(w.Body.String())
		if w.Code != 422 || fault == nil || !strings.Contains(strings.ToLower(fault[1]), strings.ToLower(html.EscapeString(c.message))) {
			t.Errorf("%s %q: %d, %q\n%s", c.field, c.typed, w.Code, fault, w.Body)
		}
	}
}

// TestNamedNew: the name "new" is like any other.
func TestNamedNew(t *testing.T) {
	s := open(t)
	s.change(t, "editor", "/app/acme/sources/_new", url.Values{"kind": {"http"}, "key": {"new"}, "url": {"https://o.example/"}})
	s.change(t, "editor", "/app/acme/sources/new", url.Values{"url": {"https://p.example/"}})
	s.change(t, "editor", "/app/acme/presets/_new", url.Values{"name": {"new"}, "options": {"w=1"}})
	s.change(t, "editor", "/app/acme/presets/new", url.Values{"options": {"w=2"}})
	if w, _ := s.store.Get(t.Context(), "acme"); w.Sources[0].URL != "https://p.example/" || w.Presets[0].Options != "w=2" {
		t.Errorf("%+v", w)
	}
}

// TestTypedSecrets: no page has a secret that was typed, neither the review nor the form with
// an error, and yet the secret is saved.
func TestTypedSecrets(t *testing.T) {
	s := open(t)
	const target = "/app/acme/sources/photos"
	s.change(t, "editor", "/app/acme/sources/_new", url.Values{"kind": {"http"}, "key": {"photos"}, "url": {"https://o.example/"}, "headers": {"X-Old: 0ldOne"}})
	fields := url.Values{"kind": {"http"}, "url": {"https://o.example/"}, "headers": {"X-Old: ***\r\nAuthorization: Bearer s3cr3t"}, "ttl": {"x"}}
	sealed := regexp.MustCompile(`name="sealed" value="([^"]+)"`)
	shown := func(step string, status int) string {
		t.Helper()
		fields.Set("step", step)
		w := s.ask("editor", "POST", target, fields)
		page := html.UnescapeString(w.Body.String())
		if w.Code != status || strings.Contains(page, "s3cr3t") || strings.Contains(page, "0ldOne") || !strings.Contains(page, "Authorization: ***") {
			t.Fatalf("%s: %d\n%s", step, w.Code, page)
		}
		fields.Set("headers", "X-Old: ***\nAuthorization: ***")
		fields.Set("sealed", sealed.FindStringSubmatch(page)[1])
		return page
	}
	shown("", 422)
	fields.Set("ttl", "60")
	shown("edit", 200)
	shown("test", 404)
	shown("", 200)
	fields.Set("step", "save")
	fields.Set("revision", "2")
	for _, as := range []string{"owner", "operator"} {
		if w := s.ask(as, "POST", target, fields); w.Code != 422 || !strings.Contains(w.Body.String(), "Type them again") {
			t.Errorf("%s saves what the editor typed: %d\n%s", as, w.Code, w.Body)
		}
	}
	if w := s.ask("editor", "POST", target, fields); w.Code != 303 {
		t.Fatal(w.Code, w.Body)
	}
	w, _ := s.store.Get(t.Context(), "acme")
	if h := w.Sources[0].Headers; h["Authorization"] != "Bearer s3cr3t" || h["X-Old"] != "0ldOne" {
		t.Error(h)
	}
	lone := s.ask("editor", "POST", target, url.Values{"kind": {"http"}, "url": {"https://o.example/"}, "headers": {"s3cr3t"}})
	if lone.Code != 422 || strings.Contains(lone.Body.String(), "s3cr3t") {
		t.Error(lone.Code, lone.Body)
	}
}

// TestCredentialsInURLs: no page shows the user name and the password of a URL that was typed
// and refused, in any field that takes a URL. It says so, and keeps the rest.
func TestCredentialsInURLs(t *testing.T) {
	s := open(t)
	source := func(kind, field, url_ string) url.Values {
		fields := url.Values{"kind": {kind}, "key": {"more"}, "url": {"https://o.example/"}, "bucket": {"photos"}, "region": {"auto"}, "access_key_id": {"id"}, "secret_access_key": {"***"}}
		fields.Set(field, url_)
		return fields
	}
	for _, typed := range []string{"https://user:hunter2@h.example/", "https://hunter2@h.example/", "https://user:hunter2#x@h.example/", "https://user:hunter2/x@h.example/", "user:hunter2@h.example/"} {
		for field, c := range map[string]struct {
			target string
			fields url.Values
		}{
			"url":             {"/app/acme/sources/_new", source("http", "url", typed)},
			"public_urls":     {"/app/acme/sources/_new", source("http", "public_urls", "https://cdn.example/\r\n"+typed)},
			"endpoint":        {"/app/acme/sources/_new", source("s3", "endpoint", typed)},
			"allowed_origins": {"/app/acme/access", url.Values{"allowed_origins": {typed}}},
			"allowed_sources": {"/app/acme/access", url.Values{"allowed_sources": {"https://cdn.example/\r\n" + typed}}},
			"image":           {"/app/acme/marks/_new", url.Values{"name": {"more"}, "image": {typed}}},
			"domain":          {"/app/acme/domains", url.Values{"domain": {typed}}},
			"text":            {"/app/acme/settings/import", url.Values{"text": {"namespace: acme\nsources:\n- key: a\n  kind: http\n  url: \"" + typed + "\"\n"}}},
		} {
			for _, step := range []string{"", "edit", "save", "test"} {
				c.fields.Set("step", step)
				w := s.ask("owner", "POST", c.target, c.fields)
				page := html.UnescapeString(w.Body.String())
				if strings.Contains(page, "hunter2") || w.Code == 303 || w.Code >= 500 {
					t.Errorf("%s %q %s: %d\n%s", field, typed, step, w.Code, page)
				}
				if field != "text" && (!strings.Contains(page, "What you typed before the @ of a URL is left out here") || !strings.Contains(page, "h.example")) {
					t.Errorf("%s %q %s: doesn't say so, or lost the host\n%s", field, typed, step, page)
				}
			}
		}
	}
}

// TestSourceForm: a new source shows what everybody needs, and the rest under More. It says
// nothing of a stored secret.
func TestSourceForm(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		kind         string
		first, more  []string
		why, whyElse string
	}{
		{"s3", []string{"key", "bucket", "region", "endpoint", "access_key_id", "secret_access_key", "uploads", "private", "test_path"}, []string{"prefix", "public_urls", "ttl", "revalidate", "cache_control"}, "A bucket starts as private", "A web server"},
		{"http", []string{"key", "url", "private", "test_path"}, []string{"headers", "public_urls", "ttl", "revalidate", "cache_control"}, "A web server starts as public", "A bucket"},
	} {
		page := s.ask("editor", "GET", "/app/acme/sources/_new?kind="+c.kind, nil).Body.String()
		main, more, ok := strings.Cut(page, `<details class="more">`)
		if !ok || strings.Contains(page, "***") || !strings.Contains(main, c.why) || strings.Contains(page, c.whyElse) || !strings.Contains(page, "Review and save") {
			t.Error(page)
		}
		for part, names := range map[string][]string{main: c.first, more: c.more} {
			for _, name := range names {
				if strings.Count(page, `name="`+name+`"`) != 1 || !strings.Contains(part, `name="`+name+`"`) {
					t.Errorf("%s: the field %s stands in another place", c.kind, name)
				}
			}
		}
	}
	// What is under More is shown where it has a value, or is wrong.
	for _, fields := range []url.Values{{"ttl": {"60"}}, {"revalidate": {"soon"}}} {
		fields.Set("kind", "http")
		if page := s.ask("editor", "POST", "/app/acme/sources/_new", fields).Body.String(); !strings.Contains(page, `<details class="more" open>`) {
			t.Error(fields, page)
		}
	}
	s.change(t, "editor", "/app/acme/sources/_new", url.Values{"kind": {"http"}, "key": {"photos"}, "url": {"https://o.example/"}})
	page := s.ask("editor", "GET", "/app/acme/sources/photos", nil).Body.String()
	if !strings.Contains(page, "*** keeps the stored one") || strings.Contains(page, "starts as") || strings.Contains(page, ` class="more" open`) {
		t.Error(page)
	}
}
