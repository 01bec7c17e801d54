package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/facts"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// fieldsOf are the names of the fields of a JSON object.
func fieldsOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &fields); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	return strings.Join(slices.Sorted(maps.Keys(fields)), " ")
}

const allFields = "blurhash colors metadata palette thumbhash"

// red is a JPEG of one colour.
func red(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:], []byte{200, 30, 30, 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestInfo: what is told of an original, in the shape that is documented.
func TestInfo(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	body := red(t, 60, 40)
	b.upstream.Serve("/photos/red.jpg", deliverytest.Body(body, "ETag", `"v1"`, "Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"))
	w := b.get("/acme/info/photos/red.jpg", "Accept", "image/avif")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Vary") != "" ||
		w.Header().Get("Cache-Control") != "public, max-age=3600, s-maxage=86400" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	type swatch struct{ Hex string }
	var got struct {
		Metadata  map[string]any
		BlurHash  string
		ThumbHash []byte
		Colors    []facts.Share
		Palette   map[string]*swatch
	}
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"bytes": float64(len(body)), "contentType": "image/jpeg", "format": "jpeg", "width": 60.0, "height": 40.0, "orientation": 1.0, "frames": 1.0,
		"hasAlpha": false, "colorSpace": "srgb", "bitDepth": 8.0, "progressive": false, "profile": nil, "etag": `"v1"`, "lastModified": "2015-10-21T07:28:00Z",
	}, got.Metadata); diff != "" {
		t.Error(diff)
	}
	if _, err := facts.ParseBlurHash(got.BlurHash); err != nil {
		t.Error(err)
	}
	if _, err := facts.ParseThumbHash(got.ThumbHash); err != nil {
		t.Error(err)
	}
	if len(got.Colors) != 1 || got.Colors[0].Area != 1 || !strings.HasPrefix(got.Colors[0].Hex, "#c") {
		t.Errorf("colors %v", got.Colors)
	}
	if len(got.Palette) != 6 || got.Palette["vibrant"] == nil || got.Palette["lightMuted"] != nil {
		t.Errorf("palette %v", got.Palette)
	}
}

// TestInfoGolden holds the whole answer about a photograph to a file.
func TestInfoGolden(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.upstream.Serve("/photos/golden.jpg", deliverytest.Body(deliverytest.Photo(t, 300, 200), "ETag", `"v1"`, "Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"))
	var text bytes.Buffer
	if err := json.Indent(&text, b.get("/acme/info/photos/golden.jpg").Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden.File(t, "testdata/info.json", text.String()+"\n")
}

// TestInfoParts: every way to ask for parts, and that all of them take one fetch and one
// decode.
func TestInfoParts(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	b.registry.Set(t, b.acme())
	for _, tt := range []struct{ target, host, fields string }{
		{"/acme/info?src=photos/cat.jpg", "", allFields},
		{"/acme/info/photos/cat.jpg", "", allFields},
		{"/acme/info/?src=photos/cat.jpg", "", allFields},
		{"/info/photos/cat.jpg", "acme.img.example.com", allFields},
		{"/info?src=photos%2Fcat.jpg", "acme.img.example.com", allFields},
		{"/acme/info?src=" + b.upstream.URL + "/photos/cat.jpg", "", allFields},
		{"/acme/info/photos/cat.jpg?select=blurhash", "", "blurhash"},
		{"/acme/info/photos/cat.jpg?select=palette,metadata", "", "metadata palette"},
		{"/acme/info/photos/cat.jpg?select=palette%2Ccolors&w=300&utm_source=x", "", "colors palette"},
		{"/acme/info/metadata/photos/cat.jpg", "", "metadata"},
		{"/acme/info/metadata?src=photos/cat.jpg", "", "metadata"},
		{"/acme/info/colors/photos/cat.jpg", "", "colors palette"},
		{"/acme/info/blurhash/photos/cat.jpg", "", "blurhash"},
		{"/acme/info/thumbhash?src=photos/cat.jpg", "", "thumbhash"},
		{"/info/thumbhash/photos/cat.jpg", "acme.img.example.com", "thumbhash"},
	} {
		h := []string{}
		if tt.host != "" {
			h = append(h, "Host", tt.host)
		}
		w := b.get(tt.target, h...)
		if got := fieldsOf(t, w); w.Code != 200 || got != tt.fields {
			t.Errorf("%s: %d with %s, want %s", tt.target, w.Code, got, tt.fields)
		}
		if w2 := b.get(tt.target, append(h, "If-None-Match", w.Header().Get("ETag"))...); w2.Code != 304 || !hit(w2) {
			t.Errorf("%s again: %d, %s", tt.target, w2.Code, w2.Header().Get("Cache-Status"))
		}
	}
	if runs, fetches := b.engine.Runs.Load(), b.upstream.Count("/photos/cat.jpg"); runs != 1 || fetches != 1 {
		t.Errorf("%d decodes, %d fetches", runs, fetches)
	}
	one, two := b.get("/acme/info/blurhash/photos/cat.jpg"), b.get("/acme/info/thumbhash/photos/cat.jpg")
	if one.Header().Get("ETag") == two.Header().Get("ETag") {
		t.Error("two parts have the same ETag")
	}
	if w := b.send(http.MethodHead, "/acme/info/blurhash/photos/cat.jpg"); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d, %v", w.Code, w.Header())
	}
}

