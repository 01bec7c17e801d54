package dashboard

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A picture is an image of the workspace, on which pages show a preset or a mark.
type picture struct {
	Name string // source/path; empty where there is none
	URL  string // with options
	Note string // why there is none
}

// picture returns a picture with options. It is the one in the query or the form, else the
// first of a bucket or folder. The URL of a picture in a private source is signed.
func (v *visit) picture(w *workspace.Workspace, chosen string, options url.Values) picture {
	ctx, who := v.r.Context(), v.caller()
	chosen = strings.Trim(strings.TrimSpace(chosen), "/")
	if chosen == "" {
		chosen = v.firstPicture(w)
	}
	p := picture{Name: chosen}
	source, path, ok := strings.Cut(chosen, "/")
	if !ok || path == "" {
		p.Note = "Name a picture as source/path to see an example."
		return p
	}
	target := (&url.URL{Path: "/" + v.ns + "/" + source + "/" + path, RawQuery: options.Encode()}).String()
	private := w.RequireSignature || slices.ContainsFunc(w.Sources, func(s workspace.Source) bool { return s.Key == source && s.Private })
	if !private {
		p.URL = target
		return p
	}
	signed, _, err := v.d.Manage.SignURL(ctx, who, v.ns, target, 0)
	if err != nil {
		p.Note = sentence(fault.OfManaging(err).Message)
		return p
	}
	p.URL = signed
	return p
}

// firstPicture returns the first image of a source that can be listed.
func (v *visit) firstPicture(w *workspace.Workspace) string {
	sources := v.d.Manage.Folders(v.ns)
	for _, s := range w.Sources {
		if s.Kind != "http" {
			sources = append(sources, s.Key)
		}
	}
	for _, source := range sources[:min(3, len(sources))] {
		list, err := v.d.Manage.Images(v.r.Context(), v.caller(), v.ns, source, "", "", "", 1)
		if err == nil && len(list.Images) > 0 {
			return source + "/" + list.Images[0].Path
		}
	}
	return ""
}

// A presetRow is a preset with an example.
type presetRow struct {
	workspace.Preset
	Example picture
}

type presetsPage struct {
	Presets   []presetRow
	Picture   string
	Note      string
	MayChange bool
}

// presets lists the presets, each with an example.
func (v *visit) presets() error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	p := presetsPage{MayChange: v.may(account.WritePreset)}
	example := v.picture(w, v.r.URL.Query().Get("picture"), nil)
	p.Picture, p.Note = example.Name, example.Note
	for _, preset := range w.Presets {
		p.Presets = append(p.Presets, presetRow{preset, v.picture(w, example.Name, url.Values{"preset": {preset.Name}})})
	}
	return v.show(200, "presets", p)
}

// preset is the form of one preset, or of a new one.
func (v *visit) preset() error {
	name := v.r.PathValue("name")
	if name != "" {
		if _, err := v.presetNamed(name); err != nil {
			return err
		}
	}
	return v.settings(settingsForm{
		template: "preset", after: "/presets", needs: account.WritePreset,
		names: map[string]string{"presets.name": "name", "presets.options": "options"},
		fill: func(w *workspace.Workspace) url.Values {
			i := slices.IndexFunc(w.Presets, func(p workspace.Preset) bool { return p.Name == name })
			if i < 0 {
				return url.Values{}
			}
			return url.Values{"name": {name}, "options": {w.Presets[i].Options}}
		},
		edit: func(w *workspace.Workspace, f form) error {
			p := workspace.Preset{Name: cmp.Or(name, f.get("name")), Options: strings.TrimPrefix(f.get("options"), "?")}
			i := slices.IndexFunc(w.Presets, func(o workspace.Preset) bool { return o.Name == p.Name })
			switch {
			case name == "" && i >= 0:
				return taken("preset", p.Name)
			case name == "":
				w.Presets = append(w.Presets, p)
			case i < 0:
				return gone("preset")
			default:
				w.Presets[i] = p
			}
			return nil
		},
		data: func(*visit, *workspace.Workspace) (any, error) { return name, nil },
	})
}

func (v *visit) presetNamed(name string) (p workspace.Preset, err error) {
	w, err := v.workspace()
	if err != nil {
		return p, err
	}
	i := slices.IndexFunc(w.Presets, func(p workspace.Preset) bool { return p.Name == name })
	if i < 0 {
		return p, gone("preset")
	}
	return w.Presets[i], nil
}

func taken(noun, name string) error {
	return fault.New(fault.Validation, "there is a "+noun+" "+name+" already: choose another name")
}

func (v *visit) removePreset() error {
	name := v.r.PathValue("name")
	return v.remove(removal{
		Noun: "preset", Name: name, list: "/presets", needs: account.WritePreset,
		Breaks: "URLs that name this preset are answered with an error from then on.",
		remove: func(w *workspace.Workspace) bool {
			return without(&w.Presets, func(p workspace.Preset) bool { return p.Name == name })
		},
	})
}
