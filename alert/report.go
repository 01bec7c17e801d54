package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// What a server counts of a workspace is written from these figures on, which are lower than
// those of the rules: several servers together may break one that none breaks alone.
const (
	notedErrors = 3   // in five minutes, if that is 1 % of the requests
	notedDenied = 10  // in five minutes
	notedActor  = 25  // requests of a key or a person, in an hour
	notedHour   = 250 // requests in an hour
	notedQuota  = 50  // percent

	keptHour  = 100 // requests of an hour that is remembered for a week
	keptHours = 8 * 24 * time.Hour

	// Counts are written again when one has changed by a quarter, and else after this time.
	againAfter = 3 * time.Minute
	// Counts of five minutes that weren't written again for this time are those of a server
	// that is gone.
	staleAfter = againAfter + tickEvery

	mostReported = 6 // sources, and keys and people, of a report
)

// A report is what one server counted of a workspace. Short names keep it below 1 KB, which is
// what a write unit pays for.
type report struct {
	Namespace string           `json:"n"`
	Seq       int64            `json:"i"` // grows with each write, so that readers need no clock
	Requests  int64            `json:"r,omitempty"`
	Errors    int64            `json:"e,omitempty"`
	Denied    int64            `json:"d,omitempty"`
	Hour      int64            `json:"h,omitempty"` // requests of the hour that runs
	Sources   []reportedSource `json:"s,omitempty"`
	Actors    []reportedActor  `json:"a,omitempty"`
	Quotas    []UsedQuota      `json:"q,omitempty"`

	at time.Time // when it was written, by the clock of this process
}

type reportedSource struct {
	Key    string `json:"k"`
	Made   int64  `json:"m,omitempty"`
	Failed int64  `json:"f,omitempty"` // in five minutes
	Lost   int64  `json:"l,omitempty"` // workers, in an hour
}

type reportedActor struct {
	Who      string `json:"w"`
	Requests int64  `json:"r"`
}

// A UsedQuota is how much of a quota is used.
type UsedQuota struct {
	Window string `json:"w"` // day or month
	Used   int64  `json:"u"`
	Max    int64  `json:"m"`
	Resets int64  `json:"r"` // Unix seconds
}

// notable reports whether a rule might be broken.
func (r *report) notable() bool {
	return r.Errors >= notedErrors && r.Errors*100 >= r.Requests || r.Denied >= notedDenied || r.Hour >= notedHour ||
		slices.ContainsFunc(r.Actors, func(a reportedActor) bool { return a.Requests >= notedActor }) ||
		slices.ContainsFunc(r.Sources, func(s reportedSource) bool { return s.Failed > 0 || s.Lost > 0 }) ||
		slices.ContainsFunc(r.Quotas, func(q UsedQuota) bool { return q.Used*100 >= q.Max*notedQuota })
}

// empty reports whether nothing was counted lately.
func (r *report) empty() bool {
	return r.Requests == 0 && r.Hour == 0 && len(r.Actors) == 0 && len(r.Sources) == 0 && len(r.Quotas) == 0
}

// differs reports whether a report must be written in the place of an older one.
func (r *report) differs(old *report, now time.Time) bool {
	if since := now.Sub(old.at); old.at.IsZero() || since >= againAfter || since < 0 {
		return true
	}
	far := func(is, was int64) bool { return max(is-was, was-is) > was/4 }
	was := map[string]int64{}
	for _, s := range old.Sources {
		was["failed "+s.Key], was["lost "+s.Key], was["made "+s.Key] = s.Failed, s.Lost, s.Made
	}
	for _, a := range old.Actors {
		was["actor "+a.Who] = a.Requests
	}
	return far(r.Errors, old.Errors) || r.Errors > 0 && far(r.Requests, old.Requests) || far(r.Denied, old.Denied) ||
		max(r.Hour, old.Hour) >= notedHour && far(r.Hour, old.Hour) ||
		slices.ContainsFunc(r.Sources, func(s reportedSource) bool {
			return far(s.Failed, was["failed "+s.Key]) || far(s.Lost, was["lost "+s.Key]) || s.Failed > 0 && far(s.Made, was["made "+s.Key])
		}) ||
		slices.ContainsFunc(r.Actors, func(a reportedActor) bool { return a.Requests >= notedActor && far(a.Requests, was["actor "+a.Who]) })
}

