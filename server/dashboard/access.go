package dashboard

import (
	"net/url"
	"strings"

	"github.com/tintype/tintype/workspace"
)

// access is the page of the rules about who may ask for which images.
func (v *visit) access() error {
	return v.settings(settingsForm{
		template: "access", after: "/access",
		fields: map[string]string{
			"allowed_origins": "allowed_origins", "allowed_sources": "allowed_sources", "https_only": "https_only",
			"require_signature": "require_signature", "presets_only": "presets_only", "strict_options": "strict_options",
		},
		fill: accessValues,
		edit: func(w *workspace.Workspace, f form) error {
			w.AllowedOrigins, w.AllowedSources = f.list("allowed_origins"), f.list("allowed_sources")
			w.HTTPSOnly, w.RequireSignature, w.PresetsOnly, w.StrictOptions = f.on("https_only"), f.on("require_signature"), f.on("presets_only"), f.on("strict_options")
			if f.on("own_sources") { // the button of the notice
				w.OwnSourcesOnly()
				f.Values.Set("allowed_sources", strings.Join(w.AllowedSources, "\n"))
				f.Values.Del("own_sources")
			}
			return nil
		},
		secrets: []secretField{{name: "allowed_origins", urls: true}, {name: "allowed_sources", urls: true}},
		data:    (*visit).whatWouldHappen,
	})
}

// accessValues returns the fields of the page.
func accessValues(w *workspace.Workspace) url.Values {
	return url.Values{
		"allowed_origins": {strings.Join(w.AllowedOrigins, "\n")}, "allowed_sources": {strings.Join(w.AllowedSources, "\n")},
		"https_only": on(w.HTTPSOnly), "require_signature": on(w.RequireSignature), "presets_only": on(w.PresetsOnly), "strict_options": on(w.StrictOptions),
	}
}

// openToTheWeb reports whether anybody can use the workspace for images of the whole web.
func openToTheWeb(w *workspace.Workspace) bool { return w.AllowsTheWeb() && !w.RequireSignature }

// on returns the values of a checkbox.
func on(b bool) []string {
	if b {
		return []string{"on"}
	}
	return nil
}
