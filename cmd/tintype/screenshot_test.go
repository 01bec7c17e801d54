//go:build cgo

package main

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestScreenshot draws the picture of the playground that README shows. make screenshot runs
// it, and makes a WebP of what it writes.
func TestScreenshot(t *testing.T) {
	file := os.Getenv("SCREENSHOT")
	if file == "" {
		t.Skip("not run: make screenshot")
	}
	p := open(t, startBrowser(t), startServer(t)+"/playground/demo#src=samples/balloon.jpg&w=900&h=900&fit=cover&gravity=attention&radius=60", 1280, 800)
	p.shows(900, 900, "AVIF")
	p.calm()
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, shot, 0o600); err != nil {
		t.Fatal(err)
	}
}
