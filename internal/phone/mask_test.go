package phone_test

import (
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

func TestMaskInHidesNumbersInWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"also writes from +62 812-5551-2345, he says": "also writes from +6281•••••••••, he says",
		"6281255512345":                 "6281•••••••••",
		"0812 5551 2345 again":          "0812•••••••• again",
		"(0812) 5551.2345":              "0812••••••••",
		"wa.me/6281255512345":           "wa.me/6281•••••••••",
		"0812–5551–2345":                "0812••••••••",
		"0812\u00a05551\u00a02345":      "0812••••••••",
		"０８１２５５５１２３４５":                  "０８１２••••••••",
		"two: 6281255512345,6281255512": "two: 6281•••••••••,6281••••••",
		"1234567":                       "123••••",
		// What is no number stays.
		"": "", "spam": "spam", "3 complaints in 12 days": "3 complaints in 12 days", "since 2026-03-01": "since 2026-03-01",
		"Patient/123456789": "Patient/123456789", "119 ext. 8": "119 ext. 8",
	} {
		require.Equal(t, want, phone.MaskIn(text), text)
		require.Equal(t, want, phone.MaskIn(phone.MaskIn(text)), "twice")
	}
}
