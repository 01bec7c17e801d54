package account

import (
	"context"
	"time"
)

// FirstSteps are what is known of the steps from a new workspace to its first image on a page
// of its owner. What the counts of usage say isn't kept here.
type FirstSteps struct {
	Tested bool   `json:"tested"` // a test of a source has fetched an image
	Seen   bool   `json:"seen"`   // a member has looked at an image
	Image  string `json:"image"`  // that was tested or looked at last, as source/path
	Hidden bool   `json:"hidden"` // somebody doesn't want to see the steps any more
}

// FirstSteps returns the first steps of a workspace.
func (p *People) FirstSteps(ctx context.Context, workspaceID string) (s FirstSteps, err error) {
	_, err = p.read(ctx, firstSteps, workspaceID, &s)
	return s, err
}

// ChangeFirstSteps writes the first steps of a workspace, where change changes them.
func (p *People) ChangeFirstSteps(ctx context.Context, workspaceID string, change func(*FirstSteps)) error {
	return again(func() error {
		var s FirstSteps
		stored, err := p.read(ctx, firstSteps, workspaceID, &s)
		if err != nil {
			return err
		}
		before := s
		if change(&s); s == before {
			return nil
		}
		return p.Records.WriteRecords(ctx, []Write{put(firstSteps, workspaceID, stored.Version, time.Time{}, s)})
	})
}
