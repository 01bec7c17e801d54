//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// siteFolder is where make site puts the documentation site.
const siteFolder = "../../site/.vitepress/dist"

// sitePages are pages of each kind: those on which contrast is looked at.
var sitePages = []string{"index.html", "start.html", "guides/responsive-images.html", "clients.html", "options.html", "api.html", "operations.html", "quality.html"}

// A sitePage is what the browser sees of a page.
type sitePage struct {
	Title   string
	Links   []string // where its links lead, in full
	IDs     []string
	Foreign []string // what it loaded from other hosts
}

// TestSite opens every page of the documentation site: each link of the site leads to a page,
// and to a heading of it. Links into the repository lead to a file. make site-test runs it.
func TestSite(t *testing.T) {
	if os.Getenv("SITE") == "" {
		t.Skip("not run: make site-test")
	}
	axe, err := os.ReadFile("../../.tools/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v: run scripts/install-axe, which fetches it", err)
	}
	server := httptest.NewServer(http.FileServerFS(os.DirFS(siteFolder)))
	t.Cleanup(server.Close)
	files := siteFiles(t)
	p := open(t, startBrowser(t), server.URL+"/", 1400, 900)
	if _, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: string(axe)}); err != nil {
		t.Fatal(err)
	}
	d := &dashboardTab{tab: p, variations: []variation{wideLight, narrowDark}}
	if os.Getenv("SHOTS") != "" {
		d.variations = []variation{wideLight, wideDark, narrowLight, narrowDark}
	}

	t.Run("pages", func(t *testing.T) {
		p.T = t
		visitSite(p, server.URL, files)
	})
	for _, file := range sitePages {
		t.Run(file, func(t *testing.T) {
			p.T = t
			p.goTo(server.URL + "/" + file)
			looksOfSite(d, file)
		})
	}
	t.Run("search", func(t *testing.T) {
		p.T = t
		searchSite(p, server.URL)
	})
	t.Run("copy", func(t *testing.T) {
		p.T = t
		p.goTo(server.URL + "/start.html")
		// Chromium without a window has no clipboard.
		eval[bool](p, `(navigator.clipboard.writeText = async (text) => { window.copied = text; }, true)`)
		p.click("div[class*=language-sh] button.copy")
		p.until(`document.querySelector('button.copy.copied') && window.copied.startsWith('curl -sS')`)
	})
	t.Run("live", func(t *testing.T) {
		p.T = t
		demo := startServer(t)
		p.goTo(server.URL + "/options.html")
		p.fill("#live-url", demo+"/demo/samples/dusk.jpg?w=300")
		p.do(chromedp.KeyEvent(kb.Enter))
		p.until(`document.querySelector('.live img')?.naturalWidth === 300 && document.querySelector('.live p').textContent.startsWith('image/avif, ')`)
		p.fill("#live-url", demo+"/demo/samples/dusk.jpg?w=wide")
		p.do(chromedp.KeyEvent(kb.Enter))
		p.until(`document.querySelector('.live p').textContent.includes('(400 INVALID_OPTION)') && !document.querySelector('.live img')`)
		// The examples of the table are asked of the demo of make run, which may be there or not.
		p.click("button.live-example")
		p.until(`document.querySelector('#live-url').value === 'http://localhost:8080/demo/samples/logo.png?size=96'`)
		p.fill("#live-url", "http://127.0.0.1:1/demo/samples/dusk.jpg")
		p.do(chromedp.KeyEvent(kb.Enter))
		p.until(`document.querySelector('.live p').textContent.includes('make run')`)
	})
	p.T = t
	p.calm("favicon", "status of 400", "ERR_UNSAFE_PORT", "ERR_CONNECTION_REFUSED", "http://localhost:8080/")
}

func siteFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(siteFolder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".html" && path != "404.html" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v: run make site, which makes it", err)
	}
	if len(files) < 40 {
		t.Fatalf("the site has %d pages only", len(files))
	}
	return files
}

// goTo opens a page of the site, and waits until its scripts have taken it over.
func (p *tab) goTo(url string) {
	p.Helper()
	p.do(chromedp.Navigate(url))
	p.until(`document.querySelector('#app')?.__vue_app__ && document.querySelector('main h1')`)
}

