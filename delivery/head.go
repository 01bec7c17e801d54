package delivery

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A head has the header fields of an answer until they are sent. The one of net/http grows anew
// for each answer, and is copied, sorted and written piece by piece: a tenth of a hit. This one is
// used again, and is written at once where the connection takes that ([Response.Plain]).
type head struct {
	fields http.Header
	lines  []byte
}

var heads = sync.Pool{New: func() any { return &head{make(http.Header, len(headLines)+2), make([]byte, 0, 2<<10)} }}

// headLines are the fields that we write ourselves, in this order. All others are left to
// net/http, which goes by some of them: Connection, Content-Length, Trailer and Transfer-Encoding
// must not be here. Date is ours too, see dateLine.
var headLines = [...]string{
	"Content-Type", "Cache-Control", "Cdn-Cache-Control", "Etag", "Vary", "Accept-Ranges", "Content-Range", "Content-Disposition",
	"Cache-Status", "Cache-Tag", "Surrogate-Key", "Server-Timing", "Tintype-Ignored", "Tintype-Quality", "X-Request-Id", "X-Content-Type-Options",
	"Content-Security-Policy", "Cross-Origin-Resource-Policy", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
}

// headNames are their names as they are sent, with the colon.
var headNames = func() (names [len(headLines)]string) {
	for i, name := range headLines {
		names[i] = name + ": "
	}
	return names
}()

// beginHead begins the header of an answer, with what it has already. Call endHead or dropHead at
// the end.
func (w *Response) beginHead() {
	if !w.Plain || w.Status != 0 {
		return
	}
	h := heads.Get().(*head)
	had := w.ResponseWriter.Header()
	for name, values := range had {
		h.fields[name] = values
	}
	clear(had)
	w.head = h
}

// endHead hands the header over, when an answer of a status begins.
func (w *Response) endHead(status int) {
	h := w.head
	if h == nil {
		return
	}
	if types := h.fields["Content-Type"]; len(types) > 0 {
		w.contentType = types[0]
	}
	typed := w.contentType != "" && status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
	ours := h.write(typed)
	if ours.n == 0 {
		w.dropHead()
		return
	}
	h.lines = append(h.lines, dateLine()...)
	if !w.Conn.(Gatherer).Head(h.lines) {
		w.dropHead()
		return
	}
	length, counted := h.fields["Content-Length"]
	if counted && ours.n+1 == len(h.fields) { // as for each image
		clear(h.fields)
		h.fields["Content-Length"] = length
	} else {
		for i, name := range headLines {
			if ours.lines[i] {
				delete(h.fields, name)
			}
		}
	}
	h.fields["Date"] = nil // so that net/http doesn't write one
	if typed {
		h.fields["Content-Type"] = nil // so that net/http doesn't look for one
	}
	w.dropHead()
}

// dated is the line Date of the answers of a second.
type dated struct {
	second int64
	line   []byte
}

var lastDated atomic.Pointer[dated]

// dateLine is the line Date of an answer that begins now.
func dateLine() []byte {
	now := time.Now()
	d := lastDated.Load()
	if d == nil || d.second != now.Unix() {
		d = &dated{now.Unix(), now.UTC().AppendFormat(nil, "Date: "+http.TimeFormat+"\r\n")}
		lastDated.Store(d)
	}
	return d.line
}

// dropHead hands the header over as it is.
func (w *Response) dropHead() {
	h := w.head
	if h == nil {
		return
	}
	w.head = nil
	to := w.ResponseWriter.Header()
	for name, values := range h.fields {
		to[name] = values
	}
	clear(h.fields)
	heads.Put(h)
}

// written are the fields that have lines of ours, and how many these are.
type written struct {
	lines [len(headLines)]bool
	n     int
}

// write writes lines of the fields that are ours. Content-Type is one where typed is set; else
// net/http knows which answers have none.
func (h *head) write(typed bool) (ours written) {
	b := h.lines[:0]
	for i, name := range headLines {
		values, ok := h.fields[name]
		if !ok || i == 0 && !typed || !plainValues(values) {
			continue
		}
		ours.lines[i] = true
		ours.n++
		for _, v := range values {
			b = append(append(append(b, headNames[i]...), v...), "\r\n"...)
		}
	}
	h.lines = b
	return ours
}

// plainValues reports whether values are sent as they are. net/http mends others: line breaks
// in a value would begin another field.
func plainValues(values []string) bool {
	for _, v := range values {
		for i := range len(v) {
			if v[i] < ' ' {
				return false
			}
		}
		if v != "" && (v[0] == ' ' || v[len(v)-1] == ' ') {
			return false
		}
	}
	return true
}
