package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/tintype/tintype/client"
	"github.com/tintype/tintype/transform"
)

const (
	transformText = "Transform an image of the workspace, or of a URL that the workspace allows, and show the picture. " +
		"Without w and h it is at most 1568 pixels wide and high. A picture over 1 MiB is made again as WebP, and smaller; the answer has the options that it was made with."
	transformFileText = "Transform a file of this machine's folder of pictures by the server, and show the picture. Nothing is stored. Otherwise as transform."
)

const (
	// MaxPicture is how many bytes a picture in an answer has at most. Models' interfaces
	// refuse larger ones.
	MaxPicture = 1 << 20

	// side is the largest width and height where the call names none. Models see no more.
	side = 1568

	// maxFile bounds the local files that are sent. The server may allow less.
	maxFile = 1 << 30
)

// shown are the formats that models read.
var shown = []string{"webp", "jpeg", "png", "gif"}

// describeOptions says in a schema which options there are. Unknown ones pass: the client
// refuses them with the likely name.
func describeOptions(s *jsonschema.Schema) {
	s.Properties = map[string]*jsonschema.Schema{}
	for _, o := range transform.Vocabulary() {
		s.Properties[o.Name] = &jsonschema.Schema{Types: []string{"string", "number", "boolean"}, Description: o.Meaning}
		s.PropertyOrder = append(s.PropertyOrder, o.Name)
	}
	s.Properties["format"] = &jsonschema.Schema{Type: "string", Enum: []any{"webp", "jpeg", "png", "gif"}, Description: "Format of the picture. Left out, webp."}
	s.Properties["preset"] = &jsonschema.Schema{Type: "string", Description: "A preset of the workspace."}
	s.PropertyOrder = append(s.PropertyOrder, "preset")
}

type transformInput struct {
	inWorkspace
	Image   string         `json:"image" jsonschema:"key of a source, a slash and an object key, such as photos/cat.jpg; or a full URL"`
	Options map[string]any `json:"options,omitempty" jsonschema:"options of the transform by name"`
}

type transformFileInput struct {
	inWorkspace
	File    string         `json:"file" jsonschema:"path of the file, relative to the folder"`
	Options map[string]any `json:"options,omitempty" jsonschema:"options of the transform by name"`
}

// A made is the picture of an answer, in words.
type made struct {
	ContentType string         `json:"content_type"`
	Bytes       int            `json:"bytes"`
	Options     map[string]any `json:"options" jsonschema:"what the picture was made with"`
	Reduced     bool           `json:"reduced" jsonschema:"the options are not those of the call, since the picture was over 1 MiB"`
}

func (t *tools) transform(ctx context.Context, in transformInput) (*sdk.CallToolResult, made, error) {
	return picture(in.Options, func(o client.Options) (*client.Picture, error) {
		return t.Client.Fetch(ctx, t.in(in.inWorkspace), in.Image, o)
	})
}

func (t *tools) transformFile(ctx context.Context, in transformFileInput) (*sdk.CallToolResult, made, error) {
	f, size, err := t.open(in.File)
	if err != nil {
		return nil, made{}, err
	}
	defer f.Close()
	return picture(in.Options, func(o client.Options) (*client.Picture, error) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return t.Client.Transform(ctx, t.in(in.inWorkspace), o, f, size)
	})
}

// picture makes a picture that is small enough for an answer.
func picture(asked map[string]any, fetch func(client.Options) (*client.Picture, error)) (*sdk.CallToolResult, made, error) {
	tries, err := attempts(asked)
	if err != nil {
		return nil, made{}, err
	}
	for i, o := range tries {
		p, err := fetch(o)
		if err != nil {
			return nil, made{}, err
		}
		if !slices.Contains(shown, subtype(p.ContentType)) {
			return nil, made{}, fmt.Errorf("the answer is %.40q, which is no picture", p.ContentType)
		}
		if len(p.Bytes) <= MaxPicture {
			out := made{p.ContentType, len(p.Bytes), o, i > 0}
			return &sdk.CallToolResult{Content: []sdk.Content{&sdk.ImageContent{Data: p.Bytes, MIMEType: p.ContentType}}}, out, nil
		}
	}
	return nil, made{}, errors.New("the picture is over 1 MiB even when it is made smaller: ask for less, such as w=400")
}

// subtype returns what stands after image/ in a media type.
func subtype(contentType string) string {
	if len(contentType) < 6 || contentType[:6] != "image/" {
		return ""
	}
	return contentType[6:]
}

// attempts returns the options to try in turn, until a picture is small enough: as asked, as
// WebP with more loss, and then at a half and a quarter of the size.
func attempts(asked map[string]any) ([]client.Options, error) {
	first := client.Options{}
	maps.Copy(first, asked)
	// A preset may have a size, and a format that models don't read.
	_, preset := first["preset"]
	if !preset && !has(first, "w", "width", "h", "height", "size") {
		first["w"], first["h"] = side, side
	}
	format, named := first["format"]
	if !named {
		first["format"] = "webp"
	} else if text, ok := format.(string); !ok || !slices.Contains(shown, text) {
		return nil, fmt.Errorf("format %v: models read webp, jpeg, png and gif", format)
	}
	delete(first, "dl") // names a download, which this isn't
	all := []client.Options{first}
	dpr := number(first["dpr"])
	for _, part := range []float64{1, 0.5, 0.25} {
		o := maps.Clone(first)
		o["format"], o["q"] = "webp", 60
		for _, name := range []string{"quality", "lossless", "q-target"} {
			delete(o, name)
		}
		if part < 1 {
			o["dpr"] = max(0.1, dpr*part)
		}
		all = append(all, o)
	}
	return all, nil
}

// has reports whether options have one of the names.
func has(o client.Options, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := o[name]; return ok })
}

// number reads a number of JSON, or one in a text; otherwise it is 1.
func number(v any) float64 {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		return 1
	}
	return n
}

// open opens a file below the root. os.Root lets neither .. nor a symbolic link lead out of it.
func (t *tools) open(name string) (*os.File, int64, error) {
	// A pipe would block in Open.
	s, err := t.Root.Stat(name)
	if err == nil && !s.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", name)
	}
	if err != nil {
		return nil, 0, outside(name, err)
	}
	f, err := t.Root.Open(name)
	if err != nil {
		return nil, 0, outside(name, err)
	}
	if s, err = f.Stat(); err == nil && !s.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", name)
	}
	if err == nil && s.Size() > maxFile {
		err = fmt.Errorf("%s has %d bytes, over 1 GiB", name, s.Size())
	}
	if err != nil {
		_ = f.Close() // the error before says more
		return nil, 0, err
	}
	return f, s.Size(), nil
}

// outside words the error of a file. The folder's own path stays out of it.
func outside(name string, err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w: name a file below the folder of --root, relative to it", name, err)
}
