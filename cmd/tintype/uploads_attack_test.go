//go:build cgo && linux

package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const markup = `<html><script>alert(document.domain)</script></html>`

// segment is a segment of a JPEG with this marker.
func segment(marker byte, data string) string {
	return string(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(data)+2))) + data
}

// pngChunk is a chunk of a PNG.
func pngChunk(kind string, data []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), kind...)
	b = append(b, data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// withChunk is a PNG with one more chunk behind its header.
func withChunk(png []byte, kind string, data []byte) []byte {
	const header = 8 + 25
	return slices.Concat(png[:header], pngChunk(kind, data), png[header:])
}

// frames is a GIF of many frames.
func frames(n int) []byte {
	palette := color.Palette{color.Black, color.White}
	g := &gif.GIF{Config: image.Config{ColorModel: palette, Width: 64, Height: 64}}
	for range n {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 1, 1), palette))
		g.Delay = append(g.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// fetched is the answer to a GET without a key.
func (u *uploader) fetched(t *testing.T, target string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", u.url+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := pooled.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestUploadedPolyglotsAreServedAsImages: an image that is a page or a script too is served
// with the type of an image, which no browser may guess away, and without what isn't image.
func TestUploadedPolyglotsAreServedAsImages(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	u.mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"allow_svg": true})
	jpeg := string(u.picture)
	for name, body := range map[string]string{
		"page-behind.jpg":  jpeg + markup,
		"page-comment.jpg": jpeg[:2] + segment(0xfe, markup) + jpeg[2:],
		"page-exif.jpg":    jpeg[:2] + segment(0xe1, "Exif\x00\x00"+markup) + jpeg[2:],
		"script.gif":       string(frames(1)) + "*/=1;alert(1)//" + markup,
		"page.png":         string(withChunk(grey(30, 20), "tEXt", []byte("Comment\x00"+markup))),
		"plain.svg":        `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="72"><desc>&lt;script></desc><rect width="9" height="9"/></svg>`,
	} {
		status, answer := u.send(t, "media", name, []byte(body))
		if status != 201 {
			t.Errorf("%s: %d %s", name, status, answer)
			continue
		}
		for _, query := range []string{"", "?w=20", "?format=png", "?download=x.html", "?meta=keep", "?quality=100"} {
			res, got := u.fetched(t, "/acme/media/"+name+query)
			h := res.Header
			if res.StatusCode == 400 && strings.Contains(got, "INVALID_OPTION") {
				continue
			}
			if res.StatusCode != 200 || !strings.HasPrefix(h.Get("Content-Type"), "image/") || strings.Contains(h.Get("Content-Type"), "svg") ||
				h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s%s: %d %v", name, query, res.StatusCode, h)
			}
			if strings.Contains(got, "<script") {
				t.Errorf("%s%s is served with what isn't image", name, query)
			}
		}
		if head := u.gateway.Head(t, "media", "shop/"+name); !strings.HasPrefix(*head.ContentType, "image/") {
			t.Errorf("the bucket would serve %s as %s", name, *head.ContentType)
		}
	}
	for name, body := range map[string]string{
		"a script":           `<script>alert(1)</script>`,
		"a handler":          `<rect width="9" height="9" onload="alert(1)"/>`,
		"a script's URL":     `<a href="javascript:alert(1)"><rect width="9" height="9"/></a>`,
		"a page":             `<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></body></foreignObject>`,
		"a file of the host": `<image href="file:///etc/passwd" width="9" height="9"/>`,
		"an image elsewhere": `<image href="http://169.254.169.254/x.png" width="9" height="9"/>`,
	} {
		svg := `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="72">` + body + `</svg>`
		status, answer := u.send(t, "media", "evil.svg", []byte(svg), "overwrite", "true")
		if status == 201 { // it is harmless by what is left of it
			res, got := u.fetched(t, "/acme/media/evil.svg")
			if res.StatusCode != 200 || strings.Contains(res.Header.Get("Content-Type"), "svg") || strings.Contains(got, "alert") {
				t.Errorf("SVG with %s: %d %v", name, res.StatusCode, res.Header)
			}
		} else if status != 415 && status != 422 {
			t.Errorf("SVG with %s: %d %s", name, status, answer)
		}
	}
}

