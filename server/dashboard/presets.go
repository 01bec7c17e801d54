package dashboard

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// A presetRow is a preset with an example.
type presetRow struct {
	workspace.Preset
	Example    picture
	Playground string // URL
}

type presetsPage struct {
	Presets   []presetRow
	Picture   string
	Note      string
	MayChange bool
	Offer     *keyOffer // of a signature that the examples lack; nil for none
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
	if p.Offer, err = v.offerFor(example); err != nil {
		return err
	}
	for _, preset := range w.Presets {
		p.Presets = append(p.Presets, presetRow{
			preset, v.picture(w, example.Name, url.Values{"preset": {preset.Name}}), v.playgroundURL(example.Name, url.Values{"preset": {preset.Name}}),
		})
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
