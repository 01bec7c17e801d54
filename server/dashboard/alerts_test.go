package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/alert"
)

// TestAlerts: an owner adds places, sends a test, sets rules, and sees what needs a look. A
// viewer sees it too, and sets nothing.
func TestAlerts(t *testing.T) {
	s := open(t)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer hook.Close()
	post := func(as string, fields url.Values) *httptest.ResponseRecorder {
		return s.ask(as, "POST", "/app/acme/alerts", fields)
	}
	if page := s.ask("viewer", "GET", "/app/acme/alerts", nil).Body.String(); !strings.Contains(page, "Nothing needs a look.") || !strings.Contains(page, "Nobody is told yet") || strings.Contains(page, "<button>Save") {
		t.Error(page)
	}
	if w := post("editor", url.Values{"do": {"add"}, "kind": {"email"}, "address": {"x@acme.example"}}); w.Code != 403 {
		t.Errorf("an editor adds a channel: %d", w.Code)
	}
	w := post("owner", url.Values{"do": {"add"}, "kind": {"webhook"}, "url": {hook.URL + "/?token=hunter2"}})
	if page := w.Body.String(); w.Code != 200 || !strings.Contains(page, "whsec_") || strings.Contains(page, "hunter2") {
		t.Errorf("%d %s", w.Code, page)
	}
	if w := post("owner", url.Values{"do": {"add"}, "kind": {"webhook"}, "url": {"ftp://x"}}); w.Code != 422 || !strings.Contains(w.Body.String(), "Must begin with https://") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	page := s.ask("owner", "GET", "/app/acme/alerts", nil).Body.String()
	id := regexp.MustCompile(`name="id" value="(ch_\w+)"`).FindStringSubmatch(page)
	if id == nil || strings.Contains(page, "whsec_") {
		t.Fatal(page)
	}
	if w := post("owner", url.Values{"do": {"test"}, "id": {id[1]}}); !strings.Contains(w.Body.String(), "The test was sent and taken.") {
		t.Error(w.Body)
	}
	// One's own address needs no mail; another one agrees by the link in it.
	if w := post("owner", url.Values{"do": {"add"}, "kind": {"email"}, "address": {"owner@acme.example"}}); w.Code != 303 || len(s.mail) != 0 {
		t.Errorf("%d, %d mails", w.Code, len(s.mail))
	}
	if w := post("owner", url.Values{"do": {"add"}, "kind": {"email"}, "address": {"ops@acme.example"}}); w.Code != 303 {
		t.Error(w.Code)
	}
	asked := (<-s.mail).Text
	token := regexp.MustCompile(`/app/me/alerts\?token=(\w+)`).FindStringSubmatch(asked)
	if token == nil {
		t.Fatal(asked)
	}
	if w := s.ask("", "GET", "/app/me/alerts?token="+token[1], nil); w.Code != 200 || !strings.Contains(w.Body.String(), "wants its alerts to go to ops@acme.example") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if page := s.ask("owner", "GET", "/app/acme/alerts", nil).Body.String(); !strings.Contains(page, "has not agreed yet") {
		t.Error("opening the link agrees")
	}
	if w := s.ask("", "POST", "/app/me/alerts", url.Values{"token": {token[1]}}); w.Code != 200 || !strings.Contains(w.Body.String(), "You get alerts now") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := s.ask("", "GET", "/app/me/alerts?token=nonsense", nil); w.Code != 400 {
		t.Error(w.Code)
	}

	// Rules.
	if w := post("owner", url.Values{"do": {"rule"}, "id": {"key_rate"}, "on": {"on"}, "threshold": {"3"}}); w.Code != 422 || !strings.Contains(w.Body.String(), "Must be 25 to 1,000,000,000 requests.") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post("owner", url.Values{"do": {"rule"}, "id": {"key_rate"}, "threshold": {"500"}}); w.Code != 303 {
		t.Error(w.Code)
	}
	if page := s.ask("viewer", "GET", "/app/acme/alerts", nil).Body.String(); !strings.Contains(page, "over 500 requests within an hour") {
		t.Error(page)
	}

	// What people are refused is an alert, and the overview says so.
	if w := s.ask("stranger", "GET", "/app/acme/sources", nil); w.Code != 403 {
		t.Fatal(w.Code)
	}
	if err := s.alerts.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/app/acme", "/app/acme/alerts"} {
		if page := s.ask("owner", "GET", path, nil).Body.String(); !strings.Contains(page, "owner@other.example was refused (403): GET /app/acme/sources") {
			t.Errorf("%s: %s", path, page)
		}
	}
	if mails := len(s.mail); mails != 2 {
		t.Fatalf("%d mails, for two addresses", mails)
	}
	<-s.mail
	<-s.mail

	// So is a sign-in with a wrong code.
	w = s.ask("", "POST", "/app/me/sign-in", url.Values{"email": {"viewer@acme.example"}, "code": {"0000 0000"}})
	if err := s.alerts.Tick(t.Context()); err != nil || w.Code != 422 {
		t.Fatalf("%d, %v", w.Code, err)
	}
	list, err := s.alerts.Active(t.Context(), workspaceID(t, s, "acme"))
	if err != nil || len(list) != 3 || list[0].Rule != alert.Denied || !strings.Contains(list[0].Text+list[1].Text+list[2].Text, "Somebody tried to sign in as viewer@acme.example") {
		t.Errorf("%+v, %v", list, err)
	}
	if w := post("owner", url.Values{"do": {"remove"}, "id": {id[1]}}); w.Code != 303 {
		t.Error(w.Code)
	}
}

func workspaceID(t *testing.T, s *site, namespace string) string {
	t.Helper()
	w, err := s.store.Get(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return w.ID
}
