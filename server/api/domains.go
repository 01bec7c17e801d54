package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
)

type (
	domainInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The host name, one of the workspace's domains."`
	}
	domainOutput  struct{ Body manage.ClaimedDomain }
	domainsOutput struct {
		Body struct {
			Domains []manage.ClaimedDomain `json:"domains" nullable:"false" doc:"In the order of the workspace's domains."`
		}
	}
)

func (a *api) domainRoutes() {
	tags := []string{"Domains"}
	handle(a, account.ReadDomains, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/domains", OperationID: "listDomains", Tags: tags,
		Summary:     "List the workspace's domains, and the DNS records that verify them",
		Description: "To claim a domain or to give it up, change the workspace's `domains`. Several workspaces can claim the same domain. The first one to verify it gets it.",
	}, a.listDomains)
	handle(a, account.VerifyDomain, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/domains/{id}/verify", OperationID: "verifyDomain", Tags: tags,
		Summary: "Verify a domain",
		Description: "Looks up the DNS records: the TXT record, and a CNAME record that leads to `cname_target`. If one of them is there, the server serves images on the name from then on. " +
			"Otherwise the answer is 409 `CONFLICT`. With the root key, the domain is verified without a DNS record.",
	}, a.verifyDomain)
}

func (a *api) listDomains(ctx context.Context, in *namespaceInput) (out *domainsOutput, err error) {
	out = &domainsOutput{}
	out.Body.Domains, err = a.manage.Domains(ctx, caller(ctx), in.Namespace)
	return out, err
}

func (a *api) verifyDomain(ctx context.Context, in *domainInput) (*domainOutput, error) {
	d, err := a.manage.VerifyDomain(ctx, caller(ctx), in.Namespace, in.ID)
	return &domainOutput{d}, err
}
