package dashboard_test

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// Who may ask for pages that are of no workspace.
const (
	everybody  account.Action = "everybody"
	whoSigned  account.Action = "who is signed in"
	byOperator account.Action = "operators"
)

// A pageRow is a request for a page: what it needs, and its answer to those who may.
type pageRow struct {
	pattern string
	needs   account.Action
	fields  url.Values
	status  int // 0 is 200 for GET and 303 for POST
}

// saved are the fields of a form of settings that is saved.
func saved(fields url.Values) url.Values {
	fields.Set("step", "save")
	fields.Set("revision", "2")
	return fields
}

// pageRows has a row for every route, and several for a form that does several things. A new
// route fails the test until it has one. In a path, {key} is photos and {name} is the first
// name of the list.
var pageRows = []pageRow{
	{"GET /app", whoSigned, nil, 0},
	{"POST /app", byOperator, url.Values{"namespace": {"shop"}}, 0},
	{"GET /app/me/new", whoSigned, nil, 0},
	{"POST /app/me/new", byOperator, url.Values{"namespace": {"shop"}}, 0}, // others, where the signup plan lets them: TestOwnWorkspaces
	{"GET /app/me/sign-in", everybody, nil, 0},
	{"POST /app/me/sign-in", everybody, url.Values{"email": {"x"}}, 422},
	{"POST /app/me/sign-out", everybody, nil, 303},
	{"GET /app/me", whoSigned, nil, 0},
	{"POST /app/me/sessions", whoSigned, nil, 400},
	{"POST /app/me/sessions", whoSigned, url.Values{"all": {"on"}}, 0},
	{"POST /app/me/passkey", everybody, nil, 200},
	{"POST /app/me/passkeys", whoSigned, url.Values{"do": {"add"}, "response": {"{}"}}, 422},
	{"POST /app/me/passkeys", whoSigned, url.Values{"do": {"remove"}, "id": {"x"}}, 0},
	{"POST /app/me/passkeys/begin", whoSigned, nil, 200},
	{"POST /app/me/invitations", whoSigned, url.Values{"id": {"X"}}, 404},

	{"GET /app/me/alerts", everybody, nil, 400},
	{"POST /app/me/alerts", everybody, url.Values{"token": {"x"}}, 400},
	{"GET /app/{ns}/alerts", account.ReadAlerts, nil, 0},
	{"POST /app/{ns}/alerts", account.WriteAlerts, url.Values{"do": {"rule"}, "id": {"denied"}, "on": {"on"}}, 0},
	{"POST /app/{ns}/alerts", account.WriteAlerts, url.Values{"do": {"add"}, "kind": {"slack"}, "url": {"https://hooks.test/"}}, 0},
	{"POST /app/{ns}/alerts", account.WriteAlerts, url.Values{"do": {"test"}, "id": {"none"}}, 404},

	{"GET /app/{ns}", account.ReadUsage, nil, 0},
	{"POST /app/{ns}/first-steps", account.UpdateWorkspace, url.Values{"do": {"hide"}}, 0},
	{"GET /app/{ns}/errors", account.ReadErrors, nil, 0},
	{"GET /app/{ns}/errors.csv", account.ReadErrors, nil, 0},
	{"GET /app/{ns}/log", account.ReadAudit, nil, 0},
	{"GET /app/{ns}/log.csv", account.ReadAudit, nil, 0},
	{"GET /app/{ns}/access", account.ReadWorkspace, nil, 0},
	{"POST /app/{ns}/access", account.UpdateWorkspace, url.Values{"allowed_origins": {"*"}, "allowed_sources": {"*"}, "https_only": {"on"}}, 200},
	{"POST /app/{ns}/access", account.UpdateWorkspace, saved(url.Values{"allowed_origins": {"*"}, "allowed_sources": {"*"}, "https_only": {"on"}}), 0},
	{"GET /app/{ns}/limits", account.ReadWorkspace, nil, 0},
	{"POST /app/{ns}/limits", account.UpdateLimits, saved(url.Values{"requests_per_minute": {"9"}}), 0},
	{"POST /app/{ns}/billing", account.Pay, url.Values{"do": {"buy"}, "plan": {"pro"}}, 409}, // this server sells nothing

	{"GET /app/{ns}/members", account.ReadMembers, nil, 0},
	{"POST /app/{ns}/members", account.WriteMembers, url.Values{"do": {"invite"}, "email": {"new@x.example"}, "role": {"viewer"}}, 0},
	{"POST /app/{ns}/members", account.WriteMembers, url.Values{"do": {"uninvite"}, "id": {"INVITATION"}}, 0},
	{"POST /app/{ns}/members", account.WriteMembers, url.Values{"do": {"role"}, "id": {"SECOND"}, "role": {"viewer"}}, 0},
	{"POST /app/{ns}/members", account.WriteMembers, url.Values{"do": {"remove"}, "id": {"SECOND"}, "keys": {"on"}}, 0},
	{"POST /app/{ns}/members", account.ReadMembers, nil, 422},

	{"GET /app/{ns}/keys", account.ReadAPIKeys, nil, 0},
	{"POST /app/{ns}/keys", account.WriteAPIKeys, url.Values{"do": {"make"}, "name": {"ci"}, "scopes": {"admin"}}, 200},
	{"POST /app/{ns}/keys", account.WriteAPIKeys, url.Values{"do": {"revoke"}, "id": {"key"}, "confirm": {"ci"}}, 0},
	{"GET /app/{ns}/signing-keys", account.ReadSigningKeys, nil, 0},
	{"POST /app/{ns}/signing-keys", account.WriteSigningKeys, url.Values{"do": {"make"}}, 200},
	{"POST /app/{ns}/signing-keys", account.WriteSigningKeys, url.Values{"do": {"import"}, "dialect": {"imgix"}, "secret": {"s"}}, 200},
	{"POST /app/{ns}/signing-keys", account.WriteSigningKeys, url.Values{"do": {"revoke"}, "id": {"SIGNINGKEY"}, "confirm": {"SIGNIN"}}, 0},
	{"GET /app/{ns}/domains", account.ReadDomains, nil, 0},
	{"POST /app/{ns}/domains", account.UpdateDomains, saved(url.Values{"domain": {"img.acme.example"}}), 0},
	{"POST /app/{ns}/domains", account.VerifyDomain, url.Values{"verify": {"domains.example"}}, 0},
	{"GET /app/{ns}/domains/{name}/delete", account.UpdateDomains, nil, 0},
	{"POST /app/{ns}/domains/{name}/delete", account.UpdateDomains, saved(url.Values{"typed": {"domains.example"}}), 0},

	{"GET /app/{ns}/settings", account.ReadWorkspace, nil, 0},
	{"POST /app/{ns}/settings", account.UpdateWorkspace, saved(url.Values{"name": {"A"}, "dialect": {"native"}, "fallback_format": {"jpeg"}}), 0},
	{"GET /app/{ns}/settings.yaml", account.ReadWorkspace, nil, 0},
	{"GET /app/{ns}/settings/import", account.UpdateWorkspace, nil, 0},
	{"POST /app/{ns}/settings/import", account.UpdateWorkspace, saved(url.Values{"text": {"namespace: acme\nname: A"}}), 0},
	{"POST /app/{ns}/settings/import", account.UpdateLimits, saved(url.Values{"text": {"namespace: acme\nlimits: {requests_per_minute: 9}"}}), 0},
	{"POST /app/{ns}/settings/import", account.UpdateDomains, saved(url.Values{"text": {"namespace: acme\ndomains: [img.acme.example]"}}), 0},
	{"GET /app/{ns}/delete", account.DeleteWorkspace, nil, 0},
	{"POST /app/{ns}/delete", account.DeleteWorkspace, url.Values{"typed": {"acme"}, "revision": {"2"}}, 0},

	{"GET /app/{ns}/sources", account.ReadWorkspace, nil, 0},
	{"GET /app/{ns}/sources/_new", account.WriteSource, nil, 0},
	{"POST /app/{ns}/sources/_new", account.WriteSource, saved(url.Values{"key": {"more"}, "kind": {"http"}, "url": {"https://more.example/"}}), 0},
	{"GET /app/{ns}/sources/{key}", account.ReadWorkspace, nil, 0},
	{"POST /app/{ns}/sources/{key}", account.WriteSource, saved(url.Values{"kind": {"http"}, "url": {"https://evil.example/"}}), 0},
	{"GET /app/{ns}/sources/{key}/delete", account.WriteSource, nil, 0},
	{"POST /app/{ns}/sources/{key}/delete", account.WriteSource, saved(url.Values{"typed": {"photos"}}), 0},
	{"GET /app/{ns}/presets", account.ReadWorkspace, nil, 0},
	{"GET /app/{ns}/presets/_new", account.WritePreset, nil, 0},
	{"POST /app/{ns}/presets/_new", account.WritePreset, saved(url.Values{"name": {"more"}, "options": {"w=1"}}), 0},
	{"GET /app/{ns}/presets/{name}", account.ReadWorkspace, nil, 0},
	{"POST /app/{ns}/presets/{name}", account.WritePreset, saved(url.Values{"name": {"presets"}, "options": {"w=2"}}), 0},
	{"GET /app/{ns}/presets/{name}/delete", account.WritePreset, nil, 0},
	{"POST /app/{ns}/presets/{name}/delete", account.WritePreset, saved(url.Values{"typed": {"presets"}}), 0},
	{"GET /app/{ns}/images", account.ReadImages, nil, 0},
	{"POST /app/{ns}/images", account.WriteImages, nil, 400},
	{"POST /app/{ns}/images/parts", account.WriteImages, nil, 400},
	{"GET /app/{ns}/images/image", account.ReadImages, nil, 404},
	{"POST /app/{ns}/images/image", account.WriteImages, nil, 400},
	{"GET /app/{ns}/images/thumbnail", account.PreviewImages, nil, 404},
	{"GET /app/{ns}/images/blocked", account.ReadImages, nil, 0},
	{"POST /app/{ns}/images/blocked", account.WriteImages, url.Values{"path": {"photos/a.jpg"}}, 0},
	{"GET /app/{ns}/playground", account.ReadImages, nil, 0},
	{"POST /app/{ns}/playground", account.Sign, url.Values{"src": {"photos/a.jpg"}}, 200},
	{"GET /app/{ns}/marks", account.ReadWorkspace, nil, 0},
	{"GET /app/{ns}/marks/_new", account.WriteMark, nil, 0},
	{"POST /app/{ns}/marks/_new", account.WriteMark, saved(url.Values{"name": {"more"}, "image": {"photos/more.png"}}), 0},
	{"POST /app/{ns}/marks/_new/preview", account.WriteMark, nil, 422},
	{"GET /app/{ns}/marks/{name}", account.ReadWorkspace, nil, 0},
	{"POST /app/{ns}/marks/{name}", account.WriteMark, saved(url.Values{"name": {"marks"}, "image": {"photos/other.png"}}), 0},
	{"POST /app/{ns}/marks/{name}/preview", account.WriteMark, nil, 422},
	{"GET /app/{ns}/marks/{name}/delete", account.WriteMark, nil, 0},
	{"POST /app/{ns}/marks/{name}/delete", account.WriteMark, saved(url.Values{"typed": {"marks"}}), 0},
}

