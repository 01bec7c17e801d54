package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// A Store keeps what this package writes. It is safe for concurrent use. Errors wrap those of
// package workspace, or are the context's.
type Store interface {
	account.Records
	// PutRecords makes, replaces or deletes records, whatever version they have. It costs one
	// write for each record, and isn't one transaction: after an error some may be written.
	PutRecords(ctx context.Context, writes ...account.Write) error
}

// The groups of records. WS is the ID of a workspace.
//
//	alert-counts         WS/server          what a server counted
//	alert-events         time-random        an event that wasn't judged yet
//	alert-week#WS        hour#day#server    requests of an hour
//	alert-settings       WS                 rules and channels
//	alert-hours          WS                 that it has set hours
//	alert-now            WS                 alerts that have been fired, of what is counted and of events
//	alert-daily          WS                 the same, of what is judged once a day
//	alert-places         WS/key             countries of a key
//	alert-history#WS     time-ID            an alert; the newest is first
//	alert-outbox         see outbox.go      a message that is to be sent
//	alert-confirm        hash of the token  an address that is to be confirmed
//	alert-limit          what#whom          when mails were asked for
//	alert-sweep          cursor             how far the daily round is
const (
	countsGroup   = "alert-counts"
	eventsGroup   = "alert-events"
	weekGroup     = "alert-week#"
	settingsGroup = "alert-settings"
	hoursGroup    = "alert-hours"
	nowGroup      = "alert-now"
	dailyGroup    = "alert-daily"
	placesGroup   = "alert-places"
	historyGroup  = "alert-history#"
	outboxGroup   = "alert-outbox"
	confirmGroup  = "alert-confirm"
	limitGroup    = "alert-limit"
	sweepGroup    = "alert-sweep"
)

// Groups of workspaces whose IDs are below the one given return the records that
// RemoveWorkspace deletes.
var ownGroups = []string{settingsGroup, hoursGroup, nowGroup, dailyGroup}

// read decodes a record. The record has version 0 where there is none.
func read(ctx context.Context, s Store, group, name string, into any) (account.Record, error) {
	r, err := s.Record(ctx, group, name)
	if errors.Is(err, workspace.ErrNotFound) {
		return account.Record{Group: group, Name: name}, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(r.Data, into); err != nil {
		return r, fmt.Errorf("a record of %s: %w", group, err)
	}
	return r, nil
}

// each calls do for all records of a group. A record that can't be read is left out.
func each[T any](ctx context.Context, s Store, group, after string, do func(account.Record, T) (more bool)) error {
	const page = 200
	for {
		list, err := s.Records(ctx, group, after, page)
		if err != nil {
			return err
		}
		for _, r := range list {
			after = r.Name
			var value T
			if json.Unmarshal(r.Data, &value) == nil && !do(r, value) {
				return nil
			}
		}
		if len(list) < page {
			return nil
		}
	}
}

// write returns a write of a record.
func write(group, name string, version int64, expires time.Time, value any) account.Write {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // types of this package
	}
	return account.Write{Record: account.Record{Group: group, Name: name, Version: version, Expires: expires, Data: data}}
}

func remove(r account.Record) account.Write {
	return account.Write{Record: account.Record{Group: r.Group, Name: r.Name, Version: r.Version}, Delete: true}
}

// again calls do until no other write comes between.
func again(do func() error) error {
	const tries = 10
	for try := 1; ; try++ {
		if err := do(); !errors.Is(err, workspace.ErrConflict) || try == tries {
			return err
		}
	}
}
