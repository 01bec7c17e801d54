// Package letterbox starts an SMTP server for tests, which keeps its mails.
//
// For most uses, call [Start], and [Box.Find] for a mail.
package letterbox

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A Box is a running SMTP server. It is safe for concurrent use.
type Box struct {
	Address string // host and port

	mu    sync.Mutex
	mails []string
}

// Start starts a server at an address, such as 127.0.0.1:0, until the test ends.
func Start(t testing.TB, address string) *Box {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{Address: l.Addr().String()}
	s := smtp.NewServer(session{b})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return b
}

// Find waits for a mail with a text, and returns it. It fails the test after three minutes.
func (b *Box) Find(t testing.TB, text string) string {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, m := range b.all() {
			if strings.Contains(m, text) {
				return m
			}
		}
	}
	t.Fatalf("no mail has %q: %q", text, b.all())
	return ""
}

// Clear throws all mails away.
func (b *Box) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = nil
}

func (b *Box) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mails
}

// A session puts what it gets into its Box.
type session struct{ *Box }

func (s session) NewSession(*smtp.Conn) (smtp.Session, error) { return s, nil }
func (s session) Reset()                                      {}
func (s session) Logout() error                               { return nil }
func (s session) AuthMechanisms() []string                    { return nil }
func (s session) Auth(string) (sasl.Server, error)            { return nil, smtp.ErrAuthUnsupported }
func (s session) Mail(string, *smtp.MailOptions) error        { return nil }
func (s session) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (s session) Data(r io.Reader) error {
	mail, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, strings.ReplaceAll(string(mail), "=\r\n", "")) // lines that quoted-printable has cut
	return err
}