// TestInfoOfHeader: the facts of the header take no decode, and are told of a file whose
// pixels are broken too.
func TestInfoOfHeader(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	if w := b.get("/acme/info/metadata/photos/cat.jpg"); w.Code != 200 || fieldsOf(t, w) != "metadata" || b.engine.Runs.Load() != 0 {
		t.Errorf("%d %s after %d decodes", w.Code, w.Body, b.engine.Runs.Load())
	}
	if w := b.get("/acme/info/metadata/photos/cat.jpg"); !hit(w) {
		t.Error("asked twice, it is no hit")
	}
	for _, target := range []string{"/acme/info/colors/photos/cat.jpg", "/acme/info/photos/cat.jpg", "/acme/info/metadata/photos/cat.jpg"} {
		if w := b.get(target); w.Code != 200 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if n := b.engine.Runs.Load(); n != 1 {
		t.Errorf("%d decodes", n)
	}
	broken := red(t, 60, 40)
	broken = append(broken[:len(broken)-30:len(broken)-30], 0xff, 0xd9)
	b.upstream.Serve("/photos/broken.jpg", deliverytest.Body(broken))
	if w := b.get("/acme/info/photos/broken.jpg"); code(t, w) != "IMAGE_CORRUPT" {
		t.Errorf("broken: %d %s", w.Code, w.Body)
	}
	if w := b.get("/acme/info/metadata/photos/broken.jpg"); w.Code != 200 {
		t.Errorf("header of broken: %d %s", w.Code, w.Body)
	}
}

// TestInfoRefuses: what is wrong with a URL is said with the name of the parameter.
func TestInfoRefuses(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Namespace, w.ID, w.PresetsOnly = "presets", "", true
		w.Presets = []workspace.Preset{{Name: "small", Options: "w=10"}}
	}))
	for _, tt := range []struct {
		target string
		status int
		code   string
		says   string
	}{
		{"/acme/info", 400, "INVALID_SOURCE", "name the image"},
		{"/acme/info/photos", 400, "INVALID_PATH", "path"},
		{"/acme/info/metadata/photos", 400, "INVALID_PATH", "path"},
		{"/acme/info/metadata/", 400, "INVALID_SOURCE", ""},
		{"/acme/info/metadata/metadata/photos/cat.jpg", 404, "SOURCE_NOT_FOUND", "metadata"},
		{"/acme/info/photos/cat.jpg?src=photos/cat.jpg", 400, "INVALID_SOURCE", "src"},
		{"/acme/info/photos/cat.jpg?select=", 400, "INVALID_OPTION", "select"},
		{"/acme/info/photos/cat.jpg?select=metadata,size", 400, "INVALID_OPTION", `"size"`},
		{"/acme/info/photos/cat.jpg?select=metadata&select=colors", 400, "INVALID_OPTION", "select"},
		{"/acme/info/colors/photos/cat.jpg?select=metadata", 400, "INVALID_OPTION", "select"},
		{"/acme/info/photos/missing.jpg", 404, "NOT_FOUND", ""},
		{"/acme/info/nobody/cat.jpg", 404, "SOURCE_NOT_FOUND", "nobody"},
		{"/acme/info/photos/cat.jpg?select=exif", 401, "SIGNATURE_REQUIRED", ""},
		{"/presets/info/photos/cat.jpg", 403, "PRESET_REQUIRED", "info"},
		{"/acme/info/photos/..%2Fcat.jpg", 400, "INVALID_PATH", ""},
	} {
		w := b.get(tt.target)
		if got := code(t, w); w.Code != tt.status || got != tt.code || !strings.Contains(w.Body.String(), strings.ReplaceAll(tt.says, `"`, `\"`)) {
			t.Errorf("%s: %d %s, want %d %s %s", tt.target, w.Code, w.Body, tt.status, tt.code, tt.says)
		}
	}
	if w := b.send(http.MethodPost, "/acme/info"); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestInfoPolicy: the rules of sources, allowlists and origins hold for facts and
