package dashboard_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// change sends a form of settings, and then the review's Save.
func (s *site) change(t *testing.T, as, target string, fields url.Values) {
	t.Helper()
	if w := s.ask(as, "POST", target, fields); w.Code != 200 || !strings.Contains(w.Body.String(), `value="save"`) {
		t.Fatalf("review of %s: %d\n%s", target, w.Code, w.Body)
	}
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	fields.Set("step", "save")
	fields.Set("revision", strconv.FormatInt(w.Revision, 10))
	if w := s.ask(as, "POST", target, fields); w.Code != 303 {
		t.Fatalf("saving %s: %d\n%s", target, w.Code, w.Body)
	}
}

// TestPresets: presets are added, changed and deleted, and a viewer only looks.
func TestPresets(t *testing.T) {
	s := open(t)
	if w := s.ask("viewer", "GET", "/app/acme/presets", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "no preset yet") || strings.Contains(w.Body.String(), "presets/_new") {
		t.Error(w.Code, w.Body)
	}
	if w := s.ask("viewer", "GET", "/app/acme/presets/_new", nil); w.Code != 403 {
		t.Error("a viewer's form:", w.Code)
	}
	wrong := s.ask("editor", "POST", "/app/acme/presets/_new", url.Values{"name": {"<script>"}, "options": {"w=x<script>"}})
	if wrong.Code != 422 || strings.Contains(wrong.Body.String(), "<script>") || !strings.Contains(wrong.Body.String(), `id="name-fault"`) || !strings.Contains(wrong.Body.String(), `id="options-fault"`) {
		t.Errorf("%d\n%s", wrong.Code, wrong.Body)
	}
	s.change(t, "editor", "/app/acme/presets/_new", url.Values{"name": {"thumb"}, "options": {"?w=200&fit=cover"}})
	if w := s.ask("editor", "POST", "/app/acme/presets/_new", url.Values{"name": {"thumb"}, "options": {"w=1"}}); w.Code != 422 {
		t.Error("a name twice:", w.Code)
	}
	s.change(t, "editor", "/app/acme/presets/thumb", url.Values{"options": {"w=300"}})
	list := s.ask("viewer", "GET", "/app/acme/presets?picture=photos/a%20b.jpg", nil).Body.String()
	if !strings.Contains(list, "w=300") || !strings.Contains(list, `src="/acme/photos/a%20b.jpg?preset=thumb"`) {
		t.Error(list)
	}
	if w := s.ask("editor", "POST", "/app/acme/presets/thumb/delete", url.Values{"typed": {"thum"}}); w.Code != 422 {
		t.Error("deleted without its name:", w.Code)
	}
	s.change(t, "editor", "/app/acme/presets/thumb/delete", url.Values{"typed": {"thumb"}})
	w, _ := s.store.Get(t.Context(), "acme")
	if len(w.Presets) != 0 {
		t.Errorf("%+v", w.Presets)
	}
	if got := s.ask("editor", "GET", "/app/acme/presets/thumb", nil).Code; got != 404 {
		t.Error("a deleted preset:", got)
	}
}
