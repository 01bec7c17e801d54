package dashboard

import (
	"strings"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// An asked is the data of the box that says of any URL what would happen.
type asked struct {
	URL, Origin string
	Answer      *delivery.Explanation
	Fault       string

	Private, Public []accessSource // how the sources are now
	External        []string       // patterns of originals by full URL
	OpenToTheWeb    bool
}

// An accessSource is a source with its page, which folders of the operator don't have.
type accessSource struct{ Key, Page string }

// whatWouldHappen answers the box: the query of the page has a URL, and the origin of the
// page that would ask for it.
func (v *visit) whatWouldHappen(w *workspace.Workspace) (any, error) {
	q := v.r.URL.Query()
	a := asked{URL: strings.TrimSpace(q.Get("url")), Origin: strings.TrimSpace(q.Get("origin"))}
	sources, _, err := v.d.Manage.Sources(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		of := accessSource{Key: s.Key}
		if s.Kind != "dir" {
			of.Page = "/app/" + v.ns + "/sources/" + s.Key
		}
		if s.Private || w.RequireSignature {
			a.Private = append(a.Private, of)
		} else {
			a.Public = append(a.Public, of)
		}
	}
	a.External, a.OpenToTheWeb = w.AllowedSources, openToTheWeb(w)
	if a.URL == "" {
		return a, nil
	}
	answer, err := v.d.Manage.Explain(v.r.Context(), v.caller(), v.ns, a.URL, v.r.Header.Get("Accept"), a.Origin)
	a.URL = workspace.ReplaceCredentials(a.URL, "")
	if err != nil {
		e := fault.OfManaging(err)
		if e.Status() >= 500 {
			return nil, err
		}
		a.Fault = workspace.ReplaceCredentials(sentence(e.Message), "")
		return a, nil
	}
	a.Answer = &answer
	return a, nil
}
