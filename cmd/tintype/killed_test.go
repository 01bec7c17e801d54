//go:build cgo && linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/dynamodb"
	"github.com/tintype/tintype/workspace/sqlite"
)

// TestKilledWhileWriting: kill -9 kills servers while clients write through the API. All
// acknowledged writes are in the store. A write that was cut off is there as a whole or not
// at all. Only counts of the last interval are lost.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel() // it waits more than it computes
	local := dynamodblocal.Shared(t)
	inSQLite, inDynamoDB := "sqlite:"+filepath.Join(t.TempDir(), "store.db"), initStore(t, local)
	t.Run("usage", func(t *testing.T) {
		t.Parallel()
		testKilledWhileCounting(t, map[string]string{"SQLite": inSQLite + ".usage", "DynamoDB": inDynamoDB})
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		testKilledWhileWriting(t, inSQLite, func(*testing.T) {})
	})
	t.Run("DynamoDB", func(t *testing.T) {
		t.Parallel()
		r := newRelay(t, local.Endpoint)
		testKilledWhileWriting(t, strings.Replace(inDynamoDB, local.Endpoint, r.URL, 1), r.wait)
	})
}

// A relay stands between servers and their store. A store that is busy may do what a server has
// asked for some time after that server was killed, and the relay knows when nothing is left.
type relay struct {
	*httptest.Server
	connections atomic.Int64
}

func newRelay(t *testing.T, endpoint string) *relay {
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
		ErrorLog:  log.New(io.Discard, "", 0), // bodies that were cut off
	}
	r := &relay{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, done := context.WithCancel(context.WithoutCancel(r.Context())) // the end of who asked doesn't end it
		defer done()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	r.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			r.connections.Add(1)
		case http.StateClosed:
			r.connections.Add(-1)
		}
	}
	r.Start()
	t.Cleanup(r.Close)
	return r
}

// wait waits until the store has answered all that servers have sent, all of which were killed.
func (r *relay) wait(t *testing.T) {
	// Connections are accepted in their order, so others are known once this one is.
	last := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := last.Get(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	until(t, "the store has answered all", func() bool { return r.connections.Load() == 0 })
}

// A mortal is a server that is killed and started again, each time under another URL.
type mortal struct {
	mu    sync.Mutex // guards all below
	p     *serverProcess
	after chan struct{} // closed when another takes its place
}

func (m *mortal) now() (p *serverProcess, after <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.p, m.after
}

func (m *mortal) replace(p *serverProcess) {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.after)
	m.p, m.after = p, make(chan struct{})
}

// another waits until another server has replaced one that failed. It returns false where
// the context ends first.
func (m *mortal) another(ctx context.Context, after <-chan struct{}) bool {
	select {
	case <-after:
		return true
	case <-ctx.Done():
	}
	select {
	case <-after:
		return true
	default:
		return false
	}
}

