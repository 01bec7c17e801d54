package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// TestWarnings: a write that lets one source close another's images says so, and goes on
// saying so; what was answered is taken back.
func TestWarnings(t *testing.T) {
	s := start(t, nil)
	const (
		ws      = "/v1/workspaces/acme"
		warning = `"warnings":["source vault is private and has the place of source photos: all images of source photos need a signature or an API key"]`
		photos  = `{"key":"photos","kind":"http","url":"https://a.example.com/photos/"}`
		vault   = `{"key":"vault","kind":"http","url":"https://a.example.com/photos/","private":true}`
	)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[`+photos+`]}`)
	for _, tt := range []struct {
		method, path, body string
		warns              bool
	}{
		{"GET", "", "", false},
		{"PATCH", "", `{"name":"Acme"}`, false},
		{"PUT", "/sources/vault", vault, true},
		{"PUT", "/sources/photos", strings.TrimSuffix(photos, "}") + `,"warnings":["x"]}`, true},
		{"PUT", "/marks/m", `{"image":"https://a.example.com/m.png"}`, true},
		{"GET", "", "", true},
		{"PATCH", "", `{"name":"Acme 2"}`, true},
		{"PATCH", "", `{"warnings":["x"]}`, true},
		{"PATCH", "", `{"sources":[` + photos + `,` + strings.Replace(vault, "/photos/", "/vault/", 1) + `]}`, false},
		{"PATCH", "", `{"sources":[` + photos + `,` + vault + `]}`, true},
	} {
		a := s.do(t, tt.method, ws+tt.path, tt.body)
		if a.status != 200 || strings.Contains(a.body, warning) != tt.warns || strings.Contains(a.body, "warnings") != tt.warns {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, a.status, a.body)
		}
	}
	was := s.do(t, "GET", ws, "")
	if a := s.do(t, "PUT", ws, was.body); a.status != 200 || a.body != was.body {
		t.Errorf("%d %s, want %s", a.status, a.body, was.body)
	}
	if a := s.do(t, "POST", "/v1/workspaces", `{"namespace":"other","sources":[`+vault+`,`+photos+`]}`); a.status != 201 || !strings.Contains(a.body, warning) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestCheck: what can't be served is refused by the write.
func TestCheck(t *testing.T) {
	s := start(t, func(c *config) {
		c.Check = func(w *workspace.Workspace) error {
			if w.Name == "bad" {
				return errors.New("preset thumb: no")
			}
			return nil
		}
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`)
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "", `{"namespace":"other","name":"bad"}`},
		{"PATCH", "/acme", `{"name":"bad"}`},
		{"PUT", "/acme", `{"namespace":"acme","name":"bad","revision":1}`},
	} {
		if a := s.do(t, tt.method, "/v1/workspaces"+tt.path, tt.body); a.status != 400 || !strings.Contains(a.body, "can't be served: preset thumb: no.") {
			t.Errorf("%s: %d %s", tt.method, a.status, a.body)
		}
	}
	if a := s.do(t, "GET", "/v1/workspaces/acme", ""); !strings.Contains(a.body, `"revision":1`) {
		t.Error(a.body)
	}
}
