package dashboard_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A gallery is a site that delivers images of an origin on loopback. Workspace acme has the
// source photos, to which the mark red is bound, the source open, the private source
// vault, and the operator's folder files, which takes uploads. Workspace other has the source theirs.
type gallery struct {
	*site
	images *delivery.Service
	engine *engine
	folder string      // of the operator, which takes uploads: the source files
	stub   *bucketStub // of all sources of kind s3; nil where none was asked for
}

// An engine waits for the end of a job's context where called is set.
type engine struct {
	deliverytest.Engine
	called func()
}

func (e *engine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	if e.called != nil {
		e.called()
		<-ctx.Done()
		return transform.Image{}, ctx.Err()
	}
	return e.Engine.Transform(ctx, job)
}

func openGallery(t *testing.T) *gallery {
	t.Helper()
	upstream := deliverytest.NewUpstream(t)
	for _, path := range []string{"/photos/a.jpg", "/open/a b.jpg", "/vault/a.jpg", "/theirs/a.jpg"} {
		upstream.Serve(path, deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	}
	for name, c := range map[string]color.Color{"red": color.RGBA{255, 0, 0, 255}, "blue": color.RGBA{0, 0, 255, 255}} {
		logo := image.NewRGBA(image.Rect(0, 0, 2, 2))
		for i := range 4 {
			logo.Set(i%2, i/2, c)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, logo); err != nil {
			t.Fatal(err)
		}
		upstream.Serve("/vault/"+name+".png", deliverytest.Body(b.Bytes()))
	}
	g := &gallery{folder: t.TempDir(), engine: &engine{}}
	files, err := origin.OpenDir(g.folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	files.Uploads = true
	g.site = open(t, func(c *manage.Config) {
		g.images = delivery.New(delivery.Config{
			Workspaces: stored{c.Store}, Engine: g.engine, Cache: cache.NewMemory(1 << 20), Limits: transform.DefaultLimits(),
			HTTP: origin.NewHTTP(origin.HTTPConfig{Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: origin.DefaultLimits()}),
			Dirs: map[string]map[string]*origin.Dir{"acme": {"files": files}}, MaxOriginalBytes: 100_000, Bucket: g.bucket,
			Log: slog.New(slog.DiscardHandler), Now: clock,
		})
		c.Delivery, c.Images = g.images, g.images
		c.Process = func(namespace string) (p workspace.Process) {
			if namespace == "acme" {
				p.Dirs = []string{"files"}
			}
			return p
		}
	})
	t.Cleanup(func() { _ = g.images.Close(context.Background()) })
	for namespace, keys := range map[string][]string{"acme": {"photos", "open", "vault"}, "other": {"theirs"}} {
		w, err := g.store.Get(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "http", URL: upstream.URL + "/" + key + "/", Private: key == "vault"})
		}
		if namespace == "acme" {
			w.AllowedSources = []string{"example.com"}
			w.Marks = []workspace.Mark{{Name: "red", Image: "vault/red.png", AutoApplySources: []string{"photos"}}}
		}
		if err := g.store.Update(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// deliver returns an image.
func (g *gallery) deliver(t *testing.T, target string) []byte {
	t.Helper()
	w := g.answer(t, target)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// answer answers a request for an image.
func (g *gallery) answer(t *testing.T, target string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	to, ok := g.images.Target(t.Context(), "", r.URL.EscapedPath(), r.URL.RawQuery)
	if !ok {
		t.Fatalf("%s is no image", target)
	}
	w := httptest.NewRecorder()
	g.images.Deliver(&delivery.Response{ResponseWriter: w}, r, to)
	return w
}

// TestPreviewMark: a preview is for those who may change marks, is not kept, and is what
// delivery makes once the mark is stored.
func TestPreviewMark(t *testing.T) {
	blue := func(more ...string) url.Values {
		f := url.Values{"name": {"blue"}, "image": {"vault/blue.png"}, "picture": {"open/a b.jpg"}, "preview_width": {"30"}}
		for i := 0; i < len(more); i += 2 {
			f[more[i]] = strings.Fields(more[i+1])
		}
		return f
	}
	for _, tt := range []struct {
		name   string
		as     string
		target string
		fields url.Values
		status int
		wrong  string // field with an error
		shown  bool   // the mark is on the picture
		says   string
		then   string // URL of the same picture once the mark is stored
	}{
		{"nobody", "", "blue", blue(), 303, "", false, "", ""},
		{"viewer", "viewer", "_new", blue(), 403, "", false, "", ""},
		{"stranger", "stranger", "_new", blue(), 403, "", false, "", ""},
		{"editor", "editor", "_new", blue(), 200, "", true, "This is what delivery would make.", "/acme/open/a%20b.jpg?w=30&mark=blue"},
		{"operator", "operator", "_new", blue("sources", "open vault"), 200, "", true, "This is what delivery would make.", "/acme/open/a%20b.jpg?w=30"},
		{"not named yet", "editor", "_new", blue("name", ""), 200, "", true, "This is what delivery would make.", ""},
		{"private", "editor", "_new", blue("picture", "vault/a.jpg"), 200, "", true, "This is what delivery would make.", ""},
		{"another is bound", "editor", "_new", blue("picture", "photos/a.jpg"), 200, "", false, "The mark isn't on this picture, since its source is bound to red and not to this mark. Tick the source to add it.", "/acme/photos/a.jpg?w=30"},
		{"bound too", "editor", "_new", blue("picture", "photos/a.jpg", "sources", "photos"), 200, "", true, "This is what delivery would make. It carries red too.", "/acme/photos/a.jpg?w=30"},
		{"its own image", "editor", "_new", blue("show", "mark", "picture", ""), 200, "", false, "", ""},
		{"stored", "editor", "red", blue("picture", "photos/a.jpg"), 200, "", true, "This is what delivery would make.", ""},
		{"unbound", "editor", "red", blue("picture", "photos/a.jpg", "sources", "open"), 200, "", true, "This is what delivery would make.", ""},
		{"there is none", "editor", "green", blue(), 404, "", false, "", ""},
		{"a taken name", "editor", "_new", blue("name", "red"), 422, "name", false, "", ""},
		{"a wrong width", "editor", "_new", blue("width", "wide"), 422, "width", false, "", ""},
		{"no picture", "editor", "_new", blue("picture", ""), 422, "picture", false, "", ""},
		{"a missing picture", "editor", "_new", blue("picture", "open/none.jpg"), 422, "picture", false, "", ""},
		{"of another workspace", "editor", "_new", blue("picture", "theirs/a.jpg"), 422, "picture", false, "", ""},
		{"of a place that isn't allowed", "editor", "_new", blue("picture", "https://elsewhere.example/a.jpg"), 422, "picture", false, "", ""},
		{"of a private address", "editor", "_new", blue("picture", "http://169.254.169.254/x"), 422, "picture", false, "", ""},
		{"outside", "editor", "_new", blue("picture", "open/../vault/a.jpg"), 422, "picture", false, "", ""},
		{"a missing image", "editor", "_new", blue("image", "vault/none.png"), 422, "image", false, "", ""},
		{"an image of another workspace", "editor", "_new", blue("image", "theirs/a.jpg"), 422, "image", false, "", ""},
		{"bound to a source of another", "editor", "_new", blue("sources", "theirs"), 422, "sources", false, "", ""},
		{"too wide", "editor", "_new", blue("preview_width", "9999999999999999999999"), 422, "", false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := openGallery(t)
			before, _ := g.store.Get(t.Context(), "acme")
			w := g.ask(tt.as, "POST", "/app/acme/marks/"+tt.target+"/preview", tt.fields)
			if w.Code != tt.status || w.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v\n%s", w.Code, w.Header(), w.Body)
			}
			if after, _ := g.store.Get(t.Context(), "acme"); after.Revision != before.Revision {
				t.Error("a preview changed the workspace")
			}
			if w.Code == 422 {
				var said struct {
					Message string
					Fields  map[string]string
				}
				if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
					t.Fatal(err)
				}
				if tt.wrong != "" && (len(said.Fields) != 1 || said.Fields[tt.wrong] == "") || tt.wrong == "" && said.Message == "" {
					t.Errorf("%+v, want a fault at %q", said, tt.wrong)
				}
				return
			}
			if w.Code != 200 {
				return
			}
			says, err := url.PathUnescape(w.Header().Get("Tintype-Preview-Says"))
			if shown := w.Header().Get("Tintype-Preview-Shown") == "1"; shown != tt.shown || says != tt.says || err != nil {
				t.Errorf("shown: %t, %q %v", shown, says, err)
			}
			if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "image/") || w.Header().Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
				t.Errorf("%v", w.Header())
			}
			if tt.then != "" {
				g.change(t, "editor", "/app/acme/marks/"+tt.target, tt.fields)
				if got := g.deliver(t, tt.then); !bytes.Equal(got, w.Body.Bytes()) {
					t.Errorf("delivered are other %d bytes than the preview's %d", len(got), w.Body.Len())
				}
			}
		})
	}
}

