package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	neturl "net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// codes are what a server says on its terminal, as far as it is a code to sign in with.
type codes chan string

var oneCode = regexp.MustCompile(`[0-9]{4} [0-9]{4}`)

func (c codes) Write(line []byte) (int, error) {
	if code := oneCode.Find(line); code != nil {
		c <- string(code)
	}
	return len(line), nil
}

var _ io.Writer = codes(nil)

// arrive waits for an expression to be true on the page that a form leads to. Until then the
// browser forgets what it was asked each time that it leaves a page.
func (p *tab) arrive(condition string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserDeadline)
	defer cancel()
	for {
		there, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(`new Promise((done) => { setTimeout(() => done(Boolean(%s)), 20); })`, condition), chromedp.EvalAwaitPromise))
		if err == nil && there {
			return
		}
		if ctx.Err() != nil {
			p.Fatalf("it never came to %s: %v", condition, err)
		}
	}
}

// signIn signs in as the operator, and goes to a page of the dashboard.
func (p *tab) signIn(sent codes, next string) {
	p.Helper()
	p.fill("#email", operatorOfTests)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.arrive(`document.querySelector('#code')`)
	p.fill("#code", <-sent)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.arrive(fmt.Sprintf(`location.pathname === %q && document.readyState === 'complete'`, next))
}

const operatorOfTests = "operator@tintype.example"

// startDashboard runs a server with the demo and more flags, and opens a page of its
// dashboard.
func startDashboard(t *testing.T, page string, flags ...string) *tab {
	t.Helper()
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	sent := make(codes, 10)
	url := startSaying(t, sent, nil, append([]string{"--operators", operatorOfTests, "--mail", "log", "--dir", "demo/samples=" + pictures}, flags...)...)
	p := open(t, startBrowser(t), url+"/app/me/sign-in?next="+neturl.QueryEscape(page), 1400, 900)
	p.signIn(sent, strings.SplitN(page, "?", 2)[0])
	return p
}

// shoot writes a picture of the page into the folder that SHOTS names, to look at.
func (p *tab) shoot(name string) {
	if dir := os.Getenv("SHOTS"); dir != "" {
		shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name+".png", shot, 0o600); err != nil {
			p.Fatal(err)
		}
	}
}

// TestMarkEditor: a mark is dragged, resized and moved with keys on a picture, its fields
// follow, and what is delivered after it is saved are the bytes of the preview.
func TestMarkEditor(t *testing.T) {
	t.Parallel() // it waits for the browser
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	p := startDashboard(t, "/app/demo/marks/_new", "--dir", "demo/inbox="+t.TempDir(), "--dir-uploads", "demo/inbox")
	field := func(name string) string {
		t.Helper()
		return eval[string](p, fmt.Sprintf(`document.querySelector('#editor').elements[%q].value`, name))
	}
	previewed := `document.querySelector('#preview').naturalWidth === 800 && !document.querySelector('.late') && !document.querySelector('.busy') && document.querySelector('.handle').checkVisibility()`
	p.fill("#name", "brand")
	p.fill("#picture", "samples/noon.jpg")

	// The image is uploaded to a source, or chosen from one.
	p.click("#choose button")
	p.until(`document.querySelector('#chooser[open]')`)
	eval[bool](p, `(() => { const s = document.querySelector('#chooser-source'); s.value = 'inbox'; return s.dispatchEvent(new Event('change', { bubbles: true })); })()`)
	p.until(`document.querySelector('#chooser-upload').checkVisibility() && /no image/.test(document.querySelector('#browse').textContent)`)
	p.do(chromedp.SetUploadFiles("#chooser-file", []string{filepath.Join(pictures, "logo.png")}))
	p.until(`!document.querySelector('#chooser').open`)
	if got := field("image"); got != "inbox/logo.png" {
		t.Errorf("%q was uploaded", got)
	}
	p.click("#choose button")
	p.until(`document.querySelector('#chooser[open] input[value="inbox/logo.png"]')`)
	eval[bool](p, `(() => { const s = document.querySelector('#chooser-source'); s.value = 'samples'; return s.dispatchEvent(new Event('change', { bubbles: true })); })()`)
	p.until(`document.querySelector('#chooser[open] input[value="samples/logo.png"]') && document.querySelector('#chooser-use').disabled`)
	p.until(`[...document.querySelectorAll('#chooser .picture img')].every((i) => i.complete && i.naturalWidth > 0)`)
	p.click(`#chooser .picture:has([value="samples/logo.png"])`)
	p.shoot("chooser")
	p.click("#chooser-use")
	p.until(`!document.querySelector('#chooser').open`)
	if got := field("image"); got != "samples/logo.png" {
		t.Errorf("%q was chosen", got)
	}
	p.until(previewed)

	t.Run("the outline is where the server stamps", func(t *testing.T) { placesAsTheServer(t, p) })

	// The mark is at the bottom right, 15 % wide, on a picture of 3:2.
	p.drag("#board", 0.9, 0.85, 0.12, 0.18)
	if got := field("align"); got != "top,left" {
		t.Errorf("dragged to the top left: %q", got)
	}
	if pad := field("pad"); !regexp.MustCompile(`^\d+(\.\d)?%$`).MatchString(pad) || pad == "2%" {
		t.Errorf("dragged away from the corner: a distance of %q", pad)
	}
	p.until(previewed)
	p.shoot("dragged")
	p.drag(".handle [data-x='1'][data-y='1']", 0.5, 0.5, 4, 4)
	width := field("width")
	if !regexp.MustCompile(`^(1[6-9]|[2-9]\d)(\.\d)?%$`).MatchString(width) {
		t.Errorf("a corner was dragged outwards: %q", width)
	}
	p.until(previewed)
	if said := p.text("#said"); !strings.HasPrefix(said, "This is what delivery would make. The mark is at the top left") {
		t.Errorf("it says %q", said)
	}
	eval[bool](p, `document.querySelector('.handle').focus() ?? true`)
	p.do(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent("+"))
	if got := field("align"); got != "center" || field("width") == width {
		t.Errorf("moved with keys: %q, %q", got, field("width"))
	}
	p.do(chromedp.KeyEvent(kb.ArrowDown))
	eval[bool](p, `(() => { const s = document.querySelector('#opacity-slider'); s.value = 0.5; return s.dispatchEvent(new Event('input', { bubbles: true })); })()`)
	if got := field("opacity"); got != "0.5" {
		t.Errorf("the slider wrote %q", got)
	}
	p.until(previewed)
	p.click(`#editor [name=sources]`)
	p.until(previewed)

	// What is wrong stands at its field, and goes away.
	p.fill("#pad", "far")
	p.until(`document.querySelector('#pad-fault') && document.querySelector('#pad').getAttribute('aria-invalid')`)
	p.shoot("wrong")
	p.fill("#pad", "5%")
	p.until(`!document.querySelector('#pad-fault') && ` + previewed)
	p.shoot("editor")

	shown := eval[string](p, hashOf("form.dataset.preview, { method: 'POST', body: new URLSearchParams(new FormData(form)), headers: { Accept: accept } }"))
	p.click("#review")
	p.arrive(`document.querySelector('button[value=save]')`)
	p.shoot("review")
	p.click("button[value=save]")
	p.arrive(`location.pathname === '/app/demo/marks' && document.querySelector('.mark .thumb img')?.naturalWidth === 800`)
	p.shoot("list")
	if delivered := eval[string](p, hashOf("'/demo/samples/noon.jpg?w=800', { headers: { Accept: accept } }")); delivered != shown {
		t.Errorf("delivered is %s, and the preview was %s", delivered, shown)
	}
	p.calm("422") // of the wrong field
}

