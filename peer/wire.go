package peer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tintype/tintype/cache"
)

// A question is a POST whose body is the key and what the caller wrote. An answer is a body of
// frames: any number of frameWorking, then one other, which has a length of four bytes after its
// kind, and so many bytes.
const (
	frameWorking  byte = iota // nothing follows
	frameMade                 // an entry as cache.EncodeHead and its body, made for this question
	frameFound                // an entry that there was
	frameError                // a failure as JSON
	frameDeclined             // why, as text
	frameBusy                 // why, as text
)

const mostText = 4 << 10 // bytes of an error

// headerOwner names the server that is asked. A process that was started again has another name, at
// the same address. It declines what is meant for the one before: it may itself be asking the other
// server for the same entry, and both would wait for each other. Between names there is an order,
// see [Fleet.Owner], so that no circle of questions can come about.
const headerOwner = "Tintype-Owner"

// A failure is an entry with a Code.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Keep    int64  `json:"keep_ms"` // for how long it may be kept; 0 is not at all
}

var errQuestion = errors.New("a question is a POST of a key and of what is asked")

// readQuestion reads a question.
func readQuestion(r *http.Request) (key cache.Key, question []byte, err error) {
	if r.Method != http.MethodPost || r.URL.Path != path || r.ContentLength < int64(len(key)) || r.ContentLength > int64(len(key))+mostQuestion {
		return key, nil, errQuestion
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return key, nil, errQuestion
	}
	return cache.Key(body[:len(key)]), body[len(key):], nil
}

// ask sends a question and reads the answer. It calls heard with every sign of the owner.
func (f *Fleet) ask(ctx context.Context, owner, address string, key cache.Key, question []byte, heard func()) (*cache.Entry, bool, error) {
	body := append(append(make([]byte, 0, len(key)+len(question)), key[:]...), question...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, bytes.NewReader(body))
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrGone, err)
	}
	req.Header["Idempotency-Key"] = nil // may be sent again where the other side has closed an idle connection
	req.Header.Set(headerOwner, owner)
	res, err := f.client.Do(req)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrGone, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusMisdirectedRequest {
		return nil, false, fmt.Errorf("%w: another process has taken its place", ErrGone)
	}
	if res.StatusCode != http.StatusOK {
		return nil, false, fmt.Errorf("%w: it answers %s", ErrDeclined, res.Status)
	}
	heard()
	return f.readAnswer(ctx, key, bufio.NewReader(res.Body), heard)
}

// readAnswer reads the frames of an answer.
func (f *Fleet) readAnswer(ctx context.Context, key cache.Key, r *bufio.Reader, heard func()) (*cache.Entry, bool, error) {
	kind, err := r.ReadByte()
	for err == nil && kind == frameWorking {
		heard()
		kind, err = r.ReadByte()
	}
	var length [4]byte
	if err == nil {
		_, err = io.ReadFull(r, length[:])
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrGone, err)
	}
	size := int64(binary.BigEndian.Uint32(length[:]))
	isEntry := kind == frameMade || kind == frameFound
	if most := int64(mostText); size > most && !(isEntry && size <= mostEntry) {
		return nil, false, fmt.Errorf("%w: its answer is too long", ErrDeclined)
	}
	if isEntry && size >= reserveFrom && f.reserve != nil {
		release, ok := f.reserve(ctx, size)
		if !ok {
			return nil, false, cache.ErrNoRoom
		}
		defer release()
	}
	body := make([]byte, size)
	for n := 0; n < len(body); {
		m, err := r.Read(body[n:])
		if n += m; err != nil && n < len(body) {
			return nil, false, fmt.Errorf("%w: %w", ErrGone, err)
		}
		heard()
	}
	return decodeAnswer(kind, body, key)
}

// decodeAnswer reads the last frame of an answer.
func decodeAnswer(kind byte, body []byte, key cache.Key) (*cache.Entry, bool, error) {
	switch kind {
	case frameMade, frameFound:
		e, err := cache.Decode(body, key)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrDeclined, err)
		}
		e.Elsewhere = true
		return e, kind == frameMade, nil
	case frameError:
		var failed failure
		if err := json.Unmarshal(body, &failed); err != nil || failed.Code == "" {
			return nil, false, fmt.Errorf("%w: its error can't be read", ErrDeclined)
		}
		now := time.Now()
		keep := min(max(time.Duration(failed.Keep)*time.Millisecond, 0), time.Minute)
		return &cache.Entry{Code: failed.Code, Message: failed.Message, StoredAt: now, ExpiresAt: now.Add(keep), Elsewhere: true}, false, nil
	case frameBusy:
		return nil, false, ErrBusy
	}
	return nil, false, fmt.Errorf("%w: %q", ErrDeclined, body)
}
