package dashboard

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// mostSteps is the number of first steps.
const mostSteps = 4

// firstSteps leads from an empty workspace to an image of it on the visitor's page.
type firstSteps struct {
	manage.FirstSteps
	Sources     []string  // keys, also of folders
	SourcesPath string    // of the page of sources; empty where the visitor may not change them
	NewSource   string    // path of the page that adds one; empty as SourcesPath
	Source      string    // that the image is of
	Path        string    // that was typed
	Wrong       string    // what is wrong with the path; empty for nothing
	Image       string    // path and query of the image; empty before a path was typed
	URL         string    // of the image
	Smaller     string    // URL of the image for small screens
	Signed      string    // path and query of the image with a signature, where it needs one
	NeedsKey    string    // why the browser can't load the image; empty if it can
	Offer       *keyOffer // what to do about NeedsKey; nil where ExplainPath says more
	ExplainPath string
	Playground  string
	Done, Of    int // numbers of steps
	AccessPath  string
	OwnOnly     bool       // only images of sources are shown
	Open        url.Values // fields of the page at AccessPath, where anybody can use the workspace for images of the whole web
	Hide        string     // path of the form that hides them; empty for none
}

// firstSteps returns nil where all steps are done or hidden, unless the visitor looks at an
// image there.
func (v *visit) firstSteps(w *workspace.Workspace) (f *firstSteps, hidden bool, err error) {
	q := v.r.URL.Query()
	typed := q.Has("path")
	if v.d.settled.Contains(w.ID) && !typed {
		return nil, false, nil
	}
	steps, err := v.d.Manage.FirstSteps(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return nil, false, err
	}
	if steps.Used {
		v.d.settled.Add(w.ID, struct{}{})
	}
	if (steps.Used || steps.Hidden) && !typed {
		return nil, steps.Hidden && !steps.Used, nil
	}
	f = &firstSteps{FirstSteps: steps, Sources: keysOf(w.Sources), Of: mostSteps, Playground: "/app/" + v.ns + "/playground", AccessPath: "/app/" + v.ns + "/access", OwnOnly: len(w.AllowedSources) == 0}
	if v.may(account.UpdateWorkspace) && !steps.Hidden && !steps.Used {
		f.Hide = "/app/" + v.ns + "/first-steps"
	}
	if v.may(account.UpdateWorkspace) && openToTheWeb(w) {
		f.Open = accessValues(w)
	}
	for _, key := range v.d.Manage.Folders(v.ns) {
		if !slices.Contains(f.Sources, key) {
			f.Sources = append(f.Sources, key)
		}
	}
	f.Source, f.Path, _ = strings.Cut(steps.Image, "/")
	if typed {
		f.Source, f.Path = q.Get("source"), strings.TrimLeft(strings.TrimSpace(q.Get("path")), "/")
	}
	if v.may(account.WriteSource) {
		f.SourcesPath, f.NewSource = "/app/"+v.ns+"/sources", "/app/"+v.ns+"/sources/_new"
	}
	if f.Path != "" && slices.Contains(f.Sources, f.Source) {
		if err := v.firstImage(w, f, typed); err != nil {
			return nil, false, err
		}
	}
	f.Done = f.FirstSteps.Done()
	return f, false, nil
}

// firstImage adds the image that was typed to the first steps. With test it fetches the image,
// so that the page says what is wrong.
func (v *visit) firstImage(w *workspace.Workspace, f *firstSteps, test bool) error {
	at := (&url.URL{Path: "/" + v.ns + "/" + f.Source + "/" + f.Path}).EscapedPath()
	f.Image = at + "?w=400"
	f.URL, f.Smaller = v.base()+at+"?w=800", v.base()+f.Image
	f.ExplainPath = "/app/" + v.ns + "/access?" + url.Values{"url": {f.Image}}.Encode()
	f.Playground = v.playgroundURL(f.Source+"/"+f.Path, nil)
	switch {
	case w.PresetsOnly:
		f.NeedsKey = "This workspace takes presets only, and this URL says w=400."
	case v.private(w, f.Source):
		if err := v.firstSigned(f); err != nil {
			return err
		}
	}
	if !test || f.SourcesPath == "" || !slices.Contains(keysOf(w.Sources), f.Source) {
		return nil
	}
	look := v.d.Manage.LookAtFirst
	if f.NeedsKey != "" {
		look = func(ctx context.Context, who manage.Caller, namespace, source, path string) (manage.SourceTest, error) {
			return v.d.Manage.TestSource(ctx, who, namespace, workspace.Source{Key: source}, path)
		}
	}
	t, err := look(v.r.Context(), v.caller(), v.ns, f.Source, f.Path)
	switch {
	case err != nil && fault.OfManaging(err).Code == fault.NotFound: // this server delivers no images
	case err != nil:
		f.Wrong = sentence(fault.OfManaging(err).Message)
	case !t.OK:
		f.Wrong = t.Message
	default:
		f.Tested, f.Seen = true, f.Seen || f.NeedsKey == ""
	}
	return nil
}

// firstSigned signs the URL of the first image, or says why it can't.
func (v *visit) firstSigned(f *firstSteps) error {
	missing, err := v.cannotSign()
	if err != nil {
		return err
	}
	if missing != nil {
		image := url.Values{"source": {f.Source}, "path": {f.Path}}
		f.NeedsKey, f.Offer = missing.Means, &keyOffer{missing, "/app/" + v.ns + "?" + image.Encode() + "#first"}
		return nil
	}
	f.Signed, _, err = v.d.Manage.SignURL(v.r.Context(), v.caller(), v.ns, f.Image, 0)
	if err != nil {
		f.NeedsKey = sentence(fault.OfManaging(err).Message)
	}
	return nil
}

// changeFirstSteps hides the first steps for all who see the workspace, or shows them again.
func (v *visit) changeFirstSteps() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	hide := f.get("do") != "show"
	if err := v.d.Manage.HideFirstSteps(v.r.Context(), v.caller(), v.ns, hide); err != nil {
		return err
	}
	if !hide {
		return v.redirect("/app/"+v.ns, "")
	}
	return v.redirect("/app/"+v.ns, "hidden")
}

// stepsBack is the way back to the first steps, on pages that they lead to.
type stepsBack struct {
	Path     string
	Done, Of int
}

// leadsBack are the templates of the pages that first steps lead to.
var leadsBack = []string{"source", "sources", "sourcekind", "signingkeys", "playground", "access", "images", "image", "members"}

// back returns the way back to the first steps, or nil where a page needs none. A page is fine
// without it, so it returns no errors.
func (v *visit) back(name string) *stepsBack {
	if v.role == "" || !slices.Contains(leadsBack, name) {
		return nil
	}
	w, err := v.workspace()
	if err != nil || v.d.settled.Contains(w.ID) {
		return nil
	}
	steps, err := v.d.Manage.FirstSteps(v.r.Context(), v.caller(), v.ns)
	if err != nil || steps.Used || steps.Hidden {
		return nil
	}
	return &stepsBack{"/app/" + v.ns + "#first", steps.Done(), mostSteps}
}

// base returns scheme and host of URLs of images, without a slash at the end.
func (v *visit) base() string {
	if u := v.d.PublicURL; u != nil {
		return u.Scheme + "://" + u.Host
	}
	if v.r.TLS != nil {
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host
}
