package svg

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/transform"
)

// svgOf returns an SVG of 40×30 pixels with this content.
func svgOf(inner string) []byte {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="30">` + inner + `</svg>`)
}

func svgRootOf(attributes string) []byte {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" ` + attributes + `><path d="M0 0h9"/></svg>`)
}

// svgUsesOf returns an SVG with several levels of elements. Each uses the element before it
// several times.
func svgUsesOf(levels, times int) []byte {
	var b strings.Builder
	b.WriteString(`<defs><path id="l0" d="M0 0h9"/>`)
	for i := range levels {
		fmt.Fprintf(&b, `<g id="l%d">%s</g>`, i+1, strings.Repeat(fmt.Sprintf(`<use xlink:href="#l%d"/>`, i), times))
	}
	fmt.Fprintf(&b, `</defs><use href="#l%d"/>`, levels)
	return svgOf(b.String())
}

// svgPaintedBy returns an SVG whose elements are painted with the element before. %[1]d is
// the level, %[2]d the level before.
func svgPaintedBy(levels int, outer, shape string) []byte {
	var b strings.Builder
	for i := range levels {
		fmt.Fprintf(&b, outer, i+1, strings.Repeat(fmt.Sprintf(shape, i), 10))
	}
	return svgOf(b.String())
}

func svgPicture(kind string, file []byte) string {
	return `<image width="4" height="4" xlink:href="data:image/` + kind + `;base64,` + base64.StdEncoding.EncodeToString(file) + `"/>`
}

// pictureOf returns a placeholder for a picture of this size. readPicture reads it.
func pictureOf(w, h int) []byte { return fmt.Appendf(nil, "%d %d", w, h) }

// readPicture reads the placeholders of these tests. Package header tests real pictures.
func readPicture(file []byte) (transform.Header, error) {
	h := transform.Header{Format: transform.PNG}
	if string(file) == "cut" {
		return h, transform.ErrTruncated
	}
	if _, err := fmt.Sscanf(string(file[:min(len(file), 20)]), "%d %d", &h.Width, &h.Height); err != nil {
		return h, transform.ErrUnsupported
	}
	return h, nil
}

// A testCase is a file, and the header or the error that Read returns.
type testCase struct {
	name string
	file []byte
	want transform.Header
	err  error
}

