package mail_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/tintype/tintype/mail"
)

// A mailbox is an SMTP server that keeps what it gets.
type mailbox struct {
	mu       sync.Mutex
	from, to string
	data     string
	user     string
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return m, nil }
func (m *mailbox) Reset()                                      {}
func (m *mailbox) Logout() error                               { return nil }
func (m *mailbox) AuthMechanisms() []string                    { return []string{sasl.Plain} }
func (m *mailbox) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "right" {
			return errors.New("wrong password")
		}
		m.user = user
		return nil
	}), nil
}
func (m *mailbox) Mail(from string, _ *smtp.MailOptions) error { m.from = from; return nil }
func (m *mailbox) Rcpt(to string, _ *smtp.RcptOptions) error   { m.to = to; return nil }
func (m *mailbox) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	m.mu.Lock()
	m.data = string(b)
	m.mu.Unlock()
	return err
}

// serve runs an SMTP server on loopback, with TLS if certificates are given.
func serve(t *testing.T, m *mailbox, certificates *tls.Config, direct bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if direct {
		l = tls.NewListener(l, certificates)
	}
	s := smtp.NewServer(m)
	s.Domain, s.AllowInsecureAuth, s.TLSConfig = "localhost", true, certificates
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return address
}

// TestSend: a mail arrives as it was written, with one subject and one receiver.
func TestSend(t *testing.T) {
	m := &mailbox{}
	s, err := mail.Open("smtp://me@"+serve(t, m, nil, false), "Tintype <images@acme.example>", func() string { return "right" })
	if err != nil {
		t.Fatal(err)
	}
	err = s.Send(t.Context(), mail.Message{To: "ann@x.example", Subject: "Your code\r\nBcc: eve@x.example", Text: "It is 1234 5678\n.\nRCPT TO:<eve@x.example>\n"})
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(m.data, "\r\n\r\n")
	if m.from != "images@acme.example" || m.to != "ann@x.example" || m.user != "me" || strings.Contains(head, "\r\nBcc:") || !strings.Contains(body, "It is 1234 5678") {
		t.Errorf("from %s to %s by %s\n%s", m.from, m.to, m.user, m.data)
	}
	for _, to := range []string{"a@b.example\r\nDATA", "a@b.example, c@d.example", "", "x"} {
		if err := s.Send(t.Context(), mail.Message{To: to, Subject: "x", Text: "x"}); err == nil {
			t.Errorf("sent to %q", to)
		}
	}
}

// TestRefused: a wrong password, no server and an unknown certificate are errors.
func TestRefused(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	certificates := &tls.Config{Certificates: web.TLS.Certificates}
	m := &mailbox{}
	for name, where := range map[string]string{
		"a wrong password":              "smtp://me@" + serve(t, m, nil, false),
		"nobody listens":                "smtp://me@127.0.0.1:1",
		"an unknown certificate":        "smtps://me@" + serve(t, m, certificates, true),
		"an unknown certificate, later": "smtp://me@" + serve(t, m, certificates, false),
	} {
		s, err := mail.Open(where, "a@b.example", func() string { return "wrong" })
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), mail.Message{To: "a@b.example", Subject: "x", Text: "x"}); err == nil || strings.Contains(err.Error(), "wrong\"") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m.data != "" {
		t.Errorf("sent: %s", m.data)
	}
}

func TestOpen(t *testing.T) {
	for _, where := range []string{"", "log", "http://x", "smtp://", "smtp://me:secret@x.example", "smtp://x.example:0", "smtp://x.example:x", "smtp://x.example/path"} {
		if s, err := mail.Open(where, "a@b.example", func() string { return "" }); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", where, s, err)
		}
	}
	if _, err := mail.Open("smtp://x.example", "nobody", func() string { return "" }); err == nil {
		t.Error("a sender without an address")
	}
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	_ = mail.Log{Out: &b}.Send(t.Context(), mail.Message{To: "a@b.example", Subject: "x\ny", Text: "1234"})
	if got := b.String(); got != "\nMail to a@b.example: x y\n\n1234\n" {
		t.Errorf("%q", got)
	}
}
