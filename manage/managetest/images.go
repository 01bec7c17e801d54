// Package managetest has what tests of package manage and of its callers run against.
package managetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// Images is a [manage.Images] that keeps uploads in a folder, and takes everything that begins with "image".
type Images struct{ dir *origin.Dir }

// NewImages returns Images with the image a.jpg. The sources photos, spare and logos are its
// folder, and only photos takes uploads.
func NewImages(t testing.TB) Images {
	t.Helper()
	dir, err := origin.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	if _, err := dir.Put(t.Context(), "a.jpg", &origin.Object{Body: []byte("image a")}, "", false); err != nil {
		t.Fatal(err)
	}
	return Images{dir}
}

// Storage implements [manage.Images].
func (i Images) Storage(_ *workspace.Workspace, source string) (origin.Storage, bool, error) {
	switch source {
	case "photos":
		return i.dir, true, nil
	case "spare", "logos":
		return i.dir, false, nil
	}
	return nil, false, fault.New(fault.SourceNotFound, "there is no such source")
}

// ReadUpload implements [manage.Images].
func (Images) ReadUpload(_ context.Context, _ *workspace.Workspace, r io.Reader, _ int64, _ func()) (*origin.Object, error) {
	b, err := io.ReadAll(r)
	return &origin.Object{Body: b}, err
}

// CheckUpload implements [manage.Images].
func (Images) CheckUpload(_ context.Context, _ *workspace.Workspace, o *origin.Object) (delivery.Checked, error) {
	if !bytes.HasPrefix(o.Body, []byte("image")) {
		return delivery.Checked{}, transform.ErrUnsupported
	}
	return delivery.Checked{SHA256: fmt.Sprintf("%x", sha256.Sum256(o.Body)), Metadata: delivery.Metadata{ContentType: "image/jpeg"}}, nil
}

// Blocked implements [manage.Images].
func (Images) Blocked(w *workspace.Workspace, source, path, sum string) (bool, error) {
	for _, b := range w.Blocks {
		if b.Path == source+"/"+path || sum != "" && b.SHA256 == sum {
			return true, nil
		}
	}
	return false, nil
}

// MaxUpload implements [manage.Images].
func (Images) MaxUpload() int64 { return 1000 }

// Pregenerate implements [manage.Images].
func (Images) Pregenerate(string, string, string, []string) {}
