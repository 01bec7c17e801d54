package dashboard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/playground"
	"github.com/tintype/tintype/workspace"
)

const (
	signsPerMinute = 120 // requests of one person in one workspace that sign, on this server
	signsAtOnce    = 50  // URLs in one such request

	mostOptions = 160 // bytes of a preset's options on the page
	mostNamed   = 5   // members who can sign, by name
)

// A playSource is a source to choose from.
type playSource struct{ Key, Kind, Access string }

// A playTile is an image of the folder that is shown.
type playTile struct {
	imageTile
	Src string // source/path
}

// A browsePart is the folder from which an original is chosen.
type browsePart struct {
	Source  string
	Kind    string // of the source, in words
	Listed  bool   // its images can be listed
	Crumbs  []folder
	Folders []folder
	Images  []playTile
	First   string // URL of the first page; empty for none
	Next    string // URL of the next page; empty for none
	Note    string // why the folder can't be listed
	Src     string // that is chosen
}

// A playAnswer is the URL that the form without scripts asked for.
type playAnswer struct {
	URL   string // with host
	Image string // path of the picture to show; empty where its URL must be signed first
	Ends  string // when a signed URL ends
}

// A playPage is the data of playground.html.
type playPage struct {
	Bench   template.HTML
	Script  playground.Data
	Sources []playSource
	MayAdd  bool // the visitor may add a source
	AnyURL  bool // full URLs of some hosts are allowed
	Browse  browsePart
	Src     string
	Options string // as in a query
	Answer  *playAnswer
	Offer   *keyOffer // of a signature that the visitor doesn't get; nil where he does
	Form    form
	Public  string // path of the page for everybody
}

// playground is the page on which a member tries options on images of the workspace. Its
// script is that of the page for everybody, and asks a POST for signed URLs.
func (v *visit) playground() error {
	q := v.r.URL.Query()
	f := form{Values: url.Values{"src": {q.Get("src")}, "options": {q.Get("options")}}}
	if q.Get("part") == "browse" {
		part, err := v.browsed(q.Get("source"), q.Get("prefix"), q.Get("cursor"))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := templates()["playground"].ExecuteTemplate(&b, "browse", part); err != nil {
			return err
		}
		return v.answer(http.StatusOK, "text/html; charset=utf-8", b.Bytes())
	}
	return v.showPlayground(f, nil, http.StatusOK)
}

// signInPlayground signs URLs for the script, and the one of the form for a visitor without
// scripts.
func (v *visit) signInPlayground() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if strings.HasPrefix(v.r.Header.Get("Accept"), "application/json") {
		return v.signForScript(f)
	}
	target, err := v.playTarget(f)
	if err == nil {
		var signed []string
		var ends time.Time
		if signed, ends, err = v.sign(f, []string{target}); err == nil {
			return v.showPlayground(f, &playAnswer{URL: v.base() + signed[0], Image: signed[0], Ends: day(&ends)}, http.StatusOK)
		}
	}
	if status, ok := v.refused(err, &f, playFields); ok {
		return v.showPlayground(f, nil, status)
	}
	return err
}

// playFields has the field for each path of a problem.
var playFields = map[string]string{"src": "src", "options": "options"}

