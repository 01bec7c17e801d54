package manage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

var errNoBlock = notFound("The workspace has no block with this id.")

// A NewBlock names an image to block. Exactly one of Path and SHA256 is set.
type NewBlock struct {
	Path   string `json:"path,omitempty" doc:"The original, as source/path."`
	SHA256 string `json:"sha256,omitempty" doc:"Of the original's bytes, 64 hex digits: the image is blocked wherever it is."`
	Reason string `json:"reason,omitempty" doc:"For people; at most 500 bytes. It is in the audit log."`
}

// BlockImage makes every server stop showing an image: at once on this one, and within
// cached.ChangeReach on the others. To block what is blocked already changes nothing.
func (m *Manager) BlockImage(ctx context.Context, who Caller, namespace string, n NewBlock) (b workspace.Block, err error) {
	b = workspace.Block{
		ID: rand.Text()[:16], Path: n.Path, SHA256: n.SHA256, Reason: n.Reason,
		CreatedAt: m.now().UTC().Truncate(time.Second), CreatedBy: who.Actor(),
	}
	if err := who.Allow(account.WriteImages, namespace); err != nil {
		return b, err
	}
	if err := b.Check(); err != nil {
		return b, err
	}
	target := n.Path
	if target == "" {
		target = n.SHA256
	}
	known := errors.New("blocked already")
	err = m.editBlocks(ctx, who, namespace, who.changed("image.block", target, nil, b), func(w *workspace.Workspace) error {
		for _, old := range w.Blocks {
			if old.Path == b.Path && old.SHA256 == b.SHA256 {
				b = old
				return known
			}
		}
		if w.Blocks = append(w.Blocks, b); !workspace.BlocksFit(w.Blocks) {
			return conflict(fmt.Sprintf("The workspace has the maximum of blocks: %d, or 96 KiB of their texts. Delete one first, or delete the image.", workspace.MaxBlocks))
		}
		return nil
	})
	if errors.Is(err, known) {
		return b, nil
	}
	return b, err
}

// Blocks returns the blocks of a workspace, the newest last.
func (m *Manager) Blocks(ctx context.Context, who Caller, namespace string) ([]workspace.Block, error) {
	w, err := m.open(ctx, who, account.ReadImages, namespace)
	if err != nil {
		return nil, err
	}
	return append([]workspace.Block{}, w.Blocks...), nil
}

// UnblockImage deletes a block.
func (m *Manager) UnblockImage(ctx context.Context, who Caller, namespace, id string) error {
	entry := who.changed("image.unblock", id, nil, nil)
	return m.editBlocks(ctx, who, namespace, entry, func(w *workspace.Workspace) error {
		i := slices.IndexFunc(w.Blocks, func(b workspace.Block) bool { return b.ID == id })
		if i < 0 {
			return errNoBlock
		}
		w.Blocks = slices.Delete(w.Blocks, i, i+1)
		return nil
	})
}

// editBlocks changes the blocks of a copy of the workspace, without validating the rest. It
// tells caches in front, which know images by their paths only: for a block of a hash they
// are told to forget all.
func (m *Manager) editBlocks(ctx context.Context, who Caller, namespace string, entry workspace.AuditEntry, change func(*workspace.Workspace) error) error {
	return m.startOver(ctx, who, account.WriteImages, namespace, again, func(old *workspace.Workspace) error {
		w := old.Clone()
		if err := change(w); err != nil {
			return err
		}
		tag := workspace.CacheTag(w.Namespace)
		if len(w.Blocks) > len(old.Blocks) {
			if b := w.Blocks[len(w.Blocks)-1]; b.Path != "" {
				tag = blockTag(w.Namespace, b.Path)
			}
			defer m.tell(w.Namespace, tag)()
		}
		if err := m.store.Update(ctx, w, entry); err != nil {
			return fmt.Errorf("changing workspace %q: %w", namespace, err)
		}
		return nil
	})
}

func blockTag(namespace, name string) string {
	if source, path, ok := strings.Cut(name, "/"); ok {
		return workspace.PathTag(namespace, source, path)
	}
	return workspace.CacheTag(namespace)
}

// checkBlocked refuses an upload that wouldn't be shown.
func (m *Manager) checkBlocked(w *workspace.Workspace, req UploadRequest, sha256 string) error {
	blocked, err := m.images.Blocked(w, req.Source, req.Path, sha256)
	if err == nil && blocked {
		err = fault.New(fault.Blocked, "This image has been blocked in the workspace. Unblock it first, or upload it under another path.")
	}
	return err
}
