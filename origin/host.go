package origin

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// hostProfile maps names as browsers do (UTS #46, non-transitional). It doesn't check ASCII
// characters and hyphens, since hosts such as "my_bucket" and "r3---sn" are in use.
// checkName does, and refuses names that map to "/", ":" or "@".
var hostProfile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckHyphens(false), idna.StrictDomainName(false))

// HostName returns the canonical form of a host name: lower-case ASCII, as browsers map it
// (UTS #46). ok is false where s isn't a name. A name has labels of 1 to 63 letters, digits,
// "-" and "_", has 253 bytes at most, and no dot at its end. It doesn't end in a number,
// since browsers read that as an address.
func HostName(s string) (name string, ok bool) {
	name, err := mapHost(s)
	if err != nil || name == "" || endsInNumber(name) || checkName(name) != nil {
		return "", false
	}
	return name, true
}

// parseHost returns the canonical form of a host that is not in brackets. In the order of
// WHATWG, it maps the name before it looks for an address. So "127.1" and "①②⑦.0.0.1" are
// addresses, and not names.
func parseHost(s string) (string, error) {
	if s == "" {
		return "", invalidURL("the host is missing")
	}
	name, err := mapHost(s)
	if err != nil {
		return "", err
	}
	name = strings.TrimSuffix(name, ".")
	if endsInNumber(name) {
		addr, ok := parseIPv4(name)
		if !ok {
			return "", invalidURL("the host ends in a number, but is not an IPv4 address")
		}
		return addr.String(), nil
	}
	return name, checkName(name)
}

// mapHost maps a name to lower-case ASCII.
func mapHost(s string) (string, error) {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
	}
	lower := lowerASCII(s)
	if ascii && !strings.Contains(lower, "xn--") {
		return lower, nil
	}
	name, err := hostProfile.ToASCII(s)
	if err != nil {
		return "", errIDNA
	}
	// A label that decodes to plain ASCII, or to nothing, would be a second spelling of
	// another name.
	if ascii && name != lower || strings.HasSuffix(name, ".") && !endsInDot(s) {
		return "", errIDNA
	}
	return name, nil
}

// endsInDot reports whether s ends in one of the dots of IDNA (RFC 3490 §3.1).
func endsInDot(s string) bool {
	for _, dot := range []string{".", "\u3002", "\uff0e", "\uff61"} {
		if strings.HasSuffix(s, dot) {
			return true
		}
	}
	return false
}

// checkName checks a mapped name without a trailing dot (RFC 1123 §2.1, and "_").
func checkName(name string) error {
	if len(name) > 253 {
		return invalidURL("the host is longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return invalidURL("the host has an empty label")
		}
		if len(label) > 63 {
			return invalidURL("the host has a label of more than 63 bytes")
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return invalidURL("the host has a label that begins or ends with a hyphen")
		}
		for i := range len(label) {
			if c := label[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
				return invalidURL("the host has a character that no host name has")
			}
		}
	}
	return nil
}

// checkPublic refuses a host that is neither an address nor a full name, since its meaning
// depends on the network.
func checkPublic(host string) error {
	if strings.ContainsRune(host, ':') { // IPv6
		return nil
	}
	if strings.IndexByte(host, '.') < 0 || strings.HasSuffix(host, ".localhost") {
		return invalidURL("the host must be a full public name, such as images.example.com")
	}
	return nil
}

// endsInNumber is the WHATWG URL standard's "ends in a number checker".
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" {
		return false
	}
	digits := true
	for i := range len(last) {
		digits = digits && isDigit(last[i])
	}
	if digits {
		return true
	}
	_, ok := parseIPv4Number(last)
	return ok
}

// parseIPv4 is the WHATWG URL standard's "IPv4 parser": one to four parts, each
// decimal, octal or hexadecimal, the last of which fills the remaining bytes.
func parseIPv4(name string) (netip.Addr, bool) {
	parts := strings.Split(name, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var addr uint64
	for i, part := range parts {
		n, ok := parseIPv4Number(part)
		if !ok {
			return netip.Addr{}, false
		}
		if i < len(parts)-1 {
			if n > 255 {
				return netip.Addr{}, false
			}
			addr |= n << (8 * (3 - i))
			continue
		}
		if n >= 1<<(8*(4-i)) {
			return netip.Addr{}, false
		}
		addr |= n
	}
	return netip.AddrFrom4([4]byte{byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr)}), true
}

// parseIPv4Number is the WHATWG URL standard's "IPv4 number parser". It returns 1<<32 for
// numbers of more than 32 bits.
func parseIPv4Number(s string) (n uint64, ok bool) {
	if s == "" {
		return 0, false
	}
	base := uint64(10)
	switch {
	case strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X"):
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, s = 8, s[1:]
	}
	for i := range len(s) {
		d, ok := unhex(s[i])
		if !ok || uint64(d) >= base {
			return 0, false
		}
		n = min(n*base+uint64(d), 1<<32)
	}
	return n, true
}

// lowerASCII changes ASCII letters only. strings.ToLower would turn the Kelvin sign into a
// k.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

var errIDNA = invalidURL("the host is not a valid international name")
