package delivery

import (
	"context"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/transform"
)

// An endpoint is one thing that a workspace's URLs can ask for. A new one is a row in
// [endpoints]: resolving, rights, marks, limits and caching are the same for all.
type endpoint struct {
	name     string        // the first segment of its paths; usage counts under it
	posts    bool          // it takes originals that are sent
	several  bool          // it takes several originals: src= may be given more than once
	lifetime time.Duration // of what it makes, where the source doesn't say
	atMost   bool          // a source may only shorten the lifetime
	// parts are the words that may follow the name in a path, before the image. needsPart:
	// one of them must.
	parts     []string
	needsPart bool
	takes     []string // parameters that it knows besides src; nil is those of variants
	// cacheControl is that of public answers, where the source doesn't say; empty is that
	// of variants.
	cacheControl string

	// read reads the parameters and finds the originals, and decides on their marks. Nil
	// reads the options of a variant.
	read func(c *site, a *ask, n name, q transform.Query) error
	// load gets the answer from the cache, or makes it. Nil is [Service.load].
	load func(s *Service, ctx context.Context, w *Response, a *ask) (*cache.Entry, error)
	// make makes what is asked for of the originals, which are those of the ask. In the
	// background nobody waits for it. Nil is an endpoint that this server doesn't have.
	make func(s *Service, ctx context.Context, a *ask, from []*original, background bool) (*cache.Entry, error)
}

// transformEndpoint is what URLs without the name of an endpoint ask for.
var transformEndpoint = &endpoint{name: opTransform, posts: true, lifetime: 365 * 24 * time.Hour, make: (*Service).makeVariant}

// endpoints are all names that no source is reached by.
var endpoints = map[string]*endpoint{
	opTransform:   transformEndpoint,
	"info":        infoEndpoint,
	"placeholder": placeholderEndpoint,
	"grid":        gridEndpoint,
}
