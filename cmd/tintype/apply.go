package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/tintype/tintype/client"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// applyCmd brings the workspaces of a running server in line with a file.
type applyCmd struct {
	File   string `short:"f" required:"" placeholder:"FILE" help:"Workspaces as YAML or JSON; - is standard input."`
	Server string `required:"" env:"TINTYPE_URL,TINTYPE_SERVER" placeholder:"URL" help:"The server, such as http://localhost:8080. The key is read from TINTYPE_API_KEY (of scope write), else from TINTYPE_ROOT_KEY, or from the files that TINTYPE_API_KEY_FILE and TINTYPE_ROOT_KEY_FILE name."`
	DryRun bool   `help:"Print what would change, and change nothing."`
	Prune  bool   `help:"Remove what the file leaves out of the workspaces that it names: sources, marks, presets, domains and headers, and fields, which get their defaults. Without it they stay, and are named. Workspaces that the file doesn't name always stay."`
}

// Run prints what the file changes in each of its workspaces, and then does it.
func (c *applyCmd) Run(ctx context.Context, std stdio) error {
	key, err := apiKey(std.getenv)
	if err != nil {
		return err
	}
	api, err := newAPIClient(c.Server, key)
	if err != nil {
		return err
	}
	documents, err := readWorkspaces(c.File)
	if err != nil {
		return err
	}
	// What is wrong with them the server says: it alone knows its --dir sources.
	var all []*application
	for _, d := range documents {
		a := &application{client: api, out: std.stdout, document: d, prune: c.Prune}
		if err := a.prepare(ctx); err != nil {
			return fmt.Errorf("workspace %s: %w", d.Namespace, err)
		}
		if err := a.show(); err != nil {
			return err
		}
		all = append(all, a)
	}
	for _, a := range all {
		do := a.carryOut
		if c.DryRun {
			do = a.leave
		}
		if err := do(ctx); err != nil {
			return fmt.Errorf("workspace %s: %w", a.document.Namespace, err)
		}
	}
	return nil
}

// readWorkspaces reads the workspaces of a file.
func readWorkspaces(name string) ([]*workspace.Document, error) {
	var r io.Reader = os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	all, err := workspace.DecodeAll(r, name)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no workspace in it", name)
	}
	return all, nil
}

// applyFile applies the file of --apply to the store of this process: all of it, or
// nothing where something in it is wrong.
func (c *serveCmd) applyFile(ctx context.Context, manager *manage.Manager, log *slog.Logger) error {
	all, err := readWorkspaces(c.Apply)
	if err != nil {
		return fmt.Errorf("--apply: %w", err)
	}
	for _, d := range all {
		p, err := manager.Plan(ctx, manage.Operator, d, c.ApplyPrune)
		if err != nil {
			return c.notApplied(d, err)
		}
		log.Info("applying", "workspace", d.Namespace, "changes", p.Changes, "kept", p.Kept)
		for _, warning := range p.Warnings {
			log.Warn("applying: "+warning, "workspace", d.Namespace)
		}
	}
	for _, d := range all {
		p, err := manager.Apply(ctx, manage.Operator, d, c.ApplyPrune)
		if err != nil {
			return c.notApplied(d, err)
		}
		log.Info("applied", "workspace", d.Namespace, "changes", p.Changes)
	}
	return nil
}

// notApplied says where what is wrong with a document is.
func (c *serveCmd) notApplied(d *workspace.Document, err error) error {
	wrong := fault.OfManaging(err).Code == fault.Validation
	if e, ok := errors.AsType[*fault.Error](err); ok {
		err = errors.New(e.Message)
	}
	if wrong {
		err = fmt.Errorf("%s: %w", c.Apply, err)
	}
	return fmt.Errorf("--apply: workspace %s: %w", d.Namespace, err)
}

const applyTries = 3

// An application is one document on its way to the server.
type application struct {
	client   *client.Client
	out      io.Writer
	document *workspace.Document
	prune    bool

	before *workspace.Workspace // what the plan is based on; nil where there is no such workspace
	plan   *workspace.Plan
}

