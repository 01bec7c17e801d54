package peer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/peer"
)

const (
	secret   = "a secret of 32 characters or more"
	patience = time.Minute // so that no busy machine counts as gone
)

// A server is a member of a fleet that answers with fill.
type server struct {
	*peer.Fleet
	address string
	fill    peer.Fill
}

// fleet starts servers that see each other. Each answers with its number, as made.
func fleet(t *testing.T, n int) []*server { return patientFleet(t, n, patience) }

func patientFleet(t *testing.T, n int, patience time.Duration) []*server {
	t.Helper()
	var members []lease.Member
	all := make([]*server, n)
	for i := range all {
		s := &server{fill: numbered(i)}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.address = l.Addr().String()
		self := lease.Member{Name: fmt.Sprint("server ", i), Address: s.address}
		members = append(members, self)
		s.Fleet, err = peer.New(peer.Config{Secret: secret, Patience: patience, Self: self.Name, Members: func() []lease.Member { return members }})
		if err != nil {
			t.Fatal(err)
		}
		h := &http.Server{
			Handler:   s.Handler(func(ctx context.Context, k cache.Key, q []byte) (peer.Filled, error) { return s.fill(ctx, k, q) }),
			TLSConfig: s.TLS(),
		}
		go func() { _ = h.ServeTLS(l, "", "") }()
		t.Cleanup(func() { _ = h.Close(); s.Close() })
		all[i] = s
	}
	return all
}

func numbered(i int) peer.Fill {
	return func(_ context.Context, _ cache.Key, question []byte) (peer.Filled, error) {
		return peer.Filled{Entry: entry(fmt.Sprintf("%d: %s", i, question)), Made: true}, nil
	}
}

func entry(body string) *cache.Entry {
	now := time.Now().UTC()
	return &cache.Entry{Body: []byte(body), ContentType: "image/webp", ETag: `"x"`, StoredAt: now, ExpiresAt: now.Add(time.Hour)}
}

var key = cache.Key{1, 2, 31: 3}

// TestAsk: what an owner says arrives, and says whether it was made for the question.
func TestAsk(t *testing.T) {
	all := fleet(t, 2)
	released := false
	for _, test := range []struct {
		name string
		fill peer.Fill
		made bool
		code string
		body string
		err  error
	}{
		{name: "made", fill: numbered(1), made: true, body: "1: what"},
		{name: "found", body: "found", fill: func(context.Context, cache.Key, []byte) (peer.Filled, error) {
			return peer.Filled{Entry: entry("found"), Release: func() { released = true }}, nil
		}},
		{name: "large", body: strings.Repeat("large ", 1<<20), fill: func(context.Context, cache.Key, []byte) (peer.Filled, error) {
			return peer.Filled{Entry: entry(strings.Repeat("large ", 1<<20))}, nil
		}},
		{name: "an error of the original", code: "NOT_FOUND", fill: func(context.Context, cache.Key, []byte) (peer.Filled, error) {
			return peer.Filled{Entry: &cache.Entry{Code: "NOT_FOUND", Message: "gone", ExpiresAt: time.Now().Add(time.Minute)}}, nil
		}},
		{name: "busy", err: peer.ErrBusy, fill: func(context.Context, cache.Key, []byte) (peer.Filled, error) { return peer.Filled{}, peer.ErrBusy }},
		{name: "declined", err: peer.ErrDeclined, fill: func(context.Context, cache.Key, []byte) (peer.Filled, error) {
			return peer.Filled{}, errors.New("no")
		}},
		{name: "panics", err: peer.ErrDeclined, fill: func(context.Context, cache.Key, []byte) (peer.Filled, error) { panic("seeded") }},
	} {
		all[1].fill = test.fill
		e, made, err := all[0].Ask(t.Context(), "server 1", key, []byte("what"))
		if !errors.Is(err, test.err) || made != test.made {
			t.Errorf("%s: made %v, %v", test.name, made, err)
		}
		if test.err != nil {
			continue
		}
		if e == nil || string(e.Body) != test.body || e.Code != test.code || !e.Elsewhere {
			t.Errorf("%s: %+v", test.name, e)
		}
		if left := time.Until(e.ExpiresAt); test.code != "" && (left < 50*time.Second || left > time.Minute) {
			t.Errorf("%s: kept for %v", test.name, left)
		}
	}
	if !released {
		t.Error("what was sent isn't released")
	}
	all[1].fill = func(context.Context, cache.Key, []byte) (peer.Filled, error) {
		return peer.Filled{Entry: entry("right")}, nil
	}
	if _, _, err := all[0].Ask(t.Context(), "server 1", key, bytes.Repeat([]byte("x"), 70<<10)); !errors.Is(err, peer.ErrDeclined) {
		t.Errorf("a question that is too long: %v", err)
	}
	if _, _, err := all[0].Ask(t.Context(), "nobody", key, nil); !errors.Is(err, peer.ErrGone) {
		t.Errorf("who is no member: %v", err)
	}
}

