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
)

// maxBody bounds request bodies, in bytes.
const maxBody = 1 << 20

// A body is a request's body as it was sent. An operation has one by having a
// field of this type, and says in its RequestBody which content types it takes.
type body struct {
	bytes []byte
	err   error
}

// read returns the body, which is not empty, or why there is none to act on.
func (b *body) read() ([]byte, error) { return b.bytes, b.err }

// Resolve is called by huma before the operation. What is wrong is kept for
// [body.read] instead of returned, so that the operation answers it.
func (b *body) Resolve(ctx huma.Context) []error {
	b.bytes, b.err = readBody(ctx)
	return nil
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

// checkContentType compares the request's type with those that the operation's
// description names. None is taken for JSON.
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

// jsonFormat writes answers. A failed write is no error: the client is gone, and
// there is nobody to tell.
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
