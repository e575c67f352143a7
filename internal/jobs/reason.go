package jobs

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
)

var (
	addresses = regexp.MustCompile(`\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)
	numbers   = regexp.MustCompile(`\+?\d[\d \-().]{4,}\d`)
	longWords = regexp.MustCompile(`[A-Za-z0-9_=-]{16,}`)
)

// maxReason is how much of an error is kept, in bytes.
const maxReason = 300

// Reason makes an error fit for logs and for the database: one line, without addresses, numbers and anything that
// looks like a token. Handlers should not put such things into errors; libraries do.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	s := addresses.ReplaceAllStringFunc(err.Error(), host)
	s = longWords.ReplaceAllStringFunc(s, func(word string) string {
		if strings.ContainsAny(word, "0123456789") {
			return "•••"
		}
		return word
	})
	s = numbers.ReplaceAllStringFunc(s, func(digits string) string {
		if _, err := netip.ParseAddr(digits); err == nil {
			return digits // the address of a host, which an operator needs
		}
		return "•••"
	})
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}

// host keeps of an address what an operator needs: where it points, without user, path and query.
func host(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = rest[at+1:]
	}
	return scheme + "://" + rest
}
