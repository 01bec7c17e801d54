// Package workspacetest is the conformance suite of stores. Every implementation runs it,
// also wrappers.
//
// For most uses, call [Run], which tests a [workspace.Store], and [RunRecords], which tests
// what a store keeps beside workspaces. [RunShared] tests two stores that share their data.
// [Memory] is a store for tests of packages that use one.
package workspacetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// Run tests that a store does what [workspace.Store] says. open returns an empty store. Run
// closes it.
func Run(t *testing.T, open func(t *testing.T) workspace.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, workspace.Store)
	}{
		{"Create", testCreate},
		{"EveryField", testEveryField},
		{"Update", testUpdate},
		{"UpdateConflict", testUpdateConflict},
		{"Delete", testDelete},
		{"MadeAnew", testMadeAnew},
		{"NotFound", testNotFound},
		{"Copies", testCopies},
		{"List", testList},
		{"Domains", testDomains},
		{"Changes", testChanges},
		{"ChangesCursor", testChangesCursor},
		{"Reread", testReread},
		{"Concurrent", testConcurrent},
		{"Cancelled", testCancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

// RunShared tests two stores that share their data, as two processes do. open returns both,
// empty. RunShared closes them.
func RunShared(t *testing.T, open func(t *testing.T) (a, b workspace.Store)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, a, b workspace.Store)
	}{
		{"SeeEachOther", testSeeEachOther},
		{"ConcurrentShared", testConcurrentShared},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := open(t)
			t.Cleanup(func() {
				if err := errors.Join(a.Close(), b.Close()); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test.run(t, a, b)
		})
	}
}

// RunDamaged tests a store with a workspace that it can't decode. open returns the store, empty,
// and a function that replaces the JSON of a stored workspace. RunDamaged closes the store.
func RunDamaged(t *testing.T, open func(t *testing.T) (s workspace.Store, replace func(t *testing.T, namespace, json string))) {
	for name, json := range map[string]string{
		"newer":   `{"workspace":{"namespace":"beta","a_rule_of_a_newer_version":true}}`,
		"damaged": `{"workspace":{"namesp`,
	} {
		t.Run(name, func(t *testing.T) {
			s, replace := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			create(t, s, "acme")
			w := create(t, s, "beta")
			replace(t, "beta", json)
			refused := func(what string, err error) {
				t.Helper()
				wantErr(t, what, err, workspace.ErrUndecodable)
				wantErr(t, what, err, workspace.ErrUnavailable)
			}
			_, err := s.Get(t.Context(), "beta")
			refused("Get", err)
			_, err = s.List(t.Context(), "", 10)
			refused("List", err)
			get(t, s, "acme") // which it can decode
			if r, ok := s.(workspace.Rereader); ok {
				var read []string
				err := r.Reread(t.Context(), []*workspace.Workspace{w, get(t, s, "acme")}, func(_ int, w *workspace.Workspace) {
					read = append(read, w.Namespace)
				})
				refused("Reread", err)
				wantSame(t, "what Reread could read", read, []string{"acme"})
			}
		})
	}
}

func create(t *testing.T, s workspace.Store, namespace string, domains ...string) *workspace.Workspace {
	t.Helper()
	w := workspace.New(namespace)
	w.Domains = append(w.Domains, domains...)
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatalf("Create(%q): %v", namespace, err)
	}
	return w
}

func get(t *testing.T, s workspace.Store, namespace string) *workspace.Workspace {
	t.Helper()
	w, err := s.Get(t.Context(), namespace)
	if err != nil {
		t.Fatalf("Get(%q): %v", namespace, err)
	}
	return w
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: error %v, want %v", what, got, want)
	}
}