// placeholders as they hold for variants.
func TestInfoPolicy(t *testing.T) {
	b := newBench(t)
	secret := signing.NewSecret()
	b.upstream.Serve("/vault/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	elsewhere := deliverytest.NewUpstream(t)
	elsewhere.Serve("/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	with := func(ns string, f func(*workspace.Workspace)) {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.Namespace, w.ID, w.AllowedSources = ns, "", []string{}
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
			w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
			f(w)
		}))
	}
	with("acme", func(*workspace.Workspace) {})
	with("signed", func(w *workspace.Workspace) { w.RequireSignature = true })
	with("closed", func(w *workspace.Workspace) { w.AllowedOrigins = []string{"https://app.example.com"} })
	forEver := func(target string) string {
		s, err := secret.Sign(target)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	until := func(target string) string {
		s, err := secret.SignUntil(target, time.Now().Add(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, endpoint := range []string{"/info", "/info/metadata", "/placeholder/blurhash", "/placeholder/color"} {
		for _, tt := range []struct{ target, origin, code, control string }{
			{"/acme" + endpoint + "/vault/a.jpg", "", "SIGNATURE_REQUIRED", ""},
			{"/acme" + endpoint + "?src=vault/a.jpg", "", "SIGNATURE_REQUIRED", ""},
			{"/acme" + endpoint + "?src=" + b.upstream.URL + "/vault/a.jpg", "", "SIGNATURE_REQUIRED", ""},
			{forEver("/acme" + endpoint + "/vault/a.jpg"), "", "SIGNATURE_INVALID", ""},
			{until("/acme" + endpoint + "/vault/a.jpg"), "", "", "private, max-age="},
			{until("/acme"+endpoint+"/vault/a.jpg") + "&v=2", "", "SIGNATURE_INVALID", ""},
			{"/acme" + endpoint + "?src=" + elsewhere.URL + "/a.jpg", "", "SOURCE_NOT_ALLOWED", ""},
			{"/signed" + endpoint + "/photos/cat.jpg", "", "SIGNATURE_REQUIRED", ""},
			{forEver("/signed" + endpoint + "/photos/cat.jpg"), "", "", "public, "},
			{"/closed" + endpoint + "/photos/cat.jpg", "https://evil.example", "ORIGIN_NOT_ALLOWED", ""},
			{"/closed" + endpoint + "/photos/cat.jpg", "https://app.example.com", "", "public, "},
		} {
			var h []string
			if tt.origin != "" {
				h = []string{"Origin", tt.origin}
			}
			w := b.get(tt.target, h...)
			if got := code(t, w); got != tt.code || tt.control != "" && !strings.HasPrefix(w.Header().Get("Cache-Control"), tt.control) {
				t.Errorf("%s: %d %s %s", tt.target, w.Code, w.Header().Get("Cache-Control"), w.Body)
			}
			if tt.origin == "https://app.example.com" && w.Header().Get("Access-Control-Allow-Origin") != tt.origin {
				t.Errorf("%s: no CORS", tt.target)
			}
		}
	}
	if got := code(t, b.get("/signed/placeholder/color?color=red")); got != "SIGNATURE_REQUIRED" {
		t.Errorf("a placeholder of a colour in a signed workspace: %q", got)
	}
}

// TestInfoOfMarked: an original that carries marks has facts and placeholders without one,
// since they don't show it, and neither a mark nor default= can be slipped in.
func TestInfoOfMarked(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) {}))
	for _, target := range []string{"/acme/info/photos/cat.jpg", "/acme/info/photos/cat.jpg?mark=vault/logo.png&default=vault/x.png", "/acme/placeholder/blurhash/photos/cat.jpg?w=2048&mark=vault/logo.png"} {
		if w := b.get(target); w.Code != 200 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if n := b.upstream.Count("/media/red.png") + b.upstream.Count("/vault/logo.png") + b.upstream.Count("/vault/x.png"); n > 0 {
		t.Errorf("%d fetches of what no grammar knows", n)
	}
}

// TestInfoEXIF: EXIF is for those with a right, has an entry of its own, and is never public.
func TestInfoEXIF(t *testing.T) {
	k := newKeyBench(t)
	secret := signing.NewSecret()
	k.registry.Set(t, k.acme(func(w *workspace.Workspace) {
		w.Namespace, w.ID = "open", ""
		w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
	}))
	k.upstream.Serve("/photos/gps.jpg", deliverytest.Body(withGPS(red(t, 40, 30))))
	const exif = "exif gps iptc xmp"
	sign := func(target string, exp time.Time) string {
		s, err := secret.Sign(target)
		if !exp.IsZero() {
			s, err = secret.SignUntil(target, exp)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	target := "/open/info/photos/gps.jpg?select=exif"
	k.get("/open/info/photos/gps.jpg") // the whole is known, which helps nobody
	for _, tt := range []struct{ target, key, code, fields, control string }{
		{target, "", "SIGNATURE_REQUIRED", "", ""},
		{target + ",metadata", "", "SIGNATURE_REQUIRED", "", ""},
		{target + "&sig=" + strings.Repeat("0", 64), "", "SIGNATURE_INVALID", "", ""},
		{sign(target, time.Now().Add(-time.Hour)), "", "SIGNATURE_EXPIRED", "", ""},
		{sign("/open/info/photos/gps.jpg", time.Time{}) + "&select=exif", "", "SIGNATURE_INVALID", "", ""},
		{target, rootKey, "", exif, "private, max-age=86400"},
		{target, "", "SIGNATURE_REQUIRED", "", ""}, // also once it is cached
		{sign(target, time.Time{}), "", "", exif, "private, max-age=86400"},
		{sign(target, time.Now().Add(100*time.Second)), "", "", exif, "private, max-age="},
		{target + ",metadata,blurhash", rootKey, "", "blurhash exif gps iptc metadata xmp", "private, max-age=86400"},
	} {
		var h []string
		if tt.key != "" {
			h = []string{"Authorization", "Bearer " + tt.key}
		}
		w := k.get(tt.target, h...)
		if got := code(t, w); got != tt.code {
			t.Errorf("%s: %d %s", tt.target, w.Code, w.Body)
			continue
		}
		if tt.code != "" {
			continue
		}
		if got := fieldsOf(t, w); got != tt.fields || !strings.HasPrefix(w.Header().Get("Cache-Control"), tt.control) {
			t.Errorf("%s: %s, %s", tt.target, got, w.Header().Get("Cache-Control"))
		}
		if !strings.Contains(w.Body.String(), `"gps":{"latitude":-33.8568,"longitude":151.2153,"altitude":null}`) || !strings.Contains(w.Body.String(), `"Make":"Tintype"`) {
			t.Errorf("%s: %s", tt.target, w.Body)
		}
	}
	for _, target := range []string{"/open/info/photos/gps.jpg", "/open/info/metadata/photos/gps.jpg"} {
		if w := k.get(target); strings.Contains(w.Body.String(), "33.8568") || w.Header().Get("Cache-Control") != "public, max-age=3600, s-maxage=86400" {
			t.Errorf("%s: %s %s", target, w.Header().Get("Cache-Control"), w.Body)
		}
	}
}

// withGPS puts an EXIF block before the segments of a JPEG: a maker, and 33.8568° S,
// 151.2153° E.
func withGPS(jpeg []byte) []byte {
	b := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00")
	u16 := func(v int) { b = append(b, byte(v), byte(v>>8)) }
	u32 := func(v int) { b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)) }
	u16(2)
	u16(0x010f) // Make
	u16(2)
	u32(8)
	u32(8 + 2 + 24 + 4)
	u16(0x8825) // GPS
	u16(4)
	u32(1)
	u32(8 + 2 + 24 + 4 + 8)
	u32(0)
	b = append(b, "Tintype\x00"...)
	at := 8 + 2 + 24 + 4 + 8 + 2 + 48 + 4
	u16(4)
	for _, e := range []struct {
		ref  string
		tag  int
		here int
	}{{"S", 1, 0}, {"", 2, at}, {"E", 3, 0}, {"", 4, at + 24}} {
		u16(e.tag)
		if e.ref != "" {
			u16(2)
			u32(2)
			b = append(b, e.ref[0], 0, 0, 0)
			continue
		}
		u16(5)
		u32(3)
		u32(e.here)
	}
	u32(0)
	for _, ten := range [][3]int{{33, 51, 244800}, {151, 12, 550800}} {
		u32(ten[0])
		u32(1)
		u32(ten[1])
		u32(1)
		u32(ten[2])
		u32(10000)
	}
	n := len(b) + 2
	return slices.Concat(jpeg[:2], []byte{0xff, 0xe1, byte(n >> 8), byte(n)}, b, jpeg[2:])
}

// TestInfoPurge: every kind of purge that concerns an original concerns its facts and its
// placeholders, and a new original is seen when it is revalidated.
func TestInfoPurge(t *testing.T) {
	b := newBench(t)
	w := b.acme()
	b.registry.Set(t, w)
	targets := []string{"/acme/info/photos/cat.jpg", "/acme/info/metadata/photos/cat.jpg", "/acme/placeholder/thumbhash/photos/cat.jpg", "/acme/info/photos/dog.jpg"}
	b.upstream.Serve("/photos/dog.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	for _, tt := range []struct {
		p    workspace.Purge
		want []bool
	}{
		{workspace.Purge{Kind: workspace.PurgeAll}, []bool{true, true, true, true}},
		{workspace.Purge{Kind: workspace.PurgeSource, Source: "photos"}, []bool{true, true, true, true}},
		{workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "cat.jpg"}, []bool{true, true, true, false}},
	} {
		b.get(targets[1])
		for _, target := range targets {
			b.get(target)
			if !hit(b.get(target)) {
				t.Fatalf("%s isn't kept", target)
			}
		}
		w = b.purge(t, w, tt.p)
		for i, target := range targets {
			if i == 1 { // it is taken from the whole, which is new by now
				continue
			}
			if got := !hit(b.get(target)); got != tt.want[i] {
				t.Errorf("%v %s: purged %v, want %v", tt.p, target, got, tt.want[i])
			}
		}
	}
	// By URL, with all its parts.
	found, _, err := b.FindPurge(t.Context(), "acme", "/acme/info/colors/photos/cat.jpg")
	if err != nil || len(found) != 1 || found[0].Kind != workspace.PurgeURL {
		t.Fatal(found, err)
	}
	b.purge(t, w, found[0])
	if hit(b.get("/acme/info/blurhash/photos/cat.jpg")) || !hit(b.get(targets[2])) {
		t.Error("a purge by URL forgets the wrong entries")
	}
	// What reads no original is purged with everything, and stays purged.
	const of = "/acme/placeholder/color?color=red"
	b.get(of)
	w = b.purge(t, w, workspace.Purge{Kind: workspace.PurgeAll})
	b.purge(t, w, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "cat.jpg"})
	if hit(b.get(of)) || !hit(b.get(of)) {
		t.Error("a purge of everything left a placeholder of a colour")
	}
	if _, _, err := b.FindPurge(t.Context(), "acme", of); err == nil || !strings.Contains(err.Error(), "nothing to purge") {
		t.Errorf("a purge of what reads nothing: %v", err)
	}
}

