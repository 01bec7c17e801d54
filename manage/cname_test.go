package manage_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// serveDNS answers questions for CNAME records of a zone until the test ends, and returns its
// address. "fail" as a target makes it fail.
func serveDNS(t *testing.T, zone map[string]string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		name := strings.ToLower(q.Question[0].Name)
		switch target := zone[name]; target {
		case "":
			a.Rcode = dns.RcodeNameError
		case "fail":
			a.Rcode = dns.RcodeServerFailure
		default:
			a.Answer = append(a.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 1}, Target: target})
		}
		_ = w.WriteMsg(a)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	return conn.LocalAddr().String()
}

// TestLookupCNAMEs: records are followed one after another, in any case, and not for ever.
func TestLookupCNAMEs(t *testing.T) {
	server := serveDNS(t, map[string]string{
		"img.shop.example.": "Alias.shop.example.", "alias.shop.example.": "token.cname.img.example.com.",
		"loop.shop.example.": "loop.shop.example.", "broken.shop.example.": "fail.", "deep.shop.example.": "broken.shop.example.", "direct.shop.example.": "fail",
	})
	for name, want := range map[string][]string{
		"img.shop.example":  {"alias.shop.example", "token.cname.img.example.com"},
		"none.shop.example": nil,
		"loop.shop.example": {"loop.shop.example", "loop.shop.example", "loop.shop.example", "loop.shop.example", "loop.shop.example", "loop.shop.example", "loop.shop.example", "loop.shop.example"},
		"deep.shop.example": {"broken.shop.example", "fail"},
	} {
		got, err := manage.CNAMEs{Servers: []string{server}}.LookupCNAMEs(t.Context(), name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if got, err := (manage.CNAMEs{Servers: []string{server}}).LookupCNAMEs(t.Context(), "direct.shop.example"); err == nil {
		t.Errorf("a server that fails: %v", got)
	}
	if got, err := (manage.CNAMEs{Servers: []string{"127.0.0.1:1", server}}).LookupCNAMEs(t.Context(), "img.shop.example"); err != nil || len(got) != 2 {
		t.Errorf("the first server is away: %v, %v", got, err)
	}
}

// leads is a CNAMEResolver and Resolver of one domain, which has no TXT record.
type leads struct {
	to  []string
	err error
}

func (l leads) LookupCNAMEs(context.Context, string) ([]string, error) { return l.to, l.err }
func (l leads) LookupTXT(context.Context, string) ([]string, error) {
	return nil, &net.DNSError{IsNotFound: true}
}

// TestVerifyByCNAME: a CNAME record that leads to the workspace's own name verifies a domain.
// One that leads to another workspace's, whoever claims the domain, doesn't: nobody takes over
// a domain whose record is still there.
func TestVerifyByCNAME(t *testing.T) {
	const name = "img.shop.example"
	store := workspacetest.NewMemory()
	var owner, thief *workspace.Workspace
	for namespace, at := range map[string]**workspace.Workspace{"owner": &owner, "thief": &thief} {
		w := workspace.New(namespace)
		w.Domains = []string{name}
		if err := store.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		*at = w
	}
	as := func(w *workspace.Workspace) manage.Caller {
		return manage.Caller{Principal: apikey.Principal{Kind: apikey.Key, KeyID: "k", Namespace: w.Namespace, WorkspaceID: w.ID, Scopes: []apikey.Scope{apikey.Read, apikey.Write}}}
	}
	verify := func(w *workspace.Workspace, base string, l leads) (manage.ClaimedDomain, error) {
		m := manage.New(manage.Config{Store: store, Records: store, BaseDomain: base, Resolver: l, CNAMEs: l})
		return m.VerifyDomain(t.Context(), as(w), w.Namespace, name)
	}
	of := func(w *workspace.Workspace) string { return workspace.CNAMETarget(w.ID, "img.example.com") }
	for what, l := range map[string]leads{
		"no record":               {},
		"another workspace's":     {to: []string{of(owner)}},
		"a shared name":           {to: []string{"cname.img.example.com"}},
		"a name below":            {to: []string{"x." + of(thief)}},
		"below another base":      {to: []string{workspace.CNAMETarget(thief.ID, "other.example.com")}},
		"of an earlier workspace": {to: []string{workspace.CNAMETarget("earlier", "img.example.com")}},
	} {
		_, err := verify(thief, "img.example.com", l)
		if e := fault.OfManaging(err); err == nil || e.Code != fault.Conflict || !strings.Contains(e.Message, of(thief)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := verify(thief, "img.example.com", leads{err: errors.New("time-out")}); fault.OfManaging(err).Code != fault.Overloaded {
		t.Errorf("DNS fails: %v", err)
	}
	if _, err := verify(owner, "", leads{to: []string{workspace.CNAMETarget(owner.ID, "")}}); err == nil {
		t.Error("verified without a base domain")
	}
	d, err := verify(owner, "img.example.com", leads{to: []string{"alias.shop.example", of(owner), "lb.example.net"}})
	if err != nil || d.State != "verified" || d.Step != "live" || d.CNAMETarget != of(owner) || d.Certificate != nil {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := verify(thief, "img.example.com", leads{to: []string{of(thief)}}); fault.OfManaging(err).Code != fault.Conflict {
		t.Errorf("verified by another: %v", err)
	}
}
