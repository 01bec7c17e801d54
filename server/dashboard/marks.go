package dashboard

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A markRow is a mark with a picture that carries it.
type markRow struct {
	workspace.Mark
	Bound   []string // sources; not all, where there are many
	More    int      // further sources that it is bound to
	Example picture
}

// SizeInWords returns the size of the mark, as a person says it.
func (r markRow) SizeInWords() string {
	switch width, height := cmp.Or(r.Width, r.Size), cmp.Or(r.Height, r.Size); {
	case width != "" && height != "":
		return width + " × " + height
	case height != "":
		return height + " high"
	default:
		return cmp.Or(width, "15%") + " wide"
	}
}

// PlaceInWords returns where the mark is, as a person says it.
func (r markRow) PlaceInWords() string {
	if r.Repeat {
		return "all over"
	}
	return strings.ReplaceAll(cmp.Or(r.Align, "bottom,right"), ",", " ")
}

// mostBound is how many sources of a mark the list names.
const mostBound = 10

type marksPage struct {
	Marks     []markRow
	Picture   string // that the visitor chose; empty where each mark has one of its own sources
	MayChange bool
	Offer     *keyOffer // of a signature that examples lack; nil for none
}

// marks lists the marks, each on a picture.
func (v *visit) marks() error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	p := marksPage{MayChange: v.may(account.WriteMark), Picture: v.asked()}
	listed, examples := v.pictures(w), []picture{}
	for _, m := range w.Marks {
		row := markRow{Mark: m, Bound: m.AutoApplySources, Example: v.markExample(w, m.Name, cmp.Or(p.Picture, listed.first(m.AutoApplySources)))}
		if more := len(row.Bound) - mostBound; more > 0 {
			row.Bound, row.More = row.Bound[:mostBound], more
		}
		p.Marks, examples = append(p.Marks, row), append(examples, row.Example)
	}
	if p.Offer, err = v.offerFor(examples...); err != nil {
		return err
	}
	return v.show(http.StatusOK, "marks", p)
}

// asked returns the picture that the query of the page names.
func (v *visit) asked() string { return strings.TrimSpace(v.r.URL.Query().Get("picture")) }

// markExample returns a picture with a mark that is stored.
func (v *visit) markExample(w *workspace.Workspace, name, chosen string) picture {
	if w.PresetsOnly {
		return picture{Name: chosen, Note: "This workspace serves presets only, so no URL asks for a mark. Open the mark to see it on a picture."}
	}
	return v.picture(w, chosen, url.Values{"mark": {name}, "w": {strconv.Itoa(exampleWidth)}})
}

// exampleWidth is the width of a picture with a mark, in pixels.
const exampleWidth = 800

// A markForm is what the page of one mark shows besides its form.
type markForm struct {
	Name     string              // empty for a new mark
	Sources  []string            // keys that it can be bound to
	Pictures []picture           // to choose from, small
	Example  picture             // with the mark as it is stored
	Preview  template.URL        // with the mark as it was typed; empty is none
	Says     string              // what the preview shows
	Chooser  []manage.SourceInfo // whose images can be chosen as the mark's
	Uploads  bool                // to one of them
}

var markList = partList[workspace.Mark]{
	noun: "mark", path: "marks", field: "name", needs: account.WriteMark,
	of: func(w *workspace.Workspace) *[]workspace.Mark { return &w.Marks }, name: func(m *workspace.Mark) string { return m.Name },
}

// markFields has the field for each path of a problem.
var markFields = func() map[string]string {
	fields := map[string]string{"marks.auto_apply_sources": "sources", "picture": "picture"}
	for _, name := range []string{"name", "image", "width", "height", "size", "fit", "align", "pad", "opacity"} {
		fields["marks."+name] = name
	}
	return fields
}()

// mark is the page of one mark, or of a new one.
func (v *visit) mark() error {
	name := v.r.PathValue("name")
	w, err := v.workspace()
	if err != nil {
		return err
	}
	if name != "" && markList.find(w, name) == nil {
		return gone(markList.noun)
	}
	if v.r.Method == http.MethodPost {
		f, err := v.form()
		if err != nil {
			return err
		}
		pick := f.get("pick") // a picture that was clicked
		if f.Values.Del("pick"); pick != "" {
			f.Values.Set("picture", pick)
		}
		if pick != "" || f.get("step") == "preview" {
			return v.showPreview(w, f, name)
		}
	}
	return v.settings(v.markSettings(name))
}

