package dashboard

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// pageWorkspaces is the number of workspaces on a page of the list.
const pageWorkspaces = 50

// A workspaceList is the data of workspaces.html.
type workspaceList struct {
	Members     []account.Member
	Invitations []account.Invitation // for the visitor
	All         []string             // namespaces, for operators: those of all workspaces
	Next        string               // the after of the next page; empty on the last page
	Search      string
	Form        form
	Making      making
}

// workspaces is the start page: the workspaces of the visitor.
func (v *visit) workspaces() error { return v.showWorkspaces(form{}, http.StatusOK) }

// createWorkspace makes a workspace, whose owner is the visitor.
func (v *visit) createWorkspace() error { return v.makeWorkspace(v.showWorkspaces) }

// newWorkspace is the page on which who has workspaces already makes another one.
func (v *visit) newWorkspace() error {
	show := func(f form, status int) error {
		making, err := v.making()
		if err != nil {
			return err
		}
		return v.show(status, "new", newWorkspace{making, f})
	}
	if v.r.Method == http.MethodPost {
		return v.makeWorkspace(show)
	}
	return show(form{}, http.StatusOK)
}

// makeWorkspace makes the workspace of a form, or shows the form again. Where its name is taken
// or reserved, the form offers one that is free.
func (v *visit) makeWorkspace(show func(form, int) error) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ctx, m, namespace := v.r.Context(), v.d.Manage, f.get("namespace")
	who := v.callerIn(namespace)
	w, err := m.CreateOwned(ctx, who, v.who.Account, namespace)
	if err == nil {
		return v.redirect("/app/"+w.Namespace, "")
	}
	status, ok := v.refused(err, &f, map[string]string{"namespace": "namespace", "": "namespace"})
	if !ok {
		return err
	}
	taken := errors.Is(err, workspace.ErrExists)
	if taken {
		f.Errors = map[string]string{"namespace": "This name is taken."}
	}
	if taken || workspace.Reserved(namespace) {
		free, err := m.FreeName(ctx, who, namespace)
		if err != nil {
			return err
		}
		if free != "" {
			f.wrong("namespace", "This one is free: "+free)
		}
	}
	return show(f, status)
}

// A newWorkspace is the data of new.html.
type newWorkspace struct {
	Making making
	Form   form
}

// A making says whether the visitor may make a workspace, and on which plan.
type making struct {
	manage.Making
	Facts []planFact // of the plan
}

func (v *visit) making() (making, error) {
	is, err := v.d.Manage.Making(v.r.Context(), v.callerIn(""), v.who.Account)
	return making{is, planFacts(is.Plan)}, err
}

func (v *visit) showWorkspaces(f form, status int) error {
	q := v.r.URL.Query()
	invitations, err := v.d.People.InvitationsFor(v.r.Context(), v.who.Email)
	if err != nil {
		return err
	}
	list := workspaceList{Form: f, Invitations: invitations, Search: strings.ToLower(strings.TrimSpace(q.Get("search")))}
	if list.Making, err = v.making(); err != nil {
		return err
	}
	for _, m := range v.who.Members {
		if strings.Contains(m.Namespace, list.Search) {
			list.Members = append(list.Members, m)
		}
	}
	if v.who.Operator {
		after := q.Get("after")
		if after == "" && list.Search != "" {
			after = before(list.Search)
		}
		found, next, err := v.d.Manage.ListWorkspaces(v.r.Context(), v.callerIn(""), after, pageWorkspaces)
		if err != nil {
			return err
		}
		for _, w := range found {
			if !strings.HasPrefix(w.Namespace, list.Search) {
				next = ""
				break
			}
			list.All = append(list.All, w.Namespace)
		}
		list.Next = next
	}
	return v.show(status, "workspaces", list)
}

// before returns a text that sorts just before the namespaces that begin with a prefix.
func before(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string(rune(prefix[last]-1)) + "~"
}
