package dynamodb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/dynamodb"
	"github.com/tintype/tintype/workspace/transfer"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// writerURL is the table that the test binary writes into until it is killed.
const writerURL = "TINTYPE_TEST_WRITER_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(writerURL); url != "" {
		s, err := dynamodb.Open(context.Background(), dynamodb.Config{URL: url, Codec: codec})
		if err == nil {
			err = workspacetest.WriteForEver(context.Background(), s, os.Stdout)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	dynamodblocal.Stop()
	os.Exit(code)
}

// codec encrypts in all tests.
var codec = newCodec(strings.Repeat("0a", 32))

func newCodec(keys string) *workspace.Codec {
	c, err := workspace.NewCodec(keys)
	if err != nil {
		panic(err)
	}
	return c
}

var account = credentials.NewStaticCredentialsProvider(dynamodblocal.AccessKeyID, dynamodblocal.SecretAccessKey, "")

// openAt returns a store in a table that may not exist.
func openAt(t *testing.T, server *dynamodblocal.Server, table string, change ...func(*dynamodb.Config)) *dynamodb.Store {
	t.Helper()
	cfg := dynamodb.Config{URL: server.URL(table), Codec: codec, Credentials: account, Timeout: time.Minute}
	for _, c := range change {
		c(&cfg)
	}
	s, err := dynamodb.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open returns a store in a new table of the shared server, and the table.
func open(t *testing.T) (*dynamodb.Store, string) {
	t.Helper()
	table := dynamodblocal.TableName()
	s := openAt(t, dynamodblocal.Shared(t), table)
	if created, err := s.Init(t.Context()); err != nil || !created {
		t.Fatalf("Init: %v, %v", created, err)
	}
	t.Cleanup(func() {
		if err := s.Export(context.Background(), func(transfer.Record) error { return nil }); err != nil {
			t.Errorf("an export would forget something: give it a place in kinds, and move it: %v", err)
		}
	})
	return s, table
}

func TestStore(t *testing.T) {
	workspacetest.Run(t, func(t *testing.T) workspace.Store {
		s, _ := open(t)
		return s
	})
}

func TestStoreRecords(t *testing.T) {
	workspacetest.RunRecords(t, func(t *testing.T) workspacetest.Store {
		s, _ := open(t)
		return s
	})
}

func TestStoreShared(t *testing.T) {
	workspacetest.RunShared(t, func(t *testing.T) (a, b workspace.Store) {
		s, table := open(t)
		return s, openAt(t, dynamodblocal.Shared(t), table)
	})
}

func TestStoreDamaged(t *testing.T) {
	workspacetest.RunDamaged(t, func(t *testing.T) (workspace.Store, func(*testing.T, string, string)) {
		table := dynamodblocal.TableName()
		s := openAt(t, dynamodblocal.Shared(t), table)
		if _, err := s.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		client := awsdynamodb.New(awsdynamodb.Options{Region: dynamodblocal.Region, BaseEndpoint: &dynamodblocal.Shared(t).Endpoint, Credentials: account})
		return s, func(t *testing.T, namespace, json string) {
			update := "SET #json = :json"
			if _, err := client.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
				TableName: &table, UpdateExpression: &update, ExpressionAttributeNames: map[string]string{"#json": "json"},
				Key: map[string]types.AttributeValue{
					"pk": &types.AttributeValueMemberS{Value: "WS#" + namespace}, "sk": &types.AttributeValueMemberS{Value: "WS"},
				},
				ExpressionAttributeValues: map[string]types.AttributeValue{":json": &types.AttributeValueMemberS{Value: json}},
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestCached(t *testing.T) {
	workspacetest.Run(t, func(t *testing.T) workspace.Store {
		s, _ := open(t)
		return cached.New(s, cached.Config{})
	})
}

// A server whose clock is an hour ahead uses the same windows as the others.
func TestLeaseWithAWrongClock(t *testing.T) {
	s, table := open(t)
	ahead := openAt(t, dynamodblocal.Shared(t), table, func(c *dynamodb.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	})
	if _, err := ahead.Check(t.Context()); err != nil { // every answer contains the service's time
		t.Fatal(err)
	}
	for {
		r := limit.Request{Key: "k", Window: limit.Hour, Max: 10, Want: 8}
		first, err := s.Lease(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		second, err := ahead.Lease(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if over := 10 * time.Second; first.Ends < over {
			continue // the hour may have ended in between
		}
		if !first.Start.Equal(second.Start) || first.Granted+second.Granted > 10 {
			t.Errorf("granted %+v, and by the other clock %+v", first, second)
		}
		return
	}
}

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]dynamodb.Location{
		"dynamodb://tintype": {Table: "tintype"},
		"dynamodb://tintype?region=eu-west-1&endpoint=http://127.0.0.1:8000": {Table: "tintype", Region: "eu-west-1", Endpoint: "http://127.0.0.1:8000"},
		"dynamodb://My_Table.2/?region=us-east-1":                            {Table: "My_Table.2", Region: "us-east-1"},
	} {
		if got, err := dynamodb.ParseURL(raw); err != nil || got != want {
			t.Errorf("ParseURL(%q): %+v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{
		"", "tintype", "sqlite", "s3://tintype", "dynamodb:tintype", "dynamodb://ab", "dynamodb://tin type", "dynamodb://tintype/x", "dynamodb://tintype:80",
		"dynamodb://hunter2:hunter2@tintype", "dynamodb://tintype?regoin=x", "dynamodb://tintype?region=a&region=b", "dynamodb://tintype?endpoint=hunter2",
		"dynamodb://tintype?endpoint=http://hunter2@h", "dynamodb://tintype?endpoint=http://h/path", "dynamodb://tintype#x", "dynamodb://tintype?a;b",
	} {
		if got, err := dynamodb.ParseURL(raw); err == nil {
			t.Errorf("ParseURL(%q): %+v", raw, got)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseURL shows a secret: %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	s, table := open(t)
	if newest, err := s.Check(t.Context()); err != nil || !newest {
		t.Errorf("Check: %v, %v", newest, err)
	}
	if created, err := s.Init(t.Context()); err != nil || created {
		t.Errorf("Init again: %v, %v", created, err)
	}
	missing := openAt(t, dynamodblocal.Shared(t), dynamodblocal.TableName())
	if _, err := missing.Check(t.Context()); !errors.Is(err, dynamodb.ErrTable) || !strings.Contains(err.Error(), "tintype store init") {
		t.Errorf("Check without a table: %v", err)
	}
	if _, err := missing.Get(t.Context(), "acme"); !errors.Is(err, workspace.ErrUnavailable) || errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("Get without a table: %v", err)
	}
	stranger := openAt(t, dynamodblocal.Shared(t), table, func(c *dynamodb.Config) { c.Codec = newCodec(strings.Repeat("0b", 32)) })
	if _, err := stranger.Check(t.Context()); !errors.Is(err, dynamodb.ErrTable) || !strings.Contains(err.Error(), "TINTYPE_SECRET_KEY") {
		t.Errorf("Check with another key: %v", err)
	}
	if _, err := stranger.Init(t.Context()); !errors.Is(err, dynamodb.ErrTable) {
		t.Errorf("Init with another key: %v", err)
	}
}

// TestSecretsAtRest: no secret is readable in the table's items, and every secret can be
// decrypted.
func TestSecretsAtRest(t *testing.T) {
	s, table := open(t)
	w, readable := workspacetest.Secretive("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	w.Name = "changed"
	if err := s.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, got); d != "" {
		t.Error(d)
	}
	client := awsdynamodb.New(awsdynamodb.Options{Region: dynamodblocal.Region, BaseEndpoint: &dynamodblocal.Shared(t).Endpoint, Credentials: account})
	items, err := client.Scan(t.Context(), &awsdynamodb.ScanInput{TableName: &table})
	if err != nil || len(items.Items) == 0 || items.LastEvaluatedKey != nil {
		t.Fatalf("%+v, %v", items, err)
	}
	acme := false
	for _, i := range items.Items {
		shown := valuesOf(i)
		acme = acme || bytes.Contains(shown, []byte("acme"))
		if readable(shown) {
			t.Errorf("a secret is readable in the item %s", shown)
		}
	}
	if !acme {
		t.Error("no item holds the workspace")
	}
}

// valuesOf returns the bytes and the text of an item.
func valuesOf(item map[string]types.AttributeValue) (all []byte) {
	for name, value := range item {
		all = append(all, name...)
		switch v := value.(type) {
		case *types.AttributeValueMemberB:
			all = append(all, v.Value...)
		case *types.AttributeValueMemberM:
			all = append(all, valuesOf(v.Value)...)
		default:
			all = fmt.Appendf(all, "%v", value)
		}
		all = append(all, 0)
	}
	return all
}

// TestRekey: keys rotate. The old key reads what isn't rewritten yet.
func TestRekey(t *testing.T) {
	s, table := open(t)
	w := workspacetest.Full("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	with := func(keys string) *dynamodb.Store {
		return openAt(t, dynamodblocal.Shared(t), table, func(c *dynamodb.Config) { c.Codec = newCodec(keys) })
	}
	check := func(s *dynamodb.Store, wantNewest bool) {
		t.Helper()
		if newest, err := s.Check(t.Context()); err != nil || newest != wantNewest {
			t.Errorf("Check: %v, %v", newest, err)
		}
		got, err := s.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		if changes := workspace.Diff(w, got); len(changes) > 0 || got.Revision != w.Revision || got.ID != w.ID {
			t.Errorf("read %q, revision %d", changes, got.Revision)
		}
	}
	both := with(strings.Repeat("0b", 32) + "," + strings.Repeat("0a", 32))
	check(both, false)
	if n, err := both.Rekey(t.Context()); err != nil || n != 1 {
		t.Fatalf("Rekey: %d, %v", n, err)
	}
	check(both, true)
	check(with(strings.Repeat("0b", 32)), true)
	if _, err := s.Get(t.Context(), "acme"); err == nil {
		t.Error("the old key reads what the new one encrypts")
	}
}

func TestTooLarge(t *testing.T) {
	s, _ := open(t)
	w := workspace.New("acme")
	w.Name = strings.Repeat("x", dynamodb.MaxBytes)
	if _, ok := errors.AsType[*workspace.ValidationError](s.Create(t.Context(), w)); !ok {
		t.Error("what no item can hold is not refused as such")
	}
	w.Name = strings.Repeat("x", dynamodb.MaxBytes-2000)
	if err := s.Create(t.Context(), w); err != nil {
		t.Errorf("a large one: %v", err)
	}
	if got, err := s.Get(t.Context(), "acme"); err != nil || got.Name != w.Name {
		t.Errorf("a large one, read: %v", err)
	}
}

// A process that is killed during a write loses no acknowledged write and leaves no partial
// write.
func TestKill(t *testing.T) {
	s, table := open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	server := dynamodblocal.Shared(t)
	workspacetest.Kill(t, workspacetest.Soak(15, 500), func() *exec.Cmd {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(append(os.Environ(), dynamodblocal.Env()...), writerURL+"="+server.URL(table))
		return child
	}, func(t *testing.T) workspacetest.Store { return openAt(t, server, table) })
}
