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

// How long what is known of an image counts, and what of it is kept.
const (
	freshFor   = 5 * time.Minute  // until the image's origin is asked again
	retryAfter = 30 * time.Second // where that failed
	refreshFor = 30 * time.Second // is how long asking may take
	mostImages = 16384            // whose hashes are kept
	mostBytes  = 64 << 20         // of the images that are kept themselves, unless MostBytes says less
)

// An Image is a mark's image as it was last fetched. It never changes.
type Image struct {
	Hash           [32]byte // SHA-256 of the whole image
	Header         transform.Header
	*origin.Object // the whole image; its body is missing where nobody asked for it
}

// bare is the image without its body.
func (i *Image) bare() *Image {
	b := *i
	b.Object = &origin.Object{Validators: i.Validators}
	return &b
}

// A Fetch gets the image from its origin. Where old is not nil and the image is
// unchanged the error may be [origin.ErrNotModified]. It may outlive the request
// that gave it.
type Fetch func(ctx context.Context, old *Image) (*Image, error)

// Images are the images of marks, by a key that says where each of them is. Once an
// image was fetched, asking for it takes no origin: five minutes later that is asked
// behind the requests whether the image has changed. As long as that fails, the
// image stays as it was; but where the origin says that there is none any more, or
// it can't be used, it is forgotten.
//
// The zero value is empty and ready. It is safe for concurrent use, and must not be
// copied.
type Images[K comparable] struct {
	Now       func() time.Time // nil is time.Now
	MostBytes int64            // of the images that are kept themselves; 0 is 64 MiB

	opened  sync.Once
	fetches cache.Shared[K, *Image]

	mu      sync.Mutex // guards the rest
	known   *simplelru.LRU[K, *known]
	bodies  *simplelru.LRU[K, *Image] // those that are kept themselves
	bytes   int64
	closed  bool
	running sync.WaitGroup
	stop    context.CancelFunc
	life    context.Context
}

// known is what is known of one image.
type known struct {
	image  *Image    // without its body
	askAt  time.Time // when the origin is to be asked again
	asking bool
}

// Get is the image under key. With whole set it has its body, and must be released;
// else it has none. Where it isn't known the error is that of fetch, which all share who
// ask at the same time.
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
		image.Retain() // for what is kept, beside those who asked
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

// Close ends the asking behind requests, waits until it has ended or ctx has, and lets go
// of the images.
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

// look is what is known under key, or nil; with whole set it has its body, and must be
// released. It has the origin asked again where that is due.
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

// asked takes the answer of an image's origin.
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

// unusable reports whether err says that there is no image, or none that can be
// used, rather than that it couldn't be asked for.
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

// put keeps an image, which it releases in the end, and lets go of those that were used
// longest ago where there is no room. The caller holds mu.
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

// forget lets go of an image and of what is known of it. The caller holds mu.
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

// unbounded is a list in the order of use; put bounds it.
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
