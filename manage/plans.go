package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/workspace"
)

var errNoPlan = notFound("There is no plan of this name. GET /v1/plans lists them.")

// Plans returns all plans of the server, sorted by name.
func (m *Manager) Plans(_ context.Context, who Caller) ([]plan.Plan, error) {
	if err := who.Allow(account.ReadPlans, ""); err != nil {
		return nil, err
	}
	all := []plan.Plan{}
	for _, p := range m.plans.All() {
		all = append(all, *p)
	}
	return all, nil
}

// PlanNamed returns the plan of this name.
func (m *Manager) PlanNamed(_ context.Context, who Caller, name string) (plan.Plan, error) {
	if err := who.Allow(account.ReadPlans, ""); err != nil {
		return plan.Plan{}, err
	}
	p := m.plans.Plan(name)
	if p == nil {
		return plan.Plan{}, errNoPlan
	}
	return *p, nil
}

// PutPlan makes or replaces a plan of the store, under the name given. Workspaces that are on it
// are held to it at once here, and within 10 seconds on other servers.
func (m *Manager) PutPlan(ctx context.Context, who Caller, name string, p plan.Plan) (plan.Plan, error) {
	if err := who.Allow(account.WritePlans, ""); err != nil {
		return plan.Plan{}, err
	}
	if p.Name != "" && p.Name != name {
		return plan.Plan{}, wrong("name", fmt.Sprintf("must be %q, as in the path, or left out", name))
	}
	p.Name = name
	if _, err := m.plans.Put(ctx, p, func(before *plan.Plan) workspace.AuditEntry {
		if before == nil {
			return who.changed("plan.create", name, nil, p)
		}
		return who.changed("plan.update", name, before, p)
	}); err != nil {
		return plan.Plan{}, planError(err)
	}
	p.InFile, p.Signup = false, false
	return p, nil
}

// DeletePlan deletes a plan of the store that no workspace is on.
func (m *Manager) DeletePlan(ctx context.Context, who Caller, name string) error {
	if err := who.Allow(account.WritePlans, ""); err != nil {
		return err
	}
	if p := m.plans.Plan(name); p == nil || !p.InFile { // a plan of the file isn't deleted anyway
		on, err := m.onPlan(ctx, name)
		if err != nil {
			return err
		}
		if len(on) > 0 {
			return conflict(fmt.Sprintf("Workspaces are on the plan %s: %s. Give them another plan first.", name, strings.Join(on, ", ")))
		}
	}
	_, err := m.plans.Delete(ctx, name, func(before *plan.Plan) workspace.AuditEntry {
		return who.changed("plan.delete", name, before, nil)
	})
	return planError(err)
}

// named is how many workspaces an error about a plan names.
const named = 5

// onPlan returns the namespaces of some workspaces that are on a plan, and "…" for others.
func (m *Manager) onPlan(ctx context.Context, name string) (on []string, err error) {
	for after := ""; ; {
		page, err := m.reads.List(ctx, after, 200)
		if err != nil {
			return nil, fmt.Errorf("looking for workspaces on the plan %q: %w", name, err)
		}
		for _, w := range page {
			if after = w.Namespace; w.Plan != name {
				continue
			}
			if len(on) == named {
				return append(on, "…"), nil
			}
			on = append(on, w.Namespace)
		}
		if len(page) < 200 {
			return on, nil
		}
	}
}

// planError words an error of a plan.Book for clients.
func planError(err error) error {
	switch {
	case errors.Is(err, plan.ErrInFile), errors.Is(err, plan.ErrFull):
		text := err.Error()
		return conflict(strings.ToUpper(text[:1]) + text[1:] + ".")
	case errors.Is(err, plan.ErrNoPlan):
		return errNoPlan
	}
	return err
}

// Bounds are what a workspace may use.
type Bounds struct {
	Own    workspace.Limits // that the workspace sets
	Plan   *plan.Plan       // that the workspace is on; nil where it is on none, or on an unknown one
	Limits workspace.Limits // that hold: the lower ones of Own and of the plan's
	Prices plan.Prices      // of operations, in units
}

// BoundsOf returns what bounds a workspace that the caller has read.
func (m *Manager) BoundsOf(w *workspace.Workspace) Bounds {
	p := m.plans.Plan(w.Plan)
	return Bounds{w.Limits, p, p.Bound(w.Limits), m.plans.Prices()}
}

// KeyRequests returns how many API requests a minute an API key may send. It reads from memory.
func (m *Manager) KeyRequests(ctx context.Context, who apikey.Principal) int {
	var p *plan.Plan
	if w, err := m.store.Get(ctx, who.Namespace); err == nil {
		p = m.plans.Plan(w.Plan)
	}
	return p.KeyRequests()
}

