package dynamodb

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// A workspace's log of purges is a snapshot and the purges since then, an item each. So a
// purge writes items of less than 1 kB. The snapshot, which is far larger, is written anew
// when the log has been summed up a few times, which is once in some thousand purges. An item
// tells the sequences of the last purge and of the snapshot. Purges of before the snapshot
// are forgotten later, a part of them each time that the log is summed up, so that who knows
// a log reads only what came after it.

const (
	// snapshotBytes is how much of a snapshot an item holds: 400 KB is the most of an item.
	snapshotBytes = 380 << 10

	// sumsPerSnapshot is how often the log is summed up for one snapshot. Where the log is
	// full, writing it costs two units of writing a purge, divided by this.
	sumsPerSnapshot = 4

	// forgottenAtOnce is how many purges are forgotten when the log is summed up: some more
	// than are added until then.
	forgottenAtOnce = workspace.MaxRecentPurges + 76
)

// A purgeHead is the item that tells of a log.
type purgeHead struct {
	sequence int64  // of the last purge; 0 is none
	snapshot int64  // sequence of the snapshot; 0 is none
	parts    int64  // items that it is in
	sums     int64  // how often the log has been summed up since
	old      string // the whole log, as earlier versions of Tintype wrote it; empty is none
}

// AddPurge implements [workspace.Purges].
func (s *Store) AddPurge(ctx context.Context, namespace, workspaceID string, known workspace.PurgeLog, p workspace.Purge, audit ...workspace.AuditEntry) (workspace.PurgeLog, []workspace.Widened, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	for snapshots := true; ; {
		l, widened, err := s.addPurge(within, namespace, workspaceID, known, p, audit, snapshots)
		switch {
		case errors.Is(err, errAgain):
		case snapshots && throttled(err): // a snapshot is a thousand times as large as a purge: it may wait
			snapshots = false
		default:
			return l, widened, s.failure(ctx, err)
		}
	}
}

func (s *Store) addPurge(ctx context.Context, namespace, workspaceID string, known workspace.PurgeLog, p workspace.Purge, audit []workspace.AuditEntry, snapshots bool) (none workspace.PurgeLog, _ []workspace.Widened, _ error) {
	old, head, err := s.purgeLog(ctx, workspaceID, known)
	if err != nil {
		return none, nil, err
	}
	l, widened := old.Add(p)
	data, err := json.Marshal(p)
	if err != nil {
		return none, nil, err
	}
	same := absent
	if old.Sequence > 0 {
		same = equals(item{"seq": number(old.Sequence)})
	}
	next := purgeHead{sequence: l.Sequence, snapshot: head.snapshot, parts: head.parts, sums: head.sums}
	due := head.old != ""
	if l.Base != old.Base {
		next.sums++
		due = due || snapshots && next.sums >= sumsPerSnapshot
		if err := s.forgetPurges(ctx, workspaceID, head.snapshot); err != nil {
			return none, nil, err
		}
	}
	var steps []step
	if due {
		if steps, err = s.putSnapshot(workspaceID, l); err != nil {
			return none, nil, err
		}
		next.snapshot, next.parts, next.sums = l.Sequence, int64(len(steps)), 0
		steps = append(steps, s.dropParts(workspaceID, next.parts, head.parts)...)
	}
	steps = append([]step{
		s.put(with(purgeKey(workspaceID), item{
			"seq": number(next.sequence), "snap": number(next.snapshot), "parts": number(next.parts), "sums": number(next.sums),
		}), same, errAgain),
		s.put(with(purgeEventKey(workspaceID, l.Sequence), item{"json": text(string(data))}), anyItem, nil),
	}, steps...)
	change := workspace.Change{Kind: workspace.ChangedPurges, Namespace: namespace}
	if err := s.commit(ctx, change, workspaceID, workspace.Tell(widened, audit), steps...); err != nil {
		return none, nil, err
	}
	return l, widened, nil
}

// putSnapshot writes a log in parts, each over the one of the snapshot before.
func (s *Store) putSnapshot(workspaceID string, l workspace.PurgeLog) (steps []step, err error) {
	data, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	small, err := deflate(data)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(small, snapshotBytes) {
		steps = append(steps, s.put(with(purgePartKey(workspaceID, int64(len(steps))), item{
			"of": number(l.Sequence), "deflated": &types.AttributeValueMemberB{Value: part},
		}), anyItem, nil))
	}
	return steps, nil
}

// deflate takes out what base64 adds to the hashes of a log.
func deflate(data []byte) ([]byte, error) {
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.HuffmanOnly)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return small.Bytes(), err
}

// dropParts deletes the parts that a shorter snapshot leaves over.
func (s *Store) dropParts(workspaceID string, from, to int64) (steps []step) {
	for n := from; n < to; n++ {
		steps = append(steps, s.remove(purgePartKey(workspaceID, n), anyItem, nil))
	}
	return steps
}

