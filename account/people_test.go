package account_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A town is people with a store in memory and a mailbox.
type town struct {
	*account.People
	store *workspacetest.Memory

	mu   sync.Mutex
	mail []mail.Message
}

func open(operators ...string) *town {
	t := &town{store: workspacetest.NewMemory()}
	t.People = account.NewPeople(account.Config{
		Records: t.store, Signup: account.SignupInvite, Operators: operators, PublicURL: "https://img.example", Log: slog.New(slog.DiscardHandler),
		Mail: t,
	})
	return t
}

// Send implements mail.Sender.
func (w *town) Send(_ context.Context, m mail.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mail = append(w.mail, m)
	return nil
}

var eight = regexp.MustCompile(`[0-9]{4} [0-9]{4}`)

// code returns the code of the last mail to an address, or "".
func (w *town) code(address string) string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.mail) - 1; i >= 0; i-- {
		if w.mail[i].To == address {
			return eight.FindString(w.mail[i].Text)
		}
	}
	return ""
}

// signIn signs in from a new browser.
func (w *town) signIn(t *testing.T, address string, c account.Client) (session, device string) {
	t.Helper()
	browser, err := w.AskCode(t.Context(), address, c)
	if err != nil {
		t.Fatal(err)
	}
	c.Browser = browser
	session, device, err = w.SignIn(t.Context(), address, w.code(address), c)
	if err != nil {
		t.Fatal(err)
	}
	return session, device
}

const owner = "owner@acme.example"

// TestCodes: a code works once, in the browser that asked, for ten minutes and five tries.
func TestCodes(t *testing.T) {
	for name, try := range map[string]struct {
		works bool
		do    func(t *testing.T, w *town, browser, code string) (browserUsed, codeUsed string)
	}{
		"as sent":         {true, func(_ *testing.T, _ *town, b, c string) (string, string) { return b, c }},
		"without a space": {true, func(_ *testing.T, _ *town, b, c string) (string, string) { return b, strings.ReplaceAll(c, " ", "") }},
		"another browser": {false, func(t *testing.T, w *town, _, c string) (string, string) {
			other, err := w.AskCode(t.Context(), owner, account.Client{IP: "192.0.2.9"})
			if err != nil {
				t.Fatal(err)
			}
			return other, c
		}},
		"no browser": {false, func(_ *testing.T, _ *town, _, c string) (string, string) { return "", c }},
		"too late": {false, func(_ *testing.T, _ *town, b, c string) (string, string) {
			time.Sleep(10*time.Minute + time.Second)
			return b, c
		}},
		"just in time": {true, func(_ *testing.T, _ *town, b, c string) (string, string) {
			time.Sleep(9*time.Minute + 50*time.Second)
			return b, c
		}},
		"a second time": {false, func(t *testing.T, w *town, b, c string) (string, string) {
			if _, _, err := w.SignIn(t.Context(), owner, c, account.Client{Browser: b}); err != nil {
				t.Error(err)
			}
			return b, c
		}},
		"after four wrong ones": {true, func(t *testing.T, w *town, b, c string) (string, string) { guess(t, w, b, c, 4); return b, c }},
		"after five wrong ones": {false, func(t *testing.T, w *town, b, c string) (string, string) { guess(t, w, b, c, 5); return b, c }},
		"empty":                 {false, func(_ *testing.T, _ *town, b, _ string) (string, string) { return b, "" }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(owner)
				browser, err := w.AskCode(t.Context(), owner, account.Client{IP: "192.0.2.1"})
				if err != nil {
					t.Fatal(err)
				}
				browser, code := try.do(t, w, browser, w.code(owner))
				session, _, err := w.SignIn(t.Context(), owner, code, account.Client{Browser: browser})
				if (err == nil) != try.works || (session != "") != try.works {
					t.Errorf("%v", err)
				}
				if err != nil && !errors.Is(err, account.ErrCode) {
					t.Error(err)
				}
			})
		})
	}
}

func guess(t *testing.T, w *town, browser, right string, n int) {
	t.Helper()
	for i := range n {
		wrong := fmt.Sprintf("%08d", i)
		if wrong == strings.ReplaceAll(right, " ", "") {
			wrong = "99999999"
		}
		if _, _, err := w.SignIn(t.Context(), owner, wrong, account.Client{Browser: browser}); !errors.Is(err, account.ErrCode) {
			t.Error(err)
		}
	}
}

