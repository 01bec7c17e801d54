package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A site is a dashboard with the workspaces acme and other. Its people are a viewer, an
// editor and an owner of acme, an operator, and a stranger, who is an owner of other.
type site struct {
	handler http.Handler
	store   *workspacetest.Memory
	away    *outage
	people  *account.People
	tokens  map[string]string // of sessions, by name
	mail    mailbox
	dns     *zone
	watch   *alert.Watch
	alerts  *alert.Engine
}

// A mailbox is a mail.Sender.
type mailbox chan mail.Message

func (b mailbox) Send(_ context.Context, m mail.Message) error { b <- m; return nil }

// code waits for the next mail and returns its code.
func (b mailbox) code() string { return regexp.MustCompile(`[0-9]{4} [0-9]{4}`).FindString((<-b).Text) }

// signIn returns the token of a new session.
func signIn(t testing.TB, people *account.People, box mailbox, email string, c account.Client) (session string) {
	t.Helper()
	var err error
	if c.Browser, err = people.AskCode(t.Context(), email, c); err != nil {
		t.Fatal(err)
	}
	if session, _, err = people.SignIn(t.Context(), email, box.code(), c); err != nil {
		t.Fatal(err)
	}
	return session
}

// newPeople returns people whose operator is root@tintype.example.
func newPeople(records account.Records, box mailbox) *account.People {
	return account.NewPeople(account.Config{
		Records: records, Mail: box, Signup: account.SignupInvite, Operators: []string{operator}, PublicURL: "https://img.example", Now: clock, Log: slog.New(slog.DiscardHandler),
	})
}

const operator = "root@tintype.example"

func clock() time.Time { return now }

// open returns a site. change may add to what its manager is made of.
func open(t *testing.T, change ...func(*manage.Config)) *site {
	t.Helper()
	s := &site{store: workspacetest.NewMemory(), tokens: map[string]string{"ended": "x"}, mail: make(mailbox, 100), dns: &zone{}}
	s.store.Now = clock
	s.away = &outage{Memory: s.store}
	s.people = newPeople(s.away, s.mail)
	config := manage.Config{Store: s.away, Records: s.away, People: s.people, Resolver: s.dns, Now: clock}
	codec, err := workspace.NewCodec(workspace.NewSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	s.watch = alert.NewWatch(clock, nil)
	s.alerts = alert.New(alert.Config{
		Watch: s.watch, Store: s.away, Codec: codec, Keys: s.away, Get: s.away.Get, List: s.away.List, Alone: true, Now: clock, Log: slog.New(slog.DiscardHandler),
		Transport: http.DefaultTransport, Mail: s.mail, PublicURL: "https://img.example",
		Memberships: func(ctx context.Context, email string) (places []alert.Place, err error) {
			members, err := s.people.MembershipsOf(ctx, email)
			for _, m := range members {
				places = append(places, alert.Place{WorkspaceID: m.WorkspaceID, Namespace: m.Namespace})
			}
			return places, err
		},
	})
	config.Alerts = s.alerts
	for _, f := range change {
		f(&config)
	}
	m := manage.New(config)
	s.handler = dashboard.New(dashboard.Config{
		Manage: m, People: s.people, PublicURL: &url.URL{Scheme: "https", Host: "img.example"}, Watch: s.watch, Now: clock, Log: slog.New(slog.DiscardHandler),
	})
	spaces := map[string]*workspace.Workspace{}
	for _, namespace := range []string{"acme", "other"} {
		spaces[namespace] = workspace.New(namespace)
		if err := s.store.Create(t.Context(), spaces[namespace]); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []struct {
		name, email, namespace string
		role                   account.Role
	}{
		{"owner", "owner@acme.example", "acme", account.Owner}, {"editor", "editor@acme.example", "acme", account.Editor}, {"viewer", "viewer@acme.example", "acme", account.Viewer},
		{"stranger", "owner@other.example", "other", account.Owner}, {"operator", operator, "", ""},
	} {
		a, err := s.people.MakeAccount(t.Context(), p.email)
		if err != nil {
			t.Fatal(err)
		}
		if p.namespace != "" {
			if err := s.people.Join(t.Context(), a, spaces[p.namespace], p.role, workspace.AuditEntry{Actor: "root", Action: "member.join"}); err != nil {
				t.Fatal(err)
			}
		}
		s.tokens[p.name] = signIn(t, s.people, s.mail, p.email, account.Client{IP: p.name, UserAgent: "Browser of " + p.name})
	}
	return s
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
		r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: s.tokens[as]})
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
	for _, want := range []string{"<dt>Sites that may load images in scripts</dt>", "<li><del>*</del></li><li><ins>https://shop.example</ins></li>", `name="revision" value="1"`, `value="save"`} {
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
	if conflict.Code != 409 || !strings.Contains(text(conflict.Body.String()), "Every image needs a signed URL yes → becomes no") {
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
		{"", "GET", "/app", 303, "/app/me/sign-in"},
		{"", "GET", "/app/acme/access?url=x", 303, "/app/me/sign-in?next=%2Fapp%2Facme%2Faccess%3Furl%3Dx"},
		{"", "POST", "/app/acme/access", 303, "/app/me/sign-in"},
		{"ended", "GET", "/app/acme", 303, "/app/me/sign-in?next=%2Fapp%2Facme"},
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

// TestWhoSeesWhat: the page of access says which sources are private now.
func TestWhoSeesWhat(t *testing.T) {
	g := openGallery(t)
	see := func(as string) string { return g.ask(as, "GET", "/app/acme/access", nil).Body.String() }
	const photos, vault = `<a href="/app/acme/sources/photos">photos</a>`, `<a href="/app/acme/sources/vault">vault</a>`
	page := see("owner")
	private, public, ok := strings.Cut(page, "<dt>Public now</dt>")
	if !ok || !strings.Contains(private, vault) || strings.Contains(private, photos) || !strings.Contains(public, photos) || !strings.Contains(public, "</a>, files") || !strings.Contains(public, "<code>example.com</code>") || !strings.Contains(private, `href="/app/acme/signing-keys">Signing keys`) {
		t.Error(page)
	}
	g.edit(t, func(w *workspace.Workspace) { w.RequireSignature = true })
	page = text(see("viewer"))
	for _, want := range []string{"Private now photos , open , vault , files", "since every image does", "Public now none", "They need a signed URL too."} {
		if !strings.Contains(page, want) {
			t.Errorf("without %q: %s", want, page)
		}
	}
}
