package manage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestMembersOfPlan: members and open invitations together are at most as many as the plan
// allows. Of several who accept at once, no more than that come in.
func TestMembersOfPlan(t *testing.T) {
	m, _ := start(t, nil)
	put := func(members int) {
		t.Helper()
		if _, err := m.PutPlan(t.Context(), manage.Operator, "free", plan.Plan{Members: &members}); err != nil {
			t.Fatal(err)
		}
	}
	put(6) // Anna, Ben, one who is invited, and three more
	w, err := m.PatchWorkspace(t.Context(), manage.Operator, "acme", []byte(`{"plan":"free"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	anna := person(w.ID, "anna@acme.test", account.Owner)
	invite := func(name string) (account.Invitation, error) {
		return m.Invite(t.Context(), anna, "acme", name+"@acme.test", account.Owner)
	}
	var invitations []account.Invitation
	for i := range 3 {
		one, err := invite(fmt.Sprint("friend", i))
		if err != nil {
			t.Fatal(err)
		}
		invitations = append(invitations, one)
	}
	_, err = invite("fourth")
	if e := fault.OfManaging(err); e.Code != fault.Conflict || e.Message != "The plan free allows 6 members, and 6 are in the workspace or invited. Remove one, or ask the operator for another plan." {
		t.Error(err)
	}
	if _, err := invite("friend0"); err != nil {
		t.Errorf("an address that is invited already: %v", err)
	}

	// The plan becomes lower: of the three, two come in.
	put(4)
	var in, full int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, one := range invitations {
		wg.Go(func() {
			who := account.Account{ID: fmt.Sprint("acc_F", i), Email: one.Email}
			caller := manage.Caller{Principal: apikey.Principal{Kind: apikey.Person, Email: one.Email}}
			_, err := m.AcceptInvitation(t.Context(), caller, who, one.ID)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				in++
			case errors.Is(err, account.ErrMembers):
				full++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if in != 2 || full != 1 {
		t.Errorf("%d came in, %d did not", in, full)
	}
	if all, err := m.Members(t.Context(), anna, "acme"); err != nil || len(all.Members) != 4 {
		t.Errorf("%+v, %v", all.Members, err)
	}
}

// TestPlanIsTheOperators: who isn't one can't change it, whichever way. Reviews say so too.
func TestPlanIsTheOperators(t *testing.T) {
	m, db := start(t, nil)
	w, err := m.PatchWorkspace(t.Context(), manage.Operator, "acme", []byte(`{"plan":"free"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	anna := person(w.ID, "anna@acme.test", account.Owner)
	other := func(w *workspace.Workspace) error { w.Plan = "pro"; return nil }
	document := func(text string) *workspace.Document {
		all, err := workspace.DecodeAll(strings.NewReader(text), "acme.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	for name, call := range map[string]func() error{
		"Review":          func() error { return discard(m.Review(t.Context(), anna, "acme", other)) },
		"ChangeWorkspace": func() error { return discard(m.ChangeWorkspace(t.Context(), anna, "acme", w.Revision, other)) },
		"PatchWorkspace": func() error {
			return discard(m.PatchWorkspace(t.Context(), anna, "acme", []byte(`{"plan":"pro"}`), nil))
		},
		"Apply": func() error {
			return discard(m.Apply(t.Context(), anna, document("namespace: acme\nplan: pro\n"), false))
		},
	} {
		if e := fault.OfManaging(call()); e.Code != fault.Forbidden || !strings.Contains(e.Message, "plan: only an operator") {
			t.Errorf("%s: %v", name, e)
		}
	}
	// A file that doesn't name it leaves it, also with prune.
	if _, err := m.Apply(t.Context(), anna, document("namespace: acme\ndomains: [img.acme.test]\nname: Acme\n"), true); err != nil {
		t.Error(err)
	}
	if w, err := db.Get(t.Context(), "acme"); err != nil || w.Plan != "free" || w.Name != "Acme" {
		t.Errorf("%+v, %v", w, err)
	}
	// For the operator, prune is as for other settings.
	if _, err := m.Apply(t.Context(), manage.Operator, document("namespace: acme\n"), true); err != nil {
		t.Error(err)
	}
	if w, err := db.Get(t.Context(), "acme"); err != nil || w.Plan != "" {
		t.Errorf("%+v, %v", w, err)
	}
}

// fullPlans are plans that have the one of workspacetest.Full.
func fullPlans(ctx context.Context) *plan.Book {
	b, err := plan.New(plan.Config{Records: workspacetest.NewMemory()})
	if err == nil {
		_, err = b.Put(ctx, plan.Plan{Name: "pro"}, func(*plan.Plan) workspace.AuditEntry { return workspace.AuditEntry{} })
	}
	if err != nil {
		panic(err)
	}
	return b
}
