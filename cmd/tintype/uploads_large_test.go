//go:build cgo && linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestLargeUploads sends an image to the bucket by itself, and completes it.
func TestLargeUploads(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	type uploadURL struct {
		ID      string `json:"upload_id"`
		Method  string
		URL     string
		Headers map[string]string
	}
	get := func(path string, n int) (a uploadURL) {
		t.Helper()
		answer := u.mustCall(t, 201, "POST", "/workspaces/acme/images/upload-url", map[string]any{"source": "media", "path": path, "content_type": "image/jpeg", "bytes": n})
		if err := json.Unmarshal(answer, &a); err != nil || strings.Contains(string(answer), uploadSecret) {
			t.Fatal(string(answer), err)
		}
		return a
	}
	send := func(a uploadURL, body []byte, contentType string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), a.Method, a.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range a.Headers {
			req.Header.Set(name, value)
		}
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		res, err := pooled.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	complete := func(a uploadURL, path string, overwrite bool) (int, string) {
		t.Helper()
		status, answer, err := u.call(t.Context(), "POST", "/workspaces/acme/images/complete", map[string]any{"upload_id": a.ID, "source": "media", "path": path, "overwrite": overwrite})
		if err != nil {
			t.Fatal(err)
		}
		return status, string(answer)
	}
	left := func() []string { return u.gateway.List(t, "media", "shop/.tintype") }

	a := get("big.jpg", len(u.picture))
	if status, answer := complete(a, "big.jpg", false); status != 404 {
		t.Errorf("before it was sent: %d %s", status, answer)
	}
	if got := send(a, u.picture[:100], ""); got != 403 {
		t.Errorf("another length: %d", got)
	}
	if got := send(a, u.picture, "text/html"); got != 403 {
		t.Errorf("another type: %d", got)
	}
	if got := send(a, u.picture, ""); got != 200 {
		t.Fatalf("as signed: %d", got)
	}

	// Nothing shows it before it is complete, by whichever name.
	staged := "media/.tintype-staging/" + a.ID
	full := u.gateway.Endpoint + "/media/shop/.tintype-staging/" + a.ID
	for _, target := range []string{
		"/acme/" + staged, "/acme/?src=" + staged, "/acme/?src=" + full, "/acme/info/" + staged, "/acme/%2etintype-staging/x", "/acme/media/%2Etintype-staging/" + a.ID,
		"/acme/ipx/_/" + staged, "/acme/_ipx/_/" + staged, "/acme/_next/image?w=640&q=75&url=/" + staged, "/acme/cdn-cgi/image/width=40/" + full, "/acme/imgix/" + staged,
		"/acme/imgproxy/unsafe/plain/" + staged, "/acme/thumbor/unsafe/" + staged, "/acme/weserv/?url=" + full, "/acme/placeholder/color?src=" + staged,
		"/acme/grid?src=" + staged + "&src=" + staged, "/acme/files/a.jpg?mark=" + staged,
	} {
		if got := u.status(t, target); got < 400 || got >= 500 {
			t.Errorf("%s: %d", target, got)
		}
	}
	list := string(u.mustCall(t, 200, "GET", "/workspaces/acme/images?source=media", nil))
	if strings.Contains(list, "tintype-staging") {
		t.Error(list)
	}

	if status, answer := complete(a, "../big.jpg", true); status != 400 {
		t.Errorf("up: %d %s", status, answer)
	}
	if status, answer := complete(a, "big.jpg", false); status != 201 || !strings.Contains(answer, `"is_new":true`) {
		t.Errorf("%d %s", status, answer)
	}
	if got := u.status(t, "/acme/media/big.jpg?w=40"); got != 200 {
		t.Errorf("complete: %d", got)
	}
	if keys := left(); len(keys) != 0 {
		t.Errorf("left behind: %q", keys)
	}
	if status, _ := complete(a, "big.jpg", true); status != 404 {
		t.Errorf("again: %d", status)
	}

	// A path that is taken leaves the upload; what is no image is deleted.
	b := get("big.jpg", len(u.picture))
	send(b, u.picture, "")
	if status, answer := complete(b, "big.jpg", false); status != 409 || len(left()) != 1 {
		t.Errorf("%d %s %q", status, answer, left())
	}
	if status, answer := complete(b, "big.jpg", true); status != 201 || !strings.Contains(answer, `"is_new":false`) {
		t.Errorf("%d %s", status, answer)
	}
	c := get("bad.jpg", 9)
	send(c, []byte("no image!"), "")
	if status, answer := complete(c, "bad.jpg", false); status != 415 || len(left()) != 0 {
		t.Errorf("%d %s %q", status, answer, left())
	}
	for _, bad := range []map[string]any{
		{"source": "media", "path": "a.jpg", "content_type": "text/html", "bytes": 9},
		{"source": "media", "path": "a.jpg", "content_type": "image/jpeg\r\nx: y", "bytes": 9},
		{"source": "media", "path": "a.jpg", "content_type": "image/jpeg", "bytes": 0},
		{"source": "media", "path": "a.jpg", "content_type": "image/jpeg", "bytes": 26 << 20},
		{"source": "media", "path": "../a.jpg", "content_type": "image/jpeg", "bytes": 9},
		{"source": "files", "path": "a.jpg", "content_type": "image/jpeg", "bytes": 9},
	} {
		u.mustCall(t, 400, "POST", "/workspaces/acme/images/upload-url", bad)
	}
	if strings.Contains(u.log.String(), uploadSecret) || strings.Contains(u.log.String(), "X-Amz-Signature") {
		t.Error("the log shows a secret")
	}
}

