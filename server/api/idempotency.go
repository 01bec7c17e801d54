package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/workspace"
)

const (
	idempotencyKey = "Idempotency-Key"
	maxIdempotency = 255 // characters of a key

	// finishTimeout bounds the write of an answer to the store.
	finishTimeout = 5 * time.Second

	// replayed is the header of an answer to a repeated request.
	replayed = "Idempotent-Replayed"
)

// idempotency runs a POST with an Idempotency-Key once. It answers a repeat of the same
// request with the first answer. Each caller has its own keys in each workspace.
func (a *api) idempotency(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	values := r.Header[idempotencyKey]
	if r.Method != http.MethodPost || len(values) == 0 || a.replays == nil || ctx.Operation().OperationID == "" || ctx.Operation().Metadata[streams] == true {
		next(ctx)
		return
	}
	if !validIdempotencyKey(values) {
		a.fail(ctx, invalid(fmt.Sprintf("%s: must be one value of 1 to %d printable ASCII characters, such as a UUID.", idempotencyKey, maxIdempotency)))
		return
	}
	body, err := readAll(w, r)
	if err != nil {
		a.fail(ctx, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	fingerprint := digest(r.Method, r.URL.RequestURI(), string(body))
	sender := caller(ctx.Context()).Actor()
	key := digest(sender, ctx.Param("ns"), values[0])
	prior, err := a.replays.BeginReplay(ctx.Context(), key, fingerprint)
	if err != nil {
		a.fail(ctx, fmt.Errorf("looking an %s up: %w", idempotencyKey, err))
		return
	}
	if prior != nil {
		a.replay(ctx, prior, fingerprint)
		return
	}
	recorded := &recorder{humaContext: ctx, header: map[string]string{}}
	done := false
	defer func() {
		// This also runs when the client is gone or the operation panics. Otherwise the key
		// would stay "in progress", and repeats would be refused.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), finishTimeout)
		defer cancel()
		var err error
		if status := recorded.Status(); done && status < 500 && status != http.StatusTooManyRequests && recorded.body.Len() <= workspace.MaxAnswer {
			err = a.replays.FinishReplay(within, key, workspace.Answer{Fingerprint: fingerprint, Status: status, Header: recorded.header, Body: recorded.body.Bytes()})
		} else {
			err = a.replays.ForgetReplay(within, key)
		}
		if err != nil {
			a.log.ErrorContext(within, "could not store the answer to a request with an Idempotency-Key", "request_id", a.record(within).RequestID, "err", err)
		}
	}()
	next(recorded)
	done = true
}

// replay answers with prior, the answer to the first request with this key.
func (a *api) replay(ctx huma.Context, prior *workspace.Answer, fingerprint string) {
	switch {
	case prior.Fingerprint != fingerprint:
		a.fail(ctx, conflict("This "+idempotencyKey+" was sent with another request before. Use a new one for each request."))
		return
	case !prior.Done:
		e := conflict("The first request with this " + idempotencyKey + " is still in progress. Try again in a second.")
		e.RetryAfter = 1
		a.fail(ctx, e)
		return
	}
	for name, value := range prior.Header {
		ctx.SetHeader(name, value)
	}
	ctx.SetHeader(replayed, "true")
	ctx.SetStatus(prior.Status)
	_, _ = ctx.BodyWriter().Write(prior.Body) // it fails only if the client is gone
}

func validIdempotencyKey(values []string) bool {
	return len(values) == 1 && len(values[0]) >= 1 && len(values[0]) <= maxIdempotency &&
		!strings.ContainsFunc(values[0], func(r rune) bool { return r < 0x21 || r > 0x7e })
}

// digest returns a hash of the texts. It writes the length before each, so that ("a", "b")
// and ("ab", "") differ.
func digest(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// recorder is a context that also keeps a copy of the answer.
type recorder struct {
	humaContext
	header map[string]string
	body   bytes.Buffer
}

// Unwrap lets humago find the request of this context.
func (r *recorder) Unwrap() huma.Context { return r.humaContext }

// humaContext renames huma.Context, so that it can be embedded: an embedded field named
// Context would hide its method Context.
type humaContext huma.Context

// SetHeader implements [huma.Context].
func (r *recorder) SetHeader(name, value string) {
	r.header[name] = value
	r.humaContext.SetHeader(name, value)
}

// AppendHeader implements [huma.Context]. No answer to a POST has a header twice.
func (r *recorder) AppendHeader(name, value string) {
	r.header[name] = value
	r.humaContext.AppendHeader(name, value)
}

// BodyWriter implements [huma.Context].
func (r *recorder) BodyWriter() io.Writer {
	return io.MultiWriter(&r.body, r.humaContext.BodyWriter())
}
