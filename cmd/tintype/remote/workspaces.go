package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/client"
	"github.com/tintype/tintype/workspace"
)

// wsCmd has the commands for workspaces.
type wsCmd struct {
	List   wsListCmd   `cmd:"" help:"List the workspaces. Needs the root key."`
	Get    wsGetCmd    `cmd:"" help:"Show the settings of a workspace."`
	Create wsCreateCmd `cmd:"" help:"Make a workspace. Needs the root key."`
	Set    wsSetCmd    `cmd:"" help:"Change settings: tintype ws set acme https_only=true name=Acme."`
	Export wsExportCmd `cmd:"" help:"Write the settings as YAML, as tintype apply reads them."`
	Delete wsDeleteCmd `cmd:"" help:"Delete a workspace. Needs the root key."`
}

// inWorkspace is a workspace that a command is about.
type inWorkspace struct {
	server
	NS string `arg:"" name:"ns" help:"Namespace of the workspace."`
}

type wsListCmd struct {
	server
	output
}

func (c *wsListCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	all := []client.Workspace{}
	for w, err := range api.AllWorkspaces(ctx, client.ListWorkspacesOptions{Limit: 200}) {
		if err != nil {
			return err
		}
		all = append(all, w)
	}
	return c.print(env, all, func(row func(...any)) {
		row("NAMESPACE", "NAME", "SOURCES", "MARKS", "PLAN", "CHANGED (UTC)")
		for _, w := range all {
			row(w.Namespace, w.Name, len(w.Sources), len(w.Marks), w.Plan, w.UpdatedAt)
		}
	})
}

type wsGetCmd struct {
	inWorkspace
	output
}

func (c *wsGetCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	w, err := api.GetWorkspace(ctx, c.NS)
	if err != nil {
		return err
	}
	return showWorkspace(c.output, env, w)
}

// showWorkspace prints the settings of a workspace that are single values, and the names of the rest.
func showWorkspace(o output, env Env, w *client.Workspace) error {
	warn(env, w.Warnings)
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	return o.print(env, w, func(row func(...any)) {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			switch value := fields[name].(type) {
			case []any:
				if name != "warnings" {
					row(name, namesOf(value))
				}
			case map[string]any:
				row(name, entries(value))
			case float64:
				row(name, int64(value))
			default:
				row(name, value)
			}
		}
	})
}

// namesOf returns the names of a list's elements.
func namesOf(list []any) (names []string) {
	for _, one := range list {
		object, ok := one.(map[string]any)
		if !ok {
			names = append(names, fmt.Sprint(one))
			continue
		}
		for _, field := range []string{"key", "name", "id"} {
			if name, ok := object[field].(string); ok {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// entries returns a map as name=value.
func entries(object map[string]any) (all []string) {
	for name, value := range object {
		all = append(all, fmt.Sprintf("%s=%v", name, value))
	}
	slices.Sort(all)
	return all
}

type wsCreateCmd struct {
	inWorkspace
	output
	Name           string   `placeholder:"NAME" help:"What people call the workspace."`
	AllowedSources []string `placeholder:"PATTERN" help:"Hosts whose images ?src= may name; * is all. Left out, none: images come from sources."`
}

func (c *wsCreateCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	allowed := append([]string{}, c.AllowedSources...) // none is an empty list, not the default
	w, err := api.CreateWorkspace(ctx, client.NewWorkspace{Namespace: c.NS, Name: c.Name, AllowedSources: allowed})
	if err != nil {
		return err
	}
	return showWorkspace(c.output, env, w)
}

type wsSetCmd struct {
	inWorkspace
	output
	Settings []string `arg:"" help:"SETTING=VALUE, where VALUE is JSON, or a text that needs no quotes. SETTING= restores the default. docs/workspaces.md lists the settings."`
}

func (c *wsSetCmd) Run(ctx context.Context, env Env) error {
	patch, err := settings(c.Settings)
	if err != nil {
		return err
	}
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	w, err := api.PatchWorkspace(ctx, c.NS, patch)
	if err != nil {
		return err
	}
	return showWorkspace(c.output, env, w)
}

// settings reads SETTING=VALUE. limits.requests_per_minute=60 sets one of an object.
func settings(args []string) (client.WorkspacePatch, error) {
	patch := client.WorkspacePatch{}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is no SETTING=VALUE, such as https_only=true", arg)
		}
		var value any
		if text != "" && json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		outer, inner, nested := strings.Cut(name, ".")
		if !nested {
			if _, twice := patch[name]; twice {
				return nil, fmt.Errorf("%s is given twice", name)
			}
			patch[name] = value
			continue
		}
		object, ok := patch[outer].(map[string]any)
		if !ok {
			if _, twice := patch[outer]; twice {
				return nil, fmt.Errorf("%s is given twice", outer)
			}
			object = map[string]any{}
			patch[outer] = object
		}
		if _, twice := object[inner]; twice {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		object[inner] = value
	}
	return patch, nil
}

type wsExportCmd struct{ inWorkspace }

// Run writes YAML. Secrets are ***, which keeps them where the file is applied again.
func (c *wsExportCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	var w workspace.Workspace
	if err := api.Do(ctx, http.MethodGet, "/v1/workspaces/"+url.PathEscape(c.NS), nil, &w); err != nil {
		return err
	}
	_, err = env.Stdout.Write(workspace.NewDocument(&w).YAML())
	return err
}

type wsDeleteCmd struct {
	inWorkspace
	Yes bool `required:"" help:"Delete it with all of its settings and keys. Originals are not touched."`
}

func (c *wsDeleteCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if err := api.DeleteWorkspace(ctx, c.NS, client.DeleteWorkspaceOptions{}); err != nil {
		return err
	}
	return done(env, "deleted workspace %s", c.NS)
}
