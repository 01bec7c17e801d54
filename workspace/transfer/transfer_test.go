package transfer_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/dynamodb"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/transfer"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// importOf is the file that the test binary imports, into the store of importTo, until it is
// killed.
const (
	importOf = "TINTYPE_TEST_IMPORT"
	importTo = "TINTYPE_TEST_IMPORT_TO"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(importOf); name != "" {
		fmt.Fprintln(os.Stderr, importForEver(name, os.Getenv(importTo)))
		os.Exit(1)
	}
	code := m.Run()
	dynamodblocal.Stop()
	os.Exit(code)
}

// importForEver imports a file, says so in its middle, and waits there.
func importForEver(name, to string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	var s transfer.Target
	if strings.HasPrefix(to, "dynamodb:") {
		s, err = dynamodb.Open(context.Background(), dynamodb.Config{URL: to, Codec: codec, Credentials: keys})
	} else {
		s, err = sqlite.Open(to, codec)
	}
	if err != nil {
		return err
	}
	_, err = transfer.Import(context.Background(), file, s, false, func(done, all int) {
		if done == all { // all but the last is written or on its way
			fmt.Println("now")
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
	})
	return err
}

var (
	codec = newCodec(strings.Repeat("0a", 32))
	keys  = credentials.NewStaticCredentialsProvider(dynamodblocal.AccessKeyID, dynamodblocal.SecretAccessKey, "")
)

func newCodec(keys string) *workspace.Codec {
	c, err := workspace.NewCodec(keys)
	if err != nil {
		panic(err)
	}
	return c
}

// A place is an empty store, and how to export from it.
type place struct {
	workspacetest.Store
	transfer.Target
	export func() (transfer.Source, error)
	url    string
}

// Close closes the store.
func (p place) Close() error { return p.Store.Close() }

var kinds = map[string]func(*testing.T) place{
	"sqlite": func(t *testing.T) place {
		path := filepath.Join(t.TempDir(), "tintype.db")
		s, err := sqlite.Open(path, codec)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return place{s, s, func() (transfer.Source, error) {
			e, err := sqlite.OpenExport(t.Context(), path)
			if err == nil {
				t.Cleanup(func() { _ = e.Close() })
			}
			return e, err
		}, path}
	},
	"dynamodb": func(t *testing.T) place {
		url := dynamodblocal.Shared(t).URL(dynamodblocal.TableName())
		s, err := dynamodb.Open(t.Context(), dynamodb.Config{URL: url, Codec: codec, Credentials: keys, Timeout: time.Minute})
		if err == nil {
			_, err = s.Init(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return place{s, s, func() (transfer.Source, error) { return s, nil }, url}
	},
}

func export(t *testing.T, p place) []byte {
	t.Helper()
	from, err := p.export()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := transfer.Export(t.Context(), &b, from, transfer.Header{Version: "v9", From: "test"}, func(transfer.Counts) {}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func take(t *testing.T, p place, file []byte, replace bool) (transfer.Counts, error) {
	t.Helper()
	return transfer.Import(t.Context(), bytes.NewReader(file), p.Target, replace, func(int, int) {})
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

const secret = "hunter2-hunter2"

// A made is what fill has made, to ask for it again.
type made struct {
	id, gone string // IDs of workspaces
	hash     [32]byte
	day      string
	at       time.Time
}

// fill makes something of every kind in a store.
func fill(t *testing.T, s workspacetest.Store) made {
	t.Helper()
	ctx := t.Context()
	w := workspace.New("acme")
	w.Domains = []string{"img.acme.example", "old.acme.example"}
	w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: "https://origin.example/", Headers: map[string]string{"X-Token": secret}}}
	w.SigningKeys = append(w.SigningKeys, signing.Key{ID: "sk_1", Secret: signing.NewSecret(), CreatedAt: time.Now().UTC().Truncate(time.Second)})
	w.Blocks = []workspace.Block{{ID: "b1", Path: "photos/a.jpg"}}
	must(t, "Create", s.Create(ctx, w, workspace.AuditEntry{Actor: "root", Action: "create"}))
	must(t, "Update", s.Update(ctx, w))
	must(t, "Verify", s.VerifyDomain(ctx, "img.acme.example", "acme", time.Now()))
	gone := workspace.New("gone")
	must(t, "Create", s.Create(ctx, gone))
	must(t, "Delete", s.Delete(ctx, "gone", 0))

	m := made{id: w.ID, gone: gone.ID, hash: [32]byte{1, 2, 3}, at: time.Now().UTC().Truncate(time.Microsecond)}
	m.day = m.at.Format(time.DateOnly)
	key := func(id string, hash [32]byte) {
		must(t, "key", s.CreateAPIKey(ctx, &workspace.APIKey{ID: id, WorkspaceID: w.ID, Namespace: "acme", Hash: hash, Name: "back end", Scopes: []string{"read"}, CreatedAt: m.at, ExpiresAt: m.at.Add(time.Hour)}))
	}
	key("k1", m.hash)
	key("k2", [32]byte{4})
	must(t, "revoke", s.RevokeAPIKey(ctx, w.ID, "k2", m.at))
	must(t, "log", s.AppendAudit(ctx, workspace.AuditEntry{WorkspaceID: w.ID, Trail: workspace.TrailAccess, Actor: "root", Action: "GET /v1", Status: 200},
		workspace.AuditEntry{WorkspaceID: workspace.OperatorLog, Trail: workspace.TrailAccess, Actor: "root", Action: "GET /v1"}))
	must(t, "tally", s.AddTally(ctx, workspace.Tally{ID: "t" + w.ID, Usage: []workspace.Usage{usage(w.ID, m.day)},
		Keys: []workspace.KeyUse{{WorkspaceID: w.ID, ID: "k1", Requests: 3, Errors: 1, LastUsedAt: m.at}}}))
	must(t, "errors", s.PutErrors(ctx, workspace.ErrorReport{WorkspaceID: w.ID, Day: m.day, Part: "p1", Rows: []workspace.ErrorCount{{Code: "NOT_FOUND", Count: 7}}}))
	for i := range 5 {
		_, _, err := s.AddPurges(ctx, "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprint(i)}})
		must(t, "purge", err)
	}
	_, err := s.Lease(ctx, limit.Request{Key: "day:" + w.ID, Window: limit.Day, Max: 100, Want: 40})
	must(t, "lease", err)
	must(t, "records", s.WriteRecords(ctx, []account.Write{
		{Record: account.Record{Group: "accounts", Name: "ada@example.com", Data: []byte(`{"a":"ü"}`)}},
		{Record: account.Record{Group: "sessions", Name: "s1", Expires: m.at.Add(time.Hour), Data: []byte(`{}`)}},
		{Record: account.Record{Group: "certs", Name: "acme/x.example/key", Data: []byte(`{"value":"` + codec.Seal("certs", "k", secret) + `"}`)}},
	}))
	_, err = s.BeginReplay(ctx, "once", "f")
	must(t, "replay", err)
	return m
}

// usage returns a row in which every field is set, also those of later versions.
func usage(id, day string) workspace.Usage {
	u := workspace.Usage{}
	set(reflect.ValueOf(&u).Elem())
	u.WorkspaceID, u.Day, u.Operation, u.Source = id, day, "transform", "photos"
	return u
}

func set(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i))
			if v.Field(i).CanInt() {
				v.Field(i).SetInt(int64(i + 10))
			}
		}
	case reflect.Map:
		one := reflect.New(v.Type().Elem()).Elem()
		set(one)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("de").Convert(v.Type().Key()), one)
	}
}

