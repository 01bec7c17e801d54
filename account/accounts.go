package account

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"
)

// accountID begins the ID of every account. No address begins with it and has no @.
const accountID = "acc_"

// MakeAccount returns the account of a canonical address, and makes it where there is none.
func (p *People) MakeAccount(ctx context.Context, email string) (a Account, err error) {
	err = again(func() error {
		var id string
		stored, err := p.read(ctx, accounts, email, &id)
		if err != nil {
			return err
		}
		if stored.Version > 0 {
			_, err = p.read(ctx, accounts, id, &a)
			return err
		}
		a = Account{ID: accountID + rand.Text(), Email: email, CreatedAt: p.Now().UTC().Truncate(time.Millisecond)}
		return p.Records.WriteRecords(ctx, []Write{put(accounts, email, 0, time.Time{}, a.ID), put(accounts, a.ID, 0, time.Time{}, a)})
	})
	return a, err
}

// Account returns the account with this ID, or ErrNoAccount.
func (p *People) Account(ctx context.Context, id string) (a Account, err error) {
	if !isAccountID(id) {
		return a, ErrNoAccount
	}
	stored, err := p.read(ctx, accounts, id, &a)
	if err == nil && stored.Version == 0 {
		err = ErrNoAccount
	}
	return a, err
}

// Accounts returns up to limit accounts in the order of their IDs, from the one after the ID
// given. Empty starts with the first.
func (p *People) Accounts(ctx context.Context, after string, limit int) (page []Account, err error) {
	if after < accountID { // what sorts before is addresses
		after = accountID
	}
	for len(page) < limit {
		records, err := p.Records.Records(ctx, accounts, after, limit)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if after = r.Name; !strings.HasPrefix(after, accountID) {
				return page, nil // after the IDs there are addresses again
			}
			if !isAccountID(r.Name) {
				continue
			}
			var a Account
			if err := json.Unmarshal(r.Data, &a); err != nil {
				return nil, err
			}
			if page = append(page, a); len(page) == limit {
				return page, nil
			}
		}
		if len(records) < limit {
			return page, nil
		}
	}
	return page, nil
}

func isAccountID(name string) bool {
	return strings.HasPrefix(name, accountID) && !strings.Contains(name, "@")
}
