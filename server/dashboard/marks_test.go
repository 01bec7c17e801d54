package dashboard_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// withSources gives acme two web servers, one of them private.
func (s *site) withSources(t *testing.T) {
	t.Helper()
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	w = w.Clone()
	w.Sources = []workspace.Source{
		{Key: "photos", Kind: "http", URL: "https://photos.example/"},
		{Key: "vault", Kind: "http", URL: "https://vault.example/", Private: true},
	}
	if err := s.store.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// TestMarks: marks are added, changed, bound and deleted, and a viewer only looks.
func TestMarks(t *testing.T) {
	s := open(t)
	if w := s.ask("viewer", "GET", "/app/acme/marks", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "no mark yet") || strings.Contains(w.Body.String(), "marks/_new") {
		t.Error(w.Code, w.Body)
	}
	if b := s.ask("editor", "GET", "/app/acme/marks/_new", nil).Body.String(); !strings.Contains(b, "The workspace has no source yet") {
		t.Error(b)
	}
	s.withSources(t)
	for as, want := range map[string]int{"viewer": 403, "stranger": 403, "": 303, "editor": 200, "operator": 200} {
		if w := s.ask(as, "GET", "/app/acme/marks/_new", nil); w.Code != want {
			t.Errorf("the form for %q: %d", as, w.Code)
		}
	}
	x := `"><script>x</script>`
	wrong := url.Values{"name": {x}, "image": {x}, "width": {x}, "height": {x}, "size": {x}, "fit": {x}, "align": {x}, "pad": {x}, "sources": {x, "photos"}, "picture": {x}, "preview_width": {x}}
	page := s.ask("editor", "POST", "/app/acme/marks/_new", wrong)
	if page.Code != 422 || strings.Contains(page.Body.String(), "<script>x") {
		t.Errorf("%d\n%s", page.Code, page.Body)
	}
	for _, name := range []string{"name", "image", "width", "height", "size", "fit", "align", "pad", "sources"} {
		if !strings.Contains(page.Body.String(), `id="`+name+`-fault"`) {
			t.Errorf("no fault at %s", name)
		}
	}
	for _, opacity := range []string{"half", "NaN", "1.5"} {
		page := s.ask("editor", "POST", "/app/acme/marks/_new", url.Values{"name": {"brand"}, "image": {"photos/logo.png"}, "opacity": {opacity}})
		if b := page.Body.String(); page.Code != 422 || !strings.Contains(b, `id="opacity-fault"`) || !strings.Contains(b, `value="`+opacity+`"`) || !strings.Contains(b, `value="photos/logo.png"`) {
			t.Errorf("opacity %s: %d\n%s", opacity, page.Code, b)
		}
	}

	fields := url.Values{
		"name": {"brand"}, "image": {"photos/logo.png"}, "width": {"20%"}, "fit": {"contain"}, "align": {"bottom,right"}, "opacity": {"0.6"}, "sources": {"photos"}, "picture": {"photos/a.jpg"},
	}
	s.change(t, "editor", "/app/acme/marks/_new", fields)
	stored := func() workspace.Mark {
		w, err := s.store.Get(t.Context(), "acme")
		if err != nil || len(w.Marks) != 1 {
			t.Fatal(w, err)
		}
		return w.Marks[0]
	}
	if m := stored(); m.Name != "brand" || m.Width != "20%" || m.Align != "" || m.Fit != "" || *m.Opacity != 0.6 || len(m.AutoApplySources) != 1 {
		t.Errorf("what is the default was written: %+v", m)
	}
	if w := s.ask("editor", "POST", "/app/acme/marks/_new", fields); w.Code != 422 || !strings.Contains(w.Body.String(), "Is taken") {
		t.Error("a name twice:", w.Code)
	}
	form := s.ask("editor", "GET", "/app/acme/marks/brand", nil).Body.String()
	for _, want := range []string{`value="photos/logo.png"`, `value="0.6"`, `value="photos" checked`, `value="bottom,right" checked`} {
		if !strings.Contains(form, want) {
			t.Errorf("without %s:\n%s", want, form)
		}
	}
	list := s.ask("viewer", "GET", "/app/acme/marks?picture=photos/a%20b.jpg", nil).Body.String()
	for _, want := range []string{"On every image of <strong>photos</strong>", `src="/acme/photos/a%20b.jpg?mark=brand&amp;w=800"`} {
		if !strings.Contains(list, want) || strings.Contains(list, "/delete") {
			t.Errorf("without %s:\n%s", want, list)
		}
	}

	unbound := url.Values{"image": {"photos/logo.png"}, "width": {"20%"}, "fit": {"contain"}, "align": {"top,left"}, "repeat": {"on"}}
	review := s.ask("editor", "POST", "/app/acme/marks/brand", unbound).Body.String()
	for _, want := range []string{"photos", "<dt>Opacity</dt>", "top,left", "Before you save"} {
		if !strings.Contains(review, want) {
			t.Errorf("the review is without %s:\n%s", want, review)
		}
	}
	s.change(t, "editor", "/app/acme/marks/brand", unbound)
	if m := stored(); m.Align != "top,left" || m.Opacity != nil || !m.Repeat || len(m.AutoApplySources) != 0 {
		t.Errorf("%+v", m)
	}
	unbound.Set("step", "save")
	unbound.Set("revision", "1")
	unbound.Set("width", "30%")
	if w := s.ask("owner", "POST", "/app/acme/marks/brand", unbound); w.Code != 409 || !strings.Contains(w.Body.String(), "30%") || !strings.Contains(w.Body.String(), "20%") {
		t.Errorf("conflict: %d\n%s", w.Code, w.Body)
	}
}

// TestDeleteMark: the page says which sources lose the mark, and wants its name.
func TestDeleteMark(t *testing.T) {
	s := open(t)
	s.withSources(t)
	s.change(t, "editor", "/app/acme/marks/_new", url.Values{"name": {"brand"}, "image": {"photos/logo.png"}, "sources": {"photos", "vault"}})
	if w := s.ask("viewer", "GET", "/app/acme/marks/brand/delete", nil); w.Code != 403 {
		t.Error("a viewer:", w.Code)
	}
	if b := s.ask("editor", "GET", "/app/acme/marks/brand/delete", nil).Body.String(); !strings.Contains(b, "Images of photos and vault lose this mark") {
		t.Error(b)
	}
	if w := s.ask("editor", "POST", "/app/acme/marks/brand/delete", url.Values{"typed": {"bran"}}); w.Code != 422 {
		t.Error("deleted without its name:", w.Code)
	}
	s.change(t, "editor", "/app/acme/presets/_new", url.Values{"name": {"stamped"}, "options": {"mark=brand"}})
	if w := s.ask("editor", "POST", "/app/acme/marks/brand/delete", url.Values{"typed": {"brand"}}); w.Code != 422 || !strings.Contains(w.Body.String(), "there is no mark") {
		t.Errorf("a preset names it: %d\n%s", w.Code, w.Body)
	}
	s.change(t, "editor", "/app/acme/presets/stamped/delete", url.Values{"typed": {"stamped"}})
	s.change(t, "editor", "/app/acme/marks/brand/delete", url.Values{"typed": {"brand"}})
	for _, path := range []string{"", "/delete", "/preview"} {
		method := "POST"
		if w := s.ask("editor", method, "/app/acme/marks/brand"+path, url.Values{}); w.Code != 404 {
			t.Errorf("a deleted mark%s: %d", path, w.Code)
		}
	}
}

// TestMarkChooser: the image of a mark is chosen from sources that can be listed, and uploaded
// where a source takes uploads.
func TestMarkChooser(t *testing.T) {
	g := openGallery(t)
	const files = `<option value="files" data-uploads>files</option>`
	for _, path := range []string{"/app/acme/marks/_new", "/app/acme/marks/red"} {
		page := g.ask("editor", "GET", path, nil).Body.String()
		for _, want := range []string{`<dialog id="chooser"`, files, "Choose an image or upload one", `data-browse="/app/acme/playground" data-upload="/app/acme/images"`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s is without %q", path, want)
			}
		}
		if strings.Contains(page, `<option value="photos"`) {
			t.Errorf("%s offers a web server, which can't be listed", path)
		}
	}
	if page := g.ask("viewer", "GET", "/app/acme/marks/red", nil).Body.String(); strings.Contains(page, "chooser") {
		t.Error("a viewer is offered to choose")
	}
	// Without a source that can be listed, there is nothing to choose from.
	if page := open(t).ask("editor", "GET", "/app/acme/marks/_new", nil).Body.String(); strings.Contains(page, "chooser") {
		t.Error(page)
	}
}

