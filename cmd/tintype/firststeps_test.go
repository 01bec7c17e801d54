//go:build cgo

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/letterbox"
)

// TestNewcomer: who has only the URL of a server and a mailbox, and is no operator, makes a
// workspace on the signup plan and comes to the first image, and to the text that puts it into a
// page of a framework. The number of clicks and of fields to
// type may fall, but not grow.
func TestNewcomer(t *testing.T) {
	t.Parallel() // it waits for the browser
	box := letterbox.Start(t, "127.0.0.1:0")
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	photo, err := os.ReadFile(filepath.Join(pictures, "noon.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	shop := deliverytest.NewUpstream(t)
	shop.Serve("/images/2026/noon.jpg", deliverytest.Body(photo))
	address := freeport.Address(t)
	url := startServing(t, nil, "--listen", address, "--public-url", "http://"+address, "--mail", "smtp://"+box.Address, "--operators", operatorOfTests, "--signup", "open", "--plans", plansOfTests, "--allow-cidr", "127.0.0.0/8")

	clicks, fields := 0, 0
	p := open(t, startBrowser(t), url+"/", 1400, 900)
	click := func(what string) {
		t.Helper()
		clicks++
		p.until(`document.readyState === 'complete' && document.querySelector(` + "`" + what + "`" + `)?.checkVisibility()`)
		p.click(what)
	}
	fill := func(what, text string) {
		t.Helper()
		fields++
		p.arrive(`document.readyState === 'complete' && document.querySelector('` + what + `')`)
		p.fill(what, text)
	}

	click(".start")
	fill("#email", "new@shop.example")
	click("main button.primary")
	fill("#code", oneCode.FindString(box.Find(t, "Your code is")))
	click("main button.primary")
	fill("#namespace", "shop")
	p.shoot("newcomer-1-workspace")
	click("main button.primary")
	p.arrive(`/First steps/.test(document.querySelector('main')?.textContent)`)
	p.shoot("newcomer-2-first-steps")
	click(".first .button.primary")
	p.arrive(`document.querySelector('a[href$="kind=http"]')`)
	click(`a[href$="kind=http"]`)
	fill("#key", "photos")
	fill("#url", shop.URL+"/images/")
	fill("#test_path", "2026/noon.jpg")
	click("button[value=test]")
	p.arrive(`/The source works/.test(document.querySelector('main [role=status]')?.textContent)`)
	p.shoot("newcomer-3-tested")
	click("main button.primary")
	p.arrive(`document.querySelector('button[value=save]')`)
	click("button[value=save]")
	p.arrive(`document.querySelector('.first img')?.naturalWidth === 400`)
	p.shoot("newcomer-4-first-image")
	if text := p.text(".first pre"); !strings.Contains(text, `src="`+url+`/shop/photos/2026/noon.jpg?w=800"`) {
		t.Errorf("the snippet is %s", text)
	}
	if clicks > 9 || fields > 6 {
		t.Errorf("%d clicks and %d fields to the first image and its <img>", clicks, fields)
	}

	// The frameworks are in the playground, on the same picture.
	click(`.first a[href*="/playground?src="]`)
	p.arrive(`document.querySelector('#variant img')?.naturalWidth === 640 && !document.querySelector('#variant.busy')`)
	p.do(chromedp.SetValue("#framework", "next"))
	eval[bool](p, `document.querySelector('#framework').dispatchEvent(new Event('change'))`)
	p.until("document.querySelector('#snippet-framework').textContent.includes('`" + url + "/shop/photos/${src.split(')")
	if text := p.text("#snippet-framework"); !strings.Contains(text, `<Image src="2026/noon.jpg" width={640} height={427} alt="" />`) {
		t.Errorf("for Next.js: %s", text)
	}
	p.shoot("newcomer-5-playground")

	// The steps stay until somebody else than the dashboard asks for an image.
	if text := p.text(".back"); text != "Back to first steps: 3 of 4 done" {
		t.Errorf("the playground leads back by %q", text)
	}
	p.click(".back a")
	p.arrive(`document.querySelector('.first img')?.naturalWidth === 400`)
	p.shoot("newcomer-6-back")
	p.calm()

	// The page of limits has the plan, and the start page says that there is no other place.
	p.do(chromedp.Navigate(url + "/app/shop/limits"))
	if text := p.text("main"); !strings.Contains(text, "on the plan free") || !strings.Contains(text, "What the plan free allows") {
		t.Errorf("the page of limits: %s", text)
	}
	p.shoot("newcomer-7-limits")
	p.calm()
	p.do(chromedp.Navigate(url + "/app"))
	if text := p.text("main"); !strings.Contains(text, "The plan free lets you own 1 workspace, and you own 1.") {
		t.Errorf("the start page: %s", text)
	}
	p.shoot("newcomer-8-full")
	p.calm()
	t.Logf("%d clicks, %d fields", clicks, fields)
}
