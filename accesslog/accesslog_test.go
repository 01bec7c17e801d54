package accesslog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/accesslog"
)

var at = time.Date(2037, 11, 28, 12, 0, 0, 123456000, time.UTC)

// TestLineIsSlogs: a line says what slog's says, for all that requests can bring.
func TestLineIsSlogs(t *testing.T) {
	attrs := []slog.Attr{
		slog.String("request_id", "a-b.c"), slog.Int("status", 200), slog.Int64("bytes", 1<<40), slog.Float64("ms", 0.321), slog.Float64("slow", 12000),
		slog.Bool("yes", true), slog.Uint64("n", 1<<63), slog.Duration("d", time.Second),
		slog.String("quoted", `a"b\c`), slog.String("lines", "a\nb\tc\x00\x7f"), slog.String("é", "漢字 \u2028"), slog.String("broken", "a\xffb"), slog.String("html", "<a&b>"), slog.String("empty", ""),
	}
	var ours, slogs bytes.Buffer
	w := accesslog.New(&ours)
	w.Line(at, slog.LevelWarn, "request", attrs)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := slog.NewRecord(at, slog.LevelWarn, "request", 0)
	r.AddAttrs(attrs...)
	if err := slog.NewJSONHandler(&slogs, nil).Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	read := func(b []byte) (m map[string]any) {
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		return m
	}
	got, want := read(ours.Bytes()), read(slogs.Bytes())
	want["d"] = "1s" // slog writes nanoseconds; no request has one
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(ours.String(), `{"time":"2037-11-28T12:00:00.123456Z","level":"WARN","msg":"request","request_id":"a-b.c","status":200,"bytes":1099511627776,"ms":0.321,`) || strings.Count(ours.String(), "\n") != 1 {
		t.Error(ours.String())
	}
}

// A sink counts the writes to it.
type sink struct {
	mu     sync.Mutex
	writes []string
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(p))
	return len(p), s.err
}

func (s *sink) lines() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := make([]int, len(s.writes))
	for i, w := range s.writes {
		n[i] = strings.Count(w, "\n")
	}
	return n
}

func TestLinesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to sink
		w := accesslog.New(&to)
		check := func(what string, want ...int) {
			t.Helper()
			if diff := cmp.Diff(want, to.lines()); diff != "" {
				t.Errorf("%s: lines of each write: %s", what, diff)
			}
		}
		for range 10 {
			w.Line(at, slog.LevelInfo, "request", nil)
		}
		time.Sleep(99 * time.Millisecond)
		to.mu.Lock()
		if len(to.writes) != 0 {
			t.Error("written too early")
		}
		to.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		check("after a tenth of a second", 10)
		w.Line(at, slog.LevelInfo, "request", nil)
		_, _ = io.WriteString(w, "other\n")
		check("another message", 10, 1, 1)
		time.Sleep(time.Second)
		check("nothing is left", 10, 1, 1)
		w.Line(at, slog.LevelInfo, strings.Repeat("x", 40<<10), nil)
		check("a long line", 10, 1, 1, 1)
		time.Sleep(time.Second)
		w.Line(at, slog.LevelInfo, "request", nil)
		to.err = errors.New("full")
		if err := w.Close(); !errors.Is(err, to.err) {
			t.Error(err)
		}
		check("the end", 10, 1, 1, 1, 1)
		w.Line(at, slog.LevelInfo, "late", nil)
		check("after the end", 10, 1, 1, 1, 1, 1)
	})
}

// TestLinesAreWhole: lines of many goroutines, and other messages, don't mix.
func TestLinesAreWhole(t *testing.T) {
	var to sink
	w := accesslog.New(&to)
	log := slog.New(slog.NewJSONHandler(w, nil))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				if n%10 == 0 {
					log.Info("other", "n", n)
				}
				w.Line(at, slog.LevelInfo, "request", []slog.Attr{slog.Int("i", i), slog.String("original", strings.Repeat("a", 100))})
			}
		})
	}
	all.Wait()
	_ = w.Close()
	lines := strings.Split(strings.TrimSpace(strings.Join(to.writes, "")), "\n")
	if len(lines) != 8*220 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Fatalf("not whole: %q", l)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	w := accesslog.New(io.Discard)
	attrs := []slog.Attr{
		slog.String("request_id", "0123456789abcdef0123456789abcdef"), slog.String("client", "192.0.2.7"), slog.String("method", "GET"), slog.Int("status", 200), slog.Int64("bytes", 22000), slog.Float64("ms", 0.321),
		slog.String("endpoint", "transform"), slog.String("workspace", "acme"), slog.String("source", "photos"), slog.String("original", "photos/cat.jpg"), slog.String("options", "w=100,h=80,fit=cover"), slog.String("cache", "memory"),
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Line(at, slog.LevelInfo, "request", attrs)
	}
}