func svgCases() []testCase {
	header := func(w, h int) transform.Header {
		return transform.Header{Format: transform.SVG, Width: w, Height: h, Orientation: 1, Frames: 1, Alpha: true, Bands: 4, Bits: 8}
	}
	var cases []testCase
	for attributes, size := range map[string]transform.Size{
		`width="100" height="50"`:                                {W: 100, H: 50},
		`width="100PX" height="50px"`:                            {W: 100, H: 50},
		`width="1in" height="2.54cm"`:                            {W: 96, H: 96},
		`width="72pt" height="6pc"`:                              {W: 96, H: 96},
		`width="25.4mm" height="10em"`:                           {W: 96, H: 120},
		`width="1e2" height="+.5e2"`:                             {W: 100, H: 50},
		`width="10.4" height="10.5"`:                             {W: 10, H: 11},
		`width="100" viewBox="0 0 30 40"`:                        {W: 100, H: 133},
		`height="100" viewBox="0,0 30 , 40"`:                     {W: 75, H: 100},
		`viewBox="-5 -5 30.4 40.6"`:                              {W: 30, H: 41},
		`width="100%" height="auto" viewBox="0 0 30 40"`:         {W: 30, H: 40},
		`width="10vw" height="-3" viewBox="0 0 30 40"`:           {W: 30, H: 40},
		`style="width:20px;height:30px" width="99"`:              {W: 20, H: 30},
		`width="99" style="stroke:red; width : 20px" height="7"`: {W: 20, H: 7},
		`width="&#49;0&#x30;" height='50'`:                       {W: 100, H: 50},
	} {
		cases = append(cases, testCase{name: attributes, file: svgRootOf(attributes), want: header(size.W, size.H)})
	}
	for name, inner := range map[string]string{
		"shapes":              `<g id="a"><rect width="1" height="2"/></g><text>caf&#xe9; &lt;</text>`,
		"a title and links":   `<title>url(http://x.test)</title><a href="https://x.test/"><path/></a>`,
		"uses":                `<defs><g id="a"><path/></g></defs><use href="#a"/><use xlink:href="#a"/><use href="#missing"/>`,
		"gradients":           `<linearGradient id="a"><stop/></linearGradient><linearGradient id="b" href="#a"/><path fill="url(#b)" style="stroke:url('#a')"/>`,
		"a style sheet":       `<style>/* a, b */ @font-face{src:url(data:font/woff2;base64,AA)} .a,#b>path{fill:url(#c);opacity:.5}</style><pattern id="c"><rect/></pattern><g class="a z"/>`,
		"a png":               svgPicture("png", pictureOf(4, 4)),
		"a jpeg":              svgPicture("jpeg", pictureOf(4, 4)),
		"characters as such":  `<text><![CDATA[<use href="file:///x"/>]]></text><!-- <script/> -->`,
		"metadata of Adobe's": `<metadata><?xpacket begin=""?><x/><?xpacket end="w"?></metadata>`,
		"a filter":            `<filter id="f"><feConvolveMatrix order="3"/><feMorphology radius="2,3"/><feImage href="#p"/></filter><path id="p"/><path filter="url(#f)"/>`,
		"animations":          `<path id="a"><animate href="#a"/></path>`,
		"a page of glyphs":    `<symbol id="g"><path d="M0 0h9"/></symbol>` + strings.Repeat(`<use href="#g"/>`, 10_000),
	} {
		cases = append(cases, testCase{name: name, file: svgOf(inner), want: header(40, 30)})
	}
	const doctype = `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">`
	plain := string(svgOf(""))
	for name, file := range map[string]string{
		"a declaration":             `<?xml version="1.0" encoding="UTF-8" standalone="no"?>` + "\n" + plain,
		"a byte order mark":         "\ufeff" + plain,
		"a document type":           doctype + plain,
		"a document type in little": `<!DOCTYPE svg>` + plain,
		"trailing bytes":            plain + "\n<!-- done -->\n",
	} {
		cases = append(cases, testCase{name: name, file: []byte(file), want: header(40, 30)})
	}

	for name, inner := range map[string]string{
		"a script":                   `<script>alert(1)</script>`,
		"a script under a prefix":    `<s:script xmlns:s="http://www.w3.org/2000/svg"/>`,
		"a foreign object":           `<foreignObject/>`,
		"an entity":                  `&xxe;`,
		"an entity in an attribute":  `<path id="&xxe;"/>`,
		"an outside picture":         `<image href="http://x.test/a.png"/>`,
		"a file":                     `<image xlink:href=" file:///etc/passwd"/>`,
		"a relative picture":         `<image href="a.png"/>`,
		"an escaped outside picture": `<image href="h&#116;tp://x.test/a.png"/>`,
		"an svg within":              svgPicture("svg+xml", svgOf("")),
		"a gif within":               svgPicture("gif", []byte("GIF89a")),
		"an outside use":             `<use href="b.svg#a"/>`,
		"an outside filter picture":  `<feImage href="//x.test/a.png"/>`,
		"an outside fill":            `<path fill="url(http://x.test/#a)"/>`,
		"an outside fill in a style": `<path style="fill: URL( 'x.svg#a' )"/>`,
		"an outside sheet":           `<style>@IMPORT "x.css";</style>`,
		"an outside font":            `<style>@font-face{src:url(https://x.test/f)}</style>`,
		"an escape in a style":       `<style>a{fill:u\72l(http://x.test)}</style>`,
		"an escape in a CDATA style": `<style><![CDATA[a{fill:\75rl(x)}]]></style>`,
		"a style in two parts":       `<style>a{fill:u<!-- -->rl(x)}</style>`,
		"an XInclude":                `<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="#a"/>`,
		"a php instruction":          `<?php x ?>`,
	} {
		cases = append(cases, testCase{name: name, file: svgOf(inner), err: transform.ErrUnsupported})
	}
	for name, file := range map[string]string{
		"an internal subset":   `<!DOCTYPE svg [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>` + plain,
		"laughs":               `<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + string(svgOf("&b;")),
		"a file for its type":  `<!DOCTYPE svg SYSTEM "file:///etc/passwd">` + plain,
		"a sheet for itself":   `<?xml-stylesheet href="x.css"?>` + plain,
		"another encoding":     `<?xml version="1.0" encoding="UTF-16"?>` + plain,
		"latin letters":        `<?xml version='1.0' encoding='ISO-8859-1'?>` + plain,
		"bytes of no encoding": strings.Replace(plain, ">", ">\xff", 1),
		"no size":              `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"a width only":         `<svg xmlns="http://www.w3.org/2000/svg" width="9"/>`,
	} {
		cases = append(cases, testCase{name: name, file: []byte(file), err: transform.ErrUnsupported})
	}
	for name, file := range map[string][]byte{
		"an empty viewBox":            svgRootOf(`viewBox="0 0 0 9"`),
		"a negative viewBox":          svgRootOf(`width="9" height="9" viewBox="0 0 9 -9"`),
		"a tiny size":                 svgRootOf(`width=".4" height="9"`),
		"a use of itself":             svgOf(`<g id="a"><use href="#a"/></g>`),
		"uses in a circle":            svgOf(`<g id="a"><use href="#b"/></g><g id="b"><g><use href="#a"/></g></g>`),
		"a pattern painted by itself": svgOf(`<pattern id="a"><path fill="url(#a)"/></pattern>`),
		"a circle through a style":    svgOf(`<style>path{fill:url(#a)}</style><pattern id="a"><path/></pattern>`),
		"crossed tags":                svgOf(`<g><path></g></path>`),
		"an attribute without quotes": svgOf(`<path d=5/>`),
		"an attribute without value":  svgOf(`<path d/>`),
		"attributes that touch":       svgOf(`<path d="a"e="b"/>`),
		"a < in an attribute":         svgOf(`<path d="<"/>`),
		"a < in text":                 svgOf(`a < b`),
		"a control character":         svgOf("\x01"),
		"a NUL":                       append(svgOf(""), 0),
		"two roots":                   append(svgOf(""), svgOf("")...),
		"text behind it":              append(svgOf(""), "x"...),
		"a broken comment":            svgOf(`<!-- a -- b -->`),
		"a cut picture":               svgOf(svgPicture("png", []byte("cut"))),
		"a picture of no base64":      svgOf(`<image href="data:image/png;base64,~~~~"/>`),
	} {
		cases = append(cases, testCase{name: name, file: file, err: transform.ErrCorrupt})
	}
	for name, file := range map[string][]byte{
		"uses of uses":               svgUsesOf(9, 10),
		"patterns of patterns":       svgPaintedBy(9, `<pattern id="p%d">%s</pattern>`, `<path fill="url(#p%d)"/>`),
		"masks of masks":             svgPaintedBy(9, `<mask id="p%d">%s</mask>`, `<path style="mask:url(#p%d)"/>`),
		"markers of markers":         svgPaintedBy(9, `<marker id="p%d">%s</marker>`, `<path marker-end="url(#p%d)"/>`),
		"inherited patterns":         svgPaintedBy(9, `<pattern id="p%d">%s</pattern>`, `<g stroke="url(#p%d)"><g><path/></g></g>`),
		"patterns by class":          svgPaintedBy(9, `<style>.c%[1]d{fill:url(#p%[1]d)}</style><pattern id="p%[1]d">%[2]s</pattern>`, `<path class="x c%d"/>`),
		"markers at each corner":     svgOf(`<marker id="m">` + strings.Repeat("<path/>", 100) + `</marker><path marker-mid="url(#m)" d="` + strings.Repeat("h1", 2000) + `"/>`),
		"markers by style":           svgOf(`<style>path{marker:url(#m)}</style><marker id="m">` + strings.Repeat("<g/>", 100) + `</marker><path d="` + strings.Repeat("h1", 2000) + `"/>`),
		"a long path many times":     svgOf(`<path id="p" d="` + strings.Repeat("h1", 50_000) + `"/>` + strings.Repeat(`<use href="#p"/>`, 1000)),
		"a chain of uses":            svgUsesOf(300, 1),
		"30,000 style rules":         svgOf(`<style>` + strings.Repeat("a{}", 30_000) + `</style>`),
		"groups 200 deep":            svgOf(strings.Repeat("<g>", 200) + strings.Repeat("</g>", 200)),
		"transparent groups 20 deep": svgOf(strings.Repeat(`<g opacity=".9">`, 20) + strings.Repeat("</g>", 20)),
		"200,000 elements":           svgOf(strings.Repeat("<g/>", 200_000)),
		"2,000 attributes":           svgOf("<g" + strings.Repeat(` a=""`, 2000) + "/>"),
		"a megabyte of text":         svgOf("<text>" + strings.Repeat("word ", 200_000) + "</text>"),
		"11 MiB":                     svgOf(strings.Repeat(" ", 11<<20)),
		"a huge picture":             svgOf(svgPicture("png", pictureOf(20000, 20000))),
		"many pictures":              svgOf(strings.Repeat(svgPicture("png", pictureOf(1000, 1000)), 40)),
		"a filter of a large area":   svgOf(`<feMorphology radius="900"/>`),
		"a filter of a large matrix": svgOf(`<feConvolveMatrix order="3 300"/>`),
		"a huge size":                svgRootOf(`width="9e99" height="9"`),
		"filters upon filters":       svgOf(`<filter id="f">` + strings.Repeat("<feTurbulence/>", 20) + `</filter>` + strings.Repeat(`<path filter="url(#f)"/>`, 400)),
	} {
		cases = append(cases, testCase{name: name, file: file, err: transform.ErrTooLarge})
	}
	for name, file := range map[string]string{
		"an open tag":         plain[:20],
		"an open attribute":   plain[:60],
		"an open comment":     `<svg><!-- `,
		"an open element":     plain[:len(plain)-len("</svg>")],
		"an open section":     `<svg><![CDATA[ `,
		"an open declaration": `<?xml version="1.0"?><svg `,
	} {
		cases = append(cases, testCase{name: name, file: []byte(file), err: transform.ErrTruncated})
	}
	return cases
}

