package dashboard

import (
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A partList is a list of settings whose elements have names: sources, marks or presets. The
// pages of one element edit it by the same rules.
type partList[E any] struct {
	noun  string         // for an element
	path  string         // of the list in problems, and below /app/{ns}
	field string         // that has the name
	needs account.Action // right to change elements
	of    func(*workspace.Workspace) *[]E
	name  func(*E) string
}

// find returns the element with a name, or nil.
func (l *partList[E]) find(w *workspace.Workspace, name string) *E {
	all := *l.of(w)
	if i := slices.IndexFunc(all, func(e E) bool { return l.name(&e) == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// edit returns the edit of a form, in which typed is the element. It takes the place of the
// one with this name. An empty name adds it.
func (l *partList[E]) edit(name string, typed func(*workspace.Workspace, form) (E, error)) func(*workspace.Workspace, form) error {
	return func(w *workspace.Workspace, f form) error {
		e, err := typed(w, f)
		if err != nil {
			return err
		}
		old := l.find(w, l.name(&e))
		switch {
		case name == "" && old != nil:
			return wrong(l.path+"."+l.field, "is taken: the workspace has a "+l.noun+" of this name already")
		case name == "":
			*l.of(w) = append(*l.of(w), e)
		case old == nil:
			return gone(l.noun)
		default:
			*old = e
		}
		return nil
	}
}

// remove is the page that deletes the element with this name. breaks says what happens to
// images.
func (l *partList[E]) remove(v *visit, name, breaks string) error {
	return v.remove(removal{
		Noun: l.noun, Name: name, Breaks: breaks, List: "/" + l.path, needs: l.needs,
		remove: func(w *workspace.Workspace) bool {
			all := l.of(w)
			i := slices.IndexFunc(*all, func(e E) bool { return l.name(&e) == name })
			if i >= 0 {
				*all = slices.Delete(slices.Clone(*all), i, i+1)
			}
			return i >= 0
		},
	})
}

func gone(noun string) error {
	return fault.New(fault.NotFound, "The workspace has no "+noun+" of this name.")
}

// wrong returns the error of one value of the workspace.
func wrong(path, message string) error {
	return &workspace.ValidationError{Problems: []workspace.Problem{{Path: path, Message: message}}}
}
