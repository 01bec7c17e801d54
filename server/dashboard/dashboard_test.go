package dashboard_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// people are visitors by the token of their session.
type people map[string]dashboard.Visitor

func (p people) Visitor(_ context.Context, token string) (dashboard.Visitor, error) {
	v, ok := p[token]
	if !ok {
		return v, fault.New(fault.Unauthorized, "Nobody has this session.")
	}
	return v, nil
}

// A site is a dashboard with the workspaces acme and other. Its people are a viewer, an
// editor and an owner of acme, an operator, and a stranger, who is an owner of other.
type site struct {
	handler http.Handler
	store   *workspacetest.Memory
}

func open(t *testing.T) *site {
	t.Helper()
	store := workspacetest.NewMemory()
	ids := map[string]string{}
	for _, namespace := range []string{"acme", "other"} {
		w := workspace.New(namespace)
		if err := store.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		ids[namespace] = w.ID
	}
	member := func(namespace string, role account.Role) dashboard.Visitor {
		return dashboard.Visitor{
			AccountID: string(role) + "-" + namespace, Email: string(role) + "@" + namespace + ".example",
			Members: []dashboard.Membership{{Namespace: namespace, WorkspaceID: ids[namespace], Role: role}},
		}
	}
	who := people{
		"viewer": member("acme", account.Viewer), "editor": member("acme", account.Editor), "owner": member("acme", account.Owner), "stranger": member("other", account.Owner),
		"operator": {AccountID: "operator", Email: "root@tintype.example", Operator: true},
	}
	clock := func() time.Time { return now }
	m := manage.New(manage.Config{Store: store, Records: store, Now: clock})
	return &site{dashboard.New(dashboard.Config{Manage: m, Visitors: who, Now: clock}), store}
}

// ask sends a request as one of the people, or as nobody.
func (s *site) ask(as, method, target string, fields url.Values) *httptest.ResponseRecorder {
	var body io.Reader
	if fields != nil {
		body = strings.NewReader(fields.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if as != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: as})
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// TestAccess: a change is shown before it is made, typed text stays where it is wrong, and
// a change of somebody else is not overwritten unseen.
func TestAccess(t *testing.T) {
	s := open(t)
	page := s.ask("editor", "GET", "/app/acme/access", nil)
	if page.Code != 200 || !strings.Contains(page.Body.String(), `name="allowed_origins"`) {
		t.Fatal(page.Code, page.Body)
	}
	fields := url.Values{"allowed_origins": {"https://shop.example\r\nftp://x"}, "allowed_sources": {"*"}}
	wrong := s.ask("editor", "POST", "/app/acme/access", fields)
	for _, want := range []string{"ftp://x</textarea>", `aria-invalid="true"`, `id="allowed_origins-fault"`} {
		if wrong.Code != 422 || !strings.Contains(wrong.Body.String(), want) {
			t.Errorf("%d, without %s:\n%s", wrong.Code, want, wrong.Body)
		}
	}
	fields.Set("allowed_origins", "https://shop.example")
	fields.Set("require_signature", "on")
	shown := s.ask("editor", "POST", "/app/acme/access", fields)
	for _, want := range []string{"removed &#34;*&#34;", "https://shop.example", `name="revision" value="1"`, `value="save"`} {
		if shown.Code != 200 || !strings.Contains(shown.Body.String(), want) {
			t.Errorf("review: %d, without %s:\n%s", shown.Code, want, shown.Body)
		}
	}
	if w, _ := s.store.Get(t.Context(), "acme"); w.RequireSignature {
		t.Fatal("a review changed the workspace")
	}
	fields.Set("step", "save")
	fields.Set("revision", "1")
	if saved := s.ask("editor", "POST", "/app/acme/access", fields); saved.Code != 303 || saved.Header().Get("Location") != "/app/acme/access?done=saved" {
		t.Error(saved.Code, saved.Header(), saved.Body)
	}
	if w, _ := s.store.Get(t.Context(), "acme"); !w.RequireSignature || w.AllowedOrigins[0] != "https://shop.example" {
		t.Errorf("%+v", w)
	}
	fields.Del("require_signature")
	conflict := s.ask("owner", "POST", "/app/acme/access", fields)
	if conflict.Code != 409 || !strings.Contains(conflict.Body.String(), "require_signature: true → false") {
		t.Errorf("conflict: %d\n%s", conflict.Code, conflict.Body)
	}
	if again := s.ask("owner", "GET", "/app/acme/access?done=saved", nil); !strings.Contains(again.Body.String(), "Saved.") {
		t.Error(again.Body)
	}
}

// TestWhoMaySee: pages of a workspace are for its members, and writes for those whose role
// has the right.
func TestWhoMaySee(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		as, method, target string
		status             int
		location           string
	}{
		{"", "GET", "/app", 303, "/app/sign-in"},
		{"", "GET", "/app/acme/access?url=x", 303, "/app/sign-in?next=%2Fapp%2Facme%2Faccess%3Furl%3Dx"},
		{"", "POST", "/app/acme/access", 303, "/app/sign-in"},
		{"ended", "GET", "/app/acme", 303, "/app/sign-in?next=%2Fapp%2Facme"},
		{"viewer", "GET", "/app/acme/access", 200, ""},
		{"viewer", "POST", "/app/acme/access", 403, ""},
		{"stranger", "GET", "/app/acme", 403, ""},
		{"stranger", "GET", "/app/nobody", 403, ""},
		{"operator", "GET", "/app/acme/access", 200, ""},
		{"operator", "GET", "/app/nobody/access", 404, ""},
		{"operator", "GET", "/app", 200, ""},
		{"viewer", "GET", "/app/acme/nothing", 404, ""},
		{"viewer", "GET", "/app/", 404, ""},
	} {
		w := s.ask(c.as, c.method, c.target, url.Values{})
		if w.Code != c.status || w.Header().Get("Location") != c.location {
			t.Errorf("%s %s %s: %d %q", c.as, c.method, c.target, w.Code, w.Header().Get("Location"))
		}
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s %s: %v", c.method, c.target, h)
		}
	}
}
