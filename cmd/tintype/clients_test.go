package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tintype/tintype/client"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/versitygw"
)

// jsClient is the folder of the npm package.
const jsClient = "../../clients/js"

const clientsRootKey = "root-key-of-the-test-of-the-clients"

// A clientApp is an example app. It is built while the server runs, since a build may ask for
// facts about images.
type clientApp struct {
	build []string // a program of node_modules, and its arguments
	serve []string // the script of its server, and its arguments, of which PORT is the port; empty for static files
	out   string   // the folder of static files

	gallery string // the path of a page with a private picture
}

var clientApps = map[string]clientApp{
	"next":       {build: []string{"next/dist/bin/next", "build"}, serve: []string{"node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", "PORT"}, gallery: "gallery"},
	"nuxt":       {build: []string{"nuxt/bin/nuxt.mjs", "build"}, serve: []string{".output/server/index.mjs"}},
	"astro":      {build: []string{"astro/bin/astro.mjs", "build"}, out: "dist"},
	"sveltekit":  {build: []string{"vite/bin/vite.js", "build"}, out: "build"},
	"vite-react": {build: []string{"vite/bin/vite.js", "build"}, out: "dist"},
}

// A gate stands in front of a server and can hold images back. Placeholders and facts pass.
type gate struct {
	*httptest.Server
	mu     sync.Mutex
	opened chan struct{}
}

func newGate(t *testing.T, server string) *gate {
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{opened: make(chan struct{})}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/demo/samples/") {
			g.mu.Lock()
			opened := g.opened
			g.mu.Unlock()
			select {
			case <-opened:
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		g.CloseClientConnections()
		g.Close()
	})
	return g
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
}

