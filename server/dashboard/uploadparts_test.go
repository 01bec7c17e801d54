package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// A bucketStub is a folder that takes parts as a bucket does.
type bucketStub struct {
	*origin.Dir
	endpoint string
	uploads  map[string][]origin.Part // by the bucket's own name
	whole    map[string][]byte        // by id
}

// bucket makes the sources of kind s3. That with the key away can't be reached.
func (g *gallery) bucket(s workspace.Source) (origin.Source, error) {
	if s.Key == "away" {
		return nil, errors.New("away")
	}
	if g.stub == nil {
		dir, err := origin.OpenDir(g.folder)
		if err != nil {
			return nil, err
		}
		g.stub = &bucketStub{Dir: dir, uploads: map[string][]origin.Part{}, whole: map[string][]byte{}}
	}
	g.stub.endpoint = s.Endpoint
	return g.stub, nil
}

func (b *bucketStub) ClientOrigin() string { return b.endpoint }
func (b *bucketStub) PresignPut(_ context.Context, id, _ string, _ int64, _ time.Duration) (string, http.Header, error) {
	return b.endpoint + "/" + id + "?X-Amz-Signature=x", http.Header{}, nil
}
func (b *bucketStub) PresignPart(ctx context.Context, id, _ string, _ int, _ int64, d time.Duration) (string, http.Header, error) {
	return b.PresignPut(ctx, id, "", 0, d)
}
func (b *bucketStub) FetchStaged(_ context.Context, id string) (*origin.Object, error) {
	if body, ok := b.whole[id]; ok {
		return &origin.Object{Body: body}, nil
	}
	return nil, origin.ErrNotFound
}
func (b *bucketStub) DeleteStaged(_ context.Context, id string) error {
	delete(b.whole, id)
	return nil
}
func (*bucketStub) SweepStaged(context.Context, time.Time, time.Time) (int, error) { return 0, nil }
func (*bucketStub) SweepParts(context.Context, time.Time) (int, error)             { return 0, nil }
func (b *bucketStub) StartParts(_ context.Context, id, _ string) (string, error) {
	b.uploads[id] = []origin.Part{}
	return id, nil
}
func (b *bucketStub) ListParts(_ context.Context, _, upload string) ([]origin.Part, error) {
	if parts, ok := b.uploads[upload]; ok {
		return parts, nil
	}
	return nil, origin.ErrNotFound
}
func (b *bucketStub) JoinParts(_ context.Context, id, upload string, parts []origin.Part) error {
	b.whole[id] = []byte(parts[0].ETag) // holds the body
	return b.DropParts(context.Background(), id, upload)
}
func (b *bucketStub) DropParts(_ context.Context, _, upload string) error {
	delete(b.uploads, upload)
	return nil
}

// addBucket adds a source of kind s3 to acme.
func (g *gallery) addBucket(t *testing.T, key, endpoint string, uploads bool) {
	t.Helper()
	w, err := g.store.Get(t.Context(), "acme")
	if err == nil {
		w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "s3", Bucket: key, Region: "eu-west-1", Endpoint: endpoint, Uploads: uploads})
		err = g.store.Update(t.Context(), w)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestUploadsMayConnect: the page of a bucket that takes uploads may connect to exactly that
// bucket, and no other page to anything but this server. Whatever stands in an endpoint, the
// policy has no other directives.
func TestUploadsMayConnect(t *testing.T) {
	g := openGallery(t)
	for key, endpoint := range map[string]string{
		"plain": "https://media.s3.example.com", "port": "https://MINIO.example.com:9000", "closed": "https://closed.example.com", "insecure": "http://minio.example.com",
		"six": "https://[2001:db8::1]:9000", "evil": "https://x.example;script-src *", "space": "https://x.example *", "quote": "https://x.example'unsafe-inline'", "any": "https://*",
	} {
		g.addBucket(t, key, endpoint, key != "closed")
	}
	for _, tt := range []struct{ as, target, want string }{
		{"editor", "/app/acme/images?source=plain", " https://media.s3.example.com"},
		{"owner", "/app/acme/images?source=port", " https://minio.example.com:9000"},
		{"viewer", "/app/acme/images?source=plain", ""},
		{"editor", "/app/acme/images?source=closed", ""},
		{"editor", "/app/acme/images?source=files", ""},
		{"editor", "/app/acme/images?source=insecure", ""}, // the browser refuses it below https
		{"editor", "/app/acme/images?source=six", ""},
		{"editor", "/app/acme/images?source=evil", ""},
		{"editor", "/app/acme/images?source=space", ""},
		{"editor", "/app/acme/images?source=quote", ""},
		{"editor", "/app/acme/images?source=any", ""},
		{"editor", "/app/acme/images?source=none", ""},
		{"editor", "/app/acme/images/image?source=plain&path=a.jpg", ""},
		{"editor", "/app/acme/sources", ""},
		{"owner", "/app/acme", ""},
	} {
		w := g.ask(tt.as, "GET", tt.target, nil)
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "; connect-src 'self'"+tt.want+"; ") || strings.Count(policy, ";") != 7 {
			t.Errorf("%s as %s: %d %s", tt.target, tt.as, w.Code, policy)
		}
		if direct := strings.Contains(w.Body.String(), "data-direct"); direct != (tt.want != "") {
			t.Errorf("%s as %s: direct is %t", tt.target, tt.as, direct)
		}
		if tt.want != "" && !strings.Contains(w.Body.String(), `[{&#34;AllowedOrigins&#34;: [&#34;https://img.example&#34;], &#34;AllowedMethods&#34;: [&#34;PUT&#34;]`) {
			t.Errorf("%s is without the rule", tt.target)
		}
	}
}