// visitors are the kinds of people who ask, each with the role in acme.
var visitors = []struct {
	name   string
	signed bool
	role   account.Role
}{
	{"", false, ""},
	{"session that ended", false, ""},
	{"viewer", true, account.Viewer},
	{"editor", true, account.Editor},
	{"owner", true, account.Owner},
	{"operator", true, account.Operator},
	{"stranger", true, ""}, // an owner of another workspace
	{"invited", true, ""},  // as an owner, and hasn't joined
	{"removed", true, ""},  // was an owner
}

// inhabited is a site whose workspace acme has one element of each kind, and a second owner.
// ids has what stands for capitals in the rows.
func inhabited(t *testing.T) (s *site, ids *strings.Replacer) {
	t.Helper()
	s = open(t)
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	entry := workspace.AuditEntry{Actor: "root", Action: "member.join"}
	id := map[string]string{}
	for _, name := range []string{"second", "removed"} {
		a, err := s.people.MakeAccount(t.Context(), name+"@acme.example")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.people.Join(t.Context(), a, w, account.Owner, entry); err != nil {
			t.Fatal(err)
		}
		id[name] = a.ID
	}
	i, err := s.people.Invite(t.Context(), w, "invited@x.example", account.Owner, entry)
	if err != nil {
		t.Fatal(err)
	}
	<-s.mail
	s.tokens["invited"] = signIn(t, s.people, s.mail, "invited@x.example", account.Client{IP: "192.0.2.8"})
	s.tokens["removed"] = signIn(t, s.people, s.mail, "removed@acme.example", account.Client{IP: "192.0.2.9"})
	if err := s.people.Remove(t.Context(), w.ID, id["removed"], entry); err != nil {
		t.Fatal(err)
	}
	ended := signIn(t, s.people, s.mail, "owner@acme.example", account.Client{IP: "192.0.2.10"})
	if err := s.people.SignOut(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	s.tokens["session that ended"] = ended
	s.edit(t, func(w *workspace.Workspace) {
		w.Domains = []string{"domains.example"}
		w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: "https://photos.example/"}}
		w.Marks = []workspace.Mark{{Name: "marks", Image: "https://logos.example/logo.png", AutoApplySources: []string{}}}
		w.Presets = []workspace.Preset{{Name: "presets", Options: "w=1"}}
		w.SigningKeys = []signing.Key{{ID: "SIGNINGKEY", Secret: signing.NewSecret(), CreatedAt: now}}
	})
	*s.dns = zone{name: workspace.ChallengeName("domains.example"), texts: []string{workspace.Challenge("domains.example", w.ID)}}
	k := workspace.APIKey{ID: "key", WorkspaceID: w.ID, Namespace: "acme", Name: "ci", Scopes: []string{"read"}}
	if err := s.store.CreateAPIKey(t.Context(), &k); err != nil {
		t.Fatal(err)
	}
	return s, strings.NewReplacer("SECOND", id["second"], "INVITATION", i.ID)
}

