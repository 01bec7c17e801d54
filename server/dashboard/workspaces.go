package dashboard

import (
	"strings"

	"github.com/tintype/tintype/account"
)

// pageWorkspaces is the number of workspaces on a page of the list.
const pageWorkspaces = 50

// A workspaceList is the data of workspaces.html.
type workspaceList struct {
	Members []Membership
	All     []string // namespaces, for operators: those of all workspaces
	Next    string   // the after of the next page; empty on the last page
	Search  string
	Roles   []account.Role
}

// workspaces is the start page: the workspaces of the visitor.
func (v *visit) workspaces() error {
	q := v.r.URL.Query()
	list := workspaceList{Search: strings.ToLower(strings.TrimSpace(q.Get("search")))}
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
	return v.show(200, "workspaces", list)
}

// before returns a text that sorts just before the namespaces that begin with a prefix.
func before(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string(rune(prefix[last]-1)) + "~"
}