// TestUploadPartsPage: the script of the page begins, resumes, completes and gives up an
// upload in parts, and is asked before an image is replaced.
func TestUploadPartsPage(t *testing.T) {
	g := openGallery(t)
	g.addBucket(t, "media", "https://media.s3.example.com", true)
	photo := deliverytest.Photo(t, 40, 30)
	type answer struct {
		Path, Message string
		Exists, Gone  bool
		Upload        *manage.UploadParts
	}
	ask := func(as string, want int, fields ...string) (a answer) {
		t.Helper()
		f := url.Values{"source": {"media"}, "prefix": {"2026/"}, "name": {"a.jpg"}}
		for i := 0; i < len(fields); i += 2 {
			f.Set(fields[i], fields[i+1])
		}
		w := g.ask(as, "POST", "/app/acme/images/parts", f)
		if w.Code != want {
			t.Errorf("%v as %s: %d\n%s", fields, as, w.Code, w.Body)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
				t.Error(err)
			}
		} else if b, _ := io.ReadAll(w.Body); want < 400 {
			t.Errorf("%v: %s", fields, b)
		}
		return a
	}
	for _, as := range []string{"viewer", "stranger"} {
		ask(as, 403, "do", "begin", "bytes", "9")
	}
	for _, bad := range [][]string{
		{"do", "begin"}, {"do", "begin", "bytes", "x"}, {"do", "begin", "bytes", "100001"}, {"do", "begin", "bytes", "9", "name", "../../a.jpg"}, {"do", "begin", "bytes", "9", "name", "a.html"},
		{"do", "begin", "bytes", "9", "source", "files"}, {"do", "begin", "bytes", "9", "source", "photos"}, {"do", "begin", "bytes", "9", "source", ""}, {"do", "x"},
	} {
		if a := ask("editor", 400, bad...); a.Upload != nil || bad[1] == "begin" && a.Message == "" {
			t.Errorf("%v: %+v", bad, a)
		}
	}
	ask("editor", 404, "do", "begin", "bytes", "9", "source", "theirs")

	a := ask("editor", 200, "do", "begin", "bytes", "90000")
	if a.Path != "2026/a.jpg" || a.Upload == nil || len(a.Upload.Parts) != 1 || a.Upload.Parts[0].URL == "" {
		t.Fatalf("%+v", a)
	}
	id := a.Upload.UploadID
	if a := ask("editor", 400, "do", "complete", "id", id); !strings.Contains(a.Message, "parts are missing: 1.") {
		t.Errorf("%+v", a)
	}
	for name := range g.stub.uploads {
		g.stub.uploads[name] = []origin.Part{{Number: 1, Bytes: 90000, ETag: string(photo)}}
	}
	if a := ask("editor", 200, "do", "resume", "id", id); a.Upload == nil || !a.Upload.Parts[0].Sent {
		t.Errorf("%+v", a)
	}
	ask("editor", 201, "do", "complete", "id", id)
	if string(g.stored("2026/a.jpg")) != string(photo) {
		t.Error("the image isn't stored")
	}
	for _, what := range []string{"resume", "complete"} {
		if a := ask("editor", 404, "do", what, "id", id); !a.Gone {
			t.Errorf("%s: %+v", what, a)
		}
	}
	if a := ask("editor", 409, "do", "begin", "bytes", "90000"); !a.Exists || len(g.stub.uploads) != 0 {
		t.Errorf("%+v", a)
	}
	if a := ask("editor", 200, "do", "begin", "bytes", "90000", "overwrite", "on"); a.Upload == nil {
		t.Errorf("%+v", a)
	} else {
		ask("editor", 200, "do", "abort", "id", a.Upload.UploadID)
	}
	if len(g.stub.uploads) != 0 {
		t.Errorf("left: %v", g.stub.uploads)
	}
}
