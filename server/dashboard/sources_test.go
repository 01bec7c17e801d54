package dashboard_test

import (
	"net/url"
	"strings"
	"testing"
)

// TestSources: a source has the fields of its kind, and its secret is kept but never shown.
func TestSources(t *testing.T) {
	s := open(t)
	if w := s.ask("editor", "GET", "/app/acme/sources/new", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "?kind=r2") {
		t.Error(w.Code, w.Body)
	}
	if b := s.ask("editor", "GET", "/app/acme/sources/new?kind=s3", nil).Body.String(); !strings.Contains(b, `name="region"`) || strings.Contains(b, `name="url"`) {
		t.Error(b)
	}
	for _, as := range []string{"viewer", "stranger"} {
		if w := s.ask(as, "POST", "/app/acme/sources/new", url.Values{"kind": {"http"}}); w.Code != 403 {
			t.Error(as, w.Code)
		}
	}
	x := `"><script>x</script>`
	wrong := s.ask("editor", "POST", "/app/acme/sources/new", url.Values{"kind": {"s3"}, "key": {x}, "bucket": {x}, "region": {x}, "endpoint": {x}, "prefix": {x}, "cache_control": {x}, "public_urls": {x}})
	if wrong.Code != 422 || strings.Contains(wrong.Body.String(), "<script>x") || !strings.Contains(wrong.Body.String(), `id="bucket-fault"`) {
		t.Errorf("%d\n%s", wrong.Code, wrong.Body)
	}
	fields := url.Values{"kind": {"s3"}, "key": {"photos"}, "bucket": {"acme-photos"}, "region": {"eu-west-1"}, "access_key_id": {"id"}, "secret_access_key": {"hidden"}, "private": {"on"}}
	s.change(t, "editor", "/app/acme/sources/new", fields)
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
