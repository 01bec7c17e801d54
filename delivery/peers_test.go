package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A pair is two servers that read the same origin. asker asks owner for everything.
type pair struct {
	asker, owner *bench
	link         *link
	secret       signing.Secret
	usage        [2]*workspacetest.Memory // of the asker and of the owner
}

// A link is what the asker reaches the owner by.
type link struct {
	to    *Service
	fails error // not nil: the owner can't be reached
	// before is called before the owner gets a question; nil is nothing.
	before   func()
	asked    atomic.Int64
	declined atomic.Int64
}

func (l *link) Owner(string) (string, bool) { return "owner", true }

// Ask sends the entry as package peer does: encoded, and marked as made elsewhere.
func (l *link) Ask(ctx context.Context, owner string, key cache.Key, question []byte) (*cache.Entry, bool, error) {
	l.asked.Add(1)
	if l.fails != nil {
		return nil, false, l.fails
	}
	if l.before != nil {
		l.before()
	}
	e, made, release, err := l.to.Fill(limit.WithClient(context.WithoutCancel(ctx), "somebody"), key, question)
	if err != nil {
		l.declined.Add(1)
		return nil, false, err
	}
	defer release()
	if e.Code != "" {
		copied := *e
		copied.Elsewhere = true
		return &copied, false, nil
	}
	head, err := cache.EncodeHead(key, e)
	if err != nil {
		return nil, false, err
	}
	sent, err := cache.Decode(append(head, e.Body...), key)
	if err != nil {
		return nil, false, err
	}
	sent.Elsewhere = true
	return sent, made, nil
}

func newPair(t *testing.T, change ...func(*setup)) *pair {
	t.Helper()
	p := &pair{link: &link{}, secret: signing.NewSecret()}
	for i, b := range []**bench{&p.asker, &p.owner} {
		p.usage[i] = workspacetest.NewMemory()
		*b = newBench(t, append(change, func(c *setup) {
			c.Usage = usage.New(usage.Config{Counters: p.usage[i]})
			c.Auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{rootKey}, Keys: p.usage[0]})
			if i == 0 {
				c.Peers = p.link
			}
		})...)
	}
	p.link.to = p.owner.Service
	return p
}

// workspace is one with marks, a private source, and a signing key.
func (p *pair) workspace(t *testing.T, change ...func(*workspace.Workspace)) *workspace.Workspace {
	return markedAcme(t, p.asker, append([]func(*workspace.Workspace){func(w *workspace.Workspace) {
		w.Revision = 7
		w.SigningKeys = []signing.Key{{ID: "k", Secret: p.secret}}
	}}, change...)...)
}

// both gives both servers a workspace.
func (p *pair) both(t *testing.T, w *workspace.Workspace) {
	t.Helper()
	p.asker.registry.Set(t, w)
	p.owner.registry.Set(t, w)
}

func (p *pair) runs() [2]int64 {
	return [2]int64{p.asker.engine.Runs.Load(), p.owner.engine.Runs.Load()}
}

// made are transforms and units in the usage of each server.
func (p *pair) made(t *testing.T) (made [2]int64) {
	t.Helper()
	for i, b := range []*bench{p.asker, p.owner} {
		if err := b.usage.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, err := p.usage[i].UsageInParts(t.Context(), "id-of-acme", "0000-00-00", "9999-99-99")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			made[i] += r.Transforms
		}
	}
	return made
}

