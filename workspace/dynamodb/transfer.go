package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/transfer"
)

// importing is the format of a table while an import runs, and after one that was cut off.
// Servers of every version refuse to start on it.
const importing = -1

// A kind is one kind of items, by how their partition key begins.
type kind struct {
	prefix     string
	attributes []string // besides pk, sk and the expiry
	// export makes the record of an item; a nil one is left out. A nil function leaves out all,
	// for the reason in why.
	export func(context.Context, *Store, item) (*transfer.Record, error)
	why    string
}

// kinds are all kinds of items. A table with an item of another kind, or with another
// attribute, isn't exported: something would be missing from the export.
var kinds = []kind{
	{prefix: "META", attributes: []string{"format", "token"}, why: "the file's first line has the token"},
	{prefix: "LIST", why: "made from the workspaces"},
	{prefix: "WS#", attributes: []string{"id", "rev", "created", "json", "domains"}, export: exportWorkspace},
	{prefix: "DOMAIN#", attributes: []string{"ns", "id", "claimed", "verified"}, export: exportDomain},
	{prefix: "KEY#", attributes: []string{"json", "revoked"}, why: "a second copy of the items of KEYS"},
	{prefix: "KEYS#", attributes: []string{"json", "revoked", "requests", "errors", "last_used", "n", "fa", "fs"}, export: exportKey},
	{prefix: "AUDIT#", attributes: []string{"json"}, export: exportAudit},
	{prefix: "USE#", export: exportUsage}, // the tests of package transfer hold it to workspace.Usage
	{prefix: "TALLY#", attributes: []string{"data", "n", "json"}, why: "folded into the counts before"},
	{prefix: "ERR#", attributes: []string{"json"}, export: exportErrors},
	{prefix: "PURGE#", attributes: []string{"seq", "snap", "parts", "sums", "json", "of", "deflated", "data"}, export: exportPurges},
	{prefix: "GONE#", attributes: []string{"id", "at"}, export: exportDeletion},
	{prefix: "LIMIT#", attributes: []string{"used"}, export: exportLimit},
	{prefix: "ONCE#", attributes: []string{"fingerprint", "nonce", "due", "sealed"}, why: "the table has hashes of their keys, from which SQLite's can't be made"},
	{prefix: "PEOPLE#", attributes: []string{"version", "json"}, export: exportPerson},
	{prefix: "FEED", attributes: []string{"n", "kind", "ns"}, why: "servers that start on the target read all anew"},
}

// kindOf returns the kind of an item. The error says which item or attribute isn't known.
func kindOf(i item) (kind, error) {
	partition := getText(i, pk)
	at := slices.IndexFunc(kinds, func(k kind) bool {
		if strings.HasSuffix(k.prefix, "#") {
			return strings.HasPrefix(partition, k.prefix)
		}
		return partition == k.prefix || k.prefix == feedKey && strings.HasPrefix(partition, feedKey+"#")
	})
	if at < 0 {
		return kind{}, fmt.Errorf("item %q, %q is of no kind that this tintype knows: export with the version that runs on the table", partition, getText(i, sk))
	}
	k := kinds[at]
	for name := range i {
		if name != pk && name != sk && name != ttl && k.prefix != "USE#" && !slices.Contains(k.attributes, name) {
			return kind{}, fmt.Errorf("item %q, %q has an attribute %q that this tintype doesn't know: export with the version that runs on the table", partition, getText(i, sk), name)
		}
	}
	return k, nil
}

var _ transfer.Source = (*Store)(nil)

