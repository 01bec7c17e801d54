package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/client"
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
	Server string `required:"" env:"TINTYPE_URL,TINTYPE_SERVER" placeholder:"URL" help:"The server, such as http://localhost:8080. The key is read from TINTYPE_ROOT_KEY, or from the file that TINTYPE_ROOT_KEY_FILE names."`
}

func (s ofServer) client(std stdio) (*client.Client, error) {
	key, err := firstRootKey(std.getenv)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, errors.New("set TINTYPE_ROOT_KEY to the server's root key: no API key may see who has an account")
	}
	return newAPIClient(s.Server, key)
}

// accounts returns all accounts of the server, in the order of their addresses.
func accounts(ctx context.Context, c *client.Client) (all []client.Account, err error) {
	for a, err := range c.AllAccounts(ctx, client.ListAccountsOptions{Limit: 200}) {
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b client.Account) int { return cmp.Compare(a.Email, b.Email) })
	return all, nil
}

// ofPerson is the person whom a command is about.
type ofPerson struct {
	ofServer
	Address string `arg:"" help:"E-mail address of the person."`
}

// find returns a client, and the ID of the person's account. Addresses stand in no URL, since
// logs keep those.
func (p ofPerson) find(ctx context.Context, std stdio) (c *client.Client, id string, err error) {
	if c, err = p.client(std); err != nil {
		return nil, "", err
	}
	email, err := account.ParseEmail(p.Address)
	if err != nil {
		return nil, "", fmt.Errorf("%q: %w", p.Address, err)
	}
	all, err := accounts(ctx, c)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(all, func(a client.Account) bool { return a.Email == email })
	if i < 0 {
		return nil, "", fmt.Errorf("%s has no account: tintype account list names those who have one", email)
	}
	return c, all[i].ID, nil
}

// counted says how many of something a command has dealt with.
func counted(std stdio, n int64, noun, done string) error {
	if n != 1 {
		noun += "s"
	}
	_, err := fmt.Fprintf(std.stdout, "%d %s %s\n", n, noun, done)
	return err
}

type accountListCmd struct{ ofServer }

func (c *accountListCmd) Run(ctx context.Context, std stdio) error {
	api, err := c.client(std)
	if err != nil {
		return err
	}
	all, err := accounts(ctx, api)
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
	api, err := c.client(std)
	if err != nil {
		return err
	}
	made, err := api.Invite(ctx, c.Workspace, client.NewInvitation{Email: c.Address, Role: c.Role})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.stdout, "%s is invited to %s as %s, until %s UTC\n", made.Email, c.Workspace, made.Role, made.ExpiresAt.UTC().Format("2006-01-02 15:04"))
	return err
}

type accountSessionsCmd struct{ ofPerson }

func (c *accountSessionsCmd) Run(ctx context.Context, std stdio) error {
	api, id, err := c.find(ctx, std)
	if err != nil {
		return err
	}
	found, err := api.ListSessions(ctx, id)
	if err != nil {
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
	api, id, err := c.find(ctx, std)
	if err != nil {
		return err
	}
	if c.Session != "" {
		if err := api.EndSession(ctx, id, c.Session); err != nil {
			return err
		}
		return counted(std, 1, "session", "ended")
	}
	sessions, err := api.EndSessions(ctx, id)
	if err != nil {
		return err
	}
	return counted(std, sessions.Ended, "session", "ended")
}

type accountRemovePasskeysCmd struct{ ofPerson }

func (c *accountRemovePasskeysCmd) Run(ctx context.Context, std stdio) error {
	api, id, err := c.find(ctx, std)
	if err != nil {
		return err
	}
	passkeys, err := api.RemovePasskeys(ctx, id)
	if err != nil {
		return err
	}
	return counted(std, passkeys.Removed, "passkey", "removed")
}
