package fhir_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCountTellsHowMuchAGuestDidAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	got, err := w.s.CountGuest(t.Context(), guest)
	require.NoError(t, err)
	require.Empty(t, got)
	w.answers(60)
	got, err = w.s.CountGuest(t.Context(), guest)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"QuestionnaireResponse": 60}, got)
	other, err := w.s.CountGuest(t.Context(), "0d3f6a52-8f5e-4f0e-9d4e-2f6b1a7c9e11")
	require.NoError(t, err)
	require.Empty(t, other, "somebody else's are not counted")
	for _, bad := range []string{"", "x", "a|b,c", "0d3f6a52 8f5e"} {
		_, err := w.s.CountGuest(t.Context(), bad)
		require.Error(t, err, bad)
	}
}
