package manage

import (
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A Caller is who calls a method of a [Manager].
type Caller struct {
	apikey.Principal

	// IP and UserAgent of the client, for the audit log. Empty leaves them out.
	IP, UserAgent string

	// About, if not nil, is called with the ID of the workspace that the call concerns, as
	// soon as the ID is known. Access logs use it.
	About func(workspaceID string)
}

// Operator is the caller for flags and commands of this process.
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

// Errors of callers that lack a right.
var (
	ErrNeedsRoot      = fault.New(fault.Forbidden, "This needs the root key: an API key of a workspace can't do it.")
	ErrOtherWorkspace = fault.New(fault.Forbidden, "This API key belongs to another workspace.")
	ErrOrphan         = fault.New(fault.Unauthorized, "The workspace of this API key has been deleted.")
)

// Allow returns an error if the caller lacks the right in the workspace of this namespace.
// The error for another workspace doesn't tell whether it exists. Each method of a
// [Manager] calls Allow. Code that works before such a call, such as reading a body, calls
// it first.
func (c Caller) Allow(right Right, namespace string) error {
	switch {
	case c.everywhere():
		return nil
	case right == Root:
		return ErrNeedsRoot
	case c.Namespace != namespace:
		return ErrOtherWorkspace
	case !c.May(apikey.Scope(right), c.WorkspaceID):
		return fault.New(fault.Forbidden, "This needs an API key with the scope "+string(right)+". Scopes are set when a key is made.")
	}
	return nil
}

// everywhere reports whether the caller has all rights in every workspace.
func (c Caller) everywhere() bool { return c.Kind == apikey.Root || c.Kind == apikey.Operator }

func (c Caller) about(workspaceID string) {
	if c.About != nil {
		c.About(workspaceID)
	}
}

// entry returns an audit entry for an action of the caller.
func (c Caller) entry(action, target string) workspace.AuditEntry {
	return workspace.AuditEntry{Actor: c.Actor(), Action: action, Target: target, IP: c.IP, UserAgent: c.UserAgent}
}

// changedWorkspace returns the audit entry of a change of a workspace. A nil before or
// after means that the workspace doesn't exist then.
func (c Caller) changedWorkspace(action, namespace string, before, after *workspace.Workspace) workspace.AuditEntry {
	e := c.entry(action, namespace)
	e.Before, e.After = workspace.AuditDetail(before, after)
	return e
}
