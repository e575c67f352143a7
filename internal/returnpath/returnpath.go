package returnpath

import (
	"encoding/hex"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxReturn is how many characters a return path may have (contract with the existing front end).
const maxReturn = 256

// Safe says whether a browser may be sent to s after sign-in: a path on our own origin of at most 256 characters,
// however often somebody on the way decodes it. A path that is refused is forgotten; the sign-in goes on.
func Safe(s string) bool {
	if utf8.RuneCountInString(s) > maxReturn {
		return false
	}
	if _, err := url.PathUnescape(s); err != nil {
		return false
	}
	// Each round undoes one layer of percent-encoding; nobody honest needs more than a few.
	for spelling, rounds := s, 0; rounds < 8; rounds++ {
		if !staysHere(spelling) || !staysHere(norm.NFKC.String(spelling)) {
			return false
		}
		next := unescape(spelling)
		if next == spelling {
			return true
		}
		spelling = next
	}
	return false
}

// unescape undoes one layer as a lenient decoder does: what is no escape stays as it is.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if octet, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(octet)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// staysHere judges one spelling: exactly one leading slash, nothing that a browser reads as a host, a scheme or a
// line break, and dot segments that do not uncover a second slash.
func staysHere(s string) bool {
	if !utf8.ValidString(s) || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
		return false
	}
	if strings.ContainsAny(s, `\`) || strings.Contains(s, "://") {
		return false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return false
	}
	path, _, _ := strings.Cut(s, "#")
	path, _, _ = strings.Cut(path, "?")
	return !strings.HasPrefix(withoutDots(path), "//")
}

// withoutDots follows "." and ".." as a browser does (RFC 3986, 5.2.4): unlike path.Clean it keeps empty segments.
func withoutDots(path string) string {
	var kept []string
	for _, segment := range strings.Split(path, "/")[1:] {
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}
