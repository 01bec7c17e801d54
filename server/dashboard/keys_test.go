package dashboard_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
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
	for _, want := range []string{"read, write", `<span class="tag">test</span>`, "account:owner@acme.example", "never</td>", "expires 20"} {
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
