package manage

import (
	"context"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
)

var errNoExplain = notFound("This server delivers no images, so it can't explain a URL.")

// Explain says how the server would answer a request for an image. url is a URL of the
// workspace, or its path and query. accept and origin are the request's headers. Empty
// means that the header is absent.
func (m *Manager) Explain(ctx context.Context, who Caller, namespace, url, accept, origin string) (delivery.Explanation, error) {
	if err := who.Allow(account.Explain, namespace); err != nil {
		return delivery.Explanation{}, err
	}
	if url == "" {
		return delivery.Explanation{}, invalid("url: is required: the URL to explain.")
	}
	w, err := m.open(ctx, who, account.Explain, namespace)
	if err != nil {
		return delivery.Explanation{}, err
	}
	_, _, target, err := m.target(ctx, w, url)
	if err != nil {
		return delivery.Explanation{}, err
	}
	if m.delivery == nil {
		return delivery.Explanation{}, errNoExplain
	}
	return m.delivery.Explain(ctx, target, accept, origin)
}
