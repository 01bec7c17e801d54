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

var presetList = partList[workspace.Preset]{
	noun: "preset", path: "presets", field: "name", needs: account.WritePreset,
	of: func(w *workspace.Workspace) *[]workspace.Preset { return &w.Presets }, name: func(p *workspace.Preset) string { return p.Name },
}

// preset is the form of one preset, or of a new one.
func (v *visit) preset() error {
	name := v.r.PathValue("name")
	w, err := v.workspace()
	if err != nil {
		return err
	}
	if name != "" && presetList.find(w, name) == nil {
		return gone(presetList.noun)
	}
	return v.settings(settingsForm{
		template: "preset", after: "/presets", needs: presetList.needs,
		fields: map[string]string{"presets.name": "name", "presets.options": "options"},
		fill: func(w *workspace.Workspace) url.Values {
			if p := presetList.find(w, name); p != nil {
				return url.Values{"name": {name}, "options": {p.Options}}
			}
			return url.Values{}
		},
		edit: presetList.edit(name, func(_ *workspace.Workspace, f form) (workspace.Preset, error) {
			return workspace.Preset{Name: cmp.Or(name, f.get("name")), Options: strings.TrimPrefix(f.get("options"), "?")}, nil
		}),
		data: func(*visit, *workspace.Workspace) (any, error) { return name, nil },
	})
}

func (v *visit) removePreset() error {
	return presetList.remove(v, v.r.PathValue("name"), "URLs that name this preset are answered with an error from then on.")
}
