package marks

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

const (
	freshFor   = 5 * time.Minute  // an image is used for this long before its origin is asked again
	retryAfter = 30 * time.Second // pause after a refresh that failed
	refreshFor = 30 * time.Second // timeout of a refresh
	mostImages = 16384            // images whose hash and header are cached
	mostBytes  = 64 << 20         // sum of the cached bodies, unless MostBytes is set
)

// An Image is a mark's image as it was last fetched. It never changes.
type Image struct {
	Hash           [32]byte // SHA-256 of the whole image
	Header         transform.Header
	*origin.Object // the whole image, or its validators alone where the caller didn't ask for the whole
}

// bare returns the image without its body.
func (i *Image) bare() *Image {
	b := *i
	b.Object = &origin.Object{Validators: i.Validators, Redirects: i.Redirects}
	return &b
}

// A Fetch gets an image from its origin. old is the image as it was last fetched, or nil.
// Where the image is still the same, the error may be [origin.ErrNotModified]. A Fetch may
// run after the request that it came with has ended.
type Fetch func(ctx context.Context, old *Image) (*Image, error)

// Images caches the images of marks. K says where an image is.
//
// Only the first request for an image waits for its origin. An image that is older than
// five minutes is refreshed in the background, while requests use the old one. Where the
// refresh fails, the old image stays. Where the origin says that the image is gone or has
// become unusable, it is forgotten.
//
// The zero value is empty and ready. Images is safe for concurrent use, and must not be
// copied. Close it at the end.
type Images[K comparable] struct {
	Now       func() time.Time // nil is time.Now
	MostBytes int64            // bound of the cached bodies, in bytes; 0 is 64 MiB

	opened  sync.Once
	fetches cache.Shared[K, *Image]

	mu      sync.Mutex // guards all fields below
	known   *simplelru.LRU[K, *known]
	bodies  *simplelru.LRU[K, *Image] // the images with their bodies, as far as there is room
	bytes   int64
	closed  bool
	running sync.WaitGroup
	stop    context.CancelFunc
	life    context.Context
}

// known is an image without its body, which is kept after its body has been evicted.
type known struct {
	image  *Image
	askAt  time.Time // time of the next refresh
	asking bool      // a refresh is running
}

// Get returns the image under key, and fetches it if it isn't cached. Requests at the same
// time share one fetch, and its error. With whole set the image has its body, and the
// caller must release it. Otherwise it has no body.
func (m *Images[K]) Get(ctx context.Context, key K, whole bool, fetch Fetch) (*Image, error) {
	m.opened.Do(m.open)
	if image := m.look(key, whole, fetch); image != nil {
		return image, nil
	}
	hold, err := m.fetches.Do(ctx, key, func(ctx context.Context) (*Image, error) {
		image, err := fetch(ctx, nil)
		if err != nil {
			return nil, err
		}
		image.Retain() // for the cache; the callers have holds of their own
		m.keep(key, image)
		return image, nil
	})
	if err != nil {
		return nil, err
	}
	defer hold.Release()
	if !whole {
		return hold.Value.bare(), nil
	}
	hold.Value.Retain()
	return hold.Value, nil
}

// Close stops background refreshes, waits for their end, and releases the images. The
// error is that of ctx.
func (m *Images[K]) Close(ctx context.Context) error {
	m.opened.Do(m.open)
	m.mu.Lock()
	m.closed = true
	if m.stop != nil {
		m.stop()
	}
	m.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		m.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, image := range m.bodies.Values() {
		image.Release()
	}
	m.bodies.Purge()
	m.bytes = 0
	return nil
}

// look returns the cached image or nil, with the rules of Get. It starts a refresh where
// one is due.
func (m *Images[K]) look(key K, whole bool, fetch Fetch) *Image {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.known.Get(key)
	if !ok {
		return nil
	}
	kept, _ := m.bodies.Get(key)
	if !k.asking && !m.closed && !m.now().Before(k.askAt) {
		k.asking = true
		old, life := k.image, m.life
		m.running.Go(func() {
			ctx, cancel := context.WithTimeout(life, refreshFor)
			defer cancel()
			image, err := fetch(ctx, old)
			m.asked(key, image, err)
		})
	}
	switch {
	case !whole:
		return k.image
	case kept == nil:
		return nil
	}
	kept.Retain()
	return kept
}

// asked records the result of a refresh.
func (m *Images[K]) asked(key K, image *Image, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.known.Get(key)
	if !ok {
		if err == nil {
			image.Release()
		}
		return
	}
	k.asking = false
	switch {
	case err == nil:
		m.put(key, image)
	case errors.Is(err, origin.ErrNotModified):
		k.askAt = m.now().Add(freshFor)
	case unusable(err):
		m.forget(key)
	default:
		k.askAt = m.now().Add(retryAfter)
	}
}

// unusable reports whether err says that the image is gone or can't be used. Other errors,
// such as a timeout, say nothing about the image.
func unusable(err error) bool {
	if errors.Is(err, transform.ErrTruncated) {
		return false
	}
	for _, final := range []error{origin.ErrNotFound, origin.ErrTooLarge, transform.ErrUnsupported, transform.ErrCorrupt, transform.ErrTooLarge} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

func (m *Images[K]) keep(key K, image *Image) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, image)
}

// put caches an image, whose hold it takes over. Where there is no room, the images that
// were used longest ago are evicted. The caller holds mu.
func (m *Images[K]) put(key K, image *Image) {
	m.forget(key)
	m.known.Add(key, &known{image: image.bare(), askAt: m.now().Add(freshFor)})
	m.bodies.Add(key, image)
	m.bytes += int64(len(image.Body))
	for m.bytes > cmp.Or(m.MostBytes, mostBytes) {
		_, old, _ := m.bodies.RemoveOldest()
		m.bytes -= int64(len(old.Body))
		old.Release()
	}
	for m.known.Len() > mostImages {
		oldest, _, _ := m.known.GetOldest()
		m.forget(oldest)
	}
}

// forget removes an image from the cache. The caller holds mu.
func (m *Images[K]) forget(key K) {
	m.known.Remove(key)
	if old, ok := m.bodies.Peek(key); ok {
		m.bodies.Remove(key)
		m.bytes -= int64(len(old.Body))
		old.Release()
	}
}

// open makes the zero value ready.
func (m *Images[K]) open() {
	m.fetches.Drop = func(image *Image) { image.Release() }
	m.known = unbounded[K, *known]()
	m.bodies = unbounded[K, *Image]()
	m.life, m.stop = context.WithCancel(context.Background())
}

// unbounded returns an LRU list without a bound of its own, since put bounds it.
func unbounded[K comparable, V any]() *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU[K, V](math.MaxInt, nil)
	if err != nil {
		panic(err) // the size is positive
	}
	return lru
}

func (m *Images[K]) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}
