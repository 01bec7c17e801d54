package api_test

import (
	"slices"
	"testing"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// acme makes the workspace acme with a source and a bound mark.
func acme(t *testing.T, s *server) {
	t.Helper()
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[{"key":"photos","kind":"http","url":"https://photos.test/","headers":{"X-Token":"hunter2"},"private":true}],`+
		`"marks":[{"name":"brand","image":"photos/logo.png","auto_apply_sources":["photos"]}]}`).want(t, 201)
}

// TestTestSource: a source is fetched from as it would be stored, with its stored secrets.
// What the origin answers is no error of the request.
func TestTestSource(t *testing.T) {
	s := start(t, func(c *config) {
		c.Delivery.test = func(w *workspace.Workspace, source, path string) (delivery.Metadata, error) {
			i := slices.IndexFunc(w.Sources, func(s workspace.Source) bool { return s.Key == source })
			if w.Sources[i].URL == "https://photos.test/" && w.Sources[i].Headers["X-Token"] != "hunter2" {
				t.Errorf("tested without the stored secret: %+v", w.Sources[i])
			}
			if path != "cat.jpg" {
				return delivery.Metadata{}, origin.ErrNotFound
			}
			return delivery.Metadata{Bytes: 9, Width: 4, Height: 3, Format: "jpeg"}, nil
		}
	})
	acme(t, s)
	const target = "/v1/workspaces/acme/sources/test"
	for _, c := range []struct {
		body string
		want string
	}{
		{`{"source":{"key":"photos"},"path":"cat.jpg"}`, `{"ok":true,"message":"It answered with 9 bytes, 4×3, jpeg."}`},
		{`{"source":{"key":"photos","kind":"http","url":"https://photos.test","headers":{"X-Token":"***"}},"path":"/cat.jpg"}`, `{"ok":true,"message":"It answered with 9 bytes, 4×3, jpeg."}`},
		{`{"source":{"key":"new","kind":"http","url":"https://new.test/a"},"path":"dog.jpg"}`, `{"ok":false,"message":"The server was reached, but it has nothing at this path. Check the path, and the path in the URL of the source."}`},
	} {
		if a := s.do(t, "POST", target, c.body).want(t, 200); a.body != c.want+"\n" {
			t.Errorf("%s: %s", c.body, a.body)
		}
	}
	for _, body := range []string{
		`{"source":{"key":"photos"}}`, `{"source":{"key":"nobody"},"path":"a.jpg"}`, `{"source":{"key":"photos","kind":"http","url":"https://other.test/","headers":{"X-Token":"***"}},"path":"a.jpg"}`,
		`{"source":{"key":"photos"},"path":"../a.jpg"}`, `{"path":"a.jpg","x":1}`, `{"source":{"key":"new","kind":"http","url":"https://u:p@new.test/"},"path":"a.jpg"}`,
	} {
		if a := s.do(t, "POST", target, body); a.status != 400 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200); decodeInto[workspace.Workspace](t, a).Revision != 1 {
		t.Error("a test changed the workspace")
	}
}

// TestPreviewMarkAPI: the answer is the picture, with the marks on it.
func TestPreviewMarkAPI(t *testing.T) {
	s := start(t, func(c *config) {
		c.Delivery.preview = func(w *workspace.Workspace, p delivery.Preview) (delivery.Picture, error) {
			if i := slices.IndexFunc(w.Marks, func(m workspace.Mark) bool { return m.Width == "20%" }); i < 0 || p.Image != "photos/cat.jpg" || p.Width != 800 || p.Accept != "image/webp" {
				t.Errorf("%+v %+v", w.Marks, p)
			}
			return delivery.Picture{Body: []byte("picture"), ContentType: "image/webp", Marks: []string{"brand", p.Mark}}, nil
		}
	})
	acme(t, s)
	const target = "/v1/workspaces/acme/marks/preview"
	a := s.do(t, "POST", target, `{"mark":{"image":"photos/new.png","width":"20%"},"picture":"photos/cat.jpg"}`, "Accept", "image/webp").want(t, 200)
	a.wantHeader(t, "Content-Type", "image/webp")
	a.wantHeader(t, "Tintype-Marks", "brand, preview1")
	a.wantHeader(t, "Cache-Control", "no-store")
	a.wantHeader(t, "Content-Security-Policy", "default-src 'none'; sandbox")
	if a.body != "picture" {
		t.Error(a.body)
	}
	for _, body := range []string{`{}`, `{"mark":{"image":"photos/new.png"},"width":2001}`, `{"mark":{"image":"nobody/new.png"},"picture":"photos/cat.jpg"}`, `{"mark":{"image":"photos/a.png","opacity":7}}`} {
		s.do(t, "POST", target, body).wantError(t, 400, "VALIDATION_ERROR")
	}
}

// TestReview: what a patch would change and open is said before, and nothing is stored.
func TestReview(t *testing.T) {
	s := start(t, nil)
	acme(t, s)
	const target = "/v1/workspaces/acme/review"
	type review struct{ Changes, Closes, Opens []string }
	a := decodeInto[review](t, s.do(t, "POST", target, `{"marks":[{"name":"brand","image":"photos/logo.png","auto_apply_sources":[]}],"revision":1}`).want(t, 200))
	if len(a.Changes) != 1 || len(a.Opens) == 0 {
		t.Errorf("%+v", a)
	}
	if a := s.do(t, "POST", target, `{"name":""}`).want(t, 200); a.body != `{"changes":[],"closes":[],"opens":[]}`+"\n" {
		t.Error(a.body)
	}
	s.do(t, "POST", target, `{"revision":9}`).wantError(t, 409, "CONFLICT")
	s.do(t, "POST", target, `{"presets":[{"name":"a","options":"nonsense=1"}]}`).wantError(t, 400, "VALIDATION_ERROR")
	if a := s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200); decodeInto[workspace.Workspace](t, a).Revision != 1 {
		t.Error("a review changed the workspace")
	}
}
