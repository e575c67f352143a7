package bot

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

func TestPhraseMatchesTheWholeMessageHoweverItIsTyped(t *testing.T) {
	t.Parallel()
	p, err := newPhrases(DefaultPhrases())
	require.NoError(t, err)
	for _, s := range []string{
		"Request login, authenticate me.",
		"Request login, authenticate me",
		"Authenticate me",
		"  authenticate ME!!! ",
		"REQUEST LOGIN, AUTHENTICATE ME.",
		"Request\tlogin,\n authenticate\u00a0me …",
		"Ｒｅｑｕｅｓｔ ｌｏｇｉｎ， ａｕｔｈｅｎｔｉｃａｔｅ ｍｅ．",
		"Reque\u017ft login, authenticate me", // long s
		"Authenticate me ?!。",
	} {
		require.True(t, p.match(s), "%q", s)
	}
	for _, s := range []string{
		"", ".", "   ", "Authenticate", "me", "Authenticateme", "Please authenticate me", "Authenticate me please",
		"\"Authenticate me", "Request login authenticate me", "Request login, authenticate me. Authenticate me",
		"Аuthenticate me", // the first letter is Cyrillic
		"Authenticate\u200bme", "> Authenticate me", "Authenticate me\x00",
		"Authenticate me" + strings.Repeat(" ", maxText),
		strings.Repeat("Authenticate me ", 100_000),
	} {
		require.False(t, p.match(s), "%.40q", s)
	}
}

func TestPhrasesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{
		nil, {}, {""}, {"Masuk", " ... "}, {strings.Repeat("a", maxPhrase+1)}, {"/login"}, {" /login"},
		{strings.Repeat("\ufdfa", 100)}, // eighteen characters each once it is normalised
	} {
		_, err := newPhrases(list)
		require.Error(t, err)
	}
	p, err := newPhrases([]string{"Masuk!", "masuk"})
	require.NoError(t, err)
	require.True(t, p.match("MASUK."))
}

// FuzzPhrase holds the matcher to what it promises about any text, whatever was inserted into it and wherever.
func FuzzPhrase(f *testing.F) {
	p, err := newPhrases(DefaultPhrases())
	require.NoError(f, err)
	for _, s := range append(DefaultPhrases(), "authenticate ME ! ", "Ａｕｔｈｅｎｔｉｃａｔｅ ｍｅ", "ﷺ", "\xff\xfe", "/help", "") {
		f.Add(s, 'x', uint(3))
	}
	f.Fuzz(func(t *testing.T, s string, letter rune, at uint) {
		hit := p.match(s)
		if len(s) <= maxText/8 { // longer ones may grow over the bound
			for name, same := range map[string]string{
				"upper case": strings.ToUpper(s), "lower case": strings.ToLower(s), "NFKC": norm.NFKC.String(s),
				"white space around": " \t\u00a0" + s + "\u3000\n ", "full stop": s + ".", "question": s + "?!", "both": s + " . ",
			} {
				if hit {
					require.True(t, p.match(same), "%s: %q", name, same)
				}
			}
		}
		if !hit {
			return
		}
		require.LessOrEqual(t, len(s), maxText)
		if !unicode.IsLetter(letter) {
			letter = 'a'
		}
		place := int(at % uint(len(s)+1))
		for place < len(s) && !utf8.RuneStart(s[place]) {
			place++
		}
		broken := s[:place] + string(letter) + s[place:]
		require.False(t, p.match(broken), "a letter more: %q", broken)
	})
}
