package marks_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

// An imageOrigin is the origin of one image, whose answers a test sets.
type imageOrigin struct {
	mu    sync.Mutex
	asked int
	hash  byte
	size  int
	err   error
}

func (p *imageOrigin) set(hash byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hash, p.err = hash, err
}

func (p *imageOrigin) fetch(ctx context.Context, old *marks.Image) (*marks.Image, error) {
	time.Sleep(time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.err != nil {
		return nil, p.err
	}
	etag := fmt.Sprint(p.hash)
	if old != nil && old.Validators.ETag == etag {
		return nil, origin.ErrNotModified
	}
	return &marks.Image{Hash: [32]byte{p.hash}, Object: &origin.Object{Body: make([]byte, max(p.size, 1)), Validators: origin.Validators{ETag: etag}}}, nil
}

func TestImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var images marks.Images[string]
		defer images.Close(t.Context())
		p := &imageOrigin{hash: 1}
		// check asks, and says how long that may take.
		check := func(what string, hash byte, asked int, took time.Duration) {
			t.Helper()
			start := time.Now()
			image, err := images.Get(t.Context(), "logo", false, p.fetch)
			if hash == 0 {
				if err == nil {
					t.Errorf("%s: %d", what, image.Hash[0])
				}
			} else if err != nil || image.Hash[0] != hash {
				t.Errorf("%s: %v, %v", what, image, err)
			}
			if d := time.Since(start); d != took {
				t.Errorf("%s: took %v, want %v", what, d, took)
			}
			time.Sleep(2 * time.Second) // what goes on behind it
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.asked != asked {
				t.Errorf("%s: the origin was asked %d times, want %d", what, p.asked, asked)
			}
		}
		check("unknown", 1, 1, time.Second)
		check("known", 1, 1, 0)
		time.Sleep(5 * time.Minute)
		check("looked at again", 1, 2, 0)
		check("unchanged", 1, 2, 0)
		p.set(2, nil)
		check("still fresh", 1, 2, 0)
		time.Sleep(5 * time.Minute)
		check("changed, stale meanwhile", 1, 3, 0)
		check("changed", 2, 3, 0)
		p.set(2, origin.ErrUnavailable)
		time.Sleep(5 * time.Minute)
		check("origin is down", 2, 4, 0)
		check("not asked at once again", 2, 4, 0)
		time.Sleep(time.Minute)
		check("asked later", 2, 5, 0)
		p.set(3, nil)
		time.Sleep(time.Minute)
		check("up again", 2, 6, 0)
		check("up again", 3, 6, 0)
		p.set(3, fmt.Errorf("%w: it is broken", transform.ErrTruncated))
		time.Sleep(5 * time.Minute)
		check("cut short", 3, 7, 0)
		check("cut short", 3, 7, 0)
		p.set(3, origin.ErrNotFound)
		time.Sleep(time.Minute)
		check("gone", 3, 8, 0)
		check("gone", 0, 9, time.Second)
		check("an error isn't kept", 0, 10, time.Second)
		p.set(4, nil)
		check("there again", 4, 11, time.Second)
	})
}

func TestImagesShareFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var images marks.Images[string]
		defer images.Close(t.Context())
		p := &imageOrigin{hash: 1}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if image, err := images.Get(t.Context(), "logo", true, p.fetch); err != nil || image.Body == nil {
					t.Errorf("%v, %v", image, err)
				}
			})
		}
		all.Wait()
		if p.asked != 1 {
			t.Errorf("the origin was asked %d times", p.asked)
		}
	})
}

// An image whose body had no room is fetched again only where the body is needed.
func TestImagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var images marks.Images[int]
		defer images.Close(t.Context())
		get := func(n int, whole bool) (*marks.Image, *imageOrigin) {
			t.Helper()
			p := &imageOrigin{hash: byte(n), size: 20 << 20}
			image, err := images.Get(t.Context(), n, whole, p.fetch)
			if err != nil {
				t.Fatal(err)
			}
			return image, p
		}
		for n := range 4 {
			get(n, true)
		}
		if image, p := get(0, false); p.asked != 0 || image.Hash[0] != 0 || image.Body != nil {
			t.Errorf("asked %d times; %d bytes are kept", p.asked, len(image.Body))
		}
		if image, p := get(3, true); p.asked != 0 || image.Body == nil {
			t.Errorf("asked %d times; the last isn't kept", p.asked)
		}
		if image, p := get(0, true); p.asked != 1 || image.Body == nil {
			t.Errorf("asked %d times", p.asked)
		}
	})
}

func TestImagesClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var images marks.Images[string]
		p := &imageOrigin{hash: 1}
		if _, err := images.Get(t.Context(), "logo", false, p.fetch); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		var ended error
		hang := func(ctx context.Context, old *marks.Image) (*marks.Image, error) {
			<-ctx.Done()
			ended = ctx.Err()
			return nil, ended
		}
		if _, err := images.Get(t.Context(), "logo", false, hang); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := images.Close(t.Context()); err != nil || !errors.Is(ended, context.Canceled) {
			t.Errorf("%v, %v", err, ended)
		}
		if _, err := images.Get(t.Context(), "logo", false, hang); err != nil {
			t.Errorf("what is known is gone: %v", err)
		}
	})
}
