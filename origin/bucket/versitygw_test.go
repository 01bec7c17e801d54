package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/tintype/tintype/internal/versitygw"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/origin/bucket"
)

// Test credentials. The tests search outputs for their parts.
const (
	accessKey = "AKIASEEDEDACCESSKEY0"
	secretKey = "seeded/secret+access=key"
)

// loopback is a guard that allows the addresses of the tests' servers.
var loopback = origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

func newSource(t *testing.T, c bucket.Config) *bucket.Source {
	t.Helper()
	if c.Transport == nil {
		transport := origin.NewTransport(origin.HTTPConfig{Guard: loopback, Limits: c.Limits})
		t.Cleanup(transport.CloseIdleConnections)
		c.Transport = transport
	}
	if c.Region == "" {
		c.Region = "eu-west-1"
	}
	if c.AccessKeyID == "" {
		c.AccessKeyID, c.SecretAccessKey = accessKey, secretKey
	}
	s, err := bucket.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantFailure fails the test unless err is want and has the right text. The text must hold
// nothing that visitors must not see.
func wantFailure(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %q, want %q with %q", err, want, text)
		return
	}
	lower := strings.ToLower(err.Error())
	for _, secret := range []string{accessKey, secretKey, "wrongkey", "127.0.0.1", "http", "requestid", "request id", "hostid"} {
		if strings.Contains(lower, strings.ToLower(secret)) {
			t.Errorf("error %q shows %q", err, secret)
		}
	}
}

