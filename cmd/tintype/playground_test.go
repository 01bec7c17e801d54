package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browserDeadline bounds each wait for the browser, and for something to happen on the page.
const browserDeadline = 4 * time.Minute

// startServer runs `tintype serve` with the demo in this process, until the test ends, and
// returns its URL.
func startServer(t *testing.T) string {
	t.Helper()
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	return startServing(t, nil, "--dir", "demo/samples="+pictures, "--dir", "bare/nothing="+t.TempDir())
}

// startServing runs `tintype serve` in this process with an environment and more flags, until
// the test ends, and returns its URL.
func startServing(t *testing.T, env map[string]string, flags ...string) string {
	t.Helper()
	return startSaying(t, io.Discard, env, flags...)
}

// startSaying is startServing where out gets what the server says on its terminal, such as
// codes to sign in with.
func startSaying(t *testing.T, out io.Writer, env map[string]string, flags ...string) string {
	t.Helper()
	data := t.TempDir() // before the server, so that it is removed after it
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	var stderr strings.Builder
	done := make(chan error, 1)
	go func() {
		err := run(ctx, slices.Concat([]string{"serve", "--listen", "127.0.0.1:0", "--ops-listen", "off", "--data", data, "--log-format", "text"}, unhurried, flags),
			func(name string) string { return env[name] }, w, &stderr)
		_ = w.Close()
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server: %v", err)
		}
		if t.Failed() {
			for line := range strings.Lines(stderr.String()) {
				if !strings.Contains(line, "level=INFO") {
					t.Log(line)
				}
			}
		}
	})
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "Tintype serves on "); ok {
			go func() {
				for lines.Scan() {
					_, _ = fmt.Fprintln(out, lines.Text())
				}
			}()
			return strings.Replace(url, "localhost", "127.0.0.1", 1)
		}
	}
	t.Fatal("the server did not start")
	return ""
}

