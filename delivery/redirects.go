package delivery

import (
	"slices"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// Entries of the cache say through which redirects their originals were fetched. What the
// workspace refuses when it is fetched is refused in the cache too: a redirect to an image
// that has been blocked since, into a source that has become private or marked, or to a host
// that isn't allowed any more.
//
// Such an entry isn't removed, since the refusal may be lifted. Requests ask for an entry
// under another key instead, which is made anew: the origin may redirect elsewhere by then.

// redirects says through which redirects originals were fetched. Cells of a grid that are
// left out have none.
func redirects(from []*original) (list []cache.Redirect) {
	for i, o := range from {
		if o != nil {
			list = append(list, redirectsOf(i, o.Redirects)...)
		}
	}
	return list
}

// redirectsOf are the redirects of one original. Queries are left out, since they may hold
// secrets and no rule looks at them.
func redirectsOf(original int, urls []origin.URL) (list []cache.Redirect) {
	for _, u := range urls {
		u.Query = ""
		list = append(list, cache.Redirect{Original: original, URL: u.String()})
	}
	return list
}

// checkRedirects refuses an entry that the workspace's rules, as they are now, wouldn't have
// allowed to be fetched.
func (a *ask) checkRedirects(e *cache.Entry) error {
	for _, r := range e.Redirects {
		u, err := origin.ParsePlace(r.URL)
		if err != nil || r.Original >= len(a.refs) {
			return fault.New(fault.SourceNotAllowed, "the origin's redirect can't be read any more: purge the image")
		}
		if err := a.site.checkRedirect(a.refs[r.Original].at().source, u); err != nil {
			return err
		}
	}
	return nil
}

// outdated reports whether the entry mustn't be served for its redirects. Nothing is known of
// those of an earlier version's entries, which aren't served where paths are blocked.
func (a *ask) outdated(e *cache.Entry) bool {
	return e != nil && e.Code == "" && len(a.refs) > 0 && !a.again && (e.Unaware && a.site.blocked.byPath() || a.checkRedirects(e) != nil)
}

// madeAgain is the ask for an entry under another key, in place of an outdated one.
func (a *ask) madeAgain() *ask {
	again := *a
	again.again = true
	return &again
}

// redirectTags are the tags of the originals in the workspace's sources that redirects led
// to, so that caches in front can be told when one of them is blocked.
func (a *ask) redirectTags(e *cache.Entry) (tags []string) {
	for _, r := range e.Redirects {
		u, err := origin.ParsePlace(r.URL)
		if err != nil {
			continue
		}
		to, err := a.site.resolveWithin(u)
		if err != nil || to.source == nil {
			continue
		}
		for o := range to.names {
			if tag := workspace.PathTag(a.site.Namespace, o.source, o.path); !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
	}
	return tags
}
