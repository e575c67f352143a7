package bot

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxText is the longest message, in bytes, that can be a phrase or a command. Longer ones are other text and are not
// even normalised, because normalising can make a text many times longer.
const maxText = 2048

// maxPhrase is the longest phrase, in bytes, as configured and as compared.
const maxPhrase = maxText / 2

// DefaultPhrases are the texts that existing front ends send.
func DefaultPhrases() []string {
	return []string{"Request login, authenticate me.", "Request login, authenticate me", "Authenticate me"}
}

// phrases holds the texts that request a login, as [normal] leaves them.
type phrases map[string]struct{}

func newPhrases(list []string) (phrases, error) {
	if len(list) == 0 {
		return nil, errors.New("no login phrase")
	}
	p := make(phrases, len(list))
	for i, text := range list {
		// The phrase itself is no secret, but an operator finds it faster by its place in the list.
		if len(text) > maxPhrase {
			return nil, fmt.Errorf("login phrase %d is longer than %d bytes", i+1, maxPhrase)
		}
		n := normal(text)
		if n == "" || len(n) > maxPhrase {
			return nil, fmt.Errorf("login phrase %d needs letters or digits, and at most %d bytes of them", i+1, maxPhrase)
		}
		if strings.HasPrefix(n, "/") {
			return nil, fmt.Errorf("login phrase %d begins like a command", i+1)
		}
		p[n] = struct{}{}
	}
	return p, nil
}

// trailing is a reference behind a text: # and six characters of an alphabet without I, L, O and U.
var trailing = regexp.MustCompile(`[\s\pZ]#([0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{6})[\s\pZ]*$`)

// withReference takes exactly one reference off the end of a text; reference is empty when there is none.
func withReference(text string) (rest, reference string) {
	if len(text) > maxText {
		return text, ""
	}
	at := trailing.FindStringSubmatchIndex(text)
	if at == nil {
		return text, ""
	}
	return text[:at[0]], strings.ToUpper(text[at[2]:at[3]])
}

// match reports whether the whole text is one of the phrases.
func (p phrases) match(text string) bool {
	if len(text) > maxText {
		return false
	}
	_, ok := p[normal(text)]
	return ok
}

// normal is a text as phrases are compared: compatibility forms unified (NFKC), case folded, white space trimmed and
// collapsed, punctuation at the end dropped. Folding can undo the normal form, so it is made again.
func normal(text string) string {
	text = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text)))
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimRightFunc(text, func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSpace(r) })
}
