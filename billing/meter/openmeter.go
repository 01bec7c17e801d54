package meter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// An OpenMeter posts each event to the API of OpenMeter (POST /api/v1/events). Its meter sums
// up $.units of events of our type; the subject is the workspace's ID. It drops repeats by the
// event's ID and source.
type OpenMeter struct {
	URL       string            // such as https://openmeter.cloud
	Key       func() string     // returns what is sent as Authorization: Bearer; empty sends none, as for a server of one's own
	Transport http.RoundTripper // must check addresses
}

var _ Sink = (*OpenMeter)(nil)

// Name implements [Sink].
func (o *OpenMeter) Name() string { return "openmeter" }

// Send implements [Sink].
func (o *OpenMeter) Send(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(o.URL, "/")+"/api/v1/events", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	req.Header.Set("User-Agent", "Tintype")
	if key := o.Key(); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := o.Transport.RoundTrip(req) // follows no redirect, since the key is for one host
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return &Refusal{Err: fmt.Errorf("OpenMeter answered %s: check TINTYPE_OPENMETER_KEY", res.Status)}
	}
	return &Refusal{Err: fmt.Errorf("OpenMeter answered %s", res.Status)}
}
