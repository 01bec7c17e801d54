package manage

import (
	"fmt"
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A Caller is who calls a method of a [Manager].
type Caller struct {
	apikey.Principal

	// Role of a person, in the workspace that the Principal names. account.Operator is for
	// all workspaces. Empty for keys.
	Role account.Role

	// IP and UserAgent of the client, for the audit log. Empty leaves them out.
	IP, UserAgent string

	// About, if not nil, is called with the ID of the workspace that the call concerns, as
	// soon as the ID is known. Access logs use it.
	About func(workspaceID string)
}

// Operator is the caller for flags and commands of this process.
var Operator = Caller{Principal: apikey.Principal{Kind: apikey.Operator}}

// Errors of callers that lack a right.
var (
	ErrNeedsRoot      = fault.New(fault.Forbidden, "This needs the root key: an API key of a workspace can't do it.")
	ErrOtherWorkspace = fault.New(fault.Forbidden, "This API key belongs to another workspace.")
	ErrOrphan         = fault.New(fault.Unauthorized, "The workspace of this API key has been deleted.")
	ErrNotMember      = fault.New(fault.Forbidden, "You are not a member of this workspace. Ask one of its owners for an invitation.")
	ErrNeedsOperator  = fault.New(fault.Forbidden, "Only an operator of this server may do this.")
)

// Allow returns an error if the caller may not do the action in the workspace of this
// namespace. [account.Rights] is the table that decides. The error for another workspace
// doesn't tell whether it exists. Each method of a [Manager] calls Allow. Code that works
// before such a call, such as reading a body, calls it first.
func (c Caller) Allow(action account.Action, namespace string) error {
	right := action.Right()
	if c.everywhere() {
		return nil
	}
	if c.Kind == apikey.Person {
		switch {
		case right.Role == account.SignedIn && c.Email != "":
			return nil
		case right.Role == account.Operator:
			return ErrNeedsOperator
		case c.Namespace != namespace || c.WorkspaceID == "" || c.Role == "":
			return ErrNotMember
		case !c.Role.Includes(right.Role):
			return fault.New(fault.Forbidden, "This needs the role "+string(right.Role)+", and you have the role "+string(c.Role)+". Ask an owner of the workspace.")
		}
		return nil
	}
	switch {
	case right.Scope == account.AnyKey && c.Kind == apikey.Key:
		return nil
	case right.Scope == "":
		return ErrNeedsRoot
	case c.Namespace != namespace:
		return ErrOtherWorkspace
	case !c.May(right.Scope, c.WorkspaceID):
		return fault.New(fault.Forbidden, "This needs an API key with the scope "+string(right.Scope)+". Scopes are set when a key is made.")
	}
	return nil
}

// allowFields returns an error if w differs from old in a setting that the caller may not
// change. A nil old means that w is created.
func (c Caller) allowFields(old, w *workspace.Workspace) error {
	if old == nil {
		return nil
	}
	if old.Plan != w.Plan && c.Allow(account.SetPlan, w.Namespace) != nil {
		return fault.New(fault.Forbidden, fmt.Sprintf("plan: only an operator of this server sets the plan of a workspace. Leave it at %q, or ask the operator for another one.", old.Plan))
	}
	if old.Limits != w.Limits {
		if err := c.Allow(account.UpdateLimits, w.Namespace); err != nil {
			return err
		}
	}
	if !slices.Equal(old.Domains, w.Domains) {
		return c.Allow(account.UpdateDomains, w.Namespace)
	}
	return nil
}

// everywhere reports whether the caller has all rights in every workspace.
func (c Caller) everywhere() bool {
	return c.Kind == apikey.Root || c.Kind == apikey.Operator || c.Kind == apikey.Person && c.Role == account.Operator
}

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
