package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/server/api"
)

// TestMarkdown compares docs/api.md with the operations.
func TestMarkdown(t *testing.T) {
	const file = "../../docs/api.md"
	want, err := api.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, file, string(want))
	for route := range matrix {
		if !strings.Contains(string(want), "`"+route+"`") {
			t.Errorf("docs/api.md doesn't have %s", route)
		}
	}
}

// TestPage: the page loads nothing and runs no script, and its policy allows neither.
func TestPage(t *testing.T) {
	a := start(t, nil).do(t, "GET", "/v1/docs", "", "Authorization", "-").want(t, 200)
	a.wantHeader(t, "Content-Type", "text/html; charset=utf-8")
	_, style, _ := strings.Cut(a.body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	a.wantHeader(t, "Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	for _, never := range []string{"<script", "javascript:", "http://", "https://", "<img", "<link", "<iframe", "style=", "url(", "@import", " on"} {
		text := a.body
		if strings.HasSuffix(never, "//") || never == " on" { // texts may contain these; only attributes count
			never = `="` + strings.TrimSpace(never)
		}
		if strings.Contains(text, never) {
			t.Errorf("the page has %s", never)
		}
	}
	for route, row := range matrix {
		_, path, _ := strings.Cut(route, " ")
		if !strings.Contains(a.body, "</b> "+path+"</code>") {
			t.Errorf("the page doesn't have %s (%s)", route, row.need)
		}
	}
}
