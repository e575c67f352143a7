package phone_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
)

func TestParseAcceptsEverySpellingOfOneNumber(t *testing.T) {
	t.Parallel()
	want, err := phone.Parse("+6281234567890")
	require.NoError(t, err)
	for _, s := range []string{"6281234567890", " +62 812-3456-7890 ", "+62 (812) 3456.7890", "+62 0812 3456 7890"} {
		got, err := phone.Parse(s)
		require.NoError(t, err, s)
		require.Equal(t, want.Digits(), got.Digits(), s)
	}
}

func TestCountryCodeIsTheNumberingPlans(t *testing.T) {
	t.Parallel()
	assigned := 0
	for first := 100; first < 1000; first++ {
		digits := strconv.Itoa(first) + "23456789"
		want := ""
		if parsed, err := phonenumbers.Parse("+"+digits, ""); err == nil {
			want = strconv.Itoa(int(parsed.GetCountryCode()))
			assigned++
		}
		n, err := phone.FromDigits(digits)
		require.NoError(t, err)
		require.Equal(t, want, n.CountryCode(), digits)
	}
	require.Greater(t, assigned, 500)
	require.Less(t, assigned, 900)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "+", "0", "081234567890", "+0812345678901", "62812", "abc", "62812345678901234567890",
		"+628001234567",       // toll-free in Indonesia
		"١٢٣٤٥٦٧٨٩٠١٢",        // digits of another script
		"+62812345\x007890",   // control character
		"6281234567890@lid",   // an address is not a number
		"+62++81234567890",    // one plus, in front
		"１６５０２５３００００",         // full width
		"+62812-3456-7890;55", // extension
	} {
		_, err := phone.Parse(s)
		require.ErrorIs(t, err, phone.ErrInvalid, "%q", s)
		if len(s) > 4 {
			require.NotContains(t, err.Error(), s)
		}
	}
}

func TestFromDigitsTakesDigitsOnly(t *testing.T) {
	t.Parallel()
	n, err := phone.FromDigits("6281234567890")
	require.NoError(t, err)
	require.Equal(t, "6281234567890", n.Digits())
	require.Equal(t, "+6281234567890", n.E164())
	require.Equal(t, "62", n.CountryCode())
	for _, s := range []string{"", "+6281234567890", "081234567890", "62 812", "123", "628123456789012345"} {
		_, err := phone.FromDigits(s)
		require.ErrorIs(t, err, phone.ErrInvalid, "%q", s)
	}
}

func TestFromDigitsTakesWhatWhatsAppVouchesFor(t *testing.T) {
	t.Parallel()
	for digits, want := range map[string]struct{ code, masked, printed string }{
		"5215512345678":   {"52", "+52 1551234••••", "+52155••••••••"},   // Mexico with the old 1
		"22501020304":     {"225", "+225 0102••••", "+225010•••••"},      // Ivory Coast before 2021
		"99912345678":     {"", "+9991234••••", "+999••••••••"},          // a code that nobody has
		"999123456789012": {"", "+99912345678••••", "+999••••••••••••"},  // as long as can be
		"9999999":         {"", "+999••••", "+999••••"},                  // as short as can be
		"54111512345678":  {"54", "+5411151234••••", "+54111•••••••••"},  // the plan would write another number
		"1234567":         {"1", "+1 23••••", "+123••••"},                // too short for its country
		"6281234567890":   {"62", "+62 812-3456-••••", "+62812••••••••"}, // an ordinary one
	} {
		n, err := phone.FromDigits(digits)
		require.NoError(t, err, digits)
		require.Equal(t, digits, n.Digits())
		require.Equal(t, want.code, n.CountryCode(), digits)
		require.Equal(t, want.masked, n.Masked())
		require.Equal(t, want.printed, n.String())
	}
	require.Empty(t, phone.Number{}.Masked())
	require.Empty(t, phone.Number{}.CountryCode())
}

func FuzzFromDigits(f *testing.F) {
	for _, s := range []string{"6281234567890", "5215512345678", "22501020304", "99912345678", "1234567", "800000000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := phone.FromDigits(s)
		if err != nil {
			require.True(t, n.IsZero())
			return
		}
		require.Equal(t, s, n.Digits())
		require.LessOrEqual(t, len(n.CountryCode()), 3)
		require.Equal(t, s[:len(s)-4], onlyDigits(n.Masked()))
		require.True(t, strings.HasPrefix(s, onlyDigits(n.String())))
		require.LessOrEqual(t, len(onlyDigits(n.String())), min(6, len(s)-4))
	})
}

func TestNumberPrintsMasked(t *testing.T) {
	t.Parallel()
	n, err := phone.Parse("+6281234567890")
	require.NoError(t, err)
	inJSON, err := json.Marshal(map[string]any{"n": n})
	require.NoError(t, err)
	for _, printed := range []string{
		fmt.Sprint(n), fmt.Sprintf("%v %+v %#v %s %q %d %x", n, n, n, n, n, n, n),
		fmt.Sprintf("%+v", struct{ N phone.Number }{n}), fmt.Sprintf("%v", []phone.Number{n}), string(inJSON),
	} {
		require.NotContains(t, printed, "34567890")
		require.NotContains(t, printed, "7890")
		require.Contains(t, printed, "+62812•")
	}
	require.Equal(t, "+62 812-3456-••••", n.Masked())
	require.Equal(t, "+62812••••••••", n.String())
	require.Equal(t, "(no number)", phone.Number{}.String())
	require.Empty(t, phone.Number{}.E164())
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"+6281234567890", "6281234567890", "+1 650-253-0000", "12345678901234@lid", "+", "٠", "+62 0812 3456 7890"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := phone.Parse(s)
		if err != nil {
			require.True(t, n.IsZero())
			return
		}
		again, err := phone.Parse(n.E164())
		require.NoError(t, err, "what Parse made, it reads")
		require.Equal(t, n.Digits(), again.Digits())
		digits := n.Digits()
		for _, shown := range []string{n.Masked(), n.String()} {
			require.True(t, strings.HasPrefix(digits[:len(digits)-4], onlyDigits(shown)), "%s shows none of the last four", shown)
		}
	})
}

// onlyDigits leaves out how a number is written.
func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