func wantSame(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func testCreate(t *testing.T, s workspace.Store) {
	w := create(t, s, "acme")
	if w.ID == "" || w.Revision != 1 || w.CreatedAt.IsZero() || !w.UpdatedAt.Equal(w.CreatedAt) {
		t.Errorf("created: ID %q, revision %d, times %v and %v", w.ID, w.Revision, w.CreatedAt, w.UpdatedAt)
	}
	wantSame(t, "Get", get(t, s, "acme"), w)

	again := workspace.New("acme")
	wantErr(t, "Create again", s.Create(t.Context(), again), workspace.ErrExists)
	wantSame(t, "workspace after a refused Create", again, workspace.New("acme"))
	if other := create(t, s, "beta"); other.ID == w.ID {
		t.Errorf("two workspaces have the ID %q", w.ID)
	}
}

// Full returns a workspace with all fields set.
func Full(namespace string) *workspace.Workspace {
	w := workspace.New(namespace)
	opacity := 0.6
	w.Name = "Acme & <söhne>"
	w.AllowedOrigins = []string{"https://app.example.com", "*.example.com"}
	w.AllowedSources = []string{}
	w.HTTPSOnly, w.RequireSignature, w.PresetsOnly, w.AllowSVG, w.AllowTIFF = true, true, true, true, true
	w.Dialect, w.DefaultSource, w.StrictOptions = "imgix", "media", true
	w.FallbackFormat, w.CDNCacheControl, w.SurrogateKey, w.QuotaHeaders = "jpeg", "max-age=86400", true, true
	w.Domains = []string{"img." + namespace + ".example"}
	w.Sources = []workspace.Source{
		{Key: "photos", Kind: "http", Private: true, URL: "https://origin.example.com/photos/",
			Headers: map[string]string{"Authorization": "Bearer s3cret"}, PublicURLs: []string{"https://cdn.example.com/p/"},
			TTL: 60, Revalidate: 30, CacheControl: "public, max-age=60"},
		{Key: "media", Kind: "s3", Bucket: "acme-media", Region: "eu-west-1", Prefix: "a/", Endpoint: "https://s3.example.com",
			AccessKeyID: "AKIA", SecretAccessKey: "s3cret"},
		{Key: "vault", Kind: "r2", Bucket: "vault", AccountID: "0123456789abcdef0123456789abcdef",
			AccessKeyID: "AKIB", SecretAccessKey: "s3cret"},
	}
	w.Marks = []workspace.Mark{{Name: "brand", Image: "media/logo.png", Width: "15%", Height: "20", Size: "10", Fit: "contain",
		Align: "top,left", Pad: "3%", Opacity: &opacity, Repeat: true, AutoApplySources: []string{"photos"}}}
	w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=320&h=320&fit=cover"}}
	w.Plan = "pro"
	w.Limits = workspace.Limits{RequestsPerMinute: 1, TransformsPerMinute: 2, TransformsPerMonth: 3}
	return w
}

// Secretive returns a workspace whose secrets contain a word, and a function that reports
// whether stored bytes hold the word, as text or in hexadecimal digits.
func Secretive(namespace string) (w *workspace.Workspace, readable func(stored []byte) bool) {
	const word = "hunter2"
	w = Full(namespace)
	for i := range w.Sources {
		s := &w.Sources[i]
		if s.SecretAccessKey != "" {
			s.SecretAccessKey = word + "-" + s.Key
		}
		for name := range s.Headers {
			s.Headers[name] = word + "-" + name
		}
	}
	var secret signing.Secret
	copy(secret[:], strings.Repeat(word, 5))
	w.SigningKeys = []signing.Key{{ID: "one", Secret: secret, CreatedAt: w.CreatedAt}}
	w.DialectKeys = []workspace.DialectKey{
		{ID: "two", Dialect: "imgproxy", Key: dialect.Key{Secret: []byte(word + "-secret"), Salt: []byte(word + "-salt"), Size: 8}},
		{ID: "three", Dialect: "imgix", Key: dialect.Key{Secret: []byte(word + "-imgix")}},
	}
	return w, func(stored []byte) bool {
		return bytes.Contains(stored, []byte(word)) || bytes.Contains(stored, []byte(hex.EncodeToString([]byte(word)))) ||
			bytes.Contains(stored, []byte(base64.StdEncoding.EncodeToString([]byte(word))[:9]))
	}
}

func testEveryField(t *testing.T, s workspace.Store) {
	w := Full("acme")
	w.DialectKeys = []workspace.DialectKey{{ID: "k", Dialect: "imgproxy", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Key: dialect.Key{Secret: []byte("s3cret"), Salt: []byte("salt"), Algorithm: "sha256", Size: 8}}}
	w.Blocks = []workspace.Block{{ID: "b", Path: "photos/cat.jpg", Reason: "a request", CreatedBy: "root", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "Get", get(t, s, "acme"), w)

	// A signing key that is revoked is gone.
	w = get(t, s, "acme").Clone()
	w.DialectKeys = nil
	if err := s.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if keys := get(t, s, "acme").DialectKeys; len(keys) != 0 {
		t.Errorf("after a revocation the keys are %+v", keys)
	}
}

func testUpdate(t *testing.T, s workspace.Store) {
	created := create(t, s, "acme")
	create(t, s, "beta")
	w := get(t, s, "acme").Clone()
	w.Name, w.CreatedAt = "new", w.CreatedAt.AddDate(1, 0, 0)
	if err := s.Update(t.Context(), w); err != nil {
		t.Fatalf("Update: %v", err)
	}
	if w.Revision != 2 || w.ID != created.ID || !w.CreatedAt.Equal(created.CreatedAt) || w.UpdatedAt.Before(created.UpdatedAt) {
		t.Errorf("updated: %+v, from %+v", w, created)
	}
	wantSame(t, "Get", get(t, s, "acme"), w)
	if other := get(t, s, "beta"); other.Revision != 1 || other.Name != "" {
		t.Errorf("another workspace changed: %+v", other)
	}
}

func testUpdateConflict(t *testing.T, s workspace.Store) {
	create(t, s, "acme")
	first, second := get(t, s, "acme").Clone(), get(t, s, "acme").Clone()
	first.Name, second.Name = "first", "second"
	if err := s.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	before := second.Clone()
	wantErr(t, "Update from an old revision", s.Update(t.Context(), second), workspace.ErrConflict)
	wantSame(t, "workspace after a refused Update", second, before)
	second.Revision = 3
	wantErr(t, "Update from a revision to come", s.Update(t.Context(), second), workspace.ErrConflict)
	second.Revision = 0
	wantErr(t, "Update without a revision", s.Update(t.Context(), second), workspace.ErrConflict)
	second.Revision, second.ID = first.Revision, "another"
	wantErr(t, "Update of another ID", s.Update(t.Context(), second), workspace.ErrConflict)
	second.ID = ""
	wantErr(t, "Update without an ID", s.Update(t.Context(), second), workspace.ErrConflict)
	wantSame(t, "Get", get(t, s, "acme"), first)
}

func testDelete(t *testing.T, s workspace.Store) {
	create(t, s, "acme")
	create(t, s, "beta")
	wantErr(t, "Delete of another revision", s.Delete(t.Context(), "acme", 2), workspace.ErrConflict)
	get(t, s, "acme")
	if err := s.Delete(t.Context(), "acme", 1); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := s.Delete(t.Context(), "beta", 0); err != nil {
		t.Fatalf("Delete of any revision: %v", err)
	}
	for _, namespace := range []string{"acme", "beta"} {
		_, err := s.Get(t.Context(), namespace)
		wantErr(t, "Get after Delete", err, workspace.ErrNotFound)
		wantErr(t, "Delete again", s.Delete(t.Context(), namespace, 0), workspace.ErrNotFound)
	}
}

func testMadeAnew(t *testing.T, s workspace.Store) {
	old := create(t, s, "acme")
	held := get(t, s, "acme").Clone()
	if err := s.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	anew := create(t, s, "acme")
	if anew.ID == old.ID || anew.Revision != 1 {
		t.Errorf("made anew: ID %q (was %q), revision %d", anew.ID, old.ID, anew.Revision)
	}
	wantSame(t, "Get", get(t, s, "acme"), anew)
	held.Name = "of the old one, at the revision of the new one"
	wantErr(t, "Update of what was deleted", s.Update(t.Context(), held), workspace.ErrConflict)
	wantSame(t, "Get after a refused Update", get(t, s, "acme"), anew)
}

func testNotFound(t *testing.T, s workspace.Store) {
	_, err := s.Get(t.Context(), "nobody")
	wantErr(t, "Get", err, workspace.ErrNotFound)
	w := workspace.New("nobody")
	w.Revision = 1
	wantErr(t, "Update", s.Update(t.Context(), w), workspace.ErrNotFound)
	wantErr(t, "Delete", s.Delete(t.Context(), "nobody", 0), workspace.ErrNotFound)
	list, err := s.List(t.Context(), "", 10)
	if err != nil || len(list) != 0 {
		t.Errorf("List of an empty store: %v, %v", list, err)
	}
	create(t, s, "nobody")
	get(t, s, "nobody") // a cache must not remember the negative answer
}

func testCopies(t *testing.T, s workspace.Store) {
	spoil := func(w *workspace.Workspace) {
		w.Name = "spoilt"
		w.AllowedOrigins[0] = "spoilt"
		w.Domains[0] = "spoilt"
		w.Sources[0].Headers["Authorization"] = "spoilt"
		w.Sources[0].PublicURLs[0] = "spoilt"
		w.Sources[1].SecretAccessKey = "spoilt"
		*w.Marks[0].Opacity = 0
		w.Marks[0].AutoApplySources[0] = "spoilt"
		w.Presets[0].Options = "spoilt"
	}
	w := Full("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	want := w.Clone()
	spoil(w)
	wantSame(t, "Get after the created one was changed", get(t, s, "acme"), want)

	w = want.Clone()
	w.Name = "updated"
	if err := s.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	want = w.Clone()
	spoil(w)
	wantSame(t, "Get after the updated one was changed", get(t, s, "acme"), want)
}

func testList(t *testing.T, s workspace.Store) {
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("ws-%d", i))
	}
	for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
		create(t, s, want[i])
	}
	for _, limit := range []int{1, 3, 7, 100} {
		var got []string
		after := ""
		for {
			page, err := s.List(t.Context(), after, limit)
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			if len(page) > limit {
				t.Fatalf("List gave %d workspaces, limit %d", len(page), limit)
			}
			if len(page) == 0 {
				break
			}
			for _, w := range page {
				wantSame(t, "listed", w, get(t, s, w.Namespace))
				got = append(got, w.Namespace)
			}
			after = got[len(got)-1]
		}
		wantSame(t, fmt.Sprintf("namespaces by %d", limit), got, want)
	}
	page, err := s.List(t.Context(), "ws-3x", 2) // a namespace that doesn't exist
	if err != nil || len(page) != 2 || page[0].Namespace != "ws-4" {
		t.Errorf("List after ws-3x: %v, %v", page, err)
	}
}

