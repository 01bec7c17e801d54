package manage

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/workspace"
)

const (
	claimsEvery  = 10 * time.Second // between two looks at all claims
	claimFor     = time.Hour        // after the claim, or the last try to verify it
	claimsAtOnce = 8                // looked up at a time
	mostClaims   = 1000             // looked at in one round
	claimLease   = 30 * time.Second
)

// claimGroup is the group of the records.
const claimGroup = "domain-claims"

// A claim is a domain that waits for its DNS record, or for its certificate.
type claim struct {
	Namespace   string `json:"namespace"`
	WorkspaceID string `json:"workspace_id"`
	Domain      string `json:"domain"`
}

// await has domains of a workspace looked up for an hour. It is for convenience: where it
// fails, owners verify by hand.
func (m *Manager) await(ctx context.Context, w *workspace.Workspace, domains ...string) {
	if m.claims == nil {
		return
	}
	for _, name := range domains {
		data, err := json.Marshal(claim{w.Namespace, w.ID, name})
		if err == nil {
			err = m.putClaim(ctx, account.Record{Group: claimGroup, Name: name + "/" + w.ID, Expires: m.now().Add(claimFor), Data: data})
		}
		if err != nil {
			m.log.Warn("a domain is not looked up by itself", "domain", name, "err", err)
		}
	}
}

func (m *Manager) putClaim(ctx context.Context, r account.Record) error {
	have, err := m.claims.Record(ctx, r.Group, r.Name)
	if err != nil && !errors.Is(err, workspace.ErrNotFound) {
		return err
	}
	r.Version = have.Version
	err = m.claims.WriteRecords(ctx, []account.Write{{Record: r}})
	if errors.Is(err, workspace.ErrConflict) {
		return nil // another server has just written the same
	}
	return err
}

// RunClaims looks up the DNS records of domains that were claimed in the last hour, every 10
// seconds until the context ends, and verifies them. Where their CNAME records lead here, it
// orders their certificates too. Of several servers one does it. Call it once.
func (m *Manager) RunClaims(ctx context.Context) {
	if m.claims == nil {
		return
	}
	turn, quietUntil := lease.New(m.claims, claimGroup, claimLease, m.now), time.Time{}
	tick := time.NewTicker(claimsEvery)
	defer tick.Stop()
	defer func() { _ = turn.Release(ctx) }() // or it ends by itself
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := m.lookAtClaims(ctx, turn); err != nil && ctx.Err() == nil && !m.now().Before(quietUntil) {
			quietUntil = m.now().Add(time.Minute)
			m.log.Warn("claimed domains are not looked up, since the store fails", "err", err)
		}
	}
}

// lookAtClaims looks at every claim once, if this server has the lease.
func (m *Manager) lookAtClaims(ctx context.Context, turn *lease.Lease) error {
	var list []account.Record
	for after := ""; len(list) < mostClaims; {
		page, err := m.claims.Records(ctx, claimGroup, after, 100)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		list, after = append(list, page...), page[len(page)-1].Name
	}
	if len(list) == 0 {
		return nil // nothing to have a lease for
	}
	if mine, err := turn.Take(ctx); !mine {
		return err
	}
	var looking sync.WaitGroup
	slots := make(chan struct{}, claimsAtOnce)
	for _, r := range list {
		var c claim
		if json.Unmarshal(r.Data, &c) != nil {
			continue
		}
		slots <- struct{}{}
		looking.Go(func() {
			defer func() { <-slots }()
			if m.lookAt(ctx, c) {
				// A conflict: it was claimed again.
				err := m.claims.WriteRecords(ctx, []account.Write{{Record: r, Delete: true}})
				if err != nil && !errors.Is(err, workspace.ErrConflict) && ctx.Err() == nil {
					m.log.Warn("a claim that is settled stays", "domain", c.Domain, "err", err)
				}
			}
		})
	}
	looking.Wait()
	return nil
}

// lookAt looks at a claim once. It reports whether there is nothing more to wait for.
func (m *Manager) lookAt(ctx context.Context, c claim) (settled bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*resolveTimeout)
	defer cancel()
	w, err := m.reads.Get(ctx, c.Namespace)
	if errors.Is(err, workspace.ErrNotFound) || err == nil && (w.ID != c.WorkspaceID || !slices.Contains(w.Domains, c.Domain)) {
		return true
	}
	if err != nil {
		return false
	}
	d, err := m.domain(ctx, w, c.Domain)
	if err != nil {
		return false
	}
	if d.State == domainPending {
		if m.challenge(ctx, d) != nil {
			return false // not there yet
		}
		d, err = m.verify(ctx, Operator, w, d)
		if err != nil {
			return errors.Is(err, errDomainTaken)
		}
		m.log.Info("a domain is verified", "domain", d.Name, "workspace", w.Namespace)
	}
	if d.Step != stepCertificate {
		return true
	}
	if leads, err := m.leadsHere(ctx, d); err != nil || !leads {
		return err == nil // it is ordered when a client comes that was led here
	}
	return m.certificates.Order(ctx, d.Name) == nil
}
