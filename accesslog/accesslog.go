// Package accesslog writes the log's lines about requests. There is one for each image, so they
// are made without reflection, and many of them are written at once.
//
// For most uses, call [New], give the [Writer] to a slog.JSONHandler as its output, and call
// [Writer.Line] for each request. Lines come out in the order in which they went in, those of
// other messages too.
package accesslog

import (
	"encoding/json"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	most  = 32 << 10               // bytes that wait
	delay = 100 * time.Millisecond // how long they may wait
)

// A Writer writes lines of JSON to another writer. Lines about requests wait up to a tenth of a
// second for others, or until there are 32 KiB; a process that is killed loses those. It is safe
// for concurrent use. Close it at the end.
type Writer struct {
	to io.Writer

	mu      sync.Mutex // guards all fields below
	waiting []byte
	later   *time.Timer // writes what waits; nil before the first line
	set     bool        // whether it runs
	closed  bool
	err     error // of the last write
}

// New returns a Writer to w.
func New(w io.Writer) *Writer { return &Writer{to: w, waiting: make([]byte, 0, most+4<<10)} }

// Line writes a line as slog.JSONHandler does. Values may be strings, booleans and numbers.
func (w *Writer) Line(at time.Time, level slog.Level, message string, attrs []slog.Attr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := append(w.waiting, `{"time":"`...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	b = append(append(append(b, `","level":"`...), level.String()...), `","msg":`...)
	b = appendString(b, message)
	for _, a := range attrs {
		b = append(appendString(append(b, ','), a.Key), ':')
		b = appendValue(b, a.Value)
	}
	w.waiting = append(b, '}', '\n')
	switch {
	case len(w.waiting) >= most || w.closed:
		w.flush()
	case w.later == nil:
		w.later, w.set = time.AfterFunc(delay, w.flushLater), true
	case !w.set:
		w.later.Reset(delay)
		w.set = true
	}
}

// Write implements io.Writer, for messages that must not wait.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	return w.to.Write(p)
}

// Close writes what waits. Lines that come later are written at once. The error is that of the
// last write.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.flush()
	return w.err
}

func (w *Writer) flushLater() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set = false
	w.flush()
}

// flush writes what waits. The caller holds mu.
func (w *Writer) flush() {
	if len(w.waiting) == 0 {
		return
	}
	_, w.err = w.to.Write(w.waiting)
	w.waiting = w.waiting[:0]
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindFloat64:
		return strconv.AppendFloat(b, v.Float64(), 'f', -1, 64)
	}
	return appendString(b, v.String())
}

// appendString appends s as JSON. What isn't plain ASCII is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf || c == 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // strings always marshal
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
