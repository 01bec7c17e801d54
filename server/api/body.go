package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/workspace"
)

// maxBody bounds request bodies, in bytes.
const maxBody = 1 << 20

// A body is the body of a request, as sent. An operation that takes one has a field of this
// type. Its RequestBody names the content types that it takes.
type body struct {
	bytes []byte
	err   error
}

// read returns the body, which is not empty, or the error to answer.
func (b *body) read() ([]byte, error) { return b.bytes, b.err }

// decode reads the body, as JSON, into v. The error is one to answer.
func (b *body) decode(v any) error {
	if b.err != nil {
		return b.err
	}
	return workspace.DecodeInto(b.bytes, v)
}

// Resolve reads the body. huma calls it before the operation. It keeps an error for
// [body.read] instead of returning it, since huma would answer in its own format.
func (b *body) Resolve(ctx huma.Context) []error {
	b.bytes, b.err = readBody(ctx)
	return nil
}

// An optionalBody is a body that may be left out.
type optionalBody struct{ body }

// decode is decode of a body that may be left out. Then v stays as it is.
func (b *optionalBody) decode(v any) error {
	if b.err == errBodyMissing {
		return nil
	}
	return b.body.decode(v)
}

// read returns the body, or nil where there is none.
func (b *optionalBody) read() ([]byte, error) {
	if b.err == errBodyMissing {
		return nil, nil
	}
	return b.bytes, b.err
}

func readBody(ctx huma.Context) ([]byte, error) {
	if err := checkContentType(ctx); err != nil {
		return nil, err
	}
	r, w := humago.Unwrap(ctx)
	data, err := readAll(w, r)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errBodyMissing
	}
	return data, nil
}

// readAll returns the body of a request, empty or not.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, errBodyTooLarge
	}
	if err != nil {
		return nil, errBodyBroken
	}
	return data, nil
}

// checkContentType refuses a Content-Type that the operation's description doesn't name. A
// request without one passes.
func checkContentType(ctx huma.Context) error {
	sent := ctx.Header("Content-Type")
	if sent == "" {
		return nil
	}
	takes := ctx.Operation().RequestBody.Content
	if plain, _, err := mime.ParseMediaType(sent); err == nil && takes[plain] != nil {
		return nil
	}
	return errContentType(strings.Join(slices.Sorted(maps.Keys(takes)), " or "))
}

// jsonFormat writes answers. It ignores a failed write, since the client is gone then.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
		_, _ = buf.WriteTo(w)
		return nil
	},
	Unmarshal: json.Unmarshal,
}
