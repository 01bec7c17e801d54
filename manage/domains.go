package manage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A Resolver looks up DNS records. [net.Resolver] is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

const resolveTimeout = 5 * time.Second

// States of a claimed domain.
const (
	domainVerified = "verified"
	domainPending  = "pending"
	domainTaken    = "taken"
)

// A ClaimedDomain is a host name that a workspace claims.
type ClaimedDomain struct {
	Name       string     `json:"name"`
	State      string     `json:"state" enum:"verified,pending,taken" doc:"Pending: not verified yet. Taken: another workspace has verified it."`
	VerifiedAt *time.Time `json:"verified_at" doc:"When the domain was verified. The server serves images on it since then. Null if it isn't verified."`
	TXTName    string     `json:"txt_name" doc:"Name of the TXT record that proves that you own the domain."`
	TXTValue   string     `json:"txt_value" doc:"Text of that record."`
}

var (
	errNoDomain    = notFound("The workspace doesn't claim this domain: add it to the workspace's domains first.")
	errDomainTaken = conflict("Another workspace has verified this domain. It keeps the domain until it gives it up. " +
		"Remove it from this workspace's domains.")
	errDNS = &fault.Error{Code: fault.Overloaded, Message: "The DNS lookup failed. Try again in a minute.", RetryAfter: 60}
)

// Domains returns the domains that a workspace claims, in the workspace's order, with the
// DNS records that verify them.
func (m *Manager) Domains(ctx context.Context, who Caller, namespace string) ([]ClaimedDomain, error) {
	w, err := m.open(ctx, who, account.ReadDomains, namespace)
	if err != nil {
		return nil, err
	}
	all := make([]ClaimedDomain, len(w.Domains))
	for i, name := range w.Domains {
		if all[i], err = m.domain(ctx, w, name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// domain returns the state of a domain that the workspace claims.
func (m *Manager) domain(ctx context.Context, w *workspace.Workspace, name string) (ClaimedDomain, error) {
	claimed := ClaimedDomain{Name: name, State: domainPending, TXTName: workspace.ChallengeName(name), TXTValue: workspace.Challenge(name, w.ID)}
	if !slices.Contains(w.Domains, name) {
		return claimed, errNoDomain
	}
	if m.records == nil {
		return claimed, nil
	}
	d, err := m.records.Domain(ctx, name)
	if err != nil && !errors.Is(err, workspace.ErrDomainNotFound) {
		return claimed, fmt.Errorf("reading domain %q: %w", name, err)
	}
	switch {
	case d.VerifiedAt.IsZero():
	case d.Namespace == w.Namespace:
		claimed.State, claimed.VerifiedAt = domainVerified, &d.VerifiedAt
	default:
		claimed.State = domainTaken
	}
	return claimed, nil
}

// VerifyDomain looks up the DNS record of a domain that the workspace claims. If the record
// is there, the server serves images on the name from then on. Callers with the right Root
// verify a domain without the lookup.
func (m *Manager) VerifyDomain(ctx context.Context, who Caller, namespace, name string) (ClaimedDomain, error) {
	w, err := m.open(ctx, who, account.VerifyDomain, namespace)
	if err != nil {
		return ClaimedDomain{}, err
	}
	d, err := m.domain(ctx, w, workspace.DomainName(name))
	switch {
	case err != nil:
		return ClaimedDomain{}, err
	case d.State == domainVerified:
		return d, nil
	case d.State == domainTaken:
		return ClaimedDomain{}, errDomainTaken
	}
	store, ok := m.store.(workspace.Domains)
	if !ok {
		return ClaimedDomain{}, errors.New("the store keeps no domains")
	}
	if !who.everywhere() {
		if err := m.challenge(ctx, d); err != nil {
			return ClaimedDomain{}, err
		}
	}
	at := m.now().UTC().Truncate(time.Second)
	err = store.VerifyDomain(ctx, d.Name, w.Namespace, at, who.changed("domain.verify", d.Name, nil, nil))
	switch {
	case errors.Is(err, workspace.ErrDomainNotFound):
		return ClaimedDomain{}, errNoDomain
	case errors.Is(err, workspace.ErrDomainTaken):
		return ClaimedDomain{}, errDomainTaken
	case err != nil:
		return ClaimedDomain{}, fmt.Errorf("verifying domain %q: %w", d.Name, err)
	}
	d.State, d.VerifiedAt = domainVerified, &at
	return d, nil
}

// challenge looks up the record that proves the ownership of a domain.
func (m *Manager) challenge(ctx context.Context, d ClaimedDomain) error {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	// The dot at the end keeps the resolver from trying the machine's search domains.
	found, err := m.resolver.LookupTXT(ctx, d.TXTName+".")
	if e, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !e.IsNotFound) {
		failed := *errDNS
		failed.Cause = errors.New(err.Error()) // as a text: callers would take a wrapped DNS time-out for one of the store
		return &failed
	}
	if slices.Contains(found, d.TXTValue) {
		return nil
	}
	what := "there is none yet"
	if len(found) > 0 {
		what = "only other records are there"
	}
	return conflict(fmt.Sprintf("The domain is not verified: the TXT record of %s must be %s, and %s. DNS may take minutes to hours to show a new record.",
		d.TXTName, d.TXTValue, what))
}