// forgetPurges deletes the oldest of the purges up to a sequence: the snapshot has them.
func (s *Store) forgetPurges(ctx context.Context, workspaceID string, upTo int64) error {
	var requests []types.WriteRequest
	q := query{pk: purgePK(workspaceID), condition: "sk BETWEEN :first AND :last", values: item{
		":first": text(purgeSK(0)), ":last": text(purgeSK(upTo)),
	}}
	err := s.query(ctx, q, func(i item) (bool, error) {
		requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: item{pk: i[pk], sk: i[sk]}}})
		return len(requests) < forgottenAtOnce, nil
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(requests, 25) { // the most of a batch
		if err := s.batch(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// PurgeLog implements [workspace.Purges].
func (s *Store) PurgeLog(ctx context.Context, workspaceID string, known workspace.PurgeLog) (workspace.PurgeLog, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	l, _, err := s.purgeLog(within, workspaceID, known)
	return l, s.failure(ctx, err)
}

// purgeLog reads a log, from what is known of it where that is enough. Since it takes
// several requests, what they find may not go together: then it begins anew.
func (s *Store) purgeLog(ctx context.Context, workspaceID string, known workspace.PurgeLog) (l workspace.PurgeLog, head purgeHead, err error) {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		i, err := s.get(ctx, purgeKey(workspaceID))
		if err != nil || i == nil {
			return workspace.PurgeLog{}, purgeHead{}, err
		}
		head = purgeHead{getNumber(i, "seq"), getNumber(i, "snap"), getNumber(i, "parts"), getNumber(i, "sums"), getText(i, "json")}
		if known.Sequence > 0 && known.Sequence <= head.sequence && head.old == "" {
			if l, err = s.purgesSince(ctx, workspaceID, known, head.sequence); err != nil || l.Sequence == head.sequence {
				return l, head, err
			}
		}
		l, found, err := s.snapshot(ctx, workspaceID, head)
		if err != nil {
			return l, head, err
		}
		if found {
			if l, err = s.purgesSince(ctx, workspaceID, l, head.sequence); err != nil || l.Sequence == head.sequence {
				return l, head, err
			}
		}
		if err := wait(ctx, pause); err != nil {
			return l, head, err
		}
	}
}

// snapshot reads the snapshot that the head tells of, unless it has been replaced since.
func (s *Store) snapshot(ctx context.Context, workspaceID string, head purgeHead) (l workspace.PurgeLog, found bool, err error) {
	switch {
	case head.old != "":
		err = json.Unmarshal([]byte(head.old), &l)
	case head.snapshot > 0:
		var data, small []byte // earlier versions wrote data
		parts := int64(0)
		q := query{pk: purgePK(workspaceID), condition: "begins_with(sk, :parts)", values: item{":parts": text(purgePartPrefix)}}
		err = s.query(ctx, q, func(i item) (bool, error) {
			if getNumber(i, "of") == head.snapshot && getText(i, sk) == purgePartSK(parts) {
				data, small = append(data, getBytes(i, "data")...), append(small, getBytes(i, "deflated")...)
				parts++
			}
			return parts < head.parts, nil
		})
		if err != nil || parts < head.parts {
			return l, false, err
		}
		if len(small) > 0 {
			data, err = io.ReadAll(flate.NewReader(bytes.NewReader(small)))
		}
		if err == nil {
			err = json.Unmarshal(data, &l)
		}
	}
	if err != nil {
		return l, false, fmt.Errorf("the purges of workspace %s as stored: %w", workspaceID, err)
	}
	return l, true, nil
}

// purgesSince adds the purges since a log up to a sequence, unless one is missing.
func (s *Store) purgesSince(ctx context.Context, workspaceID string, l workspace.PurgeLog, upTo int64) (workspace.PurgeLog, error) {
	if l.Sequence >= upTo {
		return l, nil
	}
	var since []workspace.Purge
	q := query{pk: purgePK(workspaceID), condition: "sk BETWEEN :first AND :last", values: item{
		":first": text(purgeSK(l.Sequence + 1)), ":last": text(purgeSK(upTo)),
	}}
	err := s.query(ctx, q, func(i item) (bool, error) {
		if getText(i, sk) != purgeSK(l.Sequence+int64(len(since))+1) {
			return false, nil
		}
		var p workspace.Purge
		if err := unmarshal(i, "json", &p); err != nil {
			return false, err
		}
		since = append(since, p)
		return true, nil
	})
	if err != nil || len(since) == 0 {
		return l, err
	}
	l, _ = l.Add(since...)
	return l, nil
}

// expirePurges has the service delete the log of a workspace that has been deleted, all but
// its head, which expires already.
func (s *Store) expirePurges(ctx context.Context, workspaceID string, at types.AttributeValue) error {
	var items []item
	err := s.query(ctx, query{pk: purgePK(workspaceID)}, func(i item) (bool, error) {
		if name := getText(i, sk); strings.HasPrefix(name, purgePartPrefix) || strings.HasPrefix(name, purgeEventPrefix) {
			items = append(items, with(i, item{ttl: at}))
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(items, 25) { // the most of a batch
		if err := s.putAll(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}
