//go:build cgo && linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// An uploadInParts is the answer to upload-parts and resume.
type uploadInParts struct {
	ID        string `json:"upload_id"`
	Method    string
	PartBytes int `json:"part_bytes"`
	Parts     []struct {
		Number, Bytes int
		Sent          bool
		URL           string
		Headers       map[string]string
	}
}

// TestUploadInParts sends an image to the bucket in parts: its connection breaks, it is
// resumed, and it is completed once.
func TestUploadInParts(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	u.mustCall(t, 200, "PUT", "/workspaces/other/sources/media", map[string]any{
		"kind": "s3", "bucket": "media", "region": u.gateway.Region, "endpoint": u.gateway.Endpoint, "prefix": "theirs/",
		"access_key_id": uploadKey, "secret_access_key": uploadSecret, "uploads": true,
	})
	const partBytes = 5 << 20
	big := append(slices.Clone(u.picture), make([]byte, 2*partBytes)...)
	ask := func(want int, route string, body map[string]any) (a uploadInParts) {
		t.Helper()
		answer := u.mustCall(t, want, "POST", "/workspaces/acme/images/"+route, body)
		if err := json.Unmarshal(answer, &a); err != nil || strings.Contains(string(answer), uploadSecret) {
			t.Fatal(string(answer), err)
		}
		return a
	}
	begin := func() uploadInParts {
		t.Helper()
		return ask(201, "upload-parts", map[string]any{"source": "media", "path": "big.jpg", "content_type": "image/jpeg", "bytes": len(big), "part_bytes": partBytes})
	}
	// send sends some bytes as a part, and breaks the connection after as many.
	send := func(a uploadInParts, number int, body []byte, after int) int {
		t.Helper()
		part := a.Parts[number-1]
		var r io.Reader = bytes.NewReader(body)
		if after < len(body) {
			r = io.MultiReader(bytes.NewReader(body[:after]), goneReader{})
		}
		req, err := http.NewRequestWithContext(t.Context(), a.Method, part.URL, r)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len(body))
		res, err := pooled.Do(req)
		if err != nil {
			return 0
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	bytesOf := func(a uploadInParts, number int) []byte {
		return big[(number-1)*a.PartBytes : (number-1)*a.PartBytes+a.Parts[number-1].Bytes]
	}
	complete := func(namespace, id string, overwrite bool) (int, string) {
		t.Helper()
		status, answer, err := u.call(t.Context(), "POST", "/workspaces/"+namespace+"/images/complete", map[string]any{"upload_id": id, "source": "media", "path": "big.jpg", "overwrite": overwrite})
		if err != nil {
			t.Fatal(err)
		}
		return status, string(answer)
	}
	left := func() []string { return u.gateway.List(t, "media", "shop/.tintype") }

	a := begin()
	if len(a.Parts) != 3 || a.PartBytes != partBytes || a.Parts[2].Bytes != len(big)-2*partBytes || a.Parts[0].Headers["Content-Length"] != "5242880" {
		t.Fatalf("%+v", a)
	}
	if got := send(a, 1, bytesOf(a, 1), partBytes); got != 200 {
		t.Fatalf("the first part: %d", got)
	}
	if got := send(a, 2, bytesOf(a, 2)[1:], partBytes); got != 403 && got != 0 { // it may close the connection before it has read the part
		t.Errorf("a part of another length: %d", got)
	}
	if got := send(a, 2, bytesOf(a, 2), partBytes/2); got != 0 {
		t.Errorf("a broken connection: %d", got)
	}
	if status, answer := complete("acme", a.ID, false); status != 400 || !strings.Contains(answer, "these parts are missing: ") || !strings.Contains(answer, "3. Get URLs") {
		t.Errorf("without the last part: %d %s", status, answer)
	}
	name := map[string]any{"source": "media", "upload_id": a.ID}
	b := ask(200, "resume", name)
	if b.ID != a.ID || !b.Parts[0].Sent || b.Parts[2].Sent || b.Parts[0].Bytes != partBytes {
		t.Errorf("%+v", b)
	}
	for _, number := range []int{2, 3} { // the second may be listed, but nobody has seen its answer
		if got := send(b, number, bytesOf(a, number), partBytes); got != 200 {
			t.Errorf("part %d after resuming: %d", number, got)
		}
	}

	// Nobody else has the upload, and nothing shows it.
	for _, route := range []string{"resume", "abort"} {
		want := map[string]int{"resume": 404, "abort": 204}[route] // there is nothing to give up
		u.mustCall(t, want, "POST", "/workspaces/other/images/"+route, name)
	}
	if status, answer := complete("other", a.ID, false); status != 404 {
		t.Errorf("another workspace completes it: %d %s", status, answer)
	}
	id, _, _ := strings.Cut(a.ID, ".")
	if got := u.status(t, "/acme/media/.tintype-staging/"+id); got != 400 {
		t.Errorf("it is served: %d", got)
	}
	u.mustCall(t, 400, "POST", "/workspaces/acme/images/complete", map[string]any{"upload_id": a.ID, "source": "media", "path": "../big.jpg"})

	if status, answer := complete("acme", a.ID, false); status != 201 || !strings.Contains(answer, `"is_new":true`) {
		t.Fatalf("%d %s", status, answer)
	}
	if head := u.gateway.Head(t, "media", "shop/big.jpg"); *head.ContentLength != int64(len(big)) || *head.ContentType != "image/jpeg" {
		t.Errorf("%d bytes of %s", *head.ContentLength, *head.ContentType)
	}
	if got := u.status(t, "/acme/media/big.jpg?w=40"); got != 200 {
		t.Errorf("complete: %d", got)
	}
	if status, _ := complete("acme", a.ID, true); status != 404 {
		t.Errorf("complete twice: %d", status)
	}
	u.mustCall(t, 404, "POST", "/workspaces/acme/images/resume", name)
	if keys := left(); len(keys) != 0 {
		t.Errorf("left behind: %q", keys)
	}

	// A path that is taken leaves what was joined, for another try or for nobody.
	for _, give := range []string{"overwrite", "abort"} {
		c := begin()
		for i := range c.Parts {
			send(c, i+1, bytesOf(c, i+1), partBytes)
		}
		if status, answer := complete("acme", c.ID, false); status != 409 || len(left()) != 1 {
			t.Errorf("%d %s %q", status, answer, left())
		}
		if give == "abort" {
			u.mustCall(t, 204, "POST", "/workspaces/acme/images/abort", map[string]any{"source": "media", "upload_id": c.ID})
		} else if status, answer := complete("acme", c.ID, true); status != 201 || !strings.Contains(answer, `"is_new":false`) {
			t.Errorf("%d %s", status, answer)
		}
		if keys := left(); len(keys) != 0 {
			t.Errorf("%s left behind: %q", give, keys)
		}
	}

	// What is given up is gone, and what is no image is deleted.
	d := begin()
	send(d, 1, bytesOf(d, 1), partBytes)
	gone := map[string]any{"source": "media", "upload_id": d.ID}
	u.mustCall(t, 204, "POST", "/workspaces/acme/images/abort", gone)
	u.mustCall(t, 204, "POST", "/workspaces/acme/images/abort", gone)
	u.mustCall(t, 404, "POST", "/workspaces/acme/images/resume", gone)
	if got := send(d, 2, bytesOf(d, 2), partBytes); got == 200 {
		t.Errorf("a part of what was given up: %d", got)
	}
	if status, answer := complete("acme", d.ID, false); status != 404 {
		t.Errorf("what was given up: %d %s", status, answer)
	}
	e := begin()
	for i := range e.Parts {
		send(e, i+1, make([]byte, e.Parts[i].Bytes), partBytes)
	}
	if status, answer := complete("acme", e.ID, false); status != 415 || len(left()) != 0 {
		t.Errorf("no image: %d %s %q", status, answer, left())
	}
	for _, bad := range []map[string]any{
		{"source": "media", "path": "../a.jpg", "content_type": "image/jpeg", "bytes": 9},
		{"source": "media", "path": "a.jpg", "content_type": "text/html", "bytes": 9},
		{"source": "media", "path": "a.jpg", "content_type": "image/jpeg", "bytes": 26 << 20},
		{"source": "media", "path": "a.jpg", "content_type": "image/jpeg", "bytes": 9, "part_bytes": 9},
		{"source": "files", "path": "a.jpg", "content_type": "image/jpeg", "bytes": 9},
	} {
		u.mustCall(t, 400, "POST", "/workspaces/acme/images/upload-parts", bad)
	}
	if strings.Contains(u.log.String(), uploadSecret) || strings.Contains(u.log.String(), "X-Amz-Signature") {
		t.Error("the log shows a secret")
	}
}

// goneReader is the body of a client whose connection breaks.
type goneReader struct{}

func (goneReader) Read([]byte) (int, error) { return 0, errors.New("the connection is gone") }
