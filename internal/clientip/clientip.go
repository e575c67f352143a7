package clientip

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Resolver knows the operator's proxies.
type Resolver struct{ trusted []netip.Prefix }

// New reads addresses and networks, such as "10.0.0.7" and "10.0.0.0/8".
func New(trusted []string) (*Resolver, error) {
	r := &Resolver{}
	for _, s := range trusted {
		if addr, err := netip.ParseAddr(s); err == nil {
			addr = addr.Unmap()
			r.trusted = append(r.trusted, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s)
		}
		r.trusted = append(r.trusted, p.Masked())
	}
	return r, nil
}

// Of is the client's address: the peer, or when that is one of our proxies the right-most address of X-Forwarded-For
// that is not. What stands left of it anybody may have written. The zero address: it cannot be told.
func (r *Resolver) Of(req *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(req.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(req.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && r.trusts(client); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop.Unmap().WithZone("")
	}
	return client
}

func (r *Resolver) trusts(a netip.Addr) bool {
	for _, p := range r.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