// testKilledWhileWriting kills servers that write to a store. settled waits until the store does
// nothing more for one that was killed.
func testKilledWhileWriting(t *testing.T, store string, settled func(*testing.T)) {
	data := t.TempDir()
	start := func() *serverProcess {
		p, err := startProcess(data, store, "--workers", "1", "--cache-disk", "0")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	m := &mortal{p: start(), after: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	acknowledged := make(chan struct{}, 1000)
	writers := make([]*writer, 6)
	var writing sync.WaitGroup
	defer func() { // also where the test ends early
		stop()
		writing.Wait()
		p, _ := m.now()
		p.kill()
		if t.Failed() {
			t.Logf("the last server's log:\n%s", p.log.String())
		}
	}()
	for i := range writers {
		w := &writer{t: t, server: m, name: fmt.Sprintf("w%d", i), acknowledged: acknowledged}
		writers[i] = w
		writing.Go(func() { w.run(ctx) })
	}
	kills := full(500, 4)
	for range kills {
		for len(acknowledged) > 0 {
			<-acknowledged
		}
		for range 1 + rand.IntN(20) {
			select {
			case <-acknowledged:
			case <-time.After(patience):
				t.Fatal("nothing is acknowledged any more")
			}
		}
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) // into the middle of something
		p, _ := m.now()
		p.kill()
		settled(t)
		m.replace(start())
		if t.Failed() {
			return
		}
	}
	stop()
	writing.Wait()

	var sum tally
	p, _ := m.now()
	for _, w := range writers {
		for _, s := range w.settled {
			w.wantKeys(t.Context(), p, s)
		}
		sum.add(w.tally)
	}
	p.kill()
	s := openKilled(t, store)
	for _, w := range writers {
		for _, state := range w.settled {
			wantStored(t, s, state)
		}
	}
	t.Logf("%d kills, %d writes acknowledged, %d cut off, of which %d were made whole and %d not at all; %d workspaces are whole",
		kills, sum.acknowledged, sum.made+sum.unmade, sum.made, sum.unmade, sum.workspaces)
	if sum.made+sum.unmade == 0 {
		t.Error("no write was cut off")
	}
}

// openKilled opens the store of a killed server.
func openKilled(t *testing.T, url string) store {
	t.Helper()
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	var s store
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		s, err = sqlite.Open(path, codec)
	} else {
		account := credentials.NewStaticCredentialsProvider(dynamodblocal.AccessKeyID, dynamodblocal.SecretAccessKey, "")
		s, err = dynamodb.Open(t.Context(), dynamodb.Config{URL: url, Codec: codec, Credentials: account})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A state has all stored data of a workspace. The zero state means that there is no
// workspace.
type state struct {
	Namespace string
	Revision  int64
	Name      string
	Origins   []string          // allowed
	Hosts     []string          // allowed_sources
	Domains   []string          // claimed
	Sources   map[string]string // URLs by key
	Presets   map[string]string // options by name
	Keys      map[string]bool   // by name, whether revoked
	Log       []string          // actions, the oldest first

	secrets map[string]string // of API keys by name, as far as they were told
	ids     map[string]string // of API keys by name
}

func (s *state) clone() *state {
	c := *s
	c.Origins, c.Hosts, c.Domains, c.Log = slices.Clone(s.Origins), slices.Clone(s.Hosts), slices.Clone(s.Domains), slices.Clone(s.Log)
	c.Sources, c.Presets, c.Keys = maps.Clone(s.Sources), maps.Clone(s.Presets), maps.Clone(s.Keys)
	c.secrets, c.ids = maps.Clone(s.secrets), maps.Clone(s.ids)
	return &c
}

// same returns how two states differ, or "".
func same(a, b *state) string {
	return cmp.Diff(a, b, cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".secrets" || name == ".ids"
	}, cmp.Ignore()))
}

// A tally counts results of writes.
type tally struct{ acknowledged, made, unmade, workspaces int }

func (t *tally) add(u tally) {
	t.acknowledged += u.acknowledged
	t.made += u.made
	t.unmade += u.unmade
	t.workspaces += u.workspaces
}

// A writer writes one workspace after another, and knows the data that must be stored.
type writer struct {
	t            *testing.T
	server       *mortal
	name         string
	acknowledged chan<- struct{}

	n int // of the last write, so that each is another
	tally
	settled []*state // workspaces that no more is done to
}

// An edit is one write through the API, and the change that it makes to a state.
type edit struct {
	method, path string
	body         any
	status       int
	apply        func(s *state)
	told         func(s *state, answer []byte) error // what only the answer says; nil is nothing
}

// run writes until the context ends.
func (w *writer) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		s := &state{}
		if s = w.do(ctx, s, w.create(fmt.Sprintf("%s-%d", w.name, n))); s == nil {
			return
		}
		if s.Namespace == "" { // it was cut off
			continue
		}
		for range 10 {
			if s = w.do(ctx, s, w.next(s)); s == nil {
				return
			}
			if ctx.Err() != nil {
				break
			}
		}
		if ctx.Err() == nil && n%4 == 3 {
			if s = w.do(ctx, s, edit{"DELETE", "/workspaces/" + s.Namespace, nil, http.StatusNoContent, func(s *state) { *s = state{} }, nil}); s == nil {
				return
			}
		}
		if s.Namespace != "" {
			w.settled = append(w.settled, s)
			w.workspaces++
		}
	}
}

