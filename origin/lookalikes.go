package origin

import "strings"

// LookAlikes are URLs that are compared as servers may read them. Add all of them before the
// first call of Has. The zero value has none.
type LookAlikes struct{ servers map[string]*readings }

// readings are those of the URLs on one server.
type readings struct {
	all   []Reading
	plain map[string]bool // those that look like no other plain one, by their names
	odd   []Reading       // the others
}

// Add adds a URL. A path that [Reading.Leaves] has no other spellings that could be known.
func (l *LookAlikes) Add(u URL) {
	server := u.Server()
	if l.servers == nil {
		l.servers = map[string]*readings{}
	}
	on := l.servers[server]
	if on == nil {
		on = &readings{plain: map[string]bool{}}
		l.servers[server] = on
	}
	r := u.Reading()
	if r.Leaves() {
		return
	}
	on.all = append(on.all, r)
	if names, ok := r.plain(); ok {
		on.plain[names] = true
	} else {
		on.odd = append(on.odd, r)
	}
}

// Has reports whether some server may resolve u and one of the URLs to the same file. A path
// that [Reading.Leaves] may be any file of its server.
func (l *LookAlikes) Has(u URL) bool {
	if len(l.servers) == 0 {
		return false
	}
	on := l.servers[u.Server()]
	if on == nil {
		return false
	}
	r := u.Reading()
	if r.Leaves() {
		return true
	}
	others := on.all
	if names, ok := r.plain(); ok {
		if on.plain[names] {
			return true
		}
		others = on.odd
	}
	for _, other := range others {
		if r.Within(other) && other.Within(r) {
			return true
		}
	}
	return false
}

// plain returns the names of a Reading whose like is only one with the same names, among those
// for which ok is true.
func (r Reading) plain() (names string, ok bool) {
	if r.leaves || r.other != nil {
		return "", false
	}
	var b strings.Builder
	for _, s := range r.segments {
		if s.any || s.vague || strings.IndexByte(s.name, '~') >= 0 {
			return "", false
		}
		b.WriteByte('/')
		b.WriteString(s.name)
	}
	return b.String(), true
}
