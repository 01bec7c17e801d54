package workspace

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

const (
	// UsageKept is how long counts of a day are kept.
	UsageKept = 400 * 24 * time.Hour

	// TallyKnown is how long a store remembers tallies of an ID, to count each only once.
	TallyKnown = 7 * 24 * time.Hour
)

// Usage holds the counts for one workspace, day, operation and source.
type Usage struct {
	WorkspaceID string `json:"-"`
	Day         string `json:"day"`       // as 2006-01-02, UTC
	Operation   string `json:"operation"` // such as "transform"; of a-z, 0-9 and _
	Source      string `json:"source"`    // key of the source; empty for originals by full URL

	Requests   int64 `json:"requests"`
	Hits       int64 `json:"hits"`
	Transforms int64 `json:"transforms"`
	Errors     int64 `json:"errors"`
	BytesIn    int64 `json:"bytes_in"`
	BytesOut   int64 `json:"bytes_out"`

	Units Units `json:"units" doc:"What the variants made cost, by the operator's price of the operation in units. Hits and errors cost none."`

	// Countries and Keys say which part of the requests and units were of clients of a country
	//, and of requests with an API key, under its ID. What is of no known
	// country, or of no key, isn't in them.
	Countries map[string]Part `json:"countries,omitempty" doc:"The part of each country, by the client's address: two letters of ISO 3166-1, or other for those beyond 30 countries. With --geoip only. What nobody waits for is of no country."`
	Keys      map[string]Part `json:"keys,omitempty" doc:"The part of each API key, by its ID, or other for those beyond 8 keys."`

	// Previews are those of the requests without an error that pages of the dashboard made.
	Previews int64 `json:"-"`
}

// A Part is a part of the counts.
type Part struct {
	Requests int64 `json:"requests"`
	Units    Units `json:"units"`
}

// A row names at most MostCountries and MostKeys a day, so that it stays within the kilobyte
// that DynamoDB writes for one unit. What is of others counts under OtherParts.
const (
	MostCountries = 30
	MostKeys      = 8
	OtherParts    = "other"
)

// A KeyUse holds the counts for one API key.
type KeyUse struct {
	WorkspaceID string
	ID          string
	Requests    int64
	Errors      int64
	LastUsedAt  time.Time
}

// A Tally holds the counts of one server since its previous tally. A tally that is added twice
// counts once: stores know it by ID and Seq.
type Tally struct {
	ID    string // of the process that counts, or of the tally where it is the only one; letters, digits and -
	Seq   int64  // grows from tally to tally of an ID, each of which is added before the next
	Usage []Usage
	Keys  []KeyUse
}

// Counters sums up the counts of servers. It is safe for concurrent use. Errors wrap this
// package's, or are the context's.
type Counters interface {
	// AddTally adds the tally to the stored counts. After an error, the caller may add the
	// same tally again within TallyKnown. It still counts once. A tally whose Seq isn't above
	// that of an earlier one of the ID counts as added.
	AddTally(ctx context.Context, t Tally) error
	// Usage returns the counts of a workspace from one day to another, both included, sorted
	// by day, operation and source. Countries and Keys are left out.
	Usage(ctx context.Context, workspaceID, from, to string) ([]Usage, error)
	// UsageInParts is Usage with Countries and Keys. It takes longer.
	UsageInParts(ctx context.Context, workspaceID, from, to string) ([]Usage, error)
}

// A Folder is a [Counters] that keeps tallies as they come, and adds them to the counts later,
// which costs less. Fold does it. Several servers may call it at once. Counts that are read have
// tallies that aren't folded yet too, up to a megabyte.
type Folder interface {
	Fold(ctx context.Context) (Folded, error)
}

// Folded is what a [Folder] has done.
type Folded struct {
	Rows  int // that were written
	Bytes int // of tallies, where there were most that one reader looks at
}

// Totals is what [Counters] may implement too: it sums up rows where they are, which is
// faster than to read them.
type Totals interface {
	// Total returns the sum of the rows that Usage returns, without day, operation and source.
	Total(ctx context.Context, workspaceID, from, to string) (Usage, error)
}

// Add adds the counts of o to u.
func (u *Usage) Add(o Usage) {
	u.Requests += o.Requests
	u.Hits += o.Hits
	u.Transforms += o.Transforms
	u.Errors += o.Errors
	u.BytesIn += o.BytesIn
	u.BytesOut += o.BytesOut
	u.Units += o.Units
	u.Previews += o.Previews
	addParts(&u.Countries, o.Countries)
	addParts(&u.Keys, o.Keys)
}

func addParts(to *map[string]Part, parts map[string]Part) {
	if *to == nil && len(parts) > 0 {
		*to = make(map[string]Part, len(parts))
	}
	for name, p := range parts {
		have := (*to)[name]
		(*to)[name] = Part{have.Requests + p.Requests, have.Units + p.Units}
	}
}

// Clone returns a copy that shares nothing with u.
func (u Usage) Clone() Usage {
	u.Countries, u.Keys = maps.Clone(u.Countries), maps.Clone(u.Keys)
	return u
}

// Merged returns the tally with one row for every workspace, day, operation and source, and
// one for every key, sorted. Stores call it.
func (t Tally) Merged() Tally {
	type row struct{ workspace, day, operation, source string }
	rows := map[row]*Usage{}
	for _, u := range t.Usage {
		k := row{u.WorkspaceID, u.Day, u.Operation, u.Source}
		if have := rows[k]; have != nil {
			have.Add(u)
		} else {
			u = u.Clone()
			rows[k] = &u
		}
	}
	keys := map[[2]string]*KeyUse{}
	for _, k := range t.Keys {
		if have := keys[[2]string{k.WorkspaceID, k.ID}]; have != nil {
			have.Requests += k.Requests
			have.Errors += k.Errors
			if k.LastUsedAt.After(have.LastUsedAt) {
				have.LastUsedAt = k.LastUsedAt
			}
		} else {
			keys[[2]string{k.WorkspaceID, k.ID}] = &k
		}
	}
	out := Tally{ID: t.ID, Seq: t.Seq}
	for _, u := range rows {
		out.Usage = append(out.Usage, *u)
	}
	slices.SortFunc(out.Usage, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.WorkspaceID, b.WorkspaceID), CompareUsage(a, b))
	})
	for _, k := range keys {
		out.Keys = append(out.Keys, *k)
	}
	slices.SortFunc(out.Keys, func(a, b KeyUse) int {
		return cmp.Or(cmp.Compare(a.WorkspaceID, b.WorkspaceID), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// CompareUsage orders rows of one workspace by day, operation and source.
func CompareUsage(a, b Usage) int {
	return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Source, b.Source))
}
