package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/transfer"
)

// ofStore is the store that a command is about.
type ofStore struct {
	Store storeURL `env:"TINTYPE_STORE" default:"sqlite" placeholder:"URL" help:"The store, as for tintype serve (${default})."`
	Data  string   `env:"TINTYPE_DATA" default:"data" placeholder:"FOLDER" help:"The data folder, with the database and the secret key (${default})."`
}

// serving returns the part of a server's configuration that says where the store is.
func (s ofStore) serving() *serveCmd { return &serveCmd{Store: s.Store, Data: s.Data} }

// database returns the path of the database, for commands that only SQLite needs.
func (s ofStore) database(instead string) (string, error) {
	if s.Store.elsewhere() {
		return "", errors.New("--store: " + instead)
	}
	return s.serving().storePath(), nil
}

// kind is the kind of the store, for the header of an export.
func (s ofStore) kind() string {
	if s.Store.elsewhere() {
		return "dynamodb"
	}
	return "sqlite"
}

type storeExportCmd struct {
	ofStore
	Output string `short:"o" required:"" placeholder:"FILE" help:"The file to write; - is standard output. It is there only when it is whole."`
	Freeze bool   `help:"Hold changes back from now on, on all servers with this database: they answer 503 until tintype store thaw, and images go on. What was acknowledged before is in the export. SQLite only."`
}

func (c storeExportCmd) Run(ctx context.Context, std stdio) error {
	from, done, err := c.open(ctx, std)
	if err != nil {
		return err
	}
	defer done()
	if c.Freeze {
		path, err := c.database("--freeze is for SQLite; for a table, keep servers from writing by their policy, as docs/store.md says")
		if err != nil {
			return err
		}
		if err := sqlite.Freeze(ctx, path); err != nil {
			return fmt.Errorf("--freeze: %w", err)
		}
	}
	counts, err := c.write(ctx, from, std)
	if err != nil {
		return err
	}
	if c.Output == "-" {
		return printCounts(std.stderr, counts)
	}
	return printCounts(std.stdout, counts)
}

// open opens the store for reading.
func (c storeExportCmd) open(ctx context.Context, std stdio) (transfer.Source, func(), error) {
	if !c.Store.elsewhere() {
		e, err := sqlite.OpenExport(ctx, c.serving().storePath())
		if err != nil {
			return nil, nil, err
		}
		return e, func() { _ = e.Close() }, nil
	}
	s, _, err := openTable(ctx, c.Store, std.getenv, nil)
	if err != nil {
		return nil, nil, err
	}
	return s, func() { _ = s.Close() }, nil
}

func (c storeExportCmd) write(ctx context.Context, from transfer.Source, std stdio) (transfer.Counts, error) {
	h := transfer.Header{Version: version, From: c.kind(), MadeAt: time.Now().UTC()}
	p := progress{out: std.stderr, what: "exported"}
	export := func(w io.Writer) (transfer.Counts, error) {
		return transfer.Export(ctx, w, from, h, func(counts transfer.Counts) { p.tell(func() int { return counts.Total() }, 0) })
	}
	if c.Output == "-" {
		return export(std.stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(c.Output), ".export-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	counts, err := export(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.Output)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return counts, err
}

type storeImportCmd struct {
	ofStore
	File    string `arg:"" help:"The file that tintype store export wrote; - is standard input."`
	Replace bool   `help:"Remove what the store holds now. Without it, only an empty store is imported into."`
}

func (c storeImportCmd) Run(ctx context.Context, std stdio) error {
	file, err := openImport(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	to, done, err := c.open(ctx, std)
	if err != nil {
		return err
	}
	defer done()
	p := progress{out: std.stderr, what: "imported"}
	counts, err := transfer.Import(ctx, file, to, c.Replace, func(done, all int) { p.tell(func() int { return done }, all) })
	switch {
	case errors.Is(err, transfer.ErrNotEmpty):
		return fmt.Errorf("%w: name an empty store, or remove all that this one holds with --replace", err)
	case err != nil:
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return printCounts(std.stdout, counts)
}

// open opens the store for writing.
func (c storeImportCmd) open(ctx context.Context, std stdio) (transfer.Target, func(), error) {
	if c.Store.elsewhere() {
		s, _, err := openTable(ctx, c.Store, std.getenv, nil)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { _ = s.Close() }, nil
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, nil, fmt.Errorf("--data: %w", err)
	}
	codec, err := c.serving().codec(std.getenv)
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlite.Open(c.serving().storePath(), codec)
	if err != nil {
		return nil, nil, err
	}
	return s, func() { _ = s.Close() }, nil
}

// openImport opens a file that is read several times. What comes from standard input goes into a
// file without a name first.
func openImport(name string) (*os.File, error) {
	if name != "-" {
		return os.Open(name)
	}
	f, err := os.CreateTemp("", ".import-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name())
	if _, err := io.Copy(f, os.Stdin); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

type storeThawCmd struct{ ofStore }

func (c storeThawCmd) Run(ctx context.Context, std stdio) error {
	path, err := c.database("only a SQLite store is frozen")
	if err != nil {
		return err
	}
	if err := sqlite.Thaw(ctx, path); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.stdout, "the database takes changes")
	return err
}

type storeBackupCmd struct {
	ofStore
	File string `arg:"" help:"The new file. It is there only when it is whole."`
}

func (c storeBackupCmd) Run(ctx context.Context, std stdio) error {
	path, err := c.database("a table has point-in-time recovery, which tintype store init turns on; tintype store export writes a file of one")
	if err != nil {
		return err
	}
	if err := sqlite.Backup(ctx, path, c.File); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := writeBackupTime(c.Data, time.Now()); err != nil { // the copy is good all the same
		fmt.Fprintf(std.stderr, "tintype doctor won't know of this backup: %v\n", err)
	}
	_, err = fmt.Fprintf(std.stdout, "%s is a whole copy; its secrets are encrypted: keep TINTYPE_SECRET_KEY, or secret.key of the data folder, elsewhere\n", c.File)
	return err
}

// A progress tells once in a while how far a command is.
type progress struct {
	out  io.Writer
	what string
	last time.Time
}

func (p *progress) tell(done func() int, all int) {
	if p.last.IsZero() {
		p.last = time.Now()
	}
	if time.Since(p.last) < 2*time.Second {
		return
	}
	p.last = time.Now()
	if all > 0 {
		fmt.Fprintf(p.out, "%s %d of %d records\n", p.what, done(), all)
		return
	}
	fmt.Fprintf(p.out, "%s %d records\n", p.what, done())
}

// printCounts prints how many records of each kind there were.
func printCounts(out io.Writer, counts transfer.Counts) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, kind := range transfer.Kinds() {
		fmt.Fprintf(w, "%d\t%s\n", counts[kind], kind)
	}
	return w.Flush()
}

// backupFile is where tintype store backup writes down that it ended well.
func backupFile(data string) string { return filepath.Join(data, "last-backup") }

// readBackupTime returns when the database was backed up last, or the zero time.
func readBackupTime(data string) time.Time {
	b, err := os.ReadFile(backupFile(data))
	if err != nil {
		return time.Time{}
	}
	at, _ := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	return at
}

// Root may write it, and a server of another user reads it.
func writeBackupTime(data string, at time.Time) error {
	return os.WriteFile(backupFile(data), []byte(at.UTC().Format(time.RFC3339)+"\n"), 0o644)
}
