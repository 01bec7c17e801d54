package delivery

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/workspace"
)

// A fakeConn is a connection whose client has waited for so long.
type fakeConn struct {
	waits time.Duration
	cut   bool
}

func (c *fakeConn) Waited(time.Time) time.Duration { return c.waits }
func (c *fakeConn) Cut()                           { c.cut = true }

// TestAnswersGiveWay: which answers are cut off for another, or that it is refused. Each
// body has 1 MiB, and there is room for eight.
func TestAnswersGiveWay(t *testing.T) {
	const slow, quick = 3 * time.Second, time.Millisecond
	type held struct {
		client string
		waits  time.Duration
	}
	many := func(n int, h held) []held { return slices.Repeat([]held{h}, n) }
	for _, tt := range []struct {
		name    string
		held    []held
		asks    string
		cut     []int // of held
		refused bool
	}{
		{"there is room", many(7, held{"a", slow}), "b", nil, false},
		{"of one client the one that has waited longest, and one more", append(many(7, held{"a", slow}), held{"a", slow + 1}), "b", []int{0, 7}, false},
		{"of the client that holds most, though another has waited longer",
			append(many(6, held{"a", slow}), held{"b", 10 * slow}, held{"b", 10 * slow}), "c", []int{0, 1}, false},
		{"not of one that is quick", append(many(6, held{"a", quick}), held{"b", slow}, held{"b", slow}), "c", []int{6, 7}, false},
		{"its own", append(many(7, held{"a", quick}), held{"a", slow}), "a", []int{7}, false},
		{"all are quick, and one client holds most", append(many(5, held{"a", quick}), held{"b", quick}, held{"c", quick}, held{"d", quick}), "e", []int{0}, false},
		{"all are quick, and its own client holds most", append(many(5, held{"a", quick}), held{"b", quick}, held{"c", quick}, held{"d", quick}), "a", nil, true},
		{"all are quick, and one client holds one more", []held{{"a", quick}, {"b", quick}, {"c", quick}, {"d", quick}, {"e", quick}, {"f", quick}, {"g", quick}, {"a", quick}}, "i", []int{0}, false},
		{"all are quick, and hold the same", []held{{"a", quick}, {"b", quick}, {"c", quick}, {"d", quick}, {"e", quick}, {"f", quick}, {"g", quick}, {"h", quick}}, "i", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewAnswers(8<<20, nil)
			begin := func(h held) (*answer, *fakeConn, error) {
				conn := &fakeConn{waits: h.waits}
				a, err := s.begin(&Response{Conn: conn, Log: Record{Client: h.client}}, make([]byte, 1<<20))
				return a, conn, err
			}
			var answers []*answer
			var conns []*fakeConn
			for _, h := range tt.held {
				a, conn, err := begin(h)
				if err != nil {
					t.Fatal(err)
				}
				answers, conns = append(answers, a), append(conns, conn)
			}
			a, _, err := begin(held{tt.asks, 0})
			if (err != nil) != tt.refused {
				t.Errorf("answer: %v", err)
			}
			count := map[held]int{} // those of a client that have waited for the same are the same
			for i, c := range conns {
				if c.cut {
					count[tt.held[i]]++
				}
			}
			for _, i := range tt.cut {
				count[tt.held[i]]--
			}
			for h, n := range count {
				if n != 0 {
					t.Errorf("of %v %+d were cut off", h, n)
				}
			}
			for _, a := range append(answers, a) {
				s.end(a)
			}
			if s.used != 0 || len(s.bodies)+len(s.clients)+len(s.all) > 0 || s.peak > 9<<20+1<<20 {
				t.Errorf("afterwards %d bytes are in use (%d at most), %v %v %v", s.used, s.peak, s.bodies, s.clients, s.all)
			}
		})
	}
}

// TestAnswersShareABody: a body counts once for all that take it, and as long as one does.
func TestAnswersShareABody(t *testing.T) {
	s := NewAnswers(2<<20, nil)
	body := make([]byte, 1<<20)
	begin := func(body []byte) *answer {
		a, err := s.begin(&Response{Log: Record{Client: "a"}}, body)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first, second := begin(body), begin(body)
	if s.used != 1<<20 {
		t.Errorf("two take it: %d bytes", s.used)
	}
	s.end(first)
	third := begin(body)
	s.end(second)
	if s.used != 1<<20 {
		t.Errorf("one takes it: %d bytes", s.used)
	}
	s.end(third)
	if small := begin(make([]byte, smallAnswer)); small != nil || s.used != 0 {
		t.Errorf("nobody takes it: %d bytes", s.used)
	}
	if large := begin(make([]byte, 3<<20)); s.used != 3<<20 { // alone it finds room
		t.Errorf("a large one: %d bytes", s.used)
	} else {
		s.end(large)
	}
}

// TestNoRoomForAnAnswer: a request that finds no room gets 503, of a range too, and HEAD
// and 304 need none.
func TestNoRoomForAnAnswer(t *testing.T) {
	metrics := prometheus.NewRegistry()
	b := newBench(t, func(c *setup) { c.Answers, c.Metrics = NewAnswers(1<<20, metrics), metrics })
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.ID = "x" }))
	const path = "/acme/photos/cat.jpg?w=300&format=png"
	first := b.get(path)
	if first.Code != 200 || first.Body.Len() <= smallAnswer {
		t.Fatal(first.Code, first.Body.Len())
	}
	other, err := b.answers.begin(&Response{Log: Record{Client: "a"}}, make([]byte, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	for _, headers := range [][]string{nil, {"Range", "bytes=0-9"}} {
		w := b.get(path, headers...)
		h := w.Header()
		if w.Code != 503 || code(t, w) != "OVERLOADED" || h.Get("Retry-After") != "1" || h.Get("Content-Range") != "" || h.Get("Etag") != "" || !strings.Contains(h.Get("Cache-Control"), "no-store") {
			t.Errorf("%v: %d %v %s", headers, w.Code, h, w.Body)
		}
	}
	if w := b.send("HEAD", path); w.Code != 200 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := b.get(path, "If-None-Match", first.Header().Get("Etag")); w.Code != 304 {
		t.Errorf("If-None-Match: %d", w.Code)
	}
	b.answers.end(other)
	if w := b.get(path); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
	if n := counts(t, metrics, "tintype_answers_ended_total")[endedRefused]; n != 2 {
		t.Errorf("%v were refused", n)
	}
}

// TestReserve: what is about to be read counts like an answer, and is refused where there is
// no room for it.
func TestReserve(t *testing.T) {
	s := NewAnswers(1<<20, nil)
	first, ok := s.Reserve("192.0.2.1", 800<<10)
	if !ok {
		t.Fatal("the first is refused")
	}
	if _, ok := s.Reserve("192.0.2.2", 800<<10); ok {
		t.Error("more is reserved than there is")
	}
	first()
	second, ok := s.Reserve("192.0.2.2", 800<<10)
	if !ok {
		t.Fatal("what was released can't be reserved")
	}
	second()
	if s.used != 0 || len(s.clients) != 0 {
		t.Errorf("%d bytes of %d clients are left", s.used, len(s.clients))
	}
}
