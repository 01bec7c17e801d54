package workspace

import (
	"fmt"
	"slices"
	"strings"
)

// folders compares what becomes of the images of each source in folders where a place of any
// source is: overlaps of several places close some of them, and neither names nor Warn says so.
func (c *closing) folders() {
	if !c.unsigned() {
		return
	}
	f := newFolding(c.old, c.new)
	var had, said []string // what Warn says, once it is asked for
	for i := range c.new.w.Sources {
		now := &c.new.w.Sources[i]
		from := c.old.sources[now.Key]
		if from == nil {
			continue
		}
		folders, private := c.closedFolders(f, from, now)
		if folders == nil {
			continue
		}
		if said == nil {
			had, said = c.old.w.Warn(), append(c.sentences(), c.new.w.Warn()...)
		}
		if !namesSource(now.Key, had, said) {
			c.say("source "+private.Key+" is private", "images of source "+now.Key+whosePaths(folders), needKey)
		}
	}
}

// whosePaths describes images by the folders that they are in. An empty folder has all.
func whosePaths(folders []string) string {
	if slices.Contains(folders, "") {
		return ""
	}
	return " whose paths begin with " + strings.ReplaceAll(few(folders), ", ", " or ")
}

// closedFolders returns the folders of a source whose images were public, and the private source
// that they are in now.
func (c *closing) closedFolders(f *folding, from, now *Source) (folders []string, private *Source) {
	for _, folder := range f.foldersOf(now.Key) {
		is := c.new.ofName(now, folder)
		if len(is.private) == 0 || len(c.old.ofName(from, folder).private) > 0 {
			continue
		}
		private = is.private[0]
		folders = append(folders, asFolder(folder))
	}
	return folders, private
}

// folders compares the images of each source in folders where a place of any source is.
func (o *opening) folders() {
	if o.new.w.RequireSignature {
		return
	}
	f := newFolding(o.old, o.new)
	for i := range o.new.w.Sources {
		now := &o.new.w.Sources[i]
		from := o.old.sources[now.Key]
		if from == nil || o.says("source "+now.Key+" ") || o.says("images of source "+now.Key) {
			continue
		}
		var folders []string
		var private *Source
		for _, folder := range f.foldersOf(now.Key) {
			was := o.old.ofName(from, folder)
			if len(was.private) > 0 && len(o.new.ofName(now, folder).private) == 0 {
				private = was.private[0]
				folders = append(folders, asFolder(folder))
			}
		}
		if folders != nil && !o.says("source "+private.Key+" is not private any more") {
			o.say("places have changed: images of source %s%s were as private as source %s, and are public from now on", now.Key, whosePaths(folders), private.Key)
		}
	}
}

func (o *opening) says(words string) bool {
	return slices.ContainsFunc(o.warnings, func(text string) bool { return strings.Contains(text, words) })
}

func asFolder(path string) string {
	if path == "" {
		return ""
	}
	return path + "/"
}

// mostFolders bounds what foldersOf returns. Places of one source that lie in each other give each
// folder many names.
const mostFolders = 64

// mostFolding is for how many places folders are compared, of both workspaces together: each folder
// of each source takes work that grows with all places. A workspace with more gets the other
// warnings only.
const mostFolding = 100

// A folding compares places before and after a change.
type folding struct {
	old, new *ruling
	changed  map[spot]bool     // places at which there are other sources, or some became private or public
	places   map[string][]spot // these, by server
}

func newFolding(old, new *ruling) *folding {
	f := &folding{old, new, map[spot]bool{}, map[string][]spot{}}
	if len(old.places)+len(new.places) > mostFolding {
		return f
	}
	for _, r := range []*ruling{old, new} {
		for s := range r.at {
			if !f.changed[s] && old.sourcesAt(s) != new.sourcesAt(s) {
				f.changed[s] = true
				f.places[s.server] = append(f.places[s.server], s)
			}
		}
	}
	for _, list := range f.places { // in one order, so that the same change gets the same warnings
		slices.SortFunc(list, func(a, b spot) int { return strings.Compare(a.path, b.path) })
	}
	return f
}

// sourcesAt describes the sources at a place, and whether they are private.
func (r *ruling) sourcesAt(s spot) string {
	var names []string
	for _, src := range r.at[s] {
		names = append(names, fmt.Sprint(src.Key, " ", src.Private))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// foldersOf returns the folders of a source whose images may have other rules after the change:
// those in which there is a place that has changed. The names of its images go on in the sources
// that share a place with it, so the places of these count too. If one of these has changed, any
// place may matter. Where one lies inside another, each folder has a second name.
func (f *folding) foldersOf(key string) (folders []string) {
	add := func(folder string) {
		if len(folders) < mostFolders && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	if len(f.changed) == 0 {
		return nil
	}
	var own []spot
	for _, r := range []*ruling{f.old, f.new} {
		for _, sharer := range r.sharers(key) {
			for _, s := range r.spots[sharer] {
				if !slices.Contains(own, s) {
					own = append(own, s)
				}
			}
		}
	}
	shared := slices.ContainsFunc(own, func(s spot) bool { return f.changed[s] })
	for _, around := range own {
		for _, r := range []*ruling{f.old, f.new} {
			places := f.places
			if shared {
				places = r.byServer
			}
			for _, s := range places[around.server] {
				if rest, ok := s.within(around); ok {
					add(rest)
				}
			}
		}
	}
	if len(folders) == 0 {
		return nil
	}
	for _, around := range own {
		for _, inner := range own {
			if rest, ok := inner.within(around); ok && rest != "" {
				for _, folder := range slices.Clone(folders) {
					add(strings.Trim(rest+"/"+folder, "/"))
				}
			}
		}
	}
	return folders
}

// sharers returns the source, and those at its places, at theirs, and so on.
func (r *ruling) sharers(key string) (found []*Source) {
	src := r.sources[key]
	if src == nil {
		return nil
	}
	found = []*Source{src}
	for i := 0; i < len(found); i++ {
		for _, s := range r.spots[found[i]] {
			for _, other := range r.at[s] {
				if !slices.Contains(found, other) {
					found = append(found, other)
				}
			}
		}
	}
	return found
}

// namesSource reports whether a new warning says that images of a source need a key.
func namesSource(key string, had, said []string) bool {
	return slices.ContainsFunc(said, func(text string) bool {
		return !slices.Contains(had, text) && (strings.HasPrefix(text, "source "+key+" is private: its images") || strings.Contains(text, "images of source "+key+" ") && strings.Contains(text, "API key"))
	})
}
