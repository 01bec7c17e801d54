package dashboard

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A domainPage is what domains.html shows besides the form that adds a domain.
type domainPage struct {
	Domains   []manage.ClaimedDomain
	Failed    string // domain that isn't verified after a try
	Fault     string // why
	Example   string // path of an image below a host
	MayVerify bool
}

// domains lists the domains that the workspace claims, with the DNS records that verify them,
// and adds and verifies them.
func (v *visit) domains() error {
	data := domainPage{MayVerify: v.may(account.VerifyDomain)}
	s := settingsForm{
		template: "domains", after: "/domains", needs: account.UpdateDomains, fields: map[string]string{"domains": "domain"},
		secrets: []secretField{{name: "domain", urls: true}},
		fill:    func(*workspace.Workspace) url.Values { return url.Values{} },
		edit: func(w *workspace.Workspace, f form) error {
			w.Domains = append(slices.Clone(w.Domains), workspace.DomainName(f.get("domain")))
			return nil
		},
		data: func(v *visit, w *workspace.Workspace) (any, error) {
			data.Example = "SOURCE/cat.jpg?w=400"
			if len(w.Sources) > 0 {
				data.Example = w.Sources[0].Key + "/cat.jpg?w=400"
			}
			var err error
			data.Domains, err = v.d.Manage.Domains(v.r.Context(), v.caller(), v.ns)
			return data, err
		},
	}
	if v.r.Method == http.MethodPost {
		f, err := v.form()
		if err != nil {
			return err
		}
		if name := f.get("verify"); name != "" {
			_, err := v.d.Manage.VerifyDomain(v.r.Context(), v.caller(), v.ns, name)
			if err == nil {
				return v.redirect("/app/"+v.ns+"/domains", "verified")
			}
			e := fault.OfManaging(err)
			if e.Code != fault.Conflict && e.Code != fault.Overloaded {
				return err
			}
			data.Failed, data.Fault = name, e.Message
			w, err := v.workspace()
			if err != nil {
				return err
			}
			return v.showSettings(s, w, form{}, e.Status())
		}
	}
	return v.settings(s)
}

// removeDomain gives a domain up.
func (v *visit) removeDomain() error {
	name := v.r.PathValue("name")
	return v.remove(removal{
		Noun: "domain", Name: name, List: "/domains", needs: account.UpdateDomains,
		Breaks: "Image URLs on this host are refused from then on, and another workspace can claim it. URLs with the namespace go on working.",
		remove: func(w *workspace.Workspace) bool {
			had := len(w.Domains)
			w.Domains = slices.DeleteFunc(slices.Clone(w.Domains), func(d string) bool { return d == name })
			return len(w.Domains) < had
		},
	})
}