// usageOf reads rows with all their fields.
func usageOf(ctx context.Context, s workspacetest.Store, id, day string) ([]workspace.Usage, error) {
	return s.UsageInParts(ctx, id, day, day)
}

// contents asks a store for all that fill has made.
func contents(t *testing.T, s workspacetest.Store, m made) map[string]any {
	t.Helper()
	ctx := t.Context()
	all := map[string]any{}
	add := func(name string, v any, err error) {
		t.Helper()
		must(t, name, err)
		all[name] = v
	}
	w, err := s.Get(ctx, "acme")
	add("workspace", w, err)
	list, err := s.List(ctx, "", 10)
	add("list", list, err)
	for _, d := range w.Domains {
		domain, err := s.Domain(ctx, d)
		add(d, domain, err)
	}
	k, err := s.APIKey(ctx, m.hash)
	add("key", k, err)
	ks, err := s.APIKeys(ctx, m.id)
	add("keys", ks, err)
	for _, id := range []string{m.id, m.gone, workspace.OperatorLog} {
		for _, trail := range []workspace.Trail{workspace.TrailChanges, workspace.TrailAccess} {
			a, err := s.Audit(ctx, id, trail, "", 100)
			add("log "+id+string(trail), a, err)
		}
	}
	u, err := usageOf(ctx, s, m.id, m.day)
	add("usage", u, err)
	e, err := s.Errors(ctx, m.id, m.day, m.day)
	add("errors", e, err)
	p, err := s.PurgeLog(ctx, m.id, workspace.PurgeLog{})
	add("purges", p, err)
	d, err := s.Deletions(ctx, "gone")
	add("deletions", d, err)
	g, err := s.Lease(ctx, limit.Request{Key: "day:" + m.id, Window: limit.Day, Max: 100, Want: 0})
	add("lease", []any{g.Used, g.Start}, err)
	for _, group := range []string{"accounts", "sessions", "certs"} {
		r, err := s.Records(ctx, group, "", 10)
		add(group, r, err)
	}
	return all
}

