package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/dynamodb"
	"github.com/tintype/tintype/workspace/sqlite"
)

// A store has all stored data: workspaces, keys, usage and logs.
type store interface {
	workspace.Store
	workspace.Domains
	workspace.APIKeys
	workspace.AuditLog
	workspace.Counters
	workspace.ImageErrors
	workspace.Purges
	workspace.Replays
	workspace.Deletions
	limit.Leases
	alert.Store
}

// checkTimeout is how long a start waits for a store on another machine. After that it goes
// on with the last known copies.
const checkTimeout = 5 * time.Second

// A storeURL says where workspaces are kept.
type storeURL struct {
	path     string // path of a SQLite file; empty is the one in the data folder
	dynamodb string // URL of a table; empty is SQLite
}

// elsewhere reports whether the store is on another machine. A start doesn't depend on it.
func (u storeURL) elsewhere() bool { return u.dynamodb != "" }

// UnmarshalText reads sqlite, sqlite:PATH or dynamodb://TABLE?….
func (u *storeURL) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "sqlite" {
		return nil
	}
	if path, ok := strings.CutPrefix(s, "sqlite:"); ok && path != "" {
		u.path = strings.TrimPrefix(path, "//")
		return nil
	}
	if strings.HasPrefix(s, "dynamodb:") {
		u.dynamodb = s
		_, err := dynamodb.ParseURL(s)
		return err
	}
	return fmt.Errorf("%q is no store; write sqlite, sqlite:PATH, or dynamodb://TABLE?region=REGION", s)
}

// openStore opens the store, and returns the settings of its cache. parts closes the store
// at the end.
func (c *serveCmd) openStore(ctx context.Context, getenv func(string) string, watch func(workspace.Call), log *slog.Logger, parts *parts) (store, cached.Config, error) {
	config := cached.Config{Log: log, Unconfirmed: c.Unconfirmed}
	if !c.Store.elsewhere() {
		codec, err := c.codec(getenv)
		if err != nil {
			return nil, config, err
		}
		s, err := sqlite.Open(c.storePath(), codec)
		if err != nil {
			return nil, config, err
		}
		s.Watch(watch)
		parts.close(s.Close)
		config.Answered, config.Codec = true, codec
		return s, config, nil
	}
	s, codec, err := openTable(ctx, c.Store, getenv, watch)
	if err != nil {
		return nil, config, err
	}
	parts.close(s.Close)
	within, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	switch newest, err := s.Check(within); {
	case errors.Is(err, workspace.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		log.Error("the store can't be reached; serving the last known copies", "err", err)
	case err != nil:
		return nil, config, err
	default:
		config.Answered = true
		if newest {
			break
		}
		log.Warn("secrets in the store are encrypted under an older secret key; run tintype store rekey")
	}
	sum := sha256.Sum256([]byte(c.Store.dynamodb)) // copies of another table must not be used
	copies, err := sqlite.OpenCopies(filepath.Join(c.Data, fmt.Sprintf("copies-%x.db", sum[:4])), int64(c.CopiesDisk))
	if err != nil {
		return nil, config, err
	}
	parts.close(copies.Close)
	config.Copies, config.Codec = copies, codec
	return s, config, nil
}

// openTable opens the store in a DynamoDB table. watch may be nil.
func openTable(ctx context.Context, u storeURL, getenv func(string) string, watch func(workspace.Call)) (*dynamodb.Store, *workspace.Codec, error) {
	keys, err := secret(getenv, "TINTYPE_SECRET_KEY")
	if err != nil {
		return nil, nil, err
	}
	if keys == "" {
		return nil, nil, errors.New("a store in DynamoDB needs TINTYPE_SECRET_KEY, the same on every server: 64 hex digits, such as `openssl rand -hex 32` prints")
	}
	codec, err := workspace.NewCodec(keys)
	if err != nil {
		return nil, nil, fmt.Errorf("TINTYPE_SECRET_KEY: %w", err)
	}
	s, err := dynamodb.Open(ctx, dynamodb.Config{URL: u.dynamodb, Codec: codec, Watch: watch})
	return s, codec, err
}

// storeCmd has the commands for stores.
type storeCmd struct {
	Init  storeInitCmd  `cmd:"" help:"Make the DynamoDB table, and what it needs."`
	Rekey storeRekeyCmd `cmd:"" help:"Encrypt all secrets in the DynamoDB table under the first key of TINTYPE_SECRET_KEY."`

	Export storeExportCmd `cmd:"" help:"Write all that a store holds into a file, for a store of the same kind or another. Secrets stay encrypted."`
	Import storeImportCmd `cmd:"" help:"Write what store export wrote into an empty store."`
	Thaw   storeThawCmd   `cmd:"" help:"Let a database take changes again after store export --freeze."`
	Backup storeBackupCmd `cmd:"" help:"Copy a SQLite database to a file, while servers use it."`
}

type storeInitCmd struct {
	Store storeURL `env:"TINTYPE_STORE" required:"" placeholder:"URL" help:"dynamodb://TABLE?region=REGION."`
}

func (c storeInitCmd) Run(ctx context.Context, std stdio) error {
	if !c.Store.elsewhere() {
		return errors.New("--store: a SQLite store needs no init: tintype serve makes it")
	}
	s, _, err := openTable(ctx, c.Store, std.getenv, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	created, err := s.Init(ctx)
	if err != nil {
		return err
	}
	what := "the table was there and is ready"
	if created {
		what = "the table is made and ready"
	}
	_, err = fmt.Fprintln(std.stdout, what)
	return err
}

type storeRekeyCmd struct {
	Store storeURL `env:"TINTYPE_STORE" required:"" placeholder:"URL" help:"dynamodb://TABLE?region=REGION."`
}

func (c storeRekeyCmd) Run(ctx context.Context, std stdio) error {
	if !c.Store.elsewhere() {
		return errors.New("--store: a SQLite store is written anew when tintype serve starts with a new key")
	}
	s, codec, err := openTable(ctx, c.Store, std.getenv, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Check(ctx); err != nil {
		return err
	}
	if n, err := certs.Reseal(ctx, certs.Shared(s, codec)); err != nil {
		return fmt.Errorf("after %d files of certificates, to be begun again: %w", n, err)
	}
	if n, err := alert.Reseal(ctx, s, codec); err != nil {
		return fmt.Errorf("after the alert channels of %d workspaces, to be begun again: %w", n, err)
	}
	written, err := s.Rekey(ctx) // last: it writes down that all is done
	if err != nil {
		return fmt.Errorf("after %d workspaces, to be begun again: %w", written, err)
	}
	_, err = fmt.Fprintf(std.stdout, "%d workspaces are encrypted under the newest key\n", written)
	return err
}
