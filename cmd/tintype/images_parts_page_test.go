//go:build cgo && linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tintype/tintype/internal/versitygw"
)

// A cable leads to a bucket. It can be cut for those who send parts, as browsers do.
type cable struct {
	net.Listener
	to    string
	cutIn atomic.Bool // the next second part, in its middle
	down  atomic.Bool
	stall atomic.Bool // the next second part, in its middle
}

func startCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: l, to: to}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.lead(in)
		}
	}()
	return c
}

func (c *cable) lead(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(in, out)
		in.Close()
	}()
	buf := make([]byte, 32<<10)
	for sent, part, second := 0, false, false; ; {
		n, err := in.Read(buf)
		if err != nil {
			return
		}
		part = part || bytes.Contains(buf[:n], []byte("partNumber="))
		second = second || bytes.Contains(buf[:n], []byte("partNumber=2&"))
		if sent += n; second && sent > 2<<20 && c.cutIn.Swap(false) {
			c.down.Store(true)
		}
		if second && sent > 2<<20 && c.stall.Swap(false) {
			_, _ = io.Copy(io.Discard, in) // until the browser hangs up, which the bucket hears at once
			return
		}
		if part && c.down.Load() {
			return
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestImagesPageInParts: large images go to the bucket in parts. A broken connection costs a
// part, also where the page was loaded anew since. A bucket that allows no pages gets them by
// the server.
func TestImagesPageInParts(t *testing.T) {
	t.Parallel() // it waits for the browser
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	gateway := versitygw.Start(t, uploadKey, uploadSecret)
	gateway.CreateBucket(t, "media")
	gateway.CreateBucket(t, "closed")
	wire, wire2 := startCable(t, gateway.Address), startCable(t, gateway.Address)
	settings := filepath.Join(t.TempDir(), "demo.yaml")
	source := func(key, bucket string, c *cable) string {
		return fmt.Sprintf("  - {key: %s, kind: s3, bucket: %s, region: %s, endpoint: 'http://%s', access_key_id: %s, secret_access_key: %s, uploads: true}\n",
			key, bucket, gateway.Region, c.Addr(), uploadKey, uploadSecret)
	}
	yaml := "namespace: acme\nsources:\n" + source("media", "media", wire) + source("closed", "closed", wire2)
	if err := os.WriteFile(settings, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	const images = "/app/acme/images?source="
	p := startDashboard(t, images+"media", "--apply", settings, "--allow-cidr", "127.0.0.0/8")
	home := eval[string](p, `location.origin`)
	gateway.AllowOrigin(t, "media", home)
	folder := t.TempDir()
	dusk, err := os.ReadFile(filepath.Join(pictures, "dusk.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	large := append(slices.Clone(dusk), bytes.Repeat([]byte("large image "), 1<<20)...) // 12 MiB: three parts
	file := func(name string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), large, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(folder, name)
	}
	choose := func(files ...string) {
		t.Helper()
		p.do(chromedp.SetUploadFiles("#files", files))
	}
	stored := func(bucket, key string) {
		t.Helper()
		if head := gateway.Head(t, bucket, key); *head.ContentLength != int64(len(large)) || *head.ContentType != "image/jpeg" {
			t.Errorf("%s has %d bytes of %s", key, *head.ContentLength, *head.ContentType)
		}
	}
	good := func(n int) string {
		return fmt.Sprintf(`document.querySelectorAll('.queue .good').length === %d`, n)
	}
	p.until(`document.querySelector('.drop #files')`)

	// Several at once: two go to the bucket, the others through the server.
	wire.cutIn.Store(true)
	choose(file("first.jpg"), filepath.Join(pictures, "logo.png"), filepath.Join(pictures, "noon.jpg"))
	p.until(`document.querySelector('.queue .resume')`)
	p.shoot("parts-cut")
	if got := gateway.List(t, "media", "first"); len(got) != 0 {
		t.Errorf("shown before it is complete: %q", got)
	}
	wire.down.Store(false)
	p.click(".queue .resume")
	p.until(good(3))
	stored("media", "first.jpg")

	// The path is taken: nothing is sent before the visitor decides.
	choose(file("first.jpg"))
	p.until(`document.querySelector('.queue .danger')`)
	p.shoot("parts-question")
	p.click(".queue .danger")
	p.until(good(4))

	// Loaded anew in the middle: the same file goes on. A page that nobody has clicked on can't
	// ask whether to leave it.
	p.do(chromedp.Navigate(home + images + "media"))
	p.until(`document.querySelector('.drop #files')`)
	wire.cutIn.Store(true)
	const second = "a-long-name-of-a-picture-of-the-summer-holidays.jpg"
	choose(file(second))
	p.until(`document.querySelector('.queue .resume')`)
	p.do(chromedp.EmulateViewport(390, 900))
	if height := eval[float64](p, `document.querySelector('.queue .path').getBoundingClientRect().height`); height > 100 {
		t.Errorf("on a phone, the name is %v pixels high", height)
	}
	p.shoot("parts-narrow")
	p.do(chromedp.EmulateViewport(1400, 900))
	known := `Object.keys(localStorage).filter((k) => k.startsWith('tintype-upload:'))`
	if got := eval[int](p, `JSON.parse(localStorage.getItem(`+known+`[0])).sent.length`); got != 1 {
		t.Errorf("%d parts are remembered", got)
	}
	p.do(chromedp.Navigate("about:blank"))
	wire.down.Store(false)
	p.do(chromedp.Navigate(home + images + "media"))
	p.until(`document.querySelector('.drop #files')`)
	eval[bool](p, `(globalThis.puts = 0, new PerformanceObserver((l) => { for (const e of l.getEntries()) if (/partNumber=/.test(e.name)) puts += 1; }).observe({ type: 'resource' })) ?? true`)
	choose(filepath.Join(folder, second))
	p.until(good(1))
	stored("media", second)
	p.until(`puts >= 2`) // observers are told later
	if got := eval[int](p, `puts`); got != 2 {
		t.Errorf("%d parts were sent after the page was loaded anew, want the 2 that were missing", got)
	}
	if got := eval[int](p, known+`.length`); got != 0 {
		t.Errorf("%d uploads are remembered that are complete", got)
	}
	p.shoot("parts-sent")

	// Cancelled while a part is on its way: nothing of it stays, here and in the bucket.
	wire.stall.Store(true)
	choose(file("fourth.jpg"))
	p.until(`JSON.parse(localStorage.getItem(` + known + `[0]) ?? '{}').sent?.length === 1 && document.querySelector('.queue li:last-child progress').value > 0.5`)
	p.shoot("parts-cancel")
	p.click(".queue li:last-child .cancel")
	p.until(`/cancelled/.test(document.querySelector('.queue li:last-child .state').textContent)`)
	p.until(known + `.length === 0`) // the server is asked to forget it first
	if got := gateway.List(t, "media", "fourth"); len(got) != 0 {
		t.Errorf("stored although it was cancelled: %q", got)
	}
	// The gateway takes away what it has of an upload after it has answered.
	for deadline := time.Now().Add(patience); gateway.Uploads(t, "media") != 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("the bucket has %d uploads that were cancelled", gateway.Uploads(t, "media"))
			break
		}
	}

	// A bucket without a CORS rule.
	p.do(chromedp.Navigate(home + images + "closed"))
	p.until(`document.querySelector('.drop #files')`)
	choose(file("third.jpg"))
	p.until(good(1))
	stored("closed", "third.jpg")
	p.until(`document.querySelector('#refused').checkVisibility() && document.querySelector('#rule pre').textContent.includes(location.origin)`)
	p.shoot("parts-refused")

	for _, bucket := range []string{"media", "closed"} {
		if left := gateway.List(t, bucket, ".tintype"); len(left) != 0 {
			t.Errorf("left in %s: %q", bucket, left)
		}
	}
	// What the browser says of connections that broke, of a path that was taken, of the page
	// that was left, and of the bucket that refused.
	p.calm("ERR_", "409", "beforeunload", "CORS policy", "403 (Forbidden) http://"+wire2.Addr().String()+"/closed/")
	if strings.Contains(eval[string](p, `document.documentElement.outerHTML`), uploadSecret) {
		t.Error("the page holds a secret")
	}
}
