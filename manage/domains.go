package manage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A Resolver asks DNS. [net.Resolver] is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

const resolveTimeout = 5 * time.Second

// The states of a claim.
const (
	domainVerified = "verified"
	domainPending  = "pending"
	domainTaken    = "taken"
)

// A ClaimedDomain is a host name that a workspace claims.
type ClaimedDomain struct {
	Name       string     `json:"name"`
	State      string     `json:"state" enum:"verified,pending,taken" doc:"Pending until it is verified; taken where another workspace's claim has been verified instead."`
	VerifiedAt *time.Time `json:"verified_at" doc:"Null where it isn't yet: images are served on the name from then on."`
	TXTName    string     `json:"txt_name" doc:"Name of the DNS record of type TXT that shows the domain to be the owner's."`
	TXTValue   string     `json:"txt_value" doc:"Text of that record."`
}

var (
	errNoDomain    = notFound("The workspace doesn't claim this domain: add it to the workspace's domains first.")
	errDomainTaken = conflict("The domain is not verified: it has been verified for another workspace since this one claimed it, and is that one's until it gives it up. " +
		"Take it out of this workspace's domains.")
	errDNS = &fault.Error{Code: fault.Overloaded, Message: "DNS could not be asked for the record. Try again in a minute.", RetryAfter: 60}
)

// Domains returns the domains that a workspace claims, in its order, with the DNS records
// that verify them.
func (m *Manager) Domains(ctx context.Context, who Caller, namespace string) ([]ClaimedDomain, error) {
	w, err := m.open(ctx, who, Read, namespace)
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

// domain is what is known of a domain that the workspace claims.
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

// VerifyDomain looks for the DNS record of a domain that the workspace claims, and has images
// served on the name where it is there. For callers who may do everything, it doesn't look.
func (m *Manager) VerifyDomain(ctx context.Context, who Caller, namespace, name string) (ClaimedDomain, error) {
	w, err := m.open(ctx, who, Write, namespace)
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

// challenge looks for the record that shows a domain to be its owner's.
func (m *Manager) challenge(ctx context.Context, d ClaimedDomain) error {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	// The dot at the end keeps the machine's search domains out.
	found, err := m.resolver.LookupTXT(ctx, d.TXTName+".")
	if e, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !e.IsNotFound) {
		failed := *errDNS
		failed.Cause = errors.New(err.Error()) // as a text, since a time-out of DNS is not the store's
		return &failed
	}
	if slices.Contains(found, d.TXTValue) {
		return nil
	}
	what := "there is none yet"
	if len(found) > 0 {
		what = "there are only others"
	}
	return conflict(fmt.Sprintf("The domain is not verified: the TXT record of %s must be %s, and %s. DNS may take minutes to hours to show a new record.",
		d.TXTName, d.TXTValue, what))
}
