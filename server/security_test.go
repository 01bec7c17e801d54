package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery"
)

// TestSecurityContact: security.txt has the fields of RFC 9116, and its page names the contact.
// Without a contact there is neither.
func TestSecurityContact(t *testing.T) {
	b := newBench(t, func(*delivery.Config) {})
	get := func(path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		return w
	}
	if w := get(securityText, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "names no contact") {
		t.Errorf("without a contact: %d %s", w.Code, w.Body)
	}
	b.Server.contact = &SecurityContact{URI: "mailto:security@example.com", Public: "https://img.example.com"}
	w := get(securityText, "")
	fields := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		fields[name] = value
	}
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || fields["Contact"] != "mailto:security@example.com" ||
		fields["Canonical"] != "https://img.example.com/.well-known/security.txt" || fields["Policy"] != "https://img.example.com/.well-known/security" {
		t.Errorf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
	expires, err := time.Parse(time.RFC3339, fields["Expires"])
	if left := time.Until(expires); err != nil || left < 30*24*time.Hour || left > 366*24*time.Hour {
		t.Errorf("it ends at %v: %v", expires, err)
	}
	if w := get(securityPage, "text/html"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `href="mailto:security@example.com"`) || strings.Contains(w.Body.String(), "Sign in") {
		t.Errorf("the page: %d %s", w.Code, w.Body)
	}
	if w := get("/.well-known/other", ""); w.Code != http.StatusNotFound {
		t.Errorf("another path: %d", w.Code)
	}
}