// startBrowser returns a Chromium of the test's own, until it ends: with more options another
// process, otherwise a context of the one that all tests share, without cookies and pages of
// others.
func startBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	if len(more) > 0 {
		own, stop, err := startChromium(more...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		return own
	}
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx == nil {
		var err error
		if chromium.ctx, chromium.stop, err = startChromium(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// chromium is the one that tests share, from the first that asks for it until the last test
// has ended.
var chromium struct {
	sync.Mutex
	ctx  context.Context
	stop func()
}

func startChromium(more ...chromedp.ExecAllocatorOption) (ctx context.Context, stop func(), err error) {
	var path string
	// The headless shell has no windows, extensions and pages of its own, and takes half the time.
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome",
		"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, nil, errors.New("Chromium is missing: run `make test`, which installs it, or scripts/install-test-deps")
	}
	profile, err := os.MkdirTemp("", "tintype-chromium-")
	if err != nil {
		return nil, nil, err
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.WSURLReadTimeout(browserDeadline), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "process-per-site"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	// The scripts of a page run for a moment, so to optimize their code takes longer than it saves.
	options = append(options, chromedp.Flag("js-flags", "--no-turbofan --no-maglev"))
	allocator, end := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	ctx, cancel := chromedp.NewContext(allocator)
	stop = func() {
		cancel()
		end()
		_ = os.RemoveAll(profile)
	}
	if err := chromedp.Do(ctx); err != nil {
		stop()
		return nil, nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	return ctx, stop, nil
}

// stopChromium ends the one that tests share.
func stopChromium() {
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.stop != nil {
		chromium.stop()
	}
}

// A tab is a page under test. It collects the browser's complaints.
type tab struct {
	*testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	problems []string
}

// open opens a path of the server in a new tab of width × height.
func open(t *testing.T, parent context.Context, url string, width, height int64, options ...chromedp.EmulateViewportOption) *tab {
	t.Helper()
	p := &tab{T: t, url: url}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	p.ctx = ctx
	p.do(chromedp.EmulateViewport(width, height, options...))
	// The page must behave as with the focus, also when other tabs are open.
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(url))
	return p
}

// listen runs while the browser's messages are read, and only notes.
func (p *tab) listen(event any) {
	var problem string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	case *runtime.EventConsoleAPICalled:
		problem = fmt.Sprintf("console.%s", e.Type)
		for _, arg := range e.Args {
			problem += " " + string(arg.Value)
		}
	case *log.EventEntryAdded:
		problem = fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// calm fails where the browser complained about errors in scripts, the content security
// policy or failed requests. expected names the complaints that must come.
func (p *tab) calm(expected ...string) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		known := strings.Contains(problem, "Autofocus processing was blocked") // a test was faster than the browser
		for _, e := range expected {
			known = known || strings.Contains(problem, e)
		}
		if !known {
			p.Errorf("the browser says: %s", problem)
		}
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserDeadline)
	defer cancel()
	// The first call starts the tab, which lives as long as its context.
	if chromedp.FromContext(p.ctx).Target == nil {
		ctx = p.ctx
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// eval is the value of a JavaScript expression, awaited.
func eval[T any](p *tab, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserDeadline)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true.
func (p *tab) until(condition string) {
	p.Helper()
	ok := eval[bool](p, fmt.Sprintf(`new Promise((done) => {
		const end = performance.now() + %d;
		const look = () => {
			if (%s) done(true);
			else if (performance.now() > end) done(false);
			else setTimeout(look, 20);
		};
		look();
	})`, (browserDeadline/2).Milliseconds(), condition))
	if !ok {
		p.Fatalf("it never came to %s\nat %s\nvariant: %s", condition, p.hash(), eval[string](p, `document.querySelector('#variant, main').innerText`))
	}
}

// shows waits until the page shows a variant of this size and format.
func (p *tab) shows(width, height int, format string) {
	p.Helper()
	p.until(fmt.Sprintf(`!document.querySelector('#variant.busy') && document.querySelector('#fact-format').textContent === %q &&
		document.querySelector('#fact-pixels').textContent === '%d × %d' && document.querySelector('#variant img').naturalWidth === %[2]d`, format, width, height))
}

func (p *tab) text(selector string) string {
	p.Helper()
	return eval[string](p, fmt.Sprintf(`document.querySelector(%q).textContent`, selector))
}

// hash is the state in the page's URL, unescaped.
func (p *tab) hash() string {
	p.Helper()
	return eval[string](p, `decodeURIComponent(location.hash)`)
}

// at is a point on an element in pixels of the window, from fractions of it.
func (p *tab) at(selector string, x, y float64) (float64, float64) {
	p.Helper()
	box := eval[[4]float64](p, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({ block: 'nearest' });
		const b = e.getBoundingClientRect();
		return [b.left, b.top, b.width, b.height];
	})()`, selector))
	return box[0] + x*box[2], box[1] + y*box[3]
}

// drag moves the pressed mouse over an element, between fractions of it.
func (p *tab) drag(selector string, fromX, fromY, toX, toY float64) {
	p.Helper()
	x1, y1 := p.at(selector, fromX, fromY)
	x2, y2 := p.at(selector, toX, toY)
	p.do(
		chromedp.MouseEvent(chromedp.MousePressed, x1, y1, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(chromedp.MouseMoved, (x1+x2)/2, (y1+y2)/2, chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseMoved, x2, y2, chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseReleased, x2, y2, chromedp.ButtonLeft, chromedp.ClickCount(1)),
	)
}

// fill replaces the text of a field, as if it was typed.
func (p *tab) fill(selector, text string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.querySelector(%q)`, selector)) // the page may be loading
	eval[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.closest('details')?.setAttribute('open', ''); e.focus(); e.select(); return true; })()`, selector))
	p.do(chromedp.KeyEvent(text))
}

// click clicks where a visitor would.
func (p *tab) click(selector string) {
	p.Helper()
	x, y := p.at(selector, 0.5, 0.5)
	p.do(chromedp.MouseClickXY(x, y))
}

func TestPlayground(t *testing.T) {
	t.Parallel() // it waits for the browser
	browserContext := startBrowser(t)
	url := startServer(t)
	const desktopWidth, desktopHeight = 1440, 900
	page := func(t *testing.T, hash string) *tab {
		t.Helper()
		return open(t, browserContext, url+"/"+hash, desktopWidth, desktopHeight)
	}

	t.Run("load", func(t *testing.T) {
		p := page(t, "")
		p.shows(480, 480, "AVIF")
		p.until(`/^\d+ kB · JPEG · 1600 × 2400$/.test(document.querySelector('#original .facts').textContent)`)
		p.until(`document.querySelector('#original img').naturalWidth > 0`)
		p.until(`document.querySelector('#variant .saved').textContent !== ''`)
		if saved := p.text("#variant .saved"); !regexp.MustCompile(`^\d\d(\.\d)? % smaller$`).MatchString(saved) {
			t.Errorf("saved %q", saved)
		}
		if timing := p.text("#fact-server"); !strings.HasPrefix(timing, "fetch ") {
			t.Errorf("Server-Timing %q", timing)
		}
		if status := p.text("#fact-cache"); status != "tintype; fwd=miss; stored" {
			t.Errorf("Cache-Status %q", status)
		}
		p.click("#again")
		p.until(`/^tintype; hit;.* detail=memory$/.test(document.querySelector('#fact-cache').textContent)`) // with its ttl, where the machine is slow
		p.until(`[...document.querySelectorAll('.picture img')].filter((i) => i.complete && i.naturalWidth > 0).length === 7`)
		p.calm()
	})

	t.Run("nothing to pick", func(t *testing.T) {
		p := open(t, browserContext, url+"/playground/bare", desktopWidth, desktopHeight)
		p.until(`document.querySelector('#variant .message').checkVisibility()`)
		if m := p.text("#original .message"); !strings.Contains(m, "Name one in the field above") || strings.Contains(p.text("body main"), "Choose a picture") {
			t.Errorf("it says %q", m)
		}
		empty := func() {
			t.Helper()
			if all := eval[string](p, `document.querySelector('#url').textContent + [...document.querySelectorAll('.snippet code')].map((c) => c.textContent).join('')`); strings.Contains(all, "src=") || strings.Contains(all, "w=480") {
				t.Errorf("a URL without an original: %s", all)
			}
			if n := eval[int](p, `document.querySelectorAll('.copy:not(:disabled), #again:not(:disabled)').length`); n != 0 {
				t.Errorf("%d buttons can be used without an original", n)
			}
			if hint := p.text("#hint"); hint != "" {
				t.Errorf("the hint is about %q", hint)
			}
		}
		empty()
		// After the name of an original is removed, nothing of the original stays.
		p.fill("#src", "nothing/none.jpg")
		p.until(`document.querySelector('#variant .message').textContent.includes('404 NOT_FOUND') && !document.querySelector('.url .copy').disabled`)
		if got, want := p.text("#snippet-path"), "/bare/nothing/none.jpg?w=480&h=480&fit=cover&gravity=attention"; got != want {
			t.Errorf("path %s, want %s", got, want)
		}
		eval[bool](p, `(() => { const e = document.querySelector('#src'); e.value = ''; e.dispatchEvent(new Event('input')); return true; })()`)
		p.until(`document.querySelector('#variant .message').textContent.includes('No variant yet') && document.querySelector('#src-fault').hidden`)
		empty()
		p.calm("Failed to load resource: the server responded with a status of 40")

		p = page(t, "#src=&w=480")
		p.until(`document.querySelector('#original .message').textContent.includes('Choose a picture above, or name one as source/path or by its URL.')`)
		p.click(`.picture:has([value="samples/dusk.jpg"])`)
		p.shows(480, 320, "AVIF")
		p.until(`document.querySelector('#original img').checkVisibility()`)
		p.calm()
	})

	t.Run("ring", func(t *testing.T) {
		// With these gravities the server chooses the point, so the page can't show it.
		for _, gravity := range []string{"attention", "entropy"} {
			p := page(t, "#src=samples/dusk.jpg&w=300&h=300&fit=cover&gravity="+gravity)
			p.shows(300, 300, "AVIF")
			p.until(`document.querySelector('#original img').checkVisibility()`)
			if eval[bool](p, `document.querySelector('#focal').checkVisibility()`) {
				t.Errorf("the ring is shown under %s", gravity)
			}
			if hint := p.text("#hint"); !strings.HasPrefix(hint, "The server chooses") {
				t.Errorf("%s: hint %q", gravity, hint)
			}
			p.drag("#layer", 0.5, 0.5, 0.25, 0.75)
			p.until(`location.hash.includes('fp-x=') && document.querySelector('#focal.set').checkVisibility()`)
			p.near(`fp-x=([\d.]+)&fp-y=([\d.]+)$`, 0.25, 0.75)
			p.calm()
		}
		// With others the point is at the gravity, as the variant shows it: after a turn.
		for hash, want := range map[string][2]string{
			"&w=300":                                             {"50%", "50%"},
			"&w=300&h=300&fit=cover&gravity=north":               {"50%", "0%"},
			"&w=300&h=300&fit=cover&gravity=southeast":           {"100%", "100%"},
			"&w=300&h=300&fit=cover&gravity=northwest&rotate=90": {"0%", "100%"},
		} {
			p := page(t, "#src=samples/dusk.jpg"+hash)
			p.until(`document.querySelector('#original img').checkVisibility()`)
			if got := eval[[2]string](p, `[document.querySelector('#focal').style.left, document.querySelector('#focal').style.top]`); got != want {
				t.Errorf("%s: the ring is at %v, want %v", hash, got, want)
			}
			p.calm()
		}
	})

	t.Run("saved", func(t *testing.T) {
		// The reference for the bytes has the same number of pixels.
		weigh := func(p *tab, path string) int {
			return eval[int](p, fmt.Sprintf(`fetch(%q).then((r) => r.blob()).then((b) => b.size)`, path))
		}
		for _, c := range []struct{ hash, reference, name, title string }{
			{"&w=480&h=480&fit=cover", "/demo/samples/dusk.jpg?w=480&h=480&fit=cover&format=original", "than as JPEG, ", "the same 480 × 480 pixels as JPEG at default quality"},
			{"&w=300&format=jpeg&q=30", "/demo/samples/dusk.jpg?w=300&format=original", "than as JPEG, ", "the same 300 × 200 pixels as JPEG"},
			{"", "/playground/demo/original?src=samples/dusk.jpg", "than the original, ", "the original, which has the same number of pixels"},
		} {
			p := page(t, "#src=samples/dusk.jpg"+c.hash)
			p.until(`document.querySelector('#variant .saved').textContent !== '' && document.querySelector('#fact-bytes').textContent !== '–'`)
			path := p.text("#snippet-path")
			variant, reference := eval[int](p, fmt.Sprintf(`fetch(%q, { headers: { Accept: 'image/avif,image/webp,*/*;q=0.8' } }).then((r) => r.blob()).then((b) => b.size)`, path)), 0
			if c.hash == "" {
				reference = eval[int](p, fmt.Sprintf(`fetch(%q).then((r) => r.json()).then((o) => o.bytes)`, c.reference))
			} else {
				reference = weigh(p, c.reference)
			}
			want := fmt.Sprintf("%.0f %% smaller", 100-100*float64(variant)/float64(reference))
			if got := p.text("#variant .saved"); got != want {
				t.Errorf("%q: saved %s, want %s: %d of %d bytes", c.hash, got, want, variant, reference)
			}
			if name, title := p.text("#variant .with"), eval[string](p, `document.querySelector('#variant .measure').title`); !strings.HasPrefix(name, c.name) || !strings.Contains(title, c.title) {
				t.Errorf("%q: compared with %q, %q", c.hash, name, title)
			}
			p.calm()
		}
		// The reference itself isn't compared.
		p := page(t, "#src=samples/dusk.jpg&w=300&format=jpeg")
		p.shows(300, 200, "JPEG")
		p.until(`document.querySelector('#original .facts').textContent !== ''`)
		if saved := p.text("#variant .measure"); strings.TrimSpace(saved) != "" {
			t.Errorf("compared with itself: %q", saved)
		}
		p.calm()
	})

	t.Run("header", func(t *testing.T) {
		for _, path := range []string{"/", "/playground/bare", "/playground/nobody"} {
			for _, width := range []int64{1400, 390} {
				p := open(t, browserContext, url+path, width, 900)
				if right := eval[float64](p, `document.querySelector('.top').getBoundingClientRect().right`); right != float64(width) {
					t.Errorf("%s: the header ends at %v of %d", path, right, width)
				}
			}
		}
	})

	t.Run("unknown workspace", func(t *testing.T) {
		for _, path := range []string{"/playground/nobody", "/playground/No_Name", "/playground", "/playground/demo/x"} {
			p := open(t, browserContext, url+path, desktopWidth, desktopHeight)
			if kind := eval[string](p, `document.contentType + ' ' + document.title`); kind != "text/html Tintype playground" {
				t.Errorf("%s: %s", path, kind)
			}
			if text := p.text("main"); !strings.Contains(text, "/playground/NAMESPACE") || !strings.Contains(text, "404 ") {
				t.Errorf("%s: %s", path, text)
			}
			p.calm("the server responded with a status of 404")
		}
	})

	t.Run("another picture", func(t *testing.T) {
		p := page(t, "")
		p.shows(480, 480, "AVIF")
		p.click(`.picture:has([value="samples/orbit.gif"])`)
		p.until(`document.querySelector('#original .facts').textContent.endsWith('GIF · 480 × 320 · 36 frames')`)
		p.fill("#src", "samples/chart.png")
		p.until(`document.querySelector('#original .facts').textContent.endsWith('PNG · 1600 × 1000')`)
		p.until(`document.querySelector('#snippet-path').textContent.startsWith('/demo/samples/chart.png?')`)
		p.calm()
	})

	t.Run("change, back and reset", func(t *testing.T) {
		p := page(t, "#src=samples/dusk.jpg&w=640")
		p.shows(640, 427, "AVIF")
		p.fill("#option-w", "300")
		p.shows(300, 200, "AVIF")
		p.click(`[data-option="format"] label:has([value="webp"])`)
		p.shows(300, 200, "WEBP")
		if got, want := p.text("#snippet-absolute"), url+"/demo/samples/dusk.jpg?w=300&format=webp"; got != want {
			t.Errorf("URL %s, want %s", got, want)
		}
		if got, want := p.text("#url"), p.text("#snippet-absolute"); got != want {
			t.Errorf("the URL on top is %s, the one to copy %s", got, want)
		}
		if chips := eval[string](p, `[...document.querySelectorAll('#chips li')].map((li) => li.textContent).join(' ')`); chips != "w=300× format=webp×" {
			t.Errorf("chips %q", chips)
		}
		p.do(chromedp.NavigateBack())
		p.shows(300, 200, "AVIF")
		p.click(`[data-option="w"] .reset`)
		p.shows(2400, 1600, "AVIF")
		if got, want := p.hash(), "#src=samples/dusk.jpg"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		p.click(`.recipes a[href="#w=640&format=jpeg&q=30"]`)
		p.shows(640, 427, "JPEG")
		p.click(`#reset-all`)
		p.shows(2400, 1600, "AVIF")
		p.calm()
	})

	t.Run("focal point", func(t *testing.T) {
		p := page(t, "#src=samples/dusk.jpg&w=300")
		p.shows(300, 200, "AVIF")
		p.until(`!document.querySelector('#original.busy') && document.querySelector('#layer').clientWidth > 0`)
		p.drag("#layer", 0.5, 0.5, 0.25, 0.75)
		p.until(`location.hash.includes('fp-x=')`)
		p.shows(300, 300, "AVIF")
		p.near(`fit=cover&ar=1:1&fp-x=([\d.]+)&fp-y=([\d.]+)$`, 0.25, 0.75)
		if checked := eval[string](p, `document.querySelector('[data-option="gravity"] :checked').value`); checked != "focal" {
			t.Errorf("gravity shows %q", checked)
		}
		p.do(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowUp))
		p.near(`fp-x=([\d.]+)&fp-y=([\d.]+)$`, 0.27, 0.74)
		// Another gravity ignores the focal point.
		p.click(`[data-option="gravity"] label:has([value="north"])`)
		p.until(`location.hash.includes('gravity=north') && !location.hash.includes('fp-')`)
		p.calm()
	})

	t.Run("focal point of a turned part", func(t *testing.T) {
		p := page(t, "#src=samples/dusk.jpg&w=300&h=300&fit=cover&rect=50%25,0,50%25,100%25&rotate=90&flip=h")
		p.shows(300, 300, "AVIF")
		p.until(`!document.querySelector('#original.busy')`)
		// 0.75, 0.25 is in the middle and a quarter down in the right half. Turned
		// clockwise that is three quarters from the left, mirrored one quarter.
		p.drag("#layer", 0.5, 0.5, 0.75, 0.25)
		p.until(`location.hash.includes('fp-x=')`)
		p.near(`fp-x=([\d.]+)&fp-y=([\d.]+)`, 0.25, 0.5)
		left, top := eval[float64](p, `parseFloat(document.querySelector('#focal').style.left)`), eval[float64](p, `parseFloat(document.querySelector('#focal').style.top)`)
		if left < 74 || left > 76 || top < 24 || top > 26 {
			t.Errorf("the ring is at %v %%, %v %%", left, top)
		}
	})

	t.Run("crop", func(t *testing.T) {
		p := page(t, "#src=samples/dusk.jpg&w=300")
		p.until(`document.querySelector('#original .facts').textContent.endsWith('JPEG · 2400 × 1600') && !document.querySelector('#original.busy')`)
		p.click(`label:has([name="tool"][value="crop"])`)
		p.drag("#layer", 0.25, 0.25, 0.75, 0.5)
		p.until(`location.hash.includes('rect=')`)
		p.near(`rect=(\d+),(\d+),(\d+),(\d+)$`, 600, 400, 1200, 400)
		p.shows(300, 100, "AVIF")
		p.drag("#region", 0.5, 0.5, 0.6, 0.5) // a tenth of its width
		p.near(`rect=(\d+),(\d+),(\d+),(\d+)$`, 720, 400, 1200, 400)
		p.drag(`[data-corner="se"]`, 0.5, 0.5, 0.5, 0.5)
		p.do(chromedp.KeyEvent(kb.ArrowDown)) // 2 % of the original
		p.near(`rect=(\d+),(\d+),(\d+),(\d+)$`, 720, 432, 1200, 400)
		p.do(chromedp.KeyEvent(kb.ArrowLeft, chromedp.KeyModifiers(chromedp.ModifierShift)))
		p.near(`rect=(\d+),(\d+),(\d+),(\d+)$`, 720, 432, 1152, 400)
		p.calm()
	})

	t.Run("compare", func(t *testing.T) {
		p := page(t, "#src=samples/balloon.jpg&w=300&h=200&fit=cover&format=webp&q=20")
		p.shows(300, 200, "WEBP")
		p.click(`label:has([name="view"][value="compare"])`)
		p.until(`[...document.querySelectorAll('#compare img')].every((i) => i.naturalWidth === 300 && i.naturalHeight === 200)`)
		p.do(chromedp.Focus("#split"), chromedp.KeyEvent(kb.End))
		p.until(`getComputedStyle(document.querySelector('#compare .before')).clipPath.startsWith('inset(0px')`)
		p.calm()
	})

	t.Run("copy", func(t *testing.T) {
		for _, name := range []string{"clipboard-read", "clipboard-write"} {
			if _, err := chromedp.CallBrowser(browserContext, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: url,
				BrowserContextID: chromedp.FromContext(browserContext).BrowserContextID,
			}); err != nil {
				t.Fatal(err)
			}
		}
		p := page(t, "#src=samples/dusk.jpg&w=300&rect=25%25,25%25,50%25,50%25&dl=it's.webp")
		p.shows(300, 200, "AVIF")
		for _, what := range []string{"path", "absolute", "img", "curl"} {
			button := fmt.Sprintf(`.snippet [data-copy=%q]`, what)
			p.click(button)
			p.until(fmt.Sprintf(`document.querySelector('%s').textContent === 'Copied'`, button))
			if got, want := eval[string](p, `navigator.clipboard.readText()`), p.text("#snippet-"+what); got != want || want == "" {
				t.Errorf("%s: copied %q, want %q", what, got, want)
			}
		}
		if got, want := p.text("#snippet-path"), "/demo/samples/dusk.jpg?w=300&rect=25%25,25%25,50%25,50%25&dl=it%27s.webp"; got != want {
			t.Errorf("path %s, want %s", got, want)
		}
		// The command works in a shell.
		command := exec.Command("sh", "-c", "curl() { for a; do last=$a; done; printf %s \"$last\"; }\n"+p.text("#snippet-curl"))
		if out, err := command.Output(); err != nil || string(out) != p.text("#snippet-absolute") {
			t.Errorf("the shell runs curl with %q (%v)", out, err)
		}
		// Without the clipboard API the page uses the old way.
		eval[bool](p, `Object.defineProperty(navigator, 'clipboard', { value: undefined }) && true`)
		p.click(".url .copy")
		p.until(`document.querySelector('.url .copy').textContent === 'Copied'`)
		p.calm()
	})

	t.Run("img", func(t *testing.T) {
		p := page(t, "#src=samples/dusk.jpg&w=300&h=100&fit=cover")
		p.shows(300, 100, "AVIF")
		// The browser shows the copied element. These are the pixels of each candidate.
		const candidates = `(async () => {
			const img = new DOMParser().parseFromString(document.querySelector('#snippet-img').textContent, 'text/html').querySelector('img');
			const sizes = [];
			for (const part of img.srcset.split(/,\s+/)) {
				const [url, descriptor] = part.split(' ');
				const i = new Image();
				i.src = url;
				await i.decode();
				sizes.push(i.naturalWidth + 'x' + i.naturalHeight + ' ' + descriptor);
			}
			return img.width + 'x' + img.height + ': ' + sizes.join(', ');
		})()`
		if got, want := eval[string](p, candidates), "300x100: 300x100 1x, 600x200 2x"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		p.click(`label:has([name="srcset"][value="widths"])`)
		if got, want := eval[string](p, candidates), "300x100: 320x107 320w, 640x213 640w, 960x320 960w, 1280x427 1280w, 1920x640 1920w"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		p.calm()
	})

	t.Run("errors", func(t *testing.T) {
		p := page(t, "#src=samples/dusk.jpg&w=300")
		p.shows(300, 200, "AVIF")
		p.fill("#option-w", "50%")
		p.shows(1200, 800, "AVIF")
		p.fill("#option-w", "9999")
		p.until(`document.querySelector('#variant .message').textContent.includes('400 INVALID_OPTION')`)
		if m := p.text("#variant .message"); !strings.Contains(m, `w: "9999" is not allowed; allowed: 1–8192`) {
			t.Errorf("message %q", m)
		}
		if !eval[bool](p, `document.querySelector('#option-w').getAttribute('aria-invalid') === 'true' && document.querySelector('#fault-w').checkVisibility()`) {
			t.Error("the control isn't marked")
		}
		p.fill("#option-pad", "1,2,3,4,5")
		p.fill("#option-w", "200")
		p.until(`document.querySelector('#variant .message').textContent.includes('pad: ')`)
		p.until(`document.querySelector('#fault-w').hidden && document.querySelector('#fault-pad').checkVisibility()`)
		p.click(`[data-option="pad"] .reset`)
		p.shows(200, 133, "AVIF")
		p.fill("#src", "samples/nothing.jpg")
		p.until(`document.querySelector('#variant .message').textContent.includes('404 NOT_FOUND') && !document.querySelector('#src-fault').hidden`)
		p.fill("#src", "http://127.0.0.1/a.jpg")
		p.until(`document.querySelector('#variant .message').textContent.includes('403 ADDRESS_NOT_ALLOWED')`)
		p.fill("#src", "samples/../../v1/workspaces")
		p.until(`document.querySelector('#variant .message').textContent.includes('400 INVALID_PATH')`)
		p.calm("Failed to load resource: the server responded with a status of 40")
	})

	t.Run("hostile link", func(t *testing.T) {
		p := page(t, `#src=%3Cimg%20src=x%20onerror=alert(1)%3E&w=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&__proto__=1&dl=%E0%A4%A`)
		p.until(`!document.querySelector('#variant .message').hidden`)
		if n := eval[int](p, `document.querySelectorAll('img[src=x], body script').length`); n != 0 {
			t.Errorf("%d elements out of the URL", n)
		}
		p.calm("Failed to load resource: the server responded with a status of 400")
	})

	t.Run("every option", func(t *testing.T) {
		p := page(t, "")
		p.shows(480, 480, "AVIF")
		names := eval[[]string](p, `JSON.parse(document.querySelector('#page-data').textContent).options.map((o) => o.name)`)
		if len(names) < 40 {
			t.Fatalf("%d options", len(names))
		}
		for _, name := range names {
			// One use of the control changes this option and nothing else, and its
			// reset takes it back.
			got := eval[string](p, fmt.Sprintf(`(() => {
				document.querySelector('#reset-all').click();
				const root = document.querySelector('[data-option=%q]');
				const field = [...root.querySelectorAll('.value')].find((f) => f.type !== 'radio' || !f.checked && f.value);
				if (field.type === 'radio' || field.type === 'checkbox') field.click();
				else {
					field.value = field.type !== 'number' ? '1' : field.max === field.placeholder ? field.min : field.max;
					field.dispatchEvent(new Event('input', { bubbles: true }));
				}
				const set = [...new URLSearchParams(location.hash.slice(1)).keys()].join();
				const marked = [...document.querySelectorAll('.option.changed')].map((o) => o.dataset.option).join();
				root.querySelector('.reset').click();
				return [set, marked, location.hash].join(' ');
			})()`, name))
			if want := fmt.Sprintf("src,%s %[1]s #src=samples/balloon.jpg", name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		p.calm("Failed to load resource")
	})

	t.Run("keyboard", func(t *testing.T) {
		p := page(t, "#src=samples/dusk.jpg&w=300")
		p.shows(300, 200, "AVIF")
		p.do(chromedp.Focus(`[data-option="q"] .slide`), chromedp.KeyEvent(kb.ArrowRight))
		p.until(`location.hash.endsWith('&q=81')`)
		p.do(chromedp.Focus(`[data-option="format"] :checked`), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
		p.shows(300, 200, "WEBP")
		p.do(chromedp.Focus(`#chips .remove`), chromedp.KeyEvent(kb.Enter))
		p.shows(2400, 1600, "WEBP")
		// Every control can be reached and has a name.
		nameless := eval[string](p, `[...document.querySelectorAll('button, input, a, summary')].filter((e) =>
			!(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML).join('\n')`)
		if nameless != "" {
			t.Errorf("without a name:\n%s", nameless)
		}
		p.calm()
	})

	t.Run("phone", func(t *testing.T) {
		for _, width := range []int64{320, 390} {
			p := open(t, browserContext, url+"/", width, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
			p.shows(480, 480, "AVIF")
			eval[int](p, `[...document.querySelectorAll('details')].map((d) => { d.open = true; }).length`)
			if wide := eval[int](p, `document.documentElement.scrollWidth`); wide != int(width) {
				t.Errorf("the page is %d wide on a screen of %d", wide, width)
			}
			p.calm()
		}
	})

	t.Run("light and dark", func(t *testing.T) {
		p := page(t, "")
		p.shows(480, 480, "AVIF")
		for scheme, dark := range map[string]bool{"light": false, "dark": true} {
			if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}); err != nil {
				t.Fatal(err)
			}
			// WCAG 2.2 §1.4.3: relative luminance, contrast of 4.5 to 1.
			const luminance = `(css) => {
				const c = document.createElement('canvas').getContext('2d');
				c.fillStyle = css;
				c.fillRect(0, 0, 1, 1);
				const [r, g, b] = [...c.getImageData(0, 0, 1, 1).data].map((n) => n / 255).map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
				return 0.2126 * r + 0.7152 * g + 0.0722 * b;
			}`
			ground := eval[float64](p, "("+luminance+")(getComputedStyle(document.body).backgroundColor)")
			if (ground < 0.2) != dark {
				t.Errorf("%s: the ground's luminance is %v", scheme, ground)
			}
			for _, selector := range []string{"body", ".top p", ".pane .facts", ".recipes a", ".label code", "#url .asked", ".hint", ".with"} {
				ink := eval[float64](p, fmt.Sprintf("(%s)(getComputedStyle(document.querySelector(%q)).color)", luminance, selector))
				if contrast := (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05); contrast < 4.5 {
					t.Errorf("%s: contrast of %s is %.1f", scheme, selector, contrast)
				}
			}
		}
		p.calm()
	})

	t.Run("other pages", func(t *testing.T) {
		p := open(t, browserContext, url+"/playground/demo#src=samples/logo.png&w=100&format=webp", desktopWidth, desktopHeight)
		p.shows(100, 100, "WEBP")
		p.calm()
	})
}

// near waits until the numbers in the page's state are near want. Each may differ by 2 % of
// the original's width.
func (p *tab) near(pattern string, want ...float64) {
	p.Helper()
	re := regexp.MustCompile(pattern)
	m := re.FindStringSubmatch(p.hash())
	if m == nil {
		p.Fatalf("%s does not match %s", p.hash(), pattern)
	}
	for i, w := range want {
		got, err := strconv.ParseFloat(m[i+1], 64)
		slack := 0.006
		if w > 1 {
			slack = 12
		}
		if err != nil || got < w-slack || got > w+slack {
			p.Errorf("%s: number %d is %v, want %v", p.hash(), i+1, got, w)
		}
	}
}
