package app

import (
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// TestAuditReadsNumbersAsTheChatDoes: WhatsApp keeps numbers that the numbering plan does not know.
func TestAuditReadsNumbersAsTheChatDoes(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"+62 812-3456-7890": "6281234567890", "6281234567890": "6281234567890", "+62 0812 3456 7890": "6281234567890",
		"+52 1 55 1234 5678": "5215512345678", "22501020304": "22501020304",
	} {
		n, err := numberOf(typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, n.Digits(), typed)
	}
	for _, typed := range []string{"", "0812345678901", "somebody", "+62812345678901234", "1234567890@lid"} {
		_, err := numberOf(typed)
		require.ErrorIs(t, err, phone.ErrInvalid, typed)
	}
}
