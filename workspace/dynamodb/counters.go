package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// transactOnce writes steps without conditions. It retries after conflicts.
func (s *Store) transactOnce(ctx context.Context, token string, steps []step) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		reasons, err := s.transact(ctx, token, steps)
		if reasons == nil {
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// add returns a step that adds to numbers of an item and sets other attributes.
func (s *Store) add(k, counts, attributes item) step {
	var adds, sets []string
	values := item{}
	for _, name := range slices.Sorted(maps.Keys(counts)) { // sorted, since the token requires identical requests
		adds = append(adds, name+" :"+name)
		values[":"+name] = counts[name]
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		sets = append(sets, name+" = :"+name)
		values[":"+name] = attributes[name]
	}
	return step{types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: k, ExpressionAttributeValues: values,
		UpdateExpression: aws.String("ADD " + strings.Join(adds, ", ") + " SET " + strings.Join(sets, ", ")),
	}}, nil}
}

func usageCounts(u workspace.Usage) item {
	i := item{
		"requests": number(u.Requests), "hits": number(u.Hits), "transforms": number(u.Transforms), "errors": number(u.Errors),
		"bytes_in": number(u.BytesIn), "bytes_out": number(u.BytesOut),
	}
	if u.Previews > 0 { // few rows have some
		i["previews"] = number(u.Previews)
	}
	if u.Units > 0 {
		i["units"] = number(int64(u.Units))
	}
	putParts(i, countryPart, u.Countries)
	putParts(i, keyPart, u.Keys)
	return i
}

// Parts of a row are attributes of the item, so that they cost no write of their own: ADD makes
// those that lack, which it doesn't in a map. Names are short, since the service charges for
// each kilobyte of the item.
var (
	countryPart = partNames{"c_", "d_"}
	keyPart     = partNames{"k_", "l_"}
)

// partNames are how the names of the attributes of a part begin.
type partNames struct{ requests, units string }

func putParts(i item, names partNames, parts map[string]workspace.Part) {
	for name, p := range parts {
		if p.Requests > 0 {
			i[names.requests+name] = number(p.Requests)
		}
		if p.Units > 0 {
			i[names.units+name] = number(int64(p.Units))
		}
	}
}

func getParts(i item, names partNames) (parts map[string]workspace.Part) {
	at := func(name string, add workspace.Part) {
		if parts == nil {
			parts = map[string]workspace.Part{}
		}
		have := parts[name]
		parts[name] = workspace.Part{Requests: have.Requests + add.Requests, Units: have.Units + add.Units}
	}
	for attribute := range i {
		if name, ok := strings.CutPrefix(attribute, names.requests); ok {
			at(name, workspace.Part{Requests: getNumber(i, attribute)})
		} else if name, ok := strings.CutPrefix(attribute, names.units); ok {
			at(name, workspace.Part{Units: workspace.Units(getNumber(i, attribute))})
		}
	}
	return parts
}

// Usage implements [workspace.Counters]. The service charges for whole items, but sends less.
func (s *Store) Usage(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	return s.usage(ctx, workspaceID, from, to, sk+", "+countAttributes)
}

// UsageInParts implements [workspace.Counters].
func (s *Store) UsageInParts(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	return s.usage(ctx, workspaceID, from, to, "")
}

// usage reads rows with these attributes; empty are all.
func (s *Store) usage(ctx context.Context, workspaceID, from, to, attributes string) (list []workspace.Usage, err error) {
	if from > to {
		return nil, ctx.Err()
	}
	rows, err := s.counts(ctx, workspaceID, from, to, attributes)
	if err != nil {
		return nil, err
	}
	for _, u := range rows {
		if attributes != "" {
			u.Countries, u.Keys = nil, nil
		}
		list = append(list, *u)
	}
	slices.SortFunc(list, workspace.CompareUsage)
	return list, nil
}

var _ workspace.Totals = (*Store)(nil)

// Total implements [workspace.Totals]. The service sums nothing up, but it answers for several
// months at once.
func (s *Store) Total(ctx context.Context, workspaceID, from, to string) (workspace.Usage, error) {
	total := workspace.Usage{WorkspaceID: workspaceID}
	if from > to {
		return total, ctx.Err()
	}
	rows, err := s.counts(ctx, workspaceID, from, to, sk+", "+countAttributes)
	for _, u := range rows {
		u.Countries, u.Keys = nil, nil
		total.Add(*u)
	}
	return total, err
}

const countAttributes = "requests, hits, transforms, errors, bytes_in, bytes_out, units, previews, fa, fs"

func counted(workspaceID string, i item) workspace.Usage {
	return workspace.Usage{
		WorkspaceID: workspaceID, Requests: getNumber(i, "requests"), Hits: getNumber(i, "hits"), Transforms: getNumber(i, "transforms"), Errors: getNumber(i, "errors"),
		BytesIn: getNumber(i, "bytes_in"), BytesOut: getNumber(i, "bytes_out"), Units: workspace.Units(getNumber(i, "units")), Previews: getNumber(i, "previews"),
	}
}

