package account

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// begin makes a session. known says that the browser has the cookie of a device already.
func (p *People) begin(ctx context.Context, a Account, c Client, known bool) (session, device string, err error) {
	now := p.Now().UTC().Truncate(time.Millisecond)
	session, device = token(), c.Device
	name := hashOf(session)
	s := Session{ID: name[:16], AccountID: a.ID, CreatedAt: now, SeenAt: now, Device: clip(c.UserAgent, 200), Place: limit.Client(c.IP)}
	writes := []Write{put(sessions, name, 0, now.Add(sessionIdle), s), put("sessions#"+a.ID, name, 0, now.Add(sessionIdle), s)}
	if !known {
		device = token()
		writes = append(writes, put(devices, hashOf(device), 0, now.Add(deviceLives), a.Email))
	}
	return session, device, p.Records.WriteRecords(ctx, writes)
}

func clip(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// Visitor returns who has the session of this token.
func (p *People) Visitor(ctx context.Context, token string) (v Visitor, err error) {
	name := hashOf(token)
	stored, err := p.read(ctx, sessions, name, &v.Session)
	if err != nil {
		return Visitor{}, err
	}
	now := p.Now()
	if stored.Version == 0 || now.Sub(v.Session.CreatedAt) >= sessionLives || now.Sub(v.Session.SeenAt) >= sessionIdle {
		return Visitor{}, ErrNoSession
	}
	if stored, err = p.read(ctx, accounts, v.Session.AccountID, &v.Account); err != nil {
		return Visitor{}, err
	}
	if stored.Version == 0 {
		return Visitor{}, ErrNoSession
	}
	v.Operator = p.IsOperator(v.Email)
	if v.Members, err = list[Member](ctx, p, "memberships#"+v.ID); err != nil {
		return Visitor{}, err
	}
	slices.SortFunc(v.Members, func(a, b Member) int { return cmp.Compare(a.Namespace, b.Namespace) })
	if now.Sub(v.Session.SeenAt) >= seenEvery {
		p.seen(ctx, name, v.Session)
	}
	return v, nil
}

// seen writes down that a session was used. A session that ends meanwhile stays ended.
func (p *People) seen(ctx context.Context, name string, s Session) {
	s.SeenAt = p.Now().UTC().Truncate(time.Millisecond)
	until := s.SeenAt.Add(sessionIdle)
	if last := s.CreatedAt.Add(sessionLives); last.Before(until) {
		until = last
	}
	var writes []Write
	for _, group := range []string{sessions, "sessions#" + s.AccountID} {
		r, err := p.Records.Record(ctx, group, name)
		if err != nil {
			return
		}
		writes = append(writes, put(group, name, r.Version, until, s))
	}
	if err := p.Records.WriteRecords(ctx, writes); err != nil && !errors.Is(err, workspace.ErrConflict) {
		p.Log.Warn("the use of a session can't be written down", "error", err)
	}
}

// Sessions returns the sessions of an account, the latest use first.
func (p *People) Sessions(ctx context.Context, accountID string) ([]Session, error) {
	all, err := list[Session](ctx, p, "sessions#"+accountID)
	slices.SortFunc(all, func(a, b Session) int { return b.SeenAt.Compare(a.SeenAt) })
	return all, err
}

// EndSessions ends the session of an account with this ID, or all of them where it is empty.
// It returns how many.
func (p *People) EndSessions(ctx context.Context, accountID, id string) (ended int, err error) {
	group := "sessions#" + accountID
	for after := ""; ; {
		page, err := p.Records.Records(ctx, group, after, 100)
		if err != nil {
			return ended, err
		}
		for _, r := range page {
			after = r.Name
			if id != "" && r.Name[:16] != id {
				continue
			}
			err := again(func() error {
				var writes []Write
				for _, g := range []string{group, sessions} {
					r, err := p.Records.Record(ctx, g, r.Name)
					if errors.Is(err, workspace.ErrNotFound) {
						continue
					}
					if err != nil {
						return err
					}
					writes = append(writes, remove(g, r.Name, r.Version))
				}
				return p.Records.WriteRecords(ctx, writes)
			})
			if err != nil {
				return ended, err
			}
			ended++
		}
		if len(page) < 100 {
			return ended, nil
		}
	}
}

// SignOut ends the session of this token.
func (p *People) SignOut(ctx context.Context, token string) error {
	var s Session
	stored, err := p.read(ctx, sessions, hashOf(token), &s)
	if err != nil || stored.Version == 0 {
		return err
	}
	_, err = p.EndSessions(ctx, s.AccountID, s.ID)
	return err
}