// signForScript answers the script: with the signed URLs in the order of the fields url, or
// with the error as the API writes it.
func (v *visit) signForScript(f form) error {
	var answer any
	status := http.StatusOK
	signed, ends, err := v.sign(f, f.Values["url"])
	if err != nil {
		e := fault.OfManaging(err)
		if e.Code == fault.Internal || v.gone(err) {
			return err
		}
		e.Headers(v.w.Header())
		status, answer = e.Status(), e.Envelope("")
	} else {
		answer = struct {
			Signed  []string  `json:"signed"`
			Expires time.Time `json:"expires"`
		}{signed, ends}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return v.answer(status, "application/json", body)
}

// sign signs paths of the workspace for as long as the form says. One person may only do so
// often, since each time reads the store.
func (v *visit) sign(f form, paths []string) ([]string, time.Time, error) {
	if len(paths) > signsAtOnce {
		return nil, time.Time{}, fault.New(fault.Validation, "At most "+strconv.Itoa(signsAtOnce)+" URLs can be signed at once.")
	}
	d, err := v.d.signing.Take(v.r.Context(), limit.Limit{Key: v.who.ID + "/" + v.ns, Window: limit.Minute, Max: signsPerMinute})
	if err != nil {
		return nil, time.Time{}, err
	}
	if !d.OK {
		return nil, time.Time{}, &fault.Error{
			Code: fault.RateLimited, Message: "You had " + strconv.Itoa(signsPerMinute) + " signatures in this minute. Wait until it is over.", RetryAfter: max(1, int(d.Reset.Seconds())),
		}
	}
	seconds, ok := f.number("seconds")
	if !ok || seconds == 0 {
		seconds = lifetimes[0].Seconds
	}
	return v.d.Manage.SignURLs(v.r.Context(), v.caller(), v.ns, paths, seconds)
}

// playTarget returns the path and query that the form without scripts names.
func (v *visit) playTarget(f form) (string, error) {
	src, options := strings.Trim(f.get("src"), "/"), strings.TrimPrefix(f.get("options"), "?")
	values, err := url.ParseQuery(options)
	if err != nil {
		return "", wrong("options", "must be written as in a URL, such as w=400&fit=cover")
	}
	if source, path, ok := strings.Cut(src, "/"); ok && path != "" && !strings.Contains(src, "://") {
		return (&url.URL{Path: "/" + v.ns + "/" + source + "/" + path, RawQuery: values.Encode()}).String(), nil
	}
	if !strings.Contains(src, "://") {
		return "", wrong("src", "must name an image, as source/path or by its URL")
	}
	values.Set("src", src)
	return "/" + v.ns + "?" + values.Encode(), nil
}

func (v *visit) showPlayground(f form, answer *playAnswer, status int) error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	sources, _, err := v.d.Manage.Sources(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return err
	}
	p := playPage{
		MayAdd: v.may(account.WriteSource), AnyURL: len(w.AllowedSources) > 0, Form: f, Answer: answer, Public: "/playground/" + v.ns,
		Src: strings.Trim(f.get("src"), "/"), Options: strings.TrimPrefix(f.get("options"), "?"),
	}
	missing, err := v.cannotSign()
	if err != nil {
		return err
	}
	if missing != nil {
		p.Offer = &keyOffer{missing, v.r.URL.Path + "?" + url.Values{"src": {p.Src}, "options": {p.Options}}.Encode()}
	}
	m := playground.Member{Base: v.base(), Page: v.r.URL.Path, RequireSignature: w.RequireSignature, PresetsOnly: w.PresetsOnly, CannotSign: missing, Presets: map[string]string{}}
	for _, s := range sources {
		p.add(&m, w, s)
	}
	if err := v.fillBrowse(&p, w, q.Get("source"), q.Get("prefix"), q.Get("cursor")); err != nil {
		return err
	}
	var b playground.Bench
	for _, preset := range w.Presets {
		b.Presets = append(b.Presets, preset.Name)
		m.Presets[preset.Name] = preset.Options[:min(len(preset.Options), mostOptions)]
	}
	for _, mark := range w.Marks {
		b.Marks = append(b.Marks, mark.Name)
	}
	for _, l := range lifetimes {
		b.Lifetimes = append(b.Lifetimes, playground.Lifetime(l))
	}
	if p.Bench, err = b.HTML(); err != nil {
		return err
	}
	m.Src, m.First = p.Src, firstOptions(w, p.Options)
	p.Script = playground.NewMemberData(v.ns, m)
	if p.Answer == nil && f.get("src") != "" && len(f.Errors) == 0 {
		target, err := v.playTarget(f)
		if err != nil {
			// The page is fine all the same, and its script says more.
			if _, ok := v.refused(err, &p.Form, playFields); !ok {
				return err
			}
			return v.show(status, "playground", p)
		}
		p.Answer = &playAnswer{URL: v.base() + target}
		if source, _, _ := strings.Cut(p.Src, "/"); !v.private(w, source) {
			p.Answer.Image = target
		}
	}
	return v.show(status, "playground", p)
}

// add adds a source to the page.
func (p *playPage) add(m *playground.Member, w *workspace.Workspace, info manage.SourceInfo) {
	s := playground.Source{Key: info.Key, Private: info.Private, Listed: info.Kind != "http", Marks: []string{}}
	for _, mark := range w.Marks {
		if slices.Contains(mark.AutoApplySources, s.Key) {
			s.Marks = append(s.Marks, mark.Name)
		}
	}
	m.Sources = append(m.Sources, s)
	access := "public"
	if s.Private || w.RequireSignature {
		access = "private"
	}
	p.Sources = append(p.Sources, playSource{s.Key, kindName(info.Kind), access})
}

func kindName(kind string) string {
	for _, k := range kinds {
		if k.Kind == kind {
			return strings.ToLower(k.Name[:1]) + k.Name[1:]
		}
	}
	if kind == "dir" {
		return "folder"
	}
	return kind
}

