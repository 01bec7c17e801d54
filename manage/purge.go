package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// A Front passes purges on to caches in front of this server. purgehook.Hook is one.
type Front interface {
	// Tell notes a purge. It is called before the purge is stored, so that the caches hear
	// of it even if this process is killed in between. The caller calls release after the
	// attempt to store it, which may have failed. Neither call may block.
	Tell(namespace string, tags []string) (release func())
}

// PurgeRequest names what to purge. Exactly one field is set.
type PurgeRequest struct {
	URL    string   `json:"url,omitempty" doc:"A URL of an image, with the namespace or on a host of the workspace: one variant, in all formats that are negotiated. Or the full URL of an original: all of its variants."`
	Path   string   `json:"path,omitempty" doc:"An original, as source/path: all of its variants."`
	Paths  []string `json:"paths,omitempty" maxItems:"1000" doc:"Up to 1,000 originals, each as source/path: all of their variants."`
	Prefix string   `json:"prefix,omitempty" doc:"source/ and the beginning of a path: all variants of the originals below it. It need not end at a folder."`
	Source string   `json:"source,omitempty" doc:"Key of a source: all variants of its originals."`
	Mark   string   `json:"mark,omitempty" doc:"Name of a mark: all variants that carry it."`
	All    bool     `json:"all,omitempty" doc:"true: all variants of the workspace."`
}

// Purged is the result of a purge.
type Purged struct {
	CompleteBy time.Time           `json:"complete_by" doc:"The latest time at which every server applies the purge. The server that answers applies it at once."`
	Widened    []workspace.Widened `json:"widened,omitempty" doc:"Earlier purges that were replaced by wider ones, because the workspace has too many. The wider ones purge more than was asked for. Left out if there are none."`
}

// Purge makes every server stop serving the workspace's variants that req names and that
// were made before.
func (m *Manager) Purge(ctx context.Context, who Caller, namespace string, req PurgeRequest) (out Purged, err error) {
	w, err := m.open(ctx, who, account.Purge, namespace)
	if err != nil {
		return out, err
	}
	purges, tags, err := m.purgesOf(ctx, w, req)
	if err != nil {
		return out, err
	}
	leave, err := m.purging.enter(ctx, w.ID)
	if err != nil {
		return out, err
	}
	defer leave()
	defer m.tell(w.Namespace, tags...)()
	for _, portion := range workspace.PurgePortions(purges) {
		if len(req.Paths) > 0 {
			req.Paths = pathsOf(portion)
		}
		widened, err := m.addPurges(ctx, w, portion, who.changed("purge", purged(req), nil, req))
		if err != nil {
			return out, err
		}
		out.Widened = append(out.Widened, widened...)
	}
	out.CompleteBy = m.now().Add(cached.ChangeReach).UTC().Truncate(time.Second)
	return out, nil
}

// pathsOf returns purges of paths as a request names them.
func pathsOf(purges []workspace.Purge) []string {
	paths := make([]string, len(purges))
	for i, p := range purges {
		paths[i] = p.Source + "/" + p.Value
	}
	return paths
}

// addPurges adds purges to the workspace's log, and returns the purges that were replaced by
// wider ones.
func (m *Manager) addPurges(ctx context.Context, w *workspace.Workspace, purges []workspace.Purge, entry workspace.AuditEntry) ([]workspace.Widened, error) {
	store, ok := m.store.(workspace.Purges)
	if !ok {
		return nil, errors.New("the store keeps no purges")
	}
	_, widened, err := store.AddPurges(ctx, w.Namespace, w.ID, workspace.PurgeLog{}, purges, entry)
	if err != nil {
		return nil, fmt.Errorf("purging in workspace %q: %w", w.Namespace, err)
	}
	m.metrics.purged(purges, widened)
	if len(widened) > 0 {
		m.log.Warn("replaced purges by wider ones: the workspace has too many", "workspace", w.Namespace, "widened", widened)
	}
	return widened, nil
}

// tell tells the caches in front that variants with these tags change. The caller must call
// the function that it returns when the change is stored.
func (m *Manager) tell(namespace string, tags ...string) (done func()) {
	dones := make([]func(), len(m.fronts))
	for i, front := range m.fronts {
		dones[i] = front.Tell(namespace, tags)
	}
	return func() {
		for _, done := range dones {
			done()
		}
	}
}

// purged returns the target of the audit entry.
func purged(r PurgeRequest) string {
	if len(r.Paths) > 0 {
		return fmt.Sprintf("%d paths", len(r.Paths))
	}
	for _, text := range []string{r.URL, r.Path, r.Prefix, r.Source, r.Mark} {
		if text != "" {
			return text
		}
	}
	return "all"
}

// purgesOf returns the purges for a request, and the Cache-Tags of the variants in caches
// in front.
func (m *Manager) purgesOf(ctx context.Context, w *workspace.Workspace, req PurgeRequest) ([]workspace.Purge, []string, error) {
	given := 0
	for _, is := range []bool{req.URL != "", req.Path != "", len(req.Paths) > 0, req.Prefix != "", req.Source != "", req.Mark != "", req.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, nil, invalid("Exactly one of url, path, paths, prefix, source, mark and all must be given, and not be empty or false.")
	}
	if len(req.Paths) > 0 {
		return m.purgesOfPaths(w, req.Paths)
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

// purgesOfPaths returns the purges of originals. A path that is named twice counts once.
func (m *Manager) purgesOfPaths(w *workspace.Workspace, paths []string) (purges []workspace.Purge, tags []string, err error) {
	if len(paths) > MaxBatch {
		return nil, nil, invalid(fmt.Sprintf("paths: may have at most %d paths. Purge a prefix instead.", MaxBatch))
	}
	seen := map[string]bool{}
	for i, path := range paths {
		if seen[path] {
			continue
		}
		seen[path] = true
		p, err := m.purgeIn(w, PurgeRequest{Path: path})
		if e, ok := errors.AsType[*fault.Error](err); ok {
			return nil, nil, invalid(fmt.Sprintf("paths[%d]: %s", i, strings.TrimPrefix(strings.TrimPrefix(e.Message, "path: "), "source: ")))
		}
		if err != nil {
			return nil, nil, err
		}
		purges, tags = append(purges, p), append(tags, p.Tag(w.Namespace))
	}
	return purges, tags, nil
}

// purgeIn returns the purge of a source, or of a path or prefix in it.
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
			return p, invalid(fmt.Sprintf("%s: may have at most %d bytes.", member, maxPurgePath))
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

// firstSlash returns an error if the name begins with a slash, as the path of a URL does.
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
	return invalid(fmt.Sprintf("%s: must be the name of a %[1]s. To purge everything, use all.", member))
}

// maxPurgePath is the maximum length of a path or a prefix, in bytes. No bucket keeps
// longer keys.
const maxPurgePath = 4 << 10

func (m *Manager) purgesOfURL(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error) {
	if m.delivery == nil {
		return nil, nil, invalid("url: this server delivers no images, so it can't read URLs. Use path, prefix, source, mark or all.")
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
