package api_test

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// zone is a DNS server on loopback. It has TXT records by lower-case name with a dot at the
// end. It fails for names that begin with "broken".
type zone struct {
	mu  sync.Mutex
	txt map[string][]string
}

func (z *zone) set(name string, texts ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.txt[name] = texts
}

// resolver serves the zone and returns a resolver that asks it.
func (z *zone) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := z.answer(buf[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); serving.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (z *zone) answer(query []byte) []byte {
	var q dnsmessage.Message
	if q.Unpack(query) != nil || len(q.Questions) != 1 {
		return nil
	}
	name := q.Questions[0].Name
	z.mu.Lock()
	texts, ok := z.txt[strings.ToLower(name.String())]
	z.mu.Unlock()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, Authoritative: true}, Questions: q.Questions}
	switch {
	case strings.Contains(name.String(), "broken"):
		m.RCode = dnsmessage.RCodeServerFailure
	case !ok:
		m.RCode = dnsmessage.RCodeNameError
	case q.Questions[0].Type == dnsmessage.TypeTXT:
		for _, text := range texts {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.TXTResource{TXT: []string{text}},
			})
		}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

func TestDomains(t *testing.T) {
	z := &zone{txt: map[string][]string{}}
	db := workspacetest.NewMemory()
	s := startOn(t, db, func(c *config) { c.Resolver = z.resolver(t) })
	const name = "img.shop.example"
	w := workspace.New("acme")
	w.Domains = []string{name, "broken.shop.example", "cdn.shop.example"}
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	secret := apikey.New(false)
	k := &workspace.APIKey{ID: "k", WorkspaceID: w.ID, Namespace: "acme", Hash: secret.Hash(), Scopes: []string{"read", "write"}}
	if err := db.CreateAPIKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	as := "Bearer " + secret.Reveal()
	verify := func(name string) answer {
		return s.do(t, "POST", "/v1/workspaces/acme/domains/"+name+"/verify", "", "Authorization", as)
	}
	verified := func(name string) bool {
		t.Helper()
		var out struct{ Domains []manage.ClaimedDomain }
		if err := json.Unmarshal([]byte(s.do(t, "GET", "/v1/workspaces/acme/domains", "", "Authorization", as).want(t, 200).body), &out); err != nil {
			t.Fatal(err)
		}
		for _, d := range out.Domains {
			if d.TXTName != "_tintype."+d.Name || !strings.HasPrefix(d.TXTValue, "tintype-verify=") {
				t.Errorf("%+v", d)
			}
			if d.Name == name {
				return d.VerifiedAt != nil
			}
		}
		t.Fatalf("%s is not listed", name)
		return false
	}

	if message := verify(name).wantError(t, 409, "CONFLICT"); !strings.Contains(message, "there is none yet") || !strings.Contains(message, workspace.Challenge(name, w.ID)) {
		t.Error(message)
	}
	for _, wrong := range []string{workspace.Challenge(name, "another-id"), workspace.Challenge("cdn.shop.example", w.ID), "x" + workspace.Challenge(name, w.ID), ""} {
		z.set("_tintype."+name+".", "v=spf1 -all", wrong)
		if message := verify(name).wantError(t, 409, "CONFLICT"); !strings.Contains(message, "only other records") {
			t.Error(message)
		}
	}
	if verified(name) {
		t.Fatal("verified by a wrong record")
	}
	z.set("_tintype."+name+".", "v=spf1 -all", workspace.Challenge(name, w.ID))
	verify(name).want(t, 200)
	if !verified(name) || verified("cdn.shop.example") {
		t.Error("not what was verified")
	}
	if d, err := s.store.(workspace.Domains).Domain(t.Context(), name); err != nil || d.VerifiedAt.IsZero() || time.Since(d.VerifiedAt) > time.Minute {
		t.Errorf("delivery sees %+v, %v", d, err)
	}
	z.set("_tintype." + name + ".")
	verify(name).want(t, 200) // verifying again changes nothing

	verify("broken.shop.example").wantError(t, 503, "OVERLOADED")
	verify("img.other.example").wantError(t, 404, "NOT_FOUND")

	// With the root key, no DNS record is needed.
	s.do(t, "POST", "/v1/workspaces/acme/domains/cdn.shop.example/verify", "").want(t, 200)
	if !verified("cdn.shop.example") {
		t.Error("the operator's word doesn't count")
	}
	log := s.do(t, "GET", "/v1/workspaces/acme/audit", "").want(t, 200).body
	if strings.Count(log, `"action":"domain.verify"`) != 2 {
		t.Error(log)
	}

	// A pending claim doesn't keep other workspaces from the name. A verified one does.
	squatter := workspace.New("squatter")
	squatter.Domains = []string{"img.victim.example"}
	if err := s.store.Create(t.Context(), squatter); err != nil {
		t.Fatal(err)
	}
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"domains":["`+name+`","img.victim.example"]}`, "Authorization", as).want(t, 200)
	z.set("_tintype.img.victim.example.", workspace.Challenge("img.victim.example", w.ID))
	verify("img.victim.example").want(t, 200)
	if !verified("img.victim.example") {
		t.Error("not the owner's")
	}
	lost := s.do(t, "GET", "/v1/workspaces/squatter/domains", "").want(t, 200).body
	if !strings.Contains(lost, `"state":"taken"`) || !strings.Contains(lost, `"verified_at":null`) {
		t.Error(lost)
	}
	if message := s.do(t, "POST", "/v1/workspaces/squatter/domains/img.victim.example/verify", "").wantError(t, 409, "CONFLICT"); !strings.Contains(message, "Another workspace") {
		t.Error(message)
	}
	s.do(t, "PATCH", "/v1/workspaces/squatter", `{"name":"goes on"}`).want(t, 200)
	s.do(t, "PATCH", "/v1/workspaces/squatter", `{"domains":[]}`).want(t, 200)
	s.do(t, "PATCH", "/v1/workspaces/squatter", `{"domains":["img.victim.example"]}`).wantError(t, 409, "CONFLICT")
	if !verified("img.victim.example") {
		t.Error("the owner has lost it")
	}

	// The path may spell the name as a claim may.
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"domains":["`+name+`","img.MÜNCHEN.example"]}`).want(t, 200)
	for _, spelling := range []string{"img.m%C3%BCnchen.example", "IMG.M%C3%9CNCHEN.example", "img.xn--mnchen-3ya.example"} {
		if got := s.do(t, "POST", "/v1/workspaces/acme/domains/"+spelling+"/verify", "").want(t, 200).body; !strings.Contains(got, `"name":"img.xn--mnchen-3ya.example"`) {
			t.Error(got)
		}
	}

	// After a name was given up and claimed again, it must be verified again.
	for _, domains := range []string{`[]`, `["` + name + `"]`} {
		s.do(t, "PATCH", "/v1/workspaces/acme", `{"domains":`+domains+`}`).want(t, 200)
	}
	if verified(name) {
		t.Error("a new claim is verified by the old one")
	}
}
