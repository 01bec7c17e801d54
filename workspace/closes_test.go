package workspace

import (
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/signing"
)

// TestCloses: Closes warns of exactly the URLs that a change makes fail, or that need a
// signature from then on.
func TestCloses(t *testing.T) {
	type edit func(*Workspace)
	at := func(key, path string) Source {
		return Source{Key: key, Kind: "http", URL: "https://o.example.com/" + path}
	}
	private := func(s Source) Source { s.Private = true; return s }
	also := func(s Source, urls ...string) Source { s.PublicURLs = urls; return s }
	bucket := Source{Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1"}
	sources := func(list ...Source) edit { return func(w *Workspace) { w.Sources = list } }
	allowed := func(list ...string) edit { return func(w *Workspace) { w.AllowedSources = list } }
	origins := func(list ...string) edit { return func(w *Workspace) { w.AllowedOrigins = list } }
	from := func(key string) edit { return func(w *Workspace) { w.DefaultSource = key } }
	imgix := func(w *Workspace) { w.Dialect = "imgix" }
	weserv := func(w *Workspace) { w.Dialect = "weserv" }
	presets := func(w *Workspace) { w.PresetsOnly = true }
	strict := func(w *Workspace) { w.StrictOptions = true }
	signed := func(w *Workspace) { w.RequireSignature = true }
	httpsOnly := func(w *Workspace) { w.HTTPSOnly = true }
	svg := func(w *Workspace) { w.AllowSVG = true }
	tiff := func(w *Workspace) { w.AllowTIFF = true }
	thumb := func(w *Workspace) { w.Presets = []Preset{{Name: "thumb", Options: "w=320"}} }
	logo := func(w *Workspace) { w.Marks = []Mark{{Name: "logo", Image: "photos/logo.png"}} }
	bind := func(w *Workspace) { w.Marks[0].AutoApplySources = []string{"photos"} }
	sized := func(options string) edit {
		return func(w *Workspace) { w.Presets = []Preset{{Name: "thumb", Options: options}} }
	}
	stamped := func(option string) edit {
		return func(w *Workspace) { w.Presets = []Preset{{Name: "thumb", Options: "w=320&" + option + "=vault/x.png"}} }
	}
	domains := func(list ...string) edit { return func(w *Workspace) { w.Domains = list } }
	photos, vault, lobby := at("photos", "photos/"), private(at("vault", "vault/")), at("lobby", "photos/lobby/")
	const (
		keyed    = " need a signature or an API key from now on"
		fails    = " are refused from now on"
		allPlace = "source vault is private: full URLs of its place, which allowed_sources allow (*)," + keyed
	)
	for name, test := range map[string]struct {
		old, new []edit
		want     []string
	}{
		"nothing": {[]edit{sources(photos, vault), allowed("*"), thumb, logo}, []edit{sources(photos, vault), allowed("*"), thumb, logo}, nil},

		"a dialect":           {nil, []edit{imgix}, []string{"dialect: URLs are read as imgix, and no longer as native: URLs in use may fail from now on"}},
		"another dialect":     {[]edit{imgix}, []edit{weserv}, []string{"dialect: URLs are read as weserv, and no longer as imgix: URLs in use may fail from now on"}},
		"no dialect":          {[]edit{imgix}, nil, []string{"dialect: URLs are read as native, and no longer as imgix: URLs in use may fail from now on"}},
		"presets only":        {nil, []edit{presets}, []string{"presets_only is on: URLs with other options than preset, v and dl, and those of info and placeholders," + fails}},
		"not presets only":    {[]edit{presets}, nil, nil},
		"strict options":      {nil, []edit{strict}, []string{"strict_options is on: URLs with options that are ignored until now" + fails}},
		"no SVG":              {[]edit{svg}, nil, []string{"allow_svg is off: SVG images" + fails}},
		"no TIFF":             {[]edit{tiff}, nil, []string{"allow_tiff is off: TIFF images" + fails}},
		"SVG and TIFF":        {nil, []edit{svg, tiff}, nil},
		"signatures":          {[]edit{sources(photos)}, []edit{sources(photos), signed}, []string{"require_signature is on: images of all sources, and those of full URLs," + keyed}},
		"no signatures":       {[]edit{signed}, nil, nil},
		"signatures, no site": {[]edit{sources(photos)}, []edit{sources(private(photos)), signed}, []string{"require_signature is on: images of all sources, and those of full URLs," + keyed}},
		"a preset":            {[]edit{thumb}, nil, []string{"preset thumb is gone: URLs that name it" + fails}},
		"a mark":              {[]edit{logo}, nil, []string{"mark logo is gone: URLs that name it" + fails}},
		"a mark is bound":     {[]edit{sources(photos), logo}, []edit{sources(photos), logo, bind}, []string{"mark logo is bound to source photos: URLs that name an image of photos as their mark" + fails}},
		"a mark stays":        {[]edit{sources(photos), logo, bind}, []edit{sources(photos), logo, bind}, nil},
		"a preset with a private mark": {[]edit{sources(photos, vault), thumb}, []edit{sources(photos, vault), stamped("mark")}, []string{
			"preset thumb names an image of source vault, which is private: URLs with the preset" + keyed}},
		"a preset with a private default": {[]edit{sources(photos, vault), thumb}, []edit{sources(photos, vault), stamped("default")}, []string{
			"preset thumb names an image of source vault, which is private: URLs with the preset" + keyed}},
		"a preset's mark becomes private": {[]edit{sources(photos, at("vault", "vault/")), stamped("mark")}, []edit{sources(photos, vault), stamped("mark")}, []string{
			"preset thumb names an image of source vault, which is private: URLs with the preset" + keyed, "source vault is private: its images" + keyed}},
		"a preset's mark was private":           {[]edit{sources(photos, vault), stamped("mark")}, []edit{sources(photos, vault), stamped("default")}, nil},
		"a preset's mark, signed":               {[]edit{signed, sources(photos, vault), thumb}, []edit{signed, sources(photos, vault), stamped("mark")}, nil},
		"a preset grows":                        {[]edit{sized("w=400")}, []edit{sized("w=1700")}, []string{"preset thumb has larger lengths: URLs with the preset and a dpr of 5 or more" + fails}},
		"a preset grows, more":                  {[]edit{sized("h=400&pad=9")}, []edit{sized("h=400&pad=3000")}, []string{"preset thumb has larger lengths: URLs with the preset and a dpr of 3 or more" + fails}},
		"a preset with a dpr grows":             {[]edit{sized("w=800&dpr=2")}, []edit{sized("w=4096&dpr=2")}, []string{"preset thumb has larger lengths: URLs with the preset and a dpr of 3 or more" + fails}},
		"a preset grows within what is allowed": {[]edit{sized("w=400")}, []edit{sized("w=1600")}, nil},
		"a preset shrinks":                      {[]edit{sized("w=8000")}, []edit{sized("w=400")}, nil},
		"a large preset grows":                  {[]edit{sized("w=1700")}, []edit{sized("w=2000")}, nil},
		"a domain":                              {[]edit{domains("a.example.com", "b.example.com")}, []edit{domains("b.example.com", "c.example.com")}, []string{"domain a.example.com is gone: its URLs" + fails}},
		"some origins":                          {[]edit{origins("*")}, []edit{origins("https://a.example.com", "null")}, []string{"allowed_origins: requests by scripts of pages that only * allowed" + fails}},
		"fewer origins":                         {[]edit{origins("https://a.example.com", "*.b.example", "c.example")}, []edit{origins("a.example.com", "x.b.example")}, []string{"allowed_origins: requests by scripts of pages that only *.b.example, c.example allowed" + fails}},
		"more origins":                          {[]edit{origins("a.b.example", "null")}, []edit{origins("*.b.example", "null", "c.example")}, nil},
		"every origin":                          {[]edit{origins("a.b.example", "null")}, []edit{origins("*")}, nil},
		"a private default":                     {[]edit{sources(photos, vault), from("photos")}, []edit{sources(photos, vault), from("vault")}, []string{"default_source: source vault is private: URLs of other products that name no source" + keyed}},
		"a first default beside a public one":   {[]edit{sources(photos, vault)}, []edit{sources(photos, vault), from("vault")}, []string{"default_source is vault: the first part of a path in URLs of other products is a folder of vault, and no longer the key of a source: these URLs may fail from now on"}},
		"another default":                       {[]edit{sources(photos, lobby), from("photos")}, []edit{sources(photos, lobby), from("lobby")}, []string{"default_source is lobby: URLs of other products that name no source have their images in it, and no longer in photos: these URLs may fail from now on"}},
		"no default":                            {[]edit{sources(photos), from("photos")}, []edit{sources(photos)}, []string{"default_source is empty: URLs of other products that name no source" + fails}},
		"a public default":                      {[]edit{sources(photos, vault), from("vault")}, []edit{sources(photos, vault), from("photos")}, []string{"default_source is photos: URLs of other products that name no source have their images in it, and no longer in vault: these URLs may fail from now on"}},
		"a first default":                       {[]edit{sources(vault)}, []edit{sources(vault), from("vault")}, nil},
		"signatures, a default": {[]edit{signed, sources(photos, vault), from("photos")}, []edit{signed, sources(photos, vault), from("vault")}, []string{
			"default_source is vault: URLs of other products that name no source have their images in it, and no longer in photos: these URLs may fail from now on"}},

		"private": {[]edit{sources(photos)}, []edit{sources(private(photos))}, []string{"source photos is private: its images" + keyed}},
		"private, and the default": {[]edit{sources(photos), from("photos")}, []edit{sources(private(photos)), from("photos")}, []string{
			"default_source: source photos is private: URLs of other products that name no source" + keyed, "source photos is private: its images" + keyed}},
		"private, under a signature": {[]edit{sources(photos), signed}, []edit{sources(private(photos)), signed}, nil},
		"private, and allowed":       {[]edit{sources(photos), allowed("*")}, []edit{sources(private(photos)), allowed("*")}, []string{"source photos is private: its images" + keyed}},
		"a bucket, private":          {[]edit{sources(bucket)}, []edit{sources(private(bucket))}, []string{"source media is private: its images" + keyed}},
		"public":                     {[]edit{sources(private(photos))}, []edit{sources(photos)}, nil},
		"gone":                       {[]edit{sources(photos)}, nil, []string{"source photos is gone: URLs that name it and full URLs of its images" + fails}},
		"gone, and allowed":          {[]edit{sources(photos), allowed("*")}, []edit{allowed("*")}, []string{"source photos is gone: URLs that name it" + fails}},
		"another name":               {[]edit{sources(vault)}, []edit{sources(private(at("safe", "vault/")))}, []string{"source vault is gone: URLs that name it" + fails}},
		"another order":              {[]edit{sources(photos, vault)}, []edit{sources(vault, photos)}, nil},
		"moved":                      {[]edit{sources(photos)}, []edit{sources(at("photos", "new/"))}, []string{"source photos has another place now: full URLs of images at its former place" + fails}},
		"moved, and allowed":         {[]edit{sources(photos), allowed("o.example.com")}, []edit{sources(at("photos", "new/")), allowed("o.example.com")}, nil},
		"moved, and allowed over https": {[]edit{sources(photos), allowed("*")}, []edit{sources(at("photos", "new/")), allowed("https://*")}, []string{
			"source photos has another place now: full URLs of images at its former place over http" + fails, "allowed_sources: full URLs that only * (over http) allowed" + fails}},
		"gone, and allowed over http":  {[]edit{sources(photos), allowed("http://*")}, []edit{allowed("http://*")}, []string{"source photos is gone: URLs that name it and full URLs of its images over https" + fails}},
		"gone, and allowed over https": {[]edit{sources(photos), allowed("https://o.example.com")}, []edit{allowed("https://o.example.com")}, []string{"source photos is gone: URLs that name it and full URLs of its images over http" + fails}},
		"gone, and https only":         {[]edit{sources(photos), allowed("*"), httpsOnly}, []edit{allowed("*"), httpsOnly}, []string{"source photos is gone: URLs that name it and full URLs of its images over http" + fails}},
		"a public URL less":            {[]edit{sources(also(photos, "https://cdn.example.net/"))}, []edit{sources(photos)}, []string{"source photos has another place now: full URLs of images at its former place" + fails}},

		"a private one alone":            {[]edit{allowed("*")}, []edit{sources(vault), allowed("*")}, []string{allPlace}},
		"a private one, nothing allowed": {nil, []edit{sources(vault)}, nil},
		"a private one, signed":          {[]edit{allowed("*"), signed}, []edit{sources(vault), allowed("*"), signed}, nil},
		"a private bucket":               {[]edit{allowed("*")}, []edit{sources(private(bucket)), allowed("*")}, []string{"source media is private: full URLs of its place, which allowed_sources allow (*)," + keyed}},
		"a public URL of one as private as another": {[]edit{sources(also(photos, "https://o.example.com/vault/"), vault), allowed("*.example.net")}, []edit{sources(also(photos, "https://o.example.com/vault/", "https://cdn.example.net/p/"), vault), allowed("*.example.net")}, []string{
			"source photos is as private as source vault: full URLs of its place, which allowed_sources allow (*.example.net)," + keyed}},
		"a private one's public URL":   {[]edit{sources(vault), allowed("*.example.net")}, []edit{sources(also(vault, "https://cdn.example.net/v/")), allowed("*.example.net")}, []string{"source vault is private: full URLs of its place, which allowed_sources allow (*.example.net)," + keyed}},
		"a private one moves":          {[]edit{sources(private(at("vault", "old/"))), allowed("*")}, []edit{sources(vault), allowed("*")}, []string{allPlace}},
		"a private one beside another": {[]edit{sources(photos), allowed("*")}, []edit{sources(photos, vault), allowed("*")}, []string{allPlace}},
		"a private one around another": {[]edit{sources(photos), allowed("*")}, []edit{sources(photos, private(at("all", ""))), allowed("*")}, []string{
			"source all is private: full URLs of its place outside of source photos, which allowed_sources allow (*)," + keyed}},
		"a private one around what is allowed": {[]edit{allowed("o.example.com/vault/2024/")}, []edit{sources(vault), allowed("o.example.com/vault/2024/")}, []string{
			"source vault is private: full URLs of its place, which allowed_sources allow (o.example.com/vault/2024/)," + keyed}},
		"a private one in a public one": {[]edit{sources(photos), allowed("*")}, []edit{sources(photos, private(lobby)), allowed("*")}, nil}, // Warn says it
		"a private one at its place":    {[]edit{sources(photos), allowed("*")}, []edit{sources(photos, private(at("vault", "photos/"))), allowed("*")}, nil},

		"a public source leaves a private one": {[]edit{sources(private(photos), lobby)}, []edit{sources(private(photos))}, []string{
			"source lobby is gone: URLs that name it" + fails,
			"source lobby, which was public, is gone: full URLs of its images lie in source photos, which is private, and" + keyed}},
		"a public source moved out of a private one": {[]edit{sources(private(photos), lobby)}, []edit{sources(private(photos), at("lobby", "web/"))}, []string{
			"source lobby, which was public, has another place now: full URLs of images at its former place lie in source photos, which is private, and" + keyed}},
		"a public source in a private one, another name": {[]edit{sources(private(photos), lobby)}, []edit{sources(private(photos), at("hall", "photos/lobby/"))}, []string{
			"source lobby is gone: URLs that name it" + fails}},
		"a public source leaves a private one, signed": {[]edit{sources(private(photos), lobby), signed}, []edit{sources(private(photos)), signed}, []string{
			"source lobby is gone: URLs that name it" + fails}},
		"they swap places": {[]edit{sources(photos, vault)}, []edit{sources(at("photos", "vault/"), private(at("vault", "photos/")))}, []string{
			"source photos, which was public, has another place now: full URLs of images at its former place lie in source vault, which is private, and" + keyed}},

		"a private one beside a look-alike": {[]edit{allowed("o.example.com/Vault/")}, []edit{sources(vault), allowed("o.example.com/Vault/")}, []string{
			"source vault is private: full URLs that some servers take for those of its images, and which allowed_sources allow (o.example.com/Vault/)," + fails + " (INVALID_SOURCE)"}},
		"a private one below a look-alike": {[]edit{allowed("https://o.example.com/Photos/")}, []edit{sources(private(lobby)), allowed("https://o.example.com/Photos/")}, []string{
			"source lobby is private: full URLs that some servers take for those of its images, and which allowed_sources allow (https://o.example.com/Photos/)," + fails + " (INVALID_SOURCE)"}},
		"a marked one beside a look-alike": {[]edit{sources(photos), logo, allowed("o.example.com/photos%20/")}, []edit{sources(photos), logo, bind, allowed("o.example.com/photos%20/")}, []string{
			"mark logo is bound to source photos: URLs that name an image of photos as their mark" + fails,
			"source photos is marked (logo): full URLs that some servers take for those of its images, and which allowed_sources allow (o.example.com/photos%20/)," + fails + " (INVALID_SOURCE)"}},
		"a private one far from what is allowed": {[]edit{allowed("o.example.com/vault2/", "p.example.com/Vault/")}, []edit{sources(vault), allowed("o.example.com/vault2/", "p.example.com/Vault/")}, nil},
		"a look-alike that is allowed late":      {[]edit{sources(vault)}, []edit{sources(vault), allowed("o.example.com/Vault/")}, nil},
		"a public one beside a look-alike":       {[]edit{allowed("o.example.com/Photos/")}, []edit{sources(photos), allowed("o.example.com/Photos/")}, nil},

		"nothing allowed":    {[]edit{allowed("*")}, nil, []string{"allowed_sources: full URLs that only * allowed" + fails}},
		"a host less":        {[]edit{allowed("a.example.com", "*.b.example", "c.example/x/")}, []edit{allowed("a.example.com")}, []string{"allowed_sources: full URLs that only *.b.example, c.example/x/ allowed" + fails}},
		"a host more":        {[]edit{allowed("a.example.com")}, []edit{allowed("a.example.com", "b.example")}, nil},
		"every host":         {[]edit{allowed("a.example.com:8443", "http://b.example", "192.0.2.1", "[2001:db8::1]/x")}, []edit{allowed("*")}, nil},
		"a wider pattern":    {[]edit{allowed("a.b.example/x/", "*.a.b.example")}, []edit{allowed("*.b.example")}, nil},
		"a narrower pattern": {[]edit{allowed("a.b.example")}, []edit{allowed("a.b.example/x/")}, []string{"allowed_sources: full URLs that only a.b.example allowed" + fails}},
		"over https":         {[]edit{allowed("a.b.example")}, []edit{allowed("https://a.b.example")}, []string{"allowed_sources: full URLs that only a.b.example (over http) allowed" + fails}},
		"over https, of two": {[]edit{allowed("*", "http://*")}, []edit{allowed("https://*")}, []string{"allowed_sources: full URLs that only * (over http), http://* allowed" + fails}},
		"two for one":        {[]edit{allowed("*.b.example", "a.b.example")}, []edit{allowed("a.b.example/x/")}, []string{"allowed_sources: full URLs that only *.b.example, a.b.example allowed" + fails}},
		"one of two":         {[]edit{allowed("*", "http://*")}, []edit{allowed("*")}, nil},
		"https only":         {[]edit{allowed("a.b.example", "https://c.example")}, []edit{allowed("a.b.example", "https://c.example"), httpsOnly}, []string{"https_only is on: full URLs over http" + fails}},
		"https only already": {[]edit{allowed("https://c.example")}, []edit{allowed("https://c.example"), httpsOnly}, nil},
		"a source instead":   {[]edit{allowed("o.example.com/photos/")}, []edit{sources(photos)}, nil},
		"a private instead":  {[]edit{allowed("o.example.com/vault/")}, []edit{sources(vault)}, []string{"source vault is private: full URLs of its place, which allowed_sources allow (o.example.com/vault/)," + keyed}},
	} {
		t.Run(name, func(t *testing.T) {
			old, w := New("acme"), New("acme")
			w.SigningKeys = []signing.Key{{ID: "KEY"}}
			old.AllowedSources, w.AllowedSources = nil, nil
			for _, e := range test.old {
				e(old)
			}
			for _, e := range test.new {
				e(w)
			}
			if got := w.Closes(old); !slices.Equal(got, test.want) {
				t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if got := slices.Concat(w.Closes(w), old.Closes(old), w.Closes(nil)); got != nil {
				t.Errorf("no change: %q", got)
			}
		})
	}
}

// TestClosesWithoutKey: where nobody can sign yet what needs a signature from then on, a warning
// says so.
func TestClosesWithoutKey(t *testing.T) {
	old := New("acme")
	old.Sources = []Source{{Key: "photos", Kind: "http", URL: "https://o.example.com/"}}
	for name, close := range map[string]func(*Workspace){
		"every image": func(w *Workspace) { w.RequireSignature = true },
		"a source":    func(w *Workspace) { w.Sources[0].Private = true },
	} {
		w := old.Clone()
		close(w)
		if got := w.Closes(old); len(got) != 2 || got[1] != NoSigningKey {
			t.Errorf("%s: %q", name, got)
		}
		if got := w.Closes(w); got != nil {
			t.Errorf("%s, which was so: %q", name, got)
		}
		w.DialectKeys = []DialectKey{{Dialect: "imgix"}}
		if got := w.Closes(old); len(got) != 1 {
			t.Errorf("%s, with a key of another product: %q", name, got)
		}
	}
	other := func(w *Workspace, url string, private bool) {
		w.Sources = append(w.Sources, Source{Key: "aa", Kind: "http", URL: url, Private: private})
	}
	byURL := New("acme")
	byURL.AllowedSources = nil
	byURL.Sources = []Source{{Key: "dd", Kind: "http", URL: "https://o.example.com/v/", PublicURLs: []string{"https://b1.example.com/s/"}}}
	for name, tt := range map[string]struct {
		close func(*Workspace)
		want  bool
	}{
		"a private source at a public URL":       {func(w *Workspace) { other(w, "https://b1.example.com/s/", true) }, true},
		"a private source in a public one":       {func(w *Workspace) { other(w, "https://o.example.com/v/in/", true) }, true},
		"a public source there":                  {func(w *Workspace) { other(w, "https://b1.example.com/s/", false) }, false},
		"a private source beside it":             {func(w *Workspace) { other(w, "https://o.example.com/w/", true) }, false},
		"a private source around it":             {func(w *Workspace) { other(w, "https://o.example.com/", true) }, false},
		"a private source there, all are signed": {func(w *Workspace) { other(w, "https://b1.example.com/s/", true); w.RequireSignature = true }, true}, // says so itself
		"a private source there, and a key signs": {func(w *Workspace) {
			other(w, "https://b1.example.com/s/", true)
			w.SigningKeys = []signing.Key{{ID: "KEY"}}
		}, false},
	} {
		w := byURL.Clone()
		tt.close(w)
		if got := w.Closes(byURL); slices.Contains(got, NoSigningKey) != tt.want {
			t.Errorf("%s: %q", name, got)
		}
		if got := w.Closes(w); got != nil {
			t.Errorf("%s, which was so: %q", name, got)
		}
	}
	moved, there := byURL.Clone(), byURL.Clone()
	other(moved, "https://p.example.com/", true)
	other(there, "https://p.example.com/", true)
	there.Sources[0].URL = "https://p.example.com/"
	if got := there.Closes(moved); !slices.Contains(got, NoSigningKey) {
		t.Errorf("moved to a private place: %q", got)
	}
	w := old.Clone()
	w.PresetsOnly = true
	if got := w.Closes(old); len(got) != 1 {
		t.Errorf("presets only: %q", got)
	}
}
