//go:build cgo

package vips

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tintype/tintype/transform"
)

// stampBytes bounds the pixels of marks that an engine keeps.
const stampBytes = 32 << 20

// A stampKey has everything that decides the pixels of a mark.
type stampKey struct {
	image         [32]byte // hash
	width, height int      // of the box that it is fitted into
	fit           transform.Fit
	opacity       float64
}

// A stampPicture is a mark as it is laid on outputs. It is immutable.
type stampPicture struct {
	rgba  []byte // not premultiplied
	size  transform.Size
	alike bool // all colours are greys
}

// stamps keeps recently used marks, so that a mark is decoded and scaled once for each
// size. The zero value is empty and ready for use. It is safe for concurrent use.
type stamps struct {
	mu    sync.Mutex // guards the rest
	lru   *simplelru.LRU[stampKey, *stampPicture]
	bytes int
}

func (s *stamps) get(key stampKey) *stampPicture {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lru == nil {
		return nil
	}
	p, _ := s.lru.Get(key)
	return p
}

// put keeps a picture, and drops the least recently used ones. It doesn't keep a picture of
// more than a quarter of stampBytes.
func (s *stamps) put(key stampKey, p *stampPicture) {
	if len(p.rgba) > stampBytes/4 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lru == nil {
		lru, err := simplelru.NewLRU(stampBytes, func(_ stampKey, old *stampPicture) { s.bytes -= len(old.rgba) })
		if err != nil {
			panic(err) // the size is a positive constant
		}
		s.lru = lru
	}
	s.lru.Remove(key) // another request may have put it at the same time
	s.lru.Add(key, p)
	s.bytes += len(p.rgba)
	for s.bytes > stampBytes {
		s.lru.RemoveOldest()
	}
}
