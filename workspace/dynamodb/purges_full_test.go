//go:build !race

package dynamodb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
)

// A scale counts the bytes of requests and answers.
type scale struct{ sent, received int64 }

func (m *scale) watch(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("scale",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				if n, known, err := r.StreamLength(); err == nil && known {
					m.sent += n
				}
			}
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if r, ok := out.RawResponse.(*smithyhttp.Response); ok && r.ContentLength > 0 {
				m.received += r.ContentLength
			}
			return out, metadata, err
		}), middleware.After)
}

// A writeMeter adds up write units as the service charges them: one for each started kB of
// a written or deleted item, and two in a transaction. Items that are deleted or updated
// here have less than 1 kB.
type writeMeter struct{ units, transactions int }

func (m *writeMeter) watch(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("write meter",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			switch asked := in.Parameters.(type) {
			case *dynamodb.TransactWriteItemsInput:
				m.transactions++
				for _, i := range asked.TransactItems {
					m.units += 2
					if i.Put != nil {
						m.units += 2 * (sizeOf(i.Put.Item) / 1024)
					}
				}
			case *dynamodb.BatchWriteItemInput:
				for _, requests := range asked.RequestItems {
					m.units += len(requests)
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

func sizeOf(i item) (size int) {
	for name := range i {
		size += len(name) + len(getText(i, name)) + len(getBytes(i, name)) + 8 // for a number
	}
	return size
}

// fullLog is a log of as many paths as one tells apart. Tests share it, since it takes seconds
// to make.
var fullLog = sync.OnceValue(func() workspace.PurgeLog {
	full, _ := workspace.PurgeLog{}.Add(paths(workspace.MaxPurgedPaths)...)
	return full
})

// TestPurgeWriteUnits compares docs/store.md with the costs of purges in a full log.
func TestPurgeWriteUnits(t *testing.T) {
	s := purgeStore(t)
	// Two more purges sum the log up, for the last time before a snapshot.
	full, _ := fullLog().Add(pathsFrom(workspace.MaxPurgedPaths, workspace.MaxPurgedPaths/2)...)
	full, _ = full.Add(paths(workspace.MaxRecentPurges - len(full.Purges) - 2)...)
	write(t, s, "w1", full, sumsPerSnapshot-1)
	m := &writeMeter{}
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, m.watch) }))
	var units [2]int
	l := full
	for i := range units {
		m.units = 0
		var err error
		if l, _, err = s.AddPurges(t.Context(), "acme", "w1", l, []workspace.Purge{{Kind: workspace.PurgePath, Source: "photos", Value: "x"}}, workspace.AuditEntry{Action: "purge"}); err != nil {
			t.Fatal(err)
		}
		units[i] = m.units
	}
	if l.Base == full.Base {
		t.Fatal("the log isn't summed up: the test needs other purges")
	}
	if units[0] != 10 {
		t.Errorf("a purge costs %d units", units[0])
	}
	const purges = sumsPerSnapshot * workspace.MaxRecentPurges
	snapshot := units[1] - units[0]
	all := purges*units[0] + snapshot + purges // each is deleted once
	t.Logf("a snapshot costs %d units, and so a purge, with all, %.2f", snapshot, float64(all)/purges)
	if all > 12*purges+purges/8 {
		t.Errorf("%d purges cost %d units", purges, all)
	}
}

// TestPurgesTogetherAreOneWrite: a thousand paths are one transaction, and cost as much as
// their text, not as a thousand purges.
func TestPurgesTogetherAreOneWrite(t *testing.T) {
	s := purgeStore(t)
	m, sent := &writeMeter{}, &scale{}
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, m.watch, sent.watch) }))
	if _, _, err := s.AddPurges(t.Context(), "acme", "w1", workspace.PurgeLog{}, paths(1000), workspace.AuditEntry{Action: "purge"}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d transactions, %d units, %d bytes sent", m.transactions, m.units, sent.sent)
	if m.transactions != 1 || m.units > 150 {
		t.Errorf("%d transactions, %d units", m.transactions, m.units)
	}
}

// TestPurgeOfAFullLogIsCheap: what a purge writes, and what a server reads of it, doesn't
// grow with the log.
func TestPurgeOfAFullLogIsCheap(t *testing.T) {
	s := purgeStore(t)
	full := fullLog()
	write(t, s, "w1", full, 0)
	m := &scale{}
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, m.watch) }))

	read, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, read); diff != "" {
		t.Fatal(diff)
	}
	t.Logf("the first time a server reads a full log: %d bytes received", m.received)
	const purges = 20
	*m = scale{}
	l := full
	for i := range purges {
		if l, _, err = s.AddPurges(t.Context(), "acme", "w1", l, []workspace.Purge{{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("2026/05/%d.jpg", i)}}, workspace.AuditEntry{Action: "purge"}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a purge in a full log: %d bytes sent, %d received", m.sent/purges, m.received/purges)
	if m.sent/purges > 6<<10 || m.received/purges > 6<<10 {
		t.Errorf("a purge sends %d bytes and receives %d", m.sent/purges, m.received/purges)
	}
	*m = scale{}
	seen, err := s.PurgeLog(t.Context(), "w1", read)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d purges, seen by a server that knows the log: %d bytes received", purges, m.received)
	if m.received > 16<<10 {
		t.Errorf("a server that knows the log received %d bytes to see %d purges", m.received, purges)
	}
	if diff := cmp.Diff(l, seen); diff != "" {
		t.Error(diff)
	}
}

// TestPurgeSnapshots: a snapshot overwrites the parts of the previous one, removes parts
// that are left over, and deletes old purges one snapshot later.
func TestPurgeSnapshots(t *testing.T) {
	s := purgeStore(t)
	l := fullLog()
	write(t, s, "w1", l, 0)
	items := func() (parts, purges int) {
		t.Helper()
		err := s.query(t.Context(), query{pk: purgePK("w1")}, func(i item) (bool, error) {
			switch name := getText(i, sk); {
			case strings.HasPrefix(name, purgePartPrefix):
				parts++
			case strings.HasPrefix(name, purgeEventPrefix):
				purges++
			}
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return parts, purges
	}
	if parts, _ := items(); parts < 2 {
		t.Fatalf("%d parts: the test needs a larger log", parts)
	}
	before := l
	sumUp := func(kind workspace.PurgeKind) {
		t.Helper()
		for range sumsPerSnapshot {
			for base := l.Base; l.Base == base; {
				var err error
				l, _, err = s.AddPurges(t.Context(), "acme", "w1", l, []workspace.Purge{{Kind: kind, Source: "photos", Value: fmt.Sprintf("%d%04000d", l.Sequence, 0)}})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, known := range map[string]workspace.PurgeLog{"nothing": {}, "the log of before": before, "this log": l} {
			got, err := s.PurgeLog(t.Context(), "w1", known)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(l, got); diff != "" {
				t.Errorf("who knew %s: %s", name, diff)
			}
		}
	}
	sumUp(workspace.PurgeAll)
	parts, first := items()
	if parts != 1 {
		t.Errorf("%d parts after a purge of everything", parts)
	}
	sumUp(workspace.PurgePath)
	if parts, purges := items(); parts != 1 || purges > first+1 {
		t.Errorf("%d parts, %d purges after %d: they are not forgotten", parts, purges, first)
	}
	// A server that was away for long reads the snapshot.
	got, err := s.PurgeLog(t.Context(), "w1", before)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got); diff != "" {
		t.Error(diff)
	}
}