// TestPagesAndRights asks for every page as every kind of visitor. The answers follow the
// table of rights of package account, and who may not do a thing changes nothing.
func TestPagesAndRights(t *testing.T) {
	known := map[string]bool{}
	for _, r := range pageRows {
		known[r.pattern] = true
	}
	for _, pattern := range dashboard.Patterns() {
		if !known[pattern] {
			t.Errorf("%s has no row", pattern)
		}
		delete(known, pattern)
	}
	for pattern := range known {
		t.Errorf("there is a row for %s, which doesn't exist", pattern)
	}
	s, ids := inhabited(t)
	checked := 0
	for _, r := range pageRows {
		method, target := pageOf(r.pattern)
		for _, who := range visitors {
			fields := url.Values{}
			for name, values := range r.fields {
				fields.Set(name, ids.Replace(values[0]))
			}
			before := stateOf(t, s)
			a := s.ask(who.name, method, target, fields)
			status, location := a.Code, a.Header().Get("Location")
			may := who.signed
			switch r.needs {
			case everybody:
				may = true
			case whoSigned:
			case byOperator:
				may = who.role == account.Operator
			default:
				may = who.role.Includes(r.needs.Right().Role)
			}
			want := r.status
			switch {
			case r.pattern == "GET /app/me/sign-in" && who.signed:
				want = http.StatusSeeOther
			case may && want == 0 && method == http.MethodGet:
				want = http.StatusOK
			case may && want == 0, !who.signed && !may:
				want = http.StatusSeeOther
			case !may:
				want = http.StatusForbidden
			}
			toSignIn := strings.HasPrefix(location, "/app/me/sign-in") && !strings.Contains(location, "done=")
			if status != want || toSignIn != (!who.signed && !may) {
				t.Errorf("%s %v as %q: %d %s, want %d", r.pattern, r.fields, who.name, status, location, want)
			}
			changed := !reflect.DeepEqual(before, stateOf(t, s))
			if !may && changed {
				t.Errorf("%s %v as %q changed something", r.pattern, r.fields, who.name)
			}
			if may && method == http.MethodPost && status < 400 {
				s, ids = inhabited(t)
			}
			checked++
		}
	}
	t.Logf("%d requests", checked)
}

