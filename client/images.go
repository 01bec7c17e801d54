package client

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
)

// Options are the options of an image by their names in URLs, such as
// {"w": 400, "fit": "cover"}. Values are strings, numbers or booleans. docs/options.md lists
// them.
type Options map[string]any

// Images builds the URLs of a workspace's images.
type Images struct {
	Server    string // such as https://img.example.com
	Namespace string // of the workspace

	// HostForm says that Server is a host of the workspace, so that its URLs have no
	// namespace. Signatures need the namespace even so.
	HostForm bool

	// Secret of a signing key, 64 hex digits. Only SignedURL needs it.
	Secret string
}

// URL returns the URL of an image. The image is an object key after the key of its source,
// such as photos/cat.jpg, or a full URL.
func (i Images) URL(image string, options Options) (string, error) {
	target, err := i.target(image, options)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(i.Server, "/") + strings.TrimPrefix(target, i.dropped()), nil
}

// SignedURL returns the URL of an image with a signature that ends at a time, or never where
// until is zero. A private source refuses one that never ends.
func (i Images) SignedURL(image string, options Options, until time.Time) (string, error) {
	target, err := i.target(image, options)
	if err != nil {
		return "", err
	}
	secret, err := signing.ParseSecret(i.Secret)
	if err != nil {
		return "", fmt.Errorf("the signing key's secret: %w", err)
	}
	if until.IsZero() {
		target, err = secret.Sign(target)
	} else {
		target, err = secret.SignUntil(target, until)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(i.Server, "/") + strings.TrimPrefix(target, i.dropped()), nil
}

// SrcSet returns the value of a srcset attribute with the image in each of the widths.
func (i Images) SrcSet(image string, options Options, widths ...int) (string, error) {
	var all []string
	for _, w := range widths {
		o := maps.Clone(options)
		if o == nil {
			o = Options{}
		}
		o["w"] = w
		u, err := i.URL(image, o)
		if err != nil {
			return "", err
		}
		// A comma or a blank would end a candidate. URL writes neither.
		all = append(all, u+" "+strconv.Itoa(w)+"w")
	}
	return strings.Join(all, ", "), nil
}

// dropped is the beginning of a signed target that the URL leaves out.
func (i Images) dropped() string {
	if i.HostForm {
		return "/" + i.Namespace
	}
	return ""
}

// target returns path and query in path form.
func (i Images) target(image string, options Options) (string, error) {
	server, err := url.Parse(i.Server)
	if err != nil || server.Scheme != "http" && server.Scheme != "https" || server.Host == "" || strings.Trim(server.Path, "/") != "" {
		return "", fmt.Errorf("%q is no URL of a server such as https://img.example.com", i.Server)
	}
	if i.Namespace == "" {
		return "", errors.New("the namespace of the workspace is missing")
	}
	query, err := options.encode()
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(image, "https://") || strings.HasPrefix(image, "http://") {
		src := "src=" + escapeQuery(image)
		if query != "" {
			src += "&" + query
		}
		return "/" + i.Namespace + "?" + src, nil
	}
	source, key, ok := strings.Cut(image, "/")
	if !ok || source == "" || key == "" {
		return "", fmt.Errorf("%q is no image such as photos/cat.jpg: the key of a source, a slash and an object key", image)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return "", fmt.Errorf("%q: an object key with the segment %s can't be in a URL", image, segment)
		}
	}
	target := "/" + i.Namespace + "/" + source + "/" + strings.ReplaceAll(escapePath(key), ",", "%2C")
	if query != "" {
		target += "?" + query
	}
	return target, nil
}

// encode returns the options as a query, in the order of their names. An unknown name and a
// value that the server would refuse are errors.
func (o Options) encode() (string, error) {
	known := map[string]bool{}
	for _, doc := range transform.Vocabulary() {
		known[doc.Name] = true
		for _, alias := range doc.Aliases {
			known[alias] = true
		}
	}
	var query transform.Query
	var text []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		value := fmt.Sprint(o[name])
		if f, ok := o[name].(float64); ok {
			value = strconv.FormatFloat(f, 'f', -1, 64)
		}
		switch {
		case known[name]:
			query = append(query, transform.Param{Name: name, Value: value})
		case !alsoAllowed[name]:
			if likely := transform.Suggest(name); likely != "" {
				return "", fmt.Errorf("there is no option %q: did you mean %s?", name, likely)
			}
			return "", fmt.Errorf("there is no option %q: docs/options.md lists them", name)
		}
		text = append(text, escapeQuery(name)+"="+escapeQuery(value))
	}
	// With a preset, what the options mean together only the server knows.
	if _, preset := o["preset"]; !preset {
		if _, err := transform.Parse(transform.Defaults(), query); err != nil {
			return "", err
		}
	}
	return strings.Join(text, "&"), nil
}

// alsoAllowed are parameters of an image that are no options.
var alsoAllowed = map[string]bool{"preset": true}

// escapeQuery escapes a name or a value, with a blank as %20.
func escapeQuery(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
