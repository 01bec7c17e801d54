package dashboard_test

import (
	"encoding/binary"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
)

// TestImageTextsAreNoMarkup: what stands in an image, in its name, in a form or in an answer
// is shown as text on the pages of images, and no browser takes JSON for a page.
func TestImageTextsAreNoMarkup(t *testing.T) {
	g := openGallery(t)
	g.addBucket(t, "media", "https://media.s3.example.com", true)
	const x = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	photo := deliverytest.Photo(t, 40, 30)
	texts := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x0e\x00\x02" // ImageDescription
	texts = string(binary.BigEndian.AppendUint32([]byte(texts), uint32(len(x)+1))) + "\x00\x00\x00\x1a\x00\x00\x00\x00" + x + "\x00"
	segment := string(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(texts)+2))) + texts
	body := []byte(string(photo[:2]) + segment + string(photo[2:]))
	if err := os.MkdirAll(filepath.Join(g.folder, x[:14]), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"exif.jpg", strings.ReplaceAll(x, "/", "") + ".jpg", x[:14] + "/a.jpg"} { // as another program may name them
		if err := os.WriteFile(filepath.Join(g.folder, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	safe := func(what, answer string) {
		t.Helper()
		if strings.Contains(answer, "<script>alert") || strings.Contains(answer, "<img src=x") {
			t.Errorf("%s has markup of somebody:\n%s", what, answer)
		}
	}
	q := url.QueryEscape
	for _, target := range []string{
		"/app/acme/images?source=files", "/app/acme/images?source=files&prefix=" + q(x[:14]+"/"), "/app/acme/images?source=" + q(x), "/app/acme/images?source=files&prefix=" + q(x), "/app/acme/images?source=files&cursor=" + q(x),
		"/app/acme/images/image?source=files&path=exif.jpg", "/app/acme/images/image?source=files&path=" + q(strings.ReplaceAll(x, "/", "")+".jpg"), "/app/acme/images/image?source=files&path=" + q(x),
		"/app/acme/images/image?source=" + q(x) + "&path=" + q(x), "/app/acme/images/blocked?page=" + q(x),
	} {
		w := g.ask("editor", "GET", target, nil)
		safe(target, w.Body.String())
		if w.Code >= 500 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
	}
	for name, body := range map[string][]byte{x: photo, x + ".jpg": photo, "a.jpg": []byte(x), "b" + x + "/c.html": photo} {
		for _, accept := range []string{"application/json", "text/html"} {
			w := g.send(t, "editor", accept, url.Values{"source": {"files"}, "prefix": {x}}, file{name, body})
			safe("an upload of "+name, w.Body.String())
			if w.Code < 400 || w.Code >= 500 || w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(w.Header().Get("Content-Type"), accept) {
				t.Errorf("%q: %d %v", name, w.Code, w.Header())
			}
		}
	}
	for _, do := range []string{"begin", "resume", "complete", "abort"} {
		w := g.ask("editor", "POST", "/app/acme/images/parts", url.Values{"do": {do}, "source": {"media"}, "prefix": {x}, "name": {x}, "id": {x}, "bytes": {"9"}})
		safe(do, w.Body.String())
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			t.Errorf("%s: %v", do, w.Header())
		}
	}
}
