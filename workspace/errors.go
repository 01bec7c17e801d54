package workspace

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const (
	// ErrorsKept is how long errors of images are kept.
	ErrorsKept = 31 * 24 * time.Hour

	// MaxErrorRows is the number of rows of a workspace and day. What doesn't fit sums up in
	// the row with the code OtherErrors.
	MaxErrorRows = 200

	// MaxErrorSamples is the number of samples of a row. A path has at most MaxErrorPath bytes,
	// and an origin MaxErrorOrigin.
	MaxErrorSamples = 5
	MaxErrorPath    = 200
	MaxErrorOrigin  = 100

	// OtherErrors is the code of the row that sums up those which found no room. Its source is
	// empty and its status 0.
	OtherErrors = "other"

	// ClientGone is the code of requests whose clients left before the answer.
	ClientGone = "client_gone"
)

// An ErrorCount counts the requests for images of one day that had the same error.
type ErrorCount struct {
	Day       string        `json:"day" doc:"The day, as 2026-01-31 (UTC)."`
	Source    string        `json:"source" doc:"Key of the source. It is empty for originals by full URL, and where the URL names no source of the workspace."`
	Status    int           `json:"status" doc:"The HTTP status of the answers. It is 0 where the code is other."`
	Code      string        `json:"code" doc:"As in the answers. The code client_gone is of clients that left before the answer. The code other sums up the rows that are over 200 a day."`
	Count     int64         `json:"count" doc:"Number of requests."`
	FirstSeen time.Time     `json:"first_seen" doc:"When the first request of the day was answered so."`
	LastSeen  time.Time     `json:"last_seen" doc:"When the last one was."`
	Samples   []ErrorSample `json:"samples" nullable:"false" doc:"Up to 5 of the requests, the newest first. Where there are many requests, newer ones may be missing."`
}

// An ErrorSample is a request that had an error. It holds no secret: see package delivery.
type ErrorSample struct {
	Path   string    `json:"path" doc:"Path and options, without the namespace, and without signatures and keys. A text before a space is the method, where it isn't GET. A … stands for what is left out."`
	Origin string    `json:"origin" doc:"Origin of the page, where the code is ORIGIN_NOT_ALLOWED."`
	SeenAt time.Time `json:"seen_at" doc:"When it was last answered so."`
}

// An ErrorReport holds all errors of a workspace that one server saw on a day.
type ErrorReport struct {
	WorkspaceID string
	Day         string
	Part        string // names the server and what it has in memory; of letters and digits
	Rows        []ErrorCount
}

// ImageErrors keeps the errors of images. It is safe for concurrent use. Errors wrap this
// package's, or are the context's.
type ImageErrors interface {
	// PutErrors stores the reports. Each replaces what the same part of the same workspace and
	// day reported before, so that one that is stored twice counts once.
	PutErrors(ctx context.Context, reports ...ErrorReport) error
	// Errors returns the errors of a workspace from one day to another, both included, of all
	// parts, as MergeErrors does.
	Errors(ctx context.Context, workspaceID, from, to string) ([]ErrorCount, error)
}

// MergeErrors returns one row for each day, source, status and code: the newest day first,
// and of each day the most frequent first. A day has at most MaxErrorRows.
func MergeErrors(rows []ErrorCount) []ErrorCount {
	type key struct {
		day, source, code string
		status            int
	}
	merged := map[key]*ErrorCount{}
	for _, r := range rows {
		k := key{r.Day, r.Source, r.Code, r.Status}
		if have := merged[k]; have != nil {
			have.add(r)
		} else {
			r.Samples = newestSamples(r.Samples)
			merged[k] = &r
		}
	}
	var list []ErrorCount
	for _, r := range merged {
		list = append(list, *r)
	}
	slices.SortFunc(list, compareErrors)
	return foldErrors(list)
}