// keepPlan leaves the plan of a workspace as it is where a whole new state leaves it out, unless
// the caller may set it. Clients that don't know of plans send such states.
func (c Caller) keepPlan(old, w *workspace.Workspace) {
	if w.Plan == "" && c.Allow(account.SetPlan, w.Namespace) != nil {
		w.Plan = old.Plan
	}
}

// hold returns an error if w differs from old in a setting that the caller may not change, or by
// more than its plan allows. A nil old means that w is created.
func (m *Manager) hold(ctx context.Context, who Caller, old, w *workspace.Workspace) error {
	if err := who.allowFields(old, w); err != nil {
		return err
	}
	if old == nil {
		old = workspace.New(w.Namespace)
	}
	p := m.plans.Plan(w.Plan)
	if w.Plan != old.Plan && w.Plan != "" {
		var err error
		if p, err = m.plans.Fresh(ctx, w.Plan); err != nil {
			return err
		}
		if p == nil {
			return wrong("plan", m.unknownPlan(w.Plan))
		}
	}
	if p == nil {
		return nil
	}
	// What was there before stays, as where the plan has become lower since: the lower of both
	// holds.
	var problems []workspace.Problem
	most, was := p.Limits.Named(), old.Limits.Named()
	for i, l := range w.Limits.Named() {
		if most := most[i].Most; most > 0 && l.Most > most && l != was[i] {
			problems = append(problems, workspace.Problem{
				Path:    "limits." + l.Name,
				Message: fmt.Sprintf("%d is more than the plan %s allows: give at most %d, or 0 for the plan's limit", l.Most, p.Name, most),
			})
		}
	}
	if problems != nil {
		return &workspace.ValidationError{Problems: problems}
	}
	isNew := func(domain string) bool { return !slices.Contains(old.Domains, domain) }
	if p.Domains != nil && len(w.Domains) > *p.Domains && slices.ContainsFunc(w.Domains, isNew) {
		return conflict(fmt.Sprintf("domains: the plan %s allows %s, and these are %d. Remove one, or ask the operator for another plan.", p.Name, several(*p.Domains, "domain"), len(w.Domains)))
	}
	return nil
}

// unknownPlan says what is wrong with the name of a plan, and which there are.
func (m *Manager) unknownPlan(name string) string {
	names := m.plans.Names()
	if len(names) == 0 {
		return fmt.Sprintf("%.100q is no plan: this server has none. The operator makes them with --plans FILE or PUT /v1/plans/NAME", name)
	}
	return fmt.Sprintf("%.100q is no plan of this server. The plans are %s", name, strings.Join(names, ", "))
}

func several(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// roomFor refuses to invite somebody to a workspace whose members and open invitations are as
// many as its plan allows. An address that is among them takes no other place.
func (m *Manager) roomFor(ctx context.Context, w *workspace.Workspace, address string) error {
	p := m.plans.Plan(w.Plan)
	email, err := account.ParseEmail(address)
	if p == nil || p.Members == nil || err != nil { // an address that is none is refused later
		return nil
	}
	members, err := m.people.Members(ctx, w.ID)
	if err != nil {
		return err
	}
	invitations, err := m.people.Invitations(ctx, w.ID)
	if err != nil {
		return err
	}
	addresses := map[string]bool{}
	for _, one := range members {
		addresses[one.Email] = true
	}
	for _, one := range invitations {
		addresses[one.Email] = true
	}
	if addresses[email] || len(addresses) < *p.Members {
		return nil
	}
	return conflict(fmt.Sprintf("The plan %s allows %s, and %d are in the workspace or invited. Remove one, or ask the operator for another plan.", p.Name, several(*p.Members, "member"), len(addresses)))
}

// mostMembers returns how many members the plan of the workspace of an invitation allows; 0 is
// any number.
func (m *Manager) mostMembers(ctx context.Context, visitor account.Account, invitation string) (int, error) {
	all, err := m.people.InvitationsFor(ctx, visitor.Email)
	if err != nil {
		return 0, err
	}
	for _, i := range all {
		if i.ID != invitation {
			continue
		}
		w, err := m.reads.Get(ctx, i.Namespace)
		if err != nil && !errors.Is(err, workspace.ErrNotFound) {
			return 0, err
		}
		if err == nil && w.ID == i.WorkspaceID {
			if p := m.plans.Plan(w.Plan); p != nil && p.Members != nil {
				return *p.Members, nil
			}
		}
	}
	return 0, nil
}
