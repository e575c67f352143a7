package phone

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	// written is what may be a number in somebody's words, in any script's digits and with what people put between them.
	written = regexp.MustCompile(`\+?[(]?\p{Nd}[\p{Nd}\s\p{Zs}\p{Pd}()./_]*\p{Nd}`)
	date    = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	// reference is what stands before the id of a resource, whose digits are nobody's number.
	reference = regexp.MustCompile(`\b(Patient|Practitioner|Person)/$`)
)

// shownOfWords is how many digits of a number in somebody's words stay.
const shownOfWords = 4

// MaskIn hides the phone numbers in a text that a person wrote, so that it can be kept and shown to others. Whatever has
// as many digits as a number is taken for one.
func MaskIn(text string) string {
	var out strings.Builder
	done := 0
	for _, at := range written.FindAllStringIndex(text, -1) {
		found := text[at[0]:at[1]]
		digits := strings.Map(digitOnly, found)
		if len([]rune(digits)) < minDigits || date.MatchString(found) || reference.MatchString(text[:at[0]]) {
			continue
		}
		out.WriteString(text[done:at[0]])
		if found[0] == '+' {
			out.WriteByte('+')
		}
		shown := []rune(digits)
		out.WriteString(string(shown[:min(shownOfWords, len(shown)-4)]))
		out.WriteString(strings.Repeat("•", len(shown)-min(shownOfWords, len(shown)-4)))
		done = at[1]
	}
	out.WriteString(text[done:])
	return out.String()
}

func digitOnly(r rune) rune {
	if unicode.Is(unicode.Nd, r) {
		return r
	}
	return -1
}
