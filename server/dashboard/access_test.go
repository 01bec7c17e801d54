package dashboard_test

import (
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

func body(w *httptest.ResponseRecorder) string { return w.Body.String() }

// TestOnlyOwnSources: a workspace that anybody can use for images of the whole web says so, in
// the first steps and on the page of access, and one button of each closes it and nothing else.
func TestOnlyOwnSources(t *testing.T) {
	const warning, button = "Strangers can use this workspace for images that aren't yours.", `name="own_sources" value="on"`
	for _, from := range []string{"/app/acme", "/app/acme/access"} {
		s := open(t)
		s.edit(t, func(w *workspace.Workspace) {
			w.AllowedSources, w.AllowedOrigins, w.StrictOptions = []string{"https://cdn.example/", "*", "https://*"}, []string{"https://shop.example", "*.acme.example"}, true
		})
		b := body(s.ask("editor", "GET", from, nil))
		if !strings.Contains(b, warning) || !strings.Contains(b, button) {
			t.Fatalf("%s:\n%s", from, b)
		}
		if b := body(s.ask("viewer", "GET", from, nil)); strings.Contains(b, button) || from != "/app/acme" && !strings.Contains(b, warning) {
			t.Errorf("%s, as a viewer:\n%s", from, b)
		}
		fields := url.Values{"own_sources": {"on"}}
		if from == "/app/acme" { // a form of its own
			form := b[:strings.Index(b, button)]
			for _, m := range hiddenField.FindAllStringSubmatch(form[strings.LastIndex(form, "<form"):], -1) {
				fields.Add(m[1], html.UnescapeString(m[2]))
			}
		} else {
			fields.Set("allowed_sources", "https://cdn.example/\r\n*\r\nhttps://*")
			fields.Set("allowed_origins", "https://shop.example\r\n*.acme.example")
			fields.Set("strict_options", "on")
		}
		review := s.ask("editor", "POST", "/app/acme/access", fields)
		if b := body(review); review.Code != 200 || strings.Contains(b, `name="own_sources"`) || !strings.Contains(b, `name="allowed_sources" value="https://cdn.example/"`) {
			t.Errorf("%s: %d\n%s", from, review.Code, b)
		}
		s.change(t, "editor", "/app/acme/access", fields)
		w, err := s.store.Get(t.Context(), "acme")
		if err != nil || !slices.Equal(w.AllowedSources, []string{"https://cdn.example/"}) || len(w.AllowedOrigins) != 2 || !w.StrictOptions {
			t.Errorf("%s: %q %q %v", from, w.AllowedSources, w.AllowedOrigins, err)
		}
		if b := body(s.ask("editor", "GET", from, nil)); strings.Contains(b, warning) || strings.Contains(b, button) {
			t.Errorf("%s warns still:\n%s", from, b)
		}
		s.edit(t, func(w *workspace.Workspace) { w.AllowedSources, w.RequireSignature = []string{"*"}, true })
		if b := body(s.ask("editor", "GET", from, nil)); strings.Contains(b, warning) {
			t.Errorf("%s warns, though every image needs a signature:\n%s", from, b)
		}
	}
}

// TestMadeOnPages: a workspace that a person makes on a page shows images of its own sources
// only, and the first steps say so.
func TestMadeOnPages(t *testing.T) {
	s := open(t)
	if w := s.ask("operator", "POST", "/app", url.Values{"namespace": {"shop"}}); w.Code != 303 {
		t.Fatal(w.Code, w.Body)
	}
	if w, err := s.store.Get(t.Context(), "shop"); err != nil || len(w.AllowedSources) != 0 {
		t.Error(w.AllowedSources, err)
	}
	if b := body(s.ask("operator", "GET", "/app/shop", nil)); !strings.Contains(b, "Only images of your sources are shown.") || strings.Contains(b, "Strangers can use") {
		t.Error(b)
	}
	if b := body(s.ask("operator", "GET", "/app/shop/access", nil)); !strings.Contains(b, "Only images of the sources are shown.") || !strings.Contains(b, "make their source private") {
		t.Error(b)
	}
}
