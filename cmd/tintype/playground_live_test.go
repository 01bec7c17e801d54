package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPlaygroundLive changes a picture while the page of tintype dev shows it.
func TestPlaygroundLive(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pictures")
	picture := func(width, height int) { writePicture(t, filepath.Join(folder, "a.jpg"), width, height) }
	picture(400, 300)
	dev := startDev(t, folder, t.TempDir())
	p := open(t, startBrowser(t), dev.url+"/playground/dev#src=pictures/a.jpg&w=200", 1200, 900)
	p.shows(200, 150, "AVIF")
	picture(400, 200)
	p.shows(200, 100, "AVIF")
	p.until(`document.querySelector('#original .facts').textContent.endsWith('400 × 200')`)
	if err := os.Remove(filepath.Join(folder, "a.jpg")); err != nil {
		t.Fatal(err)
	}
	picture(300, 300)
	p.shows(200, 200, "AVIF")
	p.calm()
}