// spanDays is how many days of usage one query reads. A page of an answer has at most 1 MB,
// some 5,000 rows, and each page waits for the one before.
const spanDays = 31

// spans cuts the days from one to another into parts, which can be read side by side.
func spans(from, to string) (parts [][2]string) {
	first, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return [][2]string{{from, to}}
	}
	for range workspace.UsageKept/(spanDays*24*time.Hour) + 1 {
		last := first.AddDate(0, 0, spanDays-1).Format(time.DateOnly)
		if last >= to {
			break
		}
		parts = append(parts, [2]string{first.Format(time.DateOnly), last})
		first = first.AddDate(0, 0, spanDays)
	}
	return append(parts, [2]string{first.Format(time.DateOnly), to})
}

// counts returns the rows of usage by their names, with what tallies have that aren't folded. It
// reads months side by side. The rows may be some seconds behind: that costs half. Empty
// attributes are all.
func (s *Store) counts(ctx context.Context, workspaceID, from, to, attributes string) (map[string]*workspace.Usage, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	tallies, err := s.unfolded(within, workspaceID)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	parts := spans(from, to)
	items := make([][]item, len(parts))
	failed := make([]error, len(parts))
	var all sync.WaitGroup
	for part, days := range parts {
		all.Go(func() {
			q := query{
				pk: usagePK(workspaceID), condition: "sk BETWEEN :from AND :to", values: item{":from": text(days[0]), ":to": text(days[1] + "~")},
				behind: true, attributes: attributes,
			}
			failed[part] = s.query(within, q, func(i item) (bool, error) { items[part] = append(items[part], i); return true, nil })
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, s.failure(ctx, err)
	}
	rows, stored := map[string]*workspace.Usage{}, map[string]item{}
	for _, i := range slices.Concat(items...) {
		name := getText(i, sk)
		at := strings.SplitN(name, "#", 3)
		if len(at) != 3 {
			return nil, fmt.Errorf("usage has an item %q", name)
		}
		u := counted(workspaceID, i)
		u.Day, u.Operation, u.Source = at[0], at[1], at[2]
		u.Countries, u.Keys = getParts(i, countryPart), getParts(i, keyPart)
		rows[name], stored[name] = &u, i
	}
	for _, t := range tallies {
		for st, tally := range t.of(workspaceID) {
			for _, u := range tally.Usage {
				name := usageName(u)
				if u.Day < from || u.Day > to || !slices.Contains(t.states(stored[name]), state(st)) {
					continue
				}
				if rows[name] == nil {
					rows[name] = &workspace.Usage{WorkspaceID: workspaceID, Day: u.Day, Operation: u.Operation, Source: u.Source}
				}
				rows[name].Add(u)
			}
		}
	}
	return rows, nil
}

// Lease implements [limit.Leases]. A request that is sent twice because its answer was lost
// may take tokens twice. Then too few tokens are handed out, never too many.
func (s *Store) Lease(ctx context.Context, r limit.Request) (limit.Grant, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	start, end := r.Window.Bounds(s.now())
	k := leaseKey(r, start)
	grant := func(granted, used int64) (limit.Grant, error) {
		return limit.Grant{Granted: granted, Used: used, Start: start, Ends: max(1, end.Sub(s.now()))}, nil
	}
	want := min(r.Want, r.Max)
	if want <= 0 {
		i, err := s.get(within, k)
		if err != nil {
			return limit.Grant{}, s.failure(ctx, err)
		}
		return grant(0, getNumber(i, "used"))
	}
	for {
		out, err := s.client.updateItem(within, &dynamodb.UpdateItemInput{
			TableName: &s.table, Key: k,
			UpdateExpression:    aws.String("ADD used :want SET " + ttl + " = :until"),
			ConditionExpression: aws.String("attribute_not_exists(used) OR used <= :room"),
			ExpressionAttributeValues: item{
				":want": number(want), ":room": number(r.Max - want), ":until": seconds(end.Add(24 * time.Hour)),
			},
			ReturnValues:                        types.ReturnValueUpdatedNew,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err == nil {
			return grant(want, getNumber(out.Attributes, "used"))
		}
		old, full := conditionFailed(err)
		if !full {
			return limit.Grant{}, s.failure(ctx, err)
		}
		used := getNumber(old, "used")
		if want = min(r.Want, r.Max-used); want <= 0 {
			return grant(0, used)
		}
	}
}

// Return implements [limit.Leases]. It sends one request without retries, since returning
// tokens twice would hand out too many.
func (s *Store) Return(ctx context.Context, r limit.Request, g limit.Grant, unused int64) error {
	unused = min(unused, g.Granted)
	if unused <= 0 {
		return ctx.Err()
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	_, err := s.client.updateItem(within, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: leaseKey(r, g.Start),
		UpdateExpression:          aws.String("ADD used :back"),
		ConditionExpression:       aws.String("used >= :unused"),
		ExpressionAttributeValues: item{":back": number(-unused), ":unused": number(unused)},
	}, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	if _, gone := conditionFailed(err); gone {
		return nil
	}
	return s.failure(ctx, err)
}
