package bucket

import (
	"slices"
	"sync"
	"time"
)

// Bounds of a deadline.
const (
	leastDeadline = 250 * time.Millisecond
	mostDeadline  = time.Second // misses are late by as much, and no cache is worth more
	lookupWindow  = 256         // lookups that count
	leastLookups  = 20          // before that, the deadline is the most
	timesUsual    = 4           // how many times the p99 of lookups a lookup may take
)

// A deadline says how long a lookup may take: four times as long as all but one of a hundred took
// lately, between a quarter of a second and a second. A bucket that becomes slow so fails soon,
// which opens the breaker, and one that has always been slow gets more time. It is safe for
// concurrent use.
type deadline struct {
	fixed time.Duration // always this; 0 is by what lookups take

	mu   sync.Mutex // guards the fields below
	took [lookupWindow]time.Duration
	n    int // lookups so far
}

// get returns how long the next lookup may take.
func (d *deadline) get() time.Duration {
	if d.fixed > 0 {
		return d.fixed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n < leastLookups {
		return mostDeadline
	}
	window := slices.Clone(d.took[:min(d.n, lookupWindow)]) // sorted in microseconds, and a lookup takes milliseconds
	slices.Sort(window)
	p99 := window[(len(window)*99-1)/100]
	return min(max(timesUsual*p99, leastDeadline), mostDeadline)
}

// note records what a lookup took that the bucket answered, or that ran into its deadline: then it
// would have taken longer, and counts as twice that.
func (d *deadline) note(took time.Duration, late bool) {
	if late {
		took *= 2
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took[d.n%lookupWindow] = took
	d.n++
}