// TestUploadedBombsAreRefused: what takes more memory or time than an image should is
// refused, the server lives on, and nothing is stored.
func TestUploadedBombsAreRefused(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	u.mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"allow_svg": true})
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	zero := make([]byte, 1<<20)
	for range 512 { // 512 MiB of zeros in half a megabyte
		z.Write(zero)
	}
	z.Close()
	entities := `<!DOCTYPE svg [<!ENTITY a0 "ha">`
	for i := range 30 {
		entities += fmt.Sprintf(`<!ENTITY a%d "&a%d;&a%[2]d;">`, i+1, i)
	}
	uses := `<g id="g0"><rect width="1" height="1"/></g>`
	for i := range 24 {
		uses += fmt.Sprintf(`<g id="g%d"><use href="#g%d"/><use href="#g%[2]d"/></g>`, i+1, i)
	}
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="72">`
	for _, tt := range []struct {
		name, path string
		body       []byte
	}{
		{"60,000 × 60,000 pixels", "a.png", grey(60_000, 60_000)},
		{"a height alone", "a.png", grey(1, 1<<31-1)},
		{"frames", "a.gif", frames(20_000)},
		{"entities", "a.svg", []byte(entities + "]>" + svg + "<text>&a30;</text></svg>")},
		{"uses of uses", "a.svg", []byte(svg + uses + `</svg>`)},
		{"a huge drawing", "a.svg", []byte(strings.Replace(svg, `"96"`, `"999999999"`, 1) + `</svg>`)},
		{"deep nesting", "a.svg", []byte(svg + strings.Repeat("<g>", 200_000) + strings.Repeat("</g>", 200_000) + `</svg>`)},
	} {
		status, answer := u.send(t, "media", tt.path, tt.body)
		if status != 415 && status != 422 && status != 413 {
			t.Errorf("%s: %d %.300s", tt.name, status, answer)
		}
	}
	// Texts and profiles that unpack to much more are no part of the picture, nor are pixels
	// behind the last one.
	for chunk, body := range map[string][]byte{
		"zTXt": withChunk(grey(30, 20), "zTXt", append([]byte("x\x00\x00"), packed.Bytes()...)),
		"iCCP": withChunk(grey(30, 20), "iCCP", append([]byte("x\x00\x00"), packed.Bytes()...)),
		"IDAT": slices.Concat(grey(30, 20)[:33], pngChunk("IDAT", packed.Bytes()), pngChunk("IEND", nil)),
	} {
		// On a busy machine the deadline may end it: it is refused then.
		if status, answer := u.send(t, "media", chunk+".png", body); status != 201 && status != 422 && status != 504 {
			t.Errorf("%s: %d %.300s", chunk, status, answer)
		}
	}
	if status, answer := u.send(t, "media", "good.jpg", u.picture); status != 201 {
		t.Errorf("after the bombs: %d %s", status, answer)
	}
	for _, key := range u.gateway.List(t, "media", "shop/") {
		if key != "shop/good.jpg" && key != "shop/zTXt.png" && key != "shop/iCCP.png" && key != "shop/IDAT.png" {
			t.Errorf("stored: %s", key)
		}
	}
}

// TestUploadPathTricks: no way to upload takes a key that leaves the prefix, that is Tintype's
// own, or that no URL asks for without doubt. The answer says what is wrong.
func TestUploadPathTricks(t *testing.T) {
	t.Parallel() // it waits more than it computes
	u := startUploader(t)
	paths := []string{
		"", ".", "..", "../outside.jpg", "a/../../outside.jpg", "a/./b.jpg", "/a.jpg", "a//b.jpg", "a/", "..;x/a.jpg", `..\outside.jpg`, `a\b.jpg`,
		"%2e%2e/outside.jpg", "a%2fb.jpg", "a%2Fb.jpg", "a%5cb.jpg", "a%00.jpg", "a%3Fb.jpg", "a?b.jpg", "a.jpg?w=400", "a#b.jpg", "a<b.jpg", "<script>alert(1)</script>.jpg", "a>b.jpg", `a"b.jpg`,
		"a\x00.jpg", "a\nb.jpg", "a\r\nX-Evil: 1.jpg", "a\x7f.jpg", "a\u0085.jpg", "a.jpg.", "a./b.jpg", "a .jpg ", " a.jpg", "a /b.jpg", ".a.jpg", ".git/config", ".tintype-staging/x", "a/.TINTYPE-x/b.jpg",
		"a\u202egpj.exe", "a\u200bb.jpg", "a\u2215b.jpg", "a\uff0fb.jpg", "\u2025/a.jpg", "\uff0e\uff0e/a.jpg", "e\u0301.jpg", "a\xff.jpg",
		"a.html", "a.svgz", "a.js", "a.php", "a.jpg.exe", strings.Repeat("x", 1020) + ".jpg", strings.Repeat("x", 1100),
	}
	for _, path := range paths {
		for _, source := range []string{"media", "files"} {
			status, answer := u.send(t, source, path, u.picture, "overwrite", "true")
			if status != 400 || !strings.Contains(answer, `"INVALID_PATH"`) || strings.Contains(answer, "<script") {
				t.Errorf("%q to %s: %d %s", path, source, status, answer)
			}
		}
		if strings.ContainsRune(path, '\xff') || path != strings.ToValidUTF8(path, "") || len(path) > 1000 {
			continue // no JSON, and with the prefix only
		}
		for route, body := range map[string]map[string]any{
			"upload-url":   {"content_type": "image/jpeg", "bytes": 9},
			"upload-parts": {"content_type": "image/jpeg", "bytes": 9},
			"complete":     {"upload_id": strings.Repeat("A", 26)},
		} {
			body["source"], body["path"] = "media", path
			if answer := string(u.mustCall(t, 400, "POST", "/workspaces/acme/images/"+route, body)); !strings.Contains(answer, `"INVALID_PATH"`) {
				t.Errorf("%s %q: %s", route, path, answer)
			}
		}
	}
	for _, id := range []string{"../outside.jpg", "parts-../../outside.jpg", strings.Repeat("A", 15), strings.Repeat("A", 26) + "/../../outside.jpg", "parts-" + strings.Repeat("A", 26) + ".9.5242880.eA"} {
		name := map[string]any{"source": "media", "upload_id": id, "path": "a.jpg", "overwrite": true}
		u.mustCall(t, 404, "POST", "/workspaces/acme/images/complete", name)
		delete(name, "path")
		delete(name, "overwrite")
		u.mustCall(t, 404, "POST", "/workspaces/acme/images/resume", name)
		u.mustCall(t, 204, "POST", "/workspaces/acme/images/abort", name)
	}
	if got := u.gateway.List(t, "media", ""); !slices.Equal(got, []string{"outside.jpg"}) {
		t.Errorf("the bucket holds %q", got)
	}
	if left, _ := os.ReadDir(u.folder); len(left) > 1 || len(left) == 1 && left[0].Name() != ".tintype-staging" {
		t.Errorf("the folder holds %v", left)
	}

	// What is taken can be asked for by a URL, in each place where a URL names an image.
	for _, path := range []string{"a b.jpg", "100%.jpg", "50% off.jpg", "a+b.jpg", "a&b=c.jpg", "a;b.jpg", "a:b.jpg", "a@b.jpg", "a'b.jpg", "a(b),c!$*~.jpg", "a|b^{c}[d]`.jpg", "ü/日本 é.jpg", "a=b/c.jpg"} {
		if status, answer := u.send(t, "media", path, u.picture); status != 201 {
			t.Errorf("%q: %d %s", path, status, answer)
			continue
		}
		var escaped []string
		for part := range strings.SplitSeq(path, "/") {
			escaped = append(escaped, strings.ReplaceAll(url.QueryEscape(part), "+", "%20"))
		}
		for _, target := range []string{
			"/acme/media/" + strings.Join(escaped, "/") + "?w=20",
			"/acme/?w=20&src=" + url.QueryEscape("media/"+path),
			"/acme/info/media/" + strings.Join(escaped, "/"),
		} {
			if got := u.status(t, target); got != 200 {
				t.Errorf("%q as %s: %d", path, target, got)
			}
		}
	}
}

