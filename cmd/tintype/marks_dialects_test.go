//go:build cgo

package main

import (
	"fmt"
	"image"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/transform"
)

// dialectSecret is the key of every dialect that signs its URLs.
var dialectSecret = []byte("0123456789abcdef")

// writeForeign writes path and query of a URL of another product for an original.
func (g *gallery) writeForeign(r *rand.Rand, source, name string, corner bool) string {
	d := pick(r, dialect.All...)
	w := deliverytest.Writers[d.Name]
	image := g.objectName(r, source, name)
	switch {
	case w.FullOnly && r.IntN(2) == 0, r.IntN(4) == 0:
		image = g.fullURL(r, source, name)
	case w.FullOnly, r.IntN(3) == 0: // spelled as it should be
		image = g.origin.URL + "/" + source + "/" + name
	}
	options := foreignOptions(r, d.Name, corner)
	prefix := "/" + pick(r, d.Prefixes...)
	if sign := deliverytest.SignAs[d.Name]; sign != nil && r.IntN(3) == 0 {
		separator := "/"
		if d.Name == "imgix" {
			separator = "&"
		}
		if strings.Contains(image, "://") && d.Name != "cloudinary" {
			image = url.QueryEscape(image)
		} else if !strings.Contains(image, "://") {
			image = deliverytest.EscapePath(image)
		}
		return prefix + sign(dialectSecret, image, strings.Join(options, separator))
	}
	target := prefix + w.Image(image, options)
	if word := pick(r, "unsafe", "unsafe", "insecure", "_", "AAAA"); d.Name == "imgproxy" || d.Name == "thumbor" && word == "AAAA" {
		target = strings.Replace(target, "/unsafe/", "/"+word+"/", 1)
	}
	return target
}

