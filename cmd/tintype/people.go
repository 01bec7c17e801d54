package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/workspace"
)

// A publicURL is the URL under which people reach this server. The zero value is none.
type publicURL struct{ url *url.URL }

// UnmarshalText reads a URL such as https://img.example.com.
func (p *publicURL) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && ofLoopback(u.Hostname())) {
		return errors.New("must be the https:// URL under which people reach this server, such as https://img.example.com; http:// is for localhost only")
	}
	u.Path = ""
	p.url = u
	return nil
}

// text is the URL, or nothing where it isn't set.
func (p publicURL) text() string {
	if p.url == nil {
		return ""
	}
	return p.url.String()
}

// A contact is a URI of whom to tell about a vulnerability: mailto: or https:.
type contact string

// UnmarshalText reads an e-mail address or an https:// URL.
func (c *contact) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	s := string(text)
	if u, err := url.Parse(s); err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil {
		*c = contact(u.String())
		return nil
	}
	var address email
	if err := address.UnmarshalText([]byte(strings.TrimPrefix(s, "mailto:"))); err != nil {
		return errors.New("must be an e-mail address such as security@example.com, or an https:// URL")
	}
	*c = contact("mailto:" + string(address))
	return nil
}

// securityContact returns whom security.txt names, or nil.
func (c *serveCmd) securityContact() *server.SecurityContact {
	if c.SecurityContact == "" {
		return nil
	}
	s := &server.SecurityContact{URI: string(c.SecurityContact)}
	if c.PublicURL.url != nil {
		s.Public = c.PublicURL.url.String()
	}
	return s
}

// An email is the address of a person.
type email string

// UnmarshalText reads an address such as ada@example.com.
func (e *email) UnmarshalText(text []byte) error {
	address, err := account.ParseEmail(string(text))
	if err != nil {
		return fmt.Errorf("%.100q: %w", text, err)
	}
	*e = email(address)
	return nil
}

func ofLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newPeople returns who may sign in, or nil where the server sends no mail: then it has no
// dashboard.
func (c *serveCmd) newPeople(secrets *liveSecrets, records account.Records, public []net.Addr, now func() time.Time, out io.Writer, log *slog.Logger) (*account.People, error) {
	base := c.PublicURL.url
	var operators []string
	for _, address := range c.Operators {
		operators = append(operators, string(address))
	}
	where := c.Mail
	if where == "" {
		outside := func(a net.Addr) bool {
			host, _, err := net.SplitHostPort(a.String())
			return err != nil || !ofLoopback(host)
		}
		if !slices.ContainsFunc(public, outside) {
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
		password, err := secrets.read("TINTYPE_MAIL_PASSWORD", nil)
		if err != nil {
			return nil, err
		}
		from := c.MailFrom
		if from == "" {
			from = "Tintype <tintype@" + base.Hostname() + ">"
		}
		smtp, err := mail.Open(where, from, password)
		if err != nil {
			return nil, fmt.Errorf("--mail: %w", err)
		}
		sender = smtp
	}
	config := account.Config{Records: records, Mail: sender, Operators: operators, Signup: account.Signup(c.Signup), Now: now, Log: log}
	if base != nil {
		config.PublicURL = base.String()
	}
	return account.NewPeople(config), nil
}

// newDashboard returns the pages under /app, or nil where nobody can sign in.
func (c *serveCmd) newDashboard(m *manage.Manager, people *account.People, codec *workspace.Codec, watch *alert.Watch, log *slog.Logger) http.Handler {
	if people == nil {
		return nil
	}
	return dashboard.New(dashboard.Config{Manage: m, People: people, Codec: codec, PublicURL: c.PublicURL.url, Watch: watch, Log: log})
}
