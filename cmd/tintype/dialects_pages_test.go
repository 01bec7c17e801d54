package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tintype/tintype/internal/freeport"
)

// A shown image is one of a page, as the browser has it.
type shownImage struct {
	Alt, Src, Want, Format string
	Width, Height          int // in CSS pixels, as the picture has them by itself
	PixelsW, PixelsH       int
}

// TestDialectsPages opens pages of front ends that other projects' packages made, at one and
// two pixels for each of CSS: each picture has the right size and format. One page is of a
// Next.js app. make dialects runs it.
func TestDialectsPages(t *testing.T) {
	if os.Getenv("DIALECTS") == "" {
		t.Skip("not run: make dialects")
	}
	origin := dialectsOrigin(t, "")
	server := startDialects(t, origin.URL)

	cmd := exec.CommandContext(t.Context(), "node", "pages/pages.mjs", "--hosts=http://WORKSPACE."+baseDomain, "--origin="+origin.URL)
	cmd.Dir = emitters
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pages.mjs: %v\n%s", err, stderr.Bytes())
	}
	var pages map[string]string
	if err := json.Unmarshal(out, &pages); err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, pages[strings.TrimPrefix(r.URL.Path, "/")])
	}))
	t.Cleanup(site.Close)

	urls := map[string]string{"next": startNext(t)}
	for name := range pages {
		urls[name] = site.URL + "/" + name
	}
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	chromium := startBrowser(t, chromedp.Flag("host-resolver-rules", "MAP *."+baseDomain+":80 "+at.Host))
	for name, page := range urls {
		for _, dpr := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s at %d×", name, dpr), func(t *testing.T) { showsPictures(t, chromium, name, page, dpr) })
		}
	}
}

// startNext starts the Next.js app that scripts/dialects built, until the test ends.
func startNext(t *testing.T) string {
	t.Helper()
	// A free port, which Next can't find and tell by itself.
	port := strconv.Itoa(freeport.Port(t))
	cmd := exec.Command("node", "../node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", port)
	cmd.Dir = filepath.Join(emitters, "next-app")
	cmd.Env = append(os.Environ(), "NEXT_TELEMETRY_DISABLED=1", "IMAGES_PATH=http://web."+baseDomain+"/_next/image")
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
	for !strings.Contains(said.String(), "Ready in") {
		n, err := stdout.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			t.Fatalf("the Next.js app does not start: %v\n%s", err, said.String())
		}
	}
	return "http://127.0.0.1:" + port + "/"
}

// showsPictures opens a page, and holds each of its pictures to what its element says.
func showsPictures(t *testing.T, chromium context.Context, name, page string, dpr int) {
	var mu sync.Mutex
	formats := map[string]string{} // by URL
	tabContext, cancel := chromedp.NewContext(chromium, chromedp.WithListener(func(event any) {
		if e, ok := event.(*network.EventResponseReceived); ok {
			mu.Lock()
			formats[e.Response.URL] = e.Response.MimeType
			mu.Unlock()
		}
	}))
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: tabContext, url: page}
	p.do(chromedp.EmulateViewport(1400, 1000, chromedp.EmulateScale(float64(dpr))))
	p.do(chromedp.Navigate(page))
	images := eval[[]shownImage](p, `Promise.all([...document.images].map(async (img) => {
		img.loading = 'eager';
		await img.decode().catch(() => {});
		const picture = new Image();
		picture.src = img.currentSrc;
		await picture.decode().catch(() => {});
		return {
			Alt: img.alt, Src: img.currentSrc, Want: img.dataset.want ?? '', Format: img.dataset.format ?? '',
			Width: img.naturalWidth, Height: img.naturalHeight, PixelsW: picture.naturalWidth, PixelsH: picture.naturalHeight,
		};
	}))`)
	if len(images) < 2 {
		t.Fatalf("the page has %d images", len(images))
	}
	for _, i := range images {
		var w, h int
		if i.Want != "" {
			if _, err := fmt.Sscanf(i.Want, "%dx%d", &w, &h); err != nil {
				t.Fatal(err)
			}
			if abs(i.Width-w) > 1 || abs(i.Height-h) > 1 {
				t.Errorf("%s: %d×%d, not %s: %s", i.Alt, i.Width, i.Height, i.Want, i.Src)
			}
			if i.PixelsW < w*dpr-1 || i.PixelsW > w*dpr*5/4 {
				t.Errorf("%s: %d pixels wide at %d×: %s", i.Alt, i.PixelsW, dpr, i.Src)
			}
		} else { // Next.js chooses among its own widths, and asks for one
			u, err := url.Parse(i.Src)
			if err != nil {
				t.Fatal(err)
			}
			if asked := u.Query().Get("w"); fmt.Sprint(i.PixelsW) != asked {
				t.Errorf("%s: %d pixels wide, not %s: %s", i.Alt, i.PixelsW, asked, i.Src)
			}
			if u.Host != "web."+baseDomain {
				t.Errorf("%s: not of Tintype: %s", i.Alt, i.Src)
			}
		}
		mu.Lock()
		format := formats[i.Src]
		mu.Unlock()
		if i.Format != "" && format != "image/"+i.Format || format != "image/avif" && format != "image/webp" {
			t.Errorf("%s: %q, not %s: %s", i.Alt, format, i.Format, i.Src)
		}
		t.Logf("%s: %d×%d pixels, %s", i.Alt, i.PixelsW, i.PixelsH, format)
	}
	if dir := os.Getenv("SHOTS"); dir != "" {
		shot, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%dx.png", name, dpr)), shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
