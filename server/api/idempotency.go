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

	// finishTimeout is how long keeping an answer may take.
	finishTimeout = 5 * time.Second

	// replayed marks an answer that was given before.
	replayed = "Idempotent-Replayed"
)

// idempotency answers a POST that carries an Idempotency-Key once: the same request sent
// again is answered alike, and nothing is done twice. Keys are each sender's own, in
// each workspace.
func (a *api) idempotency(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	values := r.Header[idempotencyKey]
	if r.Method != http.MethodPost || len(values) == 0 || a.replays == nil || ctx.Operation().OperationID == "" {
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
	taken := &taken{humaContext: ctx, header: map[string]string{}}
	done := false
	defer func() {
		// Also where the client is gone, or the operation panics: nobody else knows.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), finishTimeout)
		defer cancel()
		var err error
		if status := taken.Status(); done && status < 500 && status != http.StatusTooManyRequests && taken.body.Len() <= workspace.MaxAnswer {
			err = a.replays.FinishReplay(within, key, workspace.Answer{Fingerprint: fingerprint, Status: status, Header: taken.header, Body: taken.body.Bytes()})
		} else {
			err = a.replays.ForgetReplay(within, key)
		}
		if err != nil {
			a.log.ErrorContext(within, "the answer to a request can't be kept for the same request sent again", "request_id", a.record(within).RequestID, "err", err)
		}
	}()
	next(taken)
	done = true
}

// replay answers as the first request with this key was.
func (a *api) replay(ctx huma.Context, prior *workspace.Answer, fingerprint string) {
	switch {
	case prior.Fingerprint != fingerprint:
		a.fail(ctx, conflict("The "+idempotencyKey+" was sent with another request before: use a new one for each request."))
		return
	case !prior.Done:
		e := conflict("The first request with this " + idempotencyKey + " is still being worked on. Try again in a second.")
		e.RetryAfter = 1
		a.fail(ctx, e)
		return
	}
	for name, value := range prior.Header {
		ctx.SetHeader(name, value)
	}
	ctx.SetHeader(replayed, "true")
	ctx.SetStatus(prior.Status)
	_, _ = ctx.BodyWriter().Write(prior.Body) // the client is gone where it fails
}

func validIdempotencyKey(values []string) bool {
	return len(values) == 1 && len(values[0]) >= 1 && len(values[0]) <= maxIdempotency &&
		!strings.ContainsFunc(values[0], func(r rune) bool { return r < 0x21 || r > 0x7e })
}

// digest tells texts apart, whatever they hold.
func digest(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// taken is a context that keeps what is answered through it.
type taken struct {
	humaContext
	header map[string]string
	body   bytes.Buffer
}

// Unwrap is for humago.
func (t *taken) Unwrap() huma.Context { return t.humaContext }

// humaContext is huma.Context under a name that its method Context leaves free.
type humaContext huma.Context

// SetHeader implements [huma.Context].
func (t *taken) SetHeader(name, value string) {
	t.header[name] = value
	t.humaContext.SetHeader(name, value)
}

// AppendHeader implements [huma.Context]. No answer to a POST has a header twice.
func (t *taken) AppendHeader(name, value string) {
	t.header[name] = value
	t.humaContext.AppendHeader(name, value)
}

// BodyWriter implements [huma.Context].
func (t *taken) BodyWriter() io.Writer { return io.MultiWriter(&t.body, t.humaContext.BodyWriter()) }