// foldErrors sums up the rows that are over MaxErrorRows in a day. The list is in order.
func foldErrors(list []ErrorCount) []ErrorCount {
	var kept []ErrorCount
	for len(list) > 0 {
		end := slices.IndexFunc(list, func(r ErrorCount) bool { return r.Day != list[0].Day })
		if end < 0 {
			end = len(list)
		}
		day, rest := list[:end], list[end:]
		if list = rest; len(day) <= MaxErrorRows {
			kept = append(kept, day...)
			continue
		}
		other := ErrorCount{Day: day[0].Day, Code: OtherErrors, Samples: []ErrorSample{}}
		var own []ErrorCount
		for _, r := range day {
			if r.Code != OtherErrors && len(own) < MaxErrorRows-1 {
				own = append(own, r)
			} else {
				r.Samples = nil
				other.add(r)
			}
		}
		own = append(own, other)
		slices.SortFunc(own, compareErrors)
		kept = append(kept, own...)
	}
	return kept
}

func compareErrors(a, b ErrorCount) int {
	return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code))
}

// add adds a row with the same error.
func (r *ErrorCount) add(o ErrorCount) {
	r.Count += o.Count
	if r.FirstSeen.IsZero() || o.FirstSeen.Before(r.FirstSeen) {
		r.FirstSeen = o.FirstSeen
	}
	if o.LastSeen.After(r.LastSeen) {
		r.LastSeen = o.LastSeen
	}
	r.Samples = newestSamples(append(slices.Clone(r.Samples), o.Samples...))
}

// newestSamples returns the newest samples, each path and origin once.
func newestSamples(all []ErrorSample) []ErrorSample {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b ErrorSample) int { return b.SeenAt.Compare(a.SeenAt) })
	list := []ErrorSample{}
	for _, s := range all {
		if len(list) < MaxErrorSamples && !slices.ContainsFunc(list, func(l ErrorSample) bool { return l.Path == s.Path && l.Origin == s.Origin }) {
			list = append(list, s)
		}
	}
	return list
}

// A storedError is a row as stores keep it. Short names keep it small, since a store may be
// paid by the size.
type storedError struct {
	Source  string         `json:"o,omitempty"`
	Status  int            `json:"s,omitempty"`
	Code    string         `json:"c"`
	Count   int64          `json:"n"`
	First   int64          `json:"f"` // Unix milliseconds
	Last    int64          `json:"l"`
	Samples []storedSample `json:"p,omitempty"`
}

type storedSample struct {
	Path   string `json:"p"`
	Origin string `json:"o,omitempty"`
	At     int64  `json:"t"`
}

// EncodeErrors returns the rows of a report as text for stores.
func EncodeErrors(rows []ErrorCount) (string, error) {
	list := make([]storedError, len(rows))
	for i, r := range rows {
		list[i] = storedError{Source: r.Source, Status: r.Status, Code: r.Code, Count: r.Count, First: r.FirstSeen.UnixMilli(), Last: r.LastSeen.UnixMilli()}
		for _, s := range r.Samples {
			list[i].Samples = append(list[i].Samples, storedSample{s.Path, s.Origin, s.SeenAt.UnixMilli()})
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(list); err != nil {
		return "", err // numbers and strings always encode
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// DecodeErrors reads what EncodeErrors has written for a day.
func DecodeErrors(day, text string) ([]ErrorCount, error) {
	var list []storedError
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("stored errors of %s: %w", day, err)
	}
	rows := make([]ErrorCount, len(list))
	for i, r := range list {
		rows[i] = ErrorCount{Day: day, Source: r.Source, Status: r.Status, Code: r.Code, Count: r.Count, FirstSeen: time.UnixMilli(r.First).UTC(), LastSeen: time.UnixMilli(r.Last).UTC()}
		for _, s := range r.Samples {
			rows[i].Samples = append(rows[i].Samples, ErrorSample{s.Path, s.Origin, time.UnixMilli(s.At).UTC()})
		}
	}
	return rows, nil
}