func TestVersityGW(t *testing.T) {
	gateway := versitygw.Start(t, accessKey, secretKey)
	gateway.CreateBucket(t, "media")
	config := bucket.Config{Bucket: "media", Region: gateway.Region, Endpoint: gateway.Endpoint}
	source := newSource(t, config)

	t.Run("keys", func(t *testing.T) {
		for i, key := range []string{
			"cat.jpg", "a/b/c.jpg", "with space.jpg", " lead and trail ", "a+b.jpg", "100%.jpg", "%41.jpg", "%2F.jpg",
			"bücher/日本語.png", "e\u0301.png", "😀.gif", ".hidden", ".well-known/x", "...", "a..b/..c", "q?uery=1&b#c.jpg",
			"semi;colon", "quote'\"", "a=b,c@d:e!$()*~_-", "tilde~", "[brackets]{braces}|^`", "<xml>&amp;",
			strings.Repeat("long/", 40) + "x",
		} {
			body := []byte{byte(i), 'x'}
			gateway.Put(t, "media", key, body)
			got, err := source.Fetch(t.Context(), origin.Key{Path: key}, origin.Validators{})
			if err != nil {
				t.Errorf("%q: %v", key, err)
			} else if !bytes.Equal(got.Body, body) || got.ETag == "" || got.LastModified == "" {
				t.Errorf("%q: %+v", key, got)
			}
		}
	})

	t.Run("prefix", func(t *testing.T) {
		gateway.Put(t, "media", "shop/2026 ü/in.jpg", []byte("in"))
		c := config
		c.Prefix = "shop/2026 ü/"
		s := newSource(t, c)
		if got, err := s.Fetch(t.Context(), origin.Key{Path: "in.jpg"}, origin.Validators{}); err != nil || string(got.Body) != "in" {
			t.Errorf("%v, %v", got, err)
		}
		_, err := s.Fetch(t.Context(), origin.Key{Path: "../../cat.jpg"}, origin.Validators{})
		wantFailure(t, err, origin.ErrInvalidPath, "")
		_, err = s.Fetch(t.Context(), origin.Key{Path: "cat.jpg"}, origin.Validators{})
		wantFailure(t, err, origin.ErrNotFound, "")
	})

	t.Run("conditional", func(t *testing.T) {
		gateway.Put(t, "media", "same.jpg", []byte("one"))
		key := origin.Key{Path: "same.jpg"}
		first, err := source.Fetch(t.Context(), key, origin.Validators{})
		if err != nil {
			t.Fatal(err)
		}
		for _, have := range []origin.Validators{
			first.Validators, {ETag: first.ETag},
		} {
			if _, err := source.Fetch(t.Context(), key, have); !errors.Is(err, origin.ErrNotModified) {
				t.Errorf("%+v: %v, want ErrNotModified", have, err)
			}
		}
		gateway.Put(t, "media", "same.jpg", []byte("another"))
		if got, err := source.Fetch(t.Context(), key, origin.Validators{ETag: first.ETag}); err != nil || string(got.Body) != "another" {
			t.Errorf("after a change: %v, %v", got, err)
		}
	})

	t.Run("sizes", func(t *testing.T) {
		large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		gateway.Put(t, "media", "large", large)
		gateway.Put(t, "media", "empty", nil)
		got, err := source.Fetch(t.Context(), origin.Key{Path: "large"}, origin.Validators{})
		if err != nil || !bytes.Equal(got.Body, large) {
			t.Errorf("large: %v", err)
		}
		got, err = source.Fetch(t.Context(), origin.Key{Path: "empty"}, origin.Validators{})
		if err != nil || len(got.Body) != 0 {
			t.Errorf("empty: %v, %v", got, err)
		}
		c := config
		c.Limits.Bytes = int64(len(large)) - 1
		_, err = newSource(t, c).Fetch(t.Context(), origin.Key{Path: "large"}, origin.Validators{})
		wantFailure(t, err, origin.ErrTooLarge, "")
	})

	t.Run("failures", func(t *testing.T) {
		for _, test := range []struct {
			name   string
			change func(*bucket.Config)
			key    origin.Key
			want   error
			text   string
		}{
			{"missing", func(*bucket.Config) {}, origin.Key{Path: "missing.jpg"}, origin.ErrNotFound, ""},
			{"folder", func(*bucket.Config) {}, origin.Key{Path: "a/b"}, origin.ErrNotFound, ""},
			{"query", func(*bucket.Config) {}, origin.Key{Path: "cat.jpg", Query: "versionId=1"}, origin.ErrNotFound, "no query"},
			{"no bucket", func(c *bucket.Config) { c.Bucket = "other" }, origin.Key{Path: "cat.jpg"}, origin.ErrUnavailable, "no bucket of that name"},
			{"wrong secret", func(c *bucket.Config) { c.AccessKeyID, c.SecretAccessKey = accessKey, "wrongkey" }, origin.Key{Path: "cat.jpg"},
				origin.ErrUnavailable, "refused the credentials: check access_key_id and secret_access_key"},
			{"wrong key id", func(c *bucket.Config) { c.AccessKeyID, c.SecretAccessKey = "WRONGKEY", secretKey }, origin.Key{Path: "cat.jpg"},
				origin.ErrUnavailable, "refused the credentials"},
			{"wrong region", func(c *bucket.Config) { c.Region = "us-east-2" }, origin.Key{Path: "cat.jpg"}, origin.ErrUnavailable, "region"},
			{"guarded", func(c *bucket.Config) { c.Transport = origin.NewTransport(origin.HTTPConfig{}) }, origin.Key{Path: "cat.jpg"},
				origin.ErrAddress, ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := config
				test.change(&c)
				_, err := newSource(t, c).Fetch(t.Context(), test.key, origin.Validators{})
				wantFailure(t, err, test.want, test.text)
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := source.Fetch(ctx, origin.Key{Path: "cat.jpg"}, origin.Validators{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})

	t.Run("bad network", func(t *testing.T) {
		gateway.Put(t, "media", "big", make([]byte, 1<<20))
		for _, test := range []struct {
			name  string
			toxic string
			want  error
			text  string
		}{
			{"healthy", "", nil, ""},
			{"slow", `{"type":"latency","attributes":{"latency":60000}}`, origin.ErrTimeout, ""},
			{"answer lost", `{"type":"timeout","attributes":{"timeout":0}}`, origin.ErrUnavailable, "closed the connection"},
			{"reset", `{"type":"reset_peer","attributes":{"timeout":0}}`, origin.ErrUnavailable, "closed the connection"},
			{"cut off", `{"type":"limit_data","attributes":{"bytes":100000}}`, origin.ErrUnavailable, "closed the connection"},
			{"drip", `{"type":"bandwidth","attributes":{"rate":10}}`, origin.ErrTimeout, ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				proxy := startProxy(t, gateway.Address)
				c := config
				c.Endpoint, c.Limits.Timeout = "http://"+proxy.Listen, time.Minute
				if test.want == origin.ErrTimeout {
					c.Limits.Timeout = 2 * time.Second
				}
				if test.toxic != "" {
					if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(test.toxic)); err != nil {
						t.Fatal(err)
					}
				}
				got, err := newSource(t, c).Fetch(t.Context(), origin.Key{Path: "big"}, origin.Validators{})
				if test.want == nil {
					if err != nil || len(got.Body) != 1<<20 {
						t.Errorf("%v", err)
					}
				} else {
					wantFailure(t, err, test.want, test.text)
				}
			})
		}
		c, proxy := config, startProxy(t, gateway.Address)
		c.Endpoint, c.Limits.Timeout = "http://"+proxy.Listen, time.Minute
		proxy.Stop()
		_, err := newSource(t, c).Fetch(t.Context(), origin.Key{Path: "big"}, origin.Validators{})
		wantFailure(t, err, origin.ErrUnavailable, "refused the connection")
	})
}

func startProxy(t *testing.T, upstream string) *toxiproxy.Proxy {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "s3", "127.0.0.1:0", upstream)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}
