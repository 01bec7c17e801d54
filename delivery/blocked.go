package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// A blocklist is what the owner of a workspace doesn't want to be shown. Nil is nothing.
//
// Paths are compared before anything is fetched, also as servers may read them, and once more
// where an entry of the cache was fetched through redirects. Hashes need the bytes: where a
// workspace has any, each entry of the cache names the hashes of the originals that it was made
// of, and is under a key of its own, so that entries without hashes are never found. Workspaces
// without blocked hashes pay nothing.
type blocklist struct {
	names  map[object]bool
	alike  origin.LookAlikes // the URLs of names
	hashes map[[sha256.Size]byte]bool
}

// blocks compiles what is blocked in the sources of the site.
func (c *site) blocks(blocks []workspace.Block) *blocklist {
	if len(blocks) == 0 {
		return nil
	}
	l := &blocklist{names: map[object]bool{}, hashes: map[[sha256.Size]byte]bool{}}
	for _, b := range blocks {
		if b.Path != "" {
			source, path, _ := strings.Cut(b.Path, "/")
			l.names[object{source, path}] = true
			for u := range c.urls(c.sources[source], path) {
				l.alike.Add(u)
			}
			continue
		}
		var sum [sha256.Size]byte
		if n, err := hex.Decode(sum[:], []byte(b.SHA256)); err == nil && n == len(sum) {
			l.hashes[sum] = true
		}
	}
	return l
}

// urls calls yield with the URL of an object key in each place of the source.
func (c *site) urls(s *source, path string) func(yield func(origin.URL) bool) {
	return func(yield func(origin.URL) bool) {
		if s == nil {
			return
		}
		for _, place := range c.index().places[s] {
			if u, err := place.Below(origin.Key{Path: path}); err == nil && !yield(u) {
				return
			}
		}
	}
}

// byPath reports whether paths are blocked.
func (l *blocklist) byPath() bool { return l != nil && len(l.names) > 0 }

// byHash reports whether originals have to be hashed.
func (l *blocklist) byHash() bool { return l != nil && len(l.hashes) > 0 }

// has reports whether one of the hashes is blocked.
func (l *blocklist) has(hashes ...[sha256.Size]byte) bool {
	if l.byHash() {
		for _, sum := range hashes {
			if l.hashes[sum] {
				return true
			}
		}
	}
	return false
}

func errBlocked() error {
	return fault.New(fault.Blocked, "this image has been blocked by the owner of the workspace")
}

// checkBlocked refuses a request for a blocked image, or with one as a mark.
func (a *ask) checkBlocked() error {
	for _, r := range a.refs {
		if err := a.site.checkName(r); err != nil {
			return err
		}
	}
	for _, m := range a.marks.list {
		if err := a.site.checkName(m.ref); err != nil {
			return err
		}
	}
	return nil
}

// checkName refuses an original that is blocked under any of its names, and one that some
// server may take for a blocked one.
func (c *site) checkName(r ref) error {
	if !c.blocked.byPath() {
		return nil
	}
	for o := range c.allNames(r) {
		if c.blocked.names[o] {
			return errBlocked()
		}
	}
	alike := r.source == nil && c.blocked.alike.Has(r.url)
	for _, in := range append([]ref{r}, r.also...) {
		if alike || in.source == nil || !in.source.TakesReadings() {
			continue
		}
		for u := range c.urls(in.source, in.key.Path) {
			alike = alike || c.blocked.alike.Has(u)
		}
	}
	if alike {
		return fault.New(fault.Blocked, "some servers read this path as that of an image that the owner of the workspace has blocked")
	}
	return nil
}

// hash returns the hash of an original, or zero where the workspace needs none. A blocked
// original is refused.
func (c *site) hash(o *origin.Object) (sum [sha256.Size]byte, err error) {
	if !c.blocked.byHash() {
		return sum, nil
	}
	err = o.Look(func(body []byte) error { sum = sha256.Sum256(body); return nil })
	if err == nil && c.blocked.has(sum) {
		err = errBlocked()
	}
	return sum, err
}

// hashesOf returns the hashes of originals. Cells of a grid that are left out have none.
func hashesOf(c *site, from []*original) (sums [][sha256.Size]byte) {
	if !c.blocked.byHash() {
		return nil
	}
	for _, o := range from {
		if o != nil {
			sums = append(sums, o.sum)
		}
	}
	return sums
}

// Blocked reports whether the workspace has blocked the original under a path, or one with
// these bytes. sha256 may be empty.
func (s *Service) Blocked(w *workspace.Workspace, source, path, sha256 string) (bool, error) {
	if len(w.Blocks) == 0 {
		return false, nil
	}
	for _, b := range w.Blocks {
		if sha256 != "" && b.SHA256 == sha256 {
			return true, nil
		}
	}
	c, err := s.compile(w)
	if err != nil {
		return false, err
	}
	r, err := c.lookup(source, origin.Key{Path: path})
	if err != nil {
		return false, err
	}
	return c.checkName(r) != nil, nil
}
