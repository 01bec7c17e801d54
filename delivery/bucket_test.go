package delivery

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// buckets are in memory, by name.
type buckets struct {
	mu      sync.Mutex // guards fetched
	fetched map[string]int
	picture []byte
}

func (b *buckets) source(s workspace.Source) (origin.Source, error) {
	if s.Bucket == "bare" {
		return nil, errors.New("the source has no credentials")
	}
	return memoryBucket{b, s.Bucket + "/" + s.Prefix}, nil
}

type memoryBucket struct {
	*buckets
	prefix string
}

func (m memoryBucket) Fetch(_ context.Context, key origin.Key, _ origin.Validators) (*origin.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fetched[m.prefix+key.Path]++
	if key.Query != "" {
		return nil, origin.ErrNotFound
	}
	return &origin.Object{Body: m.picture}, nil
}

// TestBucketNames: whatever name of a bucket a URL is written with, it is the source,
// and the strictest that an object belongs to.
func TestBucketNames(t *testing.T) {
	store := &buckets{fetched: map[string]int{}, picture: deliverytest.Photo(t, 20, 20)}
	b := newBench(t, func(c *setup) { c.Bucket = store.source })
	const account = "0123456789abcdef0123456789abcdef"
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		s3 := workspace.Source{Kind: "s3", Bucket: "acme-media", Region: "eu-west-1", AccessKeyID: "A", SecretAccessKey: "s"}
		add := func(key string, change func(*workspace.Source)) {
			s := s3
			s.Key = key
			change(&s)
			w.Sources = append(w.Sources, s)
		}
		add("media", func(*workspace.Source) {})
		add("inner", func(s *workspace.Source) { s.Prefix, s.Private = "inner/", true })
		add("open", func(s *workspace.Source) { s.Prefix = "inner/open/" })
		add("vault", func(s *workspace.Source) {
			s.Kind, s.Bucket, s.Region, s.AccountID, s.Private = "r2", "vault", "", account, true
			s.PublicURLs = []string{"https://vault.example.com/"}
		})
		add("bare", func(s *workspace.Source) { s.Bucket = "bare" })
		// By another name of the bucket, and by HTTP.
		w.Sources = append(w.Sources, workspace.Source{
			Key: "web", Kind: "http", URL: "https://s3.dualstack.eu-west-1.amazonaws.com/acme-media/web/", Private: true,
		})
	}))
	for target, want := range map[string]string{
		"/acme/media/a.jpg": "",
		"/acme?src=https://acme-media.s3.eu-west-1.amazonaws.com/a.jpg":                    "",
		"/acme?src=https://s3.amazonaws.com/acme-media/a.jpg":                              "",
		"/acme?src=http://acme-media.s3-website-eu-west-1.amazonaws.com/a.jpg":             "",
		"/acme?src=https://acme-media.s3.eu-west-1.amazonaws.com/a.jpg%3FX-Amz-Expires=60": "NOT_FOUND",
		"/acme?src=https://acme-media.s3.eu-west-1.amazonaws.com//a.jpg":                   "INVALID_SOURCE",

		"/acme/inner/a.jpg":       "SIGNATURE_REQUIRED",
		"/acme/media/inner/a.jpg": "SIGNATURE_REQUIRED",
		"/acme?src=https://acme-media.s3.eu-west-1.amazonaws.com/inner/a.jpg":           "SIGNATURE_REQUIRED",
		"/acme?src=https://ACME-media.s3.eu-west-1.amazonaws.com./%2569nner/a.jpg":      "SIGNATURE_REQUIRED",
		"/acme?src=https://s3-eu-west-1.amazonaws.com/acme-media/inner/a.jpg":           "SIGNATURE_REQUIRED",
		"/acme?src=https://s3.dualstack.eu-west-1.amazonaws.com:443/acme-media/inner/a": "SIGNATURE_REQUIRED",
		"/acme?src=http://acme-media.s3-accelerate.amazonaws.com/inner/a.jpg":           "SIGNATURE_REQUIRED",
		"/acme?src=https://acme-media.s3.eu-west-1.amazonaws.com/inner%252Fa.jpg":       "INVALID_SOURCE",
		"/acme?src=https://acme-media.s3.eu-west-1.amazonaws.com/x/../inner/a.jpg":      "INVALID_SOURCE",
		"/acme/open/a.jpg":             "",
		"/acme/media/inner/open/a.jpg": "",

		"/acme/media/web/a.jpg": "SIGNATURE_REQUIRED",
		"/acme?src=https://acme-media.s3.eu-west-1.amazonaws.com/web/a.jpg": "SIGNATURE_REQUIRED",

		"/acme/vault/a.jpg": "SIGNATURE_REQUIRED",
		"/acme?src=https://" + account + ".r2.cloudflarestorage.com/vault/a.jpg": "SIGNATURE_REQUIRED",
		"/acme?src=https://vault." + account + ".r2.cloudflarestorage.com/a.jpg": "SIGNATURE_REQUIRED",
		"/acme?src=https://vault.example.com/a.jpg":                              "SIGNATURE_REQUIRED",

		"/acme/bare/a.jpg":     "ORIGIN_ERROR",
		"/acme/photos/cat.jpg": "",
	} {
		if got := code(t, b.get(target)); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	for key := range store.fetched {
		switch key {
		case "acme-media/a.jpg", "acme-media/inner/open/a.jpg":
		default:
			t.Errorf("%s was fetched", key)
		}
	}
}
