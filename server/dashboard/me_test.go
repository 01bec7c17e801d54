package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// A browser keeps cookies.
type browser struct {
	site    *site
	cookies map[string]string
}

func (b *browser) send(method, target string, fields url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.site.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return w
}

// TestSignIn: a code signs in, the session is new, and the browser goes to the page that it
// wanted.
func TestSignIn(t *testing.T) {
	s := open(t)
	b := &browser{s, map[string]string{"__Host-tt": "fixed by somebody"}}
	next := "/app/acme/access?url=%2Facme%2Fx"
	asked := b.send("POST", "/app/me/sign-in", url.Values{"email": {" Owner@ACME.example"}, "next": {next}})
	if asked.Code != 200 || !strings.Contains(asked.Body.String(), `name="code"`) {
		t.Fatal(asked.Code, asked.Body)
	}
	code := s.mail.code()
	wrong := b.send("POST", "/app/me/sign-in", url.Values{"email": {"owner@acme.example"}, "code": {"0"}, "next": {next}})
	if wrong.Code != 422 || !strings.Contains(wrong.Body.String(), "The code is wrong") {
		t.Error(wrong.Code, wrong.Body)
	}
	in := b.send("POST", "/app/me/sign-in", url.Values{"email": {"owner@acme.example"}, "code": {code}, "next": {next}})
	if in.Code != 303 || in.Header().Get("Location") != next {
		t.Fatal(in.Code, in.Header(), in.Body)
	}
	if token := b.cookies["__Host-tt"]; token == "fixed by somebody" || len(token) != 43 {
		t.Errorf("the session is %q", token)
	}
	for _, c := range in.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
	}
	if page := b.send("GET", "/app/me", nil); page.Code != 200 || !strings.Contains(page.Body.String(), "owner@acme.example") {
		t.Error(page.Code, page.Body)
	}
	if out := b.send("POST", "/app/me/sign-out", nil); out.Code != 303 || b.cookies["__Host-tt"] != "" {
		t.Error(out.Code, b.cookies)
	}
	b.cookies["__Host-tt"] = s.tokens["owner"]
	if page := b.send("GET", "/app/me", nil); page.Code != 200 {
		t.Error("another session ended too")
	}
	if ended := b.send("POST", "/app/me/sessions", url.Values{"all": {"on"}}); ended.Code != 303 {
		t.Error(ended.Code)
	}
	if page := s.ask("owner", "GET", "/app/me", nil); page.Code != 303 {
		t.Error("a session lives on:", page.Code)
	}
}

// TestSignInNext: nobody is sent to another site after signing in.
func TestSignInNext(t *testing.T) {
	s := open(t)
	for next, want := range map[string]string{
		"/app/acme": "/app/acme", "/app": "/app", "": "/app", "/": "/app", "//evil.example": "/app", "https://evil.example/app": "/app", "/\\evil.example": "/app",
		"/app/../evil": "/app", "javascript:alert(1)": "/app", "/apple": "/app", "/app/\r\nX: y": "/app", "///evil.example/app": "/app",
	} {
		b := &browser{s, map[string]string{"__Host-tt": s.tokens["viewer"]}}
		w := b.send("GET", "/app/me/sign-in?next="+url.QueryEscape(next), nil)
		if w.Code != 303 || w.Header().Get("Location") != want {
			t.Errorf("%q: %d %q", next, w.Code, w.Header().Get("Location"))
		}
	}
}