// do makes an edit and returns the state afterwards. An acknowledged edit must have changed
// the state. One that was cut off may have changed it. Nil means that the test failed.
func (w *writer) do(ctx context.Context, before *state, e edit) *state {
	after := before.clone()
	e.apply(after)
	p, replaced := w.server.now()
	// The end of ctx doesn't end a write that runs, so that its result is known.
	status, answer, err := p.call(context.WithoutCancel(ctx), e.method, e.path, e.body)
	what := e.method + " " + e.path
	switch {
	case err == nil && status == e.status:
		w.tally.acknowledged++
		select {
		case w.acknowledged <- struct{}{}:
		default:
		}
		if e.told != nil {
			if err := e.told(after, answer); err != nil {
				w.t.Errorf("%s: %v\n%s", what, err, answer)
				return nil
			}
		}
		if len(after.Log)%3 == 0 { // now and then also where nothing went wrong
			return w.settle(ctx, what, after)
		}
		return after
	case err != nil:
		if !w.server.another(ctx, replaced) {
			return nil
		}
	case status != http.StatusServiceUnavailable:
		w.t.Errorf("%s: %d, want %d\n%s", what, status, e.status, answer)
		return nil
	}
	return w.settle(ctx, what, before, after)
}

// settle reads the state, which must be one of states. Where no write was cut off, it must
// be the last of them.
func (w *writer) settle(ctx context.Context, what string, states ...*state) *state {
	after := states[len(states)-1]
	namespace := after.Namespace
	if namespace == "" {
		namespace = states[0].Namespace
	}
	for {
		p, replaced := w.server.now()
		found, err := readState(w.t.Context(), p, namespace)
		if err != nil { // it was killed while it answered
			within, cancel := context.WithTimeout(ctx, patience)
			again := w.server.another(within, replaced)
			cancel()
			if again {
				continue
			}
			if ctx.Err() == nil {
				w.t.Errorf("after %s: %v", what, err)
			}
			return nil
		}
		for i, s := range states {
			if same(s, found) != "" {
				continue
			}
			switch {
			case len(states) == 1:
			case i == 0:
				w.unmade++
			default:
				w.made++
			}
			for name := range found.Keys {
				if id, known := s.ids[name]; known && id != found.ids[name] {
					w.t.Errorf("after %s: API key %s has id %s, was told %s", what, name, found.ids[name], id)
				}
			}
			found.secrets = s.secrets
			return found
		}
		w.t.Errorf("after %s there is neither what was before nor what was to be (-want +got):\n%s", what, same(after, found))
		return nil
	}
}

func (w *writer) create(namespace string) edit {
	name := w.unique("name")
	return edit{"POST", "/workspaces", map[string]any{"namespace": namespace, "name": name}, http.StatusCreated, func(s *state) {
		*s = state{
			Namespace: namespace, Name: name, Revision: 1, Origins: []string{"*"}, Hosts: []string{"*"}, Domains: []string{},
			Sources: map[string]string{}, Presets: map[string]string{}, Keys: map[string]bool{}, Log: []string{"workspace.create " + namespace},
			secrets: map[string]string{}, ids: map[string]string{},
		}
	}, nil}
}

// unique is a name that this writer hasn't used before.
func (w *writer) unique(prefix string) string {
	w.n++
	return fmt.Sprintf("%s-%s-%d", prefix, w.name, w.n)
}

