package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// client is the address of whoever asks: the peer, or what the nearest proxy that
// isn't trusted is called by those that are.
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

// forwarded goes back from the peer along X-Forwarded-For, whose last address is the
// nearest, for as long as those who wrote it are trusted. What stands before is
// anybody's invention.
func forwarded(peer netip.Addr, header []string, trusts func(netip.Addr) bool) netip.Addr {
	client := peer.Unmap().WithZone("")
	hops := strings.Split(strings.Join(header, ","), ",")
	for i := len(hops) - 1; i >= 0 && trusts(client); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		client = hop
	}
	return client
}

// parseHop reads an address as proxies write it: bare, or with a port.
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

// trusts reports whether a proxy is one of the operator's.
func (s *Server) trusts(addr netip.Addr) bool {
	for _, p := range s.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