// pageOf returns the method of a pattern, and a path that matches it.
func pageOf(pattern string) (method, target string) {
	method, path, _ := strings.Cut(pattern, " ")
	parts := strings.Split(path, "/")
	name := "x"
	if len(parts) > 3 {
		name = parts[3]
	}
	if name == "domains" {
		name = "domains.example"
	}
	return method, strings.NewReplacer("{ns}", "acme", "{key}", "photos", "{name}", name).Replace(path)
}

// TestMethodsOfPages: a path has only the methods of its routes, whoever asks.
func TestMethodsOfPages(t *testing.T) {
	s, _ := inhabited(t)
	before := stateOf(t, s)
	for _, pattern := range dashboard.Patterns() {
		_, path, _ := strings.Cut(pattern, " ")
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(dashboard.Patterns(), method+" "+path) {
				continue
			}
			_, target := pageOf(pattern)
			for _, who := range visitors {
				if w := s.ask(who.name, method, target, saved(url.Values{"typed": {"acme"}})); w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
					t.Errorf("%s %s as %q: %d", method, target, who.name, w.Code)
				}
			}
		}
	}
	if !reflect.DeepEqual(before, stateOf(t, s)) {
		t.Error("something changed")
	}
}

// stateOf returns what a request could change: the workspaces, their members and keys, and
// their logs.
func stateOf(t *testing.T, s *site) (state []any) {
	t.Helper()
	all, err := s.store.List(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		members, err := s.people.Members(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		invitations, err := s.people.Invitations(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := s.store.APIKeys(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		log, err := s.store.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		state = append(state, w, members, invitations, keys, len(log))
	}
	return state
}
