package manage

import (
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A Caller is who asks for something.
type Caller struct {
	apikey.Principal

	// IP and UserAgent are of the client, for the audit log. Empty leaves them out.
	IP, UserAgent string

	// About, if not nil, is told the ID of the workspace that the call is about, as soon as
	// that is known: for access logs.
	About func(workspaceID string)
}

// Operator is who is at the machine: flags of this process speak for them.
var Operator = Caller{Principal: apikey.Principal{Kind: apikey.Operator}}

// A Right is what a caller must have for a use case.
type Right string

// The rights. Read and Write are scopes of API keys; neither includes the other. Root
// includes both, in all workspaces.
const (
	Read  = Right(apikey.Read)
	Write = Right(apikey.Write)
	Root  = Right(apikey.Root)
)

// What callers may not do.
var (
	ErrNeedsRoot      = fault.New(fault.Forbidden, "This needs the root key: an API key of a workspace can't do it.")
	ErrOtherWorkspace = fault.New(fault.Forbidden, "This API key belongs to another workspace.")
	ErrOrphan         = fault.New(fault.Unauthorized, "The workspace of this API key has been deleted.")
)

// Allow returns why the caller may not do what needs the right in the workspace under the
// namespace, or nil. Another workspace is refused in the same words whether it exists or
// not. Each method of a [Manager] calls it; who has work to do before calls it too.
func (c Caller) Allow(right Right, namespace string) error {
	switch {
	case c.everywhere():
		return nil
	case right == Root:
		return ErrNeedsRoot
	case c.Namespace != namespace:
		return ErrOtherWorkspace
	case !c.May(apikey.Scope(right), c.WorkspaceID):
		return fault.New(fault.Forbidden, "This API key doesn't have the scope "+string(right)+", which this needs. Scopes are given when a key is made.")
	}
	return nil
}

// everywhere reports whether the caller may do everything, in every workspace.
func (c Caller) everywhere() bool { return c.Kind == apikey.Root || c.Kind == apikey.Operator }

func (c Caller) about(workspaceID string) {
	if c.About != nil {
		c.About(workspaceID)
	}
}

// entry begins an entry of the audit log about what the caller does.
func (c Caller) entry(action, target string) workspace.AuditEntry {
	return workspace.AuditEntry{Actor: c.Actor(), Action: action, Target: target, IP: c.IP, UserAgent: c.UserAgent}
}

// changedWorkspace makes the entry of a change of a workspace. Nil is a state without the
// workspace.
func (c Caller) changedWorkspace(action, namespace string, before, after *workspace.Workspace) workspace.AuditEntry {
	e := c.entry(action, namespace)
	e.Before, e.After = workspace.AuditDetail(before, after)
	return e
}
