package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
)

// Account is a person.
type Account struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	CreatedAt time.Time `json:"created_at"`
	Operator  bool      `json:"operator" doc:"Whether the address is one of the server's --operators."`
}

// NewAccount is the request for an account.
type NewAccount struct {
	Email string `json:"email" doc:"Address of one person."`
}

// Session is a browser in which somebody is signed in.
type Session struct {
	ID        string    `json:"id" doc:"Names the session here. It doesn't open it."`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at" doc:"When it was used last, to the hour."`
	Device    string    `json:"device" doc:"User-Agent of the browser."`
	Place     string    `json:"place" doc:"The client's network."`
}

type (
	listAccountsInput struct {
		Limit pageSize `query:"limit" doc:"Maximum number of accounts."`
		After cursor   `query:"after" doc:"The next of the previous page. Left out, the first page."`
	}
	newAccountInput struct{ Account body }
	accountInput    struct {
		ID string `path:"id" doc:"The account's id."`
	}
	sessionInput struct {
		ID      string `path:"id" doc:"The account's id."`
		Session string `path:"session" doc:"The session's id."`
	}
	accountOutput  struct{ Body Account }
	accountsOutput struct {
		Body struct {
			Accounts []Account `json:"accounts" nullable:"false" doc:"In the order of their ids."`
			Next     string    `json:"next" doc:"The after of the next page; empty on the last one."`
		}
	}
	sessionsOutput struct {
		Body struct {
			Sessions []Session `json:"sessions" nullable:"false" doc:"The one that was used last comes first."`
		}
	}
	endedOutput struct {
		Body struct {
			Ended int `json:"ended" doc:"How many sessions were ended."`
		}
	}
	removedOutput struct {
		Body struct {
			Removed int `json:"removed" doc:"How many passkeys were removed."`
		}
	}
)

func (a *api) accountRoutes() {
	tags := []string{"Accounts"}
	handle(a, account.ManageAccounts, huma.Operation{
		Method: http.MethodGet, Path: "/v1/accounts", OperationID: "listAccounts", Tags: tags,
		Summary: "List the accounts of the server",
	}, a.listAccounts)
	handle(a, account.ManageAccounts, huma.Operation{
		Method: http.MethodPost, Path: "/v1/accounts", OperationID: "createAccount", Tags: tags,
		Summary:       "Make an account",
		Description:   "The person can sign in then, whatever `--signup` is, and is in no workspace. If the address has an account already, the answer is that one.",
		RequestBody:   jsonBody("NewAccount", "The person.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createAccount)
	handle(a, account.ManageAccounts, huma.Operation{
		Method: http.MethodGet, Path: "/v1/accounts/{id}/sessions", OperationID: "listSessions", Tags: tags,
		Summary: "List where a person is signed in",
	}, a.listSessions)
	handle(a, account.ManageAccounts, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/accounts/{id}/sessions", OperationID: "endSessions", Tags: tags,
		Summary:     "Sign a person out everywhere",
		Description: "The person can sign in again. API keys that the person made stay.",
	}, a.endSessions)
	handle(a, account.ManageAccounts, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/accounts/{id}/sessions/{session}", OperationID: "endSession", Tags: tags,
		Summary: "End one session", DefaultStatus: http.StatusNoContent,
	}, a.endSession)
	handle(a, account.ManageAccounts, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/accounts/{id}/passkeys", OperationID: "removePasskeys", Tags: tags,
		Summary:     "Remove all passkeys of a person",
		Description: "For somebody who has lost them. A code signs the person in again, who gets a mail. Sessions go on.",
	}, a.removePasskeys)
}

func (a *api) listAccounts(ctx context.Context, in *listAccountsInput) (*accountsOutput, error) {
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	page, next, err := a.manage.Accounts(ctx, caller(ctx), string(in.After), limit)
	if err != nil {
		return nil, err
	}
	out := &accountsOutput{}
	out.Body.Accounts, out.Body.Next = make([]Account, len(page)), next
	for i, one := range page {
		out.Body.Accounts[i] = a.accountOf(one)
	}
	return out, nil
}

func (a *api) createAccount(ctx context.Context, in *newAccountInput) (*accountOutput, error) {
	var req NewAccount
	if err := in.Account.decode(&req); err != nil {
		return nil, err
	}
	one, err := a.manage.MakeAccount(ctx, caller(ctx), req.Email)
	return &accountOutput{a.accountOf(one)}, err
}

func (a *api) listSessions(ctx context.Context, in *accountInput) (*sessionsOutput, error) {
	all, err := a.manage.AccountSessions(ctx, caller(ctx), in.ID)
	out := &sessionsOutput{}
	out.Body.Sessions = make([]Session, len(all))
	for i, s := range all {
		out.Body.Sessions[i] = Session{ID: s.ID, CreatedAt: s.CreatedAt, SeenAt: s.SeenAt, Device: s.Device, Place: s.Place}
	}
	return out, err
}

func (a *api) endSessions(ctx context.Context, in *accountInput) (out *endedOutput, err error) {
	out = &endedOutput{}
	out.Body.Ended, err = a.manage.EndAccountSessions(ctx, caller(ctx), in.ID, "")
	return out, err
}

func (a *api) endSession(ctx context.Context, in *sessionInput) (*struct{}, error) {
	_, err := a.manage.EndAccountSessions(ctx, caller(ctx), in.ID, in.Session)
	return nil, err
}

func (a *api) removePasskeys(ctx context.Context, in *accountInput) (out *removedOutput, err error) {
	out = &removedOutput{}
	out.Body.Removed, err = a.manage.RemovePasskeys(ctx, caller(ctx), in.ID)
	return out, err
}

func (a *api) accountOf(one account.Account) Account {
	return Account{ID: one.ID, Email: one.Email, CreatedAt: one.CreatedAt, Operator: a.manage.IsOperator(one)}
}
