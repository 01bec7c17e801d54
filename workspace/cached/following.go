package cached

import "time"

// A Following says how a [Store] follows what other servers change.
type Following struct {
	Age     time.Duration // since the last look began that read all of the feed, or since New
	Waiting int           // workspaces in memory that were changed elsewhere and aren't read again yet
	Down    bool          // the store failed, and hasn't answered since
}

// Feed returns the present figures.
func (c *Store) Feed() Following {
	now := c.clock()
	heard := c.heard.Load()
	if heard == 0 { // never
		heard = now - int64(c.now().Sub(c.start))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Following{Age: max(0, time.Duration(now-heard)), Waiting: len(c.stale), Down: c.down.Load()}
}
