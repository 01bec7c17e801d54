package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tintype/tintype/workspace"
)

// applyCmd brings the workspaces of a running server in line with a file.
type applyCmd struct {
	File   string `short:"f" required:"" placeholder:"FILE" help:"Workspaces as YAML or JSON; - is standard input."`
	Server string `required:"" env:"TINTYPE_SERVER" placeholder:"URL" help:"The server, such as http://localhost:8080. The key is read from TINTYPE_API_KEY (of scope write), else from TINTYPE_ROOT_KEY, or from the files that TINTYPE_API_KEY_FILE and TINTYPE_ROOT_KEY_FILE name."`
}

// Run applies each workspace of the file, and says what changed.
func (c *applyCmd) Run(ctx context.Context, std stdio) error {
	key, err := secret(std.getenv, "TINTYPE_API_KEY")
	if err != nil {
		return err
	}
	if key == "" {
		keys, err := rootKeys(std.getenv)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return errors.New("set TINTYPE_API_KEY to an API key of the workspace that has the scope write, or TINTYPE_ROOT_KEY to the server's root key")
		}
		key = keys[0]
	}
	base, err := url.Parse(c.Server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return fmt.Errorf("--server: %q is no URL such as http://localhost:8080", c.Server)
	}
	all, err := readWorkspaces(c.File)
	if err != nil {
		return err
	}
	// What is wrong with them the server says: it alone knows its --dir sources.
	client := apiClient{base: strings.TrimSuffix(base.String(), "/"), key: key}
	for _, w := range all {
		if err := client.apply(ctx, std.stdout, w); err != nil {
			return fmt.Errorf("workspace %s: %w", w.Namespace, err)
		}
	}
	return nil
}

// readWorkspaces reads the workspaces of a file.
func readWorkspaces(name string) ([]*workspace.Workspace, error) {
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
func (c *serveCmd) applyFile(ctx context.Context, store workspace.Store, log *slog.Logger) error {
	all, err := readWorkspaces(c.Apply)
	if err != nil {
		return fmt.Errorf("--apply: %w", err)
	}
	for _, w := range all {
		if err := c.process(w.Namespace).Validate(w); err != nil {
			return fmt.Errorf("--apply: %s: workspace %s: %w", c.Apply, w.Namespace, err)
		}
	}
	for _, w := range all {
		changes, err := workspace.Apply(ctx, operatorStore{store}, w)
		if err != nil {
			return fmt.Errorf("--apply: workspace %s: %w", w.Namespace, err)
		}
		log.Info("applied", "workspace", w.Namespace, "changes", changes)
	}
	return nil
}

// An apiClient speaks to the management API.
type apiClient struct{ base, key string }

// apiError is an answer of the API that is an error.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%d %s)", e.message, e.status, e.code) }

const applyTries = 3

func (c apiClient) apply(ctx context.Context, out io.Writer, w *workspace.Workspace) error {
	path := "/v1/workspaces/" + w.Namespace
	based := w.Revision // 0: the file doesn't say which revision it was based on
	for try := 1; ; try++ {
		var before, after workspace.Workspace
		// A patch of nothing answers the workspace as it is and writes nothing. Unlike GET
		// it needs no scope besides the one that the change needs.
		err := c.call(ctx, http.MethodPatch, path, struct{}{}, &before)
		if e, ok := errors.AsType[*apiError](err); ok && e.code == "WORKSPACE_NOT_FOUND" {
			if err := c.call(ctx, http.MethodPost, "/v1/workspaces", w, &after); err != nil {
				return err
			}
			_, err := fmt.Fprintf(out, "%s: created\n", w.Namespace)
			return err
		}
		if err != nil {
			return err
		}
		if based == 0 {
			w.Revision = before.Revision
		}
		err = c.call(ctx, http.MethodPut, path, w, &after)
		if e, ok := errors.AsType[*apiError](err); ok && e.code == "CONFLICT" && based == 0 && try < applyTries {
			continue // somebody else's change came between; ours goes on top of it
		}
		if err != nil {
			return err
		}
		return report(out, &before, &after, w)
	}
}

// report prints what a PUT changed. Secrets are masked in what the API answers, so
// that a change of nothing else shows in the revision alone.
func report(out io.Writer, before, after, sent *workspace.Workspace) error {
	changes := workspace.Diff(before, after)
	switch {
	case before.Revision == after.Revision:
		changes = []string{"unchanged"}
	case len(changes) == 0:
		changes = []string{"secrets changed"}
	case sendsSecrets(sent):
		changes = append(changes, "secrets: now those of the file")
	}
	for _, line := range changes {
		if _, err := fmt.Fprintf(out, "%s: %s\n", after.Namespace, line); err != nil {
			return err
		}
	}
	return nil
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

func (c apiClient) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 == 2 {
		return json.Unmarshal(b, out)
	}
	var e struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(b, &e) != nil || e.Error.Code == "" {
		return fmt.Errorf("%s%s answered %s, which is not Tintype's API", c.base, path, res.Status)
	}
	return &apiError{res.StatusCode, e.Error.Code, e.Error.Message}
}
