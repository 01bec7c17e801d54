package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/transform"
)

// Some URLs of other products ask for facts instead of a variant. The facts come from the
// entries of /info, so that both kinds of request share one decode.
var (
	blurHashText = infoLoadedBy((*Service).loadBlurHashText)
	variantFacts = infoLoadedBy((*Service).loadVariantFacts)
)

// infoLoadedBy returns the endpoint of /info with another load function.
func infoLoadedBy(load func(*Service, context.Context, *Response, *ask) (*cache.Entry, error)) *endpoint {
	e := *infoEndpoint
	e.load = load
	return &e
}

// readForeignAnswer parses a URL that asks for facts instead of a variant. u has the options
// of the variant.
func (c *site) readForeignAnswer(a *ask, u parsed) error {
	a.endpoint, a.show = blurHashText, partBlurHash
	if a.foreign.asked.Answer == dialect.AnswerFacts {
		a.endpoint, a.show = variantFacts, partMetadata
	}
	if err := c.readOptions(a, u); err != nil {
		return err
	}
	a.foreign.variant = a.options
	a.options, a.canonical = lookOptions(), ""
	a.options.Format = transform.JSON
	return c.readPlain(a, u.name, transform.Query{{Name: "src", Value: u.src, Literal: true}})
}

// loadBlurHashText answers with a BlurHash as text.
func (s *Service) loadBlurHashText(ctx context.Context, w *Response, a *ask) (*cache.Entry, error) {
	e, err := s.loadInfo(ctx, w, a)
	if err != nil {
		return nil, err
	}
	// JSON escapes no character of a BlurHash.
	return answered(e, "text/plain", bytes.Trim(fieldOf(e.Body, "blurhash"), `"`)), nil
}

// loadVariantFacts answers with the sizes of the variant and of the original, in the form of
// Cloudflare's format=json. It doesn't make the variant.
func (s *Service) loadVariantFacts(ctx context.Context, w *Response, a *ask) (*cache.Entry, error) {
	e, err := s.loadInfo(ctx, w, a)
	if err != nil {
		return nil, err
	}
	m := fieldOf(e.Body, "metadata")
	number := func(name string) int {
		n, _ := strconv.Atoi(string(fieldOf(m, name))) // Metadata has whole numbers
		return n
	}
	size := transform.Size{W: number("width"), H: number("height")}
	plan, err := a.foreign.variant.Plan(size)
	if err != nil {
		return nil, err
	}
	type original struct {
		FileSize int    `json:"file_size"`
		Width    int    `json:"width"`
		Height   int    `json:"height"`
		Format   string `json:"format"`
	}
	body, err := json.Marshal(struct {
		Width    int      `json:"width"`
		Height   int      `json:"height"`
		Original original `json:"original"`
	}{plan.Output.W, plan.Output.H, original{number("bytes"), size.W, size.H, string(bytes.Trim(fieldOf(m, "contentType"), `"`))}})
	if err != nil {
		return nil, fmt.Errorf("facts of a variant: %w", err)
	}
	return answered(e, transform.JSON.MediaType(), body), nil
}

// answered returns a copy of an entry with another body.
func answered(e *cache.Entry, contentType string, body []byte) *cache.Entry {
	out := *e
	out.Body, out.ContentType, out.ETag = body, contentType, etagOf(body)
	return &out
}
