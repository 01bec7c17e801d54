package meter

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

const (
	sendTimeout  = 30 * time.Second
	firstBackoff = time.Minute
	maxBackoff   = 30 * time.Minute
	mostBatches  = 10_000 // that are counted
)

// A backoff says when a receiver that failed is asked again.
type backoff struct {
	until    time.Time
	wait     time.Duration
	reported time.Time
}

func (b *backoff) fail(now time.Time) {
	b.wait = min(max(2*b.wait, firstBackoff), maxBackoff)
	b.until = now.Add(b.wait)
}

// deliver sends what is in the journal for a receiver, the oldest first, until it fails. The
// error is the store's.
func (m *Meter) deliver(ctx context.Context, s Sink) error {
	wait, start := m.retry[s.Name()], m.Now()
	if start.Before(wait.until) {
		return nil
	}
	for after := ""; m.Now().Sub(start) < lookFor; {
		list, err := m.Records.Records(ctx, queueGroup+s.Name(), after, page)
		if err != nil {
			return err
		}
		if after == "" && len(list) == 0 {
			m.metrics.empty(s.Name())
			wait.wait = 0
			return nil
		}
		for _, r := range list {
			after = r.Name
			ok, err := m.sendBatch(ctx, s, r)
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			if !ok {
				wait.fail(m.Now())
				return m.countBacklog(ctx, s)
			}
		}
		if mine, err := m.lease.Take(ctx); !mine || err != nil {
			return err
		}
		if len(list) < page {
			wait.wait = 0
			return m.countBacklog(ctx, s)
		}
	}
	return m.countBacklog(ctx, s)
}

// sendBatch sends the events of a record of the journal. It reports whether the receiver has
// answered for all of them, so that the next batch may be sent. The error is the store's.
func (m *Meter) sendBatch(ctx context.Context, s Sink, r account.Record) (ok bool, err error) {
	var b batch
	if err := json.Unmarshal(r.Data, &b); err != nil {
		return false, err
	}
	forgetful, forgets := s.(Forgetful)
	for len(b.Events) > 0 {
		e := b.Events[0]
		if forgets {
			switch {
			case b.Tried.IsZero():
				b.Tried = m.Now().UTC()
				if r, err = m.put(ctx, r, b); err != nil {
					return stale(err)
				}
			case m.Now().Sub(b.Tried) > forgetful.Remembers():
				if r, b, err = m.report(ctx, s, r, b, errUnknown); err != nil {
					return stale(err)
				}
				continue
			}
		}
		within, cancel := context.WithTimeout(ctx, sendTimeout)
		sent := s.Send(within, e)
		cancel()
		refusal, answered := errors.AsType[*Refusal](sent)
		switch {
		case sent == nil, errors.Is(sent, ErrSkip):
			m.metrics.sent(s.Name(), sent)
		case answered && refusal.Event:
			if r, b, err = m.report(ctx, s, r, b, sent); err != nil {
				return stale(err)
			}
			continue
		default:
			m.metrics.failed(s.Name())
			m.complain(s, sent)
			if answered && !b.Tried.IsZero() { // it hasn't taken it, for sure
				b.Tried = time.Time{}
				if _, err = m.put(ctx, r, b); err != nil {
					return stale(err)
				}
			}
			return false, nil
		}
		b.Events, b.Tried = b.Events[1:], time.Time{}
		if len(b.Events) > 0 && forgets { // others drop what is sent again
			if r, err = m.put(ctx, r, b); err != nil {
				return stale(err)
			}
		}
	}
	err = m.Records.WriteRecords(ctx, []account.Write{{Record: r, Delete: true}})
	if err != nil {
		return stale(err)
	}
	return true, nil
}

// errUnknown is why an event is reported that a forgetful receiver may have.
var errUnknown = errors.New("nobody knows whether the receiver has it, and it may not recognise it any more: look there, and bill it by hand if it isn't there")

// stale is the error of a write, where another server has not done the same.
func stale(err error) (bool, error) {
	if errors.Is(err, workspace.ErrConflict) {
		return true, nil
	}
	return false, err
}

// put writes a batch again.
func (m *Meter) put(ctx context.Context, r account.Record, b batch) (account.Record, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return r, err
	}
	r.Data = data
	err = m.Records.WriteRecords(ctx, []account.Write{{Record: r}})
	r.Version++
	return r, err
}

// report takes the first event out of a batch, keeps it among those that failed, and says so in
// the log.
func (m *Meter) report(ctx context.Context, s Sink, r account.Record, b batch, why error) (account.Record, batch, error) {
	e := b.Events[0]
	failed, err := json.Marshal(struct {
		Event Event  `json:"event"`
		Why   string `json:"why"`
	}{e, why.Error()})
	if err != nil {
		return r, b, err
	}
	b.Events, b.Tried = b.Events[1:], time.Time{}
	if r.Data, err = json.Marshal(b); err != nil {
		return r, b, err
	}
	err = m.Records.WriteRecords(ctx, []account.Write{
		{Record: r},
		{Record: account.Record{Group: failGroup + s.Name(), Name: e.ID, Data: failed, Expires: m.Now().Add(workspace.UsageKept)}},
	})
	if err != nil {
		return r, b, err
	}
	r.Version++
	m.metrics.reported(s.Name())
	m.Log.Error("usage was not billed", "sink", s.Name(), "err", why, "event", e.ID, "workspace", e.Data.Workspace, "operation", e.Data.Operation, "day", e.Data.Day, "units", e.Data.Units.String())
	return r, b, nil
}

// complain logs that a receiver fails, once an hour.
func (m *Meter) complain(s Sink, err error) {
	b, now := m.retry[s.Name()], m.Now()
	if b.reported.IsZero() || now.Sub(b.reported) >= reportOnce {
		b.reported = now
		m.Log.Error("usage can't be sent to who bills it; trying again, and nothing is lost", "sink", s.Name(), "err", err)
	}
}

// countBacklog says in the metrics what the journal has for a receiver.
func (m *Meter) countBacklog(ctx context.Context, s Sink) error {
	var events int
	var oldest time.Time
	after := ""
	for n := 0; n < mostBatches; {
		list, err := m.Records.Records(ctx, queueGroup+s.Name(), after, page)
		if err != nil {
			return err
		}
		for _, r := range list {
			var b batch
			if err := json.Unmarshal(r.Data, &b); err != nil {
				return err
			}
			if oldest.IsZero() && len(b.Events) > 0 {
				oldest = b.Events[0].Time
			}
			events += len(b.Events)
			after = r.Name
		}
		if n += len(list); len(list) < page {
			break
		}
	}
	m.metrics.backlog(s.Name(), events, oldest)
	return nil
}
