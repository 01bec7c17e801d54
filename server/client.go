package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// client returns the address of the client. It is the peer's, or the last address in
// X-Forwarded-For that isn't a trusted proxy's.
func (s *Server) client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if len(s.trusted) == 0 {
		return host
	}
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	return forwarded(peer, r.Header.Values("X-Forwarded-For"), s.trusts).String()
}

// forwarded follows X-Forwarded-For from its last address, which is the nearest, as long as
// the proxy that wrote an address is trusted. Earlier addresses may be invented.
func forwarded(peer netip.Addr, header []string, trusts func(netip.Addr) bool) netip.Addr {
	client := peer.Unmap().WithZone("")
	hops := strings.Split(strings.Join(header, ","), ",")
	for i := len(hops) - 1; i >= 0 && trusts(client); i-- {
		text := strings.TrimSpace(hops[i])
		if text == "" {
			continue // no element (RFC 9110 §5.6.1)
		}
		hop, ok := parseHop(text)
		if !ok {
			break
		}
		client = hop
	}
	return client
}

// parseHop reads an address with or without a port, since proxies write both.
func parseHop(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			bare, opened := strings.CutPrefix(s, "[")
			bare, closed := strings.CutSuffix(bare, "]")
			if addr, err = netip.ParseAddr(bare); err != nil || !opened || !closed {
				return netip.Addr{}, false
			}
		} else {
			addr = withPort.Addr()
		}
	}
	return addr.Unmap().WithZone(""), true
}

// trusts reports whether the operator trusts a proxy.
func (s *Server) trusts(addr netip.Addr) bool {
	for _, p := range s.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