// TestClients runs what the npm package is for, against a server: its functions, signatures
// in a browser, and the example apps. make clients runs it.
func TestClients(t *testing.T) {
	names := strings.Fields(os.Getenv("CLIENTS"))
	if len(names) == 0 {
		t.Skip("not run: make clients")
	}
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	private := t.TempDir()
	for _, name := range []string{"dusk.jpg", "night.jpg"} {
		if err := copyOnce(filepath.Join(pictures, name), private, name); err != nil {
			t.Fatal(err)
		}
	}
	server := startServing(t, map[string]string{"TINTYPE_ROOT_KEY": clientsRootKey},
		"--dir", "demo/samples="+pictures, "--dir", "demo/private="+private, "--dir-private", "demo/private", "--allow-cidr", "127.0.0.0/8")
	api, err := client.New(server, clientsRootKey)
	if err != nil {
		t.Fatal(err)
	}
	gateway := versitygw.Start(t, "KEYOFTHECLIENTS", "secret-of-the-clients")
	gateway.CreateBucket(t, "media")
	if _, err := api.PutSource(t.Context(), "demo", "media", client.Source{
		Key: "media", Kind: "s3", Bucket: "media", Region: gateway.Region, Endpoint: gateway.Endpoint, AccessKeyID: gateway.AccessKeyID, SecretAccessKey: gateway.SecretAccessKey, Uploads: true,
	}); err != nil {
		t.Fatal(err)
	}

	t.Run("functions", func(t *testing.T) {
		// In the folder of the packed package, so that it is what is imported.
		test, err := os.ReadFile(filepath.Join(jsClient, "test/live/live.test.mjs"))
		if err != nil {
			t.Fatal(err)
		}
		packed := filepath.Join(jsClient, "test/.packed")
		if err := os.WriteFile(filepath.Join(packed, "live.test.mjs"), test, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-force-exit", "--test-reporter=spec", "live.test.mjs")
		cmd.Dir = packed
		cmd.Env = append(os.Environ(), "TINTYPE_URL="+server+"/demo", "TINTYPE_API_KEY="+clientsRootKey)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		if n, keys := gateway.Uploads(t, "media"), gateway.List(t, "media", ".tintype"); n > 0 || len(keys) > 0 {
			t.Errorf("the bucket keeps %d uploads and %q", n, keys)
		}
	})

	t.Run("signatures in a browser", func(t *testing.T) {
		site := httptest.NewServer(http.FileServerFS(os.DirFS("../..")))
		t.Cleanup(site.Close)
		p := open(t, startBrowser(t), site.URL+"/clients/js/test/browser.html", 800, 600)
		for _, place := range []string{"page", "worker"} {
			p.until(fmt.Sprintf("window.results?.%s", place))
			// Each valid vector is made.
			if got := eval[string](p, "window.results."+place); !strings.HasPrefix(got, "ok ") {
				t.Errorf("%s: %s", place, got)
			} else {
				t.Logf("%s: %s", place, got)
			}
		}
		p.calm("favicon")
	})

	images := newGate(t, server)
	key, err := api.CreateSigningKey(t.Context(), "demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TINTYPE_SIGNING_SECRET", key.Secret)
	for _, name := range names {
		app, ok := clientApps[name]
		if !ok {
			t.Fatalf("there is no app %q", name)
		}
		t.Run(name, func(t *testing.T) {
			at := startApp(t, name, app, images)
			for _, dpr := range []int{1, 2} {
				t.Run(fmt.Sprintf("%d×", dpr), func(t *testing.T) {
					images.shut()
					showsApp(t, startBrowser(t), images, name, at, dpr) // a browser without images in its cache
				})
				if app.gallery != "" {
					t.Run(fmt.Sprintf("private, %d×", dpr), func(t *testing.T) {
						showsPrivate(t, startBrowser(t), name, at+app.gallery, dpr)
					})
				}
			}
		})
	}
}

// startApp builds an app and serves it, until the test ends. It returns its URL.
func startApp(t *testing.T, name string, app clientApp, images *gate) string {
	t.Helper()
	folder := filepath.Join(jsClient, "examples", name)
	base := images.URL + "/demo"
	env := append(os.Environ(), "TINTYPE_URL="+base, "NEXT_PUBLIC_TINTYPE_URL="+base, "PUBLIC_TINTYPE_URL="+base,
		"NEXT_TELEMETRY_DISABLED=1", "NUXT_TELEMETRY_DISABLED=1", "ASTRO_TELEMETRY_DISABLED=1", "NODE_ENV=production")
	started := time.Now()
	build := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join("node_modules", app.build[0])}, app.build[1:]...)...)
	build.Dir, build.Env = folder, env
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the build: %v\n%s", err, out)
	}
	t.Logf("built in %.1f s", time.Since(started).Seconds())
	if app.out != "" {
		site := httptest.NewServer(http.FileServerFS(os.DirFS(filepath.Join(folder, app.out))))
		t.Cleanup(site.Close)
		return site.URL + "/"
	}

	// A free port, which the app's server can't find and tell by itself.
	port := strconv.Itoa(freeport.Port(t))
	args := slices.Clone(app.serve)
	if i := slices.Index(args, "PORT"); i >= 0 {
		args[i] = port
	}
	cmd := exec.Command("node", args...)
	cmd.Dir, cmd.Env = folder, append(env, "PORT="+port, "HOST=127.0.0.1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var said strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(said.String(), "Ready in") && !strings.Contains(said.String(), "Listening on") {
		n, err := stdout.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			t.Fatalf("the app does not start: %v\n%s", err, said.String())
		}
	}
	return "http://127.0.0.1:" + port + "/"
}

// A heldImage is an image of a page before its file is there.
type heldImage struct {
	Alt           string
	Width, Height float64 // of its place, in CSS pixels
	Loaded, Blur  bool
}

// A loadedImage is an image of a page once its file is there.
type loadedImage struct {
	Alt, Src string
	Width    float64 // of its place, in CSS pixels
	Pixels   int     // width of the file
}

