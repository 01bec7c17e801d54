package certs_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tintype/tintype/certs"
)

// awayStorage is a store that can be away.
type awayStorage struct {
	certmagic.Storage
	away  atomic.Bool
	loads atomic.Int32
}

var errAway = errors.New("the store is away")

func (s *awayStorage) Load(ctx context.Context, key string) ([]byte, error) {
	s.loads.Add(1)
	if s.away.Load() {
		<-ctx.Done() // as with a table that doesn't answer
		return nil, errAway
	}
	return s.Storage.Load(ctx, key)
}

func (s *awayStorage) Store(ctx context.Context, key string, value []byte) error {
	if s.away.Load() {
		return errAway
	}
	return s.Storage.Store(ctx, key, value)
}

func (s *awayStorage) Lock(ctx context.Context, name string) error {
	if s.away.Load() {
		return errAway
	}
	return s.Storage.Lock(ctx, name)
}

// TestCopies: a server that starts while the store is away serves the certificates that it had.
// One that had none serves none, and neither orders any.
func TestCopies(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f := newFront(t)
	codec := newCodec(t, oldKey)
	store := &awayStorage{Storage: certs.Disk(t.TempDir(), codec)}
	data := t.TempDir()
	log := slog.New(slog.NewTextHandler(f.log, nil))
	copies := certs.Copied(store, data, codec, log)
	f.auto(t, copies)
	const host = "copies.shop.example"
	first := f.issued(t, host)
	if !copies.Has(host) || copies.Has("other.shop.example") {
		t.Error("Has is wrong after an order")
	}
	files := 0
	if err := filepath.WalkDir(data, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(name)
		if strings.Contains(string(b), "PRIVATE KEY") || strings.Contains(string(b), "CERTIFICATE") {
			t.Errorf("%s is not encrypted", name)
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s may be read by others: %v", name, info.Mode())
		}
		return err
	}); err != nil || files != 3 {
		t.Errorf("%d files, %v; want certificate, key and what is known of them", files, err)
	}

	store.away.Store(true)
	before, began := store.loads.Load(), time.Now()
	orders := f.ca.Orders()
	again := certs.Copied(store, data, codec, log)
	if !again.Has(host) {
		t.Error("Has is wrong after a restart")
	}
	f.auto(t, again)
	if c, err := f.shake(t, host); err != nil || !c.Equal(first) {
		t.Errorf("while the store is away, its certificate is %v, %v", c, err)
	}
	if n, most := store.loads.Load()-before, 1+int32(time.Since(began)/(5*time.Second)); n < 1 || n > most { // once in five seconds
		t.Errorf("the store that is away was asked %d times for one certificate, want %d at most", n, most)
	}
	f.auto(t, certs.Copied(store, t.TempDir(), codec, log))
	if _, err := f.shake(t, host); err == nil {
		t.Error("a server without copies has a certificate")
	}
	if n := f.ca.Orders() - orders; n != 0 {
		t.Errorf("%d orders while the store is away", n)
	}

	store.away.Store(false)
	keys, err := again.List(t.Context(), "certificates", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.HasSuffix(key, ".crt") {
			if err := again.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	if again.Has(host) {
		t.Error("there is a copy of what was deleted")
	}
}
