package bucket

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/cache"
)

// An index knows what the bucket holds, so that new variants cost no lookup. It learns from what this
// server writes and finds, and from the lists of others: each server keeps lists of what it has
// written in the bucket itself (list.go). They lag by some minutes, may lack what a server wrote before
// it was killed, and know nothing of older versions of Tintype. So the index is checked: of the keys
// that it says the bucket has not, some are looked up nevertheless. Where too many of these are there,
// the index isn't believed, and every key is looked up, until it has learned enough.
//
// What it gets wrong costs a transform or a lookup, and no byte: the bucket alone says what an entry
// is. It is safe for concurrent use.
type index struct {
	store store
	log   *slog.Logger
	run   string // the beginning of the names of this server's lists

	exchanging sync.Mutex        // guards read, and is held during an exchange
	read       map[string]string // what was read of others' lists: ETags by name

	mu       sync.Mutex // guards all fields below; never held during a request
	known    *filter
	tried    bool    // the lists have been read once, or couldn't be
	loaded   bool    // they have been read
	believed bool    // see above
	wrong    float64 // how many of the keys that it has not the bucket has, of 1, lately
	unasked  int     // keys since the last that was looked up nevertheless
	news     []print // of the list that isn't full
	listed   int     // prints of news that are in the bucket
	full     [][]print
	number   int // of the first list that isn't in the bucket as a whole
	warned   bool
}

const (
	exchangeEvery = 5 * time.Minute
	// pace bounds what reading costs: others' lists are read later again where many were read.
	pace = 6 * time.Second // for each
	// mostUnread is how many lists in turn can't be read before the bucket is left alone.
	mostUnread = 3

	lastTimeout = 2 * time.Second

	mostFull = 16 // full lists that wait for a bucket that fails

	checkOneOf = 32
	judgedBy   = 64 // lookups that count
	// A lookup that is saved is worth about a sixteenth of a variant that is made and written again.
	atFirst    = 1. / 8
	believe    = 1. / 32
	disbelieve = 1. / 16
)

func newIndex(s store, most int64, log *slog.Logger) *index {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	return &index{store: s, log: log, run: hex.EncodeToString(id), read: map[string]string{}, known: newFilter(most), wrong: atFirst}
}

// ask reports whether to look a key up, and whether judge is to be called with what comes of it.
func (x *index) ask(key cache.Key) (look, judged bool) {
	p := printOf(key)
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.known.has(p):
		return true, false
	case !x.loaded:
		return true, false
	case !x.believed:
		return true, true
	}
	x.unasked++
	if x.unasked < checkOneOf {
		return false, false
	}
	x.unasked = 0
	return true, true
}

// judge records whether the bucket had a key that the index has not.
func (x *index) judge(found bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	was := 0.
	if found {
		was = 1
	}
	x.wrong += (was - x.wrong) / judgedBy
	switch {
	case x.wrong <= believe:
		x.believed = true
	case x.wrong >= disbelieve:
		x.believed = false
	}
}

// has reports whether the index has a key. It may be wrong about one of some thirty that it hasn't.
func (x *index) has(key cache.Key) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.known.has(printOf(key))
}

// lacks reports whether the bucket has no entry of a key, as far as it is believed.
func (x *index) lacks(key cache.Key) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.loaded && x.believed && !x.known.has(printOf(key))
}

// waits reports whether the lists are still being read for the first time.
func (x *index) waits() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.tried && !x.loaded
}

// holds records that the bucket has a key.
func (x *index) holds(key cache.Key) {
	p := printOf(key)
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.known.add(p) {
		return
	}
	x.news = append(x.news, p)
	if len(x.news) < mostInList {
		return
	}
	if len(x.full) < mostFull {
		x.full = append(x.full, x.news)
	}
	x.news, x.listed = nil, 0
}

// follow exchanges lists with other servers until ctx ends.
func (x *index) follow(ctx context.Context) {
	var learnAt time.Time
	for {
		learn := !time.Now().Before(learnAt)
		read, err := x.exchange(ctx, learn)
		if ctx.Err() != nil {
			return
		}
		if learn || err != nil { // that lists can be told doesn't show that others' can be read
			x.note(err)
		}
		if learn {
			learnAt = time.Now().Add(time.Duration(read) * pace)
		}
		x.mu.Lock()
		x.tried = true
		x.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(exchangeEvery):
		}
	}
}

// last tells the others what is left to tell, before this server ends.
func (x *index) last(ctx context.Context) {
	x.exchanging.Lock()
	defer x.exchanging.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lastTimeout)
	defer cancel()
	if err := x.publish(ctx); err != nil && ctx.Err() == nil {
		x.note(err)
	}
}

