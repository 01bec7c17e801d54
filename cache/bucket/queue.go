package bucket

import (
	"context"
	"time"

	"github.com/tintype/tintype/cache"
)

// writeQueue writes what is put until the cache is closed and the queue empty.
func (c *Cache) writeQueue() {
	for {
		key, w := c.nextWrite()
		if w == nil {
			return
		}
		c.done(key, w, c.write(key, w.entry))
	}
}

// nextWrite waits for a write, and returns it busy. Nil is the end.
func (c *Cache) nextWrite() (cache.Key, *write) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.closed {
		c.wake.Wait()
	}
	if len(c.queue) == 0 {
		return cache.Key{}, nil
	}
	key := c.queue[0]
	c.queue = c.queue[1:]
	w := c.pending[key]
	w.busy = true
	return key, w
}

// write brings an entry to the bucket, or deletes it where e is nil, as soon as the
// bucket is no longer left alone.
func (c *Cache) write(key cache.Key, e *cache.Entry) error {
	for {
		ok, wait := c.breaker.allow(time.Now())
		if ok {
			break
		}
		if c.waited(wait) {
			continue
		}
		c.mu.Lock()
		aborted := c.aborted
		c.mu.Unlock()
		if aborted {
			return errLeftAlone
		}
		break // closing: one attempt, whatever the breaker says
	}
	ctx, cancel := context.WithTimeout(c.writing, writeTimeout)
	defer cancel()
	var err error
	what := "delete"
	if e == nil {
		err = c.store.delete(ctx, key)
	} else {
		what = "write"
		err = c.store.put(ctx, key, e)
	}
	switch {
	case err == nil:
		c.succeeded()
	case c.writing.Err() == nil: // else Close has given up on it
		c.failed(what, err)
	}
	return err
}

// waited waits, and reports false where the cache is closing.
func (c *Cache) waited(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.closing:
		return false
	}
}

// done ends a write. Where it failed, what the bucket has under the key may be what was
// to be replaced, and counts no more.
func (c *Cache) done(key cache.Key, w *write, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued -= w.size
	switch {
	case err != nil:
		c.unsure.Add(key, struct{}{})
		if w.entry != nil {
			c.stats.Dropped++
		}
		c.aborted = c.aborted || c.closed
	default:
		c.unsure.Remove(key)
		if w.entry != nil {
			c.stats.Puts++
		}
	}
	if w.next != nil && !c.aborted {
		c.pending[key] = w.next
		c.queue = append(c.queue, key)
		c.wake.Signal()
	} else {
		delete(c.pending, key)
	}
	if c.aborted {
		for _, key := range c.queue {
			if c.pending[key].entry != nil {
				c.stats.Dropped++
			}
			delete(c.pending, key)
		}
		c.queue = nil
	}
	if len(c.pending) == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}
