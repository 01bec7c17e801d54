package delivery_test

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/server"
)

func init() {
	delivery.RequestID = func(ctx context.Context) string { return server.RecordOf(ctx).RequestID }
	delivery.Client = server.Client
	delivery.Front = func(s *delivery.Service, api http.Handler, trusted []netip.Prefix, ready func() error, c delivery.Config) http.Handler {
		return server.New(server.Config{Delivery: s, API: api, TrustedProxies: trusted, Ready: ready, Metrics: c.Metrics, Log: c.Log}).Handler()
	}
}
