package peer

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/tintype/tintype/cache"
)

// A Filled is what a [Fill] returns.
type Filled struct {
	Entry *cache.Entry
	Made  bool // it was made for this question
	// Release is called once the entry is sent. Nil is nothing to do.
	Release func()
}

// A Fill finds or makes an entry for another server. An entry with a Code is an error that the
// other would meet too. After an error, [ErrBusy] or another one, the other makes it itself. The
// context ends when the other doesn't wait any more.
type Fill func(ctx context.Context, key cache.Key, question []byte) (Filled, error)

// Handler answers the questions of other servers. Serve it with [Fleet.TLS] only.
func (f *Fleet) Handler(fill Fill) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || f.identity.verify(*r.TLS) != nil {
			http.Error(w, errStranger.Error(), http.StatusForbidden)
			return
		}
		if owner := r.Header.Get(headerOwner); owner != "" && owner != f.self { // earlier versions name none
			http.Error(w, "this is another process", http.StatusMisdirectedRequest)
			return
		}
		key, question, err := readQuestion(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header()["Content-Type"] = []string{"application/octet-stream"}
		a := answer{w: w, control: http.NewResponseController(w), patience: f.patience}
		select {
		case f.answers <- struct{}{}:
			defer func() { <-f.answers }()
		default:
			f.metrics.answers.WithLabelValues("busy").Inc()
			a.text(frameBusy, "too many questions")
			return
		}
		f.metrics.answers.WithLabelValues(a.whole(r.Context(), key, func(ctx context.Context) (Filled, error) { return fill(ctx, key, question) })).Inc()
	})
}

// An answer is one that is being written.
type answer struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// whole writes that this server is at work until it has the entry, and then the entry. The result
// is a word for the metric.
func (a answer) whole(ctx context.Context, key cache.Key, fill func(context.Context) (Filled, error)) (result string) {
	type filled struct {
		Filled
		err error
	}
	done := make(chan filled, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- filled{err: &cache.PanicError{Value: p, Stack: debug.Stack()}}
			}
		}()
		found, err := fill(ctx)
		done <- filled{found, err}
	}()
	beat := time.NewTicker(a.patience / beats)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			a.write([]byte{frameWorking})
		case f := <-done:
			if f.Release != nil {
				defer f.Release()
			}
			return a.end(key, f.Filled, f.err)
		}
	}
}

// end writes the last frame.
func (a answer) end(key cache.Key, f Filled, err error) (result string) {
	switch {
	case errors.Is(err, ErrBusy):
		a.text(frameBusy, err.Error())
		return "busy"
	case err != nil:
		a.text(frameDeclined, fmt.Sprintf("%.200s", err.Error()))
		return "declined"
	case f.Entry.Code != "":
		b, err := json.Marshal(failure{f.Entry.Code, f.Entry.Message, max(time.Until(f.Entry.ExpiresAt).Milliseconds(), 0)})
		if err != nil || len(b) > mostText {
			a.text(frameDeclined, "the error can't be told")
			return "declined"
		}
		a.text(frameError, string(b))
		return "error"
	}
	head, err := cache.EncodeHead(key, f.Entry)
	if err != nil || len(head)+len(f.Entry.Body) > mostEntry {
		a.text(frameDeclined, "the entry can't be sent")
		return "declined"
	}
	kind, result := frameFound, "found"
	if f.Made {
		kind, result = frameMade, "made"
	}
	a.write(frameHead(kind, len(head)+len(f.Entry.Body)), head, f.Entry.Body)
	return result
}

func (a answer) text(kind byte, text string) { a.write(frameHead(kind, len(text)), []byte(text)) }

func frameHead(kind byte, length int) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, uint32(length))
}

// chunk is how much of a body has to be taken within patience.
const chunk = 256 << 10

// write sends bytes at once. Who doesn't take them in time gets no more.
func (a answer) write(parts ...[]byte) {
	for _, part := range parts {
		for len(part) > 0 {
			n := min(len(part), chunk)
			_ = a.control.SetWriteDeadline(time.Now().Add(2 * a.patience))
			if _, err := a.w.Write(part[:n]); err != nil {
				return
			}
			part = part[n:]
		}
	}
	_ = a.control.Flush()
}
