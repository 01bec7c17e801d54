package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/client"
)

// purgeCmd purges cached variants.
type purgeCmd struct {
	inWorkspace
	output
	Paths  []string `arg:"" optional:"" help:"Originals as SOURCE/PATH: all of their variants."`
	Source string   `placeholder:"KEY" help:"All variants of a source."`
	Prefix string   `placeholder:"SOURCE/PREFIX" help:"All variants of the originals below a prefix."`
	Mark   string   `placeholder:"NAME" help:"All variants that carry a mark."`
	URL    string   `name:"url" placeholder:"URL" help:"One variant by its URL, or all of an original by its full URL."`
	All    bool     `help:"All variants of the workspace."`
	Wait   bool     `help:"Return when every server has applied it, which takes some seconds."`
}

func (c *purgeCmd) Run(ctx context.Context, env Env) error {
	what := client.PurgeRequest{Source: c.Source, Prefix: c.Prefix, Mark: c.Mark, URL: c.URL, All: c.All}
	if len(c.Paths) == 1 {
		what.Path = c.Paths[0]
	} else {
		what.Paths = c.Paths
	}
	given := 0
	for _, is := range []bool{len(c.Paths) > 0, c.Source != "", c.Prefix != "", c.Mark != "", c.URL != "", c.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return errors.New("say what to purge in one way: paths, --source, --prefix, --mark, --url or --all")
	}
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	answer, err := api.Purge(ctx, c.NS, what)
	if err != nil {
		return err
	}
	for _, w := range answer.Widened {
		fmt.Fprintf(env.Stderr, "warning: %d earlier purges were replaced by wider ones (%s %s %s)\n", w.Purges, w.Kind, w.Source, show(w.Value))
	}
	if c.Wait {
		if isTerminal(env.Stderr) {
			fmt.Fprintf(env.Stderr, "every server has applied it in %s at the latest\n", time.Until(answer.CompleteBy).Round(time.Second))
		}
		if err := answer.Wait(ctx); err != nil {
			return err
		}
	}
	return c.print(env, answer, func(row func(...any)) {
		if c.Wait {
			row("purged on every server")
			return
		}
		row(fmt.Sprintf("purged here; on every server by %s UTC (--wait waits)", show(answer.CompleteBy)))
	})
}
