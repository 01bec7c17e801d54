package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// watchImages returns what tells alerts of requests for images.
func watchImages(w *alert.Watch) func(delivery.Watched) {
	return func(i delivery.Watched) {
		seen := alert.Image{
			WorkspaceID: i.WorkspaceID, Namespace: i.Namespace, Source: i.Source, Status: i.Status, Made: i.Made,
			OriginFailed: i.Code == fault.OriginError || i.Code == fault.OriginTimeout, WorkerLost: i.Code == fault.WorkerFailed,
		}
		if i.KeyID != "" {
			seen.Actor = "key:" + i.KeyID
			w.UseKey(i.WorkspaceID, i.Namespace, i.KeyID, i.Client)
		}
		w.Image(seen)
	}
}

// newAlerts returns what judges and tells. people are nil where the server sends no mail.
func (c *serveCmd) newAlerts(ctx context.Context, watch *alert.Watch, store store, codec *workspace.Codec, spaces *cached.Store, images *delivery.Service, people *account.People, fetching origin.HTTPConfig, metrics prometheus.Registerer, log *slog.Logger) (*alert.Engine, error) {
	if !c.Store.elsewhere() { // else tintype store rekey does it
		if _, err := alert.Reseal(ctx, store, codec); err != nil && !c.serveAnyway(err) {
			return nil, err
		}
	}
	config := alert.Config{
		Watch: watch, Store: store, Codec: codec, Keys: store, Get: spaces.Get, List: store.List,
		Transport: origin.NewTransport(fetching), Alone: !c.Store.elsewhere(), Every: c.AlertsEvery, Metrics: metrics, Log: log,
		Quota: func(namespace string) []alert.UsedQuota { return usedQuotas(images, namespace) },
	}
	if c.PublicURL.url != nil {
		config.PublicURL = c.PublicURL.url.String()
	}
	if people != nil {
		config.Mail = people.Mail
		config.Memberships = func(ctx context.Context, email string) (places []alert.Place, err error) {
			members, err := people.MembershipsOf(ctx, email)
			for _, m := range members {
				places = append(places, alert.Place{WorkspaceID: m.WorkspaceID, Namespace: m.Namespace})
			}
			return places, err
		}
	}
	return alert.New(config), nil
}

// placeOf returns what finds the workspace of a host.
func (c *serveCmd) placeOf(spaces *cached.Store) func(host string) (workspaceID, namespace string) {
	base := strings.ToLower(c.BaseDomain)
	return func(host string) (string, string) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		namespace, ok := strings.CutSuffix(host, "."+base)
		if base == "" || !ok || strings.Contains(namespace, ".") {
			d, err := spaces.Domain(ctx, host)
			if err != nil {
				return "", ""
			}
			namespace = d.Namespace
		}
		w, err := spaces.Get(ctx, namespace)
		if err != nil {
			return "", ""
		}
		return w.ID, w.Namespace
	}
}

func usedQuotas(images *delivery.Service, namespace string) (list []alert.UsedQuota) {
	for _, q := range images.UsedQuotas(context.Background(), namespace) {
		if q.Limit.Window == limit.Day || q.Limit.Window == limit.Month {
			list = append(list, alert.UsedQuota{
				Window: string(q.Limit.Window), Used: q.Limit.Max - q.Remaining, Max: q.Limit.Max, Resets: time.Now().Add(q.Reset).Round(time.Second).Unix(),
			})
		}
	}
	return list
}

// A certWatch tells alerts of certificates that can't be renewed, and remembers them for the
// operator.
type certWatch struct {
	watch *alert.Watch
	place func(host string) (workspaceID, namespace string) // from memory; empty for hosts of nobody
	fails alert.Failing
}

// failed is for [certs.AutoConfig]. Where a host has no certificate yet, its owner may have to
// do something; where the authority can't be reached, the operator.
func (c *certWatch) failed(host string, renewal, unreachable bool, why string) {
	if renewal || unreachable {
		c.fails.Fail(host, why)
	}
	if !renewal {
		return
	}
	if id, namespace := c.place(host); id != "" {
		c.watch.Renewal(id, namespace, host, why)
	}
}

// serverAlerts returns what tells operators of this server.
func (c *serveCmd) serverAlerts(engine *alert.Engine, store store, certificates *certWatch, auto *certs.Auto, files *certs.Files, people *account.People, metrics prometheus.Registerer, log *slog.Logger) *alert.Server {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	config := alert.ServerConfig{Name: name, Store: store, Every: c.AlertsEvery, Metrics: metrics, Log: log, Checks: []alert.Check{
		{Name: "disk", Title: "A disk is full", Problem: func() string { return diskProblem(c.Data) }},
		{Name: "store", Title: "The store fails", Problem: engine.Problem},
		{Name: "certificates", Title: "Certificates can't be renewed", Shared: true, Problem: func() string {
			if auto != nil {
				certificates.fails.Drop(auto.Settled)
			}
			return certificates.fails.Problem("A certificate can't be had")
		}},
	}}
	if files != nil {
		config.Checks = append(config.Checks, alert.Check{Name: "certificate_files", Title: "A certificate is about to end", Problem: func() string {
			ends := files.EndsFirst()
			if time.Until(ends.NotAfter) >= tlsSoon {
				return ""
			}
			return fmt.Sprintf("The certificate of %v from a file ends on %s. Replace its files, and send SIGHUP.", ends.DNSNames, ends.NotAfter.UTC().Format(time.DateOnly))
		}})
	}
	if c.PublicURL.url != nil {
		config.PublicURL = c.PublicURL.url.String()
	}
	if people != nil {
		config.Mail, config.Operators = people.Mail, people.Operators
	}
	return alert.NewServer(config)
}

func diskProblem(folder string) string {
	full, free := cache.DiskFull(folder)
	if !full {
		return ""
	}
	return fmt.Sprintf("The disk of the data folder is full: %d MB are free. Images are served from what there is. Make room, or nothing can be changed or kept.", free>>20)
}
