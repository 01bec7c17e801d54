package certs_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/certs"
)

// resolver asks a DNS server.
func resolver(address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}

// TestWildcard: with a DNS hook, all hosts right below the base domain share one certificate,
// which is proved by a record that the hook sets and removes. Custom domains are proved as
// without it.
func TestWildcard(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f := newFront(t)
	program, calls := f.ca.Hook(t)
	withHook := func(c *certs.AutoConfig) {
		c.Base = "img.example.com"
		c.Hook = &certs.DNSHook{Path: program, Env: []string{"PATH=" + os.Getenv("PATH")}, LookupTXT: resolver(f.ca.DNS()).LookupTXT, Log: c.Log}
	}
	storage := certs.Disk(t.TempDir(), newCodec(t, oldKey))
	a := f.auto(t, storage, withHook)
	a.Begin(t.Context())
	if n := f.ca.Orders(); n != 2 {
		t.Errorf("%d orders for the base domain and its wildcard", n)
	}
	for host, name := range map[string]string{"acme.img.example.com": "*.img.example.com", "nobody.img.example.com": "*.img.example.com", "img.example.com": "img.example.com", "www.shop.example": "www.shop.example"} {
		c, err := f.shake(t, host)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		if len(c.DNSNames) != 1 || c.DNSNames[0] != name {
			t.Errorf("%s has the certificate of %v", host, c.DNSNames)
		}
	}
	for _, host := range []string{"a.b.img.example.com", "evilimg.example.com", "other.example"} {
		if _, err := f.shake(t, host); err == nil {
			t.Errorf("%s has a certificate", host)
		}
	}
	if n := f.ca.Orders(); n != 3 {
		t.Errorf("%d orders", n)
	}
	ran, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(ran)), "\n")
	if len(lines) != 4 {
		t.Fatalf("the hook was called so: %q", lines)
	}
	for i, line := range lines {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != []string{"present", "cleanup"}[i%2] || words[1] != "_acme-challenge.img.example.com." || len(words[2]) != 43 || words[2] != strings.Fields(lines[i-i%2])[2] {
			t.Errorf("call %d: %q", i, line)
		}
	}
	if found, _ := resolver(f.ca.DNS()).LookupTXT(t.Context(), "_acme-challenge.img.example.com."); len(found) > 0 {
		t.Errorf("the record is still there: %q", found)
	}

	again := f.auto(t, storage, withHook) // as after a restart
	again.Begin(t.Context())
	if n := f.ca.Orders(); n != 3 || !again.Live("acme.img.example.com") || !again.Live("img.example.com") {
		t.Errorf("%d orders after a restart", n)
	}
	if o, err := again.Order(t.Context(), "acme.img.example.com"); err != nil || o.IssuedAt.IsZero() {
		t.Errorf("the order of a host below the base domain: %+v, %v", o, err)
	}
}

// TestHookFails: a hook that fails or hangs ends the order, which is made again after a pause.
// Nothing that it prints comes into the log.
func TestHookFails(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f := newFront(t)
	program := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho token-of-the-provider\necho token-of-the-provider >&2\nexit 7\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	a := f.auto(t, certs.Disk(t.TempDir(), newCodec(t, oldKey)), func(c *certs.AutoConfig) {
		c.Base, c.Hook = "img.example.com", &certs.DNSHook{Path: program, Log: c.Log}
	})
	err := a.Get(t.Context(), "acme.img.example.com")
	if err == nil || !strings.Contains(err.Error(), "the DNS hook failed at present: exit status 7") {
		t.Errorf("the error is %v", err)
	}
	if o, err := a.Order(t.Context(), "acme.img.example.com"); err != nil || o.Failures != 1 || !o.RetryAt.After(time.Now()) {
		t.Errorf("the order: %+v, %v", o, err)
	}
	if strings.Contains(f.log.String(), "token-of-the-provider") {
		t.Error("the log has what the hook printed")
	}
}
