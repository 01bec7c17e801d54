//go:build cgo

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// allAttempts is the number of generated requests that try to avoid a mark.
// TestNoWayAroundMarks tries some of them, spread evenly, or all where SOAK is set.
const allAttempts = 20_000

// A gallery is a server with the real engine, and an origin whose originals are
// grey, so that the magenta of the marks shows:
//
//	full    a mark covers all of the output
//	corner  a mark covers 40 % × 40 % in the lower right
//	both    both belong to it: it is a second name of the folder of full and corner
//	outer   has the folders of all others in it
//	open    has no mark
type gallery struct {
	handler http.Handler
	engine  transform.Engine
	origin  *httptest.Server
	other   *httptest.Server // a host of nobody's, which redirects to the first
	secret  signing.Secret
}

var galleryPresets = []workspace.Preset{
	{Name: "clear", Options: "w=60&mark=clear&mark-opacity=0"},
	{Name: "tiny", Options: "w=9&h=9&fit=cover&mark-w=1&mark-opacity=0"},
	{Name: "other", Options: "mark=marks/clear.png&format=webp"},
	{Name: "afar", Options: "pad=0,90,90,0&mark-opacity=0"},
}

var magenta = color.NRGBA{255, 0, 255, 255}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	engine, err := newEngine(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g := &gallery{engine: engine, secret: signing.NewSecret()}
	originals := greyOriginals(t)
	g.origin = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch b, ok := originals[name]; {
		case r.URL.Path == "/marks/magenta.png":
			_, _ = w.Write(encodePNG(t, plain(40, 40, magenta)))
		case r.URL.Path == "/marks/clear.png":
			_, _ = w.Write(encodePNG(t, image.NewNRGBA(image.Rect(0, 0, 9, 9))))
		case r.URL.Path == "/open/to-full.jpg":
			http.Redirect(w, r, "/full/a.jpg", http.StatusFound)
		case r.URL.Path == "/open/to-corner.jpg":
			http.Redirect(w, r, "/open/../corner/a.jpg", http.StatusMovedPermanently)
		case ok:
			_, _ = w.Write(b)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(g.origin.Close)
	g.other = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, g.origin.URL+r.URL.Path, http.StatusFound)
	}))
	t.Cleanup(g.other.Close)

	w := workspace.New("acme")
	w.ID, w.AllowSVG, w.AllowTIFF = "acme", true, true
	w.SigningKeys = []signing.Key{{ID: "k", Secret: g.secret}}
	for name := range deliverytest.SignAs {
		k := dialect.Key{Secret: dialectSecret}
		if name == "imgproxy" {
			k.Salt = []byte("salt")
		}
		w.DialectKeys = append(w.DialectKeys, workspace.DialectKey{ID: name, Dialect: name, Key: k})
	}
	for _, key := range []string{"full", "corner", "open", "marks", "outer"} {
		place := g.origin.URL + "/" + key + "/"
		if key == "outer" {
			place = g.origin.URL + "/"
		}
		w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "http", URL: place})
	}
	w.Sources = append(w.Sources, workspace.Source{
		Key: "twin", Kind: "http", URL: g.origin.URL + "/full/", PublicURLs: []string{"https://cdn.example.com/f/"},
	})
	w.Marks = []workspace.Mark{
		{Name: "cover", Image: "marks/magenta.png", Width: "100%", Height: "100%", Fit: "squeeze", Pad: "0", AutoApplySources: []string{"full"}},
		{Name: "corner", Image: "marks/magenta.png", Width: "40%", Height: "40%", Fit: "squeeze", Pad: "0", AutoApplySources: []string{"corner"}},
		{Name: "clear", Image: "marks/clear.png"},
	}
	w.Presets = galleryPresets
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	images := delivery.New(delivery.Config{
		Workspaces: oneWorkspace{w}, Engine: engine,
		HTTP: origin.NewHTTP(origin.HTTPConfig{
			Guard:  origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
			Limits: origin.Limits{Bytes: 8 << 20, Timeout: time.Minute, Connect: time.Minute},
		}),
		Cache: cache.NewMemory(32 << 20), BaseDomain: "img.example.com",
		Formats: transform.AcceptAVIF | transform.AcceptWebP, Limits: transform.DefaultLimits(),
		TransformTimeout: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { _ = images.Close(context.Background()) })
	g.handler = server.New(server.Config{Delivery: images, Log: slog.New(slog.DiscardHandler)}).Handler()
	return g
}

type oneWorkspace struct{ *workspace.Workspace }

func (oneWorkspace) Confirmed(*workspace.Workspace) bool { return true }

func (o oneWorkspace) Confirm(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	return o.Get(ctx, namespace)
}

func (o oneWorkspace) Get(_ context.Context, namespace string) (*workspace.Workspace, error) {
	if namespace != o.Namespace {
		return nil, workspace.ErrNotFound
	}
	return o.Workspace, nil
}

