package dashboard

import (
	"net/url"
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A removal is a page that deletes one element of a list of the workspace. The visitor types
// its name, and sees what the deletion opens before it is saved.
type removal struct {
	Noun, Name string
	Breaks     string // what happens to images
	list       string // path below /app/{ns}
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
		template: "remove", after: r.list, needs: r.needs,
		fill: func(*workspace.Workspace) url.Values { return url.Values{} },
		edit: func(w *workspace.Workspace, f form) error {
			if f.get("typed") != r.Name {
				return fault.New(fault.Validation, "type "+r.Name+" to delete it")
			}
			if !r.remove(w) {
				return gone(r.Noun)
			}
			return nil
		},
		data: func(*visit, *workspace.Workspace) (any, error) { return r, nil },
	})
}

func gone(noun string) error {
	return fault.New(fault.NotFound, "The workspace has no "+noun+" of this name.")
}

// without removes the element of this name from a list, and reports whether it was there.
func without[E any](list *[]E, is func(E) bool) bool {
	i := slices.IndexFunc(*list, is)
	if i >= 0 {
		*list = slices.Delete(slices.Clone(*list), i, i+1)
	}
	return i >= 0
}
