package certs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// A DNSHook sets and removes DNS records by a program of the operator, so that an authority
// issues a certificate for all hosts below a domain (RFC 8555 §8.4). The program is run as
//
//	PROGRAM present|cleanup NAME VALUE
//
// where NAME is that of the TXT record, with a dot at its end, and VALUE its text. These are
// the arguments that lego's provider exec passes. An exit status other than 0 is a failure.
type DNSHook struct {
	Path string   // of the program, which isn't run by a shell
	Env  []string // its whole environment
	// LookupTXT returns the texts of a name's TXT records. The authority is asked once it finds
	// the new one. Nil asks at once.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
	Log       *slog.Logger
}

const (
	hookTimeout = 2 * time.Minute // of one run
	dnsPatience = 2 * time.Minute // for a record to show; the authority may see it even if this server doesn't
	dnsPoll     = 2 * time.Second
	// dnsTimeout is that of an order with a hook.
	dnsTimeout = 3*hookTimeout + dnsPatience
)

var (
	_ acmez.Solver = (*DNSHook)(nil)
	_ acmez.Waiter = (*DNSHook)(nil)
)

// A hookError is why a program failed. It is shown to operators, not to owners.
type hookError struct {
	action string
	err    error
}

func (e *hookError) Error() string {
	return fmt.Sprintf("the DNS hook failed at %s: %v", e.action, e.err)
}

func (e *hookError) Unwrap() error { return e.err }

// Present implements [acmez.Solver].
func (h *DNSHook) Present(ctx context.Context, c acme.Challenge) error {
	return h.run(ctx, "present", c)
}

// CleanUp implements [acmez.Solver].
func (h *DNSHook) CleanUp(ctx context.Context, c acme.Challenge) error {
	return h.run(ctx, "cleanup", c)
}

// run runs the program. What it prints isn't logged: it may hold the token of a DNS provider.
func (h *DNSHook) run(ctx context.Context, action string, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.Path, action, recordName(c), c.DNS01KeyAuthorization())
	cmd.Env = append([]string{}, h.Env...) // an empty list clears the environment; nil would inherit ours
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.New("it took too long")
	}
	if err != nil {
		return &hookError{action, err}
	}
	return nil
}

// recordName is the name of a challenge's TXT record.
func recordName(c acme.Challenge) string {
	return strings.TrimSuffix(c.DNS01TXTRecordName(), ".") + "."
}

// Wait implements [acmez.Waiter]. It waits until the record shows.
func (h *DNSHook) Wait(ctx context.Context, c acme.Challenge) error {
	if h.LookupTXT == nil {
		return nil
	}
	over := time.NewTimer(dnsPatience)
	defer over.Stop()
	tick := time.NewTicker(dnsPoll)
	defer tick.Stop()
	for {
		if found, err := h.LookupTXT(ctx, recordName(c)); err == nil && slices.Contains(found, c.DNS01KeyAuthorization()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			h.Log.Warn("the record that the DNS hook has set doesn't show here; the certificate authority is asked anyway", "record", recordName(c))
			return nil
		case <-tick.C:
		}
	}
}
