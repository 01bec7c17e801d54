package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrorsOnThePage: an image that is refused is on the page of errors after the server has
// stopped in an orderly way, with what would happen to it now, and without a secret of its URL.
func TestErrorsOnThePage(t *testing.T) {
	t.Parallel()
	data, config := t.TempDir(), filepath.Join(t.TempDir(), "acme.yaml")
	if err := os.WriteFile(config, []byte("namespace: acme\nallowed_sources: [https://cdn.example/]\nsources:\n- {key: photos, kind: http, url: 'https://photos.invalid/', private: true}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	sent := make(codes, 10)
	serve := func(t *testing.T) string {
		return startSaying(t, sent, nil, "--data", data, "--mail", "log", "--operators", "root@tintype.example", "--apply", config)
	}
	t.Run("refused", func(t *testing.T) {
		server := serve(t)
		for target, status := range map[string]int{
			"/acme/photos/cat.jpg?w=400&sig=hunter2&exp=99":                                        403,
			"/acme/?src=https%3A%2F%2Fuser%3Ahunter2%40evil.example%2Fx.jpg":                       400,
			"/acme/?src=https%3A%2F%2Fevil.example%2Fx.jpg%3FX-Amz-Signature%3Dhunter2&w=9":        403,
			"/acme/thumbor/hunter2AAAAAAAAAAAAAAAAAAAAA=/300x200/https://evil.example/hunter2.jpg": 403,
		} {
			a, err := http.Get(server + target)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(a.Body)
			_ = a.Body.Close()
			if a.StatusCode != status {
				t.Errorf("%s: %d %s", target, a.StatusCode, body)
			}
		}
	})
	files, err := filepath.Glob(filepath.Join(data, "*.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err != nil || strings.Contains(strings.ReplaceAll(string(b), "evil.example/hunter2.jpg", ""), "hunter2") {
			t.Errorf("%s has a secret of a URL, or can't be read: %v", f, err)
		}
	}

	server := serve(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	ask := func(path string, form url.Values) string {
		t.Helper()
		var a *http.Response
		var err error
		if form != nil {
			a, err = browser.PostForm(server+path, form)
		} else {
			a, err = browser.Get(server + path)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v\n%s", path, a.StatusCode, err, body)
		}
		return html.UnescapeString(string(body))
	}
	ask("/app/me/sign-in", url.Values{"email": {"root@tintype.example"}})
	ask("/app/me/sign-in", url.Values{"email": {"root@tintype.example"}, "code": {<-sent}})
	page := strings.ReplaceAll(ask("/app/acme/errors", nil), "<wbr>", "")
	for _, want := range []string{
		"SIGNATURE_INVALID", "<code>/photos/cat.jpg?w=400</code>", "SOURCE_NOT_ALLOWED", "<code>/?src=https://evil.example/x.jpg%3F…&w=9</code>",
		"<code>/?src=https://…</code>", "<code>/transform?src=https://evil.example/hunter2.jpg&w=300&h=200", "Add its host to “External originals”.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("without %s\n%s", want, page)
		}
	}
	answer := ask("/app/acme/access?url=%2Facme%2Fphotos%2Fcat.jpg%3Fw%3D400", nil)
	if !strings.Contains(answer, "SIGNATURE_REQUIRED") && !strings.Contains(answer, "401") {
		t.Error(answer)
	}
	if page := ask("/app/acme", nil); !strings.Contains(page, "Yesterday's errors") || !strings.Contains(page, "all of it today") {
		t.Error("the overview doesn't lead to the errors")
	}
}
