package certs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/net/publicsuffix"
)

// Budgets of orders for hosts that have no certificate yet. Let's Encrypt takes 50 a week of
// a registered domain, and 300 in three hours of an account.
const (
	domainOrders = 40
	domainSpan   = 7 * 24 * time.Hour
	allOrders    = 200
	allSpan      = 3 * time.Hour
)

// An Order is what servers that share a storage know of the last order of a host.
type Order struct {
	IssuedAt time.Time `json:"issued_at,omitzero"`
	Failures int       `json:"failures,omitempty"` // since it was issued
	Error    string    `json:"error,omitempty"`    // of the last one
	FailedAt time.Time `json:"failed_at,omitzero"`
	RetryAt  time.Time `json:"retry_at,omitzero"` // none is made before
}

func orderKey(name string) string {
	return path.Join("tintype", "orders", certmagic.StorageKeys.Safe(name))
}

// Order returns what is known of the last order of a host's certificate. It reads the storage.
func (a *Auto) Order(ctx context.Context, name string) (o Order, err error) {
	err = a.read(ctx, orderKey(a.covering(name)), &o)
	return o, err
}

// read reads a value. Where there is none, it leaves v alone.
func (a *Auto) read(ctx context.Context, key string, v any) error {
	data, err := a.cfg.Storage.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func (a *Auto) write(ctx context.Context, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.cfg.Storage.Store(ctx, key, data)
}

// note changes what is known of the last order. The caller has the lock of the host.
func (a *Auto) note(ctx context.Context, name string, change func(*Order)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	o, err := a.Order(ctx, name)
	if err == nil {
		change(&o)
		err = a.write(ctx, orderKey(name), o)
	}
	if err != nil {
		a.cfg.Log.Warn("other servers don't know of an order, since the storage of certificates fails", "host", name, "err", err)
	}
}

// mayOrder returns why a host's certificate is not ordered now, or nil. Then it has taken
// the order from the budgets of all servers.
func (a *Auto) mayOrder(ctx context.Context, name string) *waitError {
	now := a.cfg.Now()
	soon := func(err error) *waitError {
		return &waitError{fmt.Errorf("the storage of certificates fails: %w", err), now.Add(time.Minute)}
	}
	o, err := a.Order(ctx, name)
	if err != nil {
		return soon(err)
	}
	if now.Before(o.RetryAt) {
		return &waitError{errors.New(o.Error), o.RetryAt}
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		domain = name // such as one that is a public suffix itself
	}
	const lock = "tintype-budgets"
	if err := a.cfg.Storage.Lock(ctx, lock); err != nil {
		return soon(err)
	}
	defer func() { _ = a.cfg.Storage.Unlock(context.WithoutCancel(ctx), lock) }() // else it ends by itself
	budgets := []struct {
		key  string
		most int
		span time.Duration
		what string
		made []time.Time
	}{
		{path.Join("tintype", "budgets", "of", domain), domainOrders, domainSpan, "this week's certificates of " + domain + " are used up", nil},
		{path.Join("tintype", "budgets", "all"), allOrders, allSpan, "many certificates have been ordered in the last hours", nil},
	}
	for i := range budgets {
		b := &budgets[i]
		if err := a.read(ctx, b.key, &b.made); err != nil {
			return soon(err)
		}
		b.made = slices.DeleteFunc(b.made, func(at time.Time) bool { return now.Sub(at) >= b.span })
		if len(b.made) >= b.most {
			until := b.made[0].Add(b.span)
			return &waitError{fmt.Errorf("%s; the next one is ordered after %s", b.what, until.UTC().Format("2006-01-02 15:04 MST")), until}
		}
	}
	for _, b := range budgets {
		if err := a.write(ctx, b.key, append(b.made, now.UTC())); err != nil {
			return soon(err)
		}
	}
	return nil
}
