package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/client"
)

// usageCmd shows what a workspace has used.
type usageCmd struct {
	inWorkspace
	output
	From  string        `placeholder:"DAY" help:"First day (UTC), such as 2026-01-31. Left out, today."`
	To    string        `placeholder:"DAY" help:"Last day. Left out, today."`
	Watch bool          `help:"Print what was added since the line before, until it is stopped."`
	Every time.Duration `default:"10s" placeholder:"DURATION" help:"With --watch: how often (${default}). Servers write their counts every 10 seconds or more."`
}

func (c *usageCmd) Run(ctx context.Context, env Env) error {
	if c.Every < time.Second {
		return errors.New("--every: must be 1s or more")
	}
	if c.Watch && (c.From != "" || c.To != "" || c.Output == "json") {
		return errors.New("--watch shows today as a table: leave out --from, --to and --output")
	}
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if c.Watch {
		return c.watch(ctx, env, api)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	o := client.GetUsageOptions{From: c.From, To: c.To}
	if o.From == "" && o.To == "" {
		o.From, o.To = today, today
	}
	u, err := api.GetUsage(ctx, c.NS, o)
	if err != nil {
		return err
	}
	return c.print(env, u, func(row func(...any)) {
		row("DAY", "OPERATION", "SOURCE", "REQUESTS", "HITS", "TRANSFORMS", "ERRORS", "IN", "OUT", "UNITS")
		sum := client.Usage{}
		for _, r := range u.Usage {
			row(r.Day, r.Operation, r.Source, r.Requests, r.Hits, r.Transforms, r.Errors, length(r.BytesIn), length(r.BytesOut), r.Units)
			add(&sum, r, 1)
		}
		row("sum", "", "", sum.Requests, sum.Hits, sum.Transforms, sum.Errors, length(sum.BytesIn), length(sum.BytesOut), u.Units)
	})
}

// watch prints a line for each time that the counts are read.
func (c *usageCmd) watch(ctx context.Context, env Env, api *client.Client) error {
	const format = "%-8v %9v %9v %10v %7v %9v %9v\n"
	if _, err := fmt.Fprintf(env.Stdout, format, "UTC", "REQUESTS", "HITS", "TRANSFORMS", "ERRORS", "IN", "OUT"); err != nil {
		return err
	}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	var last client.Usage
	lastDay := ""
	for first := true; ; first = false {
		day := time.Now().UTC().Format(time.DateOnly)
		u, err := api.GetUsage(ctx, c.NS, client.GetUsageOptions{From: day, To: day})
		if err != nil {
			return err
		}
		var sum client.Usage
		for _, r := range u.Usage {
			add(&sum, r, 1)
		}
		now := sum
		if day == lastDay {
			add(&sum, last, -1)
		}
		if !first {
			if _, err := fmt.Fprintf(env.Stdout, format, time.Now().UTC().Format("15:04:05"), sum.Requests, sum.Hits, sum.Transforms, sum.Errors, length(sum.BytesIn), length(sum.BytesOut)); err != nil {
				return err
			}
		}
		last, lastDay = now, day
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func add(sum *client.Usage, r client.Usage, sign int64) {
	sum.Requests += sign * r.Requests
	sum.Hits += sign * r.Hits
	sum.Transforms += sign * r.Transforms
	sum.Errors += sign * r.Errors
	sum.BytesIn += sign * r.BytesIn
	sum.BytesOut += sign * r.BytesOut
}

// length returns a length as people read it.
func length(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n) / 1000
	i := 0
	for f >= 999.95 && i < len(units)-1 {
		f /= 1000
		i++
	}
	return fmt.Sprintf("%.1f %cB", f, units[i])
}

// auditCmd shows the logs of a workspace.
type auditCmd struct {
	inWorkspace
	output
	Trail  string `enum:"changes,access" default:"changes" placeholder:"TRAIL" help:"changes: who changed what. access: who requested what (${default})."`
	Limit  int    `default:"50" placeholder:"N" help:"How many entries, the newest first (${default})."`
	Action string `placeholder:"TEXT" help:"Only actions with this text."`
	Actor  string `placeholder:"TEXT" help:"Only of whom has this text."`
	From   string `placeholder:"DAY" help:"First day (UTC)."`
	To     string `placeholder:"DAY" help:"Last day."`
	Failed bool   `help:"Only what was refused."`
}

func (c *auditCmd) Run(ctx context.Context, env Env) error {
	if c.Limit < 1 {
		return errors.New("--limit: must be 1 or more")
	}
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	entries := []client.AuditEntry{}
	o := client.ListAuditOptions{Trail: c.Trail, Limit: int64(min(c.Limit, 200)), Action: c.Action, Actor: c.Actor, From: c.From, To: c.To}
	if c.Failed {
		o.Failed = "true"
	}
	for entry, err := range api.AllAudit(ctx, c.NS, o) {
		if err != nil {
			return err
		}
		if entries = append(entries, entry); len(entries) == c.Limit {
			break
		}
	}
	return c.print(env, entries, func(row func(...any)) {
		row("TIME (UTC)", "ACTOR", "ACTION", "TARGET", "STATUS")
		for _, e := range entries {
			status := any("")
			if e.Status != 0 {
				status = e.Status
			}
			row(e.Time, e.Actor, e.Action, e.Target, status)
		}
	})
}

// explainCmd says how a server would answer a URL.
type explainCmd struct {
	inWorkspace
	output
	URL    string `arg:"" help:"The URL of an image, or its path and query."`
	Accept string `placeholder:"TYPES" help:"The Accept header of the client, such as image/avif,*/*."`
	Origin string `placeholder:"ORIGIN" help:"The web origin of the page, such as https://shop.example.com."`
}

func (c *explainCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	e, err := api.ExplainURL(ctx, c.NS, client.ExplainURLOptions{URL: c.URL, Accept: c.Accept, Origin: c.Origin})
	if err != nil {
		return err
	}
	return c.print(env, e, func(row func(...any)) {
		for _, check := range e.Checks {
			verdict := "passes"
			if !check.Passed {
				verdict = "FAILS"
			}
			row(check.Name, verdict, check.Detail)
		}
		row("answer", e.Status, e.Code)
		if e.Message != "" {
			row("", "", e.Message)
			return
		}
		row("original", e.Original, "")
		row("options", e.Options, "")
		row("format", e.Format, "")
		row("marks", e.Marks, "")
		row("cached", e.Cached, e.Tier)
		for _, i := range e.Ignored {
			row("ignored", i.Name, i.Hint)
		}
	})
}
