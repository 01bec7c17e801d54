// Package cache keeps variants: [Memory] and [Disk] behind one interface,
// [Tiered] in front of both, and [Loader], which makes what is missing exactly
// once however many ask for it. [Shared] is the single flight beneath it.
//
// It knows nothing about images or workspaces: a [Key] is a hash made elsewhere.
package cache

import (
	"context"
	"encoding/hex"
	"time"
)

// A Key is the hash of everything that decides a variant's bytes.
type Key [32]byte

// String is the key as 64 lower-case hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// An Entry is one stored output. Entries are shared: nobody writes to one that
// was put in or taken out.
type Entry struct {
	Body        []byte
	ContentType string
	ETag        string // strong and quoted (RFC 9110 §8.8.3)
	Width       int    // pixels; 0 where it is no image
	Height      int
	Frames      int

	// Code and Message are set where the output is an error that is remembered
	// for a short while (Body is then empty). Only memory keeps those.
	Code, Message string

	OriginETag         string // what the origin said of the original
	OriginLastModified string

	StoredAt     time.Time
	RevalidateAt time.Time // when the origin is to be asked again; zero is never
	ExpiresAt    time.Time // when the entry is no more; zero is never
}

// Expired reports whether the entry is no more at now.
func (e *Entry) Expired(now time.Time) bool {
	return !e.ExpiresAt.IsZero() && !now.Before(e.ExpiresAt)
}

// Stale reports whether the origin is to be asked again at now.
func (e *Entry) Stale(now time.Time) bool {
	return !e.RevalidateAt.IsZero() && !now.Before(e.RevalidateAt)
}

// A Cache stores entries. A failing cache is a miss, never an error: Get answers
// nil, Put loses the entry, and the implementation counts and logs why. It is
// safe for concurrent use.
type Cache interface {
	// Get returns the entry and the name of the tier that had it ("memory",
	// "disk", …), or nil where there is none, it has expired, or it is torn.
	Get(ctx context.Context, key Key) (e *Entry, tier string)
	// Put stores the entry, at once or behind the caller's back. The entry that it
	// replaces is gone even where the new one isn't kept: because it has expired, is
	// an error or too large, or because the cache is failing.
	Put(ctx context.Context, key Key, e *Entry)
	// Delete drops the entry.
	Delete(ctx context.Context, key Key)
}
