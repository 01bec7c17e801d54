package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/server/api"
)

// accountCmd has the commands for the people of a running server. The operators are those of
// its flag --operators.
type accountCmd struct {
	List        accountListCmd        `cmd:"" help:"List the people who have an account."`
	Invite      accountInviteCmd      `cmd:"" help:"Invite a person to a workspace, by mail."`
	Sessions    accountSessionsCmd    `cmd:"" help:"List where a person is signed in."`
	EndSessions accountEndSessionsCmd `cmd:"" help:"Sign a person out, everywhere or of one session. The person can sign in again."`

	RemovePasskeys accountRemovePasskeysCmd `cmd:"" help:"Remove all passkeys of a person who has lost them. A code signs the person in again."`
}

// ofServer is the server whose people a command is about.
type ofServer struct {
	Server string `required:"" env:"TINTYPE_SERVER" placeholder:"URL" help:"The server, such as http://localhost:8080. The key is read from TINTYPE_ROOT_KEY, or from the file that TINTYPE_ROOT_KEY_FILE names."`
}

func (s ofServer) client(std stdio) (peopleClient, error) {
	key, err := firstRootKey(std.getenv)
	if err != nil {
		return peopleClient{}, err
	}
	if key == "" {
		return peopleClient{}, errors.New("set TINTYPE_ROOT_KEY to the server's root key: no API key may see who has an account")
	}
	c, err := newAPIClient(s.Server, key)
	return peopleClient{c}, err
}

type peopleClient struct{ apiClient }

// accounts returns all accounts of the server, in the order of their addresses.
func (c peopleClient) accounts(ctx context.Context) (all []api.Account, err error) {
	for after := ""; ; {
		var page struct {
			Accounts []api.Account
			Next     string
		}
		if err := c.call(ctx, http.MethodGet, "/v1/accounts?limit=200&after="+url.QueryEscape(after), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Accounts...)
		if after = page.Next; after == "" {
			slices.SortFunc(all, func(a, b api.Account) int { return cmp.Compare(a.Email, b.Email) })
			return all, nil
		}
	}
}

// path returns the path of something of the account of an address. Addresses stand in no
// URL, since logs keep those.
func (c peopleClient) path(ctx context.Context, address, of string) (string, error) {
	email, err := account.ParseEmail(address)
	if err != nil {
		return "", fmt.Errorf("%q: %w", address, err)
	}
	all, err := c.accounts(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(a api.Account) bool { return a.Email == email })
	if i < 0 {
		return "", fmt.Errorf("%s has no account: tintype account list names those who have one", email)
	}
	return "/v1/accounts/" + url.PathEscape(all[i].ID) + "/" + of, nil
}

// ofPerson is the person whom a command is about.
type ofPerson struct {
	ofServer
	Address string `arg:"" help:"E-mail address of the person."`
}

// call sends a request about something of the person, such as the sessions.
func (p ofPerson) call(ctx context.Context, std stdio, method, of string, into any) error {
	client, err := p.client(std)
	if err != nil {
		return err
	}
	path, err := client.path(ctx, p.Address, of)
	if err != nil {
		return err
	}
	return client.call(ctx, method, path, nil, into)
}

// counted says how many of something a command has dealt with.
func counted(std stdio, n int, noun, done string) error {
	if n != 1 {
		noun += "s"
	}
	_, err := fmt.Fprintf(std.stdout, "%d %s %s\n", n, noun, done)
	return err
}

type accountListCmd struct{ ofServer }

func (c *accountListCmd) Run(ctx context.Context, std stdio) error {
	client, err := c.client(std)
	if err != nil {
		return err
	}
	all, err := client.accounts(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tSINCE\tOPERATOR")
	for _, a := range all {
		operator := "no"
		if a.Operator {
			operator = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", a.Email, a.CreatedAt.Format("2006-01-02"), operator)
	}
	return w.Flush()
}

type accountInviteCmd struct {
	ofServer
	Address   string `arg:"" help:"E-mail address of the person."`
	Workspace string `required:"" placeholder:"NS" help:"Namespace of the workspace."`
	Role      string `default:"viewer" enum:"viewer,editor,owner" placeholder:"ROLE" help:"viewer, editor or owner (${default})."`
}

func (c *accountInviteCmd) Run(ctx context.Context, std stdio) error {
	client, err := c.client(std)
	if err != nil {
		return err
	}
	var made api.Invitation
	what := api.NewInvitation{Email: c.Address, Role: account.Role(c.Role)}
	if err := client.call(ctx, http.MethodPost, "/v1/workspaces/"+url.PathEscape(c.Workspace)+"/invitations", what, &made); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.stdout, "%s is invited to %s as %s, until %s UTC\n", made.Email, c.Workspace, made.Role, made.ExpiresAt.UTC().Format("2006-01-02 15:04"))
	return err
}

type accountSessionsCmd struct{ ofPerson }

func (c *accountSessionsCmd) Run(ctx context.Context, std stdio) error {
	var found struct{ Sessions []api.Session }
	if err := c.call(ctx, std, http.MethodGet, "sessions", &found); err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSINCE (UTC)\tLAST USED (UTC)\tNETWORK\tDEVICE")
	for _, s := range found.Sessions {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.CreatedAt.UTC().Format("2006-01-02 15:04"), s.SeenAt.UTC().Format("2006-01-02 15:04"), printable(s.Place), printable(s.Device))
	}
	return w.Flush()
}

// printable returns a text that a client sent, without what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

type accountEndSessionsCmd struct {
	ofPerson
	Session string `placeholder:"ID" help:"End this session only, whose ID tintype account sessions prints."`
}

func (c *accountEndSessionsCmd) Run(ctx context.Context, std stdio) error {
	if c.Session != "" {
		if err := c.call(ctx, std, http.MethodDelete, "sessions/"+url.PathEscape(c.Session), nil); err != nil {
			return err
		}
		return counted(std, 1, "session", "ended")
	}
	var sessions struct{ Ended int }
	if err := c.call(ctx, std, http.MethodDelete, "sessions", &sessions); err != nil {
		return err
	}
	return counted(std, sessions.Ended, "session", "ended")
}

type accountRemovePasskeysCmd struct{ ofPerson }

func (c *accountRemovePasskeysCmd) Run(ctx context.Context, std stdio) error {
	var passkeys struct{ Removed int }
	if err := c.call(ctx, std, http.MethodDelete, "passkeys", &passkeys); err != nil {
		return err
	}
	return counted(std, passkeys.Removed, "passkey", "removed")
}