func TestRead(t *testing.T) {
	for _, c := range svgCases() {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(c.file, readPicture)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err == transform.ErrCorrupt && errors.Is(err, transform.ErrTruncated) {
				t.Fatalf("error %v, want one that lasts", err)
			}
			if err == nil && got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// A truncated SVG is an error, since its root element is not closed.
func TestReadTruncated(t *testing.T) {
	for _, c := range svgCases() {
		if c.err != nil || c.name == "trailing bytes" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			step := 1 + len(c.file)/4096 // every byte of a small file
			for n := 0; n < len(c.file); n += step {
				if _, err := Read(c.file[:n:n], readPicture); err == nil {
					t.Fatalf("the first %d bytes are read", n)
				}
			}
			if _, err := Read(c.file[:len(c.file)-1], readPicture); !errors.Is(err, transform.ErrTruncated) {
				t.Errorf("error %v, want ErrTruncated", err)
			}
		})
	}
}

// Whatever an SVG of the maximum size contains, Read is fast and needs little more memory
// than the SVG.
func TestCost(t *testing.T) {
	fill := func(format string) []byte {
		var b strings.Builder
		for i := 0; b.Len() < maxBytes-1000; i++ {
			if strings.Contains(format, "%") {
				fmt.Fprintf(&b, format, i)
			} else {
				b.WriteString(format)
			}
		}
		return svgOf(b.String())
	}
	for name, file := range map[string][]byte{
		"elements":        fill("<g/>"),
		"long elements":   fill(`<g a="................................................................................................."/>`),
		"ids":             fill(`<g id="identifier%d" style="fill:url(#identifier0);stroke:url(#x);mask:url(#y)" class="a b c d e f" title="a few more bytes"/>`),
		"references":      svgOf(`<text a="` + strings.Repeat("&amp;", 2_000_000) + `"/>`),
		"urls":            svgOf(`<g style="` + strings.Repeat("fill:url(#a);", 700_000) + `"/>`),
		"classes":         svgOf(`<style>.a{fill:url(#a)}</style><g class="` + strings.Repeat("a ", 5_000_000) + `"/>`),
		"declarations":    svgOf(`<style>` + strings.Repeat("a,b,c{d:url(#e)}", 600_000) + `</style>`),
		"selectors":       svgOf(`<style>` + strings.Repeat("a,", 5_000_000) + `{fill:url(#e)}</style>`),
		"open brackets":   svgOf(`<g fill="` + strings.Repeat("url(", 2_500_000) + `"/>`),
		"comments":        svgOf(`<style>` + strings.Repeat("/**/", 2_500_000) + `</style>`),
		"path":            svgOf(`<path d="` + strings.Repeat("h1", 5_000_000) + `"/>`),
		"fonts in base64": svgOf(`<style>@font-face{src:url(data:font/woff;base64,` + strings.Repeat("A", 10_000_000) + `)}</style>`),
		"picture":         svgOf(svgPicture("png", append(pictureOf(4, 4), bytes.Repeat([]byte(" "), 7_000_000)...))),
		"rules and kinds": svgOf(`<style>` + strings.Repeat("*{fill:url(#e);opacity:.5}", 1000) + `</style>` + strings.Repeat("<path/>", 90_000)),
	} {
		t.Run(name, func(t *testing.T) {
			if len(file) > maxBytes {
				t.Fatalf("%d bytes", len(file))
			}
			var err error
			took := cputime.Best(cputime.Enough, func() { _, err = Read(file, readPicture) })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = Read(file, readPicture)
			runtime.ReadMemStats(&after)
			allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%v, %d MiB allocated, %v", took.Round(time.Millisecond), allocated, err)
			if took > cputime.Enough || allocated > 100 {
				t.Errorf("took %v and allocated %d MiB", took, allocated)
			}
		})
	}
}

