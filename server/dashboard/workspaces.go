package dashboard

import (
	"net/http"
	"strings"

	"github.com/tintype/tintype/account"
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
}

// workspaces is the start page: the workspaces of the visitor.
func (v *visit) workspaces() error { return v.showWorkspaces(form{}, http.StatusOK) }

// createWorkspace makes a workspace, whose owner is the operator that makes it.
func (v *visit) createWorkspace() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	w, err := v.d.Manage.CreateOwned(v.r.Context(), v.callerIn(f.get("namespace")), v.who.Account, f.get("namespace"))
	if err == nil {
		return v.redirect("/app/"+w.Namespace, "")
	}
	if status, ok := v.refused(err, &f, map[string]string{"namespace": "namespace", "": "namespace"}); ok {
		return v.showWorkspaces(f, status)
	}
	return err
}

func (v *visit) showWorkspaces(f form, status int) error {
	q := v.r.URL.Query()
	invitations, err := v.d.People.InvitationsFor(v.r.Context(), v.who.Email)
	if err != nil {
		return err
	}
	list := workspaceList{Form: f, Invitations: invitations, Search: strings.ToLower(strings.TrimSpace(q.Get("search")))}
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
