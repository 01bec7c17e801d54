package workspace

import (
	"context"
	"encoding/json"
	"time"
)

const (
	// AnswerKept is how long the answer to a request is kept for repeats.
	AnswerKept = 24 * time.Hour

	// AnswerDue is how long a request in progress holds its key. After that a repeat is
	// processed anew, since the first server may have died.
	AnswerDue = time.Minute

	// MaxAnswer is the maximum size of an answer's body to be kept, in bytes.
	MaxAnswer = 256 << 10
)

// An Answer is the answer to a request with an Idempotency-Key. Stores encrypt it, since it
// may contain a secret that is shown once.
type Answer struct {
	Fingerprint string            `json:"-"` // of the request: the same key with another fingerprint is a client's mistake
	Done        bool              `json:"-"` // false while the first request is in progress
	Status      int               `json:"status"`
	Header      map[string]string `json:"header,omitempty"`
	Body        []byte            `json:"body,omitempty"` // at most MaxAnswer bytes
}

// Replays remembers answers by key, so that a repeated request is not processed twice. The
// caller makes the key. The key should include who sent the request. It is safe for
// concurrent use. Errors wrap this package's, or are the context's.
type Replays interface {
	// BeginReplay reserves the key and returns nil if it is free. Otherwise it returns the
	// answer to the earlier request with this key, or a pending answer.
	BeginReplay(ctx context.Context, key, fingerprint string) (prior *Answer, err error)
	// FinishReplay keeps the answer to a request for AnswerKept.
	FinishReplay(ctx context.Context, key string, a Answer) error
	// ForgetReplay frees the key after the request failed, so that it can be sent again.
	ForgetReplay(ctx context.Context, key string) error
}

// SealAnswer encodes an answer for a store: encrypted, and bound to its key.
func (c *Codec) SealAnswer(key string, a Answer) (string, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	return c.Seal("", "answers/"+key, string(data)), nil
}

// OpenAnswer reads the output of SealAnswer.
func (c *Codec) OpenAnswer(key, sealed string) (a Answer, err error) {
	text, err := c.Open("", "answers/"+key, sealed)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(text), &a)
}
