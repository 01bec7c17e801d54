package delivery

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/transform"
)

// Some URLs of other products ask for facts instead of a variant. The facts come from the
// entries of /info, so that both kinds of request share one decode.
var (
	blurHashText = toldOtherwise((*Service).loadBlurHashText)
	variantFacts = toldOtherwise((*Service).loadVariantFacts)
)

// toldOtherwise returns the endpoint of /info with another load function.
func toldOtherwise(load func(*Service, context.Context, *Response, *ask) (*cache.Entry, error)) *endpoint {
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
	var told struct{ BlurHash string }
	e, err := s.loadTold(ctx, w, a, &told)
	if err != nil {
		return nil, err
	}
	return answered(e, "text/plain", []byte(told.BlurHash)), nil
}

// loadVariantFacts answers with the sizes of the variant and of the original, in the form of
// Cloudflare's format=json. It doesn't make the variant.
func (s *Service) loadVariantFacts(ctx context.Context, w *Response, a *ask) (*cache.Entry, error) {
	var told struct{ Metadata Metadata }
	e, err := s.loadTold(ctx, w, a, &told)
	if err != nil {
		return nil, err
	}
	m := told.Metadata
	plan, err := a.foreign.variant.Plan(transform.Size{W: m.Width, H: m.Height})
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
	}{plan.Output.W, plan.Output.H, original{m.Bytes, m.Width, m.Height, m.ContentType}})
	if err != nil {
		return nil, fmt.Errorf("facts of a variant: %w", err)
	}
	return answered(e, transform.JSON.MediaType(), body), nil
}

// loadTold loads the answer of /info and decodes it into v.
func (s *Service) loadTold(ctx context.Context, w *Response, a *ask, v any) (*cache.Entry, error) {
	e, err := s.loadInfo(ctx, w, a)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(e.Body, v); err != nil {
		return nil, fmt.Errorf("answer of /info: %w", err)
	}
	return e, nil
}

// answered returns a copy of an entry with another body.
func answered(e *cache.Entry, contentType string, body []byte) *cache.Entry {
	out := *e
	out.Body, out.ContentType, out.ETag = body, contentType, etagOf(body)
	return &out
}