// TestPreviewWithoutScript: a button of the form shows the same picture in the page, which
// keeps what was typed.
func TestPreviewWithoutScript(t *testing.T) {
	g := openGallery(t)
	fields := url.Values{"name": {"blue"}, "image": {"vault/blue.png"}, "width": {"20%"}, "picture": {"photos/a.jpg"}, "preview_width": {"400"}, "step": {"preview"}}
	want := base64.StdEncoding.EncodeToString(g.ask("editor", "POST", "/app/acme/marks/_new/preview", fields).Body.Bytes())
	page := g.ask("editor", "POST", "/app/acme/marks/_new", fields)
	b := page.Body.String()
	for _, text := range []string{`value="blue"`, `value="20%"`, `value="photos/a.jpg"`, `value="400" selected`, "The mark isn&#39;t on this picture"} {
		if page.Code != 200 || !strings.Contains(b, text) {
			t.Errorf("%d, without %s:\n%s", page.Code, text, b)
		}
	}
	if got := regexp.MustCompile(`src="data:image/jpeg;base64,([^"]*)"`).FindStringSubmatch(b); got == nil || strings.ReplaceAll(got[1], "&#43;", "+") != want {
		t.Errorf("another picture than the script gets:\n%s", b)
	}
	fields.Del("step")
	fields.Set("pick", "open/a b.jpg")
	if b := g.ask("editor", "POST", "/app/acme/marks/_new", fields).Body.String(); !strings.Contains(b, `value="open/a b.jpg"`) || !strings.Contains(b, "This is what delivery would make.") {
		t.Errorf("a picture that was picked:\n%s", b)
	}
	fields.Set("pick", "open/none.jpg")
	if w := g.ask("editor", "POST", "/app/acme/marks/_new", fields); w.Code != 422 || !strings.Contains(w.Body.String(), `id="picture-fault"`) || strings.Contains(w.Body.String(), "data:") {
		t.Errorf("a missing picture: %d\n%s", w.Code, w.Body)
	}
}

// TestPreviewLeft: the script drops a preview when a newer one takes its place. That is no
// error of this server.
func TestPreviewLeft(t *testing.T) {
	g := openGallery(t)
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequest("POST", "/app/acme/marks/_new/preview", strings.NewReader("image=vault/blue.png&picture=photos/a.jpg&preview_width=30")).WithContext(ctx)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: g.tokens["editor"]})
	g.engine.called = leave
	w := &delivery.Response{ResponseWriter: httptest.NewRecorder(), Client: ctx}
	g.handler.ServeHTTP(w, r)
	if w.Status != delivery.StatusClientGone || w.Log.Code != "" {
		t.Errorf("%d %s", w.Status, w.Log.Code)
	}
}

// stored has workspaces as the store has them.
type stored struct{ workspace.Store }

func (stored) Confirmed(*workspace.Workspace) bool { return true }

func (s stored) Confirm(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	return s.Get(ctx, namespace)
}
