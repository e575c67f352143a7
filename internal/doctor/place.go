package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Place is an address with a name for people.
type Place struct {
	Name string
	URL  string
}

// NewClient is a client for looks: it follows nobody, so that an answer is the address's own, and waits for nobody long.
func NewClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Status asks a place and answers with the status of what it says.
func Status(ctx context.Context, client *http.Client, place string) (int, error) {
	resp, err := get(ctx, client, place)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func get(ctx context.Context, client *http.Client, place string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, http.NoBody)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// Why says in a few words why nothing came of a call. It repeats neither address nor answer.
func Why(err error) string {
	var name *net.DNSError
	var dial *net.OpError
	var timeout interface{ Timeout() bool }
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var handshake *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by nobody whom this machine knows"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet"
	case errors.As(err, &host):
		return "its certificate is for another name"
	case errors.As(err, &invalid), errors.As(err, &handshake):
		return "its certificate is not valid"
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case errors.As(err, &name):
		return "its name is not known to the DNS"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &dial):
		return "it cannot be reached"
	}
	return "the call broke off"
}

// Certificate says whether an error is about a certificate: waiting does not mend that.
func Certificate(err error) bool {
	var handshake *tls.CertificateVerificationError
	return errors.As(err, &handshake)
}

// Encrypted says whether an address keeps what is sent to it from others: https, or this very machine.
func Encrypted(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || Loopback(raw))
}

// Loopback says whether an address is this very machine's.
func Loopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