// TestInfoLifetime: facts are kept for a day, and for less where the source says so.
func TestInfoLifetime(t *testing.T) {
	for ttl, want := range map[int]time.Duration{0: 24 * time.Hour, 60: time.Minute, 7 * 86400: 24 * time.Hour} {
		b := newBench(t)
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Sources[0].TTL = ttl }))
		b.get("/acme/info/photos/cat.jpg")
		e, err := b.Explain(t.Context(), "/acme/info/photos/cat.jpg", "", "")
		if err != nil || e.ExpiresAt == nil {
			t.Fatal(e, err)
		}
		if got := time.Until(*e.ExpiresAt); got > want || got < want-time.Minute/2 {
			t.Errorf("TTL %d: kept for %v, want %v", ttl, got, want)
		}
	}
}

// TestInfoExplained: explain says of these URLs what it says of variants.
func TestInfoExplained(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	for _, tt := range []struct {
		target           string
		status           int
		original, format string
		options          string
	}{
		{"/acme/info/photos/cat.jpg?select=colors&v=2", 200, "photos/cat.jpg", "json", "v=2"},
		{"/acme/info/photos/cat.jpg?select=x", 400, "", "", ""},
		{"/acme/info/photos/cat.jpg?select=exif", 401, "photos/cat.jpg", "json", ""},
		{"/acme/placeholder/color?color=%23f00&w=4&h=2&format=png", 200, "", "png", "color&color=ff0000ff&w=4&h=2&format=png"},
		{"/acme/placeholder/blurhash/photos/cat.jpg?dpr=2&w=10&fit=cover&punch=2", 200, "photos/cat.jpg", "auto: jpeg png", "blurhash&w=20&punch=2"},
	} {
		e, err := b.Explain(t.Context(), tt.target, "", "")
		if err != nil || e.Status != tt.status || e.Original != tt.original || e.Format != tt.format || e.Options != tt.options {
			t.Errorf("%s: %+v, %v", tt.target, e, err)
		}
		w := b.get(tt.target)
		if w.Code != tt.status {
			t.Errorf("%s: explained as %d, answered with %d", tt.target, tt.status, w.Code)
		}
		if again, err := b.Explain(t.Context(), tt.target, "", ""); err != nil || again.Cached != (tt.status == 200) {
			t.Errorf("%s again: %+v, %v", tt.target, again, err)
		}
	}
}

