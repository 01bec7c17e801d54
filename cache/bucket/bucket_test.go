package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rs/zerolog"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/cache/bucket"
	"github.com/tintype/tintype/cache/cachetest"
	"github.com/tintype/tintype/internal/versitygw"
)

// Test credentials. The tests search outputs for their parts.
const (
	accessKey = "AKIASEEDEDACCESSKEY0"
	secretKey = "seeded/secret+access=key"
)

// setCredentials sets the test credentials as the only ones in the environment.
func setCredentials(t *testing.T, accessKey, secretKey string) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

func open(t *testing.T, c bucket.Config) *bucket.Cache {
	t.Helper()
	b, err := bucket.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func flush(c cache.Cache) {
	if err := c.(*bucket.Cache).Drain(context.Background()); err != nil {
		panic(err)
	}
}

func key(n byte) cache.Key { return cache.Key{n, 1, 31: n} }

func entry(body string) *cache.Entry {
	now := time.Now().UTC().Round(0)
	return &cache.Entry{
		Body: []byte(body), ContentType: "image/webp", ETag: `"x"`, Width: 400, Height: 300, Frames: 1,
		StoredAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

// fake serves a bucket "cache" from memory.
func fake(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("cache"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wrap(gofakes3.New(backend).Server()))
	t.Cleanup(server.Close)
	return "s3://cache/tintype?region=auto&endpoint=" + server.URL
}

func unchanged(h http.Handler) http.Handler { return h }

func TestFakeConforms(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	cachetest.Run(t, func(t *testing.T) cache.Cache {
		return open(t, bucket.Config{URL: fake(t, unchanged), GetTimeout: time.Minute})
	}, flush)
}

func TestVersityGWConforms(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	gateway := versitygw.Start(t, accessKey, secretKey)
	var made atomic.Int32
	cachetest.Run(t, func(t *testing.T) cache.Cache {
		name := fmt.Sprintf("cache-%d", made.Add(1))
		gateway.CreateBucket(t, name)
		return open(t, bucket.Config{
			URL:        "s3://" + name + "/?region=" + gateway.Region + "&endpoint=" + gateway.Endpoint,
			GetTimeout: time.Minute,
		})
	}, flush)
}

// TestObjects checks the objects in the bucket, directly and through another node.
func TestObjects(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "cache")
	url := "s3://cache/img/tintype/?region=" + gateway.Region + "&endpoint=" + gateway.Endpoint
	patient := bucket.Config{URL: url, GetTimeout: time.Minute}
	a, b := open(t, patient), open(t, patient)

	want := entry("picture")
	a.Put(t.Context(), key(7), want)
	flush(a)
	name := "img/tintype/v1/07/" + key(7).String()
	if diff := cmp.Diff([]string{name}, gateway.List(t, "cache", "")); diff != "" {
		t.Fatalf("objects (-want +got):\n%s", diff)
	}
	head := gateway.Head(t, "cache", name)
	if got := *head.ContentType; got != "application/octet-stream" {
		t.Errorf("Content-Type: %s", got)
	}
	if diff := cmp.Diff(map[string]string{"tintype-type": "image/webp", "tintype-size": "400x300"}, head.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if head.CacheControl == nil || !strings.HasPrefix(*head.CacheControl, "private, max-age=3") {
		t.Errorf("Cache-Control: %v", head.CacheControl)
	}
	if head.ExpiresString == nil || *head.ExpiresString != want.ExpiresAt.Format(http.TimeFormat) {
		t.Errorf("Expires: %v", head.ExpiresString)
	}

	got, tier := b.Get(t.Context(), key(7))
	if diff := cmp.Diff(want, got); diff != "" || tier != "bucket" {
		t.Errorf("other node, tier %q (-want +got):\n%s", tier, diff)
	}

	for what, stored := range map[string][]byte{
		"torn": []byte("tintype\x01torn"), "empty": {}, "other version": []byte("tintype\x7f" + strings.Repeat("x", 200)),
		"huge": make([]byte, 17<<20),
	} {
		gateway.Put(t, "cache", name, stored)
		if e, tier := b.Get(t.Context(), key(7)); e != nil || tier != "" {
			t.Errorf("%s: %+v", what, e)
		}
	}
	if s := b.Stats(); s.Corrupt != 2 || s.Failures != 0 || s.Hits != 1 || s.Misses != 4 {
		t.Errorf("stats: %+v", s)
	}
	b.Put(t.Context(), key(7), want) // over what couldn't be read
	flush(b)
	if e, _ := a.Get(t.Context(), key(7)); e == nil {
		t.Error("what was put over a torn entry is a miss")
	}
	a.Delete(t.Context(), key(7))
	flush(a)
	if e, _ := b.Get(t.Context(), key(7)); e != nil {
		t.Error("what one node has deleted, another still has")
	}
}

// A watched context signals when somebody begins to wait for its end. A lookup has then
// joined the one that runs.
type watched struct {
	context.Context
	waiting chan<- struct{}
}

func (w watched) Done() <-chan struct{} {
	w.waiting <- struct{}{}
	return w.Context.Done()
}

// TestOneRequest: many lookups of one key at the same time make one request.
func TestOneRequest(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	var gets, deletes atomic.Int32
	waiting, release := make(chan struct{}, 100), make(chan struct{})
	url := fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case "GET":
				gets.Add(1)
				<-release
			case "DELETE":
				deletes.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	writer, reader := open(t, bucket.Config{URL: url}), open(t, bucket.Config{URL: url, GetTimeout: time.Minute})
	writer.Put(t.Context(), key(1), entry("picture"))
	flush(writer)
	var wg sync.WaitGroup
	var hits atomic.Int32
	for range cap(waiting) {
		wg.Go(func() {
			if e, _ := reader.Get(watched{t.Context(), waiting}, key(1)); e != nil {
				hits.Add(1)
			}
		})
	}
	for range cap(waiting) {
		<-waiting
	}
	close(release)
	wg.Wait()
	if hits.Load() != 100 || gets.Load() != 1 {
		t.Errorf("%d hits with %d requests, want 100 with 1", hits.Load(), gets.Load())
	}

	// An error that only the memory tier keeps costs the bucket one lookup, and no delete.
	failure := &cache.Entry{Code: "NOT_FOUND", ExpiresAt: time.Now().Add(time.Minute)}
	reader.Get(t.Context(), key(2))
	reader.Put(t.Context(), key(2), failure)
	reader.Put(t.Context(), key(1), failure)
	flush(reader)
	if n := deletes.Load(); n != 1 {
		t.Errorf("%d deletes, want that of the one entry there is", n)
	}
}

// TestOutage breaks the bucket in the ways that a network has.
func TestOutage(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "cache")
	zerolog.SetGlobalLevel(zerolog.Disabled)
	for _, test := range []struct {
		name, toxic       string
		timeout, cooldown time.Duration
	}{
		{"slow", `{"type":"latency","attributes":{"latency":60000}}`, time.Second, time.Hour},
		{"slower than any bucket is given by default", `{"type":"latency","attributes":{"latency":1500}}`, 0, time.Hour},
		{"reset", `{"type":"reset_peer","attributes":{"timeout":0}}`, time.Minute, time.Hour},
		{"cut off", `{"type":"limit_data","attributes":{"bytes":100}}`, time.Minute, time.Hour},
		{"down", "", time.Minute, time.Second}, // and up again
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "s3", "127.0.0.1:0", gateway.Address)
			if err := proxy.Start(); err != nil {
				t.Fatal(err)
			}
			defer proxy.Stop()
			var log bytes.Buffer
			config := bucket.Config{
				URL:        "s3://cache/?region=" + gateway.Region + "&endpoint=http://" + proxy.Listen,
				GetTimeout: time.Minute, Cooldown: test.cooldown, Log: slog.New(slog.NewJSONHandler(&log, nil)),
			}
			before := open(t, config)
			before.Put(t.Context(), key(1), entry("before"))
			flush(before)
			if e, _ := before.Get(t.Context(), key(1)); e == nil {
				t.Fatal("a miss before the outage")
			}
			config.GetTimeout = test.timeout
			c := open(t, config)

			if test.toxic == "" {
				proxy.Stop()
			} else if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(test.toxic)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			const misses = 1000
			for range misses {
				if e, _ := c.Get(t.Context(), key(1)); e != nil {
					t.Fatal("a hit in the outage")
				}
			}
			// Three failures open the breaker, and one more is let through each cooldown.
			took := time.Since(start)
			if s, most := c.Stats(), 3+uint64(took/test.cooldown); s.Failures < 3 || s.Failures > most {
				t.Errorf("%d failures in %v, want 3 to %d", s.Failures, took, most)
			}
			// An entry that is put meanwhile waits in memory, where Get finds it.
			c.Put(t.Context(), key(2), entry("meanwhile"))
			if e, _ := c.Get(t.Context(), key(2)); e == nil {
				t.Error("what was put in the outage is a miss")
			}

			if test.toxic == "" {
				if err := proxy.Start(); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := c.Drain(ctx); err != nil {
					t.Errorf("after the outage: %v", err)
				}
				if e, _ := c.Get(t.Context(), key(1)); e == nil {
					t.Error("a miss after the outage")
				}
			}
			if n := strings.Count(log.String(), "is failing"); n != 1 {
				t.Errorf("%d lines of failures, want 1:\n%s", n, &log)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			if err := c.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v", err)
			}
			for _, secret := range []string{accessKey, secretKey} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log shows %s:\n%s", secret, &log)
				}
			}
		})
	}
}

