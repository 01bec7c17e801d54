package workspace

import (
	"strings"
	"time"

	"github.com/tintype/tintype/origin"
)

const (
	// MaxBlocks is the maximum number of blocks of a workspace.
	MaxBlocks = 1000

	// maxBlockBytes bounds the texts of all blocks together, since a store reads and writes
	// them with the workspace.
	maxBlockBytes = 96 << 10

	maxBlockReason = 500 // bytes
)

// A Block forbids showing an image: under one path, or wherever its bytes are. Exactly one
// of Path and SHA256 is set.
type Block struct {
	ID        string    `json:"id"`
	Path      string    `json:"path,omitempty" doc:"The original, as source/path."`
	SHA256    string    `json:"sha256,omitempty" doc:"Of the original's bytes, 64 hex digits."`
	Reason    string    `json:"reason,omitempty" doc:"For people. It is in the audit log too, and visitors don't see it."`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty" doc:"Who blocked it, as in the audit log."`
}

// Check returns what is wrong with the block.
func (b Block) Check() error {
	var p problems
	switch source, path, _ := strings.Cut(b.Path, "/"); {
	case (b.Path == "") == (b.SHA256 == ""):
		p.add("", "exactly one of path and sha256 must be given")
	case b.Path == "":
		if len(b.SHA256) != 64 || strings.Trim(b.SHA256, "0123456789abcdef") != "" {
			p.add("sha256", "must be 64 hex digits in lower case")
		}
	case !ValidSourceKey(source):
		p.add("path", "must be written as source/path")
	default:
		if err := origin.CheckPath(path); err != nil {
			p.add("path", "%s", reason(err, origin.ErrInvalidPath))
		}
	}
	if len(b.Reason) > maxBlockReason {
		p.add("reason", "may have at most %d bytes", maxBlockReason)
	}
	return p.err()
}

// BlocksFit reports whether the blocks are few and short enough for a store.
func BlocksFit(blocks []Block) bool {
	n := 0
	for _, b := range blocks {
		n += len(b.Path) + len(b.SHA256) + len(b.Reason) + len(b.CreatedBy)
	}
	return len(blocks) <= MaxBlocks && n <= maxBlockBytes
}
