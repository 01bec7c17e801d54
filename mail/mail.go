// Package mail sends e-mails in plain text.
//
// For most uses, call [Open] with the value of --mail, and [Sender.Send].
package mail

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// A Message is an e-mail.
type Message struct {
	To      string // an address, without a name
	Subject string
	Text    string
}

// A Sender sends messages. It is safe for concurrent use.
type Sender interface {
	Send(context.Context, Message) error
}

// timeout bounds the sending of one message.
const timeout = 30 * time.Second

// Log is a Sender that writes messages to a terminal. It is for trying things on one's own
// machine, since the text may have codes.
type Log struct{ Out io.Writer }

// Send implements [Sender].
func (l Log) Send(_ context.Context, m Message) error {
	_, err := fmt.Fprintf(l.Out, "\nMail to %s: %s\n\n%s\n", oneLine(m.To), oneLine(m.Subject), strings.TrimSpace(m.Text))
	return err
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// Open returns the sender for a value of --mail: smtp://USER@HOST:587 with STARTTLS, or
// smtps://USER@HOST:465. A server on loopback needs no TLS. The password stands apart, and is
// asked for with each message.
func Open(where, from string, password func() string) (Sender, error) {
	u, err := url.Parse(where)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, fmt.Errorf("a mail server is written as smtp://USER@HOST:587 or smtps://USER@HOST:465")
	}
	if _, secret := u.User.Password(); secret {
		return nil, fmt.Errorf("leave the password out of the address of the mail server, and set TINTYPE_MAIL_PASSWORD")
	}
	port := 587
	if u.Scheme == "smtps" {
		port = 465
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("the port of the mail server is no number from 1 to 65535")
		}
	}
	options := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(timeout)}
	switch {
	case u.Scheme == "smtps":
		options = append(options, gomail.WithSSL())
	case loopback(u.Hostname()):
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	s := &smtp{from: from, host: u.Hostname(), user: u.User.Username(), password: password, auth: gomail.SMTPAuthAutoDiscover, options: options}
	if u.Scheme == "smtp" && loopback(s.host) {
		s.auth = gomail.SMTPAuthPlainNoEnc // nobody listens on the way
	}
	if _, err := s.compose(Message{To: from, Subject: "x", Text: "x"}); err != nil {
		return nil, fmt.Errorf("the sender of mails: %w", err)
	}
	if _, err := s.client(); err != nil {
		return nil, err
	}
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

type smtp struct {
	from, host, user string
	password         func() string
	auth             gomail.SMTPAuthType
	options          []gomail.Option
}

func (s *smtp) client() (*gomail.Client, error) {
	options := s.options
	if password := s.password(); s.user != "" && password != "" {
		options = append(slices.Clone(options), gomail.WithSMTPAuth(s.auth), gomail.WithUsername(s.user), gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return nil, fmt.Errorf("the mail server: %w", err)
	}
	return client, nil
}

func (s *smtp) compose(m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.From(s.from); err != nil {
		return nil, err
	}
	if err := msg.To(m.To); err != nil {
		return nil, err
	}
	msg.Subject(oneLine(m.Subject))
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.SetMessageID()
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	return msg, nil
}

// Send implements [Sender].
func (s *smtp) Send(ctx context.Context, m Message) error {
	msg, err := s.compose(m)
	if err != nil {
		return fmt.Errorf("writing a mail: %w", err)
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("sending a mail by %s: %w", s.host, err)
	}
	return nil
}
