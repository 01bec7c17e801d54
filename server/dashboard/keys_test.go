package dashboard_test

import (
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/api"
	"github.com/tintype/tintype/workspace"
)

// TestKeys: owners make and revoke API keys. A key is shown once, and texts are escaped.
func TestKeys(t *testing.T) {
	s := open(t)
	name := `<script>alert("x")</script>`
	fields := url.Values{"do": {"make"}, "name": {name}, "scopes": {"read", "write"}, "test": {"on"}, "expires_in_days": {"7"}}
	for _, as := range []string{"viewer", "editor", "stranger"} {
		if w := s.ask(as, "POST", "/app/acme/keys", fields); w.Code != 403 {
			t.Errorf("%s makes a key: %d", as, w.Code)
		}
	}
	if page := s.ask("owner", "GET", "/app/acme/keys", nil); page.Code != 200 || !strings.Contains(page.Body.String(), "Make the first one") {
		t.Error(page.Code, page.Body)
	}
	made := s.ask("owner", "POST", "/app/acme/keys", fields)
	key := regexp.MustCompile(`<textarea id="made"[^>]*>([^<]+)</textarea> <button type="button" data-copy="made" hidden>`).FindStringSubmatch(made.Body.String())
	if made.Code != 200 || key == nil || made.Header().Get("Cache-Control") != "no-store" {
		t.Fatal(made.Code, made.Header(), made.Body)
	}
	page := s.ask("owner", "GET", "/app/acme/keys", nil).Body.String()
	if strings.Contains(page, key[1]) || strings.Contains(page, name) {
		t.Error("the key is shown again, or its name isn't escaped:", page)
	}
	for _, want := range []string{"read, write", `<span class="tag">test</span>`, ">owner@acme.example</td>", "never</td>", "expires 20"} {
		if !strings.Contains(page, want) {
			t.Errorf("without %s: %s", want, page)
		}
	}
	if seen := s.ask("viewer", "GET", "/app/acme/keys", nil); seen.Code != 200 || strings.Contains(seen.Body.String(), `name="do"`) {
		t.Error("a viewer:", seen.Code, seen.Body)
	}
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(page)[1]
	for _, c := range []struct {
		as, confirm string
		status      int
	}{{"editor", name, 403}, {"stranger", name, 403}, {"owner", "another", 422}, {"owner", name, 303}} {
		if w := s.ask(c.as, "POST", "/app/acme/keys", url.Values{"do": {"revoke"}, "id": {id}, "confirm": {c.confirm}}); w.Code != c.status {
			t.Errorf("%s revokes by typing %q: %d", c.as, c.confirm, w.Code)
		}
	}
	if page := s.ask("owner", "GET", "/app/acme/keys?done=revoked", nil).Body.String(); !strings.Contains(page, "revoked 20") || strings.Contains(page, `value="revoke"`) {
		t.Error(page)
	}
}

// TestWrongKeys: the form keeps what was typed, and names the field that is wrong.
func TestWrongKeys(t *testing.T) {
	s := open(t)
	for field, fields := range map[string]url.Values{
		"name": {"scopes": {"read"}}, "scopes": {"name": {"ci"}}, "expires_in_days": {"name": {"ci"}, "scopes": {"read"}, "expires_in_days": {"soon"}},
	} {
		fields.Set("do", "make")
		w := s.ask("owner", "POST", "/app/acme/keys", fields)
		if w.Code != 422 || !strings.Contains(w.Body.String(), `id="`+field+`-fault"`) || !strings.Contains(w.Body.String(), `value="`+fields.Get("name")+`"`) {
			t.Errorf("%s: %d\n%s", field, w.Code, w.Body)
		}
	}
}

// TestTryKey: the page with a new key has commands that the API answers, whatever the scopes.
func TestTryKey(t *testing.T) {
	for _, scopes := range [][]string{{"read"}, {"write"}, {"read", "write"}, {"admin"}} {
		s := open(t)
		if len(scopes) > 1 {
			s.edit(t, func(w *workspace.Workspace) {
				w.Sources = []workspace.Source{{Key: "pics", Kind: "http", URL: "https://pics.example/"}}
			})
		}
		page := s.ask("owner", "POST", "/app/acme/keys", url.Values{"do": {"make"}, "name": {"ci"}, "scopes": scopes}).Body.String()
		try := regexp.MustCompile(`(?s)<textarea id="try"[^>]*>([^<]+)</textarea>`).FindStringSubmatch(page)
		if try == nil {
			t.Fatal(page)
		}
		lines := strings.Split(html.UnescapeString(try[1]), "\n")
		key := regexp.MustCompile(`^export TINTYPE_API_KEY='(tt_live_[0-9A-Za-z]{36})'$`).FindStringSubmatch(lines[0])
		if key == nil {
			t.Fatal(lines)
		}
		records := api.New(api.Config{Manage: manage.New(manage.Config{
			Store: s.store, Records: s.store, Now: clock, Auth: apikey.NewAuthenticator(apikey.AuthenticatorConfig{Keys: s.store, Now: clock}),
		})})
		calls := 0
		for _, line := range lines[1:] {
			if strings.HasPrefix(line, "#") {
				continue
			}
			call := regexp.MustCompile(`^curl -H "Authorization: Bearer \$TINTYPE_API_KEY"( -H 'Content-Type: application/json' -d '([^']+)')? https://img\.example(/\S+)$`).FindStringSubmatch(line)
			if call == nil {
				t.Fatal(line)
			}
			calls++
			method := "GET"
			if call[2] != "" { // as curl does
				method = "POST"
			}
			r := httptest.NewRequest(method, call[3], strings.NewReader(call[2]))
			r.Header.Set("Authorization", "Bearer "+key[1])
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			if records.ServeHTTP(w, r); w.Code >= 300 {
				t.Errorf("%v: %s: %d %s", scopes, line, w.Code, w.Body)
			}
		}
		if want := map[string]int{"read": 1, "write": 1, "read write": 2, "admin": 2}[strings.Join(scopes, " ")]; calls != want {
			t.Errorf("%v: %d commands: %q", scopes, calls, lines)
		}
	}
}