// TestTransfer moves everything from each kind of store to each.
func TestTransfer(t *testing.T) {
	for from, open := range kinds {
		for to, openTo := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				a, b := open(t), openTo(t)
				m := fill(t, a)
				want := contents(t, a, m)
				if got := want["usage"].([]workspace.Usage); !cmp.Equal(got, []workspace.Usage{usage(m.id, m.day)}) {
					t.Fatalf("usage before: %s", cmp.Diff(usage(m.id, m.day), got))
				}
				file := export(t, a)
				if bytes.Contains(file, []byte(secret)) {
					t.Error("the export holds a secret as plain text")
				}
				counts, err := take(t, b, file, false)
				must(t, "import", err)
				for _, kind := range transfer.Kinds() {
					if counts[kind] == 0 {
						t.Errorf("the export has no %s", kind)
					}
				}
				if d := cmp.Diff(want, contents(t, b, m), cmpopts.EquateEmpty()); d != "" {
					t.Errorf("-%s +%s\n%s", from, to, d)
				}
				// All goes on there.
				must(t, "Update", b.Update(t.Context(), want["workspace"].(*workspace.Workspace).Clone()))
				_, _, err = b.AddPurges(t.Context(), "acme", m.id, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}})
				must(t, "purge", err)
				must(t, "key", b.CreateAPIKey(t.Context(), &workspace.APIKey{ID: "k9", WorkspaceID: m.id, Namespace: "acme", Hash: [32]byte{9}, CreatedAt: m.at}))
			})
		}
	}
}

// TestNotEmpty: a store that holds something is replaced only where one says so, and then all
// of it is. Servers that have it open read all anew.
func TestNotEmpty(t *testing.T) {
	source := kinds["sqlite"](t)
	m := fill(t, source)
	file := export(t, source)
	for kind, open := range kinds {
		t.Run(kind, func(t *testing.T) {
			s := open(t)
			must(t, "Create", s.Create(t.Context(), workspace.New("other")))
			_, cursor, err := s.Changes(t.Context(), "")
			must(t, "Changes", err)
			if _, err := take(t, s, file, false); !errors.Is(err, transfer.ErrNotEmpty) {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), "other"); err != nil {
				t.Fatal(err)
			}
			_, err = take(t, s, file, true)
			must(t, "replace", err)
			if _, err := s.Get(t.Context(), "other"); !errors.Is(err, workspace.ErrNotFound) {
				t.Errorf("what was there before: %v", err)
			}
			if _, _, err := s.Changes(t.Context(), cursor); !errors.Is(err, workspace.ErrCursor) {
				t.Errorf("a server goes on in the feed: %v", err)
			}
			contents(t, s, m)
		})
	}
}