func testDomains(t *testing.T, s workspace.Store) {
	a := create(t, s, "acme", "a.example.com", "b.example.com")
	for _, name := range a.Domains {
		if err := s.(workspace.Domains).VerifyDomain(t.Context(), name, "acme", time.Now()); err != nil {
			t.Fatalf("VerifyDomain: %v", err)
		}
	}
	thief := workspace.New("beta")
	thief.Domains = []string{"c.example.com", "b.example.com"}
	wantErr(t, "Create with a taken domain", s.Create(t.Context(), thief), workspace.ErrDomainTaken)
	_, err := s.Get(t.Context(), "beta")
	wantErr(t, "Get after a refused Create", err, workspace.ErrNotFound)

	b := create(t, s, "beta", "c.example.com")
	b.Domains = []string{"a.example.com"}
	wantErr(t, "Update with a taken domain", s.Update(t.Context(), b), workspace.ErrDomainTaken)
	if stored := get(t, s, "beta"); stored.Revision != 1 || !slices.Equal(stored.Domains, []string{"c.example.com"}) {
		t.Errorf("a refused Update changed the workspace: %+v", stored)
	}

	a.Domains = []string{"b.example.com"} // keeps one, gives one up
	if err := s.Update(t.Context(), a); err != nil {
		t.Fatalf("Update that gives a domain up: %v", err)
	}
	if err := s.Update(t.Context(), b); err != nil {
		t.Fatalf("Update that takes a free domain: %v", err)
	}
	if err := s.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	create(t, s, "gamma", "b.example.com", "c.example.com")
}