// visitSite opens each page, and then looks where their links lead.
func visitSite(p *tab, site string, files []string) {
	p.Helper()
	seen := map[string]sitePage{}
	for _, file := range files {
		p.goTo(site + "/" + file)
		seen["/"+file] = eval[sitePage](p, `({
			Title: document.title,
			Links: [...document.querySelectorAll('a[href]')].map((a) => a.href),
			IDs: [...document.querySelectorAll('[id]')].map((e) => e.id),
			Foreign: performance.getEntriesByType('resource').map((e) => e.name).filter((name) => !name.startsWith(location.origin) && !name.startsWith('data:')),
		})`)
	}
	links := 0
	for _, file := range files {
		from := seen["/"+file]
		if !strings.HasSuffix(from.Title, "Tintype") || len(from.Links) < 40 {
			p.Errorf("%s: the title %q, %d links", file, from.Title, len(from.Links))
		}
		for _, loaded := range from.Foreign {
			p.Errorf("%s loads %s", file, loaded)
		}
		for _, link := range from.Links {
			if err := deadLink(link, site, seen); err != nil {
				p.Errorf("%s: %v", file, err)
			}
			links++
		}
	}
	p.Logf("%d pages, %d links", len(files), links)
}

// deadLink says what is wrong with a link of the site or into the repository.
func deadLink(link, site string, seen map[string]sitePage) error {
	to, err := url.Parse(link)
	if err != nil {
		return err
	}
	if file, ok := strings.CutPrefix(link, "https://github.com/tintype/tintype/"); ok {
		_, file, _ = strings.Cut(file, "/main/") // after blob, tree or edit
		_, err := os.Stat(filepath.Join("../..", filepath.FromSlash(file)))
		return err
	}
	if !strings.HasPrefix(link, site) {
		return nil // of others
	}
	path := to.Path
	if path == "/" {
		path = "/index.html"
	}
	target, ok := seen[path]
	if !ok {
		return fmt.Errorf("%s leads to no page", link)
	}
	if to.Fragment != "" && !slices.Contains(target.IDs, to.Fragment) {
		return fmt.Errorf("%s leads to no heading", link)
	}
	return nil
}

// looksOfSite holds a page to contrast and to the width of the window, in light and dark.
func looksOfSite(d *dashboardTab, file string) {
	d.Helper()
	for _, v := range d.variations {
		d.vary(v)
		d.until(fmt.Sprintf(`document.documentElement.classList.contains('dark') === %t`, v.scheme == "dark"))
		// Colours change in transitions.
		d.until(`document.getAnimations().every((a) => a.playState !== 'running')`)
		d.photograph(fmt.Sprintf("%s %d %s", strings.TrimSuffix(file, ".html"), v.width, v.scheme))
		if wide := eval[int](d.tab, `document.documentElement.scrollWidth`); int64(wide) > v.width {
			d.Errorf("%d pixels wide in a window of %d", wide, v.width)
		}
		barriers := eval[[]string](d.tab, `axe.run(document, { resultTypes: ['violations'], preload: false, iframes: false, elementRef: false, `+string(looks)+` }).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target + ': ' + n.failureSummary)))`)
		for i, barrier := range barriers {
			if i == 10 {
				d.Errorf("and %d more", len(barriers)-i)
				break
			}
			d.Errorf("%d %s: %s", v.width, v.scheme, barrier)
		}
	}
}

// searchSite finds pages by words of their texts, by keys alone.
func searchSite(p *tab, site string) {
	p.Helper()
	p.do(chromedp.EmulateViewport(1400, 900))
	for word, page := range map[string]string{"thumbhash": "/placeholder.html", "resize": "/options.html"} {
		p.goTo(site + "/")
		p.click(".VPNavBarSearch button")
		p.until(`document.querySelector('#localsearch-input')`)
		p.do(chromedp.KeyEvent(word))
		p.until(fmt.Sprintf(`document.querySelector('#localsearch-input').value === %q && document.querySelectorAll('#localsearch-list a').length > 2`, word))
		links := eval[[]string](p, `[...document.querySelectorAll('#localsearch-list a')].slice(0, 6).map((a) => new URL(a.href).pathname)`)
		if !slices.Contains(links, page) {
			found, _ := json.Marshal(links)
			p.Errorf("a search for %s finds %s", word, found)
		}
	}
}