// markSettings is the form of the mark with this name, or of a new one.
func (v *visit) markSettings(name string) settingsForm {
	stored := func(w *workspace.Workspace) workspace.Mark {
		if m := markList.find(w, name); m != nil {
			return *m
		}
		return workspace.Mark{}
	}
	return settingsForm{
		template: "mark", after: "/marks", needs: markList.needs, fields: markFields,
		secrets: []secretField{{name: "image", urls: true}, {name: "picture", urls: true}},
		fill: func(w *workspace.Workspace) url.Values {
			values := markValues(stored(w))
			values.Set("picture", cmp.Or(v.asked(), v.pictures(w).first(values["sources"])))
			values.Set("preview_width", strconv.Itoa(exampleWidth))
			return values
		},
		edit: markList.edit(name, func(w *workspace.Workspace, f form) (workspace.Mark, error) { return markOf(w, f, name) }),
		data: func(v *visit, w *workspace.Workspace) (any, error) {
			d, pictures, bound := markForm{Name: name}, v.pictures(w), stored(w).AutoApplySources
			for _, s := range w.Sources {
				d.Sources = append(d.Sources, s.Key)
			}
			d.Sources = append(d.Sources, v.d.Manage.Folders(v.ns)...)
			if v.may(markList.needs) {
				if err := v.fillChooser(&d); err != nil {
					return nil, err
				}
				d.Pictures = v.thumbnails(pictures.some(bound))
			}
			if name != "" && v.r.Method != http.MethodPost {
				d.Example = v.markExample(w, name, cmp.Or(v.asked(), pictures.first(bound)))
				if d.Example.closed && v.may(markList.needs) {
					d.Example.Note = "Press Preview to see the mark on the picture."
				}
			}
			return d, nil
		},
	}
}

// fillChooser adds the sources whose images can be chosen as the mark's.
func (v *visit) fillChooser(d *markForm) error {
	sources, _, err := v.d.Manage.Sources(v.r.Context(), v.caller(), v.ns)
	for _, s := range sources {
		if s.Uploads = s.Uploads && v.may(account.WriteImages); s.Lists {
			d.Chooser = append(d.Chooser, s)
			d.Uploads = d.Uploads || s.Uploads
		}
	}
	return err
}

func markValues(m workspace.Mark) url.Values {
	opacity := ""
	if m.Opacity != nil {
		opacity = strconv.FormatFloat(*m.Opacity, 'f', -1, 64)
	}
	align, fit := m.Words()
	return url.Values{
		"name": {m.Name}, "image": {m.Image}, "width": {m.Width}, "height": {m.Height}, "size": {m.Size}, "fit": {fit},
		"align": {align}, "pad": {m.Pad}, "opacity": {opacity}, "repeat": on(m.Repeat), "sources": m.AutoApplySources,
	}
}

// markOf returns the mark in a form. A name that is stored stays.
func markOf(w *workspace.Workspace, f form, name string) (m workspace.Mark, err error) {
	m = workspace.Mark{
		Name: cmp.Or(name, f.get("name")), Image: f.get("image"), Width: f.get("width"), Height: f.get("height"), Size: f.get("size"),
		Fit: f.get("fit"), Align: f.get("align"), Pad: f.get("pad"), Repeat: f.on("repeat"), AutoApplySources: append([]string{}, f.Values["sources"]...),
	}
	if text := f.get("opacity"); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return m, wrong("marks.opacity", "must be a number from 0 to 1, such as 0.6")
		}
		m.Opacity = &n
	}
	// The page writes both words out. Where they mean what is stored, that stays.
	stored := markList.find(w, name)
	if stored == nil {
		stored = &workspace.Mark{}
	}
	align, fit := stored.Words()
	if m.Align == align {
		m.Align = stored.Align
	}
	if m.Fit == fit {
		m.Fit = stored.Fit
	}
	return m, nil
}

// removeMark asks for the mark's name, and says which sources and presets have it.
func (v *visit) removeMark() error {
	name := v.r.PathValue("name")
	w, err := v.workspace()
	if err != nil {
		return err
	}
	m := markList.find(w, name)
	if m == nil {
		return gone(markList.noun)
	}
	breaks := "It is bound to no source. URLs that name it are answered with an error from then on."
	if len(m.AutoApplySources) > 0 {
		breaks = "Images of " + listed(m.AutoApplySources) + " lose this mark at once. URLs that name it are answered with an error from then on."
	}
	return markList.remove(v, name, breaks)
}

// listed writes a list in words.
func listed(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}
