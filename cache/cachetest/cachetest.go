// Package cachetest tests what every [cache.Cache] must do. For most uses, call [Run] in a
// test of the implementation.
package cachetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/cache"
)

// Run tests the caches that open returns. Each must be new and empty, have room for 128 MiB,
// and keep entries of 16 MiB. open must close them with t.Cleanup. flush must wait until the
// entries that were put can be read from the place where the cache keeps them.
func Run(t *testing.T, open func(t *testing.T) cache.Cache, flush func(cache.Cache)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c suite)
	}{
		{"miss", testMiss},
		{"every field", testEveryField},
		{"zero fields", testZeroFields},
		{"body sizes", testBodySizes},
		{"overwrite", testOverwrite},
		{"delete", testDelete},
		{"expiry", testExpiry},
		{"expired entry replaces", testExpiredReplaces},
		{"error entry replaces", testErrorReplaces},
		{"later writes by the caller", testLaterWrites},
		{"similar keys", testSimilarKeys},
		{"concurrent use", testConcurrentUse},
		{"concurrent delete", testConcurrentDelete},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(t)
			test.run(t, suite{c, func() { flush(c) }})
		})
	}
}

// A suite is the cache under test.
type suite struct {
	cache.Cache
	flush func()
}

// testKey returns a key made of a number.
func testKey(n uint64) (key cache.Key) {
	for i := range len(key) / 8 {
		binary.BigEndian.PutUint64(key[8*i:], n)
	}
	return key
}

// testEntry returns an entry with all fields but those of errors. They differ for each n.
func testEntry(n uint64) *cache.Entry {
	now := time.Now()
	body := make([]byte, 1000+n%5000)
	random := rand.New(rand.NewPCG(n, 0))
	for i := range body {
		body[i] = byte(random.Uint32())
	}
	return &cache.Entry{
		Body:        body,
		ContentType: fmt.Sprintf("image/webp; n=%d", n),
		ETag:        fmt.Sprintf(`"%016x"`, n),
		Width:       int(n)%8192 + 1, Height: int(n)%100 + 1, Frames: int(n)%10 + 1,
		OriginETag:         fmt.Sprintf(`W/"%d"`, n),
		OriginLastModified: "Tue, 15 Nov 1994 12:45:26 GMT",
		OriginHashes:       [][32]byte{{byte(n)}},
		Redirects:          []cache.Redirect{{Original: 0, URL: "https://a.test/a b"}, {Original: 1, URL: fmt.Sprintf("https://b.test/%d", n)}},
		LastPurge:          int64(n),
		Partial:            n%2 == 1,
		Quality:            int(n % 3),
		StoredAt:           now.Add(-time.Duration(n) * time.Second),
		RevalidateAt:       now.Add(time.Hour + time.Duration(n)),
		ExpiresAt:          now.Add(24*time.Hour + time.Duration(n)),
	}
}

// wantEntry fails the test unless the cache has the entry under key.
func (c suite) wantEntry(t *testing.T, key cache.Key, want *cache.Entry) {
	t.Helper()
	got, tier := c.Get(t.Context(), key)
	if got == nil {
		t.Fatal("Get: a miss")
	}
	if tier == "" {
		t.Error("Get: an entry of no tier")
	}
	// cmp would take minutes over 10 MB that differ.
	if !bytes.Equal(got.Body, want.Body) {
		t.Fatalf("Get: body of %d bytes differs from the %d bytes that were put", len(got.Body), len(want.Body))
	}
	g, w := *got, *want
	g.Body, w.Body = nil, nil
	if diff := cmp.Diff(w, g); diff != "" {
		t.Fatalf("Get (-want +got):\n%s", diff)
	}
}

// wantMiss fails the test if the cache has an entry under key.
func (c suite) wantMiss(t *testing.T, key cache.Key) {
	t.Helper()
	if e, tier := c.Get(t.Context(), key); e != nil || tier != "" {
		t.Fatalf("Get: entry %+v of tier %q, want a miss", e, tier)
	}
}

func testMiss(t *testing.T, c suite) {
	c.wantMiss(t, testKey(1))
	c.Put(t.Context(), testKey(1), testEntry(1))
	c.flush()
	c.wantMiss(t, testKey(2))
}

func testEveryField(t *testing.T, c suite) {
	want := testEntry(1)
	c.Put(t.Context(), testKey(1), want)
	c.flush()
	c.wantEntry(t, testKey(1), want)
	c.wantEntry(t, testKey(1), want) // now perhaps from a faster tier
}

func testZeroFields(t *testing.T, c suite) {
	c.Put(t.Context(), testKey(1), &cache.Entry{})
	c.flush()
	c.wantEntry(t, testKey(1), &cache.Entry{})
}

func testBodySizes(t *testing.T, c suite) {
	for i, size := range []int{0, 1, 4095, 4096, 4097, 10 << 20} {
		e := testEntry(uint64(i))
		e.Body = bytes.Repeat([]byte{byte(i) + 1}, size)
		c.Put(t.Context(), testKey(uint64(i)), e)
		c.flush()
		c.wantEntry(t, testKey(uint64(i)), e)
	}
}

func testOverwrite(t *testing.T, c suite) {
	var last *cache.Entry
	for n := range uint64(10) {
		last = testEntry(n)
		c.Put(t.Context(), testKey(1), last)
		if n%2 == 0 {
			c.flush()
		}
		c.wantEntry(t, testKey(1), last)
	}
	c.flush()
	c.wantEntry(t, testKey(1), last)
}

