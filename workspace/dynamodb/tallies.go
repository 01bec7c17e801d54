package dynamodb

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// A tally is stored as it comes: all its rows in few items, each compressed, since the service
// charges for each kilobyte of an item and at least one. [Store.Fold] adds them to the counts
// later. A row alone would cost a unit on each server at each flush: 200 servers of a million
// workspaces have more rows in an hour than images.
//
// Tallies are in parts of the table. Those of few rows are whole in part 0, so that a quiet
// server writes one item. Others are spread over parts 1 to 16 by workspace, so that a reader of
// a workspace looks at two parts only, and no partition of the service gets them all.
const (
	tallyParts = 17
	wholeRows  = 256 // tallies with more rows are spread. A constant: a tally that is sent again must go where it went
	tallyTTL   = 35 * 24 * time.Hour
	maxBlock   = 380 << 10 // bytes of an item's data; the service takes 400 kB in all
)

func tallyPart(workspaceID string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(workspaceID)) // never fails
	return 1 + int(h.Sum32()%(tallyParts-1))
}

func tallyPK(part int) string { return fmt.Sprintf("TALLY#%02d", part) }

const (
	foldSK      = "#"  // of the record of what was folded; it sorts first
	blockPrefix = "B#" // of tallies
)

func blockSK(id string, seq int64) string { return fmt.Sprintf("%s%s#%012d", blockPrefix, id, seq) }

// blockOf reads what blockSK wrote.
func blockOf(sortKey string) (id string, seq int64, err error) {
	rest, ok := strings.CutPrefix(sortKey, blockPrefix)
	at := strings.LastIndexByte(rest, '#')
	if !ok || at < 0 {
		return "", 0, fmt.Errorf("tallies have an item %q", sortKey)
	}
	seq, err = strconv.ParseInt(rest[at+1:], 10, 64)
	return rest[:at], seq, err
}

// packTally returns the data of an item with the rows of a tally.
func packTally(t workspace.Tally) ([]byte, error) {
	plain, err := t.MarshalRows()
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(plain); err == nil {
		err = w.Close()
	}
	if err == nil && packed.Len() > maxBlock {
		err = fmt.Errorf("a tally of %d rows takes %d bytes, an item at most %d", len(t.Usage)+len(t.Keys), packed.Len(), maxBlock)
	}
	return packed.Bytes(), err
}

// unpackTally reads what packTally wrote.
func unpackTally(packed []byte) (t workspace.Tally, err error) {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 64<<20))
	if err == nil {
		err = t.UnmarshalRows(plain)
	}
	if err != nil {
		err = fmt.Errorf("a tally can't be read: %w", err)
	}
	return t, err
}

// AddTally implements [workspace.Counters]. A tally that comes again replaces itself, and where
// it has been folded, Fold knows its Seq.
func (s *Store) AddTally(ctx context.Context, t workspace.Tally) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	t = t.Merged()
	for _, u := range t.Usage {
		if _, err := time.Parse(time.DateOnly, u.Day); err != nil {
			return fmt.Errorf("day of usage: %w", err)
		}
	}
	parts := map[int]*workspace.Tally{}
	part := func(workspaceID string) *workspace.Tally {
		n := 0
		if len(t.Usage)+len(t.Keys) > wholeRows {
			n = tallyPart(workspaceID)
		}
		if parts[n] == nil {
			parts[n] = &workspace.Tally{}
		}
		return parts[n]
	}
	for _, u := range t.Usage {
		p := part(u.WorkspaceID)
		p.Usage = append(p.Usage, u)
	}
	for _, k := range t.Keys {
		p := part(k.WorkspaceID)
		p.Keys = append(p.Keys, k)
	}
	expires := seconds(s.now().Add(tallyTTL))
	failed := make(chan error, len(parts))
	for n, rows := range parts {
		go func() { failed <- s.putBlock(within, n, t, *rows, expires) }()
	}
	var err error
	for range parts {
		err = errors.Join(err, <-failed)
	}
	s.folding.forget()
	return cmp.Or(s.failure(ctx, err), ctx.Err())
}

func (s *Store) putBlock(ctx context.Context, part int, t, rows workspace.Tally, expires types.AttributeValue) error {
	data, err := packTally(rows)
	if err != nil {
		return err
	}
	_, err = s.client.putItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: with(key(tallyPK(part), blockSK(t.ID, t.Seq)), item{
		"data": &types.AttributeValueMemberB{Value: data}, ttl: expires,
	})})
	return err
}

// folded says which tallies of a part are in the counts.
type folded struct {
	n    int64                 // number of the last fold; rows of counts have the one that they are in
	Done map[string]foldedUpTo `json:"done"` // by the tallies' ID
	From map[string]int64      `json:"from"` // of those in the last fold: the Seq up to which earlier ones went
}

// foldedUpTo says up to which Seq a server's tallies were folded, and when the last of them was.
type foldedUpTo struct {
	Seq int64 `json:"s"`
	Day int64 `json:"d"` // since 1970
}

// upTo returns the Seq up to which tallies of an ID are folded; -1 is none.
func (f *folded) upTo(id string) int64 {
	if d, ok := f.Done[id]; ok {
		return d.Seq
	}
	return -1
}

// A state is how far a tally is.
type state int

