// Package webhook sends signed webhooks, as Standard Webhooks describes them
// (https://www.standardwebhooks.com). Any of its libraries verifies them.
//
// For most uses, call [NewSecret] once for each receiver, and [Sender.Send] for each message.
// A message that is sent again keeps its ID, by which receivers drop repeats.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrGone says that the receiver answered 410: it wants no more messages.
var ErrGone = errors.New("the webhook answered 410 Gone")

// A StatusError is an answer that isn't 2xx.
type StatusError int

// Error implements error.
func (e StatusError) Error() string {
	text := fmt.Sprintf("the webhook answered %d %s", int(e), http.StatusText(int(e)))
	if e >= 300 && e < 400 {
		text += ": redirects are not followed, so give the URL that it leads to"
	}
	return strings.TrimSpace(text)
}

// secretPrefix begins a secret; the rest is base64.
const secretPrefix = "whsec_"

// NewSecret returns a random secret, whsec_ and the base64 of 24 bytes.
func NewSecret() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // it never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// ParseSecret returns the key of a secret: whsec_ and the base64 of 24 to 64 bytes.
func ParseSecret(secret string) ([]byte, error) {
	rest, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a webhook's secret is whsec_ and the base64 of 24 to 64 bytes")
	}
	return key, nil
}

// Sign returns the value of the header webhook-signature for a message.
func Sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// A Sender posts messages to one URL. It follows no redirects. It is safe for concurrent use.
type Sender struct {
	URL       string
	Key       []byte            // of ParseSecret; nil sends no signature
	Transport http.RoundTripper // must check addresses
}

// maxAnswer is how much of an answer is read, so that the connection can be used again.
const maxAnswer = 64 << 10

// Send posts a JSON document. at is the time of this try, not of what the message tells. Every
// answer but 2xx is an error: ErrGone or a StatusError. The caller bounds the time by ctx.
func (s *Sender) Send(ctx context.Context, id string, at time.Time, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Tintype")
	if s.Key != nil {
		req.Header.Set("webhook-id", id)
		req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		req.Header.Set("webhook-signature", Sign(s.Key, id, at, body))
	}
	res, err := s.Transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode == http.StatusGone:
		return ErrGone
	case res.StatusCode/100 != 2:
		return StatusError(res.StatusCode)
	}
	return nil
}
