package api_test

import (
	"strings"
	"testing"
)

func TestParts(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`)
	const ws = "/v1/workspaces/acme"
	tests := []struct {
		method, path, body string
		status             int
		want               string // a part of the answer
	}{
		{"PUT", "/sources/photos", `{"kind":"http","url":"https://a.example.com/photos","headers":{"X-Token":"hunter2"}}`, 200, `"url":"https://a.example.com/photos/"`},
		{"PUT", "/sources/photos", `{"key":"photos","kind":"http","url":"https://a.example.com/photos/","headers":{"X-Token":"***"},"private":true}`, 200, `"private":true`},
		{"PUT", "/sources/photos", `{"kind":"http","url":"https://evil.example.com/","headers":{"X-Token":"***"}}`, 400, "headers"},
		{"PUT", "/sources/photos", `{"key":"other","kind":"http","url":"https://a.example.com/"}`, 400, "as in the path"},
		{"PUT", "/sources/info", `{"kind":"http","url":"https://a.example.com/"}`, 400, "VALIDATION_ERROR"},
		{"PUT", "/sources/p2", `{"kind":"http","url":"https://a.example.com/","nonsense":1}`, 400, "\"sources[1].nonsense: unknown field; known are key"},
		{"PUT", "/sources/p2", `{"kind":"http","url":null}`, 400, "\"sources[1].url: must not be null"},
		{"PUT", "/sources/p2", `{"kind":"ftp","kind":"http","url":"https://b.example.com/"}`, 200, `"kind":"http"`},
		{"PUT", "/sources/photos", `{"kind":"http","url":7}`, 400, "\"sources[0].url: must be a string"},
		{"DELETE", "/sources/p2", "", 204, ""},
		{"PUT", "/sources/p2", `[1]`, 400, "VALIDATION_ERROR"},
		{"PUT", "/sources/p2", `null`, 400, "VALIDATION_ERROR"},
		{"PUT", "/presets/thumb", `{"options":"w=320&fit=cover"}`, 200, `"options":"w=320&fit=cover"`},
		{"PUT", "/presets/thumb", `{"options":"w=nine"}`, 400, "w: "},
		{"PUT", "/marks/brand", `{"image":"photos/logo.png","width":"15%","auto_apply_sources":["photos"]}`, 200, `"auto_apply_sources":["photos"]`},
		{"DELETE", "/sources/photos", "", 400, "photos"}, // the mark uses it
		{"DELETE", "/marks/brand", "", 204, ""},
		{"DELETE", "/marks/brand", "", 404, "NOT_FOUND"},
		{"DELETE", "/presets/thumb", "", 204, ""},
		{"DELETE", "/sources/photos", "", 204, ""},
		{"DELETE", "/sources/photos", "", 404, "NOT_FOUND"},
		{"GET", "/sources/photos", "", 405, "METHOD_NOT_ALLOWED"},
	}
	for _, tt := range tests {
		a := s.do(t, tt.method, ws+tt.path, tt.body)
		if a.status == 204 && (a.body != "" || a.header.Get("Content-Type") != "") {
			t.Errorf("%s %s: %q, %v", tt.method, tt.path, a.body, a.header)
		}
		if a.status != tt.status || !strings.Contains(a.body, tt.want) || strings.Contains(a.body, "hunter2") {
			t.Errorf("%s %s %s: %d %s, want %d with %s", tt.method, tt.path, tt.body, a.status, a.body, tt.status, tt.want)
		}
	}
	if a := s.do(t, "PUT", "/v1/workspaces/nobody/presets/thumb", `{"options":"w=1"}`); a.status != 404 || !strings.Contains(a.body, "WORKSPACE_NOT_FOUND") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.do(t, "PUT", "/v1/workspaces/nobody/presets/thumb", `{"options":1}`); a.status != 404 {
		t.Errorf("a workspace that isn't there comes before the body: %d %s", a.status, a.body)
	}
	if a := s.do(t, "PUT", ws+"/presets/thumb", `{"options":"w=1"}`, "Authorization", "-"); a.status != 401 {
		t.Errorf("without a key: %d", a.status)
	}
}
