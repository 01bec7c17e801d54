package bucket_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/origin/bucket"
)

func TestNewRefuses(t *testing.T) {
	whole := bucket.Config{
		Bucket: "media", Region: "eu-west-1", AccessKeyID: accessKey, SecretAccessKey: secretKey,
		Transport: origin.NewTransport(origin.HTTPConfig{}),
	}
	if _, err := bucket.New(whole); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*bucket.Config){
		"no bucket":    func(c *bucket.Config) { c.Bucket = "" },
		"no region":    func(c *bucket.Config) { c.Region = "" },
		"no transport": func(c *bucket.Config) { c.Transport = nil },
	} {
		c := whole
		change(&c)
		if _, err := bucket.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, change := range map[string]func(*bucket.Config){
		"no credentials": func(c *bucket.Config) { c.AccessKeyID, c.SecretAccessKey = "", "" },
		"half of them":   func(c *bucket.Config) { c.SecretAccessKey = "" },
	} {
		c := whole
		change(&c)
		if _, err := bucket.New(c); !errors.Is(err, bucket.ErrNoCredentials) {
			t.Errorf("%s: %v, want ErrNoCredentials", name, err)
		}
	}
}

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRequests checks the addresses and headers of requests to S3 and R2.
func TestRequests(t *testing.T) {
	const account = "0123456789abcdef0123456789abcdef"
	for _, test := range []struct {
		name string
		bucket.Config
		url, region string
	}{
		{"AWS", bucket.Config{Bucket: "media", Region: "eu-west-1"}, "https://media.s3.eu-west-1.amazonaws.com/a%20b%2Bc.jpg", "eu-west-1"},
		{"AWS, dots", bucket.Config{Bucket: "img.example.com", Region: "eu-west-1", Prefix: "p/"},
			"https://s3.eu-west-1.amazonaws.com/img.example.com/p/a%20b%2Bc.jpg", "eu-west-1"},
		{"R2", bucket.Config{Bucket: "vault", AccountID: account},
			"https://" + account + ".r2.cloudflarestorage.com/vault/a%20b%2Bc.jpg", "auto"},
		{"endpoint", bucket.Config{Bucket: "media", Region: "auto", Endpoint: "http://minio.example.com:9000"},
			"http://minio.example.com:9000/media/a%20b%2Bc.jpg", "auto"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.Config
			c.AccessKeyID, c.SecretAccessKey = accessKey, secretKey
			var sent *http.Request
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				sent = r
				w := httptest.NewRecorder()
				return w.Result(), nil
			})
			s, err := bucket.New(c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Fetch(t.Context(), origin.Key{Path: "a b+c.jpg"}, origin.Validators{ETag: `"1"`}); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSuffix(sent.URL.String(), "?x-id=GetObject"); got != test.url || sent.Method != "GET" {
				t.Errorf("%s %s, want %s", sent.Method, got, test.url)
			}
			for name, want := range map[string]string{
				"CDN-Loop": "tintype", "User-Agent": "Tintype", "Accept-Encoding": "identity", "If-None-Match": `"1"`,
			} {
				if got := sent.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			auth := sent.Header.Get("Authorization")
			if !strings.Contains(auth, "Credential="+accessKey+"/") || !strings.Contains(auth, "/"+test.region+"/s3/aws4_request") {
				t.Errorf("Authorization: %s", auth)
			}
			if signed := strings.ToLower(auth); strings.Contains(signed, "accept-encoding") || strings.Contains(signed, "cdn-loop") || strings.Contains(signed, "user-agent") {
				t.Errorf("signed headers that proxies change: %s", auth)
			}
			for name, values := range sent.Header {
				if strings.Contains(fmt.Sprint(values), secretKey) {
					t.Errorf("%s holds the secret", name)
				}
			}
		})
	}
}

