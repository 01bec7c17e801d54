package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// A generalPage is what settings.html shows besides its form.
type generalPage struct {
	Dialects  []string
	MayDelete bool
}

// general is the page of the settings that have no page of their own.
func (v *visit) general() error {
	return v.settings(settingsForm{
		template: "settings", after: "/settings",
		fields: map[string]string{
			"name": "name", "dialect": "dialect", "default_source": "default_source", "fallback_format": "fallback_format",
			"cdn_cache_control": "cdn_cache_control", "surrogate_key": "surrogate_key", "quota_headers": "quota_headers", "allow_svg": "allow_svg", "allow_tiff": "allow_tiff",
		},
		fill: func(w *workspace.Workspace) url.Values {
			return url.Values{
				"name": {w.Name}, "dialect": {w.Dialect}, "default_source": {w.DefaultSource}, "fallback_format": {w.FallbackFormat},
				"cdn_cache_control": {w.CDNCacheControl}, "surrogate_key": on(w.SurrogateKey), "quota_headers": on(w.QuotaHeaders), "allow_svg": on(w.AllowSVG), "allow_tiff": on(w.AllowTIFF),
			}
		},
		edit: func(w *workspace.Workspace, f form) error {
			w.Name, w.Dialect, w.DefaultSource, w.FallbackFormat = f.get("name"), f.get("dialect"), f.get("default_source"), f.get("fallback_format")
			w.CDNCacheControl, w.SurrogateKey, w.QuotaHeaders, w.AllowSVG, w.AllowTIFF = f.get("cdn_cache_control"), f.on("surrogate_key"), f.on("quota_headers"), f.on("allow_svg"), f.on("allow_tiff")
			return nil
		},
		data: func(v *visit, _ *workspace.Workspace) (any, error) {
			return generalPage{workspace.Dialects(), v.may(account.DeleteWorkspace)}, nil
		},
	})
}

// export answers the settings as a file for tintype apply, with masked secrets.
func (v *visit) export() error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	text := append([]byte("# Workspace "+w.Namespace+", revision "+strconv.FormatInt(w.Revision, 10)+". "+
		"*** is a secret that stays as it is stored.\n"), workspace.NewDocument(w.Masked()).YAML()...)
	h := v.w.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Content-Disposition", `attachment; filename="`+w.Namespace+`.yaml"`)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if v.r.Method != http.MethodHead {
		_, err = v.w.Write(text)
	}
	return err
}

// importFile changes the workspace to match a text of YAML or JSON, as tintype apply does.
func (v *visit) importFile() error {
	return v.settings(settingsForm{
		template: "import", after: "/settings", fields: map[string]string{"": "text"}, secrets: []secretField{{name: "text", document: true}},
		fill: func(*workspace.Workspace) url.Values { return url.Values{} },
		edit: func(w *workspace.Workspace, f form) error {
			all, err := workspace.DecodeAll(strings.NewReader(f.get("text")), "the text")
			if err != nil {
				if _, ok := errors.AsType[*workspace.ValidationError](err); !ok {
					err = wrong("", err.Error())
				}
				return err
			}
			if len(all) != 1 || all[0].Namespace != w.Namespace {
				return wrong("", "must have one workspace, with namespace: "+w.Namespace)
			}
			p, err := all[0].Plan(w, f.on("prune"))
			if err != nil {
				return err
			}
			is := p.Workspace
			if is.Plan == "" && !v.may(account.SetPlan) {
				is.Plan = w.Plan // a file that leaves it out asks for no other plan
			}
			is.ID, is.Revision, is.CreatedAt, is.UpdatedAt = w.ID, w.Revision, w.CreatedAt, w.UpdatedAt
			*w = *is
			return nil
		},
	})
}

// A deletion is the data of delete.html.
type deletion struct {
	Workspace *workspace.Workspace
	Form      form
	Answered  int64 // images of the last 7 days
	Keys      int   // API keys that are in use
	Members   int
}

// deleteWorkspace deletes the workspace whose namespace was typed, if it is as it was shown.
func (v *visit) deleteWorkspace() error {
	if v.r.Method != http.MethodPost {
		return v.showDeletion(form{}, http.StatusOK)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	if f.get("typed") != v.ns {
		f.Errors = map[string]string{"typed": "Type " + v.ns + " to delete the workspace."}
		return v.showDeletion(f, http.StatusUnprocessableEntity)
	}
	revision, _ := f.number("revision") // none is no revision that the page showed
	err = v.d.Manage.DeleteWorkspace(v.r.Context(), v.caller(), v.ns, int64(max(revision, 1)), nil)
	if errors.Is(err, workspace.ErrConflict) {
		f.Faults = []string{"Somebody changed the workspace since you opened this page. Look at it again, then type its name once more."}
		f.Values.Del("typed")
		return v.showDeletion(f, http.StatusConflict)
	}
	if err != nil {
		return err
	}
	return v.redirect("/app", "deleted")
}

func (v *visit) showDeletion(f form, status int) error {
	ctx, who, m := v.r.Context(), v.caller(), v.d.Manage
	d := deletion{Form: f}
	var err error
	if d.Workspace, err = v.workspace(); err != nil {
		return err
	}
	to := v.d.now().UTC()
	total, err := m.TotalUsage(ctx, who, v.ns, to.AddDate(0, 0, -6), to)
	if err != nil {
		return err
	}
	d.Answered = total.Requests - total.Errors
	keys, err := m.APIKeys(ctx, who, v.ns)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.RevokedAt == nil && (k.ExpiresAt == nil || to.Before(*k.ExpiresAt)) {
			d.Keys++
		}
	}
	people, err := m.Members(ctx, who, v.ns)
	if err != nil {
		return err
	}
	d.Members = len(people.Members)
	return v.show(status, "delete", d)
}
