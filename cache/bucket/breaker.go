package bucket

import (
	"sync"
	"time"
)

// failuresToOpen is how many failures in a row make a breaker leave the bucket alone.
const failuresToOpen = 3

// A breaker keeps requests from a bucket that fails, so that an outage isn't waited
// for with every miss: after three failures in a row one request is let through each
// cooldown, until one succeeds. It is safe for concurrent use.
type breaker struct {
	cooldown time.Duration

	mu       sync.Mutex // guards all below
	failures int        // in a row
	tryAt    time.Time  // when the next request is let through
}

// allow reports whether a request may be made at now, and if not, how long to wait
// before asking again.
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

// succeeded notes a request that the bucket answered, and reports whether it had been
// left alone.
func (b *breaker) succeeded() (again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	again = b.failures >= failuresToOpen
	b.failures = 0
	return again
}

// failed notes a request that failed.
func (b *breaker) failed(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	if b.failures >= failuresToOpen {
		b.tryAt = now.Add(b.cooldown)
	}
}
