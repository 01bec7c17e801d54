package dynamodb

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/workspace"
)

const (
	// rereadAtOnce is how many workspaces one BatchGetItem reads: 100 items, each workspace
	// with the head of its log of purges.
	rereadAtOnce = 50

	// logsAtOnce is how many logs that have grown are read at a time.
	logsAtOnce = 16
)

// Reread implements [workspace.Rereader].
func (s *Store) Reread(ctx context.Context, known []*workspace.Workspace, got func(i int, w *workspace.Workspace)) error {
	var failed error
	for from := 0; from < len(known) && ctx.Err() == nil; from += rereadAtOnce {
		part := known[from:min(from+rereadAtOnce, len(known))]
		if err := s.rereadPart(ctx, part, func(i int, w *workspace.Workspace) { got(from+i, w) }); failed == nil {
			failed = err
		}
	}
	return s.failure(ctx, errors.Join(failed, ctx.Err()))
}

// rereadPart is Reread of what fits into one request.
func (s *Store) rereadPart(ctx context.Context, known []*workspace.Workspace, got func(i int, w *workspace.Workspace)) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	keys, items := make([]item, 0, 2*len(known)), map[string]item{}
	for _, w := range known {
		keys = append(keys, workspaceKey(w.Namespace), purgeKey(w.ID))
	}
	err := s.getMany(within, keys, func(i item) error {
		items[getText(i, pk)] = i
		return nil
	})
	if err != nil {
		return err
	}
	var failed error
	var grown errgroup.Group
	grown.SetLimit(logsAtOnce)
	var one sync.Mutex // got is called by one at a time
	for i, old := range known {
		stored, ok := items[getText(workspaceKey(old.Namespace), pk)]
		if !ok {
			one.Lock()
			got(i, nil)
			one.Unlock()
			continue
		}
		w, err := s.decode(stored)
		if err != nil {
			failed = err
			continue
		}
		head := items[getText(purgeKey(old.ID), pk)]
		if w.ID == old.ID && getNumber(head, "seq") == old.Purges.Sequence && getText(head, "json") == "" {
			w.Purges = old.Purges
			one.Lock()
			got(i, w)
			one.Unlock()
			continue
		}
		var before workspace.PurgeLog
		if w.ID == old.ID {
			before = old.Purges
		}
		grown.Go(func() (err error) {
			if w.Purges, _, err = s.purgeLog(within, w.ID, before); err == nil {
				one.Lock()
				defer one.Unlock()
				got(i, w)
			}
			return err
		})
	}
	return errors.Join(failed, grown.Wait())
}