// TestModerationWebhookTrouble: while the webhook is down, says nonsense, leads elsewhere or
// says nothing, no upload is stored unless the setting says so, and none waits for ever.
func TestModerationWebhookTrouble(t *testing.T) {
	t.Parallel() // it waits more than it computes
	var asked atomic.Int32
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, `{"allowed":true}`)
	}))
	defer private.Close()
	reached := make(chan struct{}, 1)
	trouble := map[string]http.HandlerFunc{
		"/redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, private.URL, http.StatusTemporaryRedirect)
		},
		"/text":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<script>allowed</script>") },
		"/other":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ok":true}`) },
		"/string":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"allowed":"yes"}`) },
		"/truncated": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"allowed":true`) },
		"/endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 20 {
				if _, err := io.WriteString(w, "                "); err != nil {
					return
				}
			}
		},
		"/broken": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, `{"allowed":true}`)
		},
		"/silent": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			reached <- struct{}{}
			<-r.Context().Done()
		},
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { trouble[r.URL.Path](w, r) }))
	defer hook.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, at := range []string{"/redirect", "/text", "/other", "/string", "/truncated", "/endless", "/broken", "/silent", "down", "private"} {
		t.Run(strings.Trim(at, "/"), func(t *testing.T) {
			address := hook.URL + at
			switch at {
			case "down":
				address = gone.URL
			case "private":
				address = "http://10.255.255.1/" // the guard refuses to connect
			}
			u := startUploader(t, "--moderation-webhook", address)
			if at == "/silent" { // ten seconds are the limit: a client that doesn't wait ends it
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-reached
					cancel()
				}()
				q := url.Values{"source": {"files"}, "path": {"a.jpg"}}
				req, err := http.NewRequestWithContext(ctx, "POST", u.url+"/v1/workspaces/acme/images?"+q.Encode(), bytes.NewReader(u.picture))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+testRootKey)
				if res, err := pooled.Do(req); err == nil {
					res.Body.Close()
					t.Errorf("%d while the webhook is silent", res.StatusCode)
				}
			} else {
				began := time.Now()
				status, said := u.send(t, "files", "a.jpg", u.picture)
				if status != 503 || strings.Contains(said, hook.URL) || strings.Contains(said, "script") || strings.Contains(said, "10.255") {
					t.Errorf("%d %s after %s", status, said, time.Since(began))
				}
			}
			if got := u.status(t, "/acme/files/a.jpg"); got != 404 {
				t.Errorf("the image is shown: %d", got)
			}
			if left, _ := os.ReadDir(u.folder); len(left) > 1 || len(left) == 1 && left[0].Name() != ".tintype-staging" {
				t.Errorf("the folder holds %v", left)
			}
		})
	}
	if asked.Load() != 0 {
		t.Error("a redirect was followed to a private address")
	}
}