// TestRefused has a bucket that answers, and refuses.
func TestRefused(t *testing.T) {
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "cache")
	for _, test := range []struct {
		name, bucket, key, secret string
		says                      string
	}{
		{"wrong secret", "cache", accessKey, "seeded-wrong-secret", "SignatureDoesNotMatch"},
		{"no bucket", "other", accessKey, secretKey, "NoSuchBucket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			setCredentials(t, test.key, test.secret)
			var log bytes.Buffer
			c := open(t, bucket.Config{
				URL: "s3://" + test.bucket + "/?region=" + gateway.Region + "&endpoint=" + gateway.Endpoint, GetTimeout: time.Minute, Log: slog.New(slog.NewJSONHandler(&log, nil)),
			})
			if e, _ := c.Get(t.Context(), key(1)); e != nil {
				t.Error("a hit")
			}
			c.Put(t.Context(), key(1), entry("picture"))
			flush(c)
			if e, _ := c.Get(t.Context(), key(1)); e != nil {
				t.Error("a hit of what could not be written")
			}
			if s := c.Stats(); s.Dropped != 1 || s.Failures == 0 || s.Puts != 0 {
				t.Errorf("stats: %+v", s)
			}
			if !strings.Contains(log.String(), test.says) {
				t.Errorf("log without %s:\n%s", test.says, &log)
			}
			for _, secret := range []string{test.key, test.secret} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log shows %s:\n%s", secret, &log)
				}
			}
		})
	}
}