// next is a write of any kind that changes the state.
func (w *writer) next(s *state) edit {
	root, value := "/workspaces/"+s.Namespace, w.unique("v")
	update := func(method, path string, body any, status int, apply func(s *state)) edit {
		return edit{method, root + path, body, status, func(s *state) {
			apply(s)
			s.Revision++
			s.Log = append(s.Log, "workspace.update "+s.Namespace)
		}, nil}
	}
	switch rand.IntN(10) {
	case 0:
		return update("PATCH", "", map[string]any{"name": value, "allowed_origins": []string{"https://" + value + ".example"}}, http.StatusOK, func(s *state) {
			s.Name, s.Origins = value, []string{"https://" + value + ".example"}
		})
	case 1:
		return update("PATCH", "", map[string]any{"allowed_sources": []string{value + ".example"}}, http.StatusOK, func(s *state) {
			s.Hosts = []string{value + ".example"}
		})
	case 2:
		domains := []string{value + ".test"}
		if len(s.Domains) > 0 && rand.IntN(2) == 0 {
			domains = append(domains, s.Domains[0])
		}
		return update("PATCH", "", map[string]any{"domains": domains}, http.StatusOK, func(s *state) { s.Domains = domains })
	case 3, 4:
		key := fmt.Sprint("s", rand.IntN(3))
		url := "https://" + value + ".example/"
		return update("PUT", "/sources/"+key, map[string]any{"kind": "http", "url": url, "headers": map[string]string{"X-Secret": value}}, http.StatusOK,
			func(s *state) { s.Sources[key] = url })
	case 5:
		for key := range s.Sources {
			return update("DELETE", "/sources/"+key, nil, http.StatusNoContent, func(s *state) { delete(s.Sources, key) })
		}
	case 6:
		name, options := fmt.Sprint("p", rand.IntN(3)), fmt.Sprint("w=", 1+w.n%8000)
		if s.Presets[name] != options {
			return update("PUT", "/presets/"+name, map[string]any{"options": options}, http.StatusOK, func(s *state) { s.Presets[name] = options })
		}
	case 7:
		return edit{"POST", root + "/purge", map[string]any{"all": true}, http.StatusAccepted, func(s *state) { s.Log = append(s.Log, "purge all") }, nil}
	case 8:
		for name, revoked := range s.Keys {
			if id := s.ids[name]; !revoked {
				return edit{"DELETE", root + "/api-keys/" + id, nil, http.StatusNoContent, func(s *state) {
					s.Keys[name] = true
					s.Log = append(s.Log, "api_key.revoke")
				}, nil}
			}
		}
	}
	return edit{"POST", root + "/api-keys", map[string]any{"name": value, "scopes": []string{"read"}}, http.StatusCreated,
		func(s *state) {
			s.Keys[value] = false
			s.Log = append(s.Log, "api_key.create")
		},
		func(s *state, answer []byte) error {
			var made struct{ ID, Key string }
			err := json.Unmarshal(answer, &made)
			s.ids[value], s.secrets[value] = made.ID, made.Key
			return err
		}}
}

// readState reads the state of a workspace through the API.
func readState(ctx context.Context, p *serverProcess, namespace string) (*state, error) {
	get := func(path string, into any) (found bool, err error) {
		status, answer, err := p.call(ctx, "GET", "/workspaces/"+namespace+path, nil)
		switch {
		case err != nil:
			return false, err
		case status == http.StatusNotFound:
			return false, nil
		case status != http.StatusOK:
			return false, fmt.Errorf("GET %s: %d %s", path, status, answer)
		}
		return true, json.Unmarshal(answer, into)
	}
	var w workspace.Workspace
	if found, err := get("", &w); err != nil || !found {
		return &state{}, err
	}
	var keys struct {
		Keys []struct {
			ID, Name string
			Revoked  *time.Time `json:"revoked_at"`
		} `json:"api_keys"`
	}
	if found, err := get("/api-keys", &keys); err != nil || !found {
		return nil, fmt.Errorf("the keys: %v, %w", found, err)
	}
	var log struct{ Entries []workspace.AuditEntry }
	if found, err := get("/audit?limit=100", &log); err != nil || !found {
		return nil, fmt.Errorf("the log: %v, %w", found, err)
	}
	s := &state{
		Namespace: w.Namespace, Revision: w.Revision, Name: w.Name, Origins: w.AllowedOrigins, Hosts: w.AllowedSources, Domains: w.Domains,
		Sources: map[string]string{}, Presets: map[string]string{}, Keys: map[string]bool{}, ids: map[string]string{},
	}
	for _, source := range w.Sources {
		s.Sources[source.Key] = source.URL
	}
	for _, preset := range w.Presets {
		s.Presets[preset.Name] = preset.Options
	}
	for _, k := range keys.Keys {
		s.Keys[k.Name], s.ids[k.Name] = k.Revoked != nil, k.ID
	}
	for _, e := range slices.Backward(log.Entries) {
		line := e.Action
		if !strings.HasPrefix(line, "api_key.") { // whose target is an id
			line += " " + e.Target
		}
		s.Log = append(s.Log, line)
	}
	return s, nil
}

// wantKeys tests that keys are accepted after they were made, until they are revoked.
func (w *writer) wantKeys(ctx context.Context, p *serverProcess, s *state) {
	for name, secret := range s.secrets {
		want := http.StatusOK
		if s.Keys[name] {
			want = http.StatusUnauthorized
		}
		status, answer, err := p.callWith(ctx, secret, "GET", "/workspaces/"+s.Namespace, nil)
		if err != nil || status != want {
			w.t.Errorf("%s with API key %s: %d, %v, want %d\n%s", s.Namespace, name, status, err, want, answer)
		}
	}
}

