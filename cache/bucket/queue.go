package bucket

import (
	"context"
	"time"

	"github.com/tintype/tintype/cache"
)

// writeQueue writes queued entries, until the cache is closed and the queue is empty.
func (c *Cache) writeQueue() {
	for {
		key, w := c.nextWrite()
		if w == nil {
			return
		}
		c.done(key, w, c.write(key, w.entry))
	}
}

// nextWrite waits for a write, and marks it as busy. It returns nil at the end of the
// queue.
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

// write puts an entry into the bucket, or deletes the object where e is nil. It waits while
// the breaker is open.
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
			return errPaused
		}
		break // the cache closes: one attempt, even with an open breaker
	}
	ctx, cancel := context.WithTimeout(c.writing, writeTimeout)
	defer cancel()
	var err error
	operation := "delete"
	if e == nil {
		err = c.store.delete(ctx, key)
	} else {
		operation = "write"
		err = c.store.put(ctx, key, e)
	}
	switch {
	case err == nil:
		c.succeeded()
	case c.writing.Err() == nil: // otherwise Close has aborted the write
		c.failed(operation, err)
	}
	return err
}

// waited waits for d. It returns false at once when the cache closes.
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

// done ends a write. After a failure the bucket may still have the old object, so lookups
// of the key miss until a write succeeds.
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
			if c.index != nil {
				c.index.holds(key)
			}
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
