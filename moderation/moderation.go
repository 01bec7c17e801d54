// Package moderation asks a service of the operator's whether an upload may be stored.
//
// For most uses, make a [Webhook] and call its Ask for each upload.
package moderation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// askFor is how long an answer may take.
const askFor = 10 * time.Second

const (
	maxAnswer = 64 << 10 // bytes
	maxReason = 200      // bytes of a reason that is passed on
)

// An Upload describes an image that is about to be stored.
type Upload struct {
	Workspace   string `json:"workspace"`
	Source      string `json:"source"`
	Path        string `json:"path"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	ContentType string `json:"content_type"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Preview     string `json:"preview"` // data: URI of the image, 512 pixels at most on its longer side
}

// An Answer is what the service says of an upload.
type Answer struct {
	Allowed bool
	Reason  string // for the person who uploads; may be empty
}

// A Webhook posts uploads as JSON. It follows no redirects, since the token is for one host.
// It is safe for concurrent use.
type Webhook struct {
	URL       string
	Token     func() string     // sent as Authorization: Bearer; nil, or an empty text, sends no header
	Transport http.RoundTripper // must check addresses
}

// Ask asks about an upload. The error says that there was no answer: the receiver can't be
// reached within ten seconds, its status isn't 200, or its body isn't {"allowed": true or
// false}.
func (w *Webhook) Ask(ctx context.Context, u Upload) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	data, err := json.Marshal(u)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(data))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Tintype")
	if w.Token != nil {
		if token := w.Token(); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	res, err := w.Transport.RoundTrip(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Answer{}, err
	}
	if res.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("the webhook answered %s", res.Status)
	}
	var said struct {
		Allowed *bool  `json:"allowed"`
		Reason  string `json:"reason"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Allowed == nil {
		return Answer{}, errors.New(`the webhook's answer has no "allowed"`)
	}
	return Answer{*said.Allowed, plain(said.Reason)}, nil
}

// plain returns a text without control characters, cut to maxReason.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return strings.TrimSpace(s)
}