// wantStored tests stored data of a workspace that the API doesn't show.
func wantStored(t *testing.T, s store, want *state) {
	t.Helper()
	w, err := s.Get(t.Context(), want.Namespace)
	if err != nil {
		t.Errorf("%s: %v", want.Namespace, err)
		return
	}
	if w.Revision != want.Revision {
		t.Errorf("%s is at revision %d, want %d", want.Namespace, w.Revision, want.Revision)
	}
	for _, name := range w.Domains {
		if d, err := s.Domain(t.Context(), name); err != nil || d.WorkspaceID != w.ID {
			t.Errorf("%s claims %s: %+v, %v", want.Namespace, name, d, err)
		}
	}
	purges := 0
	for _, line := range want.Log {
		if strings.HasPrefix(line, "purge") {
			purges++
		}
	}
	if log, err := s.PurgeLog(t.Context(), w.ID, workspace.PurgeLog{}); err != nil || log.Sequence != int64(purges) {
		t.Errorf("%s has purged %d times, its log says %d (%v)", want.Namespace, log.Sequence, purges, err)
	}
}

// A counter is a server whose answers are counted.
type counter struct {
	*serverProcess
	name, data, store      string
	opened                 store        // beside the server
	sent, answered         atomic.Int64 // requests since the server started
	already, before, after int64        // counted when it started, before the last flush, after the kill
	flushed                int64        // seen to be stored before the kill
}

func testKilledWhileCounting(t *testing.T, stores map[string]string) {
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	counters := []*counter{}
	start := func(c *counter) {
		c.serverProcess = serveShared(t, c.data, c.store, "--workers", "1", "--cache-disk", "0", "--dir", "acme/samples="+dir)
	}
	for name, store := range stores {
		c := &counter{name: name, data: t.TempDir(), store: store}
		start(c)
		counters = append(counters, c)
	}
	for round := range full(20, 1) {
		ctx, stop := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		for _, c := range counters {
			c.already = c.counted(t)
			c.sent.Store(0)
			c.answered.Store(0)
			asking.Go(func() { c.ask(ctx, t) })
		}
		for _, c := range counters {
			until(t, "counts are added", func() bool { return c.counted(t) > c.already })
			c.before = c.already + c.answered.Load() // the next Flush adds this many at least
		}
		for _, c := range counters {
			until(t, "counts are added again", func() bool {
				c.flushed = c.counted(t)
				return c.flushed >= c.before
			})
			c.kill()
		}
		stop()
		asking.Wait()
		for _, c := range counters {
			start(c)
			until(t, "what was on disk is sent", func() bool { pages, _ := c.pages(); return len(pages) == 0 })
			// A reader uses what it has read of tallies for some seconds.
			until(t, "what was seen to be stored is there", func() bool { c.after = c.counted(t); return c.after >= c.flushed })
			t.Logf("%s, kill %d: of %d answers %d were seen to be stored before it, %d after; %d are lost",
				c.name, round+1, c.answered.Load(), c.flushed-c.already, c.after-c.already, c.already+c.answered.Load()-c.after)
			if c.after < c.flushed || c.after > c.already+c.sent.Load() {
				t.Errorf("%s: %d are counted, want %d to %d", c.name, c.after, c.flushed, c.already+c.sent.Load())
			}
		}
	}
}

// pages returns the files of counts that wait on disk for the store.
func (c *counter) pages() ([]string, error) {
	return filepath.Glob(filepath.Join(c.data, "usage", "*.counts"))
}

// counted returns the number of requests that a kill must not lose: in the store, and on disk.
func (c *counter) counted(t *testing.T) (n int64) {
	t.Helper()
	if c.opened == nil {
		c.opened = openKilled(t, c.store)
	}
	w, err := c.opened.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var all workspace.Tally
	pages, err := c.pages()
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		lines, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(lines) {
			if err := all.UnmarshalRows(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows, err := c.opened.Usage(t.Context(), w.ID, "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range append(rows, all.Usage...) {
		n += u.Requests
	}
	return n
}

// ask asks for images until the server is killed or the context ends.
func (c *counter) ask(ctx context.Context, t *testing.T) {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		c.sent.Add(1)
		status, err := c.image(context.WithoutCancel(ctx), "/acme/samples/dusk.jpg?w=16", "")
		if err != nil { // it was killed
			return
		}
		if status != http.StatusOK {
			t.Errorf("%s: %d", c.name, status)
			return
		}
		c.answered.Add(1)
	}
}
