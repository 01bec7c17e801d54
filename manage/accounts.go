package manage

import (
	"context"

	"github.com/tintype/tintype/account"
)

var errNoSession = notFound("The account has no session with this id.")

// Accounts returns up to limit accounts of the server, in the order of their IDs. The page
// starts after the ID `after`; empty starts at the first. next is the `after` of the next
// page, and empty on the last one.
func (m *Manager) Accounts(ctx context.Context, who Caller, after string, limit int) (page []account.Account, next string, err error) {
	if err := m.allowAccounts(who); err != nil {
		return nil, "", err
	}
	if err := checkCursor("after", after); err != nil {
		return nil, "", err
	}
	if page, err = m.people.Accounts(ctx, after, limit+1); err != nil { // the extra one tells whether there is a next page
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].ID
	}
	return page, next, nil
}

// MakeAccount lets an address sign in, whatever the signup of the server is. It returns the
// account of the address, which may be there already.
func (m *Manager) MakeAccount(ctx context.Context, who Caller, address string) (account.Account, error) {
	if err := m.allowAccounts(who); err != nil {
		return account.Account{}, err
	}
	email, err := account.ParseEmail(address)
	if err != nil {
		return account.Account{}, err
	}
	return m.people.MakeAccount(ctx, email)
}

// AccountSessions returns the sessions of an account, the latest use first.
func (m *Manager) AccountSessions(ctx context.Context, who Caller, accountID string) ([]account.Session, error) {
	if err := m.allowAccounts(who); err != nil {
		return nil, err
	}
	if _, err := m.people.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return m.people.Sessions(ctx, accountID)
}

// EndAccountSessions ends the session of an account with this ID, or all of them where it is
// empty. It returns how many.
func (m *Manager) EndAccountSessions(ctx context.Context, who Caller, accountID, sessionID string) (ended int, err error) {
	if err := m.allowAccounts(who); err != nil {
		return 0, err
	}
	if _, err := m.people.Account(ctx, accountID); err != nil {
		return 0, err
	}
	ended, err = m.people.EndSessions(ctx, accountID, sessionID)
	if err == nil && ended == 0 && sessionID != "" {
		err = errNoSession
	}
	return ended, err
}

// RemovePasskeys removes all passkeys of an account, for somebody who has lost them, and
// returns how many. A code signs the person in again.
func (m *Manager) RemovePasskeys(ctx context.Context, who Caller, accountID string) (removed int, err error) {
	if err := m.allowAccounts(who); err != nil {
		return 0, err
	}
	a, err := m.people.Account(ctx, accountID)
	if err != nil {
		return 0, err
	}
	return m.people.RemovePasskey(ctx, a, "")
}

// IsOperator reports whether the address of an account is one of the operators'.
func (m *Manager) IsOperator(a account.Account) bool {
	return m.people != nil && m.people.IsOperator(a.Email)
}

func (m *Manager) allowAccounts(who Caller) error {
	if err := who.Allow(account.ManageAccounts, ""); err != nil {
		return err
	}
	if m.people == nil {
		return errNoPeople
	}
	return nil
}
