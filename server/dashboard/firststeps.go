package dashboard

import (
	"net/url"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/playground"
	"github.com/tintype/tintype/workspace"
)

// firstSteps leads from an empty workspace to its first image.
type firstSteps struct {
	Sources     []workspace.Source
	HasSource   bool
	Tested      bool               // an origin has sent something
	SourcesPath string             // of the page of sources; empty where the visitor may not change them
	NewSource   string             // path of the page that adds one; empty as SourcesPath
	Source      string             // that the image is of
	Path        string             // that was typed
	Image       string             // path and query of the image; empty before a path was typed
	URL         string             // of the image
	Smaller     string             // URL of the image for small screens
	Signed      string             // path and query of the image with a signature, where it needs one
	NeedsKey    string             // why the browser can't load the image; empty if it can
	Help        *playground.Advice // what to do about NeedsKey; nil where ExplainPath says more
	ExplainPath string
	Playground  string
	Done        int // number of steps that are done
}

// firstSteps returns nil for a workspace that has served an image, unless the visitor is
// just looking at the first one. rows is its usage lately.
func (v *visit) firstSteps(w *workspace.Workspace, rows []workspace.Usage) (*firstSteps, error) {
	q := v.r.URL.Query()
	served, fetched := answered(rows)
	if served && !q.Has("path") {
		return nil, nil
	}
	if !served && !fetched {
		// A workspace that was quiet for a while isn't new.
		to := v.d.now().UTC().AddDate(0, 0, -manage.MaxUsageDays)
		u, err := v.d.Manage.Usage(v.r.Context(), v.caller(), v.ns, to.AddDate(0, 0, 1-manage.MaxUsageDays), to)
		if err != nil {
			return nil, err
		}
		if served, fetched = answered(u.Rows); served && !q.Has("path") {
			return nil, nil
		}
	}
	f := &firstSteps{
		Sources: w.Sources, HasSource: len(w.Sources) > 0, Tested: fetched || served,
		Source: q.Get("source"), Path: strings.TrimLeft(strings.TrimSpace(q.Get("path")), "/"), Playground: "/app/" + v.ns + "/playground",
	}
	if v.may(account.WriteSource) {
		f.SourcesPath, f.NewSource = "/app/"+v.ns+"/sources", "/app/"+v.ns+"/sources/_new"
	}
	for _, s := range w.Sources {
		if s.Key != f.Source || f.Path == "" {
			continue
		}
		at := (&url.URL{Path: "/" + v.ns + "/" + s.Key + "/" + f.Path}).EscapedPath()
		f.Image = at + "?w=400"
		f.URL, f.Smaller = v.base()+at+"?w=800", v.base()+f.Image
		f.ExplainPath = "/app/" + v.ns + "/access?" + url.Values{"url": {f.Image}}.Encode()
		f.Playground = v.playgroundURL(s.Key+"/"+f.Path, nil)
		if w.PresetsOnly {
			f.NeedsKey = "This workspace takes presets only, and this URL says w=400."
			continue
		}
		if !v.private(w, s.Key) {
			continue
		}
		var err error
		if f.Help, err = v.cannotSign(); err != nil {
			return nil, err
		}
		if f.Help != nil {
			f.NeedsKey = f.Help.Means + " " + f.Help.Do
			continue
		}
		if f.Signed, _, err = v.d.Manage.SignURL(v.r.Context(), v.caller(), v.ns, f.Image, 0); err != nil {
			f.NeedsKey = sentence(fault.OfManaging(err).Message)
		}
	}
	for _, done := range []bool{f.HasSource, f.Tested, served} {
		if done {
			f.Done++
		}
	}
	return f, nil
}

// answered reports whether an image was served, and whether an origin has sent one.
func answered(rows []workspace.Usage) (served, fetched bool) {
	for _, u := range rows {
		served = served || u.Requests > u.Errors
		fetched = fetched || u.BytesIn > 0
	}
	return served, fetched
}

// base returns scheme and host of URLs of images, without a slash at the end.
func (v *visit) base() string {
	if u := v.d.PublicURL; u != nil {
		return u.Scheme + "://" + u.Host
	}
	if v.r.TLS != nil {
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host
}
