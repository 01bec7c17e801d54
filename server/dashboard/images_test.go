package dashboard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// A file is one of a form.
type file struct {
	name string
	body []byte
}

// send sends a form with files. accept is the header of that name.
func (g *gallery) send(t *testing.T, as, accept string, fields url.Values, files ...file) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for name := range fields {
		if err := form.WriteField(name, fields.Get(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		part, err := form.CreateFormFile("file", f.name)
		if err == nil {
			_, err = part.Write(f.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = form.Close()
	r := httptest.NewRequest("POST", "/app/acme/images", &b)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Accept", accept)
	r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: g.tokens[as]})
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

// stored returns a file of the folder, or nil.
func (g *gallery) stored(name string) []byte {
	b, err := os.ReadFile(filepath.Join(g.folder, name))
	if err != nil {
		return nil
	}
	return b
}

// TestUploads: what a form sends is checked and stored, and what is there is only replaced
// where the form says so.
func TestUploads(t *testing.T) {
	photo, other := deliverytest.Photo(t, 40, 30), deliverytest.Photo(t, 30, 40)
	into := func(more ...string) url.Values {
		f := url.Values{"source": {"files"}, "prefix": {"2026"}}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	g := openGallery(t)
	for _, tt := range []struct {
		name    string
		as      string
		fields  url.Values
		file    file
		status  int
		path    string
		message string // part of it
		exists  bool
	}{
		{"viewer", "viewer", into(), file{"a.jpg", photo}, 403, "", "", false},
		{"stranger", "stranger", into(), file{"a.jpg", photo}, 403, "", "", false},
		{"editor", "editor", into(), file{"a.jpg", photo}, 201, "2026/a.jpg", "", false},
		{"taken", "editor", into(), file{"a.jpg", other}, 409, "2026/a.jpg", "There is an image under this path already.", true},
		{"replaced", "editor", into("overwrite", "on"), file{"a.jpg", other}, 201, "2026/a.jpg", "", false},
		{"into the first folder", "editor", into("prefix", ""), file{"b.jpg", photo}, 201, "b.jpg", "", false},
		{"a path as its name", "editor", into(), file{"../../c.jpg", photo}, 201, "2026/c.jpg", "", false},
		{"out of the source", "editor", into("prefix", "../x"), file{"c.jpg", photo}, 400, "../x/c.jpg", "", false},
		{"no image", "editor", into(), file{"d.jpg", []byte("<script>alert(1)</script>")}, 415, "2026/d.jpg", "", false},
		{"an extension of no image", "editor", into(), file{"d.html", photo}, 400, "2026/d.html", "", false},
		{"too large", "editor", into(), file{"d.jpg", make([]byte, 200_000)}, 413, "2026/d.jpg", "100000", false},
		{"empty", "editor", into(), file{"d.jpg", nil}, 400, "2026/d.jpg", "empty", false},
		{"a source without uploads", "editor", into("source", "open"), file{"d.jpg", photo}, 400, "2026/d.jpg", "", false},
		{"a source of another workspace", "editor", into("source", "theirs"), file{"d.jpg", photo}, 404, "2026/d.jpg", "", false},
		{"no source", "editor", into("source", ""), file{"d.jpg", photo}, 400, "2026/d.jpg", "", false},
	} {
		w := g.send(t, tt.as, "application/json", tt.fields, tt.file)
		var sent struct {
			Path, Message string
			Exists        bool
		}
		if w.Code != 403 {
			if err := json.Unmarshal(w.Body.Bytes(), &sent); err != nil {
				t.Errorf("%s: %d %v\n%s", tt.name, w.Code, err, w.Body)
			}
		}
		if w.Code != tt.status || sent.Path != tt.path || sent.Exists != tt.exists || !strings.Contains(sent.Message, tt.message) || (w.Code != 201) != (sent.Message != "" || w.Code == 403) {
			t.Errorf("%s: %d %+v", tt.name, w.Code, sent)
		}
	}
	if !bytes.Equal(g.stored("2026/a.jpg"), other) || !bytes.Equal(g.stored("b.jpg"), photo) || g.stored("2026/d.jpg") != nil || g.stored("2026/d.html") != nil {
		t.Error("the folder has other files than were stored")
	}

	// Without the script, one form has several files.
	if w := g.send(t, "editor", "text/html", into("prefix", "/more/"), file{"e.jpg", photo}, file{"f.jpg", photo}); w.Code != 303 || w.Header().Get("Location") != "/app/acme/images?prefix=more%2F&source=files&done=uploaded" {
		t.Error(w.Code, w.Header())
	}
	w := g.send(t, "editor", "text/html", into("prefix", "more"), file{"e.jpg", other}, file{"g.jpg", photo}, file{"<b>.jpg", []byte("x")})
	if b := w.Body.String(); w.Code != 409 || !strings.Contains(b, "more/e.jpg</code>: There is an image") || !strings.Contains(b, "&lt;b&gt;.jpg") || strings.Contains(b, "<b>.jpg") || strings.Contains(b, "more/g.jpg</code>:") {
		t.Errorf("%d\n%s", w.Code, b)
	}
	if !bytes.Equal(g.stored("more/e.jpg"), photo) || g.stored("more/g.jpg") == nil {
		t.Error("a file was replaced, or a good one wasn't stored")
	}
	if w := g.send(t, "editor", "text/html", into()); w.Code != 422 || !strings.Contains(w.Body.String(), "Choose an image first") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}

// TestImages: folders are browsed, and an image is blocked, shared and deleted.
func TestImages(t *testing.T) {
	g := openGallery(t)
	x := `"><script>x`
	for _, name := range []string{"a b.jpg", "2026/summer/" + x + ".jpg"} {
		full := filepath.Join(g.folder, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, deliverytest.Photo(t, 40, 30), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := func(as, target string, want int, texts ...string) {
		t.Helper()
		w := g.ask(as, "GET", target, nil)
		b := w.Body.String()
		if w.Code != want || strings.Contains(b, "<script>x") {
			t.Errorf("%s: %d\n%s", target, w.Code, b)
		}
		for _, text := range texts {
			if !strings.Contains(b, text) {
				t.Errorf("%s is without %s:\n%s", target, text, b)
			}
		}
	}
	page("viewer", "/app/acme/images?source=files", 200, `href="/app/acme/images?prefix=2026%2F&amp;source=files"`, `src="/app/acme/images/thumbnail?path=a&#43;b.jpg&amp;source=files"`)
	if b := g.ask("viewer", "GET", "/app/acme/images", nil).Body.String(); strings.Contains(b, `type="file"`) {
		t.Error("a viewer can upload")
	}
	page("editor", "/app/acme/images?source=files&prefix=2026/summer/", 200, `aria-current="page">summer<`, `value="2026/summer/"`, "&#34;&gt;&lt;script&gt;x.jpg")
	page("editor", "/app/acme/images?source=files&prefix=none/", 200, "This folder is empty")
	page("editor", "/app/acme/images?source=files&prefix="+url.QueryEscape(x), 200)
	page("editor", "/app/acme/images?source=files&cursor="+url.QueryEscape(x), 200)
	page("editor", "/app/acme/images?source=photos", 404)
	page("editor", "/app/acme/images?source="+url.QueryEscape(x), 404)
	w, _ := g.store.Get(t.Context(), "acme")
	w.Sources = append(w.Sources, workspace.Source{Key: "away", Kind: "s3", Bucket: "away", Region: "eu-west-1"})
	if err := g.store.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	page("editor", "/app/acme/images?source=away", 200, "The folder can't be listed.")
	page("editor", "/app/acme/marks/_new", 200)
	page("operator", "/app/other/images", 200, "No source of this workspace can be listed")

	const one = "/app/acme/images/image?path=a+b.jpg&source=files"
	page("viewer", one, 200, `>https://img.example/acme/files/a%20b.jpg</textarea>`, `href="/app/acme/playground?src=files%2Fa&#43;b.jpg"`, `src="/app/acme/images/thumbnail?path=a&#43;b.jpg&amp;size=large&amp;source=files"`)
	page("viewer", "/app/acme/images/image?path=none.jpg&source=files", 404)
	page("viewer", "/app/acme/images/image?path=..%2Fx&source=files", 400)
	do := func(target string, want int, location string, fields ...string) string {
		t.Helper()
		f := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			f.Set(fields[i], fields[i+1])
		}
		w := g.ask("editor", "POST", target, f)
		if w.Code != want || w.Header().Get("Location") != location {
			t.Errorf("%v: %d %v\n%s", f, w.Code, w.Header(), w.Body)
		}
		return w.Body.String()
	}
	if w := g.ask("viewer", "POST", one, url.Values{"do": {"block"}}); w.Code != 403 {
		t.Error("a viewer blocks:", w.Code)
	}
	do(one, 303, one+"&done=blocked", "do", "block", "reason", x)
	page("viewer", one, 200, "This image is blocked.")
	page("editor", one, 200, "This image is blocked.", "&lt;script&gt;x")
	page("viewer", "/app/acme/images?source=files", 200, `class="blocked"`)
	page("viewer", "/app/acme/images/blocked", 200, "files/a b.jpg", "editor@acme.example")
	w, _ = g.store.Get(t.Context(), "acme")
	do(one, 303, one+"&done=unblocked", "do", "unblock", "id", w.Blocks[0].ID)
	do("/app/acme/images/blocked", 303, "/app/acme/images/blocked?done=blocked", "sha256", strings.Repeat("AB", 32))
	if b := do("/app/acme/images/blocked", 422, "", "path", x, "sha256", x); strings.Contains(b, "<script>x") {
		t.Error(b)
	}
	w, _ = g.store.Get(t.Context(), "acme")
	do("/app/acme/images/blocked", 303, "/app/acme/images/blocked?done=unblocked", "do", "unblock", "id", w.Blocks[0].ID)

	if b := do(one, 422, "", "do", "delete", "typed", "a"); !strings.Contains(b, `id="typed-fault"`) || g.stored("a b.jpg") == nil {
		t.Error("deleted without its name", b)
	}
	do(one, 303, "/app/acme/images?prefix=&source=files&done=gone", "do", "delete", "typed", "a b.jpg")
	if g.stored("a b.jpg") != nil {
		t.Error("the file is still there")
	}
	do(one, 400, "")
}

// TestManyBlocks: the list of blocks has pages.
func TestManyBlocks(t *testing.T) {
	g := openGallery(t)
	w, _ := g.store.Get(t.Context(), "acme")
	for i := range 200 {
		w.Blocks = append(w.Blocks, workspace.Block{ID: fmt.Sprint("id", i), Path: fmt.Sprintf("files/%d.jpg", i), CreatedAt: now})
	}
	if err := g.store.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][3]string{
		"":         {">files/199.jpg<", ">files/100.jpg<", "1 to 100 of 200"},
		"?page=2":  {">files/99.jpg<", ">files/0.jpg<", "101 to 200 of 200"},
		"?page=99": {">files/99.jpg<", ">files/0.jpg<", "101 to 200 of 200"},
		"?page=x":  {">files/199.jpg<", ">files/100.jpg<", "1 to 100 of 200"},
	} {
		b := g.ask("viewer", "GET", "/app/acme/images/blocked"+query, nil).Body.String()
		for _, text := range want {
			if !strings.Contains(b, text) {
				t.Errorf("%s is without %s", query, text)
			}
		}
		if len(b) > 150_000 {
			t.Errorf("%s has %d bytes", query, len(b))
		}
	}
}

// TestShare: a link to a private image says when it ends, and can be copied.
func TestShare(t *testing.T) {
	g := openGallery(t)
	if err := os.WriteFile(filepath.Join(g.folder, "a.jpg"), deliverytest.Photo(t, 40, 30), 0o600); err != nil {
		t.Fatal(err)
	}
	g.edit(t, func(w *workspace.Workspace) {
		w.RequireSignature = true
		w.SigningKeys = []signing.Key{{ID: "KEY", Secret: signing.NewSecret(), CreatedAt: now.Add(-time.Hour)}}
	})
	const page = "/app/acme/images/image?path=a.jpg&source=files"
	if have := g.ask("viewer", "GET", page, nil).Body.String(); strings.Contains(have, "Make the link") {
		t.Error("a viewer is offered a link")
	}
	if have := g.ask("editor", "GET", page, nil).Body.String(); !strings.Contains(have, ">Make the link<") || strings.Contains(have, ">Sign<") {
		t.Error(have)
	}
	have := g.ask("editor", "POST", page, url.Values{"do": {"sign"}, "seconds": {"86400"}}).Body.String()
	for _, want := range []string{">Link for one day<", `data-copy="signed" hidden>Copy<`, `<textarea id="signed"`, "https://img.example/acme/files/a.jpg?exp=", `>Monday, 30 November 2037, 12:00 UTC</time>`, `value="86400" selected`} {
		if !strings.Contains(have, want) {
			t.Errorf("without %q:\n%s", want, have)
		}
	}
}

// TestShareWithoutKey: where no signing key is there, an owner gets one with the link, and an editor
// reads who makes it.
func TestShareWithoutKey(t *testing.T) {
	g := openGallery(t)
	if err := os.WriteFile(filepath.Join(g.folder, "a.jpg"), deliverytest.Photo(t, 40, 30), 0o600); err != nil {
		t.Fatal(err)
	}
	g.edit(t, func(w *workspace.Workspace) { w.RequireSignature = true })
	const page = "/app/acme/images/image?path=a.jpg&source=files"
	link := url.Values{"do": {"sign"}, "seconds": {"3600"}, "key": {"on"}}
	if have := g.ask("editor", "GET", page, nil).Body.String(); strings.Contains(have, "Make the link") || !strings.Contains(have, "An owner makes one") {
		t.Error(have)
	}
	if w := g.ask("editor", "POST", page, link); w.Code != 403 {
		t.Errorf("an editor makes a signing key: %d", w.Code)
	}
	if have := g.ask("owner", "GET", page, nil).Body.String(); !strings.Contains(have, "Make the link") || !strings.Contains(have, "It is made with the link.") {
		t.Error(have)
	}
	for range 2 {
		if have := g.ask("owner", "POST", page, link).Body.String(); !strings.Contains(have, "https://img.example/acme/files/a.jpg?exp=") || strings.Contains(have, "no signing key") {
			t.Error(have)
		}
	}
	w, err := g.store.Get(t.Context(), "acme")
	if err != nil || len(w.SigningKeys) != 1 {
		t.Errorf("%d signing keys, %v", len(w.SigningKeys), err)
	}
}

// TestFolderWeight: a page of a folder with thumbnails of private images and long names, also as the
// playground shows it, is below 150 kB.
func TestFolderWeight(t *testing.T) {
	g := openGallery(t)
	folder := filepath.Join(g.folder, strings.Repeat("a-long-folder-", 5), "2037")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s%02d.jpg", strings.Repeat("long-name-ü-", 8), i)), deliverytest.Photo(t, 4, 3), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	query := "?" + url.Values{"source": {"files"}, "prefix": {strings.Repeat("a-long-folder-", 5) + "/2037/"}}.Encode()
	for _, page := range []string{"/app/acme/images", "/app/acme/playground"} {
		body := g.ask("owner", "GET", page+query, nil).Body.String()
		if n := strings.Count(body, "/images/thumbnail?"); n < 48 || len(body) > 150_000 {
			t.Errorf("%s has %d thumbnails and %d bytes", page, n, len(body))
		} else {
			t.Logf("%s: %d bytes", page, len(body))
		}
	}
}
