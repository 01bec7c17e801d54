package delivery

import (
	"hash/maphash"
	"net/http"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/cache"
)

// known keeps what URLs ask for that were hits: reading one takes longer than all else of a hit.
// It keeps what the settings of a workspace say of the URL and nothing else. By what right
// somebody sees the image, what the Accept header chooses and what is blocked is decided anew
// for each request. What was read under older settings never matches, and goes when the URL is a
// hit again or others take its place. It is safe for concurrent use.
type known struct {
	asks *lru.Cache[Target, *knownAsk]
	// seen has hashes of URLs that were hits on disk, each in one place. Most URLs of a large
	// cache come once in a long while, and keeping one means to read it once more.
	seen *[mostKnown]atomic.Uint64
	seed maphash.Seed
}

type knownAsk struct {
	ask  ask // as site.read returns it, never changed
	told told
}

// told is what each answer to a URL says in the same words. Nobody changes the slices.
type told struct {
	original        string   // for the log
	tags, surrogate []string // values of the headers Cache-Tag and Surrogate-Key; nil is not known

	// key is the variant key where only the URL and the settings decide it, purges among them:
	// the format is no matter of Accept, and there are no marks. of is the original that it is a
	// key of; nil is not known.
	key cache.Key
	of  *ref
}

// variantKey is the variant key that each answer to the URL has, unless the request is about
// something else: another original in its place, an entry in place of an outdated one, or what
// a test key makes.
func (a *ask) variantKey() (key cache.Key, ok bool) {
	t := a.told
	if t == nil || t.of == nil || len(a.refs) != 1 || &a.refs[0] != t.of ||
		len(a.marks.list) > 0 || a.again != (again{}) || a.access.test != "" || a.layer != "" {
		return key, false
	}
	return t.key, true
}

// Bounds of what is known: some 2 KB a URL.
const (
	mostKnown    = 4096
	longestKnown = 512 // bytes of a URL
)

func newKnown() known {
	c, err := lru.New[Target, *knownAsk](mostKnown)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return known{c, new([mostKnown]atomic.Uint64), maphash.MakeSeed()}
}

// read is site.read, from memory where the URL was a hit under these settings.
func (k known) read(c *site, t Target, posted bool, hints http.Header) (*ask, error) {
	if !posted {
		if known, ok := k.asks.Get(t); ok && known.ask.site == c {
			a := known.ask
			a.told = &known.told
			return &a, nil
		}
	}
	a, err := c.read(t, posted, hints)
	return &a, err
}

// hit notes a hit of a tier, and keeps what its URL asks for: at once where it was in memory, and
// otherwise the second time.
func (k known) hit(t Target, a *ask, tier string) {
	switch {
	case a.told != nil:
	case tier == "memory":
		k.keep(t, a)
	case tier == "disk" || tier == "bucket":
		h := maphash.Comparable(k.seed, t)
		if k.seen[h%mostKnown].Swap(h) == h {
			k.keep(t, a)
		}
	}
}

// keep keeps what a URL asks for. Endpoints besides transform and dialects are
// left out: what they ask for depends on more than the URL, or is changed later.
func (k known) keep(t Target, a *ask) {
	if a.foreign != nil || a.endpoint != transformEndpoint || len(t.Rest)+len(t.RawQuery) > longestKnown {
		return
	}
	read, err := a.site.read(t, false, nil)
	if err != nil {
		return // can't be: it has just been read
	}
	kept := &knownAsk{ask: read, told: told{original: read.original().String(), tags: []string{read.cacheTags()}}}
	kept.told.surrogate = read.surrogate(kept.told.tags[0])
	if !read.auto() && len(read.marks.list) == 0 && len(read.refs) == 1 {
		kept.told.key, kept.told.of = read.key(), &read.refs[0]
	}
	k.asks.Add(t, kept)
}