// fillBrowse chooses the folder that the page shows. It is the one that the query names, else
// the one of the original, else the first in which there is an image. The page then opens
// with this image.
func (v *visit) fillBrowse(p *playPage, w *workspace.Workspace, source, prefix, cursor string) (err error) {
	has := func(key string) bool {
		return slices.ContainsFunc(p.Sources, func(s playSource) bool { return s.Key == key })
	}
	if key, path, ok := strings.Cut(p.Src, "/"); source == "" && ok && has(key) {
		source, prefix = key, above(path)
	}
	if !has(source) {
		first := ""
		if p.Src == "" {
			first = v.pictures(w).first(nil)
		}
		key, path, _ := strings.Cut(first, "/")
		source, prefix, cursor = key, above(path), ""
		if !has(source) && len(p.Sources) > 0 {
			source, prefix = p.Sources[0].Key, ""
		}
		p.Src = cmp.Or(p.Src, first)
	}
	if source == "" {
		return nil
	}
	i := slices.IndexFunc(p.Sources, func(s playSource) bool { return s.Key == source })
	if p.Browse, err = v.browse(source, p.Sources[i].Kind, prefix, cursor); err != nil {
		return err
	}
	if p.Src == "" && len(p.Browse.Images) > 0 {
		p.Src = p.Browse.Images[0].Src
	}
	p.Browse.Src = p.Src
	return nil
}

// browsed is browse for a source that a query names.
func (v *visit) browsed(source, prefix, cursor string) (browsePart, error) {
	sources, _, err := v.d.Manage.Sources(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return browsePart{}, err
	}
	i := slices.IndexFunc(sources, func(s manage.SourceInfo) bool { return s.Key == source })
	if i < 0 {
		return browsePart{}, fault.New(fault.SourceNotFound, "The workspace has no source of this name.")
	}
	return v.browse(source, kindName(sources[i].Kind), prefix, cursor)
}

// browse lists a folder of a source, whose kind is in words.
func (v *visit) browse(source, kind, prefix, cursor string) (browsePart, error) {
	b := browsePart{Source: source, Kind: kind, Listed: kind != kindName("http")}
	if !b.Listed {
		return b, nil
	}
	at := func(prefix, cursor string) string {
		q := url.Values{"source": {source}, "prefix": {prefix}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		return v.r.URL.Path + "?" + q.Encode()
	}
	b.Crumbs = []folder{{source, at("", "")}}
	for i, r := range prefix {
		if r == '/' {
			b.Crumbs = append(b.Crumbs, folder{lastOf(prefix[:i+1]), at(prefix[:i+1], "")})
		}
	}
	list, err := v.d.Manage.Images(v.r.Context(), v.caller(), v.ns, source, prefix, "/", cursor, imagesOnPage)
	if err != nil {
		e := fault.OfManaging(err)
		if e.Code == fault.Internal || v.gone(err) {
			return b, err
		}
		b.Note = sentence(e.Message)
		return b, nil
	}
	for _, name := range list.Folders {
		b.Folders = append(b.Folders, folder{lastOf(name), at(name, "")})
	}
	tiles, err := v.tilesOf(list.Images)
	if err != nil {
		return b, err
	}
	for _, t := range tiles {
		b.Images = append(b.Images, playTile{t, t.Source + "/" + t.Path})
	}
	if cursor != "" {
		b.First = at(prefix, "")
	}
	if list.Next != "" {
		b.Next = at(prefix, list.Next)
	}
	return b, nil
}

// lastOf returns the name of the last folder of a prefix.
func lastOf(prefix string) string {
	prefix = strings.TrimSuffix(prefix, "/")
	return prefix[strings.LastIndexByte(prefix, '/')+1:]
}

// firstOptions returns the options that the page opens with.
func firstOptions(w *workspace.Workspace, options string) map[string]string {
	first := map[string]string{}
	values, _ := url.ParseQuery(options) // what can't be read is left out
	for name := range values {
		first[name] = values.Get(name)
	}
	switch {
	case len(first) > 0:
	case w.PresetsOnly && len(w.Presets) > 0:
		first["preset"] = w.Presets[0].Name
	case !w.PresetsOnly:
		first["w"] = "640"
	}
	return first
}

// whoSigns returns the addresses of some members who may sign.
func whoSigns(people manage.Members) (names []string) {
	for _, m := range people.Members {
		if m.Role.Includes(account.Sign.Right().Role) && len(names) < mostNamed {
			names = append(names, m.Email+" ("+string(m.Role)+")")
		}
	}
	return names
}

// listedOr joins names as a sentence does.
func listedOr(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// playgroundURL returns the page with an original and options.
func (v *visit) playgroundURL(src string, options url.Values) string {
	q := url.Values{"src": {src}}
	if len(options) > 0 {
		q.Set("options", options.Encode())
	}
	return "/app/" + v.ns + "/playground?" + q.Encode()
}
