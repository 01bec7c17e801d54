package dashboard

import (
	"net/url"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// A removal is a page that deletes one element of a list of the workspace. The visitor types
// its name, and sees what the deletion opens before it is saved.
type removal struct {
	Noun, Name string
	Breaks     string // what happens to images
	List       string // path below /app/{ns}
	needs      account.Action
	remove     func(*workspace.Workspace) (found bool)
}

func (v *visit) remove(r removal) error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	if !r.remove(w.Clone()) {
		return gone(r.Noun)
	}
	return v.settings(settingsForm{
		template: "remove", after: r.List, needs: r.needs, fields: map[string]string{"typed": "typed"},
		fill: func(*workspace.Workspace) url.Values { return url.Values{} },
		edit: func(w *workspace.Workspace, f form) error {
			if f.get("typed") != r.Name {
				return wrong("typed", "must be "+r.Name+", the name of what is deleted")
			}
			if !r.remove(w) {
				return gone(r.Noun)
			}
			return nil
		},
		data: func(*visit, *workspace.Workspace) (any, error) { return r, nil },
	})
}