// TestUnknownAddresses: an address without an account gets no mail, and its answers are
// those of one that has an account.
func TestUnknownAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		for range 5 {
			browser, err := w.AskCode(t.Context(), "stranger@x.example", account.Client{IP: "192.0.2.1"})
			if err != nil || browser == "" {
				t.Fatal(err)
			}
			if _, _, err := w.SignIn(t.Context(), "stranger@x.example", "12345678", account.Client{Browser: browser}); !errors.Is(err, account.ErrCode) {
				t.Error(err)
			}
		}
		if _, err := w.AskCode(t.Context(), "stranger@x.example", account.Client{IP: "192.0.2.1"}); !errors.Is(err, account.ErrTooMany) {
			t.Errorf("the sixth code: %v", err)
		}
		if w.code("stranger@x.example") != "" {
			t.Error("a stranger got mail")
		}
	})
}

// TestBounds: five codes an hour for an address, twenty for a client, and ten wrong ones a
// day for an address. A browser that signed in before isn't locked out by strangers.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		for i := range 20 {
			if _, err := w.AskCode(t.Context(), fmt.Sprintf("a%d@x.example", i), account.Client{IP: fmt.Sprintf("2001:db8:1:2::%d", i)}); err != nil {
				t.Fatal(i, err)
			}
		}
		if _, err := w.AskCode(t.Context(), "b@x.example", account.Client{IP: "2001:db8:1:2:ffff::1"}); !errors.Is(err, account.ErrTooMany) {
			t.Errorf("the 21st code of a network: %v", err)
		}
		for i := range 21 { // an address may be written short
			_, err := w.AskCode(t.Context(), fmt.Sprintf("c%d@x.example", i), account.Client{IP: fmt.Sprintf("2001:db8::%x", i+1)})
			if (err == nil) != (i < 20) {
				t.Errorf("code %d of a network that is written short: %v", i+1, err)
			}
		}
		time.Sleep(time.Hour)
		if _, err := w.AskCode(t.Context(), "b@x.example", account.Client{IP: "2001:db8:1:2:ffff::1"}); err != nil {
			t.Errorf("an hour later: %v", err)
		}

		home := account.Client{IP: "198.51.100.1"}
		_, home.Device = w.signIn(t, owner, home)
		// A stranger guesses in the owner's name, from many addresses.
		for i := range 4 {
			stranger := account.Client{IP: fmt.Sprintf("203.0.113.%d", i)}
			browser, err := w.AskCode(t.Context(), owner, stranger)
			if err != nil {
				t.Fatal(err)
			}
			guess(t, w, browser, w.code(owner), 5)
		}
		// Now the address is locked for browsers that nobody knows: not even the right code works.
		time.Sleep(2 * time.Hour)
		sent := len(w.mail)
		browser, err := w.AskCode(t.Context(), owner, account.Client{IP: "203.0.113.99"})
		if err != nil {
			t.Fatal(err)
		}
		if w.code(owner); len(w.mail) != sent {
			t.Error("a locked address got mail that a stranger asked for")
		}
		if _, _, err := w.SignIn(t.Context(), owner, w.code(owner), account.Client{Browser: browser}); !errors.Is(err, account.ErrCode) {
			t.Error(err)
		}
		if session, _ := w.signIn(t, owner, home); session == "" {
			t.Error("the owner's own browser is locked out")
		}
		time.Sleep(25 * time.Hour)
		w.signIn(t, owner, account.Client{IP: "203.0.113.99"})
	})
}

