package returnpath

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What must not be followed, and what must.
func TestRedirectCorpus(t *testing.T) {
	t.Parallel()
	refused := []string{
		"", " ", "evil.example", "journal", "./journal", "../journal", " /journal", "?next=/journal", "#journal",
		"//evil.example", "///evil.example", "////evil.example/%2e%2e", "/ /evil.example\n",
		`\\evil.example`, `/\evil.example`, `/\/evil.example`, `\/evil.example`, `/journal\..\..`,
		"http://evil.example", "https://evil.example/", "HTTPS://evil.example", "//user@evil.example",
		"javascript:alert(1)", "data:text/html,x", "mailto:a@example.org", "/javascript://%0aalert(1)",
		"/\t/evil.example", "/\n/evil.example", "/\r\nLocation: //evil.example", "/\x00", "/a\x7f", "/a\u0085b",
		"/%2Fevil.example", "/%2fevil.example", "/%252Fevil.example", "/%25252Fevil.example", "%2F%2Fevil.example",
		"%2Fjournal", "/%5Cevil.example", "/%5c%5cevil.example", "/%255Cevil.example", "/%09/evil.example",
		"/%0d%0aSet-Cookie:x=1", "/%00", "/%E2%80%A8x", "/\u202egpj.exe", "/\u200b/evil.example", "/\ufeff/evil.example",
		"/..//evil.example", "/a/..//evil.example", "/%2e%2e//evil.example", "/.//evil.example", "/%2e%2f%2fevil.example",
		"/?next=https://evil.example", "/?next=https%3A%2F%2Fevil.example", "/login#https://evil.example",
		"/%zz", "/%", "/%u002fevil.example", "/%zz%252F%252F", "/\xff", "/%ff", "/%c0%af%c0%afevil.example",
		"/\uff0fevil.example", "/\uff3cevil.example", "/%EF%BC%8Fevil.example",
		"//evil.example:80@konsulin.care", "///\tevil.example", "/\t//evil.example", "//%65vil.example", "/%2F%2Fevil.example/%2e%2e",
		"https:evil.example", "https:/evil.example", "http:///evil.example", "//\u3002evil.example", "/%e2%80%ae", "/\u2028//evil.example",
		"/" + strings.Repeat("a", 256), "/%" + strings.Repeat("25", 20) + "2Fevil.example",
	}
	require.GreaterOrEqual(t, len(refused), 40)
	for _, s := range refused {
		require.False(t, Safe(s), "%q", s)
	}
	accepted := []string{
		"/", "/journal", "/journal/2026-01-01", "/journal?day=1&mood=3", "/journal#top", "/a/b/../c", "/a%20b", "/a b",
		"/profil/%C3%A9", "/catatan/é", "/search?q=100%25", "/search?q=a%2Bb", "/?q=a:b", "/assessments?code=phq2&x=%26",
		"/@name", "/a//b", "/a?b=//c", "/" + strings.Repeat("a", 255), "/" + strings.Repeat("é", 255),
	}
	for _, s := range accepted {
		require.True(t, Safe(s), "%q", s)
	}
}

func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/", "//x", "/%2F", `/\x`, "/a?b=c#d", "/..//x", "/%25%32%46x", "/\u202e", "https://x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !Safe(s) {
			return
		}
		require.True(t, strings.HasPrefix(s, "/"))
		for spelling := s; ; {
			require.False(t, strings.HasPrefix(spelling, "//"))
			require.NotContains(t, spelling, `\`)
			require.NotContains(t, spelling, "://")
			next := unescape(spelling)
			if next == spelling {
				return
			}
			spelling = next
		}
	})
}
