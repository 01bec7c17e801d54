package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestImagesPage: images are uploaded by the page, several at a time. One that is there is
// replaced only after a question, and what is no image is not stored.
func TestImagesPage(t *testing.T) {
	t.Parallel() // it waits for the browser
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	folder, sent := t.TempDir(), t.TempDir()
	text := filepath.Join(sent, "text.jpg")
	if err := os.WriteFile(text, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startDashboard(t, "/app/demo/images?source=inbox", "--dir", "demo/inbox="+folder, "--dir-uploads", "demo/inbox")
	choose := func(files ...string) {
		t.Helper()
		p.do(chromedp.SetUploadFiles("#files", files))
	}
	p.until(`document.querySelector('.drop #files')`)
	p.shoot("images-empty")
	choose(filepath.Join(pictures, "dusk.jpg"), filepath.Join(pictures, "logo.png"), text)
	p.until(`document.querySelectorAll('.queue .good').length === 2 && document.querySelectorAll('.tiles li').length === 2`)
	p.until(`/no image in a known format/.test(document.querySelector('.queue .bad').textContent)`)
	p.until(`[...document.querySelectorAll('.tiles img')].every((i) => i.complete && i.naturalWidth === 240)`)
	p.until(`document.querySelectorAll('a[href*="dusk.jpg"]').length === 1 && [...document.querySelectorAll('.queue .cancel')].every((b) => !b.checkVisibility())`)
	p.shoot("images-sent")

	choose(filepath.Join(pictures, "logo.png"))
	p.until(`document.querySelector('.queue .danger')`)
	p.shoot("images-question")
	eval[bool](p, `(document.querySelector('#listing').dataset.old = '') === ''`)
	p.click(".queue .danger")
	p.until(`document.querySelectorAll('.queue .good').length === 3 && !document.querySelector('.queue .danger') && !document.querySelector('[data-old]')`)
	if _, err := os.Stat(filepath.Join(folder, "text.jpg")); err == nil {
		t.Error("what is no image was stored")
	}

	p.click(".tiles li:first-child a")
	p.arrive(`document.querySelector('.frame-of-one img')?.naturalWidth > 0 && document.querySelector('[data-copy=url]').checkVisibility()`)
	p.shoot("image")
	p.calm("415", "409") // of the two that weren't stored at once
}
