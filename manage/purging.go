package manage

import (
	"context"
	"fmt"
	"sync"

	"github.com/tintype/tintype/fault"
)

const (
	purgesOfOne = 32  // purges of one workspace that may be under way
	purgesOfAll = 512 // and of all workspaces; one that has none may always have one
)

// purging lets the purges of a workspace into the store one after another. So each workspace
// has at most one write there, however many requests for purges it sends, and another one's
// purge waits behind few. The zero value is ready to use.
type purging struct {
	mu    sync.Mutex // guards all fields below
	lines map[string]*purgeLine
	all   int
}

// A purgeLine is that of the purges of a workspace.
type purgeLine struct {
	turn     chan struct{} // has an element while a purge is in the store
	underWay int           // purges in the store and waiting
}

// enter waits until no other purge of the workspace is in the store. The caller calls leave
// at the end. Where too many wait already, the error says so.
func (p *purging) enter(ctx context.Context, workspaceID string) (leave func(), err error) {
	line, err := p.join(workspaceID)
	if err != nil {
		return nil, err
	}
	select {
	case line.turn <- struct{}{}:
		return func() {
			<-line.turn
			p.part(workspaceID, line)
		}, nil
	case <-ctx.Done():
		p.part(workspaceID, line)
		return nil, ctx.Err()
	}
}

func (p *purging) join(workspaceID string) (*purgeLine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.lines[workspaceID]
	switch {
	case line != nil && line.underWay >= purgesOfOne:
		return nil, &fault.Error{
			Code: fault.RateLimited, RetryAfter: 1,
			Message: fmt.Sprintf("%d purges of this workspace are under way, which is as many as may be. Try again in a second, or name up to %d paths in one request.", purgesOfOne, MaxBatch),
		}
	case line != nil && p.all >= purgesOfAll:
		return nil, &fault.Error{Code: fault.Overloaded, RetryAfter: 1, Message: "The server has too many purges under way. Try again in a second."}
	case line == nil:
		if p.lines == nil {
			p.lines = map[string]*purgeLine{}
		}
		line = &purgeLine{turn: make(chan struct{}, 1)}
		p.lines[workspaceID] = line
	}
	line.underWay++
	p.all++
	return line, nil
}

func (p *purging) part(workspaceID string, line *purgeLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if line.underWay--; line.underWay == 0 {
		delete(p.lines, workspaceID)
	}
}
