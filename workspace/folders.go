package workspace

import (
	"slices"
	"strings"
)

// folders compares what becomes of the images of each source in folders where a place of any
// source is: overlaps of several places close some of them, and neither names nor Warn says so.
func (c *closing) folders() {
	if !c.unsigned() {
		return
	}
	var had, said []string // what Warn says, once it is asked for
	for i := range c.new.w.Sources {
		now := &c.new.w.Sources[i]
		from := c.old.sources[now.Key]
		if from == nil {
			continue
		}
		folders, private := c.closedFolders(from, now)
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
func (c *closing) closedFolders(from, now *Source) (folders []string, private *Source) {
	for _, folder := range foldersOf(c.old, c.new, now.Key) {
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
	for i := range o.new.w.Sources {
		now := &o.new.w.Sources[i]
		from := o.old.sources[now.Key]
		if from == nil || o.says("source "+now.Key+" ") || o.says("images of source "+now.Key) {
			continue
		}
		var folders []string
		var private *Source
		for _, folder := range foldersOf(o.old, o.new, now.Key) {
			was := o.old.ofName(from, folder)
			if len(was.private) > 0 && len(o.new.ofName(now, folder).private) == 0 {
				private = was.private[0]
				folders = append(folders, asFolder(folder))
			}
		}
		if folders != nil && !o.says("source "+private.Key+" is not private any more") {
			o.say("source %s isn't around them any more: images of source %s%s were as private as it, and are public from now on", private.Key, now.Key, whosePaths(folders))
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

// foldersOf returns the folders of a source in which there is a place of any source, before or
// after the change. A place of the source's own inside another one gives all of them a second name.
func foldersOf(old, now *ruling, key string) (folders []string) {
	add := func(list *[]string, e string) {
		if !slices.Contains(*list, e) {
			*list = append(*list, e)
		}
	}
	var own []spot
	for _, r := range []*ruling{old, now} {
		for _, s := range r.spots[r.sources[key]] {
			if !slices.Contains(own, s) {
				own = append(own, s)
			}
		}
	}
	for _, around := range own {
		for _, place := range slices.Concat(old.places, now.places) {
			if rest, ok := spotOf(place).within(around); ok {
				add(&folders, rest)
			}
		}
	}
	for _, around := range own {
		for _, inner := range own {
			if rest, ok := inner.within(around); ok && rest != "" {
				for _, folder := range slices.Clone(folders) {
					add(&folders, strings.Trim(rest+"/"+folder, "/"))
				}
			}
		}
	}
	return folders
}

// namesSource reports whether a new warning says that images of a source need a key.
func namesSource(key string, had, said []string) bool {
	return slices.ContainsFunc(said, func(text string) bool {
		return !slices.Contains(had, text) && (strings.HasPrefix(text, "source "+key+" is private: its images") || strings.Contains(text, "images of source "+key+" ") && strings.Contains(text, "API key"))
	})
}
