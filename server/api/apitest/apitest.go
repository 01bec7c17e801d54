// Package apitest serves the management API for tests of its clients.
package apitest

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/api"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
)

// RootKey is a key of the operator, who may do everything.
const RootKey = "root-key-of-the-tests-0123456789"

// New serves the API, without workspaces, for a test. It returns the server's URL.
func New(t testing.TB) string {
	t.Helper()
	server, end, err := Serve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Serve serves the API with a store in a folder, until end is called.
func Serve(folder string) (server string, end func() error, err error) {
	codec, err := workspace.NewCodec(workspace.NewSecretKey())
	if err != nil {
		return "", nil, err
	}
	db, err := sqlite.Open(filepath.Join(folder, "tintype.db"), codec)
	if err != nil {
		return "", nil, err
	}
	log := slog.New(slog.DiscardHandler)
	m := manage.New(manage.Config{
		Store: cached.New(db, cached.Config{}), Uncached: db, Records: db, Delivery: noDelivery{}, Log: log,
		Auth:   apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{RootKey}, Keys: db, Log: log}),
		Alerts: alert.New(alert.Config{Store: db, Codec: codec, Keys: db, Get: db.Get, List: db.List, Alone: true, Log: log}),
	})
	s := httptest.NewServer(api.New(api.Config{Manage: m, Replays: db, Log: log}))
	return s.URL, func() error {
		s.Close()
		return db.Close()
	}, nil
}

// noDelivery serves no image.
type noDelivery struct{ manage.Delivery }

func (noDelivery) Check(*workspace.Workspace) error { return nil }

func (noDelivery) FindPurge(context.Context, string, string) ([]workspace.Purge, []string, error) {
	return nil, nil, errors.New("is no URL of an image")
}

func (noDelivery) WouldRefuse(context.Context, *workspace.Workspace) (delivery.Refusals, error) {
	return delivery.Refusals{}, nil
}
