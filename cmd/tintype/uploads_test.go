//go:build cgo && linux

package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tintype/tintype/internal/versitygw"
)

const (
	uploadKey    = "SEEDEDKEYUPLOAD"
	uploadSecret = "seeded/secret+upload"
)

// An uploader is a server with a bucket, acme/media, and a folder, acme/files, that take uploads.
type uploader struct {
	*serverProcess
	gateway *versitygw.Server
	folder  string
	picture []byte
}

func startUploader(t *testing.T, args ...string) *uploader {
	t.Helper()
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(filepath.Join(samples, "dusk.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	u := &uploader{gateway: versitygw.Start(t, uploadKey, uploadSecret), folder: t.TempDir(), picture: picture}
	u.gateway.CreateBucket(t, "media")
	u.gateway.Put(t, "media", "outside.jpg", picture)
	data := t.TempDir()
	u.serverProcess = serveShared(t, data, "sqlite:"+filepath.Join(data, "tintype.db"), append([]string{
		"--workers", "1", "--allow-cidr", "127.0.0.0/8", "--dir", "acme/files=" + u.folder, "--dir-uploads", "acme/files", "--dir", "acme/fixed=" + t.TempDir(),
	}, args...)...)
	u.mustCall(t, 200, "PUT", "/workspaces/acme/sources/media", map[string]any{
		"kind": "s3", "bucket": "media", "region": u.gateway.Region, "endpoint": u.gateway.Endpoint, "prefix": "shop/",
		"access_key_id": uploadKey, "secret_access_key": uploadSecret, "uploads": true,
	})
	u.mustCall(t, 200, "PUT", "/workspaces/acme/sources/web", map[string]any{"kind": "http", "url": "https://origin.example.com/"})
	u.mustCall(t, 200, "PUT", "/workspaces/acme/presets/thumb", map[string]any{"options": "w=40&format=png"})
	u.mustCall(t, 201, "POST", "/workspaces", map[string]any{"namespace": "other"})
	return u
}

// send uploads the bytes as they are. More are pairs of names and values of the query.
func (u *uploader) send(t *testing.T, source, path string, body []byte, more ...string) (status int, answer string) {
	t.Helper()
	q := url.Values{"source": {source}, "path": {path}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return u.raw(t, testRootKey, "POST", "/v1/workspaces/acme/images?"+q.Encode(), "image/jpeg", bytes.NewReader(body))
}

func (u *uploader) raw(t *testing.T, key, method, target, contentType string, body io.Reader) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, u.url+target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := pooled.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// status is that of a GET without a key.
func (u *uploader) status(t *testing.T, target string) int {
	t.Helper()
	status, _ := u.raw(t, "", "GET", target, "", nil)
	return status
}

// grey is a PNG of one colour with these sides, which is small whatever they are.
func grey(w, h uint32) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		sum := crc32.NewIEEE()
		for _, part := range [][]byte{[]byte(kind), data} {
			b.Write(part)
			sum.Write(part)
		}
		_ = binary.Write(&b, binary.BigEndian, sum.Sum32())
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	chunk("IHDR", append(header, 8, 0, 0, 0, 0))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	row := make([]byte, w+1)
	for range min(h, 4096) {
		z.Write(row)
	}
	z.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}

// TestUploads uploads to a bucket and to a folder, as a backend does, and lists, reads,
// signs and deletes what it has uploaded.
func TestUploads(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	for _, source := range []string{"media", "files"} {
		t.Run(source, func(t *testing.T) {
			image := "/acme/" + source + "/2026/cat%201.jpg?w=40&format=png"
			if got := u.status(t, image); got != 404 { // which is kept for a minute
				t.Fatalf("before: %d", got)
			}
			var form bytes.Buffer
			w := multipart.NewWriter(&form)
			file, _ := w.CreateFormFile("file", "whatever.jpg")
			file.Write(u.picture)
			w.WriteField("source", source) // in any order
			w.WriteField("path", "2026/cat 1.jpg")
			w.Close()
			status, answer := u.raw(t, testRootKey, "POST", "/v1/workspaces/acme/images", w.FormDataContentType(), &form)
			var up struct {
				Source, Path, SHA256 string
				Bytes                int
				IsNew                bool `json:"is_new"`
				Metadata             struct {
					Format, ContentType string
					Width, Bytes        int
				}
			}
			if err := json.Unmarshal([]byte(answer), &up); err != nil || status != 201 {
				t.Fatalf("%d %s %v", status, answer, err)
			}
			if up.Source != source || up.Path != "2026/cat 1.jpg" || up.Bytes != len(u.picture) || !up.IsNew || len(up.SHA256) != 64 ||
				up.Metadata.Format != "jpeg" || up.Metadata.Width == 0 || up.Metadata.Bytes != len(u.picture) {
				t.Errorf("%+v", up)
			}
			if got := u.status(t, image); got != 200 {
				t.Errorf("after: %d", got)
			}
			if status, answer := u.send(t, source, "2026/cat 1.jpg", u.picture); status != 409 || !strings.Contains(answer, `"CONFLICT"`) {
				t.Errorf("again: %d %s", status, answer)
			}
			if status, answer := u.send(t, source, "2026/cat 1.jpg", grey(30, 20), "overwrite", "true"); status != 201 || !strings.Contains(answer, `"is_new":false`) {
				t.Errorf("overwrite: %d %s", status, answer)
			}
			if status, answer := u.raw(t, "", "GET", "/acme/info/"+source+"/2026/cat%201.jpg?select=metadata", "", nil); status != 200 || !strings.Contains(answer, `"width":30`) {
				t.Errorf("after overwriting: %d %s", status, answer)
			}

			list := string(u.mustCall(t, 200, "GET", "/workspaces/acme/images?delimiter=/&source="+source, nil))
			if !strings.Contains(list, `"images":[],"folders":["2026/"],"next":""`) {
				t.Error(list)
			}
			list = string(u.mustCall(t, 200, "GET", "/workspaces/acme/images?prefix=2026/&source="+source, nil))
			if !strings.Contains(list, `"path":"2026/cat 1.jpg","url":"/acme/`+source+`/2026/cat%201.jpg"`) {
				t.Error(list)
			}
			one := "/workspaces/acme/images/" + source + "/2026/cat%201.jpg"
			if got := string(u.mustCall(t, 200, "GET", one, nil)); !strings.Contains(got, `"last_modified":"20`) || source == "media" && !strings.Contains(got, `"content_type":"image/png"`) {
				t.Error(got)
			}
			u.raw(t, testRootKey, "POST", "/v1/workspaces/acme/signing-keys", "application/json", nil)
			var signed struct {
				URL string `json:"signed_url"`
			}
			if err := json.Unmarshal(u.mustCall(t, 200, "POST", one+"/signed-url", map[string]any{"expires_in": 60, "options": "w=40"}), &signed); err != nil ||
				!strings.HasPrefix(signed.URL, "/acme/"+source+"/2026/cat%201.jpg?w=40&exp=") || u.status(t, signed.URL) != 200 {
				t.Errorf("%s, %v", signed.URL, err)
			}
			u.mustCall(t, 204, "DELETE", one, nil)
			u.mustCall(t, 404, "DELETE", one, nil)
			u.mustCall(t, 404, "GET", one, nil)
			if got := u.status(t, image); got != 404 {
				t.Errorf("after deleting: %d", got)
			}
		})
	}
	audit := string(u.mustCall(t, 200, "GET", "/workspaces/acme/audit", nil))
	for _, action := range []string{"image.upload", "image.delete"} {
		if !strings.Contains(audit, `"action":"`+action+`","target":"media/2026/cat 1.jpg"`) {
			t.Errorf("no %s in %s", action, audit)
		}
	}
	if log := u.log.String(); strings.Contains(log, uploadSecret) || strings.Contains(audit, uploadSecret) {
		t.Error("the log shows a secret")
	}
}

// TestBlockedUpload blocks by path and by hash: what is cached is 451 at once, and so is an
// upload of it.
func TestBlockedUpload(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	status, answer := u.send(t, "media", "a.jpg", u.picture)
	var up struct{ SHA256 string }
	if err := json.Unmarshal([]byte(answer), &up); err != nil || status != 201 {
		t.Fatal(status, answer, err)
	}
	if status, answer := u.send(t, "files", "b.jpg", u.picture); status != 201 {
		t.Fatal(status, answer)
	}
	images := []string{"/acme/media/a.jpg?w=40", "/acme/info/media/a.jpg", "/acme/files/b.jpg?w=40"}
	for _, tt := range []struct {
		block map[string]any
		want  []int
	}{
		{map[string]any{"path": "media/a.jpg", "reason": "a request"}, []int{451, 451, 200}},
		{map[string]any{"sha256": up.SHA256}, []int{451, 451, 451}},
	} {
		for _, image := range images {
			if got := u.status(t, image); got != 200 {
				t.Errorf("before: %s: %d", image, got)
			}
		}
		var b struct{ ID string }
		if err := json.Unmarshal(u.mustCall(t, 201, "POST", "/workspaces/acme/blocks", tt.block), &b); err != nil {
			t.Fatal(err)
		}
		u.mustCall(t, 201, "POST", "/workspaces/acme/blocks", tt.block) // changes nothing
		for i, image := range images {
			if got := u.status(t, image); got != tt.want[i] {
				t.Errorf("%v: %s: %d, want %d", tt.block, image, got, tt.want[i])
			}
		}
		if status, answer := u.send(t, "media", "a.jpg", u.picture, "overwrite", "true"); status != 451 || !strings.Contains(answer, `"BLOCKED"`) {
			t.Errorf("%v: an upload: %d %s", tt.block, status, answer)
		}
		if got := string(u.mustCall(t, 200, "GET", "/workspaces/acme/blocks", nil)); strings.Count(got, `"id"`) != 1 {
			t.Error(got)
		}
		u.mustCall(t, 204, "DELETE", "/workspaces/acme/blocks/"+b.ID, nil)
		u.mustCall(t, 404, "DELETE", "/workspaces/acme/blocks/"+b.ID, nil)
	}
	for _, bad := range []map[string]any{{}, {"path": "media"}, {"path": "media/../x"}, {"path": "a/b", "sha256": up.SHA256}, {"sha256": "XY"}, {"sha256": strings.ToUpper(up.SHA256)}} {
		u.mustCall(t, 400, "POST", "/workspaces/acme/blocks", bad)
	}
	audit := string(u.mustCall(t, 200, "GET", "/workspaces/acme/audit", nil))
	if !strings.Contains(audit, `"action":"image.block","target":"media/a.jpg"`) || !strings.Contains(audit, `"reason":"a request"`) || !strings.Contains(audit, `"action":"image.unblock"`) {
		t.Error(audit)
	}
}

// TestUploadsRefused: what attacks the server, the bucket or other workspaces is refused, and
// leaves nothing behind.
func TestUploadsRefused(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	keyOf := func(namespace string, scopes ...string) string {
		t.Helper()
		var made struct{ Key string }
		if err := json.Unmarshal(u.mustCall(t, 201, "POST", "/workspaces/"+namespace+"/api-keys", map[string]any{"name": "k", "scopes": scopes}), &made); err != nil {
			t.Fatal(err)
		}
		return made.Key
	}
	svg := `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="72"><script>alert(1)</script><rect width="9" height="9"/></svg>`
	cut := u.picture[:len(u.picture)/2]
	for _, source := range []string{"media", "files"} {
		for _, tt := range []struct {
			name, path string
			body       []byte
			status     int
			code       string
		}{
			{"text", "a.jpg", []byte("no image"), 415, "UNSUPPORTED_FORMAT"},
			{"HTML", "a.jpg", []byte("<html><body>" + svg), 415, "UNSUPPORTED_FORMAT"},
			{"SVG that is off", "a.svg", []byte(svg), 415, "UNSUPPORTED_FORMAT"},
			{"SVG behind a comment", "a.jpg", []byte("<!-- \xff\xd8\xff -->" + svg), 415, "UNSUPPORTED_FORMAT"},
			{"an archive", "a.jpg", []byte("PK\x03\x04 and more of it"), 415, "UNSUPPORTED_FORMAT"},
			{"PDF before a JPEG", "a.jpg", append([]byte("%PDF-1.7\n"), u.picture...), 415, "UNSUPPORTED_FORMAT"},
			{"a polyglot as a page", "a.html", append(slices.Clone(u.picture), svg...), 400, "INVALID_PATH"},
			{"a polyglot as a script", "a.js", append([]byte("GIF89a/*"), "*/=1;"...), 400, "INVALID_PATH"},
			{"a picture that is cut off", "a.jpg", cut, 422, "IMAGE_CORRUPT"},
			{"a header alone", "a.png", grey(30, 20)[:33], 422, "IMAGE_CORRUPT"},
			{"a bomb of pixels", "a.png", grey(60_000, 60_000), 422, "IMAGE_TOO_LARGE"},
			{"a bomb whose header lies", "a.png", append(grey(8000, 8000)[:41], grey(30, 20)[41:]...), 422, "IMAGE_CORRUPT"},
			{"nothing", "a.jpg", nil, 400, "INVALID_SOURCE"},
			{"too many bytes", "a.jpg", append(slices.Clone(u.picture), make([]byte, 26<<20)...), 413, "ORIGINAL_TOO_LARGE"},
			{"up", "../outside.jpg", u.picture, 400, "INVALID_PATH"},
			{"up in the middle", "a/../../outside.jpg", u.picture, 400, "INVALID_PATH"},
			{"absolute", "/etc/passwd", u.picture, 400, "INVALID_PATH"},
			{"a backslash", `..\outside.jpg`, u.picture, 400, "INVALID_PATH"},
			{"a control character", "a\x00b.jpg", u.picture, 400, "INVALID_PATH"},
			{"a look-alike", "a\u2215b.jpg", u.picture, 400, "INVALID_PATH"},
			{"an invisible character", "a\u202eb.jpg", u.picture, 400, "INVALID_PATH"},
			{"our folder", ".tintype-staging/AAAAAAAAAAAAAAAAAAAAAAAAAA", u.picture, 400, "INVALID_PATH"},
			{"no path", "", u.picture, 400, "INVALID_PATH"},
		} {
			status, answer := u.send(t, source, tt.path, tt.body, "overwrite", "true")
			if status != tt.status || !strings.Contains(answer, `"`+tt.code+`"`) || strings.Contains(answer, "seeded") || strings.Contains(answer, "127.0.0.1") {
				t.Errorf("%s to %s: %d %.300s, want %d %s", tt.name, source, status, answer, tt.status, tt.code)
			}
		}
	}
	for _, tt := range []struct {
		what, key, target, contentType string
		status                         int
		code                           string
	}{
		{"a key of scope read", keyOf("acme", "read"), "/v1/workspaces/acme/images?source=media&path=a.jpg", "image/jpeg", 403, "FORBIDDEN"},
		{"a key of another workspace", keyOf("other", "write"), "/v1/workspaces/acme/images?source=media&path=a.jpg", "image/jpeg", 403, "FORBIDDEN"},
		{"another workspace's source", testRootKey, "/v1/workspaces/other/images?source=media&path=a.jpg", "image/jpeg", 404, "SOURCE_NOT_FOUND"},
		{"no key", "", "/v1/workspaces/acme/images?source=media&path=a.jpg", "image/jpeg", 401, "UNAUTHORIZED"},
		{"a source of kind http", testRootKey, "/v1/workspaces/acme/images?source=web&path=a.jpg", "image/jpeg", 400, "VALIDATION_ERROR"},
		{"a folder without uploads", testRootKey, "/v1/workspaces/acme/images?source=fixed&path=a.jpg", "image/jpeg", 403, "FORBIDDEN"},
		{"no source", testRootKey, "/v1/workspaces/acme/images?path=a.jpg", "image/jpeg", 400, "VALIDATION_ERROR"},
		{"JSON", testRootKey, "/v1/workspaces/acme/images?source=media&path=a.jpg", "application/json", 400, "VALIDATION_ERROR"},
		{"a form that is none", testRootKey, "/v1/workspaces/acme/images?source=media&path=a.jpg", "multipart/form-data; boundary=x", 400, "VALIDATION_ERROR"},
		{"no boolean", testRootKey, "/v1/workspaces/acme/images?source=media&path=a.jpg&overwrite=maybe", "image/jpeg", 400, "VALIDATION_ERROR"},
	} {
		status, answer := u.raw(t, tt.key, "POST", tt.target, tt.contentType, bytes.NewReader(u.picture))
		if status != tt.status || !strings.Contains(answer, `"`+tt.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", tt.what, status, answer, tt.status, tt.code)
		}
	}
	// Encoded slashes and dots in the path of a request.
	for path, want := range map[string]int{"media/a%2Fb.jpg": 400, "media/%2e%2e/outside.jpg": 400, "media/..%2Foutside.jpg": 400, "media/a%00.jpg": 400, "media/.tintype-staging/x": 400} {
		for _, method := range []string{"GET", "DELETE"} {
			if status, answer := u.raw(t, testRootKey, method, "/v1/workspaces/acme/images/"+path, "", nil); status != want {
				t.Errorf("%s %s: %d %s, want %d", method, path, status, answer, want)
			}
		}
	}
	if got := u.gateway.List(t, "media", ""); !slices.Equal(got, []string{"outside.jpg"}) {
		t.Errorf("the bucket holds %q", got)
	}
	if left, _ := os.ReadDir(u.folder); len(left) != 0 {
		t.Errorf("the folder holds %v", left)
	}

	// An SVG is taken where the workspace takes them, and a JPEG with something behind it is a JPEG.
	u.mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"allow_svg": true})
	if status, answer := u.send(t, "files", "a.svg", []byte(svg)); status != 415 || !strings.Contains(answer, "holds a script") {
		t.Errorf("SVG with a script: %d %s", status, answer)
	}
	plain := strings.Replace(svg, "<script>alert(1)</script>", "", 1)
	if status, answer := u.send(t, "files", "a.svg", []byte(plain)); status != 201 || !strings.Contains(answer, `"format":"svg"`) {
		t.Errorf("SVG: %d %s", status, answer)
	}
	if status, answer := u.send(t, "media", "poly.jpg", append(slices.Clone(u.picture), svg...)); status != 201 || !strings.Contains(answer, `"format":"jpeg"`) {
		t.Errorf("a polyglot: %d %s", status, answer)
	}
	if got := u.gateway.Head(t, "media", "shop/poly.jpg"); got.ContentType == nil || *got.ContentType != "image/jpeg" {
		t.Errorf("the bucket would serve it as %v", got.ContentType)
	}
}