// foreignOptions are some options of a dialect, with random values. Like option, they don't
// bring in the marks' colour, and keep the quality where the mark is in the corner.
func foreignOptions(r *rand.Rand, name string, corner bool) []string {
	side := func() string { return strconv.Itoa(pick(r, 1, 7, 16, 33, 48, 64, 96, 100, 150)) }
	quality := strconv.Itoa(1 + r.IntN(100))
	if corner {
		quality = strconv.Itoa(60 + r.IntN(41))
	}
	color := func() string { return pick(r, "fff", "000", "ff0000", "0000ff", "00000000") }
	small := func() string { return strconv.Itoa(r.IntN(30)) }
	dpr := func() string { return pick(r, "1", "2", "3") }
	turn := func() string { return pick(r, "0", "90", "180", "270", "45") }
	var from []string
	switch name {
	case "next", "vercel":
		from = []string{"w=" + side(), "q=" + quality, "dpl=1", "unmarked=1"}
	case "netlify":
		from = []string{"w=" + side(), "h=" + side(), "fit=" + pick(r, "contain", "cover", "fill"), "position=" + pick(r, "top", "left", "center"), "fm=" + pick(r, "png", "webp", "avif", "jpg", "gif", "blurhash"), "q=" + quality}
	case "cloudflare":
		from = []string{"width=" + side(), "height=" + side(), "fit=" + pick(r, "scale-down", "contain", "cover", "crop", "pad", "squeeze", "aspect-crop"),
			"gravity=" + pick(r, "left", "auto", "face", "0.9x0.1", "top"), "quality=" + quality, "format=" + pick(r, "auto", "webp", "avif", "jpeg", "png", "json", "baseline-jpeg"),
			"dpr=" + dpr(), "rotate=" + turn(), "blur=" + small(), "sharpen=" + pick(r, "1", "9"), "brightness=" + pick(r, "0.5", "3"), "contrast=2", "gamma=0.5", "saturation=0",
			"background=" + pick(r, "white", "%23fff", "rgb(0,0,0)"), "trim=5;5;5;5", "flip=" + pick(r, "h", "v", "hv"), "anim=" + pick(r, "false", "true"), "onerror=redirect", "metadata=keep",
			"draw=none", "zoom=0.5", "scq=60", "compression=fast"}
	case "ipx":
		from = []string{"w_" + side(), "h_" + side(), "s_" + side() + "x" + side(), "f_" + pick(r, "webp", "png", "avif", "jpeg", "auto"), "q_" + quality, "rotate_" + turn(), "flip", "flop", "grayscale",
			"fit_" + pick(r, "contain", "cover", "fill", "inside", "outside"), "b_" + color(), "position_" + pick(r, "top", "left", "entropy"), "extract_0_0_20_20", "extend_20_20_20_20", "trim_10",
			"blur_" + small(), "sharpen_9", "negate", "gamma_2", "median_3", "animated", "composite_none"}
	case "imgix":
		from = []string{"w=" + side(), "h=" + side(), "fit=" + pick(r, "crop", "clip", "fill", "fillmax", "scale", "max", "min", "clamp", "facearea"), "crop=" + pick(r, "left", "top,right", "faces", "entropy", "focalpoint"),
			"auto=" + pick(r, "format", "compress", "format,compress"), "fm=" + pick(r, "png", "webp", "avif", "jpg", "pjpg", "gif", "blurhash", "json"), "q=" + quality, "flip=" + pick(r, "h", "v", "hv"),
			"rot=" + turn(), "orient=" + pick(r, "1", "3", "6"), "dpr=" + dpr(), "pad=" + small(), "bri=" + pick(r, "-50", "50"), "con=-50", "sat=-100", "exp=1", "blur=" + small(), "sharp=50", "px=9", "sepia=80", "invert=true",
			"rect=0,0,20,20", "ar=1:3", "bg=" + color(), "border=3,fff", "trim=auto", "mask=" + pick(r, "ellipse", "corners"), "corner-radius=9", "max-w=" + side(), "fill=solid", "fp-x=0.9", "fp-z=4",
			"mark=none", "mark=", "mark64=bm9uZQ", "mark-alpha=0", "mark-scale=0", "mark-w=1", "mark-h=1", "mark-pad=999", "mark-x=-999", "mark-align=top,left", "blend-alpha=0", "w64=NDA", "dl=a.jpg", "frame=1"}
	case "imgproxy":
		from = []string{"rs:" + pick(r, "fill", "fit", "force", "auto", "fill-down") + ":" + side() + ":" + side() + ":" + pick(r, "0", "1"), "s:" + side(), "w:" + side(), "h:" + side(), "mw:" + side(), "z:2", "dpr:" + dpr(),
			"el:1", "ex:1", "ex:1:no", "exar:1", "g:" + pick(r, "no", "sowe", "sm", "ce", "fp:0.9:0.1"), "c:" + side() + ":" + side() + ":no", "t:10", "pd:" + small() + ":" + small(), "rot:" + turn(), "ar:1", "bg:" + color(),
			"bl:" + small(), "sh:3", "pix:9", "br:50", "co:0.5", "sa:0", "q:" + quality, "f:" + pick(r, "png", "webp", "avif", "jpg", "gif", "best"), "wm:0", "wm:0.001", "wm:1:re:0:0:0.001", "wm:0.5:ce:999:999", "wmu:", "wmu:bm9uZQ",
			"wms:1:1", "wmt:none", "wmr:0", "pr:clear", "pr:tiny", "pr:afar", "fn:a.jpg", "exp:4000000000", "raw:1", "da:1", "p:1", "fl:1:1", "skp:jpg:png", "cb:1", "sm:0", "eth:0"}
	case "thumbor":
		from = nil
		add := func(s string) {
			if r.IntN(2) == 0 {
				from = append(from, s)
			}
		}
		add(pick(r, "trim", "trim:top-left:10"))
		add(pick(r, "10x10:60x60", "0x0:96x20", "80x60:96x72"))
		add(pick(r, "fit-in", "full-fit-in", "adaptive-fit-in", "stretch"))
		from = append(from, pick(r, "", "-")+side()+"x"+pick(r, "", "-")+pick(r, side(), "0"))
		add(pick(r, "left", "right", "left/top", "bottom"))
		add("smart")
		add("filters:" + pick(r, "format("+pick(r, "png", "webp", "avif", "jpeg")+")", "quality("+quality+")", "rotate("+turn()+")", "grayscale()", "blur("+small()+")", "sharpen(2,1,true)", "fill(white)", "brightness(50)", "contrast(-50)",
			"no_upscale()", "upscale()", "proportion(0.5)", "watermark(none,0,0,100)", "watermark(open/a.jpg,0,0,100,1,1)", "round_corner(9,255,255,255)", "background_color(fff)", "padding(9,9,9,9)", "max_bytes(99)", "strip_exif()", "focal(0x0:9x9)"))
		return from
	case "cloudinary":
		from = []string{"w_" + side(), "h_" + side(), "c_" + pick(r, "fill", "pad", "crop", "scale", "limit", "fit", "thumb", "lfill") + ",w_" + side() + ",h_" + side(), "g_" + pick(r, "auto", "face", "north", "center") + ",c_fill,w_" + side() + ",h_" + side(),
			"f_" + pick(r, "auto", "png", "webp", "avif", "jpg"), "q_" + pick(r, quality, "auto"), "dpr_2.0", "e_" + pick(r, "grayscale", "blur:300", "sepia", "pixelate:9", "sharpen", "negate", "trim", "brightness:50"), "a_" + turn(), "a_hflip",
			"r_" + pick(r, "max", "9"), "b_" + pick(r, "white", "black", "rgb:fff"), "l_none", "l_open:a.jpg/o_0", "o_0", "u_none", "t_clear", "t_afar", "fl_attachment", "pg_1", "x_9,y_9,c_crop,w_20,h_20", "ar_1:3,c_fill,w_" + side(), "if_w_gt_9", "v1"}
	case "weserv":
		from = []string{"w=" + side(), "h=" + side(), "fit=" + pick(r, "cover", "contain", "fill", "inside", "outside"), "a=" + pick(r, "top", "attention", "entropy", "left", "focal"), "output=" + pick(r, "png", "webp", "jpg", "gif", "json"), "q=" + quality,
			"flip", "flop", "ro=" + turn(), "mask=" + pick(r, "circle", "ellipse", "heart"), "mbg=" + color(), "mtrim", "trim=10", "filt=" + pick(r, "greyscale", "sepia", "negate", "duotone"), "bg=" + color(), "cbg=" + color(), "con=-50", "blur=" + small(), "sharp=3", "n=-1", "n=1",
			"cx=0&cy=0&cw=20&ch=20", "precrop", "dpr=" + dpr(), "we", "il", "af", "l=9", "default=1", "encoding=base64", "maxage=1d", "filename=a"}
	}
	var chosen []string
	for range r.IntN(5) {
		o := pick(r, from...)
		chosen = append(chosen, o)
	}
	if name == "cloudflare" && len(chosen) == 0 {
		chosen = []string{"width=" + side()}
	}
	return chosen
}

