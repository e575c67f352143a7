package phone

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// ErrInvalid is what every number that cannot be used is refused with. Its message never repeats the input,
// because a mistyped number is still somebody's number.
var ErrInvalid = errors.New("not a phone number in international form (country code first, with or without a plus)")

// Shortest and longest international number, country code included (ITU-T E.164 allows at most 15 digits;
// no country in use has fewer than 7).
const (
	minDigits = 7
	maxDigits = 15
)

// Number is one phone number in its only canonical form. The zero value is "no number". Numbers are comparable
// and may be map keys. Every way of printing one (fmt, JSON, zerolog) shows the short mask of [Number.String];
// the digits come out only through [Number.Digits] and [Number.E164].
type Number struct{ digits string }

// Parse reads a number that a person or a file wrote: E.164 with or without the plus, with spaces, dots, hyphens
// and parentheses between. It accepts only numbers of the numbering plan that can hold a WhatsApp account:
// premium, toll-free, shared-cost, pager and voicemail numbers are refused.
func Parse(s string) (Number, error) {
	digits, err := fold(s)
	if err != nil {
		return Number{}, err
	}
	parsed, err := phonenumbers.Parse("+"+digits, "")
	if err != nil || !phonenumbers.IsValidNumber(parsed) {
		return Number{}, ErrInvalid
	}
	switch phonenumbers.GetNumberType(parsed) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.TOLL_FREE, phonenumbers.SHARED_COST,
		phonenumbers.PAGER, phonenumbers.VOICEMAIL, phonenumbers.UAN:
		return Number{}, ErrInvalid
	}
	return canonical(parsed)
}

// FromDigits reads a number that WhatsApp, the telephone network or our own storage vouches for. It checks the form
// only: digits, as many as a number can have, no leading zero. The numbering plan is not asked, because WhatsApp keeps
// numbers alive that the plan calls impossible: Mexican ones with the 1 that was dropped in 2019, Ivorian ones of eight
// digits, ranges that are not published yet. It proves nothing about whose digits these are: a hidden address has digits
// of the same form and is kept out by its server, before anybody calls this.
func FromDigits(s string) (Number, error) {
	if strings.Trim(s, "0123456789") != "" || len(s) < minDigits || len(s) > maxDigits || s[0] == '0' {
		return Number{}, ErrInvalid
	}
	return Number{digits: s}, nil
}

// Digits is the number as SuperTokens and WhatsApp know it: country code first, no plus ("6281234567890").
func (n Number) Digits() string { return n.digits }

// E164 is the number with its plus ("+6281234567890"), as the omnichannel webhook wants it; empty for no number.
func (n Number) E164() string {
	if n.IsZero() {
		return ""
	}
	return "+" + n.digits
}

// IsZero reports whether there is no number.
func (n Number) IsZero() bool { return n.digits == "" }

// CountryCode is the calling code ("62"), empty for no number and for one whose code nobody has assigned.
func (n Number) CountryCode() string {
	const longest = 3
	for length := 1; length <= min(longest, len(n.digits)); length++ {
		if code := n.digits[:length]; callingCodes()[code] {
			return code
		}
	}
	return ""
}

// callingCodes are those of the numbering plan; none begins with another. Every line of the log that names a number asks,
// so this does not read the number as a whole.
var callingCodes = sync.OnceValue(func() map[string]bool {
	codes := map[string]bool{}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		codes[strconv.Itoa(code)] = true
	}
	return codes
})

// Masked is for the person who owns the number: enough to recognise it, the last four digits hidden, because a
// page may ask for exactly those ("+62 812-3456-••••"). Where the plan does not know the number, or would write another
// one, the digits stand as they are.
func (n Number) Masked() string {
	if n.IsZero() {
		return ""
	}
	parsed, err := phonenumbers.Parse(n.E164(), "")
	if err != nil || phonenumbers.Format(parsed, phonenumbers.E164) != n.E164() {
		return "+" + hidden(n.digits, len(n.digits)-4)
	}
	shown := []rune(phonenumbers.Format(parsed, phonenumbers.INTERNATIONAL))
	left := 4
	for i := len(shown) - 1; i >= 0 && left > 0; i-- {
		if shown[i] >= '0' && shown[i] <= '9' {
			shown[i] = '•'
			left--
		}
	}
	return string(shown)
}

// String is for logs and admins: the calling code and the three digits after it ("+62812•••••••"). It shows
// less than [Number.Masked] does, so that the two together give nothing away.
func (n Number) String() string {
	if n.IsZero() {
		return "(no number)"
	}
	return "+" + hidden(n.digits, len(n.CountryCode())+3)
}

// Format keeps every verb of fmt, %+v and %#v included, from printing the digits.
func (n Number) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.String()) }

// MarshalText masks too: a Number that slips into JSON or a log field is not a leak. What must be read back is
// stored as Digits.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// fold keeps the digits of s and refuses what is not a number in international form.
func fold(s string) (string, error) {
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(s, "+")
	digits := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case r == ' ' || r == '-' || r == '.' || r == '(' || r == ')':
			return -1
		default:
			return 'x'
		}
	}, s)
	if len(digits) < minDigits || len(digits) > maxDigits || digits[0] == '0' || strings.Contains(digits, "x") {
		return "", ErrInvalid
	}
	return digits, nil
}

// canonical drops what people add and the plan does not know, such as a trunk zero after the country code.
func canonical(parsed *phonenumbers.PhoneNumber) (Number, error) {
	digits := strings.TrimPrefix(phonenumbers.Format(parsed, phonenumbers.E164), "+")
	if len(digits) < minDigits || len(digits) > maxDigits {
		return Number{}, ErrInvalid
	}
	return Number{digits: digits}, nil
}

func hidden(digits string, show int) string {
	if show > len(digits)-4 {
		show = max(0, len(digits)-4)
	}
	return digits[:show] + strings.Repeat("•", len(digits)-show)
}
