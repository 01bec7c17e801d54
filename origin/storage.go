package origin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// ErrExists says that there is an original under this path already.
var ErrExists = errors.New("there is an original under this path already; set overwrite to replace it")

// A Storage is a Source that lists its originals and takes new ones. Errors wrap those of
// this package. It is safe for concurrent use.
type Storage interface {
	Source

	// Stat returns what is known of an original without reading it.
	Stat(ctx context.Context, path string) (Stored, error)
	// Browse returns a page of originals. The pages of one listing have no order that all
	// storages share.
	Browse(ctx context.Context, q ListQuery) (ListPage, error)
	// Put stores an original in one step: readers see the whole of it or nothing. Without
	// overwrite, the error is ErrExists if there is an original already, also if it is put
	// there at the same time. isNew reports that there was none before.
	Put(ctx context.Context, path string, o *Object, contentType string, overwrite bool) (isNew bool, err error)
	// Delete removes an original. The error is ErrNotFound if there is none.
	Delete(ctx context.Context, path string) error
}

// A Staging is a Storage to which clients send large originals by themselves. Until they are
// checked, they are under keys that no request for an image can name.
type Staging interface {
	Storage

	// ClientOrigin returns the scheme and host of the URLs of PresignPut and PresignPart. It is
	// empty where there is none.
	ClientOrigin() string
	// PresignPut returns a URL to which a client can send one body of this type and length
	// until the lifetime ends, with exactly these headers.
	PresignPut(ctx context.Context, id, contentType string, length int64, lifetime time.Duration) (url string, header http.Header, err error)
	// FetchStaged returns what was sent under an id. The caller must release it.
	FetchStaged(ctx context.Context, id string) (*Object, error)
	// DeleteStaged removes what was sent under an id, if there is anything.
	DeleteStaged(ctx context.Context, id string) error
	// SweepStaged removes what was sent before a time, 1,000 at most, and returns how many.
	// partsBefore is the time for originals that were joined from parts: some stores date
	// these by when the upload began.
	SweepStaged(ctx context.Context, before, partsBefore time.Time) (removed int, err error)

	// StartParts begins an upload in parts under an id, which must begin with PartsID. It
	// returns the storage's own name of the upload, for the methods below. Their error is
	// ErrNotFound where there is no such upload (any more).
	StartParts(ctx context.Context, id, contentType string) (upload string, err error)
	// PresignPart is PresignPut for one part. Parts are numbered from 1.
	PresignPart(ctx context.Context, id, upload string, number int, length int64, lifetime time.Duration) (url string, header http.Header, err error)
	// ListParts returns the parts that were sent, 1,000 at most.
	ListParts(ctx context.Context, id, upload string) ([]Part, error)
	// JoinParts makes parts into what FetchStaged returns, and ends the upload.
	JoinParts(ctx context.Context, id, upload string, parts []Part) error
	// DropParts removes the parts that were sent, and ends the upload.
	DropParts(ctx context.Context, id, upload string) error
	// SweepParts drops uploads in parts that began before a time, 1,000 at most, and returns
	// how many.
	SweepParts(ctx context.Context, before time.Time) (removed int, err error)
}

// PartsID begins the ids of uploads in parts.
const PartsID = "parts-"

// A Part is a part of an original that a client sent.
type Part struct {
	Number int
	Bytes  int64
	ETag   string
}

// A Stored is what is known of an original without reading it.
type Stored struct {
	Path        string
	Bytes       int64
	ContentType string // empty where the storage doesn't keep it
	Validators
}

// A ListQuery says which originals to list.
type ListQuery struct {
	Prefix string // beginning of the object keys
	Flat   bool   // list what is in folders too, instead of the folders
	Cursor string // Next of the previous page; empty is the first page
	Limit  int    // most originals and folders on the page; at least 1
}

// A ListPage is one page of a listing.
type ListPage struct {
	Images  []Stored // without a ContentType
	Folders []string // object keys that end in a slash
	Next    string   // Cursor of the next page; empty on the last one
}

// NewReader returns a reader of the original's body. Unlike the body itself, it can be read
// by a goroutine of another package: where the body has become unreadable, the reader
// returns an error (see Look).
func (o *Object) NewReader() io.ReadSeeker { return &objectReader{o: o} }

type objectReader struct {
	o  *Object
	at int64
}

func (r *objectReader) Read(p []byte) (n int, err error) {
	if r.at >= int64(len(r.o.Body)) {
		return 0, io.EOF
	}
	err = r.o.Look(func(body []byte) error {
		n = copy(p, body[r.at:])
		return nil
	})
	if err != nil {
		return 0, err
	}
	r.at += int64(n)
	return n, nil
}

func (r *objectReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += int64(len(r.o.Body))
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	r.at = offset
	return offset, nil
}

// listable reports whether an object key is listed.
func listable(path string) bool { return CheckPath(path) == nil }

// CheckListPrefix checks the prefix of a listing. The error wraps ErrInvalidPath.
func CheckListPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	err := CheckPath(prefix)
	if err != nil && prefix[len(prefix)-1] == '/' {
		err = CheckPath(prefix + "x")
	}
	return err
}