// TestUploadsTogether: of uploads of one path at the same time, one wins and the others are
// told that there is an image. A server that is killed meanwhile leaves whole files only.
func TestUploadsTogether(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	for _, source := range []string{"media", "files"} {
		var mu sync.Mutex
		counts := map[int]int{}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				status, _ := u.send(t, source, "race.jpg", u.picture)
				mu.Lock()
				defer mu.Unlock()
				counts[status]++
			})
		}
		all.Wait()
		if counts[201] != 1 || counts[409] != 3 {
			t.Errorf("%s: %v", source, counts)
		}
	}

	// Killed while eight uploads run.
	big := append(slices.Clone(u.picture), make([]byte, 8<<20)...)
	began := make(chan struct{}, 8)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			q := url.Values{"source": {[]string{"media", "files"}[i%2]}, "path": {fmt.Sprintf("killed-%d.jpg", i)}}
			req, err := http.NewRequestWithContext(t.Context(), "POST", u.url+"/v1/workspaces/acme/images?"+q.Encode(), &telling{Reader: bytes.NewReader(big), when: len(big) - 1, told: began})
			if err != nil {
				t.Error(err)
				return
			}
			req.ContentLength = int64(len(big))
			req.Header.Set("Authorization", "Bearer "+testRootKey)
			req.Header.Set("Content-Type", "image/jpeg")
			if res, err := pooled.Do(req); err == nil {
				res.Body.Close()
			}
		})
	}
	<-began // the whole of one has been sent
	u.kill()
	all.Wait()
	err := filepath.WalkDir(u.folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(name, ".tintype-staging") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() != int64(len(big)) && info.Size() != int64(len(u.picture)) {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, key := range u.gateway.List(t, "media", "shop/") {
		if n := *u.gateway.Head(t, "media", key).ContentLength; n != int64(len(big)) && n != int64(len(u.picture)) {
			t.Errorf("%s has %d bytes", key, n)
		}
	}
}

// telling tells once that a reader has come so far.
type telling struct {
	io.Reader
	read, when int
	told       chan struct{}
}

func (r *telling) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.read += n; r.read >= r.when && n > 0 {
		select {
		case r.told <- struct{}{}:
		default:
		}
	}
	return n, err
}