// TestAtWork: an owner that says that it is at work may take longer than silence is borne.
func TestAtWork(t *testing.T) {
	t.Parallel() // it waits
	const patience = 4 * time.Second
	all := patientFleet(t, 2, patience)
	all[1].fill = func(context.Context, cache.Key, []byte) (peer.Filled, error) {
		<-time.After(patience + patience/4)
		return peer.Filled{Entry: entry("slow")}, nil
	}
	if e, _, err := all[0].Ask(t.Context(), "server 1", key, nil); err != nil || string(e.Body) != "slow" {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestTookItsPlace: a process that was started again at the address of another isn't asked in its
// place. It might be asking for the same entry, and both would wait for ever.
func TestTookItsPlace(t *testing.T) {
	now := fleet(t, 1)[0]
	now.fill = func(context.Context, cache.Key, []byte) (peer.Filled, error) {
		t.Error("it was asked")
		return peer.Filled{}, errors.New("no")
	}
	before := []lease.Member{{Name: "before", Address: now.address}}
	f, err := peer.New(peer.Config{Secret: secret, Patience: patience, Self: "one", Members: func() []lease.Member { return before }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if _, _, err := f.Ask(t.Context(), "before", key, []byte("what")); !errors.Is(err, peer.ErrGone) {
		t.Errorf("the one before: %v", err)
	}
	if _, other := f.Owner("anything"); other {
		t.Error("it is asked again at once")
	}
}

// TestOwner: all servers name the same owner, each owns its share, and one that is gone has its
// share taken by the others.
func TestOwner(t *testing.T) {
	all := fleet(t, 4)
	owned := map[string]int{}
	for i := range 4000 {
		what := fmt.Sprint("workspace/photos/", i, ".jpg")
		owner, other := all[0].Owner(what)
		owned[owner]++
		if other != (owner != "server 0") {
			t.Fatalf("%s: %s, %v", what, owner, other)
		}
		for _, s := range all[1:] {
			if got, _ := s.Owner(what); got != owner {
				t.Fatalf("%s: %s and %s", what, owner, got)
			}
		}
	}
	for owner, n := range owned {
		if n < 800 || n > 1200 {
			t.Errorf("%s owns %d of 4000", owner, n)
		}
	}
}

// TestGone: an owner that can't be reached is asked once, and nobody waits for it after that.
func TestGone(t *testing.T) {
	all := fleet(t, 3)
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never says a word, as a stopped process
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, address := range map[string]string{"gone": "127.0.0.1:1", "silent": l.Addr().String()} {
		members := []lease.Member{{Name: "server 0", Address: all[0].address}, {Name: "lost", Address: address}}
		f, err := peer.New(peer.Config{Secret: secret, Patience: time.Second, Self: "server 0", Members: func() []lease.Member { return members }})
		if err != nil {
			t.Fatal(err)
		}
		what := ""
		for i := 0; what == ""; i++ {
			if owner, _ := f.Owner(fmt.Sprint(i)); owner == "lost" {
				what = fmt.Sprint(i)
			}
		}
		if _, _, err := f.Ask(t.Context(), "lost", key, nil); !errors.Is(err, peer.ErrGone) && !errors.Is(err, peer.ErrSilent) {
			t.Errorf("%s: %v", name, err)
		}
		if owner, other := f.Owner(what); owner != "server 0" || other {
			t.Errorf("%s: still owned by %s", name, owner)
		}
	}
}

// TestStrangers: nobody without the secret asks or is asked, and nothing that was said counts
// a second time.
func TestStrangers(t *testing.T) {
	all := fleet(t, 1)
	var asked atomic.Int32
	all[0].fill = func(context.Context, cache.Key, []byte) (peer.Filled, error) {
		asked.Add(1)
		return peer.Filled{Entry: entry("x")}, nil
	}
	member := []lease.Member{{Name: "server 0", Address: all[0].address}}
	ask := func(secret, address string) error {
		member := []lease.Member{{Name: "server 0", Address: address}}
		f, err := peer.New(peer.Config{Secret: secret, Patience: patience, Self: "one", Members: func() []lease.Member { return member }})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, _, err = f.Ask(t.Context(), "server 0", key, []byte("q"))
		return err
	}
	if err := ask(secret[1:]+"another", all[0].address); !errors.Is(err, peer.ErrGone) {
		t.Errorf("another secret: %v", err)
	}
	for name, config := range map[string]*tls.Config{"no certificate": {InsecureSkipVerify: true}, "TLS 1.2": {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}} {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 5 * time.Second}
		if res, err := client.Post("https://"+all[0].address+"/v1/fill", "", bytes.NewReader(make([]byte, 40))); err == nil {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if res, err := http.Post("http://"+all[0].address+"/v1/fill", "", bytes.NewReader(make([]byte, 40))); err == nil && res.StatusCode == 200 {
		t.Errorf("without TLS: %s", res.Status)
	}
	if asked.Load() != 0 {
		t.Fatalf("strangers have asked %d times", asked.Load())
	}

	// Somebody between two servers keeps what one of them said, and says it once more.
	var said recorded
	between := record(t, all[0].address, &said)
	member[0].Address = between
	if err := ask(secret, between); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", all[0].address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = conn.Write(said.bytes())
	_, _ = io.Copy(io.Discard, conn) // until it is closed
	if asked.Load() != 1 {
		t.Errorf("asked %d times, want once: a recorded question counts again", asked.Load())
	}
	// A server without the secret at the address of a member learns nothing.
	thief := &http.Server{Handler: http.NotFoundHandler(), TLSConfig: other(t).TLS()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = thief.ServeTLS(l, "", "") }()
	defer thief.Close()
	if err := ask(secret, l.Addr().String()); !errors.Is(err, peer.ErrGone) {
		t.Errorf("a thief's server: %v", err)
	}
	if _, err := peer.New(peer.Config{Secret: "short"}); err == nil {
		t.Error("a short secret is taken")
	}
}

func other(t *testing.T) *peer.Fleet {
	f, err := peer.New(peer.Config{Secret: strings.Repeat("thief ", 8)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

type recorded struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorded) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(b)
}

func (r *recorded) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.b.Bytes())
}

// record forwards connections to an address, and keeps what clients say.
func record(t *testing.T, to string, said *recorded) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, io.TeeReader(in, said)); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	return l.Addr().String()
}

// TestBounds: an owner has 64 questions of a server at a time, and a server that leaves ends its
// question.
func TestBounds(t *testing.T) {
	all := fleet(t, 2)
	begun, ended := make(chan struct{}, 100), make(chan struct{}, 100)
	all[1].fill = func(ctx context.Context, _ cache.Key, _ []byte) (peer.Filled, error) {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return peer.Filled{}, ctx.Err()
	}
	ctx, leave := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 64 {
		asking.Go(func() {
			if _, _, err := all[0].Ask(ctx, "server 1", key, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("a question that was left: %v", err)
			}
		})
	}
	for range 64 {
		<-begun
	}
	if _, _, err := all[0].Ask(t.Context(), "server 1", key, nil); !errors.Is(err, peer.ErrBusy) {
		t.Errorf("the 65th: %v", err)
	}
	leave()
	asking.Wait()
	for range 64 {
		<-ended
	}
	all[1].fill = numbered(1)
	if _, _, err := all[0].Ask(t.Context(), "server 1", key, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestLongest: an owner that is at work for ever isn't waited for.
func TestLongest(t *testing.T) {
	to := fleet(t, 1)[0]
	to.fill = func(ctx context.Context, _ cache.Key, _ []byte) (peer.Filled, error) {
		<-ctx.Done()
		return peer.Filled{}, ctx.Err()
	}
	members := []lease.Member{{Name: "server 0", Address: to.address}}
	f, err := peer.New(peer.Config{Secret: secret, Patience: patience, Longest: time.Second, Self: "one", Members: func() []lease.Member { return members }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if _, _, err := f.Ask(t.Context(), "server 0", key, []byte("what")); !errors.Is(err, peer.ErrBusy) {
		t.Errorf("an owner at work for ever: %v", err)
	}
	if _, other := f.Owner("anything"); !other {
		t.Error("it isn't asked any more")
	}
}

// TestNoRoom: a variant for which memory lacks isn't read.
func TestNoRoom(t *testing.T) {
	all := fleet(t, 1)
	all[0].fill = func(context.Context, cache.Key, []byte) (peer.Filled, error) {
		return peer.Filled{Entry: entry(strings.Repeat("x", 70<<10))}, nil
	}
	member := []lease.Member{{Name: "server 0", Address: all[0].address}}
	var reserved int64
	f, err := peer.New(peer.Config{Secret: secret, Patience: patience, Self: "one", Members: func() []lease.Member { return member },
		Reserve: func(_ context.Context, n int64) (func(), bool) { reserved = n; return nil, false }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Ask(t.Context(), "server 0", key, nil); !errors.Is(err, cache.ErrNoRoom) || reserved < 70<<10 {
		t.Errorf("%v, %d bytes reserved", err, reserved)
	}
}
