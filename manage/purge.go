package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// A Front tells caches in front of this server what was purged. purgehook.Hook is one.
type Front interface {
	// Tell is called before a purge is stored, so that a purge whose process is killed then
	// has been told of, and release when storing it was tried: it may have failed. Neither
	// may wait.
	Tell(namespace string, tags []string) (release func())
}

// PurgeRequest is what is to be purged: exactly one of its fields.
type PurgeRequest struct {
	URL    string `json:"url,omitempty" doc:"A URL of an image: one variant, in all formats that it is negotiated to. Its path begins with the namespace, or its host is the workspace's. Or the full URL of an original: all of its variants."`
	Path   string `json:"path,omitempty" doc:"An original as source/path: all of its variants."`
	Prefix string `json:"prefix,omitempty" doc:"source/ and what the paths begin with: all variants of these originals. What it ends in needn't be a whole folder."`
	Source string `json:"source,omitempty" doc:"Key of a source: all variants of its originals."`
	Mark   string `json:"mark,omitempty" doc:"Name of a mark: all variants that carry it."`
	All    bool   `json:"all,omitempty" doc:"true: everything of the workspace."`
}

// Purged says what became of a purge.
type Purged struct {
	CompleteBy time.Time           `json:"complete_by" doc:"When every server has the purge, at the latest. The one that answers has it now."`
	Widened    []workspace.Widened `json:"widened,omitempty" doc:"Earlier purges that are kept as wider ones from now on, since the workspace has more than are told apart. They purge more than was asked for. Left out where there are none."`
}

// Purge has variants of the workspace that were made before not served any more.
func (m *Manager) Purge(ctx context.Context, who Caller, namespace string, req PurgeRequest) (out Purged, err error) {
	w, err := m.open(ctx, who, Write, namespace)
	if err != nil {
		return out, err
	}
	purges, tags, err := m.purgesOf(ctx, w, req)
	if err != nil {
		return out, err
	}
	store, ok := m.store.(workspace.Purges)
	if !ok {
		return out, errors.New("the store keeps no purges")
	}
	for _, front := range m.fronts {
		defer front.Tell(w.Namespace, tags)()
	}
	for i, p := range purges {
		entry := who.changed("purge", purged(req), nil, req)
		if i > 0 {
			entry.After = nil // one request, one story
		}
		_, widened, err := store.AddPurge(ctx, w.Namespace, w.ID, workspace.PurgeLog{}, p, entry)
		if err != nil {
			return out, fmt.Errorf("purging in workspace %q: %w", w.Namespace, err)
		}
		m.metrics.purged(p.Kind, widened)
		if len(widened) > 0 {
			m.log.Warn("purges are kept as wider ones: the workspace has more than are told apart", "workspace", w.Namespace, "widened", widened)
		}
		out.Widened = append(out.Widened, widened...)
	}
	out.CompleteBy = m.now().Add(cached.ChangeReach).UTC().Truncate(time.Second)
	return out, nil
}

// purged is what a request purges, for the audit log.
func purged(r PurgeRequest) string {
	for _, text := range []string{r.URL, r.Path, r.Prefix, r.Source, r.Mark} {
		if text != "" {
			return text
		}
	}
	return "all"
}

// purgesOf says what a request stands for, and under which tags a cache in front has
// it.
func (m *Manager) purgesOf(ctx context.Context, w *workspace.Workspace, req PurgeRequest) ([]workspace.Purge, []string, error) {
	given := 0
	for _, is := range []bool{req.URL != "", req.Path != "", req.Prefix != "", req.Source != "", req.Mark != "", req.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, nil, invalid("Exactly one of url, path, prefix, source, mark and all must be given, and not be empty or false.")
	}
	var p workspace.Purge
	switch {
	case req.URL != "":
		return m.purgesOfURL(ctx, w.Namespace, req.URL)
	case req.All:
		p = workspace.Purge{Kind: workspace.PurgeAll}
	case req.Mark != "":
		if err := firstSlash("mark", req.Mark); err != nil {
			return nil, nil, err
		}
		if !slices.ContainsFunc(w.Marks, func(m workspace.Mark) bool { return m.Name == req.Mark }) {
			return nil, nil, invalid(fmt.Sprintf("mark: the workspace has no mark %q.", req.Mark))
		}
		p = workspace.Purge{Kind: workspace.PurgeMark, Value: req.Mark}
	default:
		var err error
		if p, err = m.purgeIn(w, req); err != nil {
			return nil, nil, err
		}
	}
	return []workspace.Purge{p}, []string{p.Tag(w.Namespace)}, nil
}

// purgeIn is the purge of a source, or of a part of one.
func (m *Manager) purgeIn(w *workspace.Workspace, req PurgeRequest) (workspace.Purge, error) {
	for _, given := range []struct{ member, value string }{{"path", req.Path}, {"prefix", req.Prefix}, {"source", req.Source}} {
		if err := firstSlash(given.member, given.value); err != nil {
			return workspace.Purge{}, err
		}
	}
	member, p := "source", workspace.Purge{Kind: workspace.PurgeSource, Source: req.Source}
	if req.Source == "" {
		member, p.Kind = "path", workspace.PurgePath
		name := req.Path
		if req.Prefix != "" {
			member, p.Kind, name = "prefix", workspace.PurgePrefix, req.Prefix
		}
		var slash bool
		p.Source, p.Value, slash = strings.Cut(name, "/")
		switch {
		case !slash || p.Value == "" && p.Kind == workspace.PurgePath:
			return p, invalid(member + ": must be written as source/" + member + ".")
		case len(p.Value) > maxPurgePath:
			return p, invalid(fmt.Sprintf("%s: may have %d bytes.", member, maxPurgePath))
		case p.Value == "":
			p.Kind = workspace.PurgeSource
		default:
			if err := p.CheckValue(); err != nil {
				return p, invalid(fmt.Sprintf("%s: %s.", member, err))
			}
		}
	}
	if !m.hasSource(w, p.Source) {
		return p, invalid(fmt.Sprintf("%s: the workspace has no source %q.", member, p.Source))
	}
	return p, nil
}

// firstSlash refuses a name that is written like the path of a URL.
func firstSlash(member, name string) error {
	if !strings.HasPrefix(name, "/") {
		return nil
	}
	rest := strings.TrimLeft(name, "/")
	if rest != "" {
		return invalid(fmt.Sprintf("%s: leave out the first slash: write %q.", member, rest))
	}
	switch member {
	case "path", "prefix":
		return invalid(member + ": must be written as source/" + member + ".")
	}
	return invalid(fmt.Sprintf("%s: must be the name of a %[1]s; all purges everything.", member))
}

// maxPurgePath is how many bytes a path or a prefix may have: no longer key is asked
// for, or kept by a bucket.
const maxPurgePath = 4 << 10

func (m *Manager) purgesOfURL(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error) {
	if m.delivery == nil {
		return nil, nil, invalid("url: this server can't read URLs; give path, prefix, source, mark or all.")
	}
	purges, tags, err := m.delivery.FindPurge(ctx, namespace, url)
	switch {
	case err == nil:
		return purges, tags, nil
	case errors.Is(err, workspace.ErrNotFound), errors.Is(err, workspace.ErrUnavailable), ctx.Err() != nil:
		return nil, nil, err
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Status() >= 500 {
		return nil, nil, err
	}
	return nil, nil, invalid("url: " + err.Error() + ".")
}