func (p *pair) signed(t *testing.T, target string) string {
	t.Helper()
	s, err := p.secret.SignUntil(target, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPeersMakeOnce: whatever a URL asks for, the owner makes it, and the answer is that of a server
// without a fleet. It counts once, at the server that was asked.
func TestPeersMakeOnce(t *testing.T) {
	p, alone := newPair(t), newBench(t)
	w := p.workspace(t)
	p.both(t, w)
	alone.registry.Set(t, w)
	targets := []string{
		"/acme/photos/cat.jpg?w=20", // with the bound mark
		"/acme/open/a.jpg?w=20&format=png",
		"/acme/open/a.jpg?w=21&mark=blue",
		"/acme/open/a.jpg?preset=stamped",
		"/acme/cdn-cgi/image/w=22/open/a.jpg",
		"/acme/info?src=open/a.jpg",
		"/acme/info/metadata?src=photos/cat.jpg",
		"/acme/placeholder/blurhash?src=open/a.jpg&w=8&h=8",
		gridURL("w=20&h=10", "open/a.jpg", "photos/cat.jpg"),
		"/acme?src=" + p.asker.upstream.URL + "/open/a.jpg&w=23",
		p.signed(t, "/acme/vault/a.jpg?w=20"),
	}
	for i, target := range targets {
		got, want := p.asker.get(target, "Accept", "image/webp"), alone.get(target, "Accept", "image/webp")
		if got.Code != 200 || !bytes.Equal(got.Body.Bytes(), want.Body.Bytes()) || got.Header().Get("Cache-Status") != want.Header().Get("Cache-Status") {
			t.Errorf("%s: %d %q, want %q", target, got.Code, got.Header().Get("Cache-Status"), want.Header().Get("Cache-Status"))
		}
		for _, name := range []string{"ETag", "Cache-Control", "Cache-Tag", "Content-Type", "Vary"} {
			if got.Header().Get(name) != want.Header().Get(name) {
				t.Errorf("%s: %s is %q, want %q", target, name, got.Header().Get(name), want.Header().Get(name))
			}
		}
		if runs := p.runs(); runs[0] != 0 {
			t.Fatalf("%s: made by the asker: %d declined", target, p.link.declined.Load())
		}
		if again := p.asker.get(target, "Accept", "image/webp"); !hit(again) {
			t.Errorf("%s: not kept: %s", target, again.Header().Get("Cache-Status"))
		}
		if asked := p.link.asked.Load(); asked != int64(i+1) {
			t.Errorf("%s: asked %d times", target, asked)
		}
	}
	if made := p.made(t); made != [2]int64{int64(len(targets)), 0} {
		t.Errorf("counted %v, want all %d at the asker", made, len(targets))
	}
	w2 := p.owner.get(targets[0], "Accept", "image/webp")
	if !hit(w2) {
		t.Errorf("the owner doesn't keep what it has made: %s", w2.Header().Get("Cache-Status"))
	}
}

// TestPeerHits: what the owner has already costs nothing, also where a limit is used up. What it
// would have to make is refused then.
func TestPeerHits(t *testing.T) {
	p := newPair(t)
	p.both(t, p.workspace(t, func(w *workspace.Workspace) { w.Limits.TransformsPerDay = 1 }))
	if w := p.owner.get("/acme/open/a.jpg?w=10"); w.Code != 200 {
		t.Fatal(w.Code)
	}
	if w := p.asker.get("/acme/open/a.jpg?w=10"); w.Code != 200 || w.Header().Get("Cache-Status") != "tintype; hit; detail=peer" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Cache-Status"))
	}
	if w := p.asker.get("/acme/open/a.jpg?w=11"); w.Code != 200 {
		t.Errorf("the asker's own transform: %d", w.Code)
	}
	if made := p.made(t); made != [2]int64{1, 1} {
		t.Errorf("counted %v", made)
	}
	if w := p.asker.get("/acme/open/a.jpg?w=12"); w.Code != 429 {
		t.Errorf("over the limit: %d", w.Code)
	}
	p.owner.registry.Set(t, p.workspace(t)) // its own limit is used up too
	p.owner.get("/acme/open/a.jpg?w=13")
	if w := p.asker.get("/acme/open/a.jpg?w=13"); w.Code != 200 || w.Header().Get("Cache-Status") != "tintype; hit; detail=peer" {
		t.Errorf("over the limit, but the owner has it: %d %s", w.Code, w.Header().Get("Cache-Status"))
	}
	if runs := p.runs(); runs != [2]int64{0, 3} {
		t.Errorf("%v runs", runs)
	}
}

// TestPeersAtOnce: of many servers that ask for the same variant at once, one is told that it was
// made for it, so that it counts once.
func TestPeersAtOnce(t *testing.T) {
	p := newPair(t)
	p.both(t, p.workspace(t))
	p.owner.engine.Block = make(chan struct{})
	var wait sync.WaitGroup
	var waiting atomic.Int64
	p.link.before = func() { waiting.Add(1) }
	askers := []*bench{p.asker}
	for range 3 {
		other := newBench(t, func(c *setup) { c.Peers, c.Usage = p.link, p.asker.usage })
		other.registry.Set(t, p.workspace(t))
		askers = append(askers, other)
	}
	for _, b := range askers {
		wait.Go(func() {
			if w := b.get("/acme/open/a.jpg?w=33"); w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	for waiting.Load() < 4 || p.owner.engine.Runs.Load() < 1 {
		time.Sleep(time.Millisecond)
	}
	close(p.owner.engine.Block)
	wait.Wait()
	if runs := p.runs(); runs != [2]int64{0, 1} {
		t.Errorf("%v runs", runs)
	}
	if made := p.made(t); made != [2]int64{1, 0} {
		t.Errorf("counted %v", made)
	}
	if n := p.asker.upstream.Count("/open/a.jpg"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// TestPeersDiffer: the owner never answers by older settings than the asker's, and never with another
// variant than it decided on. The asker makes it itself then, by its own settings.
func TestPeersDiffer(t *testing.T) {
	const public = "/acme/open/a.jpg?w=20"
	newer := func(w *workspace.Workspace) { w.Revision++ }
	for _, test := range []struct {
		name         string
		asker, owner func(*workspace.Workspace) // what changes
		target       string
		made         bool // by the asker
		status       int
	}{
		{name: "the same", target: public},
		{name: "the asker is ahead by a setting that changes nothing", asker: newer, target: public, made: true},
		{name: "the owner is ahead by a setting that changes nothing", owner: newer, target: public},
		{name: "another workspace under the name", owner: func(w *workspace.Workspace) { w.ID = "another"; w.Revision++ }, target: public, made: true},
		{name: "the asker has a purge of it", asker: purged("open", "a.jpg"), target: public, made: true},
		{name: "the asker has a purge of something else", asker: purged("open", "b.jpg"), target: public, made: true},
		{name: "the owner has a purge of it", owner: purged("open", "a.jpg"), target: public, made: true},
		{name: "the owner has a purge of something else", owner: purged("open", "b.jpg"), target: public},
		{name: "the owner has bound a mark", owner: func(w *workspace.Workspace) {
			w.Revision++
			w.Marks[1].AutoApplySources = []string{"open"}
		}, target: public, made: true},
		{name: "the asker has bound a mark", asker: func(w *workspace.Workspace) {
			w.Revision++
			w.Marks[1].AutoApplySources = []string{"open"}
		}, target: public, made: true},
		{name: "the owner has made the source private", owner: func(w *workspace.Workspace) { w.Revision++; w.Sources[1].Private = true }, target: public, made: true},
		{name: "the owner has blocked the image", owner: func(w *workspace.Workspace) {
			w.Revision++
			w.Blocks = []workspace.Block{{Path: "open/a.jpg", Reason: "x"}}
		}, target: public, made: true},
		{name: "the asker has blocked the image", asker: func(w *workspace.Workspace) {
			w.Revision++
			w.Blocks = []workspace.Block{{Path: "open/a.jpg", Reason: "x"}}
		}, target: public, status: 451},
		{name: "the owner has removed the source", owner: func(w *workspace.Workspace) { w.Revision++; w.Sources = append(w.Sources[:1:1], w.Sources[2:]...) }, target: public, made: true},
		{name: "the owner has moved the source", owner: func(w *workspace.Workspace) { w.Revision++; w.Sources[1].URL += "moved/" }, target: public, made: true},
		{name: "the owner has another preset", owner: func(w *workspace.Workspace) { w.Revision++; w.Presets[1].Options = "w=19" }, target: "/acme/open/a.jpg?preset=small", made: true},
		{name: "a private image", target: "vault"},
		{name: "the owner has revoked the signing key", owner: func(w *workspace.Workspace) { w.Revision++; w.SigningKeys[0].Secret = signing.NewSecret() }, target: "vault", made: true},
		{name: "the asker has revoked the signing key", asker: func(w *workspace.Workspace) { w.Revision++; w.SigningKeys[0].Secret = signing.NewSecret() }, target: "vault", status: 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t)
			for _, of := range []struct {
				b      *bench
				change func(*workspace.Workspace)
			}{{p.asker, test.asker}, {p.owner, test.owner}} {
				w := p.workspace(t).Clone()
				if of.change != nil {
					of.change(w)
				}
				of.b.registry.Set(t, w)
			}
			target := test.target
			if target == "vault" {
				target = p.signed(t, "/acme/vault/a.jpg?w=20")
			}
			status := test.status
			if status == 0 {
				status = 200
			}
			if w := p.asker.get(target); w.Code != status {
				t.Fatalf("%d, want %d: %s", w.Code, status, w.Body)
			}
			want := [2]int64{0, 1}
			if test.made {
				want = [2]int64{1, 0}
			}
			if status != 200 {
				want = [2]int64{}
			}
			if runs := p.runs(); runs != want {
				t.Errorf("%v runs, want %v", runs, want)
			}
			if made := p.made(t); made[0] != want[0]+want[1] || made[1] != 0 {
				t.Errorf("counted %v", made)
			}
		})
	}
}

func purged(source, path string) func(*workspace.Workspace) {
	return func(w *workspace.Workspace) {
		w.Purges, _ = w.Purges.Add(workspace.Purge{Kind: workspace.PurgePath, Source: source, Value: path})
	}
}

// TestPurgeBetween: what the owner is making while the image is purged is kept under a key that
// nobody asks for after the purge. Neither server shows it then.
func TestPurgeBetween(t *testing.T) {
	p := newPair(t)
	w := p.workspace(t)
	p.both(t, w)
	const target = "/acme/open/a.jpg?w=20&format=png"
	old := p.asker.get(target).Body.Bytes()
	p.asker.upstream.Serve("/open/a.jpg", deliverytest.Body(deliverytest.Photo(t, 60, 10)))
	changed := w.Clone()
	purged("open", "a.jpg")(changed)

	p.asker.registry.Set(t, changed) // the owner hears of it later
	if got := p.asker.get(target).Body.Bytes(); bytes.Equal(got, old) {
		t.Error("the asker shows what was purged, from an owner that is behind")
	}
	p.owner.registry.Set(t, changed)
	if got := p.owner.get(target).Body.Bytes(); bytes.Equal(got, old) {
		t.Error("the owner shows what was purged")
	}

	// The purge comes while the owner works.
	const other = "/acme/open/a.jpg?w=21&format=png"
	p.owner.engine.Block = make(chan struct{})
	answered := make(chan []byte)
	go func() { answered <- p.asker.get(other).Body.Bytes() }()
	for runs := p.owner.engine.Runs.Load(); p.owner.engine.Runs.Load() == runs; {
		time.Sleep(time.Millisecond)
	}
	again := changed.Clone()
	purged("open", "a.jpg")(again)
	p.asker.upstream.Serve("/open/a.jpg", deliverytest.Body(deliverytest.Photo(t, 10, 60)))
	p.both(t, again)
	close(p.owner.engine.Block)
	before := <-answered
	for name, b := range map[string]*bench{"asker": p.asker, "owner": p.owner} {
		if got := b.get(other).Body.Bytes(); bytes.Equal(got, before) {
			t.Errorf("the %s shows what was made before the purge", name)
		}
	}
}

// TestPeerFails: who can't get a variant from its owner makes it itself, and an error that both would
// meet isn't met twice.
func TestPeerFails(t *testing.T) {
	p := newPair(t)
	p.both(t, p.workspace(t))
	p.link.fails = errors.New("gone")
	if w := p.asker.get("/acme/open/a.jpg?w=20"); w.Code != 200 || p.runs() != [2]int64{1, 0} {
		t.Errorf("the owner is gone: %d, %v", w.Code, p.runs())
	}
	p.link.fails = nil
	p.owner.engine.Full = errBusy
	if w := p.asker.get("/acme/open/a.jpg?w=21"); w.Code != 200 || p.runs() != [2]int64{2, 0} {
		t.Errorf("the owner is full: %d, %v", w.Code, p.runs())
	}
	p.owner.engine.Full = nil
	for range 2 {
		if w := p.asker.get("/acme/open/missing.jpg?w=20"); w.Code != 404 || code(t, w) != "NOT_FOUND" {
			t.Errorf("a missing original: %d", w.Code)
		}
	}
	if n := p.asker.upstream.Count("/open/missing.jpg"); n != 1 {
		t.Errorf("a missing original is asked for %d times", n)
	}
	if made := p.made(t); made != [2]int64{2, 0} {
		t.Errorf("counted %v", made)
	}
}

// TestPeersAskEachOther: two servers, each of which takes the other for the owner, don't wait for each
// other.
func TestPeersAskEachOther(t *testing.T) {
	back := &link{}
	p := newPair(t)
	other := newBench(t, func(c *setup) { c.Peers = back })
	back.to, p.link.to = p.asker.Service, other.Service
	w := p.workspace(t)
	p.both(t, w)
	other.registry.Set(t, w)
	var met sync.WaitGroup
	met.Add(2)
	meet := func() { met.Done(); met.Wait() }
	p.link.before, back.before = meet, meet
	var asking sync.WaitGroup
	for _, b := range []*bench{p.asker, other} {
		asking.Go(func() {
			if w := b.get("/acme/open/a.jpg?w=20"); w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	asking.Wait()
	if p.link.declined.Load()+back.declined.Load() == 0 {
		t.Error("neither has declined")
	}
}

// TestPeersOwnNoFolders: folders are on one server only, and what takes no original is drawn at once.
func TestPeersOwnNoFolders(t *testing.T) {
	p := newPair(t)
	p.both(t, p.workspace(t))
	if w := p.asker.get("/acme/placeholder/color?color=fff&w=4&h=4"); w.Code != 200 || p.link.asked.Load() != 0 {
		t.Errorf("%d, asked %d times", w.Code, p.link.asked.Load())
	}
	a := ask{site: &site{Workspace: workspace.New("acme")}, refs: []ref{{source: &source{Source: &workspace.Source{Key: "samples", Kind: "dir"}}}}}
	if _, other := p.asker.ownerOf(&a); other {
		t.Error("another server owns a folder of this one")
	}
}

// TestPeerKeys: the owner believes by whose key the asker shows an image, since it gets no key. A
// test key's variant carries its mark there too.
func TestPeerKeys(t *testing.T) {
	p := newPair(t)
	p.both(t, p.workspace(t))
	secret := apikey.New(true)
	key := workspace.APIKey{ID: "test", Namespace: "acme", WorkspaceID: "id-of-acme", Scopes: []string{"read"}, Test: true, Hash: secret.Hash(), CreatedAt: time.Now()}
	if err := p.usage[0].CreateAPIKey(t.Context(), &key); err != nil {
		t.Fatal(err)
	}
	for _, bearer := range []string{rootKey, secret.Reveal()} {
		if w := p.asker.get("/acme/vault/a.jpg?w=20", "Authorization", "Bearer "+bearer); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if runs := p.runs(); runs != [2]int64{0, 2} {
		t.Errorf("%v runs, want two variants of the owner", runs)
	}
	if made := p.made(t); made != [2]int64{1, 0} {
		t.Errorf("counted %v: a test key isn't counted", made)
	}
}

// TestPeerRevalidates: a stale variant is renewed by its owner, with one conditional fetch.
func TestPeerRevalidates(t *testing.T) {
	p := newPair(t)
	fetched, notModified := 0, deliverytest.Body(deliverytest.Photo(t, 40, 30), "ETag", `"1"`)
	p.both(t, p.workspace(t, func(w *workspace.Workspace) { w.Sources[1].Revalidate = 60 }))
	var mu sync.Mutex
	p.asker.upstream.Serve("/open/a.jpg", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		fetched++
		notModified(w, r)
	})
	const target = "/acme/open/a.jpg?w=20"
	p.asker.get(target)
	for _, b := range []*bench{p.asker, p.owner} {
		b.clock.Add(100)
	}
	fresh := func() bool { return p.asker.get(target).Header().Get("Cache-Status") == "tintype; hit; detail=memory" }
	for end := time.Now().Add(time.Minute); !fresh(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it stays stale")
		}
		p.asker.clock.Add(1) // a revalidation that brought no fresh entry is tried again after 5 s
	}
	if runs := p.runs(); runs != [2]int64{0, 1} {
		t.Errorf("%v runs", runs)
	}
	mu.Lock()
	defer mu.Unlock()
	if fetched != 2 {
		t.Errorf("%d fetches, want the first and a conditional one", fetched)
	}
}

// FuzzPeerQuestion: a question is read strictly: what is read is what was written.
func FuzzPeerQuestion(f *testing.F) {
	for _, q := range []question{
		{Workspace: "id", Namespace: "acme", Rest: "/photos/a.jpg", Query: "w=20", Accept: "image/webp"},
		{Workspace: "id", Revision: 3, Purge: 4, Namespace: "acme", By: "key", Key: "k", Test: true, Client: "192.0.2.1", Background: true, Known: true},
	} {
		b, err := json.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"workspace":"id","namespace":"acme","unknown":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseQuestion(b)
		if err != nil {
			return
		}
		written, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseQuestion(written); err != nil || !reflect.DeepEqual(q, again) {
			t.Errorf("%s: %+v, %v", b, again, err)
		}
	})
}
