package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/workspace"
)

// lending counts the entries that a cache lends.
type lending struct {
	cache.Cache
	lent atomic.Int64
}

func (c *lending) Get(ctx context.Context, key cache.Key) (*cache.Entry, string) {
	e, tier := c.Cache.Get(ctx, key)
	if e != nil && e.File != nil {
		c.lent.Add(1)
	}
	return e, tier
}

// openDisk returns a disk cache for a test.
func openDisk(t *testing.T) (d *cache.Disk, dir string) {
	t.Helper()
	dir = t.TempDir()
	d, err := cache.OpenDisk(cache.DiskConfig{Dir: dir, MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return d, dir
}

// settle waits until what is in a disk cache can be lent: it is written, and has been for a second.
func settle(t *testing.T, d *cache.Disk) {
	t.Helper()
	if err := d.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
}

// TestHeads: an answer over a connection that takes lines of heads is to the letter what net/http
// writes by itself, but for the order of fields: hits and misses, parts, 304, errors and what is
// no image, one after another over a connection. So is one whose body is sent from a file.
func TestHeads(t *testing.T) {
	t.Run("memory", func(t *testing.T) { testHeads(t, cache.NewMemory(64<<20), "memory", func() {}) })
	t.Run("files", func(t *testing.T) {
		d, _ := openDisk(t)
		c := &lending{Cache: cache.NewTiered(cache.NewMemory(8*700), d)} // the memory has room for errors only
		testHeads(t, c, "disk", func() { settle(t, d) })
		if c.lent.Load() == 0 && runtime.GOOS == "linux" {
			t.Error("nothing was sent from a file")
		}
	})
}

func testHeads(t *testing.T, c cache.Cache, tier string, settle func()) {
	var stands atomic.Int64 // what time it is, in nanoseconds; 0 is now
	b := newBench(t, func(s *delivery.Config) {
		s.Cache = c
		s.Now = func() time.Time {
			if at := stands.Load(); at != 0 {
				return time.Unix(0, at)
			}
			return time.Now()
		}
	})
	b.registry.Set(t, b.acme())
	w := b.acme()
	w.Namespace, w.ID, w.AllowedOrigins, w.QuotaHeaders, w.SurrogateKey = "strict", "strict", []string{"https://a.example"}, true, true
	w.Sources = append(w.Sources, workspace.Source{Key: "secret", Kind: "http", URL: b.upstream.URL + "/photos/", Private: true})
	b.registry.Set(t, w)
	at := func(guard bool) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: b.handler}
		if guard {
			l = (&Connections{Most: 100}).Guard(s, l)
		}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { _ = s.Close() })
		return l.Addr().String()
	}
	hit := b.get("/acme/photos/cat.jpg?w=20")
	etag := hit.Header().Get("Etag")
	if hit.Code != 200 || etag == "" {
		t.Fatal(hit.Code, hit.Body)
	}
	requests := []string{
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nAccept: image/webp,*/*",
		"HEAD /acme/photos/cat.jpg?w=20 HTTP/1.1",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nRange: bytes=5-9",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nRange: bytes=99999999-",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nIf-None-Match: " + etag,
		"HEAD /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nIf-None-Match: " + etag,
		"GET /acme/photos/cat.jpg?w=20&dl=a%0D%0AX-Evil:%20yes HTTP/1.1",
		"GET /acme/photos/cat.jpg?w=20&dl=caf%C3%A9%20.jpg&widht=3 HTTP/1.1",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nX-Request-Id: mine",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nX-Request-Id: a b",
		"GET /acme/photos/cat.jpg?w=x HTTP/1.1",
		"HEAD /acme/photos/cat.jpg?w=x HTTP/1.1",
		"GET /acme/photos/none.jpg HTTP/1.1",
		"GET /nobody/a.jpg HTTP/1.1",
		"GET /acme/info/photos/cat.jpg HTTP/1.1",
		"PUT /acme/photos/cat.jpg HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
		"OPTIONS /acme/photos/cat.jpg HTTP/1.1",
		"OPTIONS /strict/photos/cat.jpg HTTP/1.1\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET",
		"GET /strict/photos/cat.jpg?w=20 HTTP/1.1\r\nOrigin: https://a.example",
		"GET /strict/photos/cat.jpg?w=20 HTTP/1.1\r\nOrigin: https://a.example",
		"GET /strict/photos/cat.jpg?w=20 HTTP/1.1\r\nOrigin: https://b.example",
		"GET /strict/secret/cat.jpg?w=20 HTTP/1.1\r\nOrigin: https://a.example",
		"GET /healthz HTTP/1.1",
		"GET / HTTP/1.1",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.0\r\nConnection: keep-alive",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
		"GET /acme/photos/cat.jpg?w=20 HTTP/1.1\r\nConnection: close",
	}
	_ = read(t, at(false), requests) // what they make is in the cache now
	settle()
	stands.Store(time.Now().UnixNano()) // else the max-age of an error depends on when it is asked for
	_ = read(t, at(false), requests)
	want, got, together := read(t, at(false), requests), read(t, at(true), requests), read(t, at(true), []string{strings.Join(requests[:len(requests)-1], "\n\n"), requests[len(requests)-1]})
	for i := range requests {
		if got[i] != want[i] {
			t.Errorf("%q over a connection that takes heads:\n%s\nby net/http:\n%s", requests[i], got[i], want[i])
		}
		if together[i] != want[i] {
			t.Errorf("%q with all requests sent at once:\n%s\nby net/http:\n%s", requests[i], together[i], want[i])
		}
	}
	if !strings.Contains(want[0], "Cache-Status: tintype; hit; detail="+tier) || !strings.Contains(want[0], "Content-Type: image/") {
		t.Error("no hit:", want[0])
	}
}

// read sends requests over one connection, and returns the answers with their fields sorted. A
// request may be several ones, divided by two line feeds.
func read(t *testing.T, at string, requests []string) (answers []string) {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, all := range requests {
		var out bytes.Buffer
		several := strings.Split(all, "\n\n")
		for _, one := range several {
			line, rest, _ := strings.Cut(one, "\r\n")
			head, body, _ := strings.Cut(rest, "\r\n\r\n")
			if head != "" {
				head += "\r\n"
			}
			fmt.Fprintf(&out, "%s\r\nHost: localhost\r\n%s\r\n%s", line, head, body)
		}
		if _, err := conn.Write(out.Bytes()); err != nil {
			t.Fatal(err)
		}
		for _, one := range several {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%q: %v", one, err)
			}
			header, err := textproto.NewReader(in).ReadMIMEHeader()
			if err != nil {
				t.Fatalf("%q: %v", one, err)
			}
			var body []byte
			if n := header.Get("Content-Length"); n != "" && !strings.HasPrefix(one, "HEAD") && !strings.Contains(line, " 304 ") {
				var size int
				fmt.Sscan(n, &size)
				body = make([]byte, size)
				if _, err := io.ReadFull(in, body); err != nil {
					t.Fatalf("%q: %v", one, err)
				}
			}
			if id := header.Get("X-Request-Id"); id != "mine" {
				body = bytes.ReplaceAll(body, []byte(id), []byte("ID"))
				header.Set("X-Request-Id", "ID")
			}
			if at, err := http.ParseTime(header.Get("Date")); err != nil || len(header["Date"]) != 1 || time.Until(at) > 0 {
				t.Errorf("%q: the dates are %q", one, header["Date"])
			}
			header.Del("Date")
			text := line
			for _, name := range slices.Sorted(maps.Keys(header)) {
				for _, value := range header[name] {
					text += name + ": " + value + "\n"
				}
			}
			answers = append(answers, text+string(body))
		}
	}
	return answers
}