// showsApp opens an app while images are held back: each has its place, and a blur in it. Then
// images come: in the right width, as AVIF, and nothing moves.
func showsApp(t *testing.T, chromium context.Context, images *gate, name, at string, dpr int) {
	var mu sync.Mutex
	formats := map[string]string{} // by URL
	p := &tab{T: t, url: at}
	tabContext, cancel := chromedp.NewContext(chromium, chromedp.WithListener(func(event any) {
		p.listen(event)
		if e, ok := event.(*network.EventResponseReceived); ok {
			mu.Lock()
			formats[e.Response.URL] = e.Response.MimeType
			mu.Unlock()
		}
	}))
	t.Cleanup(cancel)
	p.ctx = tabContext
	p.do(chromedp.EmulateViewport(800, 1000, chromedp.EmulateScale(float64(dpr))))
	if _, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.moved = 0;
		new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.moved += entry.value; }).observe({ type: 'layout-shift', buffered: true });
	`}); err != nil {
		t.Fatal(err)
	}
	// Without waiting for the images, which don't come.
	if _, err := chromedp.Call(p.ctx, page.Navigate, page.NavigateParams{URL: at}); err != nil {
		t.Fatal(err)
	}
	const shown = `[...document.querySelectorAll('main img')]`
	p.until(fmt.Sprintf(`location.href === %q && %s.length === 2 && %[2]s.every((img) => img.getBoundingClientRect().height > 0)`, at, shown))
	held := eval[[]heldImage](p, shown+`.map((img) => {
		const { width, height } = img.getBoundingClientRect();
		const inline = img.currentSrc.startsWith('data:');
		return { Alt: img.alt, Width: width, Height: height, Loaded: img.complete && img.naturalWidth > 0 && !inline,
			Blur: inline || getComputedStyle(img.closest('picture') ?? img).backgroundImage.includes('url(') || getComputedStyle(img).backgroundImage.includes('url(') };
	})`)
	for _, h := range held {
		if h.Loaded || !h.Blur {
			t.Errorf("%s: before its file is there: loaded %t, blur %t", h.Alt, h.Loaded, h.Blur)
		}
		if ratio := h.Width / h.Height; ratio < 1.49 || ratio > 1.51 {
			t.Errorf("%s: its place is %.0f×%.0f", h.Alt, h.Width, h.Height)
		}
	}

	images.open()
	p.until(shown + `.every((img) => img.complete && img.naturalWidth > 0 && !img.currentSrc.startsWith('data:'))`)
	loaded := eval[[]loadedImage](p, `Promise.all(`+shown+`.map(async (img) => {
		const file = new Image();
		file.src = img.currentSrc;
		await file.decode();
		return { Alt: img.alt, Src: img.currentSrc, Width: img.getBoundingClientRect().width, Pixels: file.naturalWidth };
	}))`)
	for i, l := range loaded {
		if least := l.Width * float64(dpr); float64(l.Pixels) < least || float64(l.Pixels) > 1.35*least {
			t.Errorf("%s: %d pixels for %.0f at %d×: %s", l.Alt, l.Pixels, l.Width, dpr, l.Src)
		}
		if l.Width != held[i].Width {
			t.Errorf("%s: %.0f wide, and %.0f before", l.Alt, l.Width, held[i].Width)
		}
		mu.Lock()
		format := formats[l.Src]
		mu.Unlock()
		if format != "image/avif" || !strings.HasPrefix(l.Src, images.URL+"/demo/samples/") {
			t.Errorf("%s: %q: %s", l.Alt, format, l.Src)
		}
		t.Logf("%s: %.0f×, %d pixels for %.0f, %s", l.Alt, float64(dpr), l.Pixels, l.Width, format)
	}
	if moved := eval[float64](p, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(window.moved))))`); moved != 0 {
		t.Errorf("the page moved: %v", moved)
	}
	p.calm("favicon")
	if dir := os.Getenv("SHOTS"); dir != "" {
		shot, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%dx.png", name, dpr)), shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	// The measure of movement works: it sees what is pushed down.
	eval[bool](p, `(document.body.prepend(Object.assign(document.createElement('div'), { style: 'height: 300px' })), true)`)
	p.until(`window.moved > 0`)
}

// showsPrivate opens a page with a private picture of 480 × 320: by a URL that is signed, with
// a blur behind it.
func showsPrivate(t *testing.T, chromium context.Context, name, at string, dpr int) {
	p := open(t, chromium, at, 800, 600, chromedp.EmulateScale(float64(dpr)))
	p.until(`document.querySelector('main img')?.complete && document.querySelector('main img').naturalWidth > 0`)
	img := eval[struct {
		Src, Behind   string
		Width, Pixels int
	}](p, `(async (img) => {
		const file = new Image();
		file.src = img.currentSrc;
		await file.decode();
		return { Src: img.currentSrc, Behind: getComputedStyle(img).backgroundImage, Width: img.width, Pixels: file.naturalWidth };
	})(document.querySelector('main img'))`)
	if img.Width != 480 || img.Pixels != 480*dpr || !strings.HasPrefix(img.Behind, `url("data:image/`) || !strings.Contains(img.Src, "/private/night.jpg?") || !strings.Contains(img.Src, "&sig=") {
		t.Errorf("%+v", img)
	}
	p.calm("favicon")
	p.shoot(fmt.Sprintf("%s-private-%dx", name, dpr))
}