// Token implements [transfer.Source].
func (s *Store) Token(ctx context.Context) (string, error) {
	if _, err := s.Check(ctx); err != nil {
		return "", err
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	i, err := s.get(within, metaKey)
	return getText(i, "token"), s.failure(ctx, err)
}

// Export implements [transfer.Source]. It scans the table. What is written meanwhile may be in
// it or not.
func (s *Store) Export(ctx context.Context, do func(transfer.Record) error) error {
	if _, err := s.Fold(ctx); err != nil {
		return err
	}
	return s.scan(ctx, "", func(i item) error {
		k, err := kindOf(i)
		if err != nil || k.export == nil {
			return err
		}
		if at := getNumber(i, ttl); at != 0 && at <= s.now().Unix() && !strings.HasPrefix(k.prefix, "LIMIT") { // the service deletes it later
			return nil
		}
		r, err := k.export(ctx, s, i)
		if err != nil || r == nil {
			return err
		}
		return do(*r)
	})
}

// scan calls do for all items, with these attributes; empty is all.
func (s *Store) scan(ctx context.Context, attributes string, do func(item) error) error {
	in := &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true)}
	if attributes != "" {
		in.ProjectionExpression = &attributes
	}
	for {
		within, cancel := s.bound(ctx)
		out, err := s.client.scan(within, in)
		cancel()
		if err != nil {
			return s.failure(ctx, err)
		}
		for _, i := range out.Items {
			if err := do(i); err != nil {
				return err
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func after(i item, prefix string) string { return strings.TrimPrefix(getText(i, pk), prefix) }

func exportWorkspace(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	return &transfer.Record{Workspace: &transfer.Workspace{
		Namespace: after(i, "WS#"), ID: getText(i, "id"), Revision: getNumber(i, "rev"), JSON: getText(i, "json"),
	}}, nil
}

func exportDomain(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	return &transfer.Record{Domain: &transfer.Domain{
		Domain: after(i, "DOMAIN#"), Namespace: getText(i, "ns"), WorkspaceID: getText(i, "id"),
		ClaimedAt: getNumber(i, "claimed"), VerifiedAt: getNumber(i, "verified"),
	}}, nil
}

func exportKey(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	if i["json"] == nil { // counters of a deleted key, or the number of keys made
		return nil, nil
	}
	return &transfer.Record{APIKey: &transfer.APIKey{
		JSON: getText(i, "json"), RevokedAt: getNumber(i, "revoked"), LastUsedAt: getNumber(i, "last_used"),
		TotalRequests: getNumber(i, "requests"), TotalErrors: getNumber(i, "errors"),
	}}, nil
}

func exportAudit(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	rest := after(i, "AUDIT#")
	at := strings.LastIndexByte(rest, '#')
	if at < 0 {
		return nil, fmt.Errorf("the logs have an item %q", getText(i, pk))
	}
	return &transfer.Record{Audit: &transfer.Audit{WorkspaceID: rest[:at], Trail: rest[at+1:], ID: getText(i, sk), JSON: getText(i, "json")}}, nil
}

func exportUsage(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	name := strings.SplitN(getText(i, sk), "#", 3)
	if len(name) != 3 {
		return nil, fmt.Errorf("usage has an item %q", getText(i, sk))
	}
	u := counted(after(i, "USE#"), i)
	u.Day, u.Operation, u.Source = name[0], name[1], name[2]
	u.Countries, u.Keys = getParts(i, countryPart), getParts(i, keyPart)
	return &transfer.Record{Usage: transfer.NewUsage(u)}, nil
}

func exportErrors(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	day, part, _ := strings.Cut(getText(i, sk), "#")
	return &transfer.Record{Errors: &transfer.Errors{WorkspaceID: after(i, "ERR#"), Day: day, Part: part, JSON: getText(i, "json")}}, nil
}

// exportPurges exports the whole log for its first item, unless its workspace is deleted.
func exportPurges(ctx context.Context, s *Store, i item) (*transfer.Record, error) {
	if getText(i, sk) != "LOG" || i[ttl] != nil {
		return nil, nil
	}
	id := after(i, "PURGE#")
	l, err := s.PurgeLog(ctx, id, workspace.PurgeLog{})
	return &transfer.Record{Purges: &transfer.Purges{WorkspaceID: id, Log: l}}, err
}

func exportDeletion(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	return &transfer.Record{Deletion: &transfer.Deletion{Namespace: after(i, "GONE#"), ID: getText(i, "id"), At: getNumber(i, "at")}}, nil
}

// leaseKept is how long a window's item is kept after its end.
const leaseKept = 24 * 60 * 60 // seconds

func exportLimit(_ context.Context, s *Store, i item) (*transfer.Record, error) {
	window, start, _ := strings.Cut(getText(i, sk), "#")
	from, err := strconv.ParseInt(start, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("limits have an item %q", getText(i, sk))
	}
	until := getNumber(i, ttl) - leaseKept
	if until <= s.now().Unix() {
		return nil, nil
	}
	return &transfer.Record{Limit: &transfer.Limit{Key: after(i, "LIMIT#"), Window: window, Start: from, Until: until, Used: getNumber(i, "used")}}, nil
}

func exportPerson(_ context.Context, _ *Store, i item) (*transfer.Record, error) {
	return &transfer.Record{Person: &transfer.Person{
		Group: after(i, "PEOPLE#"), Name: getText(i, sk), Version: getNumber(i, "version"), Expires: getNumber(i, ttl), Data: []byte(getText(i, "json")),
	}}, nil
}

var _ transfer.Target = (*Store)(nil)

// CheckToken implements [transfer.Target].
func (s *Store) CheckToken(token string) error {
	_, err := s.codec.CheckToken(token)
	return err
}

// Fits implements [transfer.Target].
func (s *Store) Fits(r transfer.Record) error {
	if w := r.Workspace; w != nil && len(w.JSON) > MaxBytes {
		return fmt.Errorf("workspace %s has %d kB as stored; a table takes %d kB: remove something from it first", w.Namespace, len(w.JSON)>>10, MaxBytes>>10)
	}
	_, err := s.itemsOf(r)
	return err
}

// itemsOf returns the items of a record.
func (s *Store) itemsOf(r transfer.Record) ([]item, error) {
	switch {
	case r.Workspace != nil:
		w := r.Workspace
		f, err := w.Facts()
		if err != nil {
			return nil, err
		}
		domains := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
		for _, d := range f.Domains {
			domains.Value = append(domains.Value, text(d))
		}
		return []item{
			key(listPK, w.Namespace),
			with(workspaceKey(w.Namespace), item{"id": text(w.ID), "rev": number(w.Revision), "created": micros(f.CreatedAt), "json": text(w.JSON), "domains": domains}),
		}, nil
	case r.Domain != nil:
		d := r.Domain
		i := with(domainKey(d.Domain), item{"ns": text(d.Namespace), "id": text(d.WorkspaceID), "claimed": number(d.ClaimedAt)})
		if d.VerifiedAt != 0 {
			i["verified"] = number(d.VerifiedAt)
		}
		return []item{i}, nil
	case r.APIKey != nil:
		k, err := r.APIKey.Key()
		if err != nil {
			return nil, err
		}
		body := item{"json": text(r.APIKey.JSON), "revoked": number(r.APIKey.RevokedAt)}
		if at := k.ForgetAt(); !at.IsZero() {
			body[ttl] = seconds(at)
		}
		return []item{with(apiKeyKey(k.Hash), body), with(with(key(apiKeysPK(k.WorkspaceID), k.ID), body), item{
			"requests": number(r.APIKey.TotalRequests), "errors": number(r.APIKey.TotalErrors), "last_used": number(r.APIKey.LastUsedAt),
		})}, nil
	case r.Audit != nil:
		a := r.Audit
		at, err := a.Time()
		return []item{with(key(auditPK(a.WorkspaceID, workspace.Trail(a.Trail)), a.ID), item{"json": text(a.JSON), ttl: seconds(at.Add(workspace.AuditKept))})}, err
	case r.Usage != nil:
		u := r.Usage.Row()
		day, err := time.Parse(time.DateOnly, u.Day)
		return []item{with(with(usageKey(u), usageCounts(u)), item{ttl: seconds(day.Add(workspace.UsageKept))})}, err
	case r.Errors != nil:
		e := r.Errors
		day, err := time.Parse(time.DateOnly, e.Day)
		return []item{with(key(errorsPK(e.WorkspaceID), e.Day+"#"+e.Part), item{"json": text(e.JSON), ttl: seconds(day.Add(workspace.ErrorsKept + 24*time.Hour))})}, err
	case r.Purges != nil:
		return s.itemsOfPurges(r.Purges)
	case r.Deletion != nil:
		d := r.Deletion
		return []item{with(key(gonePK(d.Namespace), changeSK(d.At)+"#"+d.ID), item{"id": text(d.ID), "at": number(d.At), ttl: seconds(time.UnixMicro(d.At).Add(workspace.AuditKept))})}, nil
	case r.Limit != nil:
		l := r.Limit
		return []item{with(key("LIMIT#"+l.Key, l.Window+"#"+strconv.FormatInt(l.Start, 10)), item{"used": number(l.Used), ttl: number(l.Until + leaseKept)})}, nil
	case r.Person != nil:
		p := r.Person
		i := with(key(peoplePK(p.Group), p.Name), item{"version": number(p.Version), "json": text(string(p.Data))})
		if p.Expires != 0 {
			i[ttl] = number(p.Expires)
		}
		return []item{i}, nil
	}
	_, err := r.Kind()
	return nil, err
}

// itemsOfPurges returns a head and a snapshot.
func (s *Store) itemsOfPurges(p *transfer.Purges) (items []item, err error) {
	parts, err := s.putSnapshot(p.WorkspaceID, p.Log)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		items = append(items, part.Put.Item)
	}
	return append(items, with(purgeKey(p.WorkspaceID), item{
		"seq": number(p.Log.Sequence), "snap": number(p.Log.Sequence), "parts": number(int64(len(parts))), "sums": number(0),
	})), nil
}

// Take implements [transfer.Target]. While it runs, and if it is cut off, the table has a format
// on which no server starts. Another call begins anew.
func (s *Store) Take(ctx context.Context, records iter.Seq2[transfer.Record, error], token string, replace bool) error {
	if err := s.beginImport(ctx, replace); err != nil {
		return err
	}
	if err := s.dropAll(ctx); err != nil {
		return err
	}
	var waiting []item
	for r, err := range records {
		if err != nil {
			return err
		}
		items, err := s.itemsOf(r)
		if err != nil {
			return err
		}
		waiting = append(waiting, items...)
		for len(waiting) >= batchItems {
			if err := s.putAtOnce(ctx, waiting[:batchItems]); err != nil {
				return err
			}
			waiting = append(waiting[:0], waiting[batchItems:]...)
		}
	}
	if len(waiting) > 0 {
		if err := s.putAtOnce(ctx, waiting); err != nil {
			return err
		}
	}
	return s.endImport(ctx, token)
}

// beginImport gives the table the format importing, if it is empty, or if an import of it was
// cut off, or if it is to be replaced.
func (s *Store) beginImport(ctx context.Context, replace bool) error {
	within, cancel := s.bound(ctx)
	meta, err := s.get(within, metaKey)
	cancel()
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing || err == nil && meta == nil {
		return s.errNoTable()
	}
	if err != nil {
		return s.failure(ctx, err)
	}
	if getNumber(meta, "format") == importing {
		return nil
	}
	if _, err := s.Check(ctx); err != nil {
		return err
	}
	if !replace {
		err := s.scan(ctx, "pk, sk", func(i item) error {
			if p := getText(i, pk); p != "META" && p != feedKey && !strings.HasPrefix(p, feedKey+"#") {
				return transfer.ErrNotEmpty
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	within, cancel = s.bound(ctx)
	defer cancel()
	_, err = s.client.putItem(within, &dynamodb.PutItemInput{TableName: &s.table, Item: with(meta, item{"format": number(importing)})})
	return s.failure(ctx, err)
}

// dropAll deletes all items but the version of the table and the heads of the feed.
func (s *Store) dropAll(ctx context.Context) error {
	var requests []types.WriteRequest
	err := s.scan(ctx, "pk, sk", func(i item) error {
		if p := getText(i, pk); p == "META" || p == feedKey {
			return nil
		}
		requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: maps.Clone(i)}})
		if len(requests) < batchItems {
			return nil
		}
		err := s.batchAtOnce(ctx, requests)
		requests = nil
		return err
	})
	if err == nil && len(requests) > 0 {
		err = s.batchAtOnce(ctx, requests)
	}
	return err
}

// endImport makes servers notice that all is another, and lets them start.
func (s *Store) endImport(ctx context.Context, token string) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	for shard := range shards {
		// A change that isn't there tells servers that their place in the feed is gone.
		_, err := s.client.updateItem(within, &dynamodb.UpdateItemInput{
			TableName: &s.table, Key: headKey(shard), UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: item{":one": number(1)},
		})
		if err != nil {
			return s.failure(ctx, err)
		}
	}
	_, err := s.client.putItem(within, &dynamodb.PutItemInput{TableName: &s.table, Item: with(metaKey, item{"format": number(format), "token": text(token)})})
	return s.failure(ctx, err)
}

func (s *Store) putAtOnce(ctx context.Context, items []item) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	return s.failure(ctx, s.putAll(within, items))
}

func (s *Store) batchAtOnce(ctx context.Context, requests []types.WriteRequest) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	return s.failure(ctx, s.batch(within, requests))
}