// TestMarkInWords: the list says the size and the place of a mark as people do.
func TestMarkInWords(t *testing.T) {
	s := open(t)
	for want, m := range map[string]workspace.Mark{
		"Place bottom right Size 15% wide": {},
		"Place top left Size 20% wide":     {Width: "20%", Align: "top,left"},
		"Place all over Size 40 high":      {Height: "40", Repeat: true},
		"Size 10% × 40":                    {Width: "10%", Height: "40"},
		"Size 30 × 30":                     {Size: "30"},
	} {
		m.Name, m.Image = "logo", "photos/logo.png"
		s.edit(t, func(w *workspace.Workspace) { w.Marks = []workspace.Mark{m} })
		if have := text(s.ask("viewer", "GET", "/app/acme/marks", nil).Body.String()); !strings.Contains(have, want) {
			t.Errorf("without %q: %s", want, have)
		}
	}
	have := text(s.ask("owner", "GET", "/app/acme/delete", nil).Body.String())
	if !strings.Contains(have, "0 sources, 1 mark and 0 presets go.") {
		t.Error(have)
	}
	if have := text(s.ask("viewer", "GET", "/app/acme/errors?from=2037-11-29&to=2037-11-28", nil).Body.String()); !strings.Contains(have, "The first day must not be after the last.") {
		t.Error(have)
	}
}
