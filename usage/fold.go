package usage

import (
	"context"
	"log/slog"
	"time"

	"github.com/tintype/tintype/workspace"
)

// FoldConfig has the settings of [RunFolds].
type FoldConfig struct {
	Store workspace.Folder
	// Mine reports whether this server is the one of several that folds. Where two believe so,
	// nothing counts twice, but both write.
	Mine func(ctx context.Context) (bool, error)
	Log  *slog.Logger     // nil is slog.Default
	Now  func() time.Time // nil is time.Now
}

const (
	foldLook  = time.Minute     // between two looks whether one is due
	foldLeast = 5 * time.Minute // between two folds
	foldMost  = time.Hour       // the same, where little is counted or very much

	// foldBytes is how many bytes of tallies those who read counts should find at most. Until
	// there are so many, no fold is needed.
	foldBytes = 300_000

	// foldRate is how many rows a second folds write on average. Each costs a write, and those
	// of busy workspaces are written again by the next fold: with more workspaces, folds are
	// rarer.
	foldRate = 300
)

// RunFolds has the store add up what servers have counted, until the context ends. It logs
// failures and tries again.
func RunFolds(ctx context.Context, c FoldConfig) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	tick := time.NewTicker(foldLook)
	defer tick.Stop()
	var last, due, reported time.Time
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		mine, err := c.Mine(ctx)
		began := c.Now()
		if mine && !began.Before(due) {
			var done workspace.Folded
			done, err = c.Store.Fold(ctx)
			due = began.Add(afterFold(done, began.Sub(last)))
			last = began
		}
		if err != nil && ctx.Err() == nil && c.Now().Sub(reported) >= foldMost {
			reported = c.Now()
			c.Log.Error("counts aren't added up in the store; trying again, and nothing is lost", "err", err)
		}
	}
}

// afterFold is how long after the beginning of a fold the next one is due. since is how long the
// one before was ago; the first one may be of any time.
func afterFold(f workspace.Folded, since time.Duration) time.Duration {
	filled := foldMost // until tallies have foldBytes again
	if f.Bytes > 0 && since < foldMost*2 {
		filled = time.Duration(float64(since) * foldBytes / float64(f.Bytes))
	} else if f.Bytes > 0 {
		filled = foldLeast
	}
	return min(max(foldLeast, min(filled, foldMost), time.Duration(f.Rows)*time.Second/foldRate), foldMost)
}