func (a *application) path() string { return "/v1/workspaces/" + a.document.Namespace }

// say prints lines about the workspace.
func (a *application) say(lines ...string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintf(a.out, "%s: %s\n", a.document.Namespace, line); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the plan.
func (a *application) prepare(ctx context.Context) error {
	a.before = &workspace.Workspace{}
	// A patch of nothing answers the workspace as it is and writes nothing. Unlike GET it
	// needs no scope besides the one that the change needs.
	err := a.client.Do(ctx, http.MethodPatch, a.path(), struct{}{}, a.before)
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.CodeWorkspaceNotFound {
		a.before = nil
		if revision := a.document.Revision; revision != 0 {
			return fmt.Errorf("the file is for revision %d, and there is no such workspace: it may have been deleted. Leave out revision to create it (409 CONFLICT)", revision)
		}
	} else if err != nil {
		return err
	}
	a.plan, err = a.document.Plan(a.before, a.prune)
	return err
}

// show prints the plan.
func (a *application) show() error {
	if err := a.say(a.plan.Changes...); err != nil {
		return err
	}
	for _, kept := range a.plan.Kept {
		if err := a.say("not in the file, kept (--prune removes it): " + kept); err != nil {
			return err
		}
	}
	for _, warning := range a.plan.Warnings {
		if err := a.say("warning: " + warning); err != nil {
			return err
		}
	}
	return nil
}

// leave says how the plan would end.
func (a *application) leave(context.Context) error {
	switch {
	case a.before == nil:
		return a.say("would be created (--dry-run)")
	case len(a.plan.Changes) == 0:
		return a.say("unchanged")
	}
	return a.say("would be changed (--dry-run)")
}

// carryOut does what was shown. Where somebody else's change came between, it shows what
// it comes to on top of that, and does that.
func (a *application) carryOut(ctx context.Context) error {
	for try := 1; ; try++ {
		err := a.write(ctx)
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.Code != client.CodeConflict && e.Code != client.CodeWorkspaceNotFound || a.document.Revision != 0 || try == applyTries {
			return err
		}
		base := a.base()
		if err := a.prepare(ctx); err != nil {
			return err
		}
		if a.base() == base {
			return err // it is another conflict, such as a domain of another workspace
		}
		if err := a.say("changed by somebody else just now; on top of that:"); err != nil {
			return err
		}
		if err := a.show(); err != nil {
			return err
		}
	}
}

// base is the revision that the plan is based on; 0 is none.
func (a *application) base() int64 {
	if a.before == nil {
		return 0
	}
	return a.before.Revision
}

func (a *application) write(ctx context.Context) error {
	w := a.plan.Workspace
	var after workspace.Workspace
	if a.before == nil {
		if err := a.client.Do(ctx, http.MethodPost, "/v1/workspaces", w, &after); err != nil {
			return err
		}
		return a.say("created")
	}
	if w.Revision = a.document.Revision; w.Revision == 0 {
		w.Revision = a.before.Revision
	}
	if len(a.plan.Changes) == 0 && w.Revision == a.before.Revision {
		return a.say("unchanged")
	}
	if err := a.client.Do(ctx, http.MethodPut, a.path(), w, &after); err != nil {
		return err
	}
	switch {
	case after.Revision == a.before.Revision:
		return a.say("unchanged") // the secrets were the same
	case sendsSecrets(a.document.Workspace):
		return a.say("changed", "secrets: now those of the file")
	}
	return a.say("changed")
}

// sendsSecrets reports whether the file holds secrets that aren't masks.
func sendsSecrets(w *workspace.Workspace) bool {
	for _, s := range w.Sources {
		if s.SecretAccessKey != "" && s.SecretAccessKey != workspace.Mask {
			return true
		}
		for _, v := range s.Headers {
			if v != "" && v != workspace.Mask {
				return true
			}
		}
	}
	return false
}