// TestDamaged: what isn't a whole export of a known version and of this secret key changes
// nothing, and the error says what to do.
func TestDamaged(t *testing.T) {
	source := kinds["sqlite"](t)
	fill(t, source)
	good := string(export(t, source))
	lines := strings.SplitAfter(good, "\n")
	cut := func(n int) string { return strings.Join(lines[:len(lines)-n], "") }
	for what, c := range map[string]struct{ file, says string }{
		"empty":        {"", "its end is missing"},
		"no export":    {"namespace: acme\n", "it can't be read"},
		"no header":    {strings.Join(lines[1:], ""), "this is no export of tintype store export"},
		"cut":          {good[:len(good)/2], "its end is missing: the export was cut off; export again"},
		"without end":  {cut(2), "its end is missing"},
		"a line lacks": {lines[0] + strings.Join(lines[2:], ""), "its checksum or its counts are wrong"},
		"changed":      {strings.Replace(good, "back end", "fake end", 1), "its checksum or its counts are wrong"},
		"format":       {strings.Replace(good, `"format":1`, `"format":2`, 1), "line 1: its format is 2, and this tintype reads 1: import it with the version that made it (v9)"},
		"another kind": {lines[0] + `{"alert":{}}` + "\n" + strings.Join(lines[1:], ""), "made by a newer tintype"},
		"no kind":      {lines[0] + "{}\n" + strings.Join(lines[1:], ""), "of no kind that this tintype knows"},
		"two":          {good + good, "there is something after its end"},
	} {
		for kind, open := range kinds {
			if kind == "dynamodb" && what != "cut" { // the check is the same
				continue
			}
			s := open(t)
			_, err := take(t, s, []byte(c.file), false)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s into %s: %v", what, kind, err)
			}
			if list, err := s.List(t.Context(), "", 1); len(list) > 0 || err != nil {
				t.Errorf("%s into %s: %v, %v", what, kind, list, err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "other.db")
	other, err := sqlite.Open(path, newCodec(strings.Repeat("0b", 32)))
	must(t, "open", err)
	defer other.Close()
	if _, err := transfer.Import(t.Context(), strings.NewReader(good), other, false, func(int, int) {}); err == nil || !strings.Contains(err.Error(), "which is missing: set TINTYPE_SECRET_KEY to it") {
		t.Errorf("another secret key: %v", err)
	}
}

// TestNewKeyInFront: a target whose newest key isn't the export's knows that it is to be written
// anew.
func TestNewKeyInFront(t *testing.T) {
	source := kinds["dynamodb"](t)
	m := fill(t, source)
	file := export(t, source)
	both := newCodec(strings.Repeat("0b", 32) + "," + strings.Repeat("0a", 32))
	path := filepath.Join(t.TempDir(), "tintype.db")
	s, err := sqlite.Open(path, both)
	must(t, "open", err)
	if _, err := transfer.Import(t.Context(), bytes.NewReader(file), s, false, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	must(t, "close", s.Close())
	s, err = sqlite.Open(path, both) // writes secrets anew
	must(t, "open", err)
	must(t, "close", s.Close())
	s, err = sqlite.Open(path, newCodec(strings.Repeat("0b", 32)))
	must(t, "open with the new key alone", err)
	defer s.Close()
	w, err := s.Get(t.Context(), "acme")
	if err != nil || w.ID != m.id || w.Sources[0].Headers["X-Token"] != secret {
		t.Errorf("%+v, %v", w, err)
	}
}

// TestKilled: kill -9 in the middle of an import leaves a store on which servers find nothing,
// or don't start. A second import ends well.
func TestKilled(t *testing.T) {
	source := kinds["sqlite"](t)
	m := fill(t, source)
	name := filepath.Join(t.TempDir(), "export.jsonl")
	must(t, "write", os.WriteFile(name, export(t, source), 0o600))
	for kind, open := range kinds {
		t.Run(kind, func(t *testing.T) {
			s := open(t)
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), importOf+"="+name, importTo+"="+s.url)
			in, err := child.StdinPipe()
			must(t, "pipe", err)
			defer in.Close()
			out, err := child.StdoutPipe()
			must(t, "pipe", err)
			var said bytes.Buffer
			child.Stderr = &said
			must(t, "start", child.Start())
			if line, _ := bufio.NewReader(out).ReadString('\n'); line != "now\n" {
				t.Fatalf("%q %s", line, said.String())
			}
			must(t, "kill", child.Process.Kill())
			_ = child.Wait()
			if list, err := s.List(t.Context(), "", 1); len(list) > 0 || err != nil {
				t.Errorf("%v, %v", list, err)
			}
			if table, ok := s.Store.(*dynamodb.Store); ok {
				if _, err := table.Check(t.Context()); !errors.Is(err, dynamodb.ErrTable) || !strings.Contains(err.Error(), "call tintype store import again") {
					t.Errorf("a server would start: %v", err)
				}
			}
			_, err = take(t, s, []byte(read(t, name)), false)
			must(t, "again", err)
			contents(t, s, m)
		})
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, "read", err)
	return string(b)
}

// TestFreeze: a frozen database is read and exported, and changed by nobody until it is thawed.
func TestFreeze(t *testing.T) {
	a := kinds["sqlite"](t)
	m := fill(t, a)
	before := contents(t, a, m)
	must(t, "freeze", sqlite.Freeze(t.Context(), a.url))
	must(t, "freeze again", sqlite.Freeze(t.Context(), a.url))
	w, err := a.Get(t.Context(), "acme")
	must(t, "get", err)
	if err := a.Update(t.Context(), w.Clone()); !errors.Is(err, workspace.ErrFrozen) || !errors.Is(err, workspace.ErrReadOnly) {
		t.Errorf("update: %v", err)
	}
	if err := a.AddTally(t.Context(), workspace.Tally{ID: "late"}); !errors.Is(err, workspace.ErrFrozen) {
		t.Errorf("tally: %v", err)
	}
	b := kinds["sqlite"](t)
	_, err = take(t, b, export(t, a), false)
	must(t, "import", err)
	must(t, "the target isn't frozen", b.Update(t.Context(), w.Clone()))
	must(t, "thaw", sqlite.Thaw(t.Context(), a.url))
	if d := cmp.Diff(before, contents(t, a, m)); d != "" {
		t.Error(d)
	}
	must(t, "update", a.Update(t.Context(), w))
}

// TestBackup: a backup of a database that is written to is a whole database.
func TestBackup(t *testing.T) {
	a := kinds["sqlite"](t)
	m := fill(t, a)
	to := filepath.Join(t.TempDir(), "backup.db")
	must(t, "backup", sqlite.Backup(t.Context(), a.url, to))
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), ".backup-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	b, err := sqlite.Open(to, codec)
	must(t, "open", err)
	defer b.Close()
	if d := cmp.Diff(contents(t, a, m), contents(t, b, m)); d != "" {
		t.Error(d)
	}
	for _, c := range []struct{ from, to, says string }{
		{a.url, to, "is there already: name a new file"},
		{filepath.Join(t.TempDir(), "none.db"), to + "2", "there is no database"},
		{a.url, filepath.Join(t.TempDir(), "none", "x.db"), "no such file or directory"},
	} {
		if err := sqlite.Backup(t.Context(), c.from, c.to); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
	text := filepath.Join(t.TempDir(), "text.db")
	must(t, "write", os.WriteFile(text, []byte(strings.Repeat("no database", 100)), 0o600))
	if err := sqlite.Backup(t.Context(), text, to+"3"); err == nil {
		t.Error("a text was backed up")
	}
}