// TestSessions: a session ends after a week without use, after 30 days, and when it is
// ended. Its token isn't stored.
func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		session, _ := w.signIn(t, owner, account.Client{IP: "2001:db8:1:2:3:4:5:6", UserAgent: "Browser 1"})
		v, err := w.Visitor(t.Context(), session)
		if err != nil || v.Email != owner || !v.Operator || v.Session.Place != "2001:db8:1:2::/64" {
			t.Fatalf("%+v, %v", v, err)
		}
		for day := range 5 {
			time.Sleep(6 * 24 * time.Hour)
			if _, err := w.Visitor(t.Context(), session); (err == nil) != (day < 4) {
				t.Errorf("after %d days: %v", 6*(day+1), err)
			}
		}
		idle, _ := w.signIn(t, owner, account.Client{})
		time.Sleep(7*24*time.Hour + time.Second)
		if _, err := w.Visitor(t.Context(), idle); !errors.Is(err, account.ErrNoSession) {
			t.Errorf("after a week without use: %v", err)
		}
		one, _ := w.signIn(t, owner, account.Client{})
		two, _ := w.signIn(t, owner, account.Client{})
		three, _ := w.signIn(t, owner, account.Client{})
		all, err := w.Sessions(t.Context(), v.ID)
		if err != nil || len(all) != 3 {
			t.Fatal(all, err)
		}
		if err := w.SignOut(t.Context(), one); err != nil {
			t.Error(err)
		}
		v, _ = w.Visitor(t.Context(), two)
		if n, err := w.EndSessions(t.Context(), v.ID, v.Session.ID); n != 1 || err != nil {
			t.Error(n, err)
		}
		for name, token := range map[string]string{"signed out": one, "ended": two, "never one": "x", "empty": ""} {
			if _, err := w.Visitor(t.Context(), token); !errors.Is(err, account.ErrNoSession) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.Visitor(t.Context(), three); err != nil {
			t.Error(err)
		}
		if n, err := w.EndSessions(t.Context(), v.ID, ""); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
}

func newWorkspace(t *testing.T, w *town, namespace string) *workspace.Workspace {
	t.Helper()
	ws := workspace.New(namespace)
	if err := w.store.Create(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	return ws
}

// TestInvitations: an invitation is for one address, once, for a week, and can be taken back.
func TestInvitations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open()
		ws := newWorkspace(t, w, "acme")
		entry := workspace.AuditEntry{Actor: "root", Action: "member.invite"}
		i, err := w.Invite(t.Context(), ws, "Ann@X.example", account.Editor, entry)
		if err != nil {
			t.Fatal(err)
		}
		if m := w.mail[0]; m.To != "ann@x.example" || strings.Contains(m.Subject, "acme") || !strings.Contains(m.Text, "https://img.example/app") {
			t.Errorf("%+v", m)
		}
		session, _ := w.signIn(t, "ann@x.example", account.Client{})
		ann, err := w.Visitor(t.Context(), session)
		if err != nil || len(ann.Members) != 0 {
			t.Fatal("invited, and not joined:", ann.Members, err)
		}
		bob, err := w.MakeAccount(t.Context(), "bob@x.example")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Accept(t.Context(), bob, i.ID, 0, entry); !errors.Is(err, account.ErrInvitation) {
			t.Errorf("by another address: %v", err)
		}
		if _, err := w.Accept(t.Context(), ann.Account, i.ID, 0, workspace.AuditEntry{Actor: "account:ann@x.example", Action: "member.join"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Accept(t.Context(), ann.Account, i.ID, 0, entry); !errors.Is(err, account.ErrInvitation) {
			t.Errorf("twice: %v", err)
		}
		if ann, _ = w.Visitor(t.Context(), session); len(ann.Members) != 1 || ann.Members[0].Role != account.Editor || ann.Members[0].Namespace != "acme" {
			t.Errorf("%+v", ann.Members)
		}
		if _, err := w.Invite(t.Context(), ws, "ann@x.example", account.Owner, entry); !errors.Is(err, account.ErrIsMember) {
			t.Errorf("a member: %v", err)
		}
		if _, err := w.Invite(t.Context(), ws, "op@x.example", account.Operator, entry); err == nil {
			t.Error("somebody was invited as operator")
		}
		late, _ := w.Invite(t.Context(), ws, "bob@x.example", account.Viewer, entry)
		back, _ := w.Invite(t.Context(), ws, "bob@x.example", account.Viewer, entry)
		if err := w.Uninvite(t.Context(), ws.ID, back.ID, entry); err != nil {
			t.Error(err)
		}
		if _, err := w.Accept(t.Context(), bob, back.ID, 0, entry); !errors.Is(err, account.ErrInvitation) {
			t.Errorf("taken back: %v", err)
		}
		time.Sleep(7*24*time.Hour + time.Second)
		if _, err := w.Accept(t.Context(), bob, late.ID, 0, entry); !errors.Is(err, account.ErrInvitation) {
			t.Errorf("after a week: %v", err)
		}
		for n := range 21 {
			_, err := w.Invite(t.Context(), ws, fmt.Sprintf("p%d@x.example", n), account.Viewer, entry)
			if (err == nil) != (n < 20) {
				t.Errorf("invitation %d of a day: %v", n+1, err)
			}
		}
		log, err := w.store.Audit(t.Context(), ws.ID, workspace.TrailChanges, "", 100)
		if err != nil || len(log) != 25 {
			t.Errorf("%d lines in the audit log, %v", len(log), err)
		}
	})
}

