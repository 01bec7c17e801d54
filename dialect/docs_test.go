package dialect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/golden"
)

// introductions describe each dialect, with a URL for the original photos/cat.jpg.
var introductions = map[string]struct{ what, url, note string }{
	"next":       {"next/image", "/acme/_next/image?url=%2Fcat.jpg&w=640&q=75", "Set `images.path` of next.config.js to `https://img.example.com/acme/_next/image`, and `default_source` to the source that has the files of `public/`."},
	"vercel":     {"Vercel's image optimization", "/acme/_vercel/image?url=%2Fcat.jpg&w=640&q=75", "The options of next/image, with a default for `q`."},
	"netlify":    {"Netlify's image CDN", "/acme/.netlify/images?url=/cat.jpg&w=640&fit=cover&h=480", "A path is an object key of `default_source`."},
	"cloudflare": {"Cloudflare's image transformations", "/acme/cdn-cgi/image/width=640,quality=75/photos/cat.jpg", "`/acme/cloudflare/…` is the same. Use it on hosts behind Cloudflare, which answers `/cdn-cgi/` itself."},
	"ipx":        {"ipx, of Nuxt Image", "/acme/_ipx/w_640,f_webp/photos/cat.jpg", ""},
	"imgix":      {"imgix", "/acme/imgix/photos/cat.jpg?w=640&fit=crop&auto=format", "The default is the original's format at quality 75."},
	"imgproxy":   {"imgproxy", "/acme/imgproxy/unsafe/rs:fill:640:480/plain/photos/cat.jpg@webp", "Presets are presets of the workspace."},
	"thumbor":    {"thumbor and imagor", "/acme/thumbor/unsafe/640x480/smart/https%3A%2F%2Forigin.example.com%2Fcat.jpg", "Without `default_source`, the image is a full URL or begins with a host."},
	"cloudinary": {"Cloudinary", "/acme/cloudinary/demo/image/upload/c_fill,w_640,h_480/photos/cat.jpg", "A cloud name before `image/` has no effect. `image/fetch/` takes a full URL."},
	"weserv":     {"weserv (wsrv.nl)", "/acme/weserv/?url=origin.example.com/cat.jpg&w=640", "`url` always begins with a host."},
}

// TestDocs compares docs/dialects.md with the tables of the dialects.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString(docsHead)
	for _, d := range All {
		writeDialect(t, &b, d)
	}
	golden.File(t, "../docs/dialects.md", b.String())
}

const docsHead = `# URLs of other products

Tintype understands the image URLs of ten other products. To move a front end to Tintype, change the host name of its URLs. Start the demo with ` + "`make run`" + `, and request an image with a URL of imgix:

` + "```sh" + `
curl -o dusk.jpg 'http://localhost:8080/demo/imgix/samples/dusk.jpg?w=640&h=480&fit=crop'
` + "```" + `

- A prefix after the namespace names the product. In host form the prefix comes first: ` + "`https://acme.img.example.com/imgix/…`" + `.
- A workspace with ` + "`dialect: imgix`" + ` (or imgproxy, thumbor, cloudinary, weserv) needs no prefix: all its URLs are URLs of that product. ` + "`/transform`, `/info`, `/placeholder`, `/grid`" + ` and the prefixes keep their meaning.
- With ` + "`default_source`" + `, a relative path is an object key of that source. Without it, the first segment is the key of a source. A full URL reaches every image that ` + "`allowed_sources`" + ` allows.
- Values and defaults have the product's meaning. Everything else works as with Tintype's own URLs: sources, marks, presets, limits, signatures, cache, purge.
- The header ` + "`Tintype-Ignored`" + ` names parameters that have no effect in Tintype. With ` + "`strict_options`" + ` they are 400.
- Signed URLs keep working if you give the workspace the product's signing keys: [signing.md](signing.md#keys-that-you-bring-along).
- New sources can't have the name of a prefix. An old source with such a name keeps its URLs: in its workspace the prefix is off.

Guides, step by step: from [next/image](migrate/next-image.md), [Cloudflare](migrate/cloudflare.md), [imgix](migrate/imgix.md), [imgproxy](migrate/imgproxy.md), [thumbor and imagor](migrate/thumbor.md), [Cloudinary](migrate/cloudinary.md), [weserv](migrate/weserv.md). Tests with the products' own packages: [dialects-conformance.md](dialects-conformance.md).

In the tables, an example follows the prefix. *native* is its meaning in [Tintype's options](options.md). Package dialect generates this page.
`

func writeDialect(t *testing.T, b *strings.Builder, d *Dialect) {
	intro, ok := introductions[d.Name]
	if !ok {
		t.Errorf("%s has no introduction", d.Name)
	}
	prefixes := make([]string, len(d.Prefixes))
	for i, p := range d.Prefixes {
		prefixes[i] = "`/" + p + "`"
	}
	fmt.Fprintf(b, "\n## %s\nURLs of %s, under %s", d.Name, intro.what, strings.Join(prefixes, " and "))
	if d.Whole {
		fmt.Fprintf(b, ", or with `dialect: %s` everywhere", d.Name)
	}
	fmt.Fprintf(b, ":\n\n```\n%s\n```\n", intro.url)
	if intro.note != "" {
		fmt.Fprintf(b, "\n%s\n", intro.note)
	}
	for _, part := range []struct {
		state       State
		title, head string
	}{
		{Works, "Works", "| parameter | example | native |\n| --- | --- | --- |\n"},
		{Differs, "Differs", "| parameter | how | example | native |\n| --- | --- | --- | --- |\n"},
		{Ignored, "Ignored", "| parameter | why |\n| --- | --- |\n"},
	} {
		head := "\n### " + part.title + "\n" + part.head
		for _, p := range d.Params {
			if p.State != part.state {
				continue
			}
			b.WriteString(head)
			head = ""
			switch name := nameCell(p.Name); part.state {
			case Works:
				fmt.Fprintf(b, "| %s | %s | %s |\n", name, cell(p.Example), cell(p.Native))
			case Differs:
				fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, plainCell(p.Note), cell(p.Example), cell(p.Native))
			default:
				fmt.Fprintf(b, "| %s | %s |\n", name, plainCell(p.Note))
			}
		}
	}
}

func nameCell(list string) string {
	return "`" + strings.ReplaceAll(plainCell(list), ", ", "`, `") + "`"
}

func cell(text string) string {
	if text == "" {
		return "the defaults"
	}
	return "`" + plainCell(text) + "`"
}

func plainCell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
