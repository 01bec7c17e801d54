package remote

import (
	"context"
	"fmt"

	"github.com/tintype/tintype/client"
)

// keyCmd has the commands for keys.
type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the API keys."`
	Create keyCreateCmd `cmd:"" help:"Make an API key, and print it once."`
	Revoke keyRevokeCmd `cmd:"" help:"Revoke an API key."`

	Signing struct {
		List   signingListCmd   `cmd:"" help:"List the signing keys."`
		Create signingCreateCmd `cmd:"" help:"Make a signing key, and print its secret once."`
		Delete signingDeleteCmd `cmd:"" help:"Delete a signing key: URLs that it signed end."`
	} `cmd:"" help:"Keys that sign the URLs of private images."`
}

type keyListCmd struct {
	inWorkspace
	output
}

func (c *keyListCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	found, err := api.ListAPIKeys(ctx, c.NS)
	if err != nil {
		return err
	}
	return c.print(env, found, func(row func(...any)) {
		row("ID", "NAME", "SCOPES", "TEST", "MADE (UTC)", "LAST USED (UTC)", "ENDS (UTC)", "REVOKED (UTC)")
		for _, k := range found.APIKeys {
			row(k.ID, k.Name, k.Scopes, k.Test, k.CreatedAt, k.LastUsedAt, k.ExpiresAt, k.RevokedAt)
		}
	})
}

type keyCreateCmd struct {
	inWorkspace
	output
	Name          string   `required:"" placeholder:"NAME" help:"What people call the key."`
	Scopes        []string `default:"read" placeholder:"SCOPE" help:"read, write and admin, with commas between them (${default})."`
	ExpiresInDays int64    `placeholder:"DAYS" help:"When the key ends. Left out, never."`
	Test          bool     `help:"A test key: its images carry a mark TEST, and count for nothing."`
}

// Run prints the key alone, so that a script can take it.
func (c *keyCreateCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	k, err := api.CreateAPIKey(ctx, c.NS, client.NewAPIKey{Name: c.Name, Scopes: c.Scopes, ExpiresInDays: c.ExpiresInDays, Test: c.Test})
	if err != nil {
		return err
	}
	if c.Output == "table" {
		fmt.Fprintf(env.Stderr, "key %s is made. This is the only time that it is shown:\n", k.ID)
	}
	return c.print(env, k, func(row func(...any)) { row(k.Key) })
}

type keyRevokeCmd struct {
	inWorkspace
	ID string `arg:"" help:"ID of the key."`
}

func (c *keyRevokeCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if err := api.RevokeAPIKey(ctx, c.NS, c.ID); err != nil {
		return err
	}
	return done(env, "revoked key %s: every server refuses it within 60 seconds", c.ID)
}

type signingListCmd struct {
	inWorkspace
	output
}

func (c *signingListCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	found, err := api.ListSigningKeys(ctx, c.NS)
	if err != nil {
		return err
	}
	return c.print(env, found, func(row func(...any)) {
		row("ID", "DIALECT", "MADE (UTC)")
		for _, k := range found.SigningKeys {
			row(k.ID, k.Dialect, k.CreatedAt)
		}
	})
}

type signingCreateCmd struct {
	inWorkspace
	output
}

func (c *signingCreateCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	k, err := api.CreateSigningKey(ctx, c.NS, nil)
	if err != nil {
		return err
	}
	warn(env, k.Warnings)
	if c.Output == "table" {
		fmt.Fprintf(env.Stderr, "signing key %s is made. This is the only time that its secret is shown:\n", k.ID)
	}
	return c.print(env, k, func(row func(...any)) { row(k.Secret) })
}

type signingDeleteCmd struct {
	inWorkspace
	ID string `arg:"" help:"ID of the signing key."`
}

func (c *signingDeleteCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if err := api.DeleteSigningKey(ctx, c.NS, c.ID); err != nil {
		return err
	}
	return done(env, "deleted signing key %s", c.ID)
}
