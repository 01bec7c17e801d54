package manage_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// dnsOf is what DNS has, which changes while servers look.
type dnsOf struct {
	mu      sync.Mutex
	to      map[string]string // CNAME records
	txt     map[string]string
	lookups atomic.Int64 // of CNAME records
}

func (d *dnsOf) LookupCNAMEs(_ context.Context, name string) ([]string, error) {
	d.lookups.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if to := d.to[name]; to != "" {
		return []string{to}, nil
	}
	return nil, nil
}

func (d *dnsOf) LookupTXT(_ context.Context, name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if text := d.txt[strings.TrimSuffix(name, ".")]; text != "" {
		return []string{text}, nil
	}
	return nil, &net.DNSError{IsNotFound: true}
}

// orders are certificates that can be ordered some time after their domain is verified.
type orders struct {
	mu     sync.Mutex
	known  bool
	issued map[string]int
}

func (o *orders) Certificate(_ context.Context, host string) (manage.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.issued[host] > 0 {
		return manage.Certificate{State: manage.CertificateIssued}, nil
	}
	return manage.Certificate{State: manage.CertificateNone}, nil
}

func (o *orders) Order(_ context.Context, host string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		o.known = true
		return errors.New("this server doesn't know the host yet")
	}
	o.issued[host]++
	return nil
}

// TestClaims: for an hour after a claim, one of several servers looks its records up every 10
// seconds. It verifies the domain, and orders its certificate where the domain leads here. It
// is live within 30 seconds. Where that server ends, another goes on.
func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		zone, certificates := &dnsOf{to: map[string]string{}, txt: map[string]string{}}, &orders{issued: map[string]int{}}
		m := manage.New(manage.Config{
			Store: store, Records: store, Claims: store, Resolver: zone, CNAMEs: zone, Certificates: certificates, BaseDomain: "img.example.com",
		})
		first, end := context.WithCancel(t.Context())
		others, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { m.RunClaims(first) })
		time.Sleep(time.Second) // the first one is the first to look
		for range 2 {
			running.Go(func() { m.RunClaims(others) })
		}
		defer running.Wait()
		defer stop()
		defer end()

		w := workspace.New("acme")
		w.Domains = []string{"img.shop.example"}
		if _, err := m.CreateWorkspace(t.Context(), manage.Operator, w); err != nil {
			t.Fatal(err)
		}
		stored, err := store.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		target := workspace.CNAMETarget(stored.ID, "img.example.com")
		time.Sleep(10 * time.Minute)
		if n := zone.lookups.Load(); n < 58 || n > 62 {
			t.Errorf("%d look-ups in ten minutes by three servers, want one every 10 s", n)
		}
		step := func(name, want string) {
			t.Helper()
			all, err := m.Domains(t.Context(), manage.Operator, "acme")
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range all {
				if d.Name == name && d.Step != want {
					t.Errorf("%s is at the step %s, want %s", name, d.Step, want)
				}
			}
		}
		step("img.shop.example", "record")
		zone.mu.Lock()
		zone.to["img.shop.example"] = target
		zone.mu.Unlock()
		time.Sleep(30 * time.Second)
		step("img.shop.example", "live")
		if log, err := store.Audit(t.Context(), stored.ID, workspace.TrailChanges, "", 10); err != nil || log[0].Action != "domain.verify" || log[0].Actor != "operator" {
			t.Errorf("audit log: %+v, %v", log, err)
		}
		settled := zone.lookups.Load()
		time.Sleep(10 * time.Minute)
		if n := zone.lookups.Load() - settled; n > 1 || certificates.issued["img.shop.example"] != 1 {
			t.Errorf("after it is live: %d look-ups, %d orders", n, certificates.issued["img.shop.example"])
		}

		// A domain that leads elsewhere is verified, and its certificate isn't ordered unasked.
		end()
		if _, err := m.PatchWorkspace(t.Context(), manage.Operator, "acme", []byte(`{"domains":["img.shop.example","cdn.shop.example","never.shop.example"]}`), nil); err != nil {
			t.Fatal(err)
		}
		zone.mu.Lock()
		zone.txt[workspace.ChallengeName("cdn.shop.example")] = workspace.Challenge("cdn.shop.example", stored.ID)
		zone.to["never.shop.example"] = workspace.CNAMETarget("another", "img.example.com")
		zone.mu.Unlock()
		time.Sleep(time.Minute) // another server needs the lease first
		step("cdn.shop.example", "certificate")
		if certificates.issued["cdn.shop.example"] != 0 {
			t.Error("a certificate was ordered for a domain that leads elsewhere")
		}
		step("never.shop.example", "record")
		time.Sleep(time.Hour)
		over := zone.lookups.Load()
		time.Sleep(time.Hour)
		if n := zone.lookups.Load() - over; n != 0 {
			t.Errorf("%d look-ups more than an hour after the claim", n)
		}
		if list, err := store.Records(t.Context(), "domain-claims", "", 10); err != nil || len(list) != 0 {
			t.Errorf("claims that are left: %v, %v", list, err)
		}
		// Who tries to verify it has it looked up for another hour.
		who := manage.Caller{Principal: apikey.Principal{Kind: apikey.Person, Email: "o@acme.example", Namespace: "acme", WorkspaceID: stored.ID}, Role: account.Owner}
		if _, err := m.VerifyDomain(t.Context(), who, "acme", "never.shop.example"); err == nil {
			t.Error("verified by another workspace's name")
		}
		zone.mu.Lock()
		zone.to["never.shop.example"] = target
		zone.mu.Unlock()
		time.Sleep(time.Minute)
		step("never.shop.example", "live")
	})
}