// TestInvitationOfWhoLeft: an invitation that a person made holds while that person may
// invite. It may be made just when its maker is removed.
func TestInvitationOfWhoLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		lose  func(w *town, ws *workspace.Workspace, id string) error
		actor string
		holds bool
	}{
		"still an owner":   {func(*town, *workspace.Workspace, string) error { return nil }, "account:anna@x.example", true},
		"by the root key":  {func(*town, *workspace.Workspace, string) error { return nil }, "root", true},
		"by an operator":   {func(*town, *workspace.Workspace, string) error { return nil }, "account:" + owner, true},
		"by nobody's name": {func(*town, *workspace.Workspace, string) error { return nil }, "account:nobody@x.example", false},
		"removed": {func(w *town, ws *workspace.Workspace, id string) error {
			return w.Remove(t.Context(), ws.ID, id, workspace.AuditEntry{})
		}, "account:anna@x.example", false},
		"an editor now": {func(w *town, ws *workspace.Workspace, id string) error {
			_, err := w.SetRole(t.Context(), ws.ID, id, account.Editor, workspace.AuditEntry{})
			return err
		}, "account:anna@x.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(owner)
			ws := newWorkspace(t, w, "acme")
			var ids []string
			for _, address := range []string{"anna@x.example", "ben@x.example", "friend@x.example"} {
				a, err := w.MakeAccount(t.Context(), address)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, a.ID)
				if len(ids) == 3 {
					break // the friend is invited
				}
				if err := w.Join(t.Context(), a, ws, account.Owner, workspace.AuditEntry{}); err != nil {
					t.Fatal(err)
				}
			}
			i, err := w.Invite(t.Context(), ws, "friend@x.example", account.Owner, workspace.AuditEntry{Actor: tt.actor})
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.lose(w, ws, ids[0]); err != nil {
				t.Fatal(err)
			}
			of, err := w.Invitations(t.Context(), ws.ID)
			if err != nil {
				t.Fatal(err)
			}
			to, err := w.InvitationsFor(t.Context(), "friend@x.example")
			if err != nil || (len(of) == 1) != tt.holds || (len(to) == 1) != tt.holds {
				t.Errorf("listed: %+v and %+v, %v", of, to, err)
			}
			_, err = w.Accept(t.Context(), account.Account{ID: ids[2], Email: "friend@x.example"}, i.ID, 0, workspace.AuditEntry{})
			if tt.holds && err != nil || !tt.holds && !errors.Is(err, account.ErrInvitation) {
				t.Error(err)
			}
		})
	}
}

// TestLastOwner: a workspace keeps an owner, also where two owners act at once.
func TestLastOwner(t *testing.T) {
	for range 20 {
		w := open()
		ws := newWorkspace(t, w, "acme")
		var both []account.Account
		for _, address := range []string{"a@x.example", "b@x.example"} {
			a, err := w.MakeAccount(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Join(t.Context(), a, ws, account.Owner, workspace.AuditEntry{Actor: "root", Action: "member.join"}); err != nil {
				t.Fatal(err)
			}
			both = append(both, a)
		}
		var wg sync.WaitGroup
		for i := range both {
			wg.Go(func() {
				entry := workspace.AuditEntry{Actor: "account", Action: "member.remove"}
				var err error
				if i == 0 {
					err = w.Remove(t.Context(), ws.ID, both[1].ID, entry)
				} else {
					_, err = w.SetRole(t.Context(), ws.ID, both[0].ID, account.Viewer, entry)
				}
				if err != nil && !errors.Is(err, account.ErrLastOwner) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		members, err := w.Members(t.Context(), ws.ID)
		owners := 0
		for _, m := range members {
			if m.Role == account.Owner {
				owners++
			}
		}
		if err != nil || owners != 1 {
			t.Fatalf("%d owners: %+v, %v", owners, members, err)
		}
	}
}
