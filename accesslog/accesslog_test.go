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
	times := []time.Duration{0, time.Microsecond, 321 * time.Microsecond, 1500 * time.Microsecond, 12 * time.Second, time.Second + 10*time.Microsecond, 1234567 * time.Nanosecond}
	attrs := []slog.Attr{
		slog.String("request_id", "a-b.c"), slog.Int64("status", 200), slog.Int64("bytes", 1<<40), slog.Int64("less", -7),
		slog.String("quoted", `a"b\c`), slog.String("lines", "a\nb\tc\x00\x7f"), slog.String("letters", "é漢字 \u2028"), slog.String("broken", "a\xffb"), slog.String("html", "<a&b>"), slog.String("empty", ""),
	}
	for i, d := range times {
		attrs = append(attrs, slog.Float64("ms"+string(rune('a'+i)), float64(d.Microseconds())/1000))
	}
	var ours, slogs bytes.Buffer
	w := accesslog.New(&ours)
	ats := []time.Time{at, at.Add(time.Millisecond), at.Add(time.Second), at.Truncate(time.Second), at.Add(877 * time.Microsecond), at.Add(1), at.In(time.FixedZone("", -5400)), at, at.AddDate(1, 0, 0)}
	for _, at := range ats {
		l := w.Line(at, slog.LevelWarn, "request")
		for _, a := range attrs {
			switch a.Value.Kind() {
			case slog.KindInt64:
				l.Int(a.Key, a.Value.Int64())
			case slog.KindFloat64:
				l.Milliseconds(a.Key, times[a.Key[2]-'a'])
			default:
				l.String(a.Key, a.Value.String())
			}
		}
		l.End()
		r := slog.NewRecord(at, slog.LevelWarn, "request", 0)
		r.AddAttrs(attrs...)
		if err := slog.NewJSONHandler(&slogs, nil).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(b []byte) (all []map[string]any) {
		for line := range bytes.Lines(b) {
			var m map[string]any
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, m)
		}
		return all
	}
	if diff := cmp.Diff(read(slogs.Bytes()), read(ours.Bytes())); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(ours.String(), `{"time":"2037-11-28T12:00:00.123456Z","level":"WARN","msg":"request","request_id":"a-b.c","status":200,"bytes":1099511627776,"less":-7,`) {
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
			w.Line(at, slog.LevelInfo, "request").End()
		}
		time.Sleep(99 * time.Millisecond)
		to.mu.Lock()
		if len(to.writes) != 0 {
			t.Error("written too early")
		}
		to.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		check("after a tenth of a second", 10)
		w.Line(at, slog.LevelInfo, "request").End()
		_, _ = io.WriteString(w, "other\n")
		check("another message", 10, 1, 1)
		time.Sleep(time.Second)
		check("nothing is left", 10, 1, 1)
		w.Line(at, slog.LevelInfo, strings.Repeat("x", 40<<10)).End()
		check("a long line", 10, 1, 1, 1)
		time.Sleep(time.Second)
		w.Line(at, slog.LevelInfo, "request").End()
		to.err = errors.New("full")
		if err := w.Close(); !errors.Is(err, to.err) {
			t.Error(err)
		}
		check("the end", 10, 1, 1, 1, 1)
		w.Line(at, slog.LevelInfo, "late").End()
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
				l := w.Line(at, slog.LevelInfo, "request")
				l.Int("i", int64(i))
				l.String("original", strings.Repeat("a", 100))
				l.End()
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
	b.ReportAllocs()
	for b.Loop() {
		l := w.Line(time.Now(), slog.LevelInfo, "request")
		l.String("request_id", "0123456789abcdef0123456789abcdef")
		l.String("client", "192.0.2.7")
		l.String("method", "GET")
		l.Int("status", 200)
		l.Int("bytes", 22000)
		l.Milliseconds("ms", 321*time.Microsecond)
		for _, f := range [][2]string{{"endpoint", "transform"}, {"workspace", "acme"}, {"source", "photos"}, {"original", "photos/cat.jpg"}, {"options", "w=100,h=80,fit=cover"}, {"cache", "memory"}} {
			l.String(f[0], f[1])
		}
		l.End()
	}
}
