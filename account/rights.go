package account

import (
	"slices"

	"github.com/tintype/tintype/apikey"
)

// A Role is what a person may do in a workspace. The zero value is nobody.
type Role string

// The roles. Each includes those above it.
const (
	Viewer   Role = "viewer"   // reads all but secrets
	Editor   Role = "editor"   // changes settings, purges and signs
	Owner    Role = "owner"    // manages members, keys and domains, and deletes the workspace
	Operator Role = "operator" // has all rights in every workspace; set by TINTYPE_OPERATORS only
)

// SignedIn and AnyKey are in rows of the table that concern no workspace: everybody who is
// signed in may do that, and every API key, whatever its scopes. Nobody has this role, and no
// key this scope.
const (
	SignedIn Role         = "signed-in"
	AnyKey   apikey.Scope = "any"
)

// roles are in order: each includes those before it.
var roles = []Role{Viewer, Editor, Owner, Operator}

// Roles returns the roles that a member can have, the least first. It leaves out Operator,
// which nobody can give.
func Roles() []Role { return []Role{Viewer, Editor, Owner} }

// Valid reports whether a member can have the role. Operator is not such a role.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Includes reports whether the role includes another. The zero role includes none.
func (r Role) Includes(other Role) bool {
	have, need := slices.Index(roles, r), slices.Index(roles, other)
	return need >= 0 && have >= need
}

// Covers reports whether the role has all rights of API keys with the scope.
func (r Role) Covers(scope apikey.Scope) bool {
	return !slices.ContainsFunc(table, func(row Right) bool {
		return row.Scope != "" && row.Scope != AnyKey && scope.Includes(row.Scope) && !r.Includes(row.Role)
	})
}

// An Action is something that a person or a key can do.
type Action string

// The actions. [Rights] says who may do each.
const (
	ReadWorkspace    Action = "workspace.read"
	UpdateWorkspace  Action = "workspace.update"
	UpdateLimits     Action = "workspace.limits"
	UpdateDomains    Action = "workspace.domains"
	DeleteWorkspace  Action = "workspace.delete"
	CreateWorkspace  Action = "workspace.create"
	ListWorkspaces   Action = "workspace.list"
	WriteSource      Action = "source.write"
	WriteMark        Action = "mark.write"
	WritePreset      Action = "preset.write"
	ReadSigningKeys  Action = "signing_key.read"
	WriteSigningKeys Action = "signing_key.write"
	Sign             Action = "url.sign"
	Explain          Action = "url.explain"
	Purge            Action = "purge"
	ReadDomains      Action = "domain.read"
	VerifyDomain     Action = "domain.verify"
	ReadUsage        Action = "usage.read"
	ReadErrors       Action = "error.read"
	ReadAudit        Action = "audit.read"
	ReadAPIKeys      Action = "api_key.read"
	WriteAPIKeys     Action = "api_key.write"
	ReadMembers      Action = "member.read"
	WriteMembers     Action = "member.write"
	ReadOperatorLog  Action = "operator_log.read"
	ManageAccounts   Action = "account.manage"
	ReadImages       Action = "image.read"
	PreviewImages    Action = "image.preview"
	WriteImages      Action = "image.write"
	ReadPlans        Action = "plan.read"
	WritePlans       Action = "plan.write"
	SetPlan          Action = "workspace.plan"
	MakeWorkspace    Action = "workspace.make"
	Pay              Action = "workspace.pay"
	ReadAlerts       Action = "alert.read"
	WriteAlerts      Action = "alert.write"
)

// A Right is a row of the table: who may do one action. The least role and the scope of API
// keys are apart, since a key isn't a person: some rights of an editor are nobody's but
// people's, and a key with the scope write has some that an editor lacks.
type Right struct {
	Action  Action
	Role    Role         // least role of a person
	Scope   apikey.Scope // scope of an API key; empty: no API key may
	Meaning string       // for the docs
}

var table = []Right{
	{ReadPlans, SignedIn, AnyKey, "List the plans of the server"},
	{MakeWorkspace, SignedIn, "", "Make as many workspaces as the plan for them allows"},
	{ReadWorkspace, Viewer, apikey.Read, "Read settings, secrets masked"},
	{ReadUsage, Viewer, apikey.Read, "Read usage"},
	{ReadErrors, Viewer, apikey.Read, "Read which images failed, and why"},
	{ReadAudit, Viewer, apikey.Read, "Read the audit and access log"},
	{ReadAlerts, Viewer, apikey.Read, "See alerts, their rules and channels"},
	{ReadDomains, Viewer, apikey.Read, "List domains and their DNS records"},
	{ReadSigningKeys, Viewer, apikey.Read, "List signing keys, without secrets"},
	{ReadAPIKeys, Viewer, apikey.Read, "List API keys, without the keys"},
	{Explain, Viewer, apikey.Read, "Ask what would happen to a URL"},
	{ReadMembers, Viewer, "", "List members"},
	{ReadImages, Viewer, apikey.Read, "List the images of a bucket or folder, and what is blocked"},
	{PreviewImages, Viewer, "", "See thumbnails of all images in the dashboard, of private ones too"},
	{WriteImages, Editor, apikey.Write, "Upload, delete and block images"},
	{UpdateWorkspace, Editor, apikey.Write, "Change settings, such as the allowlists"},
	{WriteSource, Editor, apikey.Write, "Set and delete sources"},
	{WriteMark, Editor, apikey.Write, "Set and delete marks"},
	{WritePreset, Editor, apikey.Write, "Set and delete presets"},
	{Purge, Editor, apikey.Write, "Purge"},
	{Sign, Editor, apikey.Write, "Sign URLs"},
	{UpdateLimits, Owner, apikey.Write, "Change limits"},
	{UpdateDomains, Owner, apikey.Write, "Add and remove domains"},
	{VerifyDomain, Owner, apikey.Write, "Verify domains"},
	{WriteSigningKeys, Owner, apikey.Write, "Make and delete signing keys"},
	{WriteAPIKeys, Owner, apikey.Admin, "Make and revoke API keys"},
	{Pay, Owner, apikey.Admin, "Buy a plan, and change how it is paid"},
	{WriteAlerts, Owner, apikey.Admin, "Set rules and channels of alerts"},
	{WriteMembers, Owner, "", "Invite, remove and change members"},
	{DeleteWorkspace, Owner, "", "Delete the workspace"},
	{CreateWorkspace, Operator, "", "Make any number of workspaces"},
	{SetPlan, Operator, "", "Set the plan of a workspace"},
	{WritePlans, Operator, "", "Make, change and delete plans"},
	{ListWorkspaces, Operator, "", "List all workspaces"},
	{ReadOperatorLog, Operator, "", "Read the operator's log"},
	{ManageAccounts, Operator, "", "List accounts, make them, end their sessions"},
}

// Rights returns the table, the least role first.
func Rights() []Right { return slices.Clone(table) }

// Right returns the row of the action. An action without a row is the operator's.
func (a Action) Right() Right {
	for _, r := range table {
		if r.Action == a {
			return r
		}
	}
	return Right{Action: a, Role: Operator}
}
