package certs_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/caddyserver/certmagic"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/dynamodb"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestMain(m *testing.M) {
	certmagic.HTTPTimeout = 3 * time.Second // of authorities that hang, of which each request is made three times
	code := m.Run()
	dynamodblocal.Stop()
	os.Exit(code)
}

func newCodec(t *testing.T, keys ...string) *workspace.Codec {
	t.Helper()
	c, err := workspace.NewCodec(strings.Join(keys, ","))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var oldKey, newKey = strings.Repeat("0a", 32), strings.Repeat("0b", 32)

// newTable returns a table in DynamoDB.
func newTable(t *testing.T) *dynamodb.Store {
	t.Helper()
	s, err := dynamodb.Open(t.Context(), dynamodb.Config{
		URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: newCodec(t, oldKey), Timeout: time.Minute,
		Credentials: credentials.NewStaticCredentialsProvider(dynamodblocal.AccessKeyID, dynamodblocal.SecretAccessKey, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStorage(t *testing.T) {
	codec := newCodec(t, oldKey)
	t.Run("disk", func(t *testing.T) {
		t.Parallel() // its locks are polled once a second
		data := t.TempDir()
		certstest.TestStorage(t, func(*testing.T) certmagic.Storage { return certs.Disk(data, codec) })
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		records := workspacetest.NewMemory()
		certstest.TestStorage(t, func(*testing.T) certmagic.Storage { return certs.Shared(records, codec) })
	})
	t.Run("dynamodb", func(t *testing.T) {
		t.Parallel()
		records := newTable(t)
		certstest.TestStorage(t, func(*testing.T) certmagic.Storage { return certs.Shared(records, codec) })
	})
}

// TestSealed: what is stored can be read with the operator's key only, and under its own name
// only. After a rotation of the key it is encrypted again.
func TestSealed(t *testing.T) {
	data, ctx := t.TempDir(), t.Context()
	s := certs.Disk(data, newCodec(t, oldKey))
	if err := s.Store(ctx, "certificates/ca/img.example.com/img.example.com.key", []byte("PRIVATE")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "certs", "certificates", "ca", "img.example.com", "img.example.com.key")
	b, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(b), "PRIVATE") {
		t.Errorf("on disk: %q, %v", b, err)
	}
	for name, mode := range map[string]os.FileMode{file: 0o600, filepath.Join(data, "certs"): 0o700, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "moved.key"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Load(ctx, "certificates/ca/img.example.com/moved.key"); err == nil {
		t.Errorf("a value was moved, and still reads %q", v)
	}
	if err := s.Delete(ctx, "certificates/ca/img.example.com/moved.key"); err != nil {
		t.Fatal(err)
	}

	if err := s.Lock(ctx, "busy"); err != nil { // its file isn't sealed
		t.Fatal(err)
	}
	rotated := certs.Disk(data, newCodec(t, newKey, oldKey))
	if n, err := certs.Reseal(ctx, rotated); n != 1 || err != nil {
		t.Errorf("%d were encrypted again, %v", n, err)
	}
	if n, err := certs.Reseal(ctx, rotated); n != 0 || err != nil {
		t.Errorf("a second time, %d were encrypted again, %v", n, err)
	}
	if err := s.Unlock(ctx, "busy"); err != nil {
		t.Error(err)
	}
	v, err := certs.Disk(data, newCodec(t, newKey)).Load(ctx, "certificates/ca/img.example.com/img.example.com.key")
	if err != nil || string(v) != "PRIVATE" {
		t.Errorf("with the new key alone: %q, %v", v, err)
	}
	if n, err := certs.Reseal(ctx, certs.Disk(t.TempDir(), newCodec(t, newKey))); n != 0 || err != nil {
		t.Errorf("an empty folder: %d, %v", n, err)
	}
}

// lost is records of a server whose writes don't arrive once it is gone.
type lost struct {
	*workspacetest.Memory
	gone atomic.Bool
}

func (l *lost) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	if l.gone.Load() {
		return workspace.ErrUnavailable
	}
	return l.Memory.WriteRecords(ctx, writes, audit...)
}

// TestLeases: a lock is kept as long as its owner lives, and free half a minute after it is
// gone.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := workspacetest.NewMemory()
		codec := newCodec(t, oldKey)
		alive, other := certs.Shared(records, codec), certs.Shared(records, codec)
		if err := alive.Lock(t.Context(), "work"); err != nil {
			t.Fatal(err)
		}
		within, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := other.Lock(within, "work"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a lock that is held: %v", err)
		}
		if err := alive.Unlock(t.Context(), "work"); err != nil {
			t.Fatal(err)
		}
		if err := other.Lock(t.Context(), "work"); err != nil {
			t.Error(err)
		}
		if err := other.Unlock(t.Context(), "work"); err != nil {
			t.Error(err)
		}
		if err := other.Unlock(t.Context(), "work"); err == nil {
			t.Error("a lock that isn't held was given back")
		}
		if _, err := other.Load(t.Context(), "work"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a lock is among the values: %v", err)
		}

		mortal := &lost{Memory: records}
		owner := certs.Shared(mortal, codec)
		if err := owner.Lock(t.Context(), "work"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		mortal.gone.Store(true)
		at := time.Now()
		if err := other.Lock(t.Context(), "work"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(at); took < 15*time.Second || took > 31*time.Second {
			t.Errorf("the lock of a server that is gone was free after %v", took)
		}
		for _, s := range []certmagic.Storage{owner, other} { // the first one's is another's by now
			if err := s.Unlock(t.Context(), "work"); err != nil && s == other {
				t.Error(err)
			}
		}
	})
}
