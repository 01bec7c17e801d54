package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/apikey"
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

// ClaimedDomain is a host name that a workspace claims.
type ClaimedDomain struct {
	Name       string     `json:"name"`
	State      string     `json:"state" enum:"verified,pending,taken" doc:"Pending until it is verified; taken where another workspace's claim has been verified instead."`
	VerifiedAt *time.Time `json:"verified_at" doc:"Null where it isn't yet: images are served on the name from then on."`
	TXTName    string     `json:"txt_name" doc:"Name of the DNS record of type TXT that shows the domain to be the owner's."`
	TXTValue   string     `json:"txt_value" doc:"Text of that record."`
}

type (
	domainInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The host name, one of the workspace's domains."`
	}
	domainOutput  struct{ Body ClaimedDomain }
	domainsOutput struct {
		Body struct {
			Domains []ClaimedDomain `json:"domains" nullable:"false" doc:"In the order of the workspace's domains."`
		}
	}
)

func (a *api) domainRoutes() {
	tags := []string{"Domains"}
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/domains", OperationID: "listDomains", Tags: tags, Security: needsRead,
		Summary:     "List the workspace's domains, and the DNS records that verify them",
		Description: "Domains are claimed and given up by writing the workspace's `domains`. Several workspaces may claim one that isn't verified: the first that verifies it has it.",
	}, a.listDomains)
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/domains/{id}/verify", OperationID: "verifyDomain", Tags: tags, Security: needsWrite,
		Summary: "Verify a domain",
		Description: "Looks for the DNS record, and has images served on the name if it is there. Otherwise the answer is 409 `CONFLICT`. " +
			"With the root key the domain is verified without a look at DNS.",
	}, a.verifyDomain)
}

var (
	errNoDomain    = notFound("The workspace doesn't claim this domain: add it to the workspace's domains first.")
	errDomainTaken = conflict("The domain is not verified: it has been verified for another workspace since this one claimed it, and is that one's until it gives it up. " +
		"Take it out of this workspace's domains.")
	errDNS = &fault.Error{Code: fault.Overloaded, Message: "DNS could not be asked for the record. Try again in a minute.", RetryAfter: 60}
)

func (a *api) listDomains(ctx context.Context, in *namespaceInput) (*domainsOutput, error) {
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	out := &domainsOutput{}
	out.Body.Domains = []ClaimedDomain{}
	for _, name := range w.Domains {
		d, err := a.domain(ctx, w, name)
		if err != nil {
			return nil, err
		}
		out.Body.Domains = append(out.Body.Domains, d)
	}
	return out, nil
}

// domain is what is known of a domain that the workspace claims.
func (a *api) domain(ctx context.Context, w *workspace.Workspace, name string) (ClaimedDomain, error) {
	claimed := ClaimedDomain{Name: name, State: domainPending, TXTName: workspace.ChallengeName(name), TXTValue: workspace.Challenge(name, w.ID)}
	if !slices.Contains(w.Domains, name) {
		return claimed, errNoDomain
	}
	if a.records == nil {
		return claimed, nil
	}
	d, err := a.records.Domain(ctx, name)
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

func (a *api) verifyDomain(ctx context.Context, in *domainInput) (*domainOutput, error) {
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	d, err := a.domain(ctx, w, workspace.DomainName(in.ID))
	if err != nil {
		return nil, err
	}
	switch d.State {
	case domainVerified:
		return &domainOutput{d}, nil
	case domainTaken:
		return nil, errDomainTaken
	}
	store, ok := a.store.(workspace.Domains)
	if !ok {
		return nil, errors.New("the store keeps no domains")
	}
	if visitOf(ctx).who.Kind != apikey.Root {
		if err := a.challenge(ctx, d); err != nil {
			return nil, err
		}
	}
	at := a.now().UTC().Truncate(time.Second)
	err = store.VerifyDomain(ctx, d.Name, w.Namespace, at, a.changed(ctx, "domain.verify", d.Name, nil, nil))
	switch {
	case errors.Is(err, workspace.ErrDomainNotFound):
		return nil, errNoDomain
	case errors.Is(err, workspace.ErrDomainTaken):
		return nil, errDomainTaken
	case err != nil:
		return nil, fmt.Errorf("verifying domain %q: %w", d.Name, err)
	}
	d.State, d.VerifiedAt = domainVerified, &at
	return &domainOutput{d}, nil
}

// challenge looks for the record that shows a domain to be its owner's.
func (a *api) challenge(ctx context.Context, d ClaimedDomain) error {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	// The dot at the end keeps the machine's search domains out.
	found, err := a.resolver.LookupTXT(ctx, d.TXTName+".")
	if e, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !e.IsNotFound) {
		return errors.Join(errDNS, err)
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