// TestFieldsOfObject: an object is split as encoding/json reads it.
func TestFieldsOfObject(t *testing.T) {
	for _, object := range []string{`{}`, `{"a":1}`, `{"a":{"b":[1,2,{"c":"}"}]},"d":"\",:{","e":[],"f":null}`, `{"":1,"a":"\\"}`} {
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(object), &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]json.RawMessage{}
		for name, value := range fieldsOfObject([]byte(object)) {
			got[string(name)] = value
		}
		delete(want, "") // no field of ours
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", object, diff)
		}
	}
	for range fieldsOfObject([]byte(`{"a":1,"b":2}`)) {
		break
	}
}

// TestInfoUsage: requests count under the endpoint.
func TestInfoUsage(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	b.registry.Set(t, b.acme())
	for _, target := range []string{"/acme/info/photos/cat.jpg", "/acme/info/blurhash/photos/cat.jpg", "/acme/placeholder/color?color=red", "/acme/placeholder/color?color=nored"} {
		b.get(target)
	}
	if err := recorder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := store.Usage(t.Context(), "id-of-acme", "2000-01-01", "3000-01-01")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][3]int64{}
	for _, u := range all {
		n := got[u.Operation]
		got[u.Operation] = [3]int64{n[0] + u.Requests, n[1] + u.Hits, n[2] + u.Transforms}
	}
	if diff := cmp.Diff(map[string][3]int64{"info": {2, 1, 1}, "placeholder": {2, 0, 1}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestWorkerLies: what a worker says that no engine says is never shown.
func TestWorkerLies(t *testing.T) {
	b := newBench(t, func(c *setup) { c.Engine = liar{} })
	b.registry.Set(t, b.acme())
	if w := b.get("/acme/info/photos/cat.jpg"); w.Code != 500 || strings.Contains(w.Body.String(), "script") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// BenchmarkInfoHit is BenchmarkHit for facts, all of them and a part.
func BenchmarkInfoHit(b *testing.B) {
	for name, target := range map[string]string{"all": "/acme/info/photos/cat.jpg", "part": "/acme/info/colors/photos/cat.jpg", "placeholder": "/acme/placeholder/color?color=red&w=4&h=4"} {
		b.Run(name, func(b *testing.B) {
			bb := newBench(b, func(c *setup) { c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
			bb.registry.Set(b, bb.acme())
			r := httptest.NewRequest("GET", "/", nil)
			r.RequestURI = target
			w := httptest.NewRecorder()
			bb.handler.ServeHTTP(w, r)
			if w.Code != 200 {
				b.Fatal(w.Code, w.Body)
			}
			b.ReportAllocs()
			for b.Loop() {
				bb.handler.ServeHTTP(&discard{http.Header{}}, r)
			}
		})
	}
}

// liar is an engine that a worker's attacker would write.
type liar struct{}

func (liar) Transform(context.Context, transform.Job) (transform.Image, error) {
	return transform.Image{Data: []byte(`{"blurhash":"<script>","colors":[]}`), Format: transform.JSON, Width: 1, Height: 1, Frames: 1}, nil
}