// TestFake reads from another implementation of S3 than the one of versitygw_test.go.
func TestFake(t *testing.T) {
	backend := s3mem.New()
	server := httptest.NewServer(gofakes3.New(backend).Server())
	defer server.Close()
	if err := backend.CreateBucket("media"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"cat.jpg", "a b+c%20.jpg", ".hidden/ü"} {
		if _, err := backend.PutObject("media", key, map[string]string{}, strings.NewReader("x"+key), int64(len(key)+1), nil); err != nil {
			t.Fatal(err)
		}
	}
	source := newSource(t, bucket.Config{Bucket: "media", Endpoint: server.URL})
	for _, key := range []string{"cat.jpg", "a b+c%20.jpg", ".hidden/ü"} {
		got, err := source.Fetch(t.Context(), origin.Key{Path: key}, origin.Validators{})
		if err != nil || string(got.Body) != "x"+key {
			t.Fatalf("%q: %v, %v", key, got, err)
		}
		if _, err := source.Fetch(t.Context(), origin.Key{Path: key}, got.Validators); !errors.Is(err, origin.ErrNotModified) {
			t.Errorf("%q again: %v, want ErrNotModified", key, err)
		}
	}
	_, err := source.Fetch(t.Context(), origin.Key{Path: "dog.jpg"}, origin.Validators{})
	wantFailure(t, err, origin.ErrNotFound, "")
	_, err = newSource(t, bucket.Config{Bucket: "other", Endpoint: server.URL}).Fetch(t.Context(), origin.Key{Path: "cat.jpg"}, origin.Validators{})
	wantFailure(t, err, origin.ErrUnavailable, "no bucket of that name")
}

