package api_test

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/server/api"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A mailbox is a mail.Sender.
type mailbox chan mail.Message

func (b mailbox) Send(_ context.Context, m mail.Message) error { b <- m; return nil }

// newPeople returns people with a mailbox, whose operator is op@x.example.
func newPeople(db account.Records) *account.People {
	return account.NewPeople(account.Config{
		Records: db, Mail: make(mailbox, 100), Signup: account.SignupOff, Operators: []string{"op@x.example"}, Log: slog.New(slog.DiscardHandler),
	})
}

// member makes somebody a member.
func member(t *testing.T, people *account.People, w *workspace.Workspace, email string, role account.Role) account.Account {
	t.Helper()
	a, err := people.MakeAccount(t.Context(), email)
	if err != nil {
		t.Fatal(err)
	}
	if err := people.Join(t.Context(), a, w, role, workspace.AuditEntry{Actor: "root", Action: "member.join"}); err != nil {
		t.Fatal(err)
	}
	return a
}

// enter signs somebody in, and returns the ID and the token of the session.
func enter(t *testing.T, people *account.People, email string) (id, token string) {
	t.Helper()
	browser, err := people.AskCode(t.Context(), email, account.Client{})
	if err != nil {
		t.Fatal(err)
	}
	code := ""
	for code == "" { // invitations are mails too
		code = regexp.MustCompile(`[0-9]{4} [0-9]{4}`).FindString((<-people.Mail.(mailbox)).Text)
	}
	token, _, err = people.SignIn(t.Context(), email, code, account.Client{Browser: browser, UserAgent: "Browser"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := people.Visitor(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return v.Session.ID, token
}

// startPeople starts a server that keeps people, with the workspace acme.
func startPeople(t *testing.T) (*server, *account.People, *workspace.Workspace) {
	t.Helper()
	db := workspacetest.NewMemory()
	people := newPeople(db)
	s := startOn(t, db, func(c *config) { c.People = people })
	s.records = db
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return s, people, w
}

type memberList struct{ Members []api.Member }

func TestMembers(t *testing.T) {
	s, people, w := startPeople(t)
	const members = "/v1/workspaces/acme/members"
	if a := s.do(t, "GET", members, "").want(t, 200); a.body != `{"members":[]}`+"\n" {
		t.Error(a.body)
	}
	zoe := member(t, people, w, "zoe@x.example", account.Owner)
	ann := member(t, people, w, "ann@x.example", account.Owner)
	list := decodeInto[memberList](t, s.do(t, "GET", members, "").want(t, 200)).Members
	if len(list) != 2 || list[0].Email != "ann@x.example" || list[1].AccountID != zoe.ID || list[1].Role != account.Owner || list[0].Since.IsZero() {
		t.Errorf("%+v", list)
	}
	if m := decodeInto[api.Member](t, s.do(t, "PATCH", members+"/"+ann.ID, `{"role":"editor"}`).want(t, 200)); m.Email != "ann@x.example" || m.Role != account.Editor {
		t.Errorf("%+v", m)
	}
	for body, says := range map[string]string{
		`{"role":"operator"}`: "role: must be viewer, editor or owner", `{"role":""}`: "role: must be", `{}`: "role: must be", `{"role":"editor","since":""}`: "since", `[]`: "",
	} {
		if m := s.do(t, "PATCH", members+"/"+ann.ID, body).wantError(t, 400, "VALIDATION_ERROR"); !strings.Contains(m, says) {
			t.Errorf("%s: %s", body, m)
		}
	}
	s.do(t, "PATCH", members+"/acc_NOBODY", `{"role":"editor"}`).wantError(t, 404, "NOT_FOUND")
	s.do(t, "DELETE", members+"/acc_NOBODY", "").wantError(t, 404, "NOT_FOUND")
	s.do(t, "PATCH", members+"/"+zoe.ID, `{"role":"viewer"}`).wantError(t, 409, "CONFLICT")
	s.do(t, "DELETE", members+"/"+zoe.ID, "").wantError(t, 409, "CONFLICT")
	s.do(t, "DELETE", members+"/"+ann.ID+"?keep_keys=perhaps", "").wantError(t, 400, "VALIDATION_ERROR")
	s.do(t, "GET", "/v1/workspaces/nobody/members", "").wantError(t, 404, "WORKSPACE_NOT_FOUND")
	if a := s.do(t, "DELETE", members+"/"+ann.ID, "").want(t, 200); a.body != `{"revoked":0}`+"\n" {
		t.Error(a.body)
	}
	log := decodeInto[auditPage](t, s.do(t, "GET", "/v1/workspaces/acme/audit", "").want(t, 200)).Entries
	for i, want := range []string{"member.remove ann@x.example ", `member.role ann@x.example {"role":"editor"}`} {
		if got := log[i].Action + " " + log[i].Target + " " + string(log[i].After); got != want || log[i].Actor != "root" {
			t.Errorf("entry %d of the audit log: %s by %s, want %s", i, got, log[i].Actor, want)
		}
	}
	// A deleted workspace has no members and no invitations, and its next one begins with none.
	s.do(t, "POST", "/v1/workspaces/acme/invitations", `{"email":"bob@x.example","role":"owner"}`).want(t, 201)
	s.do(t, "DELETE", "/v1/workspaces/acme", "").want(t, 204)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	if list := decodeInto[memberList](t, s.do(t, "GET", members, "").want(t, 200)).Members; len(list) > 0 {
		t.Errorf("%+v", list)
	}
	if open, err := people.InvitationsFor(t.Context(), "bob@x.example"); err != nil || len(open) > 0 {
		t.Error(open, err)
	}
	_, token := enter(t, people, "zoe@x.example")
	if v, err := people.Visitor(t.Context(), token); err != nil || len(v.Members) > 0 {
		t.Errorf("%+v, %v", v.Members, err)
	}
}

// TestRemoveMemberKeys: the keys of a member go with the member, unless they are kept.
func TestRemoveMemberKeys(t *testing.T) {
	for query, want := range map[string]int{"": 1, "?keep_keys=true": 0, "?keep_keys=false": 1} {
		s, people, w := startPeople(t)
		ann := member(t, people, w, "ann@x.example", account.Editor)
		member(t, people, w, "zoe@x.example", account.Owner)
		for id, by := range map[string]string{"hers": "account:ann@x.example", "roots": "root", "zoes": "account:zoe@x.example"} {
			k := workspace.APIKey{ID: id, WorkspaceID: w.ID, Namespace: "acme", Hash: [32]byte{id[0]}, Scopes: []string{"read"}, CreatedBy: by}
			if err := s.records.CreateAPIKey(t.Context(), &k); err != nil {
				t.Fatal(err)
			}
		}
		a := s.do(t, "DELETE", "/v1/workspaces/acme/members/"+ann.ID+query, "").want(t, 200)
		if got := decodeInto[struct{ Revoked int }](t, a).Revoked; got != want {
			t.Errorf("%q revoked %d keys", query, got)
		}
		for _, k := range decodeInto[keyList](t, s.do(t, "GET", "/v1/workspaces/acme/api-keys", "").want(t, 200)).APIKeys {
			if (k.RevokedAt != nil) != (k.ID == "hers" && want == 1) {
				t.Errorf("%q: %+v", query, k)
			}
		}
	}
}

func TestInvitations(t *testing.T) {
	s, people, w := startPeople(t)
	const invitations = "/v1/workspaces/acme/invitations"
	member(t, people, w, "ann@x.example", account.Editor)
	made := decodeInto[api.Invitation](t, s.do(t, "POST", invitations, `{"email":" Bob@X.example","role":"viewer"}`).want(t, 201))
	if made.Email != "bob@x.example" || made.Role != account.Viewer || made.InvitedBy != "root" || made.ID == "" || made.ExpiresAt.IsZero() {
		t.Errorf("%+v", made)
	}
	if m := <-people.Mail.(mailbox); m.To != "bob@x.example" {
		t.Errorf("%+v", m)
	}
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{"email":"bob","role":"viewer"}`:                                 {400, "VALIDATION_ERROR"},
		`{"email":"bob@x.example\r\nBcc: eve@x.example","role":"viewer"}`: {400, "VALIDATION_ERROR"},
		`{"email":"bob@x.example","role":"operator"}`:                     {400, "VALIDATION_ERROR"},
		`{"email":"bob@x.example"}`:                                       {400, "VALIDATION_ERROR"},
		`{"email":"bob@x.example","role":"viewer","namespace":"globex"}`:  {400, "VALIDATION_ERROR"},
		`{"email":"ann@x.example","role":"owner"}`:                        {409, "CONFLICT"},
		`{"email":["bob@x.example","eve@x.example"],"role":"viewer"}`:     {400, "VALIDATION_ERROR"},
		`{"email":"bob@x.example,eve@x.example","role":"viewer"}`:         {400, "VALIDATION_ERROR"},
		`{"email":"Bob <bob@x.example>","role":"viewer"}`:                 {400, "VALIDATION_ERROR"},
		`{"email":"bob@x.example","role":"viewer","role":"owner"}`:        {400, "VALIDATION_ERROR"},
	} {
		a := s.do(t, "POST", invitations, body)
		if a.status != want.status || codeOf(a) != want.code {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	list := decodeInto[struct{ Invitations []api.Invitation }](t, s.do(t, "GET", invitations, "").want(t, 200)).Invitations
	if !slices.Equal(list, []api.Invitation{made}) {
		t.Errorf("%+v", list)
	}
	for n := range 20 { // one was sent above
		status := 201
		if n == 19 {
			status = 429
		}
		s.do(t, "POST", invitations, `{"email":"p`+string(rune('a'+n))+`@x.example","role":"viewer"}`).want(t, status)
	}
	s.do(t, "DELETE", invitations+"/"+made.ID, "").want(t, 204)
	s.do(t, "DELETE", invitations+"/"+made.ID, "").wantError(t, 404, "NOT_FOUND")
	bob, err := people.MakeAccount(t.Context(), "bob@x.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := people.Accept(t.Context(), bob, made.ID, 0, workspace.AuditEntry{}); err == nil {
		t.Error("an invitation that was taken back made a member")
	}
}

type accountList struct {
	Accounts []api.Account
	Next     string
}

func TestAccounts(t *testing.T) {
	s, people, _ := startPeople(t)
	// Addresses sort before, between and after the IDs of accounts.
	emails := []string{"a@x.example", "acc_0@x.example", "acc_mm@x.example", "op@x.example", "zoe@x.example"}
	for _, email := range emails {
		made := decodeInto[api.Account](t, s.do(t, "POST", "/v1/accounts", `{"email":"`+email+`"}`).want(t, 201))
		again := decodeInto[api.Account](t, s.do(t, "POST", "/v1/accounts", `{"email":"`+email+`"}`).want(t, 201))
		if made != again || made.Email != email || made.Operator != (email == "op@x.example") || made.CreatedAt.IsZero() {
			t.Errorf("%+v, then %+v", made, again)
		}
	}
	s.do(t, "POST", "/v1/accounts", `{"email":"zoe"}`).wantError(t, 400, "VALIDATION_ERROR")
	for _, size := range []string{"1", "2", "5", "50"} {
		var got []string
		after := ""
		for range 9 {
			page := decodeInto[accountList](t, s.do(t, "GET", "/v1/accounts?limit="+size+"&after="+after, "").want(t, 200))
			for _, a := range page.Accounts {
				got = append(got, a.Email)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if slices.Sort(got); !slices.Equal(got, emails) {
			t.Errorf("in pages of %s: %v", size, got)
		}
	}
	s.do(t, "GET", "/v1/accounts?limit=201", "").wantError(t, 400, "VALIDATION_ERROR")

	one, token := enter(t, people, "zoe@x.example")
	two, other := enter(t, people, "zoe@x.example")
	v, err := people.Visitor(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	sessions := "/v1/accounts/" + v.ID + "/sessions"
	a := s.do(t, "GET", sessions, "").want(t, 200)
	list := decodeInto[struct{ Sessions []api.Session }](t, a).Sessions
	if len(list) != 2 || list[0].Device != "Browser" || list[0].ID == list[1].ID || strings.Contains(a.body, token) || strings.Contains(a.body, other) {
		t.Errorf("%s", a.body)
	}
	s.do(t, "DELETE", sessions+"/"+one, "").want(t, 204)
	s.do(t, "DELETE", sessions+"/"+one, "").wantError(t, 404, "NOT_FOUND")
	if _, err := people.Visitor(t.Context(), token); err == nil {
		t.Error("an ended session goes on")
	}
	if _, err := people.Visitor(t.Context(), other); err != nil {
		t.Errorf("session %s: %v", two, err)
	}
	if a := s.do(t, "DELETE", sessions, "").want(t, 200); a.body != `{"ended":1}`+"\n" {
		t.Error(a.body)
	}
	if a := s.do(t, "DELETE", "/v1/accounts/"+v.ID+"/passkeys", "").want(t, 200); a.body != `{"removed":0}`+"\n" {
		t.Error(a.body)
	}
	for _, id := range []string{"acc_NOBODY", "zoe@x.example", "x"} {
		s.do(t, "DELETE", "/v1/accounts/"+id+"/passkeys", "").wantError(t, 404, "NOT_FOUND")
		s.do(t, "GET", "/v1/accounts/"+id+"/sessions", "").wantError(t, 404, "NOT_FOUND")
		s.do(t, "DELETE", "/v1/accounts/"+id+"/sessions", "").wantError(t, 404, "NOT_FOUND")
	}
}

// TestNoPeople: a server that sends no mail says that it keeps no accounts.
func TestNoPeople(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	for _, path := range []string{"/v1/accounts", "/v1/accounts/x/sessions", "/v1/workspaces/acme/members", "/v1/workspaces/acme/invitations"} {
		if m := s.do(t, "GET", path, "").wantError(t, 404, "NOT_FOUND"); !strings.Contains(m, "keeps no accounts") {
			t.Errorf("%s: %s", path, m)
		}
	}
}