// foreignQueries returns the options of a URL of another product, as the server reads them: those
// that it implies, and those that it gives.
func (a attempt) foreignQueries() (implied, given transform.Query, err error) {
	path, query, _ := strings.Cut(a.foreign, "?")
	d, tail := dialect.Find(path)
	if d == nil {
		return nil, nil, fmt.Errorf("%s is of no dialect", path)
	}
	r, err := d.Parse(dialect.URL{Path: tail, RawQuery: query})
	if err != nil {
		return nil, nil, err
	}
	implied, given = r.Options.Layers()
	return implied, given, nil
}

// A gridAttempt is what is known of an attempt by /grid.
type gridAttempt struct {
	transform.Grid
	sources []string // of the cells that are there: full, corner or open
}

// writeGrid writes path and query of a grid that has the original in a cell at least. Cells
// of a control are all of an original without a mark, and count as marked ones.
func (g *gallery) writeGrid(r *rand.Rand, source, name string, corner, control bool) (string, *gridAttempt) {
	marked := "full"
	if corner {
		marked = "corner"
	}
	at := &gridAttempt{}
	n := 2 + r.IntN(4)
	hidden := r.IntN(n)
	query := []string{}
	skip := r.IntN(4) == 0
	for i := range n {
		switch {
		case i == hidden || r.IntN(3) == 0:
			image := g.objectName(r, source, name)
			if r.IntN(3) == 0 {
				image = pick(r, g.fullURL(r, source, name), g.origin.URL+"/"+source+"/"+url.PathEscape(name))
			}
			query = append(query, "src="+spelled(r, image))
			at.sources = append(at.sources, marked)
		case skip && r.IntN(2) == 0:
			query = append(query, "src=open/missing.jpg")
		default:
			query = append(query, "src=open/a.jpg")
			at.sources = append(at.sources, "open")
		}
	}
	if skip {
		query = append(query, "missing=skip")
	}
	w, h, dpr := 40+r.IntN(160), 40+r.IntN(160), pick(r, 1, 1, 2)
	at.Size = transform.Size{W: w * dpr, H: h * dpr}
	query = append(query, fmt.Sprintf("%s=%d", pick(r, "w", "width"), w), fmt.Sprintf("%s=%d", pick(r, "h", "height"), h))
	if dpr > 1 {
		query = append(query, "dpr=2")
	}
	at.Type, at.Cols = transform.GridAuto, 2
	if r.IntN(3) > 0 {
		at.Type = pick(r, transform.GridAuto, transform.GridClassic, transform.GridColumn, transform.GridRow)
		query = append(query, "type="+string(at.Type))
	}
	if r.IntN(2) == 0 {
		at.Cols = 1 + r.IntN(3)
		query = append(query, "cols="+strconv.Itoa(at.Cols))
	}
	if at.Type == transform.GridAuto || at.Type == transform.GridRow {
		at.Cols = 0
	}
	if r.IntN(2) == 0 {
		at.Gap = r.IntN(12)
		query = append(query, "gap="+strconv.Itoa(at.Gap))
		at.Gap *= dpr
	}
	for range r.IntN(3) {
		query = append(query, pick(r, "bg="+pick(r, "white", "00f8", "transparent"), "format="+pick(r, "png", "webp", "avif", "jpeg", "nocompress"), "q="+strconv.Itoa(60+r.IntN(41)), "lossless", "v=2", "fit=pad", "blur=9", "rotate=90"))
	}
	if r.IntN(2) == 0 && !control {
		query = append(query, markOption(r))
	}
	r.Shuffle(len(query)-n, func(i, j int) { query[n+i], query[n+j] = query[n+j], query[n+i] })
	return "/grid?" + strings.Join(query, "&"), at
}

