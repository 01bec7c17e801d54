package bucket_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/cache/bucket"
	"github.com/tintype/tintype/internal/versitygw"
)

// asksFor is a context that asks for bytes first to last.
func asksFor(ctx context.Context, first, last int64) context.Context {
	return cache.WithPart(ctx, func(*cache.Entry, int64) (int64, int64, bool) { return first, last, true })
}

// TestPart: of a large body only the part that is asked for is read.
func TestPart(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	large := entry("")
	random := rand.New(rand.NewPCG(1, 1))
	large.Body = make([]byte, 5<<20)
	for i := range large.Body {
		large.Body[i] = byte(random.Uint32())
	}
	small := entry("picture")
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "cache")
	var mu sync.Mutex
	var asked []string
	fakeURL := fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				mu.Lock()
				asked = append(asked, r.Header.Get("Range"))
				mu.Unlock()
			}
			h.ServeHTTP(w, r)
		})
	})
	for name, url := range map[string]string{
		"fake": fakeURL, "VersityGW": "s3://cache/?region=" + gateway.Region + "&endpoint=" + gateway.Endpoint,
	} {
		t.Run(name, func(t *testing.T) {
			var reserved int64
			b := open(t, bucket.Config{URL: url, GetTimeout: time.Minute, Reserve: func(_ context.Context, n int64) (func(), bool) {
				reserved += n
				return func() {}, true
			}})
			b.Put(t.Context(), key(1), large)
			b.Put(t.Context(), key(2), small)
			stale := *large
			stale.RevalidateAt = time.Now().Add(-time.Second)
			b.Put(t.Context(), key(3), &stale)
			flush(b)
			size := int64(len(large.Body))
			for _, part := range [][2]int64{{0, 0}, {0, 99}, {1 << 20, 1<<20 + 99}, {size - 1, size - 1}, {100_000, 300_000}} {
				reserved = 0
				e, tier := b.Get(asksFor(t.Context(), part[0], part[1]), key(1))
				if e == nil || tier != "bucket" {
					t.Fatalf("%v: a miss", part)
				}
				if e.Part == nil || *e.Part != (cache.Part{First: part[0], Size: size}) || !bytes.Equal(e.Body, large.Body[part[0]:part[1]+1]) {
					t.Errorf("%v: %+v and %d bytes", part, e.Part, len(e.Body))
				}
				if e.ETag != large.ETag || e.ContentType != large.ContentType || !e.ExpiresAt.Equal(large.ExpiresAt) {
					t.Errorf("%v: %q %q %v", part, e.ETag, e.ContentType, e.ExpiresAt)
				}
				if reserved > int64(len(e.Body)) {
					t.Errorf("%v: memory for %d bytes", part, reserved)
				}
			}
			// None of it is read where nothing is asked for.
			reserved = 0
			for range 3 {
				e, tier := b.Get(asksFor(t.Context(), 9, 0), key(1))
				if e == nil || tier != "bucket" || e.Part == nil || e.Part.Size != size || len(e.Body) != 0 || e.ETag != large.ETag || reserved > 0 {
					t.Errorf("nothing: %+v, memory for %d bytes", e, reserved)
				}
			}
			// The whole is read where it is asked for, or has to be renewed, and where it is small.
			whole := cache.WithPart(t.Context(), func(*cache.Entry, int64) (int64, int64, bool) { return 0, 0, false })
			for what, got := range map[string]func() (*cache.Entry, string){
				"no part":        func() (*cache.Entry, string) { return b.Get(t.Context(), key(1)) },
				"the whole":      func() (*cache.Entry, string) { return b.Get(whole, key(1)) },
				"stale":          func() (*cache.Entry, string) { return b.Get(asksFor(t.Context(), 0, 9), key(3)) },
				"behind the end": func() (*cache.Entry, string) { return b.Get(asksFor(t.Context(), size, size), key(1)) },
			} {
				if e, _ := got(); e == nil || e.Part != nil || !bytes.Equal(e.Body, large.Body) {
					t.Errorf("%s: not the whole", what)
				}
			}
			if e, _ := b.Get(asksFor(t.Context(), 0, 1), key(2)); e == nil || e.Part != nil || !bytes.Equal(e.Body, small.Body) {
				t.Error("small: not the whole")
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 2*5+3+5 || asked[1][:6] != "bytes=" {
		t.Errorf("ranges of requests: %q", asked)
	}
}

// TestPartAbove: a part goes into no tier, and joins nobody.
func TestPartAbove(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	large := entry("")
	large.Body = bytes.Repeat([]byte("0123456789"), 200_000)
	b := open(t, bucket.Config{URL: fake(t, unchanged), GetTimeout: time.Minute})
	b.Put(t.Context(), key(1), large)
	flush(b)
	l := &cache.Loader{Cache: cache.NewTiered(cache.NewMemory(64<<20), b)}
	for range 2 {
		e, o, err := l.Load(asksFor(t.Context(), 3, 5), key(1), nil)
		if err != nil || o.Tier != "bucket" || string(e.Body) != "345" {
			t.Fatalf("%v %+v", err, o)
		}
	}
	for _, tier := range []string{"bucket", "memory"} {
		if e, o, err := l.Load(t.Context(), key(1), nil); err != nil || o.Tier != tier || !bytes.Equal(e.Body, large.Body) {
			t.Fatalf("%v %+v", err, o)
		}
	}
	// What a fill makes is the whole, for others too.
	e, _, err := l.Load(asksFor(t.Context(), 3, 5), key(9), func(ctx context.Context, _ *cache.Entry) (*cache.Entry, error) {
		if cache.PartAsked(ctx) != nil {
			t.Error("a fill is asked for a part")
		}
		return large, nil
	})
	if err != nil || e.Part != nil || len(e.Body) != len(large.Body) {
		t.Errorf("%v, %d bytes", err, len(e.Body))
	}
}

// TestOtherPart: what a store sends of another place is not served.
func TestOtherPart(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	large := entry("")
	large.Body = bytes.Repeat([]byte("0123456789"), 200_000)
	wrong := false
	b := open(t, bucket.Config{GetTimeout: time.Minute, URL: fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				wrong = true
				r.Header.Set("Range", "bytes=0-2")
			}
			h.ServeHTTP(w, r)
		})
	})})
	b.Put(t.Context(), key(1), large)
	flush(b)
	e, _ := b.Get(asksFor(t.Context(), 1_000_003, 1_000_005), key(1))
	switch {
	case !wrong:
		t.Error("no part was asked for")
	case e == nil: // a miss
	case e.Part == nil && bytes.Equal(e.Body, large.Body):
	case e.Part != nil && string(e.Body) == "345":
	default:
		t.Errorf("%+v, %q", e.Part, e.Body[:min(len(e.Body), 20)])
	}
}
