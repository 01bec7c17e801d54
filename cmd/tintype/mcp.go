package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/tintype/tintype/mcp"
)

// mcpCmd offers a running server to a language model, over standard input and output.
type mcpCmd struct {
	Server     string `required:"" env:"TINTYPE_URL,TINTYPE_SERVER" placeholder:"URL" help:"The server, such as https://img.example.com. The key is read from TINTYPE_API_KEY, or from the file that TINTYPE_API_KEY_FILE names."`
	Workspace  string `placeholder:"NS" help:"The workspace that all tools work on. Left out, each call names one, as the root key allows."`
	Root       string `placeholder:"DIR" help:"Folder of pictures that may be sent to the server: with it there is a tool that transforms a local file, and with --allow-write one that uploads it. Nothing outside of the folder is read."`
	AllowWrite bool   `help:"Let the model purge, and upload files of --root. Without it there are only tools that read."`
	AllowSign  bool   `help:"Let the model sign URLs, which show images of private sources to everybody who has the URL."`
}

// Help says what the command is for (kong prints it).
func (mcpCmd) Help() string {
	return "It is started by a program with a language model, such as Claude Desktop: docs/mcp.md has configurations."
}

// Run answers calls until standard input ends.
func (c *mcpCmd) Run(ctx context.Context, std stdio) error {
	key, err := secret(std.getenv, "TINTYPE_API_KEY")
	if err != nil {
		return err
	}
	if key == "" {
		// TINTYPE_ROOT_KEY isn't read: a model shouldn't get all rights by what is left in the environment.
		return errors.New("set TINTYPE_API_KEY to an API key of the workspace, with the scope read")
	}
	api, err := newAPIClient(c.Server, key)
	if err != nil {
		return err
	}
	config := mcp.Config{
		Client: api, Workspace: c.Workspace, AllowWrite: c.AllowWrite, AllowSign: c.AllowSign, Version: version,
		Log: slog.New(slog.NewTextHandler(std.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if c.Root != "" {
		if config.Root, err = os.OpenRoot(c.Root); err != nil {
			return fmt.Errorf("--root: %w", err)
		}
		defer config.Root.Close()
	}
	return mcp.Serve(ctx, config, os.Stdin, std.stdout)
}
