package delivery

import (
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
)

// Entries of the cache say through which redirects their originals were fetched. What the
// workspace refuses when it is fetched is refused in the cache too: a redirect to an image
// that has been blocked since, into a source that has become private or marked, or to a host
// that isn't allowed any more.
//
// Such an entry isn't removed, since the refusal may be lifted. Requests ask for an entry
// under another key instead, which is made anew: the origin may redirect elsewhere by then.
// They do so too where the image that a redirect led to has been purged since. The key has no
// part for that purge, since nobody knows the redirects before the entry is found.

// again says that an entry is asked for in place of others, which are outdated.
type again struct {
	refused bool  // the workspace refuses the redirects of one
	purge   int64 // number of the last purge that outdates one
	times   int   // how many were purged
}

// mostAgain is how many entries a request looks at that are outdated by purges. There may be
// one for each place that the origin has redirected to.
const mostAgain = 4

// A found is an entry, and what the workspace says of it as it is now.
type found struct {
	entry   *cache.Entry
	outcome cache.Outcome
	refused error    // why it mustn't be served; nil for entries of errors
	tags    []string // Cache-Tags of where its redirects led to
	instead *ask     // asks for another entry, since this one is outdated; nil is none
}

// find gets the entry, with get, and another one in its place where it is outdated.
func (a *ask) find(get func(*ask) (*cache.Entry, cache.Outcome, error)) (found, error) {
	for {
		e, outcome, err := get(a)
		if err != nil {
			return found{}, err
		}
		f := a.judge(e)
		if f.instead == nil {
			f.outcome = outcome
			return f, nil
		}
		a = f.instead
	}
}

// judge says whether an entry may be served: not if the workspace's rules, as they are now,
// wouldn't have allowed it to be fetched, nor if it was made of a blocked image. Nothing is
// known of the redirects of an earlier version's entries, which are outdated where paths are
// blocked.
func (a *ask) judge(e *cache.Entry) found {
	f := found{entry: e}
	if e == nil || e.Code != "" {
		return f
	}
	if len(e.Redirects) > 0 {
		var purge int64
		if purge, f.refused = a.judgeRedirects(e, &f); f.refused == nil && purge > max(e.LastPurge, a.again.purge) && purge > a.purged() {
			f.instead = a.afterPurge(purge)
		}
	}
	if !a.again.refused && (f.refused != nil || e.Unaware && len(a.refs) > 0 && a.site.blocked.byPath()) {
		instead := *a
		instead.again.refused = true
		f.instead = &instead
	}
	if f.refused == nil && a.site.blocked.has(e.OriginHashes...) {
		f.refused = errBlocked()
	}
	return f
}

// judgeRedirects returns the number of the last purge of what the redirects of an entry led
// to, and adds the tags of that. The error says why the workspace refuses one of them.
func (a *ask) judgeRedirects(e *cache.Entry, f *found) (purge int64, err error) {
	for _, r := range e.Redirects {
		u, err := origin.ParsePlace(r.URL)
		if err != nil || r.Original >= len(a.refs) {
			return 0, fault.New(fault.SourceNotAllowed, "the origin's redirect can't be read any more: purge the image")
		}
		to, err := a.site.checkRedirect(a.refs[r.Original].at().source, u)
		if err != nil {
			return 0, err
		}
		purge = max(purge, a.site.purgedOriginal(to))
		f.tags = a.site.appendTags(f.tags, to)
	}
	return purge, nil
}

// afterPurge asks for an entry that comes after a purge. After many tries it is one that
// comes after all purges of the workspace.
func (a *ask) afterPurge(purge int64) *ask {
	instead := *a
	instead.again.purge = purge
	if instead.again.times++; instead.again.times == mostAgain {
		instead.again.purge = a.site.purges.Last()
	}
	return &instead
}

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