const (
	waiting state = iota // in no fold
	inFold               // in the last one, which may be under way
	gone                 // in an earlier one
)

func (f *folded) state(id string, seq int64) state {
	if seq > f.upTo(id) {
		return waiting
	}
	if from, ok := f.From[id]; ok && seq > from {
		return inFold
	}
	return gone
}

// foldedOf decodes the record of a part; nil is the one before any fold.
func foldedOf(i item) (*folded, error) {
	f := &folded{n: getNumber(i, "n")}
	if i != nil {
		if err := unmarshal(i, "json", f); err != nil {
			return nil, err
		}
	}
	if f.Done == nil {
		f.Done = map[string]foldedUpTo{}
	}
	return f, nil
}

// foldedAttribute names the attribute of rows of counts with the number of the fold that they are
// in, for part 0 and for the others.
func foldedAttribute(part int) string {
	if part == 0 {
		return "fa"
	}
	return "fs"
}

// unfolded are the counts of workspaces in a part of the tallies, which aren't in the rows.
type unfolded struct {
	part int
	n    int64 // number of the last fold when the tallies were read
	// By workspace, and by the state of the tallies: waiting or inFold.
	by map[string]*[2]workspace.Tally
}

// of returns the tallies of a workspace by their state.
func (u *unfolded) of(workspaceID string) [2]workspace.Tally {
	if have := u.by[workspaceID]; have != nil {
		return *have
	}
	return [2]workspace.Tally{}
}

// states returns which tallies aren't in a row as it was found; a nil row is in none. A row that
// a later fold has reached has all of them.
func (u *unfolded) states(row item) (list []state) {
	n := getNumber(row, foldedAttribute(u.part))
	if n > u.n {
		return nil
	}
	if list = append(list, waiting); n < u.n {
		list = append(list, inFold)
	}
	return list
}

// unfoldedFor is how long what was read of tallies is used. Servers write them once a minute.
const unfoldedFor = 5 * time.Second

// tallyCache has what was read of tallies a moment ago, since those who read the counts of one
// workspace read those of the next ones too. It is safe for concurrent use.
type tallyCache struct {
	mu    sync.Mutex // guards parts
	parts [tallyParts]*cachedPart
}

type cachedPart struct {
	sync.Mutex // held while it is read
	at         time.Time
	unfolded
}

func (c *tallyCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parts = [tallyParts]*cachedPart{}
}

func (c *tallyCache) part(n int) *cachedPart {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parts[n] == nil {
		c.parts[n] = &cachedPart{}
	}
	return c.parts[n]
}

// unfolded returns what tallies have of a workspace.
func (s *Store) unfolded(ctx context.Context, workspaceID string) (list []*unfolded, err error) {
	for _, n := range []int{0, tallyPart(workspaceID)} {
		u, err := s.unfoldedPart(ctx, n)
		if err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, nil
}

func (s *Store) unfoldedPart(ctx context.Context, n int) (*unfolded, error) {
	p := s.folding.part(n)
	p.Lock()
	defer p.Unlock()
	if now := time.Now(); p.by != nil && now.Sub(p.at) < unfoldedFor {
		return &p.unfolded, nil
	}
	// One page, which is a megabyte. A part has more only where some hundred thousand rows wait,
	// and then the counts are as old as the last fold.
	out, err := s.client.query(ctx, &dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: aws.String("pk = :pk"), ExpressionAttributeValues: item{":pk": text(tallyPK(n))}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	u := unfolded{part: n, by: map[string]*[2]workspace.Tally{}}
	items := out.Items
	f, err := foldedOf(nil)
	if len(items) > 0 && getText(items[0], sk) == foldSK {
		f, err = foldedOf(items[0])
		items = items[1:]
	}
	if err != nil {
		return nil, err
	}
	u.n = f.n
	at := func(workspaceID string, st state) *workspace.Tally {
		if u.by[workspaceID] == nil {
			u.by[workspaceID] = &[2]workspace.Tally{}
		}
		return &u.by[workspaceID][st]
	}
	for _, i := range items {
		id, seq, err := blockOf(getText(i, sk))
		if err != nil {
			return nil, err
		}
		st := f.state(id, seq)
		if st == gone {
			continue
		}
		t, err := unpackTally(getBytes(i, "data"))
		if err != nil {
			return nil, err
		}
		for _, row := range t.Usage {
			to := at(row.WorkspaceID, st)
			to.Usage = append(to.Usage, row)
		}
		for _, row := range t.Keys {
			to := at(row.WorkspaceID, st)
			to.Keys = append(to.Keys, row)
		}
	}
	p.unfolded, p.at = u, time.Now()
	return &p.unfolded, nil
}

// addUses adds to a key, as it was found, what tallies have of it.
func (u *unfolded) addUses(k *workspace.APIKey, found item) {
	states := u.states(found)
	for st, tally := range u.of(k.WorkspaceID) {
		for _, use := range tally.Keys {
			if use.ID != k.ID || !slices.Contains(states, state(st)) {
				continue
			}
			k.TotalRequests += use.Requests
			k.TotalErrors += use.Errors
			if use.LastUsedAt.After(k.LastUsedAt) {
				k.LastUsedAt = use.LastUsedAt
			}
		}
	}
}
