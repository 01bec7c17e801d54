package delivery

import (
	"cmp"
	"context"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

const (
	recentFor       = time.Hour
	recentAll       = 1 << 16 // URLs of all workspaces
	recentWorkspace = 256     // URLs of one workspace
	recentBytes     = 1024    // of the longest URL
)

// A recent keeps URLs that this server answered in the last hour, a sample where there are
// many. It says whom a change of the settings would hit. It is safe for concurrent use.
type recent [recentAll]atomic.Pointer[recentURL]

type recentURL struct {
	target Target
	origin string // the header
	hash   uint64
	seen   atomic.Int64 // Unix seconds
}

func (u *recentURL) old(now time.Time) bool {
	return now.Unix()-u.seen.Load() > int64(recentFor/time.Second)
}

var recentSeed = maphash.MakeSeed()

// place returns one of the places of a workspace's URLs. Another workspace may have it too.
func (r *recent) place(namespace string, i uint64) *atomic.Pointer[recentURL] {
	return &r[(maphash.String(recentSeed, namespace)+i*0x9e3779b97f4a7c15)%recentAll]
}

// note keeps a URL. Each has one place. Another one that is in it, and isn't old, stays.
func (r *recent) note(t Target, origin string, now time.Time) {
	if len(t.Rest)+len(t.RawQuery)+len(origin) > recentBytes {
		return
	}
	var hash maphash.Hash
	hash.SetSeed(recentSeed)
	for _, s := range []string{t.Namespace, t.Rest, "?", t.RawQuery, " ", origin} {
		_, _ = hash.WriteString(s) // never fails
	}
	h := hash.Sum64()
	place := r.place(t.Namespace, h%recentWorkspace)
	if there := place.Load(); there != nil && !there.old(now) {
		if there.hash == h && there.seen.Load() != now.Unix() {
			there.seen.Store(now.Unix())
		}
		return
	}
	u := &recentURL{target: t, origin: origin, hash: h}
	u.seen.Store(now.Unix())
	place.Store(u)
}

// noteRecent keeps the URL of a request that was answered with what it asked for, and that had
// no API key.
func (s *Service) noteRecent(w *Response, r *http.Request, t Target) {
	if w.Log.site != nil && w.Status < 400 && w.Log.Who.Kind == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		s.recent.note(t, r.Header.Get("Origin"), s.now())
	}
}

// Refusals are the URLs of the last hour that a change would refuse.
type Refusals struct {
	URLs, Of int      // those that would be refused, of those that are allowed now
	Paths    []string // some of them, without options: their paths, with src where it names the image
	Code     string   // of the first one
}

// WouldRefuse returns which URLs that this server answered in the last hour would be refused if
// the workspace were stored like w. It fetches nothing.
func (s *Service) WouldRefuse(ctx context.Context, w *workspace.Workspace) (Refusals, error) {
	const most = 5 // paths
	var all Refusals
	edited, stored, err := s.unsaved(ctx, w)
	if err != nil {
		return all, err
	}
	for i := range uint64(recentWorkspace) {
		u := s.recent.place(w.Namespace, i).Load()
		if u == nil || u.target.Namespace != w.Namespace || u.old(s.now()) || s.admitsRecent(stored, u) != nil {
			continue
		}
		all.Of++
		err := s.admitsRecent(edited, u)
		if err == nil {
			continue
		}
		if all.URLs++; all.URLs == 1 {
			all.Code = string(fault.Of(err).Code)
		}
		if name := u.name(); len(all.Paths) < most && !slices.Contains(all.Paths, name) {
			all.Paths = append(all.Paths, name)
		}
	}
	return all, nil
}

// name returns the path of the URL, and what names its originals in the query, such as
// /?src=photos/cat.jpg. It has no options, and no queries of originals, which may hold secrets.
func (u *recentURL) name() string {
	name, separator := cmp.Or(u.target.Rest, "/"), "?"
	for parameter := range strings.SplitSeq(u.target.RawQuery, "&") {
		key, value, _ := strings.Cut(parameter, "=")
		if key != "src" && key != "url" { // url is that of several dialects
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			value, _, _ = strings.Cut(value, "?")
			name += separator + key + "=" + (&url.URL{Path: value}).EscapedPath()
			separator = "&"
		}
	}
	return name
}

// admitsRecent returns why a request for the URL would be refused before its original is
// fetched, or nil.
func (s *Service) admitsRecent(c *site, u *recentURL) error {
	if err := c.admitsOrigin(u.origin); err != nil {
		return err
	}
	_, _, err := s.decide(c, u.target, false, client{}, func() (sender, error) { return sender{}, nil })
	return err
}
