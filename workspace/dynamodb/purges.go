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

// A workspace's log of purges is a snapshot, and one item for each write of purges since then,
// with the sequence of its last purge. A purge therefore writes items of less than 1 kB. The snapshot is far larger. It is written once
// in some thousand purges, after the log was summed up a few times. The head item has the
// sequences of the last purge and of the snapshot. Purges before the snapshot are deleted
// later, some of them each time that the log is summed up, so that a server that knows a log
// needs only the purges after it.

const (
	// snapshotBytes is the size of a snapshot's part in one item. An item has at most 400 KB.
	snapshotBytes = 380 << 10

	// sumsPerSnapshot is how many times the log is summed up for one snapshot. If the log is
	// full, the snapshot costs two write units for each purge, divided by this number.
	sumsPerSnapshot = 4

	// forgottenAtOnce is how many purges are deleted when the log is summed up: slightly
	// more than are added in between.
	forgottenAtOnce = workspace.MaxRecentPurges + 76
)

// A purgeHead is the head item of a log.
type purgeHead struct {
	sequence int64  // of the last purge; 0 is none
	snapshot int64  // sequence of the snapshot; 0 is none
	parts    int64  // number of the snapshot's items
	sums     int64  // how many times the log was summed up since the snapshot
	old      string // the whole log, as earlier versions wrote it; else empty
}

// AddPurges implements [workspace.Purges].
func (s *Store) AddPurges(ctx context.Context, namespace, workspaceID string, known workspace.PurgeLog, purges []workspace.Purge, audit ...workspace.AuditEntry) (workspace.PurgeLog, []workspace.Widened, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	for snapshots := true; ; {
		l, widened, err := s.addPurges(within, namespace, workspaceID, known, purges, audit, snapshots)
		switch {
		case errors.Is(err, errAgain):
		case snapshots && throttled(err): // a snapshot is a thousand times larger than a purge, and can wait
			snapshots = false
		default:
			return l, widened, s.failure(ctx, err)
		}
	}
}

func (s *Store) addPurges(ctx context.Context, namespace, workspaceID string, known workspace.PurgeLog, purges []workspace.Purge, audit []workspace.AuditEntry, snapshots bool) (none workspace.PurgeLog, _ []workspace.Widened, _ error) {
	old, head, err := s.purgeLog(ctx, workspaceID, known)
	if err != nil {
		return none, nil, err
	}
	l, widened := old.Add(purges...)
	data, err := workspace.EncodePurges(purges)
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
		s.put(with(purgeEventKey(workspaceID, l.Sequence), item{"json": text(data)}), anyItem, nil),
	}, steps...)
	change := workspace.Change{Kind: workspace.ChangedPurges, Namespace: namespace}
	if err := s.commit(ctx, change, workspaceID, workspace.Tell(widened, audit), steps...); err != nil {
		return none, nil, err
	}
	return l, widened, nil
}

// putSnapshot returns the steps that write a log in parts. They overwrite the parts of the
// previous snapshot.
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

// deflate compresses a log. It removes what base64 adds to the hashes.
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

// dropParts returns the steps that delete the parts of the previous snapshot that a shorter
// one doesn't overwrite.
func (s *Store) dropParts(workspaceID string, from, to int64) (steps []step) {
	for n := from; n < to; n++ {
		steps = append(steps, s.remove(purgePartKey(workspaceID, n), anyItem, nil))
	}
	return steps
}

// forgetPurges deletes the oldest purges up to a sequence. The snapshot contains them.
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
	for chunk := range slices.Chunk(requests, 25) { // maximum of a batch
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

// purgeLog reads a log. If possible, it reads only the purges after known. It needs several
// requests, and starts over if the log changes between them.
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

// snapshot reads the snapshot of a head. found is false if another one has replaced it.
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

// purgesSince adds the purges after a log up to a sequence, or up to the first one that is
// missing.
func (s *Store) purgesSince(ctx context.Context, workspaceID string, l workspace.PurgeLog, upTo int64) (workspace.PurgeLog, error) {
	if l.Sequence >= upTo {
		return l, nil
	}
	var since []workspace.Purge
	q := query{pk: purgePK(workspaceID), condition: "sk BETWEEN :first AND :last", values: item{
		":first": text(purgeSK(l.Sequence + 1)), ":last": text(purgeSK(upTo)),
	}}
	err := s.query(ctx, q, func(i item) (bool, error) {
		purges, err := workspace.DecodePurges([]byte(getText(i, "json")))
		if err != nil {
			return false, err
		}
		if getText(i, sk) != purgeSK(l.Sequence+int64(len(since)+len(purges))) {
			return false, nil
		}
		since = append(since, purges...)
		return true, nil
	})
	if err != nil || len(since) == 0 {
		return l, err
	}
	l, _ = l.Add(since...)
	return l, nil
}

// expirePurges makes the log of a deleted workspace expire. The head has an expiry already.
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
	for chunk := range slices.Chunk(items, 25) { // maximum of a batch
		if err := s.putAll(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}
