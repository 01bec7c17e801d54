package api_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// TestWarnings: while one source closes another's images, the write and every later answer
// warn. The answer of GET can be sent back.
func TestWarnings(t *testing.T) {
	s := start(t, nil)
	const (
		ws      = "/v1/workspaces/acme"
		warning = `"warnings":["source vault is private and has the place of source photos: all images of source photos need a signature or an API key"`
		photos  = `{"key":"photos","kind":"http","url":"https://a.example.com/photos/"}`
		vault   = `{"key":"vault","kind":"http","url":"https://a.example.com/photos/","private":true}`
	)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[`+photos+`]}`)
	for _, tt := range []struct {
		method, path, body string
		warns              bool
		opens              bool // another warning is expected
	}{
		{"GET", "", "", false, false},
		{"PATCH", "", `{"name":"Acme"}`, false, false},
		{"PUT", "/sources/vault", vault, true, false},
		{"PUT", "/sources/photos", strings.TrimSuffix(photos, "}") + `,"warnings":["x"]}`, true, false},
		{"PUT", "/marks/m", `{"image":"https://a.example.com/m.png"}`, true, false},
		{"GET", "", "", true, false},
		{"PATCH", "", `{"name":"Acme 2"}`, true, false},
		{"PATCH", "", `{"warnings":["x"]}`, true, false},
		{"PATCH", "", `{"sources":[` + photos + `,` + strings.Replace(vault, "/photos/", "/vault/", 1) + `]}`, false, true},
		{"PATCH", "", `{"sources":[` + photos + `,` + vault + `]}`, true, true},
	} {
		a := s.do(t, tt.method, ws+tt.path, tt.body)
		if a.status != 200 || strings.Contains(a.body, warning) != tt.warns ||
			strings.Contains(a.body, "warnings") != (tt.warns || tt.opens) || strings.Contains(a.body, "from now on") != tt.opens {
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

// TestOpened: a write that makes images public, or URLs fail, warns about it, in its own answer
// only. This holds for every way to write.
func TestOpened(t *testing.T) {
	s := start(t, nil)
	const (
		ws      = "/v1/workspaces/acme"
		photos  = `{"key":"photos","kind":"http","url":"https://a.example.com/photos/"}`
		vault   = `{"key":"vault","kind":"http","url":"https://a.example.com/photos/vault/","private":true}`
		closes  = "source vault is private and lies in source photos: images of source photos whose paths begin with vault/ need a signature or an API key"
		opens   = "source vault, which was private, is gone: images of source photos whose paths begin with vault/ are public from now on"
		public  = "source vault is not private any more: its images are public from now on"
		gone    = "source vault is gone: URLs that name it are refused from now on"
		private = "source photos is private: its images need a signature or an API key from now on"
		named   = " p is gone: URLs that name it are refused from now on"
		bound   = "mark m is bound to source photos: URLs that name an image of photos as their mark are refused from now on"
		unbound = "source photos has lost marks: its images don't carry them from now on (m)"
	)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[`+photos+`,`+vault+`]}`)
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               []string
	}{
		{"PATCH", "", `{"name":"Acme"}`, 200, []string{closes}},
		{"DELETE", "/sources/vault", "", 204, []string{gone, opens}},
		{"PATCH", "", `{"name":"Acme 2"}`, 200, nil},
		{"PUT", "/sources/vault", vault, 200, []string{closes, workspace.NoSigningKey}},
		{"PATCH", "", `{"sources":[` + photos + `]}`, 200, []string{gone, opens}},
		{"PUT", "/sources/vault", vault, 200, []string{closes, workspace.NoSigningKey}},
		{"PUT", "/sources/vault", strings.Replace(vault, "true", "false", 1), 200, []string{public}},
		{"PUT", "/marks/m", `{"image":"photos/m.png","auto_apply_sources":["photos"]}`, 200, []string{bound}},
		{"PUT", "/presets/p", `{"options":"w=1"}`, 200, nil},
		{"PUT", "/presets/p", `{"options":"w=3000"}`, 200, []string{"preset p has larger lengths: URLs with the preset and a dpr of 3 or more are refused from now on"}},
		{"DELETE", "/presets/p", "", 204, []string{"preset" + named}},
		{"PUT", "/marks/m", `{"image":"photos/m.png"}`, 200, []string{unbound}},
		{"DELETE", "/marks/m", "", 204, []string{"mark m is gone: URLs that name it are refused from now on"}},
		{"PUT", "/sources/photos", strings.TrimSuffix(photos, "}") + `,"private":true}`, 200, []string{private, workspace.NoSigningKey}},
		{"PATCH", "", `{"name":"Acme 3"}`, 200, nil},
	} {
		a := s.do(t, tt.method, ws+tt.path, tt.body)
		var got struct{ Warnings []string }
		if a.body == "" {
			got.Warnings = a.header.Values("Tintype-Warning")
		} else {
			if err := json.Unmarshal([]byte(a.body), &got); err != nil {
				t.Fatal(err)
			}
		}
		// Another test covers a mark that is bound to one of two sources at the same place.
		got.Warnings = slices.DeleteFunc(got.Warnings, func(w string) bool { return strings.Contains(w, " has marks and ") })
		if a.status != tt.status || !slices.Equal(got.Warnings, tt.want) {
			t.Errorf("%s %s %s: %d %q", tt.method, tt.path, tt.body, a.status, got.Warnings)
		}
	}
	var key struct{ ID string }
	if err := json.Unmarshal([]byte(s.do(t, "POST", ws+"/signing-keys", "").body), &key); err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, "DELETE", ws+"/signing-keys/"+key.ID, ""); a.status != 204 || a.header.Get("Tintype-Warning") != "signing key "+key.ID+" is gone: URLs that it signed are refused from now on" {
		t.Errorf("%d %q", a.status, a.header)
	}
	was := s.do(t, "PATCH", ws, `{"require_signature":true}`)
	if a := s.do(t, "PUT", ws, strings.Replace(was.body, `"require_signature":true`, `"require_signature":false`, 1)); !strings.Contains(a.body, "require_signature is off: ") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestCheck: a workspace that delivery can't serve is refused by the write.
func TestCheck(t *testing.T) {
	s := start(t, func(c *config) {
		c.Delivery.check = func(w *workspace.Workspace) error {
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