// report returns the counts of a workspace now.
func (s *watched) report(now time.Time) report {
	r := report{Namespace: s.namespace}
	at := now.Unix() / 60
	for _, m := range s.minutes {
		if m.at > at-minutes && m.at <= at {
			r.Requests, r.Errors, r.Denied = r.Requests+m.requests, r.Errors+m.errors, r.Denied+m.denied
		}
	}
	if s.hour.at == at/60 {
		r.Hour = s.hour.requests
	}
	for key, src := range s.sources {
		x := reportedSource{Key: key, Lost: sum(&src.lost, at/5)}
		for _, m := range src.minutes {
			if m.at > at-minutes && m.at <= at {
				x.Made, x.Failed = x.Made+m.made, x.Failed+m.failed
			}
		}
		if x.Failed > 0 || x.Lost > 0 {
			r.Sources = append(r.Sources, x)
		}
	}
	slices.SortFunc(r.Sources, func(a, b reportedSource) int {
		return cmp.Or(cmp.Compare(b.Failed+b.Lost, a.Failed+a.Lost), cmp.Compare(a.Key, b.Key))
	})
	r.Sources = r.Sources[:min(len(r.Sources), mostReported)]
	for who, a := range s.actors {
		if n := sum(&a.spans, at/5); n > 0 {
			r.Actors = append(r.Actors, reportedActor{who, n})
		}
	}
	slices.SortFunc(r.Actors, func(a, b reportedActor) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Who, b.Who))
	})
	r.Actors = r.Actors[:min(len(r.Actors), mostReported)]
	return r
}

// reports returns the counts of the workspaces that a rule might be broken in, here or by what
// others have written. It forgets workspaces without requests for an hour.
func (w *Watch) reports(others map[string]bool, quota func(namespace string) []UsedQuota) map[string]report {
	w.mu.Lock()
	now := w.now()
	all := make(map[string]report, len(w.spaces)/8)
	var asked []string
	for id, s := range w.spaces {
		if s.hour.at != 0 && s.hour.at != now.Unix()/3600 {
			w.endHour(s)
		}
		if idle := now.Sub(s.last); idle >= idleFor || idle < -idleFor {
			delete(w.spaces, id)
			continue
		}
		all[id] = s.report(now)
		if now.Sub(s.last) < 2*tickEvery {
			asked = append(asked, id)
		}
	}
	w.mu.Unlock()
	for _, id := range asked { // without the lock, since limits have their own
		if quota != nil {
			r := all[id]
			r.Quotas = quota(r.Namespace)
			all[id] = r
		}
	}
	maps.DeleteFunc(all, func(id string, r report) bool { return !r.notable() && (!others[id] || r.empty()) })
	return all
}

// aged returns a report without the counts of five minutes, where it is older.
func (r report) aged(age time.Duration) report {
	if age < staleAfter {
		return r
	}
	r.Requests, r.Errors, r.Denied, r.Sources = 0, 0, 0, slices.Clone(r.Sources)
	for i := range r.Sources {
		r.Sources[i].Made, r.Sources[i].Failed = 0, 0
	}
	return r
}

// join adds up what servers counted of a workspace.
func join(list []report) report {
	var all report
	sources, actors, quotas := map[string]reportedSource{}, map[string]int64{}, map[string]UsedQuota{}
	for _, r := range list {
		all.Namespace = r.Namespace
		all.Requests, all.Errors, all.Denied, all.Hour = all.Requests+r.Requests, all.Errors+r.Errors, all.Denied+r.Denied, all.Hour+r.Hour
		for _, s := range r.Sources {
			have := sources[s.Key]
			sources[s.Key] = reportedSource{s.Key, have.Made + s.Made, have.Failed + s.Failed, have.Lost + s.Lost}
		}
		for _, a := range r.Actors {
			actors[a.Who] += a.Requests
		}
		for _, q := range r.Quotas { // all servers share one; the one that knows most is right
			if have := quotas[q.Window]; q.Resets > have.Resets || q.Resets == have.Resets && q.Used > have.Used {
				quotas[q.Window] = q
			}
		}
	}
	all.Sources = slices.SortedFunc(maps.Values(sources), func(a, b reportedSource) int { return cmp.Compare(a.Key, b.Key) })
	for who, n := range actors {
		all.Actors = append(all.Actors, reportedActor{who, n})
	}
	slices.SortFunc(all.Actors, func(a, b reportedActor) int { return cmp.Compare(a.Who, b.Who) })
	all.Quotas = slices.SortedFunc(maps.Values(quotas), func(a, b UsedQuota) int { return cmp.Compare(a.Window, b.Window) })
	return all
}
