package bucket

import (
	"sync"
	"time"
)

// failuresToOpen is the number of failures in a row that open a breaker.
const failuresToOpen = 3

// A breaker stops requests to a bucket that fails, so that misses don't wait for timeouts
// during an outage. After three failures in a row the breaker is open: it lets one request
// through each cooldown, until one succeeds. It is safe for concurrent use.
type breaker struct {
	cooldown time.Duration

	mu       sync.Mutex // guards all fields below
	failures int        // in a row
	tryAt    time.Time  // when the next request is let through
}

// allow reports whether a request may be made now. If not, it returns how long to wait
// before the next call.
func (b *breaker) allow(now time.Time) (ok bool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < failuresToOpen {
		return true, 0
	}
	if wait := b.tryAt.Sub(now); wait > 0 {
		return false, wait
	}
	b.tryAt = now.Add(b.cooldown)
	return true, 0
}

// succeeded records an answer of the bucket, which closes the breaker. It reports whether
// the breaker was open.
func (b *breaker) succeeded() (again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	again = b.failures >= failuresToOpen
	b.failures = 0
	return again
}

// failed records a request that failed.
func (b *breaker) failed(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	if b.failures >= failuresToOpen {
		b.tryAt = now.Add(b.cooldown)
	}
}