// note says once that lists can't be exchanged, and once that they can be again.
func (x *index) note(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err != nil && !x.warned:
		x.log.Warn("what the cache's bucket holds can't be found out or told; it may be asked for each variant", "err", describe(err))
	case err == nil && x.warned:
		x.log.Info("what the cache's bucket holds is known again")
	}
	x.warned = err != nil
}

// exchange writes what this server has to tell, and reads what others have if learn is set. It returns
// how many lists it has read.
func (x *index) exchange(ctx context.Context, learn bool) (read int, err error) {
	x.exchanging.Lock()
	defer x.exchanging.Unlock()
	if err := x.publish(ctx); err != nil || !learn {
		return 0, err
	}
	return x.learn(ctx)
}

// publish writes this server's lists, as far as they have changed. The caller holds exchanging.
func (x *index) publish(ctx context.Context) error {
	for {
		x.mu.Lock()
		var prints []print
		whole := len(x.full) > 0
		switch {
		case whole:
			prints = slices.Clone(x.full[0])
		case len(x.news) > x.listed:
			prints = slices.Clone(x.news)
		}
		name := fmt.Sprintf("%s-%06d", x.run, x.number)
		x.mu.Unlock()
		if len(prints) == 0 {
			return nil
		}
		if err := x.store.putList(ctx, name, encodeList(prints)); err != nil {
			return err
		}
		x.mu.Lock()
		switch {
		case whole:
			x.full = x.full[1:]
			x.number++
		case len(x.full) == 0: // otherwise news has become full meanwhile, and is written again
			x.listed = len(prints)
		}
		x.mu.Unlock()
	}
}

// learn reads the lists of others that are new or have grown. One that can't be read is left for the next
// time, and is what the error names. The caller holds exchanging.
func (x *index) learn(ctx context.Context) (read int, err error) {
	found, err := x.store.lists(ctx)
	if err != nil {
		return 0, err
	}
	x.mu.Lock()
	first := !x.loaded
	x.mu.Unlock()
	if first {
		complete := len(found) > 0
		if !complete {
			if complete, err = x.store.empty(ctx); err != nil {
				return 0, err
			}
		}
		if complete { // as far as anyone knows, and whatever comes into the bucket will be listed
			x.mu.Lock()
			x.wrong, x.believed = believe, true
			x.mu.Unlock()
		}
	}
	here, unread := make(map[string]bool, len(found)), 0
	for _, l := range x.worthwhile(found) {
		here[l.name] = true
		if x.read[l.name] == l.etag {
			continue
		}
		prints, failed := x.store.getList(ctx, l.name)
		if failed != nil && !errors.Is(failed, errList) { // a damaged list tells nothing, now and later
			err = fmt.Errorf("%s%s: %s", lists, l.name, describe(failed))
			if unread++; unread == mostUnread || ctx.Err() != nil {
				return read, err
			}
			continue
		}
		read, unread = read+1, 0
		x.read[l.name] = l.etag
		x.add(prints)
	}
	maps.DeleteFunc(x.read, func(name, _ string) bool { return !here[name] })
	x.mu.Lock()
	x.loaded = true
	x.mu.Unlock()
	return read, err
}

// add adds prints, and lets lookups in between.
func (x *index) add(prints []print) {
	for some := range slices.Chunk(prints, 1024) {
		x.mu.Lock()
		for _, p := range some {
			x.known.add(p)
		}
		x.mu.Unlock()
	}
}

// worthwhile returns others' lists that fit into the filter, the newest of them last. What is larger than
// a list is none.
func (x *index) worthwhile(lists []listed) (fit []listed) {
	slices.SortFunc(lists, func(a, b listed) int { return cmp.Or(b.modified.Compare(a.modified), strings.Compare(b.name, a.name)) })
	room := capacity(x.known.most)
	for _, l := range lists {
		if strings.HasPrefix(l.name, x.run) || l.size > int64(mostListBytes) {
			continue
		}
		if room -= int(l.size / 3); room < 0 { // a print takes three bytes or more where there are many
			break
		}
		fit = append(fit, l)
	}
	slices.Reverse(fit)
	return fit
}

// indexFigures are what an index knows.
type indexFigures struct {
	bytes, prints int
	believed      bool
}

func (x *index) figures() indexFigures {
	x.mu.Lock()
	defer x.mu.Unlock()
	return indexFigures{x.known.size(), x.known.len(), x.loaded && x.believed}
}