// TestNoCredentials: the log says that there are none, whatever the metadata address of the machine answers, and has
// the SDK's own lines.
func TestNoCredentials(t *testing.T) {
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer machine.Close()
	setCredentials(t, "", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.URL)
	var log bytes.Buffer
	c := open(t, bucket.Config{URL: "s3://cache?region=auto&endpoint=http://127.0.0.1:1", GetTimeout: time.Minute, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if e, _ := c.Get(t.Context(), key(1)); e != nil {
		t.Error("a hit")
	}
	if s := log.String(); !strings.Contains(s, "no credentials were found: set AWS_ACCESS_KEY_ID") || strings.Contains(s, "the bucket answered") || !strings.Contains(s, "AWS's SDK warns") {
		t.Errorf("the log: %s", s)
	}
}

// TestFullQueue: while writes hang, entries that don't fit into the queue are dropped, and
// Get returns no older entry.
func TestFullQueue(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	release := make(chan struct{})
	var hang atomic.Bool
	url := fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "PUT" && hang.Load() {
				<-release
			}
			h.ServeHTTP(w, r)
		})
	})
	c := open(t, bucket.Config{URL: url, QueueBytes: 100 << 10, GetTimeout: time.Minute})
	c.Put(t.Context(), key(20), entry("old"))
	flush(c)
	hang.Store(true)
	body := strings.Repeat("x", 20<<10)
	for n := range byte(21) {
		c.Put(t.Context(), key(n), entry(body))
	}
	if s := c.Stats(); s.Dropped != 17 || s.Puts != 1 {
		t.Errorf("stats: %+v, want 17 dropped", s)
	}
	for n := range byte(21) {
		if e, _ := c.Get(t.Context(), key(n)); (e != nil) != (n < 4) {
			t.Errorf("entry %d: %v", n, e != nil)
		}
	}
	c.Put(t.Context(), key(30), entry(strings.Repeat("x", 26<<10))) // over a quarter of the queue
	close(release)
	flush(c)
	for n := range byte(31) {
		if e, _ := c.Get(t.Context(), key(n)); (e != nil) != (n < 4) {
			t.Errorf("entry %d afterwards: %v", n, e != nil)
		}
	}
}