// hashOf is an expression for the hash of what a fetch answers. form is the editor, and accept
// the header of browsers.
func hashOf(fetch string) string {
	return `(async () => {
		const form = document.querySelector('#editor');
		const accept = 'image/avif,image/webp,*/*;q=0.8';
		const body = await (await fetch(` + fetch + `)).arrayBuffer();
		return body.byteLength + ' bytes ' + [...new Uint8Array(await crypto.subtle.digest('SHA-256', body))].map((b) => b.toString(16).padStart(2, '0')).join('');
	})()`
}

// placesAsTheServer compares the script's idea of where a mark lies with the server's.
func placesAsTheServer(t *testing.T, p *tab) {
	type rect struct{ X, Y, Width, Height int }
	type attempt struct {
		Mark           map[string]string
		Picture, Image map[string]int
		want           rect
	}
	random := rand.New(rand.NewPCG(1, 2))
	one := func(words ...string) string { return words[random.IntN(len(words))] }
	var all []attempt
	for range 300 {
		m := workspace.Mark{
			Name: "brand", Width: one("", "", "12%", "90", "100%"), Height: one("", "", "20%", "40"), Size: one("", "", "30%", "64"),
			Fit: one(workspace.MarkWords("fit")...), Align: one(workspace.MarkWords("align")...), Pad: one("", "0", "7", "3%", "60%"),
		}
		o, err := transform.Parse(transform.Defaults(), m.Query())
		if err != nil {
			t.Fatal(err)
		}
		picture := transform.Size{W: 1 + random.IntN(1200), H: 1 + random.IntN(1200)}
		image := transform.Size{W: 1 + random.IntN(500), H: 1 + random.IntN(500)}
		at := o.Mark.Place(picture, image, 1)
		plan, err := at.Options.Plan(image)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, attempt{
			map[string]string{"width": m.Width, "height": m.Height, "size": m.Size, "fit": m.Fit, "align": m.Align, "pad": m.Pad},
			map[string]int{"width": picture.W, "height": picture.H}, map[string]int{"width": image.W, "height": image.H},
			rect{at.At.X, at.At.Y, plan.Output.W, plan.Output.H},
		})
	}
	input, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	got := eval[[]rect](p, `(async () => {
		const { place } = await import(document.querySelector('script[src$="app-mark.js"]').src.replace('app-mark.js', 'mark.js'));
		return `+string(input)+`.map(({ Mark, Picture, Image }) => {
			const { x, y, width, height } = place(Mark, Picture, Image);
			return { X: x, Y: y, Width: width, Height: height };
		});
	})()`)
	near := func(a, b int) bool { return a-b <= 1 && b-a <= 1 }
	for i, a := range all {
		if g := got[i]; !near(g.X, a.want.X) || !near(g.Y, a.want.Y) || !near(g.Width, a.want.Width) || !near(g.Height, a.want.Height) {
			t.Errorf("%v on %v of %v: %+v, the server says %+v", a.Mark, a.Picture, a.Image, g, a.want)
		}
	}
}
