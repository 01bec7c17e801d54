package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/workspace"
)

// publicURL returns the URL of --public-url, or nil.
func (c *serveCmd) publicURL() (*url.URL, error) {
	if c.PublicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && ofLoopback(u.Hostname())) {
		return nil, errors.New("--public-url: must be the https:// URL under which people reach this server, such as https://img.example.com; http:// is for localhost only")
	}
	u.Path = ""
	return u, nil
}

func ofLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newPeople returns who may sign in, or nil where the server sends no mail: then it has no
// dashboard.
func (c *serveCmd) newPeople(getenv func(string) string, records account.Records, public net.Addr, out io.Writer, log *slog.Logger) (*account.People, error) {
	base, err := c.publicURL()
	if err != nil {
		return nil, err
	}
	var operators []string
	for _, address := range c.Operators {
		email, err := account.ParseEmail(address)
		if err != nil {
			return nil, fmt.Errorf("--operators: %q: %w", address, err)
		}
		operators = append(operators, email)
	}
	where := c.Mail
	if where == "" {
		if host, _, err := net.SplitHostPort(public.String()); err == nil && ofLoopback(host) {
			where = "log"
		}
	}
	var sender mail.Sender
	switch where {
	case "", "off":
		return nil, nil
	case "log":
		sender = mail.Log{Out: out}
	default:
		if base == nil {
			return nil, errors.New("--mail: set --public-url too, since mails have links; they never take the host from a request")
		}
		password, err := secret(getenv, "TINTYPE_MAIL_PASSWORD")
		if err != nil {
			return nil, err
		}
		from := c.MailFrom
		if from == "" {
			from = "Tintype <tintype@" + base.Hostname() + ">"
		}
		if sender, err = mail.Open(where, from, password); err != nil {
			return nil, fmt.Errorf("--mail: %w", err)
		}
	}
	config := account.Config{Records: records, Mail: sender, Operators: operators, Signup: account.Signup(c.Signup), Now: time.Now, Log: log}
	if base != nil {
		config.PublicURL = base.String()
	}
	return account.NewPeople(config), nil
}

// newDashboard returns the pages under /app, or nil where nobody can sign in.
func (c *serveCmd) newDashboard(m *manage.Manager, people *account.People, codec *workspace.Codec, log *slog.Logger) (http.Handler, error) {
	if people == nil {
		return nil, nil
	}
	base, err := c.publicURL()
	if err != nil {
		return nil, err
	}
	return dashboard.New(dashboard.Config{Manage: m, People: people, Codec: codec, PublicURL: base, Log: log}), nil
}
