package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Fetch returns an image of a workspace, transformed. The image is an object key after the
// key of its source, such as photos/cat.jpg, or a full URL. A key of scope read opens private
// sources. Without the option format, the answer is what the server picks for a client that
// names no format.
func (c *Client) Fetch(ctx context.Context, ns, image string, options Options) (*Picture, error) {
	target, err := c.endpoint(ns, "transform", image, options)
	if err != nil {
		return nil, err
	}
	res, err := c.send(ctx, http.MethodGet, target, nil, nil, 0)
	if err != nil {
		return nil, err
	}
	return c.picture(target, res)
}

// Info is what a server says of an image. What was not asked for is nil or empty. The
// fields of EXIF, IPTC and XMP hold what the maker of the file wrote into it.
type Info struct {
	Metadata  *Metadata          `json:"metadata"`
	BlurHash  string             `json:"blurhash"`
	ThumbHash string             `json:"thumbhash"` // base64
	Colors    []Color            `json:"colors"`
	Palette   map[string]*Swatch `json:"palette"` // nil where the picture has none
	EXIF      map[string]any     `json:"exif"`
	IPTC      map[string]any     `json:"iptc"`
	XMP       map[string]any     `json:"xmp"`
	GPS       *GPS               `json:"gps"`
}

// A Color is one of a picture's colours.
type Color struct {
	Hex       string  `json:"hex"`       // #rrggbb
	Area      float64 `json:"area"`      // 0–1, of the picture
	Intensity float64 `json:"intensity"` // 0–1, chroma as a part of the most that sRGB has
}

// A Swatch is a colour of a palette.
type Swatch struct {
	Hex string `json:"hex"` // #rrggbb
}

// A GPS is the place where a picture was taken, in degrees and metres.
type GPS struct {
	Latitude  float64  `json:"latitude"`
	Longitude float64  `json:"longitude"`
	Altitude  *float64 `json:"altitude"`
}

// Info returns facts about an image: the parts metadata, blurhash, thumbhash, colors, palette
// and exif, or all but exif where none is named. Only a key of scope read may ask for exif.
func (c *Client) Info(ctx context.Context, ns, image string, parts ...string) (*Info, error) {
	target, err := c.endpoint(ns, "info", image, nil)
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		target += separator + "select=" + url.QueryEscape(strings.Join(parts, ","))
	}
	var out Info
	if err := c.do(ctx, request{method: http.MethodGet, path: target}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// endpoint returns path and query of an endpoint for an image. With the endpoint's name, they
// mean the same in a workspace of any dialect.
func (c *Client) endpoint(ns, name, image string, options Options) (string, error) {
	target, err := Images{Server: origin(c.base), Namespace: escape(ns)}.target(image, options)
	if err != nil {
		return "", err
	}
	own := "/" + escape(ns)
	return own + "/" + name + strings.TrimPrefix(target, own), nil
}

// origin returns the scheme and host of a URL, which has been parsed before.
func origin(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Scheme + "://" + u.Host
}
