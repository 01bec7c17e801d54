package account

import (
	"context"
	"crypto/rand"
	"slices"
	"time"
)

// A making is the record of the workspaces that an account makes for itself.
type making struct {
	Times  []time.Time `json:"times"`  // when it made some, within a day
	Places []place     `json:"places"` // of workspaces that are being made
}

// A place is one of the workspaces that an account may own, which is being made.
type place struct {
	ID    string    `json:"id"`
	Until time.Time `json:"until"` // its maker has ended without a word if it is there still
}

// TakePlace takes one of the places for most workspaces that an account may own, for one that it
// is about to make. counts says which of its memberships take a place. Of two requests for the
// last one, one gets it: the error is ErrWorkspaces, or ErrMakings for too many in a day. Call
// LeavePlace once the account owns the workspace, or it can't be made.
func (p *People) TakePlace(ctx context.Context, accountID string, most int, counts func(Member) (bool, error)) (id string, err error) {
	err = again(func() error {
		// The record is read first, and written only if nobody wrote it since. It stays when its
		// last place is left, so that no other record takes its version.
		var m making
		stored, err := p.read(ctx, makings, accountID, &m)
		if err != nil {
			return err
		}
		now := p.Now()
		m.Times = slices.DeleteFunc(m.Times, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
		m.Places = slices.DeleteFunc(m.Places, func(one place) bool { return !now.Before(one.Until) })
		owned, err := p.Owned(ctx, accountID, counts)
		if err != nil {
			return err
		}
		if owned+len(m.Places) >= most {
			return ErrWorkspaces
		}
		if len(m.Times) >= maxMakings {
			return ErrMakings
		}
		id = rand.Text()
		m.Times = append(m.Times, now)
		m.Places = append(m.Places, place{id, now.Add(makingLasts)})
		return p.Records.WriteRecords(ctx, []Write{put(makings, accountID, stored.Version, now.Add(24*time.Hour), m)})
	})
	return id, err
}

// LeavePlace ends what TakePlace began. Where the workspace was not made, it doesn't count in
// the day's number.
func (p *People) LeavePlace(ctx context.Context, accountID, id string, made bool) error {
	return again(func() error {
		var m making
		stored, err := p.read(ctx, makings, accountID, &m)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(m.Places, func(one place) bool { return one.ID == id })
		if i < 0 {
			return nil
		}
		m.Places = slices.Delete(m.Places, i, i+1)
		if !made && len(m.Times) > 0 {
			m.Times = m.Times[:len(m.Times)-1]
		}
		return p.Records.WriteRecords(ctx, []Write{put(makings, accountID, stored.Version, p.Now().Add(24*time.Hour), m)})
	})
}

// Owned returns how many workspaces an account owns, of those that count.
func (p *People) Owned(ctx context.Context, accountID string, counts func(Member) (bool, error)) (n int, err error) {
	all, err := list[Member](ctx, p, "memberships#"+accountID)
	if err != nil {
		return 0, err
	}
	for _, m := range all {
		if m.Role != Owner {
			continue
		}
		is, err := counts(m)
		if err != nil {
			return 0, err
		}
		if is {
			n++
		}
	}
	return n, nil
}
