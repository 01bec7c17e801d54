package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/workspace"
)

// openPlans returns the plans of --plans and of the store. The server starts without those of
// a store that doesn't answer.
func (c *serveCmd) openPlans(ctx context.Context, records account.Records, log *slog.Logger) (*plan.Book, error) {
	b, err := plan.New(plan.Config{File: c.Plans, Records: records, Log: log})
	if err != nil {
		return nil, fmt.Errorf("--plans: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := b.Load(ctx); err != nil {
		log.Warn("serving without the plans of the store until it answers", "err", err)
	}
	return b, nil
}

// A reread is a file that is read again after SIGHUP. An error leaves what was read before.
type reread struct {
	flag string
	read func() error
}

// onHangup returns a background function that reads files again after each SIGHUP.
func onHangup(log *slog.Logger, files ...reread) func(context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return func(ctx context.Context) {
		defer signal.Stop(hangups)
		for {
			select {
			case <-hangups:
			case <-ctx.Done():
				return
			}
			for _, f := range files {
				if err := f.read(); err != nil {
					log.Error("SIGHUP: what was read of a file before still holds, since it has a mistake now", "flag", f.flag, "err", err)
				} else {
					log.Info("SIGHUP: a file was read again", "flag", f.flag)
				}
			}
		}
	}
}

// limitsOf returns what package delivery asks for the limits of a plan.
func limitsOf(plans *plan.Book) func(name string) *workspace.Limits {
	return func(name string) *workspace.Limits {
		p := plans.Plan(name)
		if p == nil {
			return nil
		}
		return &p.Limits
	}
}
