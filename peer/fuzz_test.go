package peer

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"testing"

	"github.com/tintype/tintype/cache"
)

// FuzzQuestion: whatever another server sends as a question is read whole or refused.
func FuzzQuestion(f *testing.F) {
	f.Add("POST", path, []byte("12345678901234567890123456789012{}"), int64(34))
	f.Add("GET", path, []byte{}, int64(0))
	f.Add("POST", "/", bytes.Repeat([]byte{0}, 32), int64(-1))
	f.Fuzz(func(t *testing.T, method, at string, body []byte, length int64) {
		r := &http.Request{Method: method, URL: &url.URL{Path: at}, Body: http.NoBody, ContentLength: length}
		r.Body = readCloser{bytes.NewReader(body)}
		key, question, err := readQuestion(r)
		if err != nil {
			return
		}
		if method != "POST" || at != path || length > int64(len(body)) || !bytes.Equal(append(key[:], question...), body[:length]) {
			t.Errorf("%s %s %d: %x, %q", method, at, length, key, question)
		}
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// FuzzAnswer: whatever another server sends as an answer is an entry under the key, or an error.
func FuzzAnswer(f *testing.F) {
	key := cache.Key{1}
	e := &cache.Entry{Body: []byte("body"), ContentType: "image/webp"}
	head, err := cache.EncodeHead(key, e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(append([]byte{0, 0}, frameHead(frameMade, len(head)+len(e.Body))...), append(head, e.Body...)...))
	f.Add(append(frameHead(frameError, 40), `{"code":"NOT_FOUND","message":"m","keep_ms":9}`...))
	f.Add(frameHead(frameFound, 1<<30))
	f.Add(frameHead(frameBusy, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		fleet := &Fleet{}
		e, made, err := fleet.readAnswer(t.Context(), key, bufio.NewReader(bytes.NewReader(b)), func() {})
		if (e == nil) != (err != nil) || made && (err != nil || e.Code != "") {
			t.Errorf("%+v, %v, %v", e, made, err)
		}
	})
}
