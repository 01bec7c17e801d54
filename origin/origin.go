// Package origin fetches originals, and checks where they may come from.
//
// For most uses, call [ParseURL] or [ParsePath] on the reference that a client sent,
// [Allowlist.Allow] on a full URL, and Fetch of a [Source]. Sources are [HTTPSource] (a web
// server), [Dir] (a folder of the operator's) and package origin/bucket (S3 and R2). [HTTP]
// fetches full URLs. [URL.Within] tells whether a URL lies inside a source.
//
// All connections go through a [Guard], which refuses private addresses. [Bodies] bound the
// memory and the disk of the originals that are read.
//
// The package knows nothing about workspaces, signatures or image formats, and caches
// nothing.
package origin

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Errors of this package are wrapped with detail that clients may see. The detail never
// holds a private address, a credential or a query string. Where the caller cancelled the
// context, the error is that of the context, and not ErrTimeout.
var (
	ErrNotFound    = errors.New("original not found")
	ErrNotModified = errors.New("original not modified") // only where the caller gave Validators
	ErrTooLarge    = errors.New("original is too large")
	ErrTimeout     = errors.New("origin took too long")
	ErrUnavailable = errors.New("origin failed") // connection refused or reset, short body, other statuses
	ErrAddress     = errors.New("address not allowed")
	ErrInvalidURL  = errors.New("invalid URL")
	ErrInvalidPath = errors.New("invalid path")
	ErrNotAllowed  = errors.New("source not allowed") // a redirect that the workspace doesn't allow
)

// Validators identify a version of an original (RFC 9110 §8.8). A field is empty where the
// origin sent none.
type Validators struct {
	ETag         string
	LastModified string
}

// An Object is a whole original. Its body counts in its [Bodies] until the last user has
// released it. The caller of Fetch is the first user.
type Object struct {
	Body []byte // must not be read after the last Release
	Validators
	Redirects []URL // those that were followed, in their order
	share     *share
}

// A notModified is [ErrNotModified] after redirects.
type notModified struct{ redirects []URL }

func (e *notModified) Error() string   { return ErrNotModified.Error() }
func (e *notModified) Is(t error) bool { return t == ErrNotModified }

// RedirectsOf returns the redirects that were followed before [ErrNotModified].
func RedirectsOf(err error) []URL {
	if e, ok := errors.AsType[*notModified](err); ok {
		return e.redirects
	}
	return nil
}

// A share counts the users of a body.
type share struct {
	users atomic.Int32
	free  func()
}

func newShare(free func()) *share {
	s := &share{free: free}
	s.users.Store(1)
	return s
}

// Retain keeps the body for one more user, who must call Release. Only a user of the body
// may call Retain.
func (o *Object) Retain() {
	if o.share != nil {
		o.share.users.Add(1)
	}
}

// Release gives up the body. Each user must call it once.
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

// Look calls f, which may read the body, and returns its error. A body on disk may become
// unreadable: f then ends in the middle, and the error wraps ErrUnavailable.
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
	Bytes   int64         // size of the body
	Timeout time.Duration // time of the whole fetch, with redirects and body
	Connect time.Duration // time to connect, with TLS
}

// DefaultLimits are 25 MiB, 10 s and 5 s to connect.
func DefaultLimits() Limits {
	return Limits{Bytes: 25 << 20, Timeout: 10 * time.Second, Connect: 5 * time.Second}
}

// A Source fetches originals by object key. It is safe for concurrent use.
type Source interface {
	// Fetch returns the whole original under key. The caller must release it. Errors wrap
	// those of this package. Where have is not zero and the original hasn't changed, the
	// error is ErrNotModified.
	Fetch(ctx context.Context, key Key, have Validators) (*Object, error)
}

// A Key names an original within a source.
type Key struct {
	Path  string // decoded, without a leading slash, as ParsePath returns it
	Query string // raw query of a full URL inside the source; else empty
}
