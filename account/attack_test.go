package account_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestLockOut: a stranger who uses up all codes and tries of an address doesn't keep its
// owner out of a browser in which they signed in before. A browser that knows another address
// gets no allowance from that.
func TestLockOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner, "other@acme.example")
		home, stranger := account.Client{IP: "198.51.100.1"}, account.Client{IP: "203.0.113.1"}
		_, home.Device = w.signIn(t, owner, home)
		_, stranger.Device = w.signIn(t, "other@acme.example", stranger)
		for i := range 5 {
			c := stranger
			c.IP = fmt.Sprintf("203.0.113.%d", i)
			browser, err := w.AskCode(t.Context(), owner, c)
			if i == 4 { // the owner's own code was the first
				if !errors.Is(err, account.ErrTooMany) {
					t.Errorf("code %d for one address: %v", i+2, err)
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Browser = browser
			synctest.Wait() // mails come in the order in which they were asked for
			for range 5 {
				if _, _, err := w.SignIn(t.Context(), owner, "0", c); !errors.Is(err, account.ErrCode) {
					t.Error(err)
				}
			}
		}
		if session, _ := w.signIn(t, owner, home); session == "" {
			t.Error("the owner is locked out")
		}
		if _, err := w.AskCode(t.Context(), owner, account.Client{IP: "192.0.2.77"}); !errors.Is(err, account.ErrTooMany) {
			t.Errorf("an unknown browser: %v", err)
		}
	})
}

// TestManyMails: an address gets at most five mails with codes an hour, whoever asks.
func TestManyMails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		for i := range 40 {
			_, err := w.AskCode(t.Context(), owner, account.Client{IP: fmt.Sprintf("203.0.113.%d", i)})
			if (err == nil) != (i < 5) {
				t.Errorf("code %d: %v", i+1, err)
			}
		}
		synctest.Wait()
		if len(w.mail) != 5 {
			t.Errorf("%d mails", len(w.mail))
		}
	})
}

// TestCodeOfAnotherAddress: a code signs in the address that it was sent to, and nobody else.
func TestCodeOfAnotherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner, "other@acme.example")
		browser, err := w.AskCode(t.Context(), "other@acme.example", account.Client{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.SignIn(t.Context(), owner, w.code("other@acme.example"), account.Client{Browser: browser}); !errors.Is(err, account.ErrCode) {
			t.Error(err)
		}
	})
}

// TestGuessesAtOnce: guesses that are sent at once are counted each, and a right code that is
// sent many times at once signs in once.
func TestGuessesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		browser, err := w.AskCode(t.Context(), owner, account.Client{})
		if err != nil {
			t.Fatal(err)
		}
		right := w.code(owner)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, _, err := w.SignIn(t.Context(), owner, "0", account.Client{Browser: browser}); err == nil {
					t.Error("a wrong code signs in")
				}
			})
		}
		all.Wait()
		if _, _, err := w.SignIn(t.Context(), owner, right, account.Client{Browser: browser}); !errors.Is(err, account.ErrCode) {
			t.Errorf("the right code after eight guesses at once: %v", err)
		}

		if browser, err = w.AskCode(t.Context(), owner, account.Client{}); err != nil {
			t.Fatal(err)
		}
		right = w.code(owner)
		var signed atomic.Int32
		for range 8 {
			all.Go(func() {
				if _, _, err := w.SignIn(t.Context(), owner, right, account.Client{Browser: browser}); err == nil {
					signed.Add(1)
				}
			})
		}
		all.Wait()
		if signed.Load() != 1 {
			t.Errorf("one code signed in %d times", signed.Load())
		}
	})
}

// slow is a mail server that never answers.
type slow struct{}

func (slow) Send(ctx context.Context, _ mail.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestSameWork: to ask for a code reads and writes the same for an address that may sign in
// and for one that may not, and waits for no mail server. So the time of the answer tells
// nothing.
func TestSameWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := map[string][]string{}
		for _, address := range []string{owner, "stranger@x.example"} {
			db := &tracedStore{store: workspacetest.NewMemory()}
			p := account.NewPeople(account.Config{Records: db, Mail: slow{}, Signup: account.SignupInvite, Log: slog.New(slog.DiscardHandler)})
			if address == owner {
				if _, err := p.MakeAccount(t.Context(), owner); err != nil {
					t.Fatal(err)
				}
			}
			db.calls = nil
			begin := time.Now()
			browser, err := p.AskCode(t.Context(), address, account.Client{IP: "192.0.2.1"})
			if err != nil || time.Since(begin) != 0 {
				t.Errorf("%s: %v after %v", address, err, time.Since(begin))
			}
			if _, _, err := p.SignIn(t.Context(), address, "0", account.Client{IP: "192.0.2.1", Browser: browser}); !errors.Is(err, account.ErrCode) {
				t.Error(err)
			}
			if _, _, err := p.SignIn(t.Context(), address, "0", account.Client{IP: "192.0.2.1", Browser: "invented"}); !errors.Is(err, account.ErrCode) {
				t.Error(err)
			}
			work[address] = db.calls
			time.Sleep(2 * time.Minute) // the mail server's time is up
		}
		if a, b := fmt.Sprint(work[owner]), fmt.Sprint(work["stranger@x.example"]); a != b || a == "[]" {
			t.Errorf("an address with an account: %s\nanother one: %s", a, b)
		}
	})
}

