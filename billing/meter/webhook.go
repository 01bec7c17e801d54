package meter

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tintype/tintype/webhook"
)

// A Webhook posts each event to a URL, signed as Standard Webhooks says. The receiver drops
// repeats by the header webhook-id, which is the event's ID. It has an event once it has
// answered 2xx. No other answer is final: what is sent is what somebody owes.
type Webhook struct {
	Sender *webhook.Sender
	Key    func() []byte    // returns the key of the moment, instead of the Sender's; nil has the Sender's
	Now    func() time.Time // nil is time.Now
}

var _ Sink = (*Webhook)(nil)

// Name implements [Sink].
func (w *Webhook) Name() string { return "webhook" }

// Send implements [Sink].
func (w *Webhook) Send(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	sender := *w.Sender
	if w.Key != nil {
		sender.Key = w.Key()
	}
	err = sender.Send(ctx, e.ID, now(), body)
	if errors.Is(err, webhook.ErrGone) {
		return &Refusal{Err: errors.New("the webhook answered 410 Gone, so it takes no more usage: give another --billing-webhook, or make this one answer again")}
	}
	if _, answered := errors.AsType[webhook.StatusError](err); answered {
		return &Refusal{Err: err}
	}
	return err
}
