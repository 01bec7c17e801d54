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

// onHangup returns a background function that reads the file of plans again after each SIGHUP.
// After a mistake in the file, the plans stay as they were.
func onHangup(plans *plan.Book, log *slog.Logger) func(context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return func(ctx context.Context) {
		defer signal.Stop(hangups)
		for {
			select {
			case <-hangups:
				if err := plans.Reload(); err != nil {
					log.Error("SIGHUP: the plans are as they were, since the file of --plans has a mistake", "err", err)
				} else {
					log.Info("SIGHUP: the file of --plans was read again", "plans", plans.Names())
				}
			case <-ctx.Done():
				return
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
