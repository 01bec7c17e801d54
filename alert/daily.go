package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

const (
	sweepEvery  = 24 * time.Hour
	sweepPage   = 200  // workspaces that are read at once
	sweepTick   = 2000 // workspaces of one tick: 2.8 million a day
	sweepAtOnce = 8
)

// A sweep is how far the daily round over all workspaces is. The store keeps it.
type sweep struct {
	After   string    `json:"after"` // the last namespace; empty before the first
	Started time.Time `json:"started"`
	Done    bool      `json:"done"`
}

// sweep judges the API keys of the next workspaces, so that all have their turn once a day. The
// caller holds mu.
func (e *Engine) sweep(ctx context.Context) error {
	var s sweep
	r, err := read(ctx, e.cfg.Store, sweepGroup, "cursor", &s)
	if err != nil {
		return err
	}
	now := e.now()
	if since := now.Sub(s.Started); s.Done && since < sweepEvery && since >= 0 {
		return nil
	} else if s.Done || s.Started.IsZero() || since < 0 {
		s = sweep{Started: now}
	}
	for done := 0; done < sweepTick && !s.Done; {
		page, err := e.cfg.List(ctx, s.After, sweepPage)
		if err != nil {
			return err
		}
		if err := e.judgeKeysOf(ctx, page); err != nil {
			return err
		}
		if done += len(page); len(page) > 0 {
			s.After = page[len(page)-1].Namespace
		}
		s.Done = len(page) < sweepPage
	}
	return ignoreConflict(e.cfg.Store.WriteRecords(ctx, []account.Write{write(r.Group, r.Name, r.Version, time.Time{}, s)}))
}

func (e *Engine) judgeKeysOf(ctx context.Context, page []*workspace.Workspace) error {
	slots := make(chan struct{}, sweepAtOnce)
	failed := make([]error, len(page))
	var judging sync.WaitGroup
	for i, w := range page {
		slots <- struct{}{}
		judging.Go(func() {
			defer func() { <-slots }()
			failed[i] = e.judgeKeys(ctx, Place{w.ID, w.Namespace})
		})
	}
	judging.Wait()
	return errors.Join(failed...)
}

// judgeKeys judges the age and the use of a workspace's API keys.
func (e *Engine) judgeKeys(ctx context.Context, at Place) error {
	keys, err := e.cfg.Keys.APIKeys(ctx, at.WorkspaceID)
	if err != nil {
		return err
	}
	now := e.now()
	keys = slices.DeleteFunc(keys, func(k *workspace.APIKey) bool { return !k.Live(now) })
	v := verdict{Place: at}
	set := &settings{}
	if len(keys) > 0 {
		if set, err = e.settingsOf(ctx, at.WorkspaceID); err != nil {
			return err
		}
		v.conditions = judgeKeys(keys, set.Rules, now)
	}
	if len(v.conditions) == 0 {
		// Most workspaces end here. What was fired before is over.
		_, err := e.cfg.Store.Record(ctx, dailyGroup, at.WorkspaceID)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		if set, err = e.settingsOf(ctx, at.WorkspaceID); err != nil {
			return err
		}
	}
	return e.settle(ctx, dailyGroup, v, set)
}

// JudgeKeys judges the keys of a workspace now, as after one was made or revoked. It is for what
// owners change: where it fails, the daily round makes up for it.
func (e *Engine) JudgeKeys(ctx context.Context, at Place) error { return e.judgeKeys(ctx, at) }

const day = 24 * time.Hour

// judgeKeys returns the rules that keys break which are in force.
func judgeKeys(keys []*workspace.APIKey, set rules, now time.Time) (list []condition) {
	broken := func(rule Rule, k *workspace.APIKey, format string, values ...any) {
		list = append(list, condition{rule: rule, subject: "key:" + k.ID, text: fmt.Sprintf(format, values...)})
	}
	for _, k := range keys {
		name := "The API key " + clean(k.ID, 60)
		if k.Name != "" {
			name += " (" + clean(k.Name, 60) + ")"
		}
		age := now.Sub(k.CreatedAt)
		if limit, on := set.on(KeyAge); on && age > time.Duration(limit)*day {
			broken(KeyAge, k, "%s is %d days old. Make a new one, use it everywhere, and revoke this one.", name, int(age/day))
		}
		used := k.LastUsedAt
		if used.IsZero() {
			used = k.CreatedAt
		}
		if limit, on := set.on(KeyUnused); on && now.Sub(used) > time.Duration(limit)*day {
			since := "was not used for"
			if k.LastUsedAt.IsZero() {
				since = "was never used in"
			}
			broken(KeyUnused, k, "%s %s %d days. Revoke it, unless it is kept for a reason.", name, since, int(now.Sub(used)/day))
		}
		if limit, on := set.on(Expiry); on && !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < time.Duration(limit)*day {
			broken(Expiry, k, "%s ends on %s. Make a new one before.", name, k.ExpiresAt.UTC().Format(timeForm))
		}
	}
	return list
}

// judgeHours looks for keys that are used outside the hours that owners have set. The store
// knows when a key was last used, to some seconds. The caller holds mu.
func (e *Engine) judgeHours(ctx context.Context) error {
	now := e.now()
	type outside struct {
		id string
		hours
	}
	var list []outside
	if err := each(ctx, e.cfg.Store, hoursGroup, "", func(r account.Record, s Settings) bool {
		if h, err := s.hours(); err == nil && !h.has(now) {
			list = append(list, outside{r.Name, h})
		}
		return true
	}); err != nil {
		return err
	}
	var first error
	for _, o := range list {
		if err := e.judgeHoursOf(ctx, o.id, o.hours); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (e *Engine) judgeHoursOf(ctx context.Context, id string, h hours) error {
	keys, err := e.cfg.Keys.APIKeys(ctx, id)
	if err != nil {
		return err
	}
	set, err := e.settingsOf(ctx, id)
	if err != nil {
		return err
	}
	now, v := e.now(), verdict{Place: Place{id, set.Namespace}}
	for _, k := range keys {
		if age := now.Sub(k.LastUsedAt); k.LastUsedAt.IsZero() || age > usedLately || h.has(k.LastUsedAt) {
			continue
		}
		v.conditions = append(v.conditions, condition{rule: KeyHours, subject: "key:" + k.ID, text: fmt.Sprintf(
			"The API key %s was used at %s, outside the hours that you set.", clean(k.ID, 60), k.LastUsedAt.In(h.zone).Format("2006-01-02 15:04 MST"))})
	}
	if len(v.conditions) == 0 {
		return nil
	}
	return e.settle(ctx, nowGroup, v, set)
}

// usedLately is how long ago a use counts as one of now. A tick may come late.
const usedLately = 5 * time.Minute

func sortEntries(list []Entry) {
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Or(b.FiredAt.Compare(a.FiredAt), cmp.Compare(a.ID, b.ID)) })
}