// TestPregenerate: the variants of presets are there before anybody asks.
func TestPregenerate(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	if status, answer := u.send(t, "media", "a.jpg", u.picture, "pregenerate", "thumb,none"); status != 400 || !strings.Contains(answer, "none") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := u.send(t, "media", "a.jpg", u.picture, "pregenerate", "thumb"); status != 201 {
		t.Errorf("%d %s", status, answer)
	}
	until(t, "the variant is cached", func() bool {
		return strings.Contains(string(u.mustCall(t, 200, "GET", "/workspaces/acme/explain?url=/acme/media/a.jpg?preset=thumb", nil)), `"cached":true`)
	})
}

// TestModeration: an upload is stored only if the webhook says so.
func TestModeration(t *testing.T) {
	t.Parallel() // it waits more than it computes
	var answer atomic.Value
	var asked atomic.Value
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked.Store(string(b))
		said := answer.Load().(string)
		if said == "" {
			w.WriteHeader(500)
		}
		_, _ = io.WriteString(w, said)
	}))
	defer hook.Close()
	for _, failure := range []string{"refuse", "allow"} {
		u := startUploader(t, "--moderation-webhook", hook.URL, "--moderation-failure", failure)
		answer.Store(`{"allowed":true}`)
		if status, said := u.send(t, "files", "a.jpg", u.picture); status != 201 {
			t.Errorf("allowed: %d %s", status, said)
		}
		if got := asked.Load().(string); !strings.Contains(got, `"workspace":"acme","source":"files","path":"a.jpg"`) || !strings.Contains(got, `"preview":"data:image/jpeg;base64,/9j/`) {
			t.Errorf("asked %.300s", got)
		}
		answer.Store(`{"allowed":false,"reason":"no dusk here"}`)
		if status, said := u.send(t, "files", "b.jpg", u.picture); status != 451 || !strings.Contains(said, "no dusk here") {
			t.Errorf("refused: %d %s", status, said)
		}
		if got := u.status(t, "/acme/files/b.jpg"); got != 404 {
			t.Errorf("a refused image: %d", got)
		}
		answer.Store("")
		want := map[string]int{"refuse": 503, "allow": 201}[failure]
		if status, said := u.send(t, "files", "c.jpg", u.picture); status != want || strings.Contains(said, hook.URL) {
			t.Errorf("%s while the webhook fails: %d %s, want %d", failure, status, said, want)
		}
		if audit := string(u.mustCall(t, 200, "GET", "/workspaces/acme/audit", nil)); !strings.Contains(audit, `"action":"image.refuse","target":"files/b.jpg"`) {
			t.Error(audit)
		}
	}
}