// TestAnswers checks the owner's message for each answer of a store, and the number of
// attempts.
func TestAnswers(t *testing.T) {
	xml := func(code string) string {
		return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` + secretKey +
			`</Message><AWSAccessKeyId>` + accessKey + `</AWSAccessKeyId><StringToSign>AWS4 ` + secretKey + `</StringToSign></Error>`
	}
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   error // nil is an original
		text   string
		asked  int32
	}{
		{"whole", func(w http.ResponseWriter) { fmt.Fprint(w, "body") }, nil, "", 1},
		{"aws-chunked", func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "aws-chunked"); fmt.Fprint(w, "body") }, nil, "", 1},
		{"gzip", func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); fmt.Fprint(w, "body") },
			origin.ErrUnavailable, "Content-Encoding", 1},
		{"length over the limit", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "1001") }, origin.ErrTooLarge, "1000 bytes", 1},
		{"chunks over the limit", func(w http.ResponseWriter) {
			for range 100 {
				fmt.Fprint(w, "more than a hundred bytes in each of the many chunks that come without any length in front of them ....")
				w.(http.Flusher).Flush()
			}
		}, origin.ErrTooLarge, "1000 bytes", 1},
		{"short", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, "body") },
			origin.ErrUnavailable, "before the response was whole", 3},
		{"no XML", func(w http.ResponseWriter) { w.WriteHeader(404); fmt.Fprint(w, "<html>nothing here") }, origin.ErrNotFound, "", 1},
		{"no key", func(w http.ResponseWriter) { w.WriteHeader(404); fmt.Fprint(w, xml("NoSuchKey")) }, origin.ErrNotFound, "", 1},
		{"gone", func(w http.ResponseWriter) { w.WriteHeader(410) }, origin.ErrNotFound, "", 1},
		{"no bucket", func(w http.ResponseWriter) { w.WriteHeader(404); fmt.Fprint(w, xml("NoSuchBucket")) },
			origin.ErrUnavailable, "no bucket of that name", 1},
		{"no user", func(w http.ResponseWriter) { w.WriteHeader(404); fmt.Fprint(w, xml("NoSuchTenant")) },
			origin.ErrUnavailable, "status 404 (NoSuchTenant)", 1},
		{"not modified, unasked", func(w http.ResponseWriter) { w.WriteHeader(304) }, origin.ErrUnavailable, "", 1},
		{"denied", func(w http.ResponseWriter) { w.WriteHeader(403); fmt.Fprint(w, xml("AccessDenied")) },
			origin.ErrUnavailable, "refused access: allow these credentials", 1},
		{"bad signature", func(w http.ResponseWriter) { w.WriteHeader(403); fmt.Fprint(w, xml("SignatureDoesNotMatch")) },
			origin.ErrUnavailable, "refused the credentials: check access_key_id and secret_access_key", 1},
		{"bad key", func(w http.ResponseWriter) { w.WriteHeader(403); fmt.Fprint(w, xml("InvalidAccessKeyId")) },
			origin.ErrUnavailable, "refused the credentials", 1},
		{"clock", func(w http.ResponseWriter) { w.WriteHeader(403); fmt.Fprint(w, xml("RequestTimeTooSkewed")) }, origin.ErrUnavailable, "clocks", 1},
		{"region", func(w http.ResponseWriter) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
			w.WriteHeader(301)
			fmt.Fprint(w, xml("PermanentRedirect"))
		}, origin.ErrUnavailable, "set region to eu-north-1", 1},
		{"region that is none", func(w http.ResponseWriter) {
			w.Header().Set("X-Amz-Bucket-Region", "http://127.0.0.1")
			w.WriteHeader(400)
			fmt.Fprint(w, xml("AuthorizationHeaderMalformed"))
		}, origin.ErrUnavailable, "check region and endpoint", 1},
		{"redirect", func(w http.ResponseWriter) { w.Header().Set("Location", "http://127.0.0.1:1/"); w.WriteHeader(307) },
			origin.ErrUnavailable, "another endpoint", 1},
		{"slow down", func(w http.ResponseWriter) { w.WriteHeader(503); fmt.Fprint(w, xml("SlowDown")) }, origin.ErrUnavailable, "slow down", 3},
		{"outage", func(w http.ResponseWriter) { w.WriteHeader(500); fmt.Fprint(w, xml("InternalError")) },
			origin.ErrUnavailable, "status 500 (InternalError)", 3},
		{"gateway", func(w http.ResponseWriter) { w.WriteHeader(502); fmt.Fprint(w, "<html>") }, origin.ErrUnavailable, "status 502", 3},
		{"code that is none", func(w http.ResponseWriter) { w.WriteHeader(400); fmt.Fprint(w, xml("http://127.0.0.1/ "+secretKey)) },
			origin.ErrUnavailable, "answered with status 400", 1},
		{"endless error", func(w http.ResponseWriter) {
			w.WriteHeader(500)
			for line := []byte(strings.Repeat("x", 1<<16)); ; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, origin.ErrUnavailable, "status 500", 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				test.answer(w)
			}))
			defer server.Close()
			s := newSource(t, bucket.Config{Bucket: "media", Endpoint: server.URL, Limits: origin.Limits{Bytes: 1000}})
			got, err := s.Fetch(t.Context(), origin.Key{Path: "cat.jpg"}, origin.Validators{})
			if test.want != nil {
				wantFailure(t, err, test.want, test.text)
			} else if err != nil || string(got.Body) != "body" {
				t.Errorf("%v, %v", got, err)
			}
			if n := asked.Load(); n != test.asked {
				t.Errorf("asked %d times, want %d", n, test.asked)
			}
		})
	}
}

// TestPasses: an outage ends while a fetch runs.
func TestPasses(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			w.Header().Set("Content-Length", "100") // and no body
		default:
			fmt.Fprint(w, "body")
		}
	}))
	defer server.Close()
	s := newSource(t, bucket.Config{Bucket: "media", Endpoint: server.URL})
	if got, err := s.Fetch(t.Context(), origin.Key{Path: "cat.jpg"}, origin.Validators{}); err != nil || string(got.Body) != "body" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTimeLimits(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	s := newSource(t, bucket.Config{Bucket: "media", Endpoint: server.URL, Limits: origin.Limits{Timeout: 100 * time.Millisecond}})
	_, err := s.Fetch(t.Context(), origin.Key{Path: "cat.jpg"}, origin.Validators{})
	wantFailure(t, err, origin.ErrTimeout, "")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s = newSource(t, bucket.Config{Bucket: "media", Endpoint: server.URL})
	if _, err := s.Fetch(ctx, origin.Key{Path: "cat.jpg"}, origin.Validators{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: %v", err)
	}
}

// TestNoAmbientCredentials: the error says that there are none, whatever the metadata address of the machine answers.
func TestNoAmbientCredentials(t *testing.T) {
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer machine.Close()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.URL)
	var log strings.Builder
	ambient, err := bucket.LoadAmbient(t.Context(), slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	transport := origin.NewTransport(origin.HTTPConfig{Guard: loopback})
	defer transport.CloseIdleConnections()
	s, err := bucket.New(bucket.Config{Bucket: "media", Region: "eu-west-1", Endpoint: "http://127.0.0.1:1", Ambient: ambient, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), origin.Key{Path: "cat.jpg"}, origin.Validators{})
	if !errors.Is(err, origin.ErrUnavailable) || !strings.Contains(err.Error(), "this server found no credentials of its own") || !strings.Contains(log.String(), "AWS's SDK warns") {
		t.Errorf("%v; the log: %s", err, &log)
	}
}

func TestAmbientCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // is not ours to follow
	var auth string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Authorization")
		fmt.Fprint(w, "body")
	}))
	defer server.Close()
	ambient, err := bucket.LoadAmbient(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	transport := origin.NewTransport(origin.HTTPConfig{Guard: loopback})
	defer transport.CloseIdleConnections()
	s, err := bucket.New(bucket.Config{Bucket: "media", Region: "eu-west-1", Endpoint: server.URL, Ambient: ambient, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), origin.Key{Path: "cat.jpg"}, origin.Validators{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(auth, "Credential="+accessKey+"/") {
		t.Errorf("Authorization: %s", auth)
	}
}