// TestClose: Close writes the queue, or gives it up in time.
func TestClose(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	hang := make(chan struct{})
	defer close(hang)
	var hanging atomic.Bool
	url := fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hanging.Load() {
				select {
				case <-hang:
				case <-r.Context().Done():
				}
			}
			h.ServeHTTP(w, r)
		})
	})
	c := open(t, bucket.Config{URL: url})
	for n := range byte(50) {
		c.Put(t.Context(), key(n), entry("picture"))
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, _ := c.Get(t.Context(), key(1)); e != nil {
		t.Error("a closed cache has a hit")
	}
	c.Put(t.Context(), key(1), entry("late"))
	c.Delete(t.Context(), key(1))
	again := open(t, bucket.Config{URL: url, GetTimeout: time.Minute})
	for n := range byte(50) {
		if e, _ := again.Get(t.Context(), key(n)); e == nil || string(e.Body) != "picture" {
			t.Fatalf("entry %d was not written", n)
		}
	}

	hanging.Store(true)
	for n := range byte(50) {
		again.Put(t.Context(), key(n), entry("another"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := again.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close of a cache whose bucket hangs: %v", err)
	}
	hanging.Store(false)
}

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]bucket.Location{
		"s3://cache":                         {Bucket: "cache"},
		"s3://cache/":                        {Bucket: "cache"},
		"s3://cache/a/b?region=eu-west-1":    {Bucket: "cache", Prefix: "a/b/", Region: "eu-west-1"},
		"s3://c.d/a/?endpoint=http://x:9000": {Bucket: "c.d", Prefix: "a/", Endpoint: "http://x:9000"},
		"s3://cache?region=auto&endpoint=https%3A%2F%2Fx.example.com/": {Bucket: "cache", Region: "auto", Endpoint: "https://x.example.com"},
	} {
		got, err := bucket.ParseURL(raw)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", raw, err, diff)
		}
	}
	for _, raw := range []string{
		"", "cache", "s3:cache", "s3:///a", "https://cache/a", "s3://AKIA:secret@cache", "s3://cache:80/", "s3://cache?zone=1", "s3://cache#a",
		"s3://cache?region=a&region=b", "s3://cache?endpoint=x", "s3://cache?endpoint=http://u:secret@x", "s3://cache?endpoint=http://x/a", "s3://cache?%",
	} {
		l, err := bucket.ParseURL(raw)
		if err == nil {
			t.Errorf("%q: %+v, want an error", raw, l)
		} else if strings.Contains(err.Error(), "secret") && !strings.Contains(err.Error(), "AWS_SECRET") {
			t.Errorf("%q: error %q shows the secret", raw, err)
		}
	}
	setCredentials(t, accessKey, secretKey)
	if _, err := bucket.Open(bucket.Config{URL: "s3://cache"}); err == nil || !strings.Contains(err.Error(), "region is missing") {
		t.Errorf("without a region: %v", err)
	}
}

// FuzzParseURL: a URL that is accepted has a valid bucket, prefix and endpoint.
func FuzzParseURL(f *testing.F) {
	for _, raw := range []string{"s3://cache", "s3://cache/a/b/?region=auto&endpoint=https://x.example.com:9000/", "s3://u:p@cache", "s3://[::1]/%2f?region=%00"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		l, err := bucket.ParseURL(raw)
		if err != nil {
			return
		}
		if l.Bucket == "" || strings.ContainsAny(l.Bucket, "/@?") || l.Prefix != "" && (!strings.HasSuffix(l.Prefix, "/") || l.Prefix[0] == '/') {
			t.Errorf("%q: %+v", raw, l)
		}
		again := url.URL{Scheme: "s3", Host: l.Bucket, Path: "/" + l.Prefix, RawQuery: url.Values{"region": {l.Region}, "endpoint": {l.Endpoint}}.Encode()}
		if same, err := bucket.ParseURL(again.String()); err != nil || same != l {
			t.Errorf("%q: %+v, and written again %q: %+v, %v", raw, l, &again, same, err)
		}
	})
}