// greyOriginals are pictures in greys, by name.
func greyOriginals(t *testing.T) map[string][]byte {
	t.Helper()
	const w, h = 96, 72
	still, faded := image.NewNRGBA(image.Rect(0, 0, w, h)), image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			level := uint8(40 + x + y)
			still.SetNRGBA(x, y, color.NRGBA{level, level, level, 255})
			faded.SetNRGBA(x, y, color.NRGBA{level, level, level, uint8(x * 255 / w)})
		}
	}
	var moving gif.GIF
	for i := range 3 {
		m := image.NewPaletted(still.Rect, color.Palette{color.Black, color.Gray{90}, color.Gray{uint8(120 + 40*i)}, color.White})
		draw.Draw(m, m.Rect, still, image.Point{}, draw.Src)
		moving.Image, moving.Delay = append(moving.Image, m), append(moving.Delay, 7)
	}
	var jpg, anim bytes.Buffer
	if err := jpeg.Encode(&jpg, still, nil); err != nil {
		t.Fatal(err)
	}
	if err := gif.EncodeAll(&anim, &moving); err != nil {
		t.Fatal(err)
	}
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="96" height="72"><path fill="#888" d="M0 0h60v72H0z"/></svg>`)
	return map[string][]byte{
		"a.jpg": jpg.Bytes(), "a b+c%.jpg": jpg.Bytes(), "sub/ü.jpg": jpg.Bytes(),
		"b.png": encodePNG(t, faded), "c.gif": anim.Bytes(), "d.svg": svg,
	}
}

func plain(w, h int, c color.Color) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ask sends a request whose target is written as it is.
func (g *gallery) ask(a attempt) *httptest.ResponseRecorder {
	r := httptest.NewRequest(a.method, "/", nil)
	r.RequestURI = a.target
	if a.host != "" {
		r.Host = a.host
	}
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

// frames returns all frames of a picture as they are shown.
func (g *gallery) frames(t testing.TB, data []byte) []*image.NRGBA {
	t.Helper()
	h, err := header.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	format := transform.PNG
	switch {
	case h.Format == transform.JPEG, h.Format == transform.PNG, h.Format == transform.GIF:
		format = ""
	case h.Frames > 1:
		format = transform.GIF
	}
	if format != "" {
		out, err := g.engine.Transform(t.Context(), transform.Job{
			Originals: []transform.Original{{Body: data, Header: h}}, Options: transform.Defaults(), Format: format, Limits: transform.DefaultLimits(),
		})
		if err != nil {
			t.Fatal(err)
		}
		data = out.Data
	}
	if header.Sniff(data) != transform.GIF {
		m, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		shown := image.NewNRGBA(m.Bounds())
		draw.Draw(shown, shown.Rect, m, shown.Rect.Min, draw.Src)
		return []*image.NRGBA{shown}
	}
	moving, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, moving.Config.Width, moving.Config.Height))
	var all []*image.NRGBA
	for i, m := range moving.Image {
		before := slices.Clone(canvas.Pix)
		draw.Draw(canvas, m.Rect, m, m.Rect.Min, draw.Over)
		all = append(all, &image.NRGBA{Pix: slices.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect})
		switch moving.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(canvas, m.Rect, image.Transparent, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			canvas.Pix = before
		}
	}
	return all
}

// marked reports whether every frame has the mark in its place: all over the picture, or in
// its lower right. Padding of the URL may be without the mark.
func (a attempt) marked(frames []*image.NRGBA) bool {
	for _, m := range frames {
		if a.grid != nil {
			if !a.grid.marked(m) {
				return false
			}
			continue
		}
		part, known := a.picture(m.Rect)
		if !known {
			if !anyMagenta(m) {
				return false
			}
			continue
		}
		if a.corner && a.cutOff() {
			mean, pixels := a.meanOfShown(m)
			// Where all of the mark shows, and it is sharp.
			whole := 255 * min(0.16*float64(part.Dx()*part.Dy())/float64(max(pixels, 1)), 1)
			if mean < 0.65*whole {
				return false
			}
			continue
		}
		least := 150.0
		if part != m.Rect && min(part.Dx(), part.Dy()) < 48 { // encoders blur it into the padding
			least = 60
		}
		if a.corner {
			least = 40
			if min(part.Dx(), part.Dy()) < 24 { // as coarse as JPEG's blocks
				least = 12
			}
			part = markedPart(part, true)
		}
		if magentaness(m, part) < least {
			return false
		}
	}
	return true
}

// options returns the options of an attempt.
func (a attempt) options() (transform.Options, error) {
	_, raw, _ := strings.Cut(a.target, "?")
	var implied, base transform.Query
	q, err := transform.ParseQuery(raw)
	if a.foreign != "" {
		implied, q, err = a.foreignQueries()
	}
	if err != nil {
		return transform.Options{}, err
	}
	if name, _, _ := q.Preset(); name != "" {
		for _, p := range galleryPresets {
			if p.Name == name {
				base, _ = transform.ParseQuery(p.Options)
			}
		}
	}
	return transform.Parse(transform.Defaults(), implied, base, q)
}

// cutOff reports whether corners of the picture are cut off. A mark then lies elsewhere.
func (a attempt) cutOff() bool {
	o, err := a.options()
	return err == nil && (o.Radius != transform.Length{} || o.Rotate%90 != 0)
}

// meanOfShown returns how much of the marks' colour there is on average where the picture
// shows: within round corners, and within the picture after a rotation. It also returns the
// number of these pixels.
func (a attempt) meanOfShown(m *image.NRGBA) (mean float64, pixels int) {
	o, err := a.options()
	if err != nil {
		return 0, 0
	}
	p, err := o.Plan(transform.Size{W: 96, H: 72})
	if err != nil {
		return 0, 0
	}
	part, at := p.Picture(), p.Picture().Min.Sub(p.Crop.Min)
	sin, cos := math.Sincos(float64(o.Rotate) * math.Pi / 180)
	w, h := float64(p.Region.Dx()), float64(p.Region.Dy())
	sum := 0.0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			fx, fy := float64(x)+0.5, float64(y)+0.5
			dx := max(p.Radius-fx, fx-(float64(p.Output.W)-p.Radius), 0)
			dy := max(p.Radius-fy, fy-(float64(p.Output.H)-p.Radius), 0)
			if p.Radius > 0 && math.Hypot(dx, dy) > p.Radius {
				continue
			}
			u := ((fx-float64(at.X))/float64(p.Scaled.W) - 0.5) * (w*math.Abs(cos) + h*math.Abs(sin))
			v := ((fy-float64(at.Y))/float64(p.Scaled.H) - 0.5) * (w*math.Abs(sin) + h*math.Abs(cos))
			if o.Flip == transform.FlipH || o.Flip == transform.FlipHV {
				u = -u
			}
			if o.Flip == transform.FlipV || o.Flip == transform.FlipHV {
				v = -v
			}
			if math.Abs(u*cos+v*sin) <= w/2 && math.Abs(v*cos-u*sin) <= h/2 {
				sum += max(magentaness(m, image.Rect(x, y, x+1, y+1)), 0) // below 0 in sepia
				pixels++
			}
		}
	}
	return sum / float64(max(pixels, 1)), pixels
}

// picture returns the part of an output without the URL's padding. It isn't known where the
// original is trimmed.
func (a attempt) picture(output image.Rectangle) (part image.Rectangle, known bool) {
	o, err := a.options()
	if err != nil || o.Fit != transform.FitPad && o.Pad == [4]int{} && !a.cutOff() {
		return output, true
	}
	p, err := o.Plan(transform.Size{W: 96, H: 72}) // as all originals are
	found := p.Smart && o.Rotate%90 != 0           // it isn't known which part is cropped
	return p.Picture(), err == nil && o.Trim < 0 && !found && image.Rect(0, 0, p.Output.W, p.Output.H) == output
}

// speck reports whether the picture is so small a part of an output that its encoder
// may have blurred it into the padding, mark and all.
func (a attempt) speck(output *image.NRGBA) bool {
	if a.grid != nil {
		return a.grid.speck()
	}
	part, known := a.picture(output.Rect)
	if known && a.corner && a.cutOff() {
		_, pixels := a.meanOfShown(output)
		return pixels < 150
	}
	if o, err := a.options(); err == nil && o.Trim >= 0 {
		known = true // as small as that, whatever is trimmed
	}
	return known && part != output.Rect && min(part.Dx(), part.Dy()) < 16
}

// anyMagenta reports whether something in a picture has the marks' colour.
func anyMagenta(m *image.NRGBA) bool {
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
			if magentaness(m, image.Rect(x, y, x+1, y+1)) > 40 {
				return true
			}
		}
	}
	return false
}

// magentaness returns how much of the marks' colour a part has on average, from −255 to 255.
// Apart from an encoder's error, only the marks are above 0: greys, inverted or in sepia,
// and all backgrounds are not.
func magentaness(m *image.NRGBA, part image.Rectangle) float64 {
	sum := 0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			c := m.NRGBAAt(x, y)
			sum += (min(int(c.R), int(c.B)) - int(c.G)) * int(c.A) / 255
		}
	}
	return float64(sum) / float64(part.Dx()*part.Dy())
}

// An attempt is a request for an original of a marked source, in one of many ways.
type attempt struct {
	method, target, host string
	header               map[string]string
	corner               bool // whose mark is expected

	foreign string       // path and query of a URL of another product; empty is one of ours
	grid    *gridAttempt // nil is another endpoint
}

func (a attempt) String() string {
	return fmt.Sprintf("%s %s (Host %s, %v)", a.method, a.target, a.host, a.header)
}

// attempt returns the n-th request that tries to avoid a mark. As a control it is for an
// original without a mark.
func (g *gallery) attempt(n int, control bool) attempt {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	a := attempt{method: "GET", header: map[string]string{}, corner: r.IntN(3) == 0}
	source := "full"
	if a.corner {
		source = "corner"
	}
	if control {
		source = "open"
	}
	name := pick(r, "a.jpg", "a.jpg", "a b+c%.jpg", "sub/ü.jpg", "b.png", "c.gif", "d.svg")

	var query []string
	path := ""
	form := r.IntN(20)
	if control {
		form = r.IntN(15)
	}
	other := r.IntN(10)
	switch {
	case other < 4: // in the words of another product
		a.foreign = g.writeForeign(r, source, name, a.corner)
	case other == 4:
		a.foreign, a.grid = g.writeGrid(r, source, name, a.corner, control)
	case form < 5:
		path = g.objectPath(r, source, name)
	case form < 9:
		path, query = "", append(query, "src="+spelled(r, g.objectName(r, source, name)))
	case form < 15:
		path, query = "", append(query, "src="+spelled(r, g.fullURL(r, source, name)))
	case form < 17: // shown in the place of another, or another in its place
		if r.IntN(2) == 0 {
			path, query = "/open/missing.jpg", append(query, "default="+spelled(r, g.objectName(r, source, name)))
		} else {
			path, query = g.objectPath(r, source, "missing-"+name), append(query, "default="+spelled(r, "open/"+name))
		}
	case form < 18: // as the mark of another
		image := g.objectName(r, source, name)
		if r.IntN(2) == 0 {
			image = g.fullURL(r, source, name)
		}
		path, query = "/open/a.jpg", append(query, "mark="+spelled(r, image), "mark-w=100%25", "mark-h=100%25", "mark-pad=0")
	case form < 19: // by a redirect
		place := pick(r, "open/to-"+source+".jpg", g.origin.URL+"/open/to-"+source+".jpg", g.other.URL+"/"+source+"/a.jpg", "outer/open/to-"+source+".jpg")
		path, query = "", append(query, "src="+spelled(r, place))
	default:
		path = pick(r, "/info/"+source+"/a.jpg", "/placeholder/blurhash", "/grid", "/transform/transform/"+source+"/a.jpg", "//"+source+"/a.jpg",
			"/"+source+"//a.jpg", "/open/../"+source+"/a.jpg", "/open/..%2f"+source+"/a.jpg", "/"+strings.ToUpper(source)+"/a.jpg", "/"+source+"/a.jpg/")
		query = append(query, "src="+source+"/a.jpg", "w=20")
	}
	if a.foreign != "" {
		var raw string
		path, raw, _ = strings.Cut(a.foreign, "?")
		a.address(r, path, raw)
		if a.grid != nil {
			a.foreign = ""
		}
		return a.send(g, r)
	}
	if path == "" {
		path = pick(r, "", "/", "/transform")
	}
	given := map[string]bool{}
	for range r.IntN(6) {
		o := option(r, a.corner)
		if name, _, _ := strings.Cut(o, "="); !given[name] {
			query, given[name] = append(query, o), true
		}
	}
	if r.IntN(20) == 0 {
		query = append(query, oddity(r))
	}
	if r.IntN(3) == 0 && !control {
		query = append(query, markOption(r))
	}
	if r.IntN(12) == 0 && !control {
		query = append(query, pick(r, "preset=clear", "p:clear", "preset=afar", "p:tiny=", "%70reset=other", "preset=none"))
	}
	r.Shuffle(len(query), func(i, j int) { query[i], query[j] = query[j], query[i] })

	a.address(r, path, strings.Join(query, "&"))
	return a.send(g, r)
}

// address has the path name the workspace, or the host.
func (a *attempt) address(r *rand.Rand, path, query string) {
	a.target = "/acme" + path
	if r.IntN(8) == 0 && path != "" {
		a.host = pick(r, "acme.img.example.com", "ACME.img.Example.com.", "acme.img.example.com:443")
		a.target = path
	}
	if query != "" {
		a.target += "?" + query
	}
}

// send chooses a signature of ours, the method and the headers.
func (a attempt) send(g *gallery, r *rand.Rand) attempt {
	if r.IntN(10) == 0 {
		target := "/acme" + strings.TrimPrefix(a.target, "/acme")
		if signed, err := g.secret.SignUntil(target, time.Now().Add(time.Hour)); err == nil && a.host == "" {
			a.target = signed // a right to see it is no right to see it unmarked
		}
	}
	if r.IntN(30) == 0 {
		a.target = "http://tintype.example" + a.target
	}
	a.method = pick(r, "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS")
	if r.IntN(2) == 0 {
		a.header["Accept"] = pick(r, "image/avif,image/webp,*/*", "image/webp", "image/avif;q=0, image/webp;q=0.1", "image/jxl", "text/html")
	}
	switch r.IntN(12) {
	case 0:
		a.header["Range"] = pick(r, "bytes=0-", "bytes=0-99", "bytes=-50", "bytes=7-7", "bytes=5-1", "bytes=0-9,20-29")
	case 1:
		a.header["If-None-Match"] = pick(r, `*`, `"x"`, `W/"x"`)
	case 2:
		a.header["Origin"] = "https://evil.example"
	case 3:
		a.header["X-Forwarded-Host"] = "open.img.example.com"
	case 4:
		a.header["Authorization"] = "Bearer tt_live_000000000000000000000000000000000000"
	case 5:
		a.header["Cache-Control"] = "no-cache"
	}
	return a
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// objectPath returns the path of an original, in one of many spellings.
func (g *gallery) objectPath(r *rand.Rand, source, name string) string {
	key, rest, _ := strings.Cut(g.objectName(r, source, name), "/")
	return pick(r, "/", "/", "/transform/") + escaped(r, key) + "/" + escaped(r, rest)
}

// objectName returns source/path for one of the sources that the original belongs to.
func (g *gallery) objectName(r *rand.Rand, source, name string) string {
	prefixes := []string{source, source, "outer/" + source}
	if source == "full" {
		prefixes = append(prefixes, "twin")
	}
	return pick(r, prefixes...) + "/" + name
}

// escaped escapes the characters that a path can't have, and others at random.
func escaped(r *rand.Rand, s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		must := c != '/' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+", c) >= 0)
		switch {
		case must || c != '/' && r.IntN(12) == 0, c == '/' && r.IntN(60) == 0:
			fmt.Fprintf(&b, pick(r, "%%%02X", "%%%02x"), c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// spelled is a parameter's value in one of many spellings.
func spelled(r *rand.Rand, value string) string {
	if r.IntN(2) == 0 {
		return url.QueryEscape(value)
	}
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; strings.IndexByte("%&+;# ", c) >= 0 || c >= 0x7f || r.IntN(10) == 0 {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// fullURL returns an original's URL in one of many spellings. Many spellings are wrong.
func (g *gallery) fullURL(r *rand.Rand, source, name string) string {
	u, err := url.Parse(g.origin.URL)
	if err != nil {
		panic(err) // httptest makes good ones
	}
	port := u.Port()
	host := pick(r, "127.0.0.1.", "127.1", "127.0.1", "0x7f000001", "0x7F.0.0.1", "2130706433", "017700000001",
		"0177.0.0.1", "127.0.0.1%00", "%31%32%37.0.0.1", "１２７.0.0.1", "127。0。0。1", "localhost", "LOCALHOST.", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
		"[64:ff9b::7f00:1]", "user@127.0.0.1", "user:pass@127.0.0.1", "example.com@127.0.0.1", "127.0.0.1\\@example.com", "127.0.0.1.nip.io", "0.0.0.0", "127.0.0.2")
	if r.IntN(2) == 0 {
		host = "127.0.0.1"
	}
	scheme := pick(r, "http", "http", "http", "http", "http", "http", "HTTP", "hTTp", "https", "ftp", "")
	path := source + "/" + escaped(r, name)
	switch r.IntN(28) {
	case 0:
		path = "/" + path
	case 1:
		path = "./" + path
	case 2:
		path = "open/../" + path
	case 3:
		path = "open/%2e%2e/" + path
	case 4:
		path = "open/..%2f" + path
	case 5:
		path = source + "//" + name
	case 6:
		path = source + "%2f" + name
	case 7:
		path = strings.ToUpper(source[:1]) + source[1:] + "/" + name
	case 8:
		path = source + ";v=1/" + name
	case 9:
		path += "?"
	case 10:
		path += "?x=" + strconv.Itoa(r.IntN(9))
	case 11:
		path += "#x"
	case 12:
		path = source + "\\" + name
	case 13:
		path = "open%5c..%5c" + path
	}
	if source == "full" && r.IntN(12) == 0 {
		return pick(r, "https", "http", "HTTPS") + "://" + pick(r, "cdn.example.com", "CDN.example.com.", "cdn.example.com:443", "cdn.example.com:80") + "/f/" + escaped(r, name)
	}
	port = pick(r, port, port, port, port, port, port, port, port, port, "0"+port, port+"0", "")
	if port != "" {
		host += ":" + port
	}
	if scheme == "" {
		return "//" + host + "/" + path
	}
	return scheme + "://" + host + "/" + path
}

// option returns a random option. It doesn't bring in the marks' colour. For the mark in the
// corner the quality is high enough to see the mark.
func option(r *rand.Rand, corner bool) string {
	side := func() string { return strconv.Itoa(pick(r, 1, 2, 3, 7, 16, 33, 64, 100, 150)) }
	quality := strconv.Itoa(1 + r.IntN(100))
	if corner {
		quality = strconv.Itoa(50 + r.IntN(51))
	}
	return pick(r,
		"w="+side(), "width="+side(), "h="+side(), "height="+side(), "size="+side(), "dpr="+pick(r, "0.1", "1", "2", "3"),
		"w="+pick(r, "1%25", "50%25"), "size=100%25", "fit="+pick(r, "scale-down", "contain", "cover", "crop", "outside", "pad", "squeeze", "fill", "auto"), "ar="+pick(r, "16:9", "1:3", "100:1"),
		"gravity="+pick(r, "north", "southeast", "attention", "entropy", "focal", "face", "top"), "g=west", "crop=east", "fp-x=0.9", "fp-z=4",
		"rect="+pick(r, "0,0,10,10", "50%25,50%25,50%25,50%25", "90,70,5,5", "0,0,100%25,10", "right,bottom,20,20", "center,top,50%25,9"), "inset="+pick(r, "1", "0,5,9", "30,40"), "trim="+pick(r, "0", "10", "255"),
		"rotate="+pick(r, "90", "180", "270", "45", "-10", "200"), "radius="+pick(r, "9", "25%25", "max"), "enlarge="+pick(r, "0", "1"), "flip="+pick(r, "h", "v", "hv"), "bg="+pick(r, "white", "fff", "000", "navy", "00f8", "red", "blue"), "background=transparent",
		"pad="+pick(r, "1", "5,9", "20", "0,0,50,50", "0,99,99,0"), "blur="+pick(r, "1", "30", "100"), "sharpen="+pick(r, "5", "100"),
		"brightness="+pick(r, "0", "3"), "contrast="+pick(r, "0", "3"), "saturation="+pick(r, "0", "3"), "gamma="+pick(r, "0.1", "3"),
		"grayscale", "sepia", "invert", "grayscale=1&invert=true", "pixelate="+pick(r, "2", "20", "500"),
		"format="+pick(r, "auto", "avif", "webp", "jpeg", "jpg", "png", "gif", "tiff", "jxl", "original", "nocompress"), "fm=original", "f=png", "output=webp",
		"q="+quality, "quality="+quality, "q-webp="+quality, "lossless", "progressive", "anim="+pick(r, "0", "1", "true"), "metadata="+pick(r, "none", "copyright", "keep"),
		"dl=unmarked.jpg", "v="+strconv.Itoa(r.IntN(5)), "utm_source=x", "W=40")
}

// oddity returns an unusual parameter.
func oddity(r *rand.Rand) string {
	return pick(r, "%77=40", "w=40&w=41", "w=", "h=9;w=9", "%zz", "src=open/a.jpg", "%73rc=open/a.jpg", "format=original&q=90", "fm=png&output=webp",
		"exp=1", "sig=00", "=", "&&", "w=%00", "+w=40", "w%20=40", "?w=40")
}

// markOption returns an option of marks, or a parameter that looks like one.
func markOption(r *rand.Rand) string {
	return pick(r,
		"mark=", "mark", "mark=none", "mark=null", "mark=0", "mark=clear", "mark=corner", "mark=marks/clear.png", "mark=marks/none.png", "mark=open/a.jpg",
		"mark=https://example.com/none.png", "%6dark=clear", "mark=clear&mark=clear", "MARK=clear", "mark[]=clear", "watermark=0", "wm=0", "nomark=1",
		"mark-opacity=0", "mark-opacity=0.0001", "mark=clear&mark-opacity=0", "mark-w=1", "mark-w=0", "mark-w=-1", "mark-h=1", "mark-size=1", "mark-w=0.0001%25",
		"mark-align=top,left", "mark-pad=8192", "mark-pad=100%25", "mark-repeat=0", "mark-fit=crop", "mark-opacity=-1", "mark-opacity=NaN", "mark=%00", "mark=cover&mark-opacity=0")
}

// TestNoWayAroundMarks tries to see an original of a marked source without its mark. It
// looks at the pixels of every answer.
func TestNoWayAroundMarks(t *testing.T) {
	g := newGallery(t)
	tries := workspacetest.Soak(1000, allAttempts)
	var mu sync.Mutex
	outcomes := map[string]int{}
	count := func(outcome string) {
		mu.Lock()
		defer mu.Unlock()
		outcomes[outcome]++
	}
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := range numbers {
				a := g.attempt(n, false)
				count(g.try(t, n, a))
			}
		})
	}
	for i := range tries {
		numbers <- i * (allAttempts / tries)
	}
	close(numbers)
	workers.Wait()

	total, marked := 0, 0
	for outcome, n := range outcomes {
		total += n
		if strings.HasPrefix(outcome, "marked") {
			marked += n
		}
	}
	t.Logf("%d attempts to see an original without its mark:", total)
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%7d %s", outcomes[outcome], outcome)
	}
	if total != tries || marked < tries/4 {
		t.Errorf("of %d attempts %d were made and %d led to a picture", tries, total, marked)
	}
	for _, d := range dialect.All {
		if n := outcomes["marked, "+d.Name]; n < tries/250 {
			t.Errorf("%d attempts by URLs of %s led to a picture", n, d.Name)
		}
	}
	if n := outcomes["marked, grid"]; n < tries/50 {
		t.Errorf("%d attempts by grids led to a picture", n)
	}
}

// try makes an attempt, and returns its result.
func (g *gallery) try(t *testing.T, n int, a attempt) string {
	w := g.ask(a)
	body := w.Body.Bytes()
	kind := w.Header().Get("Content-Type")
	switch {
	case a.method == "HEAD" && strings.HasPrefix(kind, "application/json"):
		return "refused" // net/http leaves the body out
	case a.method == "HEAD" || w.Code == http.StatusNotModified || w.Code == http.StatusNoContent:
		if len(body) > 0 {
			t.Errorf("attempt %d: %v: %d with %d bytes", n, a, w.Code, len(body))
		}
		return "without a body"
	case strings.HasPrefix(kind, "application/json") && w.Code >= 400:
		return "refused"
	case a.method == "OPTIONS" && len(body) == 0:
		return "without a body"
	case strings.Contains(a.target, "/placeholder/"): // some thirty numbers of the picture, at any size
		return "placeholder"
	case (strings.Contains(a.target, "/info/") || a.foreign != "") && strings.HasPrefix(kind, "application/json"),
		strings.Contains(a.target, "fm=blurhash") && strings.HasPrefix(kind, "text/plain"):
		return "facts"
	case !strings.HasPrefix(kind, "image/"):
		t.Errorf("attempt %d: %v: %d %s", n, a, w.Code, kind)
		return "unknown"
	case w.Code == http.StatusPartialContent:
		// This is a part of a marked picture.
		whole := a
		whole.header = maps.Clone(a.header)
		delete(whole.header, "Range")
		w := g.ask(whole)
		if w.Code != http.StatusOK || !bytes.Contains(w.Body.Bytes(), body) {
			t.Errorf("attempt %d: %v: a part of nothing", n, a)
		}
		body = w.Body.Bytes()
	}
	frames := g.frames(t, body)
	if a.speck(frames[0]) {
		return "too small to tell"
	}
	if !a.marked(frames) {
		t.Errorf("attempt %d: %v: %d, a picture without its mark", n, a, w.Code)
		return "NOT MARKED"
	}
	return a.kind("marked")
}

// kind is an outcome, and by which kind of URL.
func (a attempt) kind(outcome string) string {
	switch {
	case a.grid != nil:
		return outcome + ", grid"
	case a.foreign != "":
		path, _, _ := strings.Cut(a.foreign, "?")
		d, _ := dialect.Find(path)
		return outcome + ", " + d.Name
	}
	return outcome
}

// TestAttemptsCanSucceed: without a mark the same attempts lead to pictures that count as
// unmarked. So TestNoWayAroundMarks would see an unmarked picture.
func TestAttemptsCanSucceed(t *testing.T) {
	g := newGallery(t)
	seen := map[string]int{}
	for n := range 800 {
		a := g.attempt(n, true)
		if a.method != "GET" || a.header["Range"] != "" {
			continue
		}
		w := g.ask(a)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "image/") {
			continue
		}
		seen["in all"]++
		seen[a.kind("seen")]++
		if frames := g.frames(t, w.Body.Bytes()); !a.speck(frames[0]) && a.marked(frames) {
			t.Errorf("attempt %d: %v: counts as marked", n, a)
		}
	}
	if seen["in all"] < 200 || seen["seen, grid"] < 20 {
		t.Errorf("pictures were seen: %v", seen)
	}
	for _, d := range dialect.All {
		if seen["seen, "+d.Name] < 3 {
			t.Errorf("by URLs of %s, %d pictures were seen", d.Name, seen["seen, "+d.Name])
		}
	}
}

// TestEveryRouteIsMarked tests every kind of URL of the server. A new kind that shows
// pictures needs a row here and a form in gallery.attempt.
func TestEveryRouteIsMarked(t *testing.T) {
	g := newGallery(t)
	full := url.QueryEscape(g.origin.URL + "/full/a.jpg")
	const picture, refused, other, placeholder = "picture", "refused", "no picture", "placeholder"
	for _, route := range []struct {
		method, target, host string
		want                 string
	}{
		{"GET", "/acme/full/a.jpg?w=40", "", picture},
		{"GET", "/acme/transform/full/a.jpg?w=40", "", picture},
		{"GET", "/acme/transform?src=full/a.jpg", "", picture},
		{"GET", "/acme/transform?src=" + full, "", picture},
		{"GET", "/acme?src=full/a.jpg&w=40", "", picture},
		{"GET", "/acme?src=" + full, "", picture},
		{"GET", "/acme/?src=" + full, "", picture},
		{"GET", "/full/a.jpg?w=40", "acme.img.example.com", picture},
		{"GET", "/transform?src=full/a.jpg", "acme.img.example.com", picture},
		{"GET", "/?src=full/a.jpg", "acme.img.example.com", picture},
		{"GET", "/acme/full/a.jpg?preset=clear", "", picture},
		{"GET", "/acme/full/missing.jpg?default=open/a.jpg", "", picture},
		{"GET", "/acme/open/missing.jpg?default=full/a.jpg", "", picture},
		{"GET", "/acme/outer/full/a.jpg", "", picture},
		{"GET", "/acme/twin/a.jpg", "", picture},
		{"HEAD", "/acme/full/a.jpg?w=40", "", other},
		{"OPTIONS", "/acme/full/a.jpg?w=40", "", other},
		{"POST", "/acme/transform?w=40", "", refused},
		{"PUT", "/acme/full/a.jpg", "", refused},
		{"GET", "/acme/open/a.jpg?mark=full/a.jpg", "", refused},
		// Numbers about the picture, and what is drawn of them.
		{"GET", "/acme/info/full/a.jpg", "", other},
		{"GET", "/acme/info/blurhash?src=full/a.jpg", "", other},
		{"GET", "/acme/placeholder/blurhash?src=full/a.jpg", "", placeholder},
		{"GET", "/acme/placeholder/color?src=full/a.jpg", "", placeholder},
		{"GET", "/acme/grid?src=full/a.jpg&src=full/a.jpg&w=80&h=40", "", picture},
		{"GET", "/acme/grid?src=full/a.jpg&src=twin/a.jpg&w=80&h=40&type=classic&mark=open/a.jpg", "", picture},
		{"GET", "/acme/grid?src=full/a.jpg&src=full/missing.png&w=80&h=40", "", refused},
		// URLs of other products.
		{"GET", "/acme/imgix/full/a.jpg?w=40", "", picture},
		{"GET", "/acme/imgproxy/unsafe/w:40/plain/full/a.jpg", "", picture},
		{"GET", "/acme/cdn-cgi/image/width=40/full/a.jpg", "", picture},
		{"GET", "/acme/_next/image?url=%2Ffull%2Fa.jpg&w=40&q=75", "", picture},
		{"GET", "/acme/_ipx/w_40/full/a.jpg", "", picture},
		{"GET", "/acme/cloudinary/image/upload/w_40/full/a.jpg", "", picture},
		{"GET", "/acme/imgix/full/a.jpg?fm=blurhash", "", other},
		// Not about pictures.
		{"GET", "/", "", other},
		{"GET", "/playground/acme", "", other},
		{"GET", "/playground/acme/original?src=full/a.jpg", "", other},
		{"GET", "/healthz", "", other},
		{"GET", "/v1/workspaces", "", refused},
	} {
		a := attempt{method: route.method, target: route.target, host: route.host}
		w := g.ask(a)
		kind := w.Header().Get("Content-Type")
		got := other
		switch {
		case strings.Contains(route.target, "/placeholder/") && w.Code == http.StatusOK:
			got = placeholder
		case strings.HasPrefix(kind, "image/") && w.Body.Len() > 0:
			got = picture
			if !a.marked(g.frames(t, w.Body.Bytes())) {
				t.Errorf("%s %s: not marked", route.method, route.target)
			}
		case w.Code >= 400:
			got = refused
		}
		if got != route.want {
			t.Errorf("%s %s: %d %s, want %s", route.method, route.target, w.Code, kind, route.want)
		}
	}
}

// TestAPIShowsNoPictures: no operation of the management API answers with an image, but the
// preview of a mark, which refuses to show an image without the marks that it carries: see
// delivery's TestPreview.
func TestAPIShowsNoPictures(t *testing.T) {
	res, err := http.Get(startServer(t) + "/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	type operation struct {
		Responses map[string]struct{ Content map[string]json.RawMessage }
	}
	var spec struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&spec); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	seen := 0
	for path, methods := range spec.Paths {
		for method, raw := range methods {
			var is operation
			if json.Unmarshal(raw, &is) != nil {
				continue // what all operations of the path share
			}
			for status, answer := range is.Responses {
				for kind := range answer.Content {
					seen++
					if path == "/v1/workspaces/{ns}/marks/preview" && kind == "image/*" {
						continue
					}
					if strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "*/") || strings.HasPrefix(kind, "application/octet") {
						t.Errorf("%s %s answers %s with %s: its marks are to be decided like those of every variant", method, path, status, kind)
					}
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d kinds of answers: the document was not read", seen)
	}
}
