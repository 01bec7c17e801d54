package manage

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A CNAMEResolver follows the CNAME records of a name. [CNAMEs] is one.
type CNAMEResolver interface {
	// LookupCNAMEs returns the names that a name leads to, one after another, in lower case
	// and without a dot at the end. A name that has no such record leads nowhere.
	LookupCNAMEs(ctx context.Context, name string) ([]string, error)
}

const (
	mostHops     = 8               // of CNAME records; real ones have two or three
	cnameAttempt = 2 * time.Second // of one question to one server
)

// CNAMEs asks DNS servers. [net.Resolver] can't: it tells only where a name leads in the end,
// and the name that we look for may be on the way.
type CNAMEs struct {
	Servers []string // host:port; nil are those of this system
}

// LookupCNAMEs implements [CNAMEResolver].
func (c CNAMEs) LookupCNAMEs(ctx context.Context, name string) (hops []string, err error) {
	servers := c.Servers
	if servers == nil {
		config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, &net.DNSError{Err: err.Error(), Name: name}
		}
		for _, s := range config.Servers {
			servers = append(servers, net.JoinHostPort(s, config.Port))
		}
	}
	for len(hops) < mostHops {
		next, err := cname(ctx, servers, name)
		if err != nil || next == "" {
			return hops, err
		}
		hops = append(hops, next)
		name = next
	}
	return hops, nil
}

// cname returns what the CNAME record of a name says, or "".
func cname(ctx context.Context, servers []string, name string) (string, error) {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeCNAME)
	failed := &net.DNSError{Err: "no DNS server is set", Name: name}
	for _, server := range servers {
		for _, network := range []string{"udp", "tcp"} {
			client := &dns.Client{Net: network, Timeout: cnameAttempt}
			answer, _, err := client.ExchangeContext(ctx, question, server)
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if err != nil {
				failed = &net.DNSError{Err: err.Error(), Name: name, Server: server}
				break
			}
			if answer.Truncated && network == "udp" {
				continue
			}
			if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
				failed = &net.DNSError{Err: dns.RcodeToString[answer.Rcode], Name: name, Server: server}
				break
			}
			for _, r := range answer.Answer {
				if record, ok := r.(*dns.CNAME); ok && strings.EqualFold(record.Hdr.Name, dns.Fqdn(name)) {
					return strings.ToLower(strings.TrimSuffix(record.Target, ".")), nil
				}
			}
			return "", nil
		}
	}
	return "", failed
}
