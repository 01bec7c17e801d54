package main

import (
	"bytes"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/tintype/tintype/samples"
)

// TestPlaygroundLive changes a picture while the page of tintype dev shows it.
func TestPlaygroundLive(t *testing.T) {
	folder := t.TempDir()
	picture := func(width, height int) {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, samples.Scene(width, height), nil); err != nil {
			t.Fatal(err)
		}
		next := filepath.Join(folder, ".next")
		if err := os.WriteFile(next, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(folder, "a.jpg")); err != nil {
			t.Fatal(err)
		}
	}
	picture(400, 300)
	url := startServing(t, nil, "--live", "--cache-disk", "0", "--dir", "dev/pictures="+folder)
	p := open(t, startBrowser(t), url+"/playground/dev#src=pictures/a.jpg&w=200", 1200, 900)
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