func testDelete(t *testing.T, c suite) {
	c.Delete(t.Context(), testKey(1))
	other := testEntry(2)
	c.Put(t.Context(), testKey(2), other)
	for _, flushed := range []bool{true, false} {
		e := testEntry(1)
		c.Put(t.Context(), testKey(1), e)
		if flushed {
			c.flush()
			c.wantEntry(t, testKey(1), e)
		}
		c.Delete(t.Context(), testKey(1))
		c.wantMiss(t, testKey(1))
		c.flush()
		c.wantMiss(t, testKey(1))
	}
	c.wantEntry(t, testKey(2), other)
}

func testExpiry(t *testing.T, c suite) {
	e := testEntry(1)
	e.ExpiresAt = time.Now().Add(50 * time.Millisecond)
	c.Put(t.Context(), testKey(1), e)
	c.flush()
	never := testEntry(2)
	never.ExpiresAt = time.Time{}
	c.Put(t.Context(), testKey(2), never)
	c.flush()
	// This takes real time, since a synctest bubble can't hold a cache with a network.
	<-time.After(time.Until(e.ExpiresAt))
	c.wantMiss(t, testKey(1))
	c.wantMiss(t, testKey(1))
	c.wantEntry(t, testKey(2), never)
}

func testExpiredReplaces(t *testing.T, c suite) {
	c.Put(t.Context(), testKey(1), testEntry(1))
	c.flush()
	e := testEntry(2)
	e.ExpiresAt = time.Now().Add(-time.Second)
	c.Put(t.Context(), testKey(1), e)
	c.wantMiss(t, testKey(1))
	c.flush()
	c.wantMiss(t, testKey(1))
}

// testErrorReplaces puts errors. A cache may keep them or not, but it must not return the
// entry from before the error.
func testErrorReplaces(t *testing.T, c suite) {
	failure := &cache.Entry{
		Code: "NOT_FOUND", Message: "no original there",
		StoredAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}
	for _, flushed := range []bool{true, false} {
		c.Put(t.Context(), testKey(1), testEntry(1))
		if flushed {
			c.flush()
		}
		c.Put(t.Context(), testKey(1), failure)
		c.flush()
		if e, _ := c.Get(t.Context(), testKey(1)); e != nil {
			c.wantEntry(t, testKey(1), failure)
		}
	}
	after := testEntry(2)
	c.Put(t.Context(), testKey(1), after)
	c.flush()
	c.wantEntry(t, testKey(1), after)
}

// testLaterWrites changes the fields of an entry after Put. The bytes of its body belong to
// the cache, and stay.
func testLaterWrites(t *testing.T, c suite) {
	e := testEntry(1)
	want := *e
	c.Put(t.Context(), testKey(1), e)
	*e = cache.Entry{Body: []byte("another"), ContentType: "text/plain"}
	c.wantEntry(t, testKey(1), &want)
	c.flush()
	c.wantEntry(t, testKey(1), &want)
}

func testSimilarKeys(t *testing.T, c suite) {
	entries := map[cache.Key]*cache.Entry{}
	for bit := range len(cache.Key{}) * 8 {
		var key cache.Key
		key[bit/8] = 1 << (bit % 8)
		entries[key] = testEntry(uint64(bit))
		c.Put(t.Context(), key, entries[key])
	}
	c.flush()
	for key, e := range entries {
		c.wantEntry(t, key, e)
	}
}

// testConcurrentUse puts, gets and deletes a few keys from many goroutines. Each entry that
// is found must be one that was put under its key, as a whole.
func testConcurrentUse(t *testing.T, c suite) {
	const keys, goroutines, rounds = 4, 8, 150
	var wg sync.WaitGroup
	for g := range uint64(goroutines) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(g, 1))
			for range rounds {
				k := random.Uint64N(keys)
				switch random.IntN(6) {
				case 0:
					c.Delete(t.Context(), testKey(k))
				case 1, 2:
					n := random.Uint64N(1000)*keys + k
					c.Put(t.Context(), testKey(k), testEntry(n))
				default:
					e, _ := c.Get(t.Context(), testKey(k))
					if e == nil {
						continue
					}
					var n uint64
					if _, err := fmt.Sscanf(e.ETag, `"%x"`, &n); err != nil || n%keys != k {
						t.Errorf("key %d: entry with ETag %s", k, e.ETag)
						return
					}
					if want := testEntry(n); !bytes.Equal(e.Body, want.Body) || e.ContentType != want.ContentType {
						t.Errorf("key %d: entry %d is not as it was put", k, n)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	c.flush()
	for k := range uint64(keys) {
		e := testEntry(k)
		// The load may have been too much for a server behind the cache, and the cache may
		// pause its requests for a while. So try again.
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			c.Put(t.Context(), testKey(k), e)
			c.flush()
			if got, _ := c.Get(t.Context(), testKey(k)); got != nil {
				break
			}
		}
		c.wantEntry(t, testKey(k), e)
		c.Delete(t.Context(), testKey(k))
		c.wantMiss(t, testKey(k))
	}
}

// testConcurrentDelete puts and deletes an entry while readers may copy it from one tier to
// another. No reader may bring it back.
func testConcurrentDelete(t *testing.T, c suite) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					c.Get(t.Context(), testKey(1))
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	for n := range uint64(100) {
		c.Put(t.Context(), testKey(1), testEntry(n))
		if n%2 == 0 {
			c.flush()
		}
		c.Delete(t.Context(), testKey(1))
		c.wantMiss(t, testKey(1))
	}
}
