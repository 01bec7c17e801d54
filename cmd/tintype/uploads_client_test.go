//go:build cgo && linux

package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tintype/tintype/client"
)

// TestUploadLarge sends a large image by the Go client, and looks what the bucket keeps of
// uploads that end before they are complete.
func TestUploadLarge(t *testing.T) {
	t.Parallel() // it waits more than it computes
	const size = 24 << 20
	u := startUploader(t)
	c, err := client.New(u.url, testRootKey)
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, size)
	copy(big, u.picture)
	left := func(when string) {
		t.Helper()
		if n, keys := u.gateway.Uploads(t, "media"), u.gateway.List(t, "media", "shop/.tintype"); n > 0 || len(keys) > 0 {
			t.Errorf("%s, the bucket keeps %d uploads and %q", when, n, keys)
		}
	}

	var told []int64
	up := client.Upload{Source: "media", Path: "large.jpg", Progress: func(sent int64) { told = append(told, sent) }}
	made, err := c.UploadLarge(t.Context(), "acme", up, bytes.NewReader(big), size)
	if err != nil {
		t.Fatal(err)
	}
	if made.Bytes != size || !made.IsNew || made.Metadata.Width != 2400 {
		t.Errorf("%+v", made)
	}
	if len(told) < 3 || !slices.IsSorted(told) || told[len(told)-1] != size {
		t.Errorf("progress: %d", told)
	}
	if got := u.status(t, "/acme/media/large.jpg?w=40"); got != 200 {
		t.Errorf("the image: %d", got)
	}
	left("after an upload")

	if _, err := c.UploadLarge(t.Context(), "acme", up, bytes.NewReader(big), size); !errors.Is(err, client.CodeConflict) {
		t.Errorf("a path that is taken: %v", err)
	}
	left("where the path is taken")

	ctx, cancel := context.WithCancel(t.Context())
	up.Path, up.Progress = "interrupted.jpg", func(int64) { cancel() }
	if _, err := c.UploadLarge(ctx, "acme", up, bytes.NewReader(big), size); !errors.Is(err, context.Canceled) {
		t.Errorf("an upload that is ended: %v", err)
	}
	left("after an upload was ended")
	if got := u.status(t, "/acme/media/interrupted.jpg?w=40"); got != 404 {
		t.Errorf("what was ended: %d", got)
	}
}