// TestInventedCookies: a wrong code counts only in a browser that has a code of the address
// which hasn't ended. Otherwise nothing is written, and the owner isn't locked out.
func TestInventedCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		db := &tracedStore{store: w.store}
		w.Records = db
		ask := func(address, ip string) string {
			t.Helper()
			browser, err := w.AskCode(t.Context(), address, account.Client{IP: ip})
			if err != nil {
				t.Fatal(err)
			}
			return browser
		}
		late := ask(owner, "203.0.113.1")
		time.Sleep(10 * time.Minute)
		used := ask(owner, "203.0.113.1")
		guess(t, w, used, w.code(owner), 5) // these count
		other := ask("stranger@x.example", "203.0.113.1")
		db.calls = nil
		for i := range 100 {
			for _, c := range []struct{ address, browser string }{
				{owner, "invented"}, {owner, fmt.Sprintf("invented%d", i)}, {fmt.Sprintf("a%d@x.example", i), "invented"},
				{owner, late}, {owner, used}, {owner, other},
			} {
				if _, _, err := w.SignIn(t.Context(), c.address, "12345678", account.Client{IP: "203.0.113.1", Browser: c.browser}); !errors.Is(err, account.ErrCode) {
					t.Error(err)
				}
			}
		}
		if n := db.writes(); n > 0 {
			t.Errorf("%d writes", n)
		}
		w.signIn(t, owner, account.Client{IP: "198.51.100.1"})
	})
}

// TestManyCodesWriteNothing: a client that has asked for its codes of the hour makes the
// server write nothing more, whatever addresses it names.
func TestManyCodesWriteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		db := &tracedStore{store: w.store}
		w.Records = db
		for i := range 120 {
			if i == 20 {
				db.calls = nil
			}
			_, err := w.AskCode(t.Context(), fmt.Sprintf("a%d@x.example", i), account.Client{IP: "203.0.113.1", Browser: "invented", Device: "invented"})
			if i < 20 && err != nil || i >= 20 && !errors.Is(err, account.ErrTooMany) {
				t.Errorf("code %d: %v", i+1, err)
			}
		}
		if n := db.writes(); n > 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// A tracedStore notes which groups of records are read and written.
type tracedStore struct {
	store account.Records
	calls []string
}

func (s *tracedStore) note(call, group string) {
	group, _, _ = strings.Cut(group, "#") // what follows is an address
	s.calls = append(s.calls, call+" "+group)
}

// writes returns how many records were written.
func (s *tracedStore) writes() (n int) {
	for _, call := range s.calls {
		if strings.HasPrefix(call, "write ") {
			n++
		}
	}
	return n
}

func (s *tracedStore) Record(ctx context.Context, group, name string) (account.Record, error) {
	s.note("read", group)
	return s.store.Record(ctx, group, name)
}

func (s *tracedStore) Records(ctx context.Context, group, after string, limit int) ([]account.Record, error) {
	s.note("list", group)
	return s.store.Records(ctx, group, after, limit)
}

func (s *tracedStore) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	for _, w := range writes {
		s.note("write", w.Group)
	}
	return s.store.WriteRecords(ctx, writes, audit...)
}

// held is a mail server that answers once release is closed.
type held struct {
	release chan struct{}
	sent    atomic.Int64
}

func (h *held) Send(context.Context, mail.Message) error {
	<-h.release
	h.sent.Add(1)
	return nil
}

// TestStopWaitsForMail: a server that stops sends the mails that were asked for.
func TestStopWaitsForMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{release: make(chan struct{})}
		p := account.NewPeople(account.Config{Records: workspacetest.NewMemory(), Mail: h, Signup: account.SignupOpen, Log: slog.New(slog.DiscardHandler)})
		if _, err := p.AskCode(t.Context(), owner, account.Client{IP: "192.0.2.1"}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.Run(ctx); close(ended) }()
		stop()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("it stopped before the mail was sent")
		default:
		}
		close(h.release)
		<-ended
		if h.sent.Load() != 1 {
			t.Errorf("%d mails were sent", h.sent.Load())
		}
	})
}

// hung is a mail server that never answers. It counts the mails under way, and the most of
// them.
type hung struct{ now, most, all atomic.Int64 }

func (h *hung) Send(ctx context.Context, _ mail.Message) error {
	h.all.Add(1)
	n := h.now.Add(1)
	defer h.now.Add(-1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestHungMailServer: many clients ask for codes while the mail server hangs. Few connections
// to it are open, nobody waits for it, and afterwards none is left.
func TestHungMailServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hung{}
		p := account.NewPeople(account.Config{Records: workspacetest.NewMemory(), Mail: h, Signup: account.SignupOpen, Log: slog.New(slog.DiscardHandler)})
		begun := time.Now()
		for i := range 2000 {
			_, err := p.AskCode(t.Context(), fmt.Sprintf("a%d@x.example", i), account.Client{IP: fmt.Sprintf("192.0.%d.%d", i/250, i%250)})
			if err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("somebody waited %v", waited)
		}
		synctest.Wait()
		if n := h.most.Load(); n != 16 {
			t.Errorf("%d mails were under way at the same time", n)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		p.Run(ctx) // waits for all
		if took := time.Since(begun); took > 2*time.Minute || h.now.Load() != 0 {
			t.Errorf("%d mails are under way after %v", h.now.Load(), took)
		}
		if _, err := p.AskCode(t.Context(), "late@x.example", account.Client{IP: "192.0.2.9"}); err != nil {
			t.Error(err)
		}
		before := h.all.Load()
		synctest.Wait()
		if h.all.Load() != before+1 && h.now.Load() != 1 {
			t.Error("no mail is sent afterwards")
		}
		p.Run(ctx)
	})
}
