package delivery

import (
	"context"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// TestUnusableSettings: what is wrong with a workspace is no fault of those who ask for
// its images. They aren't told what it is; the log is, once.
func TestUnusableSettings(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*workspace.Workspace){
		"preset": func(w *workspace.Workspace) {
			w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=%zz&secret-reason"}}
		},
		"source":  func(w *workspace.Workspace) { w.Sources[0].URL = "http://secret-reason:99999/" },
		"pattern": func(w *workspace.Workspace) { w.AllowedSources = []string{"secret-reason:99999"} },
	} {
		w := b.acme(change)
		w.Namespace, w.ID = name, name
		b.registry.Put(w) // a store may hold what an older version took
		for range 3 {
			got := b.get("/" + name + "/photos/cat.jpg")
			if c := code(t, got); got.Code != 500 || c != "INTERNAL_ERROR" || !strings.Contains(got.Body.String(), "ask its owner") || strings.Contains(got.Body.String(), "secret-reason") {
				t.Errorf("%s: %d %s", name, got.Code, got.Body)
			}
		}
		if err := b.Check(w); err == nil {
			t.Errorf("%s: Check finds nothing", name)
		}
	}
	if n := strings.Count(b.log.String(), "settings of a workspace can't be used"); n != 3 {
		t.Errorf("%d lines for 3 workspaces", n)
	}
	for _, why := range []string{"preset thumb: ", "source photos: ", "secret-reason:99999"} {
		if !strings.Contains(b.log.String(), why) {
			t.Errorf("the log doesn't say %q", why)
		}
	}
	if err := b.Check(b.acme()); err != nil {
		t.Error(err)
	}
}

// TestBucketsAreMadeForFetches: the client of a bucket is made for the first fetch from it, and
// once. That holds up nobody else: neither other sources of the workspace nor other workspaces.
func TestBucketsAreMadeForFetches(t *testing.T) {
	var made atomic.Int64
	var keys []string
	picture := deliverytest.Photo(t, 20, 20)
	entered, release := make(chan struct{}, 16), make(chan struct{})
	b := newBench(t, func(c *setup) {
		c.Bucket = func(s workspace.Source) (origin.Source, error) {
			made.Add(1)
			entered <- struct{}{}
			<-release
			return bucketOf{&keys, picture, s}, nil
		}
	})
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "slow", Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: "a", SecretAccessKey: "b"})
	}))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID = "other", "" }))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if w := b.get("/acme/slow/cat.jpg"); w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	<-entered
	for _, target := range []string{"/acme/photos/cat.jpg", "/other/photos/cat.jpg"} {
		if w := b.get(target); w.Code != 200 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	close(release)
	wg.Wait()
	if w := b.get("/acme/slow/dog.jpg"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if n := made.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
}

// TestRotationKeepsTheCache: new credentials are used for the next fetch, and what is
// cached stays. Another place is another cache.
func TestRotationKeepsTheCache(t *testing.T) {
	var keys []string
	picture := deliverytest.Photo(t, 20, 20)
	b := newBench(t, func(c *setup) {
		c.Bucket = func(s workspace.Source) (origin.Source, error) { return bucketOf{&keys, picture, s}, nil }
	})
	b.upstream.Serve("/photos/dog.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	b.upstream.Serve("/elsewhere/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	with := func(url, header, key string) {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.Sources = []workspace.Source{
				{Key: "photos", Kind: "http", URL: b.upstream.URL + url, Headers: map[string]string{"X-Token": header}},
				{Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: key, SecretAccessKey: key},
			}
		}))
	}
	hit := func(target string) bool { return strings.Contains(b.get(target).Header().Get("Cache-Status"), "; hit") }
	with("/photos/", "one", "one")
	for _, target := range []string{"/acme/photos/cat.jpg?w=9", "/acme/media/a.jpg?w=9"} {
		if hit(target) || !hit(target) {
			t.Fatal(target)
		}
	}
	with("/photos/", "two", "two")
	for _, target := range []string{"/acme/photos/cat.jpg?w=9", "/acme/media/a.jpg?w=9"} {
		if !hit(target) {
			t.Errorf("%s: rotation emptied the cache", target)
		}
	}
	b.get("/acme/media/b.jpg?w=9")
	if got := strings.Join(keys, " "); got != "one two" {
		t.Errorf("fetched with %s", got)
	}
	with("/elsewhere/", "two", "two")
	if hit("/acme/photos/cat.jpg?w=9") {
		t.Error("another place is served from the cache of the old one")
	}
}

// bucketOf notes with which key it is read.
type bucketOf struct {
	keys    *[]string
	picture []byte
	workspace.Source
}

func (s bucketOf) Fetch(context.Context, origin.Key, origin.Validators) (*origin.Object, error) {
	*s.keys = append(*s.keys, s.AccessKeyID)
	return &origin.Object{Body: s.picture}, nil
}

// TestPlaceIDStays: the id of sources without secrets is what it was in earlier versions,
// whose caches count on.
func TestPlaceIDStays(t *testing.T) {
	for want, s := range map[string]workspace.Source{
		"22c19b4a4194cb867aa53f65c25ffdea": {Key: "photos", Kind: "http", URL: "https://o.example.com/photos/", Private: true, TTL: 9},
		"dce346e8d77d7ebae7e2b812b9b9f751": {Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1", Prefix: "a/", SecretAccessKey: "x"},
		"21365ed8e4d00fae9c0bc66f7d421739": {Key: "r", Kind: "r2", Bucket: "media", AccountID: "0123456789abcdef0123456789abcdef", AccessKeyID: "x"},
	} {
		if got := hex.EncodeToString([]byte(placeID(s))); got != want {
			t.Errorf("%s: %s, want %s", s.Key, got, want)
		}
	}
}