// TestOtherSites: a form that another site's page sends changes nothing.
func TestOtherSites(t *testing.T) {
	s := open(t)
	b := &browser{s, map[string]string{"__Host-tt": s.tokens["owner"]}}
	for name, headers := range map[string][]string{
		"fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "another subdomain": {"Sec-Fetch-Site", "same-site"}, "origin": {"Origin", "https://evil.example"},
	} {
		if w := b.send("POST", "/app/me/sessions", url.Values{"all": {"on"}}, headers...); w.Code != 403 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if w := b.send("GET", "/app/me", nil); w.Code != 200 {
		t.Error("the sessions ended")
	}
}

// TestUnknownSignIn: the page says the same of addresses that may not sign in.
func TestUnknownSignIn(t *testing.T) {
	s := open(t)
	var pages []string
	for _, email := range []string{"owner@acme.example", "nobody@acme.example"} {
		b := &browser{s, map[string]string{}}
		w := b.send("POST", "/app/me/sign-in", url.Values{"email": {email}})
		pages = append(pages, strings.ReplaceAll(w.Body.String(), email, "X"))
		wrong := b.send("POST", "/app/me/sign-in", url.Values{"email": {email}, "code": {"12345678"}})
		pages = append(pages, strings.ReplaceAll(wrong.Body.String(), email, "X"))
	}
	if pages[0] != pages[2] || pages[1] != pages[3] {
		t.Errorf("%s\n%s", pages[0], pages[2])
	}
}

// TestMembers: owners invite, change and remove. Others don't, and the last owner stays.
func TestMembers(t *testing.T) {
	s := open(t)
	for as, status := range map[string]int{"viewer": 403, "editor": 403, "stranger": 403, "owner": 303, "operator": 303, "": 303} {
		w := s.ask(as, "POST", "/app/acme/members", url.Values{"do": {"invite"}, "email": {as + "new@x.example"}, "role": {"viewer"}})
		if w.Code != status {
			t.Errorf("%s invites: %d", as, w.Code)
		}
	}
	page := s.ask("owner", "GET", "/app/acme/members", nil).Body.String()
	for _, want := range []string{
		"owner@acme.example", "ownernew@x.example", "operatornew@x.example",
		"The invitations that editor@acme.example made are taken back.", "API keys with the scope write or admin are revoked.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("without %s: %s", want, page)
		}
	}
	if strings.Contains(page, "editornew") {
		t.Error("an editor invited somebody")
	}
	if w := s.ask("owner", "POST", "/app/acme/members", url.Values{"do": {"invite"}, "email": {"x@y.example"}, "role": {"operator"}}); w.Code < 400 {
		t.Error("an operator was invited:", w.Code)
	}
	ws, _ := s.store.Get(t.Context(), "acme")
	members, err := s.people.Members(t.Context(), ws.ID)
	if err != nil {
		t.Fatal(err)
	}
	id := map[string]string{}
	for _, m := range members {
		id[m.Email] = m.AccountID
	}
	if w := s.ask("owner", "POST", "/app/acme/members", url.Values{"do": {"role"}, "id": {id["owner@acme.example"]}, "role": {"viewer"}}); w.Code != 409 || !strings.Contains(w.Body.String(), "needs an owner") {
		t.Error(w.Code, w.Body)
	}
	if w := s.ask("viewer", "POST", "/app/acme/members", url.Values{"do": {"remove"}, "id": {id["editor@acme.example"]}}); w.Code != 403 {
		t.Error("a viewer removes an editor:", w.Code)
	}
	if w := s.ask("owner", "POST", "/app/acme/members", url.Values{"do": {"remove"}, "id": {id["editor@acme.example"]}, "keys": {"on"}}); w.Code != 303 {
		t.Error(w.Code, w.Body)
	}
	if w := s.ask("editor", "GET", "/app/acme/access", nil); w.Code != 403 {
		t.Error("a removed member sees the workspace:", w.Code)
	}
	if w := s.ask("viewer", "POST", "/app/acme/members", url.Values{"do": {"remove"}, "id": {id["viewer@acme.example"]}}); w.Code != 303 {
		t.Error("a viewer leaves:", w.Code, w.Body)
	}
}

// TestJoin: an invitation shows on the start page of the invited, and of nobody else.
func TestJoin(t *testing.T) {
	s := open(t)
	ws, _ := s.store.Get(t.Context(), "acme")
	i, err := s.people.Invite(t.Context(), ws, "owner@other.example", account.Editor, workspace.AuditEntry{Actor: "root", Action: "member.invite"})
	if err != nil {
		t.Fatal(err)
	}
	if page := s.ask("viewer", "GET", "/app", nil).Body.String(); strings.Contains(page, i.ID) {
		t.Error("somebody else sees it")
	}
	if w := s.ask("viewer", "POST", "/app/me/invitations", url.Values{"id": {i.ID}}); w.Code != 404 {
		t.Error("somebody else accepts it:", w.Code)
	}
	if page := s.ask("stranger", "GET", "/app", nil).Body.String(); !strings.Contains(page, i.ID) {
		t.Error(page)
	}
	if w := s.ask("stranger", "POST", "/app/me/invitations", url.Values{"id": {i.ID}}); w.Code != 303 || w.Header().Get("Location") != "/app/acme?done=joined" {
		t.Error(w.Code, w.Header())
	}
	if w := s.ask("stranger", "GET", "/app/acme/access", nil); w.Code != 200 {
		t.Error(w.Code)
	}
}

// TestMakeWorkspace: operators make workspaces and own them. Others don't.
func TestMakeWorkspace(t *testing.T) {
	s := open(t)
	for as, status := range map[string]int{"owner": 403, "": 303, "operator": 303} {
		if w := s.ask(as, "POST", "/app", url.Values{"namespace": {"shop"}}); w.Code != status {
			t.Errorf("%s: %d", as, w.Code)
		}
	}
	if w := s.ask("operator", "POST", "/app", url.Values{"namespace": {"shop"}}); w.Code != 409 {
		t.Error("twice:", w.Code)
	}
	if w := s.ask("operator", "POST", "/app", url.Values{"namespace": {"app"}}); w.Code != 422 || !strings.Contains(w.Body.String(), "reserved") {
		t.Error(w.Code, w.Body)
	}
	if page := s.ask("operator", "GET", "/app", nil).Body.String(); !strings.Contains(page, `<a href="/app/shop"><strong>shop</strong></a> <span class="tag">owner`) {
		t.Error(page)
	}
}

// TestDevices: a session is told by its browser and system.
func TestDevices(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                                   "Chrome on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0":                                                    "Firefox on Mac",
		`tool <script>`: "tool &lt;script&gt;",
	} {
		s := open(t)
		s.tokens["owner"] = signIn(t, s.people, s.mail, "owner@acme.example", account.Client{IP: agent, UserAgent: agent})
		if page := s.ask("owner", "GET", "/app/me", nil).Body.String(); !strings.Contains(page, ">"+want+" <span") {
			t.Errorf("without %s:\n%s", want, page)
		}
	}
}
