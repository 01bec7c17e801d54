package meter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

const (
	page   = 100 // records or workspaces of one call
	atOnce = 8   // workspaces that are looked at
	tries  = 5   // of writing the events of a workspace, where another server writes them too
)

// A cursor says up to which hour events were made.
type cursor struct {
	Hour time.Time `json:"hour"`
}

// sums are the units of a workspace that are in events.
type sums struct {
	Workspace string                                `json:"workspace"` // namespace
	Days      map[string]map[string]workspace.Units `json:"days"`      // by day and operation
}

// A batch is an entry of the journal: events for one receiver.
type batch struct {
	Events []Event `json:"events"`
	// Tried is when the first of the events was first sent, where nobody knows whether it was
	// taken.
	Tried time.Time `json:"tried,omitzero"`
}

// makeEvents makes the events of the last hour, once it is over, and of all hours before in
// which nobody did.
func (m *Meter) makeEvents(ctx context.Context) error {
	now := m.Now().UTC()
	hour := now.Truncate(time.Hour)
	if now.Sub(hour) < settle {
		return nil
	}
	r, err := m.Records.Record(ctx, cursorGroup, cursorName)
	first := errors.Is(err, workspace.ErrNotFound)
	if first {
		r = account.Record{Group: cursorGroup, Name: cursorName}
	} else if err != nil {
		return err
	}
	var done cursor
	if !first {
		if err := json.Unmarshal(r.Data, &done); err != nil {
			return err
		}
		if ahead := done.Hour.Sub(now); ahead > time.Hour {
			return fmt.Errorf("events were made until %s, which is yet to come: the clock of a server was ahead; they go on after that time, and nothing is lost", done.Hour.Format(time.RFC3339))
		}
		if !done.Hour.Before(hour) {
			return nil
		}
	}
	w := work{Meter: m, hour: hour, first: first, now: now}
	// A server whose clock is off, or that was away from the store, counts for the day before or
	// the next one.
	since := hour
	if !first && done.Hour.Before(hour) {
		since = done.Hour
	}
	w.from, w.to = since.AddDate(0, 0, -1).Format(time.DateOnly), hour.AddDate(0, 0, 1).Format(time.DateOnly)
	if err := w.all(ctx); err != nil {
		return err
	}
	if r.Data, err = json.Marshal(cursor{hour}); err != nil {
		return err
	}
	err = m.Records.WriteRecords(ctx, []account.Write{{Record: r}})
	if errors.Is(err, workspace.ErrConflict) {
		return nil // another server has done the same
	}
	return err
}

// work is one look at all workspaces.
type work struct {
	*Meter
	now      time.Time
	hour     time.Time // that began last
	first    bool      // the sums are noted, and nothing is told of what was used before
	from, to string    // days that are looked at

	mu   sync.Mutex
	seen map[string]bool // IDs of workspaces
	err  error
}

// all looks at every workspace, and at those that were deleted since their last event.
func (w *work) all(ctx context.Context) error {
	w.seen = map[string]bool{}
	slots := make(chan struct{}, atOnce)
	var looking sync.WaitGroup
	look := func(namespace, id string) error {
		w.mu.Lock()
		known, err := w.seen[id], w.err
		w.seen[id] = true
		w.mu.Unlock()
		if known || err != nil {
			return err
		}
		slots <- struct{}{}
		looking.Go(func() {
			defer func() { <-slots }()
			if err := w.one(ctx, namespace, id); err != nil {
				w.mu.Lock()
				w.err = errors.Join(w.err, err)
				w.mu.Unlock()
			}
		})
		return nil
	}
	err := w.each(ctx, look)
	looking.Wait()
	return errors.Join(err, w.err)
}

func (w *work) each(ctx context.Context, look func(namespace, id string) error) error {
	for after := ""; ; {
		if _, err := w.lease.Take(ctx); err != nil { // it takes long
			return err
		}
		list, err := w.Workspaces.List(ctx, after, page)
		if err != nil {
			return err
		}
		for _, ws := range list {
			if err := look(ws.Namespace, ws.ID); err != nil {
				return err
			}
			after = ws.Namespace
		}
		if len(list) < page {
			break
		}
	}
	for after := ""; ; {
		list, err := w.Records.Records(ctx, sumsGroup, after, page)
		if err != nil {
			return err
		}
		for _, r := range list {
			var s sums
			if err := json.Unmarshal(r.Data, &s); err != nil {
				return err
			}
			if err := look(s.Workspace, r.Name); err != nil {
				return err
			}
			after = r.Name
		}
		if len(list) < page {
			return nil
		}
	}
}

// one makes the events of a workspace.
func (w *work) one(ctx context.Context, namespace, id string) error {
	rows, err := w.Counts.Usage(ctx, id, w.from, w.to)
	if err != nil {
		return err
	}
	used := map[string]map[string]workspace.Units{}
	for _, u := range rows {
		if u.Units <= 0 {
			continue
		}
		if used[u.Day] == nil {
			used[u.Day] = map[string]workspace.Units{}
		}
		used[u.Day][u.Operation] += u.Units
	}
	if len(used) == 0 {
		return nil
	}
	for try := 1; ; try++ {
		err := w.write(ctx, namespace, id, used)
		if !errors.Is(err, workspace.ErrConflict) || try == tries {
			return err
		}
	}
}

// write notes the new sums of a workspace and the events about what is new, in one step.
func (w *work) write(ctx context.Context, namespace, id string, used map[string]map[string]workspace.Units) error {
	r, err := w.Records.Record(ctx, sumsGroup, id)
	told := sums{}
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		r = account.Record{Group: sumsGroup, Name: id}
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(r.Data, &told); err != nil {
			return err
		}
		if w.first {
			return nil // noted already
		}
	}
	told.Workspace = namespace
	if told.Days == nil {
		told.Days = map[string]map[string]workspace.Units{}
	}
	maps.DeleteFunc(told.Days, func(day string, _ map[string]workspace.Units) bool { return day < w.from })
	var events []Event
	for _, day := range slices.Sorted(maps.Keys(used)) {
		for _, operation := range slices.Sorted(maps.Keys(used[day])) {
			from, to := told.Days[day][operation], used[day][operation]
			if to <= from { // it may be less where the store answers with what was a moment ago
				continue
			}
			if told.Days[day] == nil {
				told.Days[day] = map[string]workspace.Units{}
			}
			told.Days[day][operation] = to
			events = append(events, newEvent(w.Source, namespace, id, day, operation, from, to, timeOf(day, w.hour)))
		}
	}
	if len(events) == 0 {
		return nil
	}
	if r.Data, err = json.Marshal(told); err != nil {
		return err
	}
	r.Expires = w.now.Add(workspace.UsageKept)
	writes := []account.Write{{Record: r}}
	if !w.first {
		data, err := json.Marshal(batch{Events: events})
		if err != nil {
			return err
		}
		for _, s := range w.Sinks {
			writes = append(writes, account.Write{Record: account.Record{
				Group: queueGroup + s.Name(), Name: w.hour.Format("20060102T15") + "/" + id + "/" + events[0].ID, Data: data,
			}})
		}
	}
	return w.Records.WriteRecords(ctx, writes)
}

// timeOf is when what is new of a day ended: in the hour before the one that began last, or at
// the end of the day, where that was before.
func timeOf(day string, hour time.Time) time.Time {
	at := hour.Add(-time.Second)
	if d, err := time.Parse(time.DateOnly, day); err == nil {
		if end := d.AddDate(0, 0, 1).Add(-time.Second); end.Before(at) {
			return end
		}
	}
	return at
}
