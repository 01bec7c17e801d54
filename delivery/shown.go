package delivery

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

// A Site is what pages show of a workspace.
type Site struct {
	Presets, Sources []string               // names, sorted
	Plain            bool                   // whether URLs need neither a signature nor a preset
	Dirs             map[string]*origin.Dir // the operator's folders, by source
}

// Site returns what pages show of the workspace under a namespace.
func (s *Service) Site(ctx context.Context, namespace string) (Site, error) {
	c, err := s.site(ctx, namespace)
	if err != nil {
		return Site{}, err
	}
	presets := make([]string, 0, len(c.Presets))
	for _, p := range c.Presets {
		presets = append(presets, p.Name)
	}
	slices.Sort(presets)
	return Site{
		Presets: presets, Sources: slices.Sorted(maps.Keys(c.sources)),
		Plain: !c.RequireSignature && !c.PresetsOnly, Dirs: s.dirs[namespace],
	}, nil
}

// Describe answers with what the original is that ?src= names: its bytes and size, which
// no variant shows. It asks for the same rights as a variant. An original that needs a
// signed URL has no facts here.
func (s *Service) Describe(w *Response, r *http.Request, namespace, rawQuery string) error {
	site, err := s.site(r.Context(), namespace)
	if err != nil {
		return err
	}
	w.Log.Workspace = namespace
	// It costs what a picture costs but for the transform.
	if err := s.admit(r.Context(), site); err != nil {
		return err
	}
	if site.PresetsOnly {
		return fault.New(fault.PresetRequired, "this workspace serves presets only, and says nothing about its originals")
	}
	q, err := parseQuery(rawQuery)
	if err != nil {
		return err
	}
	src, hasSrc, err := q.Value("src")
	if err != nil {
		return err
	}
	a := ask{site: site, endpoint: transformEndpoint, options: transform.Defaults()}
	original, err := site.resolve(name{bySrc: true}, src, hasSrc)
	if err != nil {
		return err
	}
	a.refs = []ref{original}
	if err := s.authorize(&a, Target{Namespace: namespace}); err != nil {
		return err
	}
	if err := a.checkBlocked(); err != nil {
		return err
	}
	w.noteAsk(&a)
	hold, err := s.shareOriginal(r.Context(), site, opTransform, original, origin.Validators{})
	if err != nil {
		return err
	}
	defer hold.Release()
	size := hold.Value.header.Upright()
	b, err := json.Marshal(struct {
		Format transform.Format `json:"format"`
		Bytes  int              `json:"bytes"`
		Width  int              `json:"width"` // upright
		Height int              `json:"height"`
		Frames int              `json:"frames"`
	}{hold.Value.header.Format, len(hold.Value.Body), size.W, size.H, hold.Value.header.Frames})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(b)
	return nil
}
