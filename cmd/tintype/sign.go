package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// signCmd signs a URL without a server.
type signCmd struct {
	URL       string        `arg:"" help:"The URL as clients will send it, options included; or its path and query alone."`
	ExpiresIn time.Duration `default:"1h" placeholder:"DURATION" help:"How long the signature is valid, such as 30m, 12h, 7d or 2w. 0 is for ever; private sources refuse that (${default})."`
	Namespace string        `placeholder:"NS" help:"The workspace. Needed for a URL in host form, whose path has no namespace."`
}

// Help says where the secret comes from (kong prints it).
func (signCmd) Help() string {
	return "The secret is read from TINTYPE_SIGNING_SECRET, or from the file that TINTYPE_SIGNING_SECRET_FILE names: the 64 hex digits that POST /v1/workspaces/NS/signing-keys answered."
}

// Run prints the signed URL.
func (c *signCmd) Run(std stdio) error {
	text, err := secret(std.getenv, "TINTYPE_SIGNING_SECRET")
	if err != nil {
		return err
	}
	if text == "" {
		return errors.New("set TINTYPE_SIGNING_SECRET or TINTYPE_SIGNING_SECRET_FILE to a signing key's secret")
	}
	key, err := signing.ParseSecret(text)
	if err != nil {
		return fmt.Errorf("TINTYPE_SIGNING_SECRET: %w", err)
	}
	if c.ExpiresIn < 0 {
		return errors.New("--expires-in: must not be negative")
	}
	prefix, target := "", c.URL
	if !strings.HasPrefix(target, "/") {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("%q is not a URL such as https://img.example.com/acme/photos/cat.jpg", c.URL)
		}
		_, rest, _ := strings.Cut(target, "://")
		i := strings.IndexAny(rest, "/?")
		if i < 0 || rest[i] != '/' {
			return fmt.Errorf("%q has no path", c.URL)
		}
		prefix, target = target[:len(target)-len(rest)+i], rest[i:]
	}
	dropped := ""
	if c.Namespace != "" {
		dropped = "/" + c.Namespace
	}
	note, err := c.doubt(prefix, target)
	if err != nil {
		return err
	}
	var signed string
	if c.ExpiresIn == 0 {
		signed, err = key.Sign(dropped + target)
	} else {
		signed, err = key.SignUntil(dropped+target, time.Now().Add(c.ExpiresIn))
	}
	if err != nil {
		return err
	}
	if note != "" {
		if _, err := fmt.Fprintln(std.stderr, note); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(std.stdout, prefix+strings.TrimPrefix(signed, dropped))
	return err
}

// doubt returns a note that names the signed workspace if it isn't certain. Without a
// server, the command can't know whether a host belongs to a workspace. The error says that
// the target names no image.
func (c *signCmd) doubt(prefix, target string) (note string, err error) {
	path, query, _ := strings.Cut(target, "?")
	namespace, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if c.Namespace != "" {
		if namespace == c.Namespace {
			return fmt.Sprintf("tintype: signed as %q of workspace %s; if the path already begins with the namespace, leave out --namespace", target, c.Namespace), nil
		}
		return "", nil
	}
	object := strings.TrimPrefix(rest, "transform/")
	bySource := strings.Contains(object, "/")
	bySrc := (rest == "" || rest == "transform") && strings.Contains("&"+query, "&src=")
	if !workspace.UsableNamespace(namespace) || !bySource && !bySrc {
		return "", fmt.Errorf("%q names no image as /NS/SOURCE/PATH. If the host belongs to the workspace and the path has no namespace, give --namespace NS", c.URL)
	}
	u, err := url.Parse(prefix)
	if err != nil || u.Host == "" || !strings.Contains(u.Hostname(), ".") || net.ParseIP(u.Hostname()) != nil {
		return "", nil // no workspace has such a host
	}
	return fmt.Sprintf("tintype: signed for workspace %s; if %s is a workspace's own host, give --namespace NS", namespace, u.Hostname()), nil
}
