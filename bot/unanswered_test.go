package bot

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnansweredKnowsEveryKindOfJobAndItsMessage(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, slices.Collect(maps.Keys((&Bot{}).Handlers())), UnansweredKinds())
	raw, err := ticket{Digits: "6281234567890", Chat: "chat", ID: "A1"}.payload()
	require.NoError(t, err)
	sender, id, err := Unanswered(raw)
	require.NoError(t, err)
	require.Equal(t, []string{"6281234567890", "A1"}, []string{sender, id})
	raw, err = ticket{Chat: "hidden@lid", ID: "B2"}.payload()
	require.NoError(t, err)
	sender, _, err = Unanswered(raw)
	require.NoError(t, err)
	require.Equal(t, "hidden@lid", sender)
	for _, bad := range []string{"", "{", "{}", `{"id":"1"}`} {
		_, _, err := Unanswered([]byte(bad))
		require.Error(t, err, bad)
	}
}
