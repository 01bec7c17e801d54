package account

import (
	"slices"
	"testing"

	"github.com/tintype/tintype/apikey"
)

// TestRights: every action has one row, whose role and scope exist. No API key has a right
// that an owner lacks, and none manages members or deletes.
func TestRights(t *testing.T) {
	seen := map[Action]bool{}
	for _, r := range Rights() {
		if seen[r.Action] || r.Action == "" || r.Meaning == "" {
			t.Errorf("%+v: twice, or incomplete", r)
		}
		seen[r.Action] = true
		if r.Action.Right() != r {
			t.Errorf("%s.Right() is %+v", r.Action, r.Action.Right())
		}
		if r.Role == SignedIn && (r.Scope == AnyKey || r.Scope == "") {
			continue
		}
		if !Operator.Includes(r.Role) {
			t.Errorf("%s: role %q", r.Action, r.Role)
		}
		if r.Scope != "" && (!apikey.Admin.Includes(r.Scope) || !Owner.Includes(r.Role)) {
			t.Errorf("%s: an API key may do what an owner may not", r.Action)
		}
	}
	for _, a := range []Action{WriteMembers, ReadMembers, DeleteWorkspace, CreateWorkspace, ManageAccounts} {
		if a.Right().Scope != "" {
			t.Errorf("an API key may %s", a)
		}
	}
	if r := Action("made.up").Right(); r.Role != Operator || r.Scope != "" {
		t.Errorf("an unknown action: %+v", r)
	}
}

// TestCovers: the scopes of which a role has all rights. The page of members and the docs name
// those that editors and viewers lack.
func TestCovers(t *testing.T) {
	for role, want := range map[Role][]apikey.Scope{
		"": nil, Viewer: {apikey.Read}, Editor: {apikey.Read}, Owner: {apikey.Read, apikey.Write, apikey.Admin}, Operator: {apikey.Read, apikey.Write, apikey.Admin},
	} {
		for _, s := range apikey.Scopes() {
			if role.Covers(s) != slices.Contains(want, s) {
				t.Errorf("%s covers %s: %v", role, s, role.Covers(s))
			}
		}
	}
}

func TestRoles(t *testing.T) {
	for i, r := range roles {
		for j, other := range roles {
			if r.Includes(other) != (i >= j) {
				t.Errorf("%s includes %s: %v", r, other, r.Includes(other))
			}
		}
		if r.Includes("") || Role("").Includes(r) || Role("boss").Includes(r) || r.Includes("boss") {
			t.Errorf("%s and roles that don't exist", r)
		}
	}
	if Operator.Valid() || Role("").Valid() || !Owner.Valid() {
		t.Error("a member can be an operator, or has no role")
	}
}
