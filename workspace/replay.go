package workspace

import (
	"context"
	"encoding/json"
	"time"
)

const (
	// AnswerKept is how long the answer to a request is kept for the same request
	// sent again.
	AnswerKept = 24 * time.Hour

	// AnswerDue is how long a request that was begun holds its key before another
	// may begin it anew: its server may have died.
	AnswerDue = time.Minute

	// MaxAnswer is how many bytes the body of an answer may have to be kept.
	MaxAnswer = 256 << 10
)

// An Answer is what was answered to a request that carried an Idempotency-Key. It is
// encrypted where it is stored, since it may hold a secret that is shown once.
type Answer struct {
	Fingerprint string            `json:"-"` // of the request: the same key with another is a mistake
	Done        bool              `json:"-"` // false while the first request is being worked on
	Status      int               `json:"status"`
	Header      map[string]string `json:"header,omitempty"`
	Body        []byte            `json:"body,omitempty"` // at most MaxAnswer bytes
}

// Replays remembers answers by key, so that a request which is sent again is not done
// again. A key is the caller's to make: it should hold who sent the request. It is
// safe for concurrent use. Errors wrap this package's, or are the context's.
type Replays interface {
	// BeginReplay takes the key for the caller to answer, and returns nil; or it
	// returns what another request with this key has come to.
	BeginReplay(ctx context.Context, key, fingerprint string) (prior *Answer, err error)
	// FinishReplay keeps the answer to a request that was begun, for AnswerKept.
	FinishReplay(ctx context.Context, key string, a Answer) error
	// ForgetReplay gives the key back, since the request failed and may be sent
	// again.
	ForgetReplay(ctx context.Context, key string) error
}

// SealAnswer writes an answer as stores keep it: encrypted, and bound to its key.
func (c *Codec) SealAnswer(key string, a Answer) (string, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	return c.encrypt("", "answers/"+key, string(data)), nil
}

// OpenAnswer reads what SealAnswer wrote.
func (c *Codec) OpenAnswer(key, sealed string) (a Answer, err error) {
	text, err := c.decrypt("", "answers/"+key, sealed)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(text), &a)
}
