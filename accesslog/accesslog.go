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

	// The second of the last line, as text without and with what follows its fraction.
	second     int64
	in         *time.Location
	upTo, zone []byte
	err        error // of the last write
}

// New returns a Writer to w.
func New(w io.Writer) *Writer { return &Writer{to: w, waiting: make([]byte, 0, most+4<<10)} }

// A Line is one that is being written. It holds up all others until its End.
type Line struct{ of *Writer }

// Line begins a line as slog.JSONHandler does. Add its fields, and call End.
func (w *Writer) Line(at time.Time, level slog.Level, message string) Line {
	w.mu.Lock()
	b := append(w.waiting, `{"time":"`...)
	b = w.appendTime(b, at)
	b = append(append(append(b, `","level":"`...), level.String()...), `","msg":`...)
	w.waiting = appendString(b, message)
	return Line{w}
}

// String adds a field. The key is plain ASCII without quotes.
func (l Line) String(key, value string) {
	l.of.waiting = appendString(appendKey(l.of.waiting, key), value)
}

// Int adds a number.
func (l Line) Int(key string, value int64) {
	l.of.waiting = strconv.AppendInt(appendKey(l.of.waiting, key), value, 10)
}

// Milliseconds adds a time as a number with up to three decimals.
func (l Line) Milliseconds(key string, value time.Duration) {
	l.of.waiting = appendMilliseconds(appendKey(l.of.waiting, key), value)
}

// End ends the line.
func (l Line) End() {
	w := l.of
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, '}', '\n')
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

// appendTime appends a time as RFC 3339 has it, to the nanosecond. The second is written once
// for all lines of it. The caller holds mu.
func (w *Writer) appendTime(b []byte, at time.Time) []byte {
	if second := at.Unix(); second != w.second || w.upTo == nil || at.Location() != w.in {
		w.second, w.in = second, at.Location()
		w.upTo = at.AppendFormat(w.upTo[:0], "2006-01-02T15:04:05")
		w.zone = at.AppendFormat(w.zone[:0], "Z07:00")
	}
	b = append(b, w.upTo...)
	if nano := at.Nanosecond(); nano > 0 {
		b = appendDecimals(append(b, '.'), nano, 9)
	}
	return append(b, w.zone...)
}

func appendMilliseconds(b []byte, d time.Duration) []byte {
	micro := d.Microseconds()
	b = strconv.AppendInt(b, micro/1000, 10)
	if rest := int(micro % 1000); rest > 0 {
		b = appendDecimals(append(b, '.'), rest, 3)
	}
	return b
}

// appendDecimals appends the digits of n behind a point, of which there are at most size, without
// zeros at their end. n isn't 0.
func appendDecimals(b []byte, n, size int) []byte {
	for n%10 == 0 {
		n /= 10
		size--
	}
	var digits [9]byte
	for i := size - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, digits[:size]...)
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

func appendKey(b []byte, key string) []byte {
	return append(append(append(b, ',', '"'), key...), '"', ':')
}

// plain has the bytes that stand for themselves in a string of JSON.
var plain = func() (is [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// appendString appends s as JSON. What isn't plain ASCII is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // strings always marshal
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