// encoding/xml reads every accepted document in the same way.
func FuzzSVG(f *testing.F) {
	for _, c := range svgCases() {
		if len(c.file) < 4096 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Read(b, readPicture)
		if err != nil {
			if !errors.Is(err, transform.ErrUnsupported) && !errors.Is(err, transform.ErrCorrupt) && !errors.Is(err, transform.ErrTooLarge) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if h.Width < 1 || h.Height < 1 {
			t.Errorf("%+v", h)
		}
		scanner, err := newXMLScanner(b)
		if err != nil {
			t.Fatal(err)
		}
		theirs := xml.NewDecoder(bytes.NewReader(b))
		for {
			token, err := theirs.RawToken()
			if err == io.EOF {
				token, err = nil, nil
			}
			if err != nil {
				return // encoding/xml is stricter than we are
			}
			switch token := token.(type) {
			case xml.StartElement, xml.EndElement, nil:
				piece := xmlText
				for piece == xmlText {
					if piece, err = scanner.next(); err != nil {
						t.Fatal(err)
					}
				}
				if same := sameTag(piece, &scanner, token); !same {
					t.Fatalf("%v %q, but encoding/xml has %v", piece, scanner.name, token)
				}
				if token == nil {
					return
				}
				if scanner.empty && piece == xmlStart {
					if _, err := theirs.RawToken(); err != nil { // the end tag that it adds
						return
					}
				}
			}
		}
	})
}

func sameTag(piece xmlPiece, s *xmlScanner, token xml.Token) bool {
	name := func(n xml.Name) string {
		if n.Space == "" {
			return n.Local
		}
		return n.Space + ":" + n.Local
	}
	switch token := token.(type) {
	case xml.StartElement:
		if piece != xmlStart || name(token.Name) != string(s.name) || len(token.Attr) != len(s.attrs) {
			return false
		}
		for i, a := range token.Attr {
			ours := strings.ReplaceAll(strings.ReplaceAll(string(unescapeXML(s.attrs[i].value)), "\r\n", "\n"), "\r", "\n")
			theirs := strings.ReplaceAll(strings.ReplaceAll(a.Value, "\r\n", "\n"), "\r", "\n")
			if name(a.Name) != string(s.attrs[i].name) || ours != theirs {
				return false
			}
		}
		return true
	case xml.EndElement:
		return piece == xmlEnd && name(token.Name) == string(s.name)
	}
	return piece == xmlEOF
}
