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

	CNAMETarget string       `json:"cname_target" doc:"A CNAME record of the domain that leads to this name proves that you own it, and leads clients here. Empty on a server without a base domain."`
	Step        string       `json:"step" enum:"record,certificate,live,taken" doc:"What is awaited. Record: that the domain is verified, by one of the records. Certificate: its certificate. Live: nothing, the domain works by https, or on a server that orders no certificates, it is verified. Taken: that another workspace gives it up."`
	Certificate *Certificate `json:"certificate" doc:"Null on a server that orders no certificates, and as long as the domain isn't verified."`
}

// Steps of a claimed domain on its way to be served.
const (
	stepRecord      = "record"
	stepCertificate = "certificate"
	stepLive        = "live"
	stepTaken       = "taken"
)

// A Certificate is how far a host is with its certificate.
type Certificate struct {
	State   string     `json:"state" enum:"none,issued,failed" doc:"None: it is ordered when a client first asks for the host by https. Failed: the last order failed, and there is no certificate."`
	Error   string     `json:"error" doc:"Why the last order failed. Empty if it didn't. With the state issued, it was a renewal."`
	RetryAt *time.Time `json:"retry_at" doc:"No order is made before. Null if none has failed."`
}

// States of a Certificate.
const (
	CertificateNone   = "none"
	CertificateIssued = "issued"
	CertificateFailed = "failed"
)

// Certificates are those that this server orders.
type Certificates interface {
	// Certificate returns how far a host is.
	Certificate(ctx context.Context, host string) (Certificate, error)
	// Order orders the certificate of a host unless there is one, and waits for it. It fails
	// where none may be ordered yet.
	Order(ctx context.Context, host string) error
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
	claimed := ClaimedDomain{Name: name, State: domainPending, Step: stepRecord, TXTName: workspace.ChallengeName(name), TXTValue: workspace.Challenge(name, w.ID)}
	if m.baseDomain != "" && m.cnames != nil {
		claimed.CNAMETarget = workspace.CNAMETarget(w.ID, m.baseDomain)
	}
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
		m.verified(ctx, &claimed, d.VerifiedAt)
	default:
		claimed.State, claimed.Step = domainTaken, stepTaken
	}
	return claimed, nil
}

// verified says of a domain that it is verified, and how far its certificate is.
func (m *Manager) verified(ctx context.Context, d *ClaimedDomain, at time.Time) {
	d.State, d.Step, d.VerifiedAt = domainVerified, stepLive, &at
	if m.certificates == nil {
		return
	}
	c, err := m.certificates.Certificate(ctx, d.Name)
	if err != nil { // the page of domains is there without it
		m.log.Warn("the certificate of a domain is not known", "domain", d.Name, "err", err)
		c = Certificate{State: CertificateNone}
	}
	if d.Certificate = &c; c.State != CertificateIssued {
		d.Step = stepCertificate
	}
}

// VerifyDomain looks up the DNS records of a domain that the workspace claims. If one of them
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
	if !who.everywhere() {
		if err := m.challenge(ctx, d); err != nil {
			m.await(ctx, w, d.Name)
			return ClaimedDomain{}, err
		}
	}
	return m.verify(ctx, who, w, d)
}

// verify gives a domain that has been proved to the workspace.
func (m *Manager) verify(ctx context.Context, who Caller, w *workspace.Workspace, d ClaimedDomain) (ClaimedDomain, error) {
	store, ok := m.store.(workspace.Domains)
	if !ok {
		return ClaimedDomain{}, errors.New("the store keeps no domains")
	}
	at := m.now().UTC().Truncate(time.Second)
	err := store.VerifyDomain(ctx, d.Name, w.Namespace, at, who.changed("domain.verify", d.Name, nil, nil))
	switch {
	case errors.Is(err, workspace.ErrDomainNotFound):
		return ClaimedDomain{}, errNoDomain
	case errors.Is(err, workspace.ErrDomainTaken):
		return ClaimedDomain{}, errDomainTaken
	case err != nil:
		return ClaimedDomain{}, fmt.Errorf("verifying domain %q: %w", d.Name, err)
	}
	m.verified(ctx, &d, at)
	return d, nil
}

// challenge looks up the records that prove the ownership of a domain.
func (m *Manager) challenge(ctx context.Context, d ClaimedDomain) error {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	leads, err := m.leadsHere(ctx, d)
	if leads {
		return nil
	}
	// The dot at the end keeps the resolver from trying the machine's search domains.
	found, e := m.resolver.LookupTXT(ctx, d.TXTName+".")
	if slices.Contains(found, d.TXTValue) {
		return nil
	}
	if notFound, ok := errors.AsType[*net.DNSError](e); e != nil && (!ok || !notFound.IsNotFound) {
		err = e
	}
	if err != nil {
		failed := *errDNS
		failed.Cause = errors.New(err.Error()) // as a text: callers would take a wrapped DNS time-out for one of the store
		return &failed
	}
	what := "there is none yet"
	if len(found) > 0 {
		what = "only other records are there"
	}
	either := ""
	if d.CNAMETarget != "" {
		either = fmt.Sprintf(" Or let a CNAME record of %s lead to %s.", d.Name, d.CNAMETarget)
	}
	return conflict(fmt.Sprintf("The domain is not verified: the TXT record of %s must be %s, and %s.%s DNS may take minutes to hours to show a new record.",
		d.TXTName, d.TXTValue, what, either))
}

// leadsHere reports whether CNAME records of a domain lead to the workspace's own name. One of
// another workspace proves nothing.
func (m *Manager) leadsHere(ctx context.Context, d ClaimedDomain) (bool, error) {
	if d.CNAMETarget == "" {
		return false, nil
	}
	hops, err := m.cnames.LookupCNAMEs(ctx, d.Name)
	return slices.Contains(hops, d.CNAMETarget), err
}
