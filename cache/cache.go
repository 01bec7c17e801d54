// Package cache keeps variants in memory and on disk.
//
// For most uses, call [NewMemory] and [OpenDisk], combine them with [NewTiered], and load
// entries with a [Loader]. A Loader makes a missing entry once for all requests that want
// it at the same time. [Shared] does that for any function.
//
// The package knows nothing about images or workspaces. The caller computes the [Key].
package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"time"
)

// A Key is the hash of everything that decides a variant's bytes.
type Key [32]byte

// String returns the key as 64 lower-case hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MaxHashes is the maximum number of an entry's OriginHashes.
const MaxHashes = 16

// An Entry is one stored output. Requests share entries: nobody may change an entry after
// Put, or one that Get returned.
type Entry struct {
	Body        []byte
	ContentType string
	ETag        string // strong and quoted (RFC 9110 §8.8.3)
	Width       int    // pixels; 0 where the body isn't an image
	Height      int
	Frames      int
	Quality     int // that was found for the image; 0 where none was to be found

	// Code and Message are set where the entry is an error, which is kept for a short while.
	// Body is then empty. Only the memory tier keeps errors.
	Code, Message string

	OriginETag         string // validators of the original
	OriginLastModified string

	// OriginHashes are SHA-256 of the originals, where the caller needs to know them; at most
	// MaxHashes.
	OriginHashes [][32]byte

	// Redirects are where the servers of the originals led to, in the order of the requests.
	// Nobody noted them when an entry with Unaware was made, by an earlier version. LastPurge is
	// the number of the last purge that their fetch comes after. It is lost where there are no
	// Redirects.
	Redirects []Redirect
	LastPurge int64
	Unaware   bool

	// Elsewhere means that another server made the entry. It puts it into the tiers that servers
	// share. No tier stores this field.
	Elsewhere bool

	// Part is set where Body is a part only, of a body that a PartOf asked for. No tier stores such
	// an entry.
	Part *Part

	// File has the body where Body is empty because a [Lend] was asked for it. No tier stores such
	// an entry.
	File *File

	// Partial means that something that was asked for is missing from the body, and may come
	// back.
	Partial bool

	StoredAt     time.Time
	RevalidateAt time.Time // from then on the entry is stale; zero is never
	ExpiresAt    time.Time // from then on the entry doesn't exist; zero is never
}

// A Redirect is one that was followed to fetch an original.
type Redirect struct {
	Original int    // index of the original among those of the entry
	URL      string // where the redirect led to; it has no line breaks
}

// A Part says which part of a body there is.
type Part struct {
	First int64 // its first byte
	Size  int64 // of the whole body, in bytes
}

// A PartOf says which bytes of a large body are asked for, first to last: none where last is below first.
// It gets the entry without its body, and the size of that. ok is false where the whole is asked for.
type PartOf func(e *Entry, size int64) (first, last int64, ok bool)

type partOf struct{}

// WithPart returns a context for a lookup that needs a part of the body only. A tier may read that part
// alone, and returns an entry with a Part then. Nil asks for the whole.
func WithPart(ctx context.Context, part PartOf) context.Context {
	return context.WithValue(ctx, partOf{}, part)
}

// PartAsked returns what was given to WithPart, or nil.
func PartAsked(ctx context.Context) PartOf {
	part, _ := ctx.Value(partOf{}).(PartOf)
	return part
}

// Size returns the bytes of the whole body, wherever it is.
func (e *Entry) Size() int64 {
	switch {
	case e.File != nil:
		return e.File.Size()
	case e.Part != nil:
		return e.Part.Size
	}
	return int64(len(e.Body))
}

// Expired reports whether the entry has expired at now.
func (e *Entry) Expired(now time.Time) bool {
	return !e.ExpiresAt.IsZero() && !now.Before(e.ExpiresAt)
}

// Stale reports whether the origin must be asked at now whether the original has changed.
// Until then the entry may be served.
func (e *Entry) Stale(now time.Time) bool {
	return !e.RevalidateAt.IsZero() && !now.Before(e.RevalidateAt)
}

// ErrNoRoom is the error of a [Loader] for an entry that isn't read, since memory is short.
var ErrNoRoom = errors.New("too many large images are being sent; try again in a second")

// NoRoom is what Get returns instead of such an entry. It is never stored.
var NoRoom = &Entry{}

// A Reserve reserves the bytes of a large entry before a tier reads it. Where it
// has no room it returns false. The tier calls release once the entry is read: from then on
// whoever asked for it counts it.
type Reserve func(ctx context.Context, bytes int64) (release func(), ok bool)

type localOnly struct{}

// WithLocalOnly returns a context in which tiers that servers share have only what this server has
// still to write there, where on returns true: for what another server is asked for first, which looks
// there itself. Only such tiers call on.
func WithLocalOnly(ctx context.Context, on func() bool) context.Context {
	return context.WithValue(ctx, localOnly{}, on)
}

// LocalOnly reports what the function of WithLocalOnly returns, if there is one.
func LocalOnly(ctx context.Context) bool {
	on, _ := ctx.Value(localOnly{}).(func() bool)
	return on != nil && on()
}

// A Cache stores entries. A cache that fails returns no error: Get misses, Put loses the
// entry, and the implementation counts and logs the failure. A Cache is safe for concurrent
// use.
type Cache interface {
	// Get returns the entry and the name of the tier that had it ("memory", "disk", …). The
	// entry is nil where there is none, or where it has expired or is corrupt. It is [NoRoom]
	// where there is one that may not be read now.
	Get(ctx context.Context, key Key) (e *Entry, tier string)
	// Put stores the entry, at once or later in the background. It always removes the old
	// entry, also where the new one isn't kept: because it has expired, is an error or too
	// large, or because the cache fails.
	Put(ctx context.Context, key Key, e *Entry)
	// Delete removes the entry.
	Delete(ctx context.Context, key Key)
}
