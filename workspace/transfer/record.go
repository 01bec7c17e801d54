package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/tintype/tintype/workspace"
)

// A Record is one thing that a store holds, in a form that every store can write. Exactly one
// of its fields is set.
type Record struct {
	Workspace *Workspace `json:"workspace,omitempty"`
	Domain    *Domain    `json:"domain,omitempty"`
	APIKey    *APIKey    `json:"api_key,omitempty"`
	Audit     *Audit     `json:"audit,omitempty"`
	Usage     *Usage     `json:"usage,omitempty"`
	Errors    *Errors    `json:"image_errors,omitempty"`
	Purges    *Purges    `json:"purges,omitempty"`
	Deletion  *Deletion  `json:"deletion,omitempty"`
	Limit     *Limit     `json:"limit,omitempty"`
	Person    *Person    `json:"record,omitempty"`
}

// A Workspace is a workspace as workspace.Codec writes it, with its secrets encrypted.
type Workspace struct {
	Namespace string `json:"namespace"`
	ID        string `json:"id"`
	Revision  int64  `json:"revision"`
	JSON      string `json:"json"`
}

// Facts are what a store keeps of a workspace beside its JSON.
type Facts struct {
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Domains   []string  `json:"domains"`
}

// Facts reads them from the JSON.
func (w *Workspace) Facts() (Facts, error) {
	var in struct{ Workspace Facts }
	if err := json.Unmarshal([]byte(w.JSON), &in); err != nil {
		return Facts{}, fmt.Errorf("workspace %s: %w", w.Namespace, err)
	}
	return in.Workspace, nil
}

// A Domain is a claim to a host name. Times are in microseconds since 1970; 0 is none.
type Domain struct {
	Domain      string `json:"domain"`
	Namespace   string `json:"namespace"`
	WorkspaceID string `json:"workspace_id"`
	ClaimedAt   int64  `json:"claimed_at"`
	VerifiedAt  int64  `json:"verified_at"`
}

// An APIKey is an API key with its counters.
type APIKey struct {
	JSON          string `json:"json"`       // workspace.APIKey
	RevokedAt     int64  `json:"revoked_at"` // in microseconds since 1970, as the next one
	LastUsedAt    int64  `json:"last_used_at"`
	TotalRequests int64  `json:"total_requests"`
	TotalErrors   int64  `json:"total_errors"`
}

// Key returns the key, without its counters.
func (k *APIKey) Key() (*workspace.APIKey, error) {
	key := &workspace.APIKey{}
	if err := json.Unmarshal([]byte(k.JSON), key); err != nil {
		return nil, fmt.Errorf("an API key: %w", err)
	}
	if key.RevokedAt = (time.Time{}); k.RevokedAt != 0 {
		key.RevokedAt = time.UnixMicro(k.RevokedAt).UTC()
	}
	return key, nil
}

// An Audit is a line of a log.
type Audit struct {
	WorkspaceID string `json:"workspace_id"`
	Trail       string `json:"trail"`
	ID          string `json:"id"`
	JSON        string `json:"json"` // workspace.AuditEntry
}

// Time returns when the line was written.
func (a *Audit) Time() (time.Time, error) {
	var e workspace.AuditEntry
	err := json.Unmarshal([]byte(a.JSON), &e)
	if err != nil {
		err = fmt.Errorf("a line of a log: %w", err)
	}
	return e.Time, err
}

// A Usage is a row of counts.
type Usage struct {
	WorkspaceID string          `json:"workspace_id"`
	Previews    int64           `json:"previews"`
	Counts      workspace.Usage `json:"counts"`
}

// NewUsage returns the record of a row.
func NewUsage(u workspace.Usage) *Usage { return &Usage{u.WorkspaceID, u.Previews, u} }

// Row is the inverse of NewUsage.
func (u *Usage) Row() workspace.Usage {
	row := u.Counts
	row.WorkspaceID, row.Previews = u.WorkspaceID, u.Previews
	return row
}

// An Errors is what one server saw of the errors of images on a day.
type Errors struct {
	WorkspaceID string `json:"workspace_id"`
	Day         string `json:"day"`
	Part        string `json:"part"`
	JSON        string `json:"json"`
}

// A Purges is the whole log of purges of a workspace.
type Purges struct {
	WorkspaceID string             `json:"workspace_id"`
	Log         workspace.PurgeLog `json:"log"`
}

// A Deletion says that a workspace was deleted.
type Deletion struct {
	Namespace string `json:"namespace"`
	ID        string `json:"id"`
	At        int64  `json:"at"` // in microseconds since 1970
}

// A Limit says how many tokens of a limit are taken in a window.
type Limit struct {
	Key    string `json:"key"`
	Window string `json:"window"`
	Start  int64  `json:"start"` // in seconds since 1970, as the next one
	Until  int64  `json:"until"`
	Used   int64  `json:"used"`
}

// A Person is an account.Record: all that is kept of people, plans, certificates and whatever
// else packages keep in such records.
type Person struct {
	Group   string `json:"group"`
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Expires int64  `json:"expires"` // in seconds since 1970; 0 is never
	Data    []byte `json:"data"`
}

var errKind = errors.New("it is of no kind that this tintype knows: use the version that made the export, or a newer one")

// Kind returns the name of the field that is set.
func (r Record) Kind() (string, error) {
	v, kind := reflect.ValueOf(r), ""
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			continue
		}
		if kind != "" {
			return "", errors.New("it has two kinds")
		}
		kind = v.Type().Field(i).Name
	}
	if kind == "" {
		return "", errKind
	}
	return names[kind], nil
}

// Kinds returns the names of all kinds, in the order of Record's fields.
func Kinds() (list []string) {
	t := reflect.TypeFor[Record]()
	for i := range t.NumField() {
		list = append(list, names[t.Field(i).Name])
	}
	return list
}

// names are the kinds in messages, by Record's fields.
var names = map[string]string{
	"Workspace": "workspaces", "Domain": "domains", "APIKey": "API keys", "Audit": "lines of logs", "Usage": "rows of usage",
	"Errors": "errors of images", "Purges": "logs of purges", "Deletion": "deletions", "Limit": "limits", "Person": "records of people, plans and certificates",
}
