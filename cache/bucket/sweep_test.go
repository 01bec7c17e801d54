package bucket_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/tintype/tintype/cache/bucket"
	"github.com/tintype/tintype/internal/versitygw"
)

// later is a clock that is ahead.
func later(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

const month = 30 * 24 * time.Hour

// TestSweep deletes what is old, by few requests, and by more where a store knows no better.
func TestSweep(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	for _, test := range []struct {
		name    string
		objects int
		refuse  int // status of batches; 0 is none
		deletes map[string]int
	}{
		{"batches", 1010, 0, map[string]int{"batch DELETE": 2}},
		{"one by one", 10, http.StatusNotImplemented, map[string]int{"batch DELETE": 1, "DELETE": 10}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c counter
			url := fake(t, func(h http.Handler) http.Handler {
				return c.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if test.refuse != 0 && r.URL.Query().Has("delete") {
						w.WriteHeader(test.refuse)
						return
					}
					h.ServeHTTP(w, r)
				}))
			})
			b := open(t, bucket.Config{URL: url, GetTimeout: time.Minute, Clock: later(month + time.Hour), SweepPause: time.Microsecond})
			keys := variants("old", test.objects)
			for _, key := range keys {
				b.Put(t.Context(), key, entry("picture"))
			}
			flush(b)
			if n, err := b.Sweep(t.Context(), month+2*time.Hour); n != 0 || err != nil {
				t.Fatalf("%d that are not old enough were deleted, %v", n, err)
			}
			c.take()
			n, err := b.Sweep(t.Context(), month)
			if n != len(keys) || err != nil {
				t.Fatalf("%d of %d were deleted, %v", n, len(keys), err)
			}
			counts := c.take()
			for what, want := range test.deletes {
				if counts[what] != want {
					t.Errorf("%v, want %v", counts, test.deletes)
				}
			}
			for _, key := range keys[:10] {
				if e, _ := b.Get(t.Context(), key); e != nil {
					t.Fatal("there after all")
				}
			}
		})
	}
}

// TestSweepOfGateway: a real store takes the same requests.
func TestSweepOfGateway(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "cache")
	url := "s3://cache/?region=" + gateway.Region + "&endpoint=" + gateway.Endpoint
	b := open(t, bucket.Config{URL: url, GetTimeout: time.Minute, FilterBytes: 1 << 20, Clock: later(2 * month), SweepPause: time.Microsecond})
	for _, key := range variants("old", 5) {
		b.Put(t.Context(), key, entry("picture"))
	}
	flush(b)
	if err := b.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := gateway.List(t, "cache", ""); len(got) != 6 {
		t.Errorf("the bucket holds %q", got)
	}
	if n, err := b.Sweep(t.Context(), month); n != 6 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	if left := gateway.List(t, "cache", ""); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
