// Package origin fetches originals, and decides which places they may come from.
//
// [ParsePath] and [ParseURL] canonicalise what a client sent or refuse it,
// [ParsePattern] and [Allowlist] are the workspace's allowed_sources, and
// [URL.Within] tells whether a URL is inside a source. [HTTP] fetches over a
// [Guard], which lets no connection reach a private address; [HTTPSource] and
// [Dir] are a web server and a folder of the operator's as a [Source]. S3 and R2
// are origin/bucket, over [NewTransport].
//
// It decides nothing about workspaces, signatures or image formats, and caches
// nothing.
package origin

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Errors of this package, wrapped with detail that is safe to show to a client:
// never a private address, a credential or a query string. A context that the
// caller cancelled comes back as its own error, not as ErrTimeout.
var (
	ErrNotFound    = errors.New("original not found")
	ErrNotModified = errors.New("original not modified") // only where Validators were given
	ErrTooLarge    = errors.New("original is too large")
	ErrTimeout     = errors.New("origin took too long")
	ErrUnavailable = errors.New("origin failed") // refused, reset, short body, any other status
	ErrAddress     = errors.New("address not allowed")
	ErrInvalidURL  = errors.New("invalid URL")
	ErrInvalidPath = errors.New("invalid path")
	ErrNotAllowed  = errors.New("source not allowed") // a redirect to where the workspace allows none
)

// Validators are what an origin said about a version of an original (RFC 9110
// §8.8). Empty fields mean that it said nothing.
type Validators struct {
	ETag         string
	LastModified string
}

// An Object is an original as fetched, whole. Its body counts among the [Bodies] that
// it was read under until all who retain it have released it; who fetched it does.
type Object struct {
	Body []byte // not read after the last Release
	Validators
	share *share
}

// A share counts who retains a body.
type share struct {
	users atomic.Int32
	free  func()
}

func newShare(free func()) *share {
	s := &share{free: free}
	s.users.Store(1)
	return s
}

// Retain keeps the body for one more user. Whoever calls it must retain it already.
func (o *Object) Retain() {
	if o.share != nil {
		o.share.users.Add(1)
	}
}

// Release lets go of the body, once for every user.
func (o *Object) Release() {
	if o.share == nil {
		return
	}
	switch n := o.share.users.Add(-1); {
	case n == 0:
		o.share.free()
	case n < 0:
		panic("origin: an original was released too often")
	}
}

// Look calls f, which reads the body. Where a body that is on disk can't be read back,
// f ends there, and the error wraps ErrUnavailable.
func (o *Object) Look(f func(body []byte) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if _, fault := p.(interface{ Addr() uintptr }); !fault {
			panic(p)
		}
		err = unavailable("it could not be read back from this server's disk")
	}()
	return f(o.Body)
}

// Limits bound one fetch.
type Limits struct {
	Bytes   int64         // of the body
	Timeout time.Duration // of the whole fetch, redirects and body included
	Connect time.Duration // of one connection, TLS included
}

// DefaultLimits are 25 MiB, 10 s and 5 s to connect.
func DefaultLimits() Limits {
	return Limits{Bytes: 25 << 20, Timeout: 10 * time.Second, Connect: 5 * time.Second}
}

// A Source fetches originals by object key. It is safe for concurrent use.
type Source interface {
	// Fetch returns the whole original under key, or an error that wraps one of
	// this package's. Where have is not zero and the original is unchanged, the
	// error is ErrNotModified.
	Fetch(ctx context.Context, key Key, have Validators) (*Object, error)
}

// A Key names an original within a source.
type Key struct {
	Path  string // percent-decoded, without a leading slash, as ParsePath accepts it
	Query string // raw query of a full URL that led here; empty otherwise
}