func testChanges(t *testing.T, s workspace.Store) {
	create(t, s, "before")
	changes, cursor, err := s.Changes(t.Context(), "")
	if err != nil || len(changes) != 0 || cursor == "" {
		t.Fatalf("Changes from the start: %v, cursor %q, %v", changes, cursor, err)
	}
	expect := func(want ...string) {
		t.Helper()
		changes, next, err := s.Changes(t.Context(), cursor)
		if err != nil {
			t.Fatalf("Changes: %v", err)
		}
		namespaces := ofWorkspaces(t, changes)
		if !slices.Equal(namespaces, want) {
			t.Fatalf("Changes: %q, want %q", namespaces, want)
		}
		cursor = next
	}
	expect()
	a := create(t, s, "acme")
	create(t, s, "beta")
	for range 3 {
		if err := s.Update(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	expect("acme", "beta") // each once
	expect()
	if err := s.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	expect("acme")
	create(t, s, "acme")
	if err := s.Delete(t.Context(), "beta", 0); err != nil {
		t.Fatal(err)
	}
	old := cursor
	expect("acme", "beta")
	cursor = old
	expect("acme", "beta") // a cursor can be used twice
	// A refused write is no change.
	if err := s.Create(t.Context(), workspace.New("acme")); err == nil {
		t.Fatal("Create of what is there succeeded")
	}
	if err := s.Delete(t.Context(), "acme", 99); err == nil {
		t.Fatal("Delete of another revision succeeded")
	}
	expect()
}

// ofWorkspaces returns the sorted namespaces of changes, which must all be of workspaces.
func ofWorkspaces(t *testing.T, changes []workspace.Change) (namespaces []string) {
	t.Helper()
	for _, c := range changes {
		if c.Kind != workspace.ChangedWorkspace {
			t.Errorf("Changes: %+v", c)
		}
		namespaces = append(namespaces, c.Namespace)
	}
	slices.Sort(namespaces)
	return namespaces
}

func testChangesCursor(t *testing.T, s workspace.Store) {
	_, _, err := s.Changes(t.Context(), "no cursor of ours")
	wantErr(t, "Changes from a foreign cursor", err, workspace.ErrCursor)
}

// testReread reads many workspaces at once: those that are as they were, that have changed or
// purged, were made anew or deleted.
func testReread(t *testing.T, s workspace.Store) {
	many, ok := s.(workspace.Rereader)
	purges, purging := s.(workspace.Purges)
	if !ok || !purging {
		t.Skip("this store reads one at a time")
	}
	purge := func(w *workspace.Workspace) {
		t.Helper()
		log, _, err := purges.AddPurges(t.Context(), w.Namespace, w.ID, w.Purges, []workspace.Purge{{Kind: workspace.PurgeAll}})
		if err != nil {
			t.Fatal(err)
		}
		w.Purges = log
	}
	var known, want []*workspace.Workspace
	for i := range 120 {
		w := create(t, s, fmt.Sprintf("reread-%03d", i))
		w = get(t, s, w.Namespace).Clone() // as stores return it
		if i%10 == 9 {
			purge(w)
		}
		known = append(known, w.Clone())
		switch i % 10 {
		case 1:
			w.Name = "changed"
			if err := s.Update(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		case 3, 9:
			purge(w)
		case 5:
			if err := s.Delete(t.Context(), w.Namespace, 0); err != nil {
				t.Fatal(err)
			}
			w = nil
		case 7:
			if err := s.Delete(t.Context(), w.Namespace, 0); err != nil {
				t.Fatal(err)
			}
			w = create(t, s, w.Namespace)
			purge(w)
		}
		want = append(want, w)
	}
	got := map[int]*workspace.Workspace{}
	if err := many.Reread(t.Context(), known, func(i int, w *workspace.Workspace) { got[i] = w }); err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		switch is, ok := got[i]; {
		case !ok:
			t.Errorf("%s was not read", known[i].Namespace)
		case w == nil && is != nil:
			t.Errorf("%s is deleted, and was read: %+v", known[i].Namespace, is)
		case w != nil && (is == nil || is.ID != w.ID || is.Revision != w.Revision || is.Name != w.Name || is.Purges.Sequence != w.Purges.Sequence || len(is.Purges.Purges) != len(w.Purges.Purges)):
			t.Errorf("%s is %+v, and was read as %+v", known[i].Namespace, w, is)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := many.Reread(ctx, known, func(int, *workspace.Workspace) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context has ended: %v", err)
	}
}

// update changes a workspace. It starts over if another write came between.
func update(ctx context.Context, s workspace.Store, namespace string, change func(*workspace.Workspace)) error {
	for {
		w, err := s.Get(ctx, namespace)
		if err != nil {
			return err
		}
		w = w.Clone()
		change(w)
		if err := s.Update(ctx, w); !errors.Is(err, workspace.ErrConflict) {
			return err
		}
	}
}

// race updates one workspace from many goroutines, spread over the stores, and tests that
// no update is lost.
func race(t *testing.T, stores ...workspace.Store) {
	t.Helper()
	writers, updates := Soak(10, 20), 3
	create(t, stores[0], "acme")
	var wg sync.WaitGroup
	for i := range writers {
		s := stores[i%len(stores)]
		wg.Go(func() {
			for range updates {
				err := update(t.Context(), s, "acme", func(w *workspace.Workspace) { w.Limits.RequestsPerMinute++ })
				if err != nil {
					t.Errorf("update: %v", err)
					return
				}
				if _, err := s.Get(t.Context(), "acme"); err != nil {
					t.Errorf("Get: %v", err)
				}
			}
		})
	}
	wg.Wait()
	list, err := stores[0].List(t.Context(), "", 1) // List reads the store, and Get may read a cache
	if err != nil || len(list) != 1 {
		t.Fatalf("List: %v, %v", list, err)
	}
	if w := list[0]; w.Limits.RequestsPerMinute != writers*updates || w.Revision != int64(1+writers*updates) {
		t.Errorf("%d updates left %d, at revision %d", writers*updates, w.Limits.RequestsPerMinute, w.Revision)
	}
}

func testConcurrent(t *testing.T, s workspace.Store) {
	race(t, s)
	// Only one of several creations of a namespace succeeds.
	var wg sync.WaitGroup
	results := make([]error, 20)
	for i := range results {
		wg.Go(func() { results[i] = s.Create(t.Context(), workspace.New("once")) })
	}
	wg.Wait()
	made := 0
	for _, err := range results {
		if err == nil {
			made++
		} else {
			wantErr(t, "Create", err, workspace.ErrExists)
		}
	}
	if made != 1 {
		t.Errorf("%d creations of one namespace succeeded", made)
	}
}

// canceled returns a canceled context.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func testCancelled(t *testing.T, s workspace.Store) {
	created := create(t, s, "acme")
	ctx := canceled(t)
	w := created.Clone()
	w.Name = "late"
	_, getErr := s.Get(ctx, "nobody") // a cache may answer for a workspace that it knows
	_, listErr := s.List(ctx, "", 10)
	_, _, changesErr := s.Changes(ctx, "")
	for name, err := range map[string]error{
		"Get": getErr, "List": listErr, "Changes": changesErr,
		"Create": s.Create(ctx, workspace.New("beta")), "Update": s.Update(ctx, w), "Delete": s.Delete(ctx, "acme", 0),
	} {
		wantErr(t, name, err, context.Canceled)
	}
	wantSame(t, "Get", get(t, s, "acme"), created)
	_, err := s.Get(t.Context(), "beta")
	wantErr(t, "Get", err, workspace.ErrNotFound)
}

func testSeeEachOther(t *testing.T, a, b workspace.Store) {
	_, cursor, err := b.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	w := create(t, a, "acme", "a.example.com")
	wantSame(t, "Get through the other", get(t, b, "acme"), w)
	if err := a.(workspace.Domains).VerifyDomain(t.Context(), "a.example.com", "acme", time.Now()); err != nil {
		t.Fatal(err)
	}
	taken := workspace.New("beta")
	taken.Domains = []string{"a.example.com"}
	wantErr(t, "Create through the other", b.Create(t.Context(), taken), workspace.ErrDomainTaken)
	changes, _, err := b.Changes(t.Context(), cursor)
	want := []workspace.Change{{Kind: workspace.ChangedWorkspace, Namespace: "acme"}, {Kind: workspace.ChangedDomains, Namespace: "acme"}}
	if err != nil || !slices.Equal(changes, want) {
		t.Errorf("Changes through the other: %v, %v", changes, err)
	}
	if err := b.Delete(t.Context(), "acme", 1); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "Update of what the other deleted", a.Update(t.Context(), w), workspace.ErrNotFound)
}

func testConcurrentShared(t *testing.T, a, b workspace.Store) { race(t, a, b) }
