package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/doctor"
)

type doctorCmd struct {
	Server string `required:"" env:"TINTYPE_URL,TINTYPE_SERVER" placeholder:"URL" help:"The URL under which people reach the server. The root key is read from TINTYPE_ROOT_KEY, or from the file that TINTYPE_ROOT_KEY_FILE names; without it, checks of keys and workspaces are skipped."`
	Ops    string `default:"http://127.0.0.1:9090" placeholder:"URL" help:"The server's ops listener; without it, checks of its settings are skipped (${default})."`
	JSON   bool   `help:"Print JSON."`
}

// errChecklist ends the command with a status that isn't 0.
var errChecklist = errors.New("the checklist isn't met")

func (c *doctorCmd) Run(ctx context.Context, std stdio) error {
	key, err := firstRootKey(std.getenv)
	if err != nil {
		return err
	}
	facts, err := doctor.Look(ctx, doctor.Config{Server: c.Server, Ops: c.Ops, Key: key, Version: version})
	if err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	all := facts.Walk()
	if c.JSON {
		out := json.NewEncoder(std.stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(all); err != nil {
			return err
		}
	} else if err := printFindings(std, all); err != nil {
		return err
	}
	if doctor.Failed(all) {
		return errChecklist
	}
	return nil
}

func printFindings(std stdio, all []doctor.Finding) error {
	w := tabwriter.NewWriter(std.stdout, 0, 0, 2, ' ', 0)
	for _, f := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.State, f.Check, printable(f.Found))
		if f.Fix != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Fix)
		}
	}
	return w.Flush()
}

// aboutServer returns a handler that answers what doctor asks of a server. It holds no secret.
func (c *serveCmd) aboutServer(about func(*doctor.Server)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s := doctor.Server{
			Version: version, TLS: c.TLS, OpsListen: c.OpsListen, TrustedProxies: len(c.TrustedProxies), AllowedRanges: []string{},
			Ambient: c.AllowAmbientCredentials, Store: "sqlite", ClientRequests: c.ClientRequests, Demo: c.Demo, Sandbox: c.Sandbox,
			BackupAt: readBackupTime(c.Data), Mail: cmp.Or(c.Mail, "off"), Operators: len(c.Operators),
		}
		if strings.HasPrefix(s.Mail, "smtp") {
			s.Mail = "smtp"
		}
		if c.PublicURL.url != nil {
			s.PublicURL = c.PublicURL.url.String()
		}
		for _, p := range prefixes(c.AllowCIDR) {
			s.AllowedRanges = append(s.AllowedRanges, p.String())
		}
		if c.Store.elsewhere() {
			s.Store = "dynamodb"
		}
		s.DiskFull, s.DiskFree = cache.DiskFull(c.Data)
		about(&s)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(s)
	}
}

// recoveryWithin bounds how long the checklist waits for the answer about a table.
const recoveryWithin = 5 * time.Second

// recovery says whether point-in-time recovery of a table is on, or why nobody can tell. It is
// empty for a store without.
func recovery(s store) string {
	table, ok := s.(interface {
		Recovery(ctx context.Context) (bool, error)
	})
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), recoveryWithin)
	defer cancel()
	switch on, err := table.Recovery(ctx); {
	case err != nil:
		return "AWS doesn't answer that: let the server's role have dynamodb:DescribeContinuousBackups"
	case on:
		return "on"
	}
	return "off"
}
