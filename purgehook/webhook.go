package purgehook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// A Webhook posts messages as JSON. Every answer but 2xx is a failure. Redirects aren't
// followed, since the token is for one host.
type Webhook struct {
	URL       string
	Token     func() string // sent as Authorization: Bearer; nil, or an empty text, sends no header
	Transport http.RoundTripper
}

var _ Sender = (*Webhook)(nil)

// Send implements [Sender].
func (w *Webhook) Send(ctx context.Context, m Message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(data))
	if err != nil {
		return err
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
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answered %s", res.Status)
	}
	return nil
}
