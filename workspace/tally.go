package workspace

import (
	"encoding/json"
	"time"
)

// A tallyRow is a row of a tally as it is written. Names are short, since there are many.
type tallyRow struct {
	Workspace string `json:"w"`
	Day       string `json:"d,omitempty"` // empty is a key's row
	Operation string `json:"o,omitempty"`
	Source    string `json:"s,omitempty"`
	Key       string `json:"k,omitempty"`
	LastUsed  int64  `json:"l,omitempty"`

	Requests   int64 `json:"r,omitempty"`
	Hits       int64 `json:"h,omitempty"`
	Transforms int64 `json:"t,omitempty"`
	Errors     int64 `json:"e,omitempty"`
	BytesIn    int64 `json:"i,omitempty"`
	BytesOut   int64 `json:"b,omitempty"`
	Units      int64 `json:"u,omitempty"`
	Previews   int64 `json:"p,omitempty"`

	Countries map[string][2]int64 `json:"c,omitempty"` // requests and units
	Keys      map[string][2]int64 `json:"y,omitempty"`
}

func packParts(parts map[string]Part) map[string][2]int64 {
	if len(parts) == 0 {
		return nil
	}
	packed := make(map[string][2]int64, len(parts))
	for name, p := range parts {
		packed[name] = [2]int64{p.Requests, int64(p.Units)}
	}
	return packed
}

func unpackParts(packed map[string][2]int64) map[string]Part {
	if len(packed) == 0 {
		return nil
	}
	parts := make(map[string]Part, len(packed))
	for name, p := range packed {
		parts[name] = Part{Requests: p[0], Units: Units(p[1])}
	}
	return parts
}

// MarshalRows returns the rows of the tally as JSON, without ID and Seq. Stores and journals keep
// them so.
func (t Tally) MarshalRows() ([]byte, error) {
	rows := make([]tallyRow, 0, len(t.Usage)+len(t.Keys))
	for _, u := range t.Usage {
		rows = append(rows, tallyRow{
			Workspace: u.WorkspaceID, Day: u.Day, Operation: u.Operation, Source: u.Source,
			Requests: u.Requests, Hits: u.Hits, Transforms: u.Transforms, Errors: u.Errors, BytesIn: u.BytesIn, BytesOut: u.BytesOut,
			Units: int64(u.Units), Previews: u.Previews, Countries: packParts(u.Countries), Keys: packParts(u.Keys),
		})
	}
	for _, k := range t.Keys {
		rows = append(rows, tallyRow{Workspace: k.WorkspaceID, Key: k.ID, Requests: k.Requests, Errors: k.Errors, LastUsed: k.LastUsedAt.UnixMicro()})
	}
	return json.Marshal(rows)
}

// UnmarshalRows adds the rows that MarshalRows wrote.
func (t *Tally) UnmarshalRows(data []byte) error {
	var rows []tallyRow
	if err := json.Unmarshal(data, &rows); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Day == "" {
			t.Keys = append(t.Keys, KeyUse{WorkspaceID: r.Workspace, ID: r.Key, Requests: r.Requests, Errors: r.Errors, LastUsedAt: time.UnixMicro(r.LastUsed).UTC()})
			continue
		}
		t.Usage = append(t.Usage, Usage{
			WorkspaceID: r.Workspace, Day: r.Day, Operation: r.Operation, Source: r.Source,
			Requests: r.Requests, Hits: r.Hits, Transforms: r.Transforms, Errors: r.Errors, BytesIn: r.BytesIn, BytesOut: r.BytesOut,
			Units: Units(r.Units), Previews: r.Previews, Countries: unpackParts(r.Countries), Keys: unpackParts(r.Keys),
		})
	}
	return nil
}
