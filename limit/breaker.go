package limit

import (
	"sync"
	"time"
)

// opensAfter is how many leases in a row fail before the store counts as down for all limits.
// One limit may fail alone, as where its part of the store is throttled.
const opensAfter = 3

// A breaker keeps limits from asking a store that is down, each for itself. It is safe for
// concurrent use. The zero breaker is closed.
type breaker struct {
	mu       sync.Mutex // guards all fields below
	failures int        // in a row
	askAt    time.Time  // no limit asks before, while it is open
}

// open reports whether the store counts as down.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= opensAfter
}

// mayAsk reports whether a limit may ask the store now. While the breaker is open, one may in
// each cooldown.
func (b *breaker) mayAsk(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < opensAfter {
		return true
	}
	if now.Before(b.askAt) {
		return false
	}
	b.askAt = now.Add(cooldown)
	return true
}

// heard records how a lease has ended.
func (b *breaker) heard(err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.failures = 0
		return
	}
	b.failures++
	b.askAt = now.Add(cooldown)
}