// marked reports whether each cell that has to has its mark.
func (g *gridAttempt) marked(m *image.NRGBA) bool {
	for i, cell := range g.cells() {
		if g.sources[i] == "open" {
			continue
		}
		if !cell.In(m.Rect) || magentaness(m, markedPart(cell, g.sources[i] == "corner")) < leastMagenta(cell, g.sources[i] == "corner") {
			return false
		}
	}
	return true
}

func (g *gridAttempt) cells() []image.Rectangle {
	sizes := make([]transform.Size, len(g.sources))
	for i := range sizes {
		sizes[i] = transform.Size{W: 96, H: 72} // as all originals are
	}
	return g.Grid.Cells(sizes)
}

// markedPart is the part of a cell that its mark covers.
func markedPart(cell image.Rectangle, corner bool) image.Rectangle {
	if corner {
		w, h := cell.Dx(), cell.Dy()
		cell.Min.X += w - max((w*4+5)/10, 1)
		cell.Min.Y += h - max((h*4+5)/10, 1)
	}
	return cell
}

// leastMagenta is how much of the marks' colour the part has at least. Encoders blur the
// cells into each other.
func leastMagenta(cell image.Rectangle, corner bool) float64 {
	switch small := min(cell.Dx(), cell.Dy()) < 32; {
	case corner && small:
		return 12
	case corner:
		return 40
	case small:
		return 60
	}
	return 150
}

// speck reports whether a cell is so small that it can't be told.
func (g *gridAttempt) speck() bool {
	for _, cell := range g.cells() {
		if min(cell.Dx(), cell.Dy()) < 16 {
			return true
		}
	}
	return false
}
