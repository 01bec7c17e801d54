package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// polled is a connection whose reads do what a test says, and which notes the deadlines that it gets.
type polled struct {
	net.Conn
	read func() (int, error)
	set  []time.Time
}

func (c *polled) Read([]byte) (int, error) { return c.read() }

func (c *polled) SetReadDeadline(t time.Time) error { c.set = append(c.set, t); return nil }

// TestReadDeadline: the poller gets a deadline where it must end a read earlier, and only then.
func TestReadDeadline(t *testing.T) {
	var none time.Time
	soon := time.Now().Add(time.Hour)
	later, past, over := soon.Add(time.Hour), time.Unix(1, 0), time.Now().Add(-time.Hour)
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	for _, test := range []struct {
		name   string
		set    []time.Time         // one after another, each before a read
		during map[int][]time.Time // set while a read runs, which ends then as the poller has it
		reads  []error             // what the reads return
		polled []time.Time         // what the poller gets
	}{
		{name: "none", set: []time.Time{none, none}, reads: []error{nil, nil}},
		{name: "later ones and none wait for the first", set: []time.Time{soon, later, none, soon, later}, reads: []error{nil, nil, nil, nil, nil}, polled: []time.Time{soon}},
		{name: "an earlier one", set: []time.Time{later, soon}, reads: []error{nil, nil}, polled: []time.Time{later, soon}},
		{name: "one in 1970 needs no poller", set: []time.Time{soon, past, none}, reads: []error{nil, timeout, nil}, polled: []time.Time{soon}},
		{name: "one that is over", set: []time.Time{over, none, later}, reads: []error{timeout, nil, nil}, polled: []time.Time{over, none, later}},
		{name: "a read is ended", set: []time.Time{none, none}, during: map[int][]time.Time{0: {past}}, reads: []error{timeout, nil}, polled: []time.Time{past, none}},
		{name: "a read is ended, and its deadline taken back before it returns", set: []time.Time{none}, during: map[int][]time.Time{0: {past, none}}, reads: []error{nil}, polled: []time.Time{past, none}},
		{name: "a read gets more time", set: []time.Time{soon}, during: map[int][]time.Time{0: {later}}, reads: []error{nil}, polled: []time.Time{soon}},
		{name: "a read gets less time", set: []time.Time{later}, during: map[int][]time.Time{0: {soon}}, reads: []error{nil}, polled: []time.Time{later, soon}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &polled{}
			k := &connection{Conn: c}
			for i, at := range test.set {
				_ = k.SetReadDeadline(at)
				during := test.during[i]
				c.read = func() (int, error) {
					for _, at := range during {
						_ = k.SetReadDeadline(at)
					}
					during = nil
					if n := len(c.set); n > 0 && !c.set[n-1].IsZero() && c.set[n-1].Before(time.Now()) {
						return 0, timeout
					}
					return 1, nil
				}
				if _, err := k.Read(nil); errors.Is(err, os.ErrDeadlineExceeded) != (test.reads[i] != nil) {
					t.Errorf("read %d: %v, want %v", i, err, test.reads[i])
				}
			}
			if !slices.Equal(c.set, test.polled) {
				t.Errorf("the poller got %v, want %v", c.set, test.polled)
			}
		})
	}

	// A deadline of the poller that is left from before ends a read, and the read goes on.
	c := &polled{}
	k := &connection{Conn: c}
	c.read = func() (int, error) { return 1, nil }
	_ = k.SetReadDeadline(soon)
	_, _ = k.Read(nil)
	ends := 2
	c.read = func() (int, error) {
		if ends--; ends > 0 {
			return 0, timeout
		}
		return 1, nil
	}
	_ = k.SetReadDeadline(later)
	if n, err := k.Read(nil); n != 1 || err != nil || !slices.Equal(c.set, []time.Time{soon, later}) {
		t.Errorf("%d, %v: the poller got %v", n, err, c.set)
	}
}

const getRoot, getLong, getBody = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /long HTTP/1.1\r\nHost: a\r\n\r\n", "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"

// longAnswer answers, after ten seconds if the path is /long. It notes what it has seen.
func longAnswer(note func(string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			select {
			case <-time.After(10 * time.Second):
			case <-r.Context().Done():
				note("gone")
			}
		case "/body":
			b, err := io.ReadAll(r.Body)
			note(fmt.Sprintf("%q %v", b, err != nil))
		}
		_, _ = io.WriteString(w, "ok")
	})
}

