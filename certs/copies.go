package certs

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// Copies is storage in a store that servers share, with copies of its certificates in the data
// folder of this one. A server that starts while the store is away serves the hosts whose
// certificates it had before. Copies are encrypted like the store. It is safe for concurrent use.
type Copies struct {
	certmagic.Storage // the store
	local             certmagic.Storage
	log               *slog.Logger
	now               func() time.Time

	mu   sync.Mutex
	away time.Time       // copies are read first until then
	has  map[string]bool // names of the certificates that there are copies of
}

const (
	// storePatience is how long a store may take for what there is a copy of.
	storePatience = 2 * time.Second
	// awayFor is how long copies are read first after the store has failed.
	awayFor = 5 * time.Second
	// copied is the folder of what is copied; accounts and locks aren't.
	copied = "certificates"
)

var errStoreAway = errors.New("the store of certificates failed a moment ago")

// Copied returns storage in a store, with copies in a data folder.
func Copied(store certmagic.Storage, data string, by Sealer, log *slog.Logger) *Copies {
	c := &Copies{
		Storage: store, local: sealed{&certmagic.FileStorage{Path: filepath.Join(data, "cert-copies")}, by},
		log: log, now: time.Now, has: map[string]bool{},
	}
	keys, err := c.local.List(context.Background(), copied, true)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("copies of certificates can't be read: a start while the store is away is without them", "err", err)
	}
	for _, key := range keys {
		if name, ok := nameOf(key); ok {
			c.has[name] = true
		}
	}
	return c
}

// nameOf returns the name of the certificate that a key is of.
func nameOf(key string) (name string, ok bool) {
	if path.Ext(key) != ".crt" || !strings.HasPrefix(key, copied+"/") {
		return "", false
	}
	return strings.Replace(strings.TrimSuffix(path.Base(key), ".crt"), "wildcard_", "*", 1), true
}

// Has reports whether there is a copy of the certificate of a host: it was one of ours.
func (c *Copies) Has(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has[host]
}

// Load implements [certmagic.Storage].
func (c *Copies) Load(ctx context.Context, key string) ([]byte, error) {
	if !strings.HasPrefix(key, copied+"/") {
		if c.isAway() { // a certificate that there is a copy of waits for this too, such as for its OCSP response
			return nil, errStoreAway
		}
		return c.Storage.Load(ctx, key)
	}
	kept, noCopy := c.local.Load(ctx, key) // one that can't be read is none
	asking, cancel := ctx, func() {}
	if noCopy == nil {
		if c.isAway() {
			return kept, nil
		}
		asking, cancel = context.WithTimeout(ctx, storePatience)
	}
	defer cancel()
	value, err := c.Storage.Load(asking, key)
	switch {
	case err == nil:
		if noCopy != nil || string(value) != string(kept) {
			c.keep(ctx, key, value)
		}
	case errors.Is(err, fs.ErrNotExist):
		c.drop(ctx, key)
	case noCopy == nil:
		c.mu.Lock()
		c.away = c.now().Add(awayFor)
		c.mu.Unlock()
		return kept, nil
	}
	return value, err
}

func (c *Copies) isAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Before(c.away)
}

// Store implements [certmagic.Storage].
func (c *Copies) Store(ctx context.Context, key string, value []byte) error {
	err := c.Storage.Store(ctx, key, value)
	if err == nil && strings.HasPrefix(key, copied+"/") {
		c.keep(ctx, key, value)
	}
	return err
}

// Delete implements [certmagic.Storage].
func (c *Copies) Delete(ctx context.Context, key string) error {
	err := c.Storage.Delete(ctx, key)
	if err == nil && strings.HasPrefix(key, copied+"/") {
		c.drop(ctx, key)
	}
	return err
}

// keep writes a copy. Without it the server does its work all the same.
func (c *Copies) keep(ctx context.Context, key string, value []byte) {
	if err := c.local.Store(ctx, key, value); err != nil {
		c.log.Warn("a certificate can't be copied: a start while the store is away is without it", "key", key, "err", err)
		return
	}
	c.note(key, true)
}

func (c *Copies) drop(ctx context.Context, key string) {
	if err := c.local.Delete(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("the copy of a certificate can't be deleted", "key", key, "err", err)
	}
	c.note(key, false)
}

func (c *Copies) note(key string, has bool) {
	name, ok := nameOf(key)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if has {
		c.has[name] = true
	} else {
		delete(c.has, name)
	}
}