// TestReadDeadlines: a server ends connections when it would if each deadline were set at once, and
// gives the same answers: heads and bodies that don't come, clients that are idle or gone, answers
// that take longer than all deadlines, and requests behind one another.
func TestReadDeadlines(t *testing.T) {
	const tick = 300 * time.Millisecond // so that no deadline ends as something is sent
	for name, steps := range map[string][]any{
		"nothing comes":               {},
		"half a head":                 {"GET / HT"},
		"head in time":                {"GET / HT", tick, "TP/1.1\r\nHost: a\r\n", tick, "\r\n"},
		"head too late":               {"GET / HT", tick, "TP/1.1\r\nHost: a\r\n", 3 * tick, "\r\n"},
		"idle":                        {getRoot},
		"half a head later":           {getRoot, tick, "GET"},
		"half a head much later":      {getRoot, 4 * tick, "GET /", 3 * tick},
		"one after another":           {getRoot, 4 * tick, getRoot, tick, getRoot, tick, getRoot, 4 * tick, "G", tick, getRoot[1:]},
		"behind one another":          {getRoot + getRoot + getRoot},
		"behind one another and half": {getRoot + getLong + "GET"},
		"long":                        {getLong},
		"long, then another":          {getLong, 20 * time.Second, getRoot},
		"behind a long one":           {getLong + getRoot},
		"much later than a long one":  {getLong, 5 * time.Second, getRoot, 6 * time.Second, getRoot, tick, getLong},
		"gone":                        {getLong, tick, nil},
		"gone later":                  {getLong, 5 * time.Second, nil},
		"gone after others":           {getRoot, tick, getRoot + getLong, tick, nil},
		"body":                        {getBody + "body"},
		"body in pieces":              {getBody + "b", tick, "od", tick, "y", tick, getLong, tick, nil},
		"half a body":                 {getBody + "bo"},
		"body, then half a body":      {getBody + "body", tick, getBody, tick, "bo"},
	} {
		t.Run(name, func(t *testing.T) {
			if plain, guarded := script(t, steps, false), script(t, steps, true); plain != guarded {
				t.Errorf("got:\n%s\nwant:\n%s", guarded, plain)
			}
		})
	}
}

// script takes the steps over a connection: what is sent, pauses, and nil, which closes it. It
// returns all that came of them, with times.
func script(t *testing.T, steps []any, guard bool) string {
	var log []string
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		began := time.Now()
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf("%v %s", time.Since(began), what))
		}
		pipes := &pipeListener{make(chan net.Conn), make(chan struct{})}
		s := &http.Server{ReadHeaderTimeout: time.Second, ReadTimeout: 3 * time.Second, IdleTimeout: 2 * time.Second, Handler: longAnswer(note)}
		var l net.Listener = pipes
		if guard {
			l = (&Connections{Most: 10}).Guard(s, l)
		}
		go func() { _ = s.Serve(l) }()
		defer s.Close()
		ours, theirs := net.Pipe()
		pipes.conns <- fromConn{theirs, visitor}
		var both sync.WaitGroup
		both.Go(func() {
			b, err := io.ReadAll(ours)
			note(fmt.Sprintf("%s %v", b, err))
		})
		both.Go(func() {
			for _, step := range steps {
				switch step := step.(type) {
				case string:
					_, _ = io.WriteString(ours, step) // that it fails shows in the answers
				case time.Duration:
					time.Sleep(step)
				case nil:
					_ = ours.Close()
				}
			}
		})
		both.Wait()
		synctest.Wait()
	})
	slices.Sort(log) // at one time they come in any order
	return strings.Join(log, "\n")
}

// TestReadDeadlinesOverTCP: many clients at once, some of which go.
func TestReadDeadlinesOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan string, 100)
	s := &http.Server{
		ReadHeaderTimeout: time.Hour, ReadTimeout: time.Hour, IdleTimeout: time.Hour,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				<-r.Context().Done()
				gone <- r.URL.Path
			}
			_, _ = io.WriteString(w, "ok")
		}),
	}
	l = (&Connections{Most: 1000}).Guard(s, l)
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			answered := func(n int) {
				for range n {
					if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 {
						t.Error(res, err)
					} else if b, err := io.ReadAll(res.Body); string(b) != "ok" {
						t.Errorf("%q %v", b, err)
					}
				}
			}
			for range 50 {
				_, _ = io.WriteString(c, getRoot)
				answered(1)
			}
			_, _ = io.WriteString(c, strings.Repeat(getRoot, 20))
			answered(20)
			for b := range strings.SplitSeq(getRoot, "") {
				_, _ = io.WriteString(c, b)
			}
			answered(1)
			_, _ = io.WriteString(c, getLong)
			_ = c.(*net.TCPConn).CloseWrite() // for net/http, such a client is gone
			<-gone
			answered(1)
		})
	}
	clients.Wait()
}
