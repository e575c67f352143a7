package contact

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// FuzzAnswer promises that no answer, whatever is in it, panics, yields an id that is none, or gives a user the id that
// stands beside other numbers only.
func FuzzAnswer(f *testing.F) {
	n, err := phone.FromDigits("6281234567890")
	require.NoError(f, err)
	f.Add([]byte(`[{"chatwoot_id":17,"email":null,"phone_number":"+6281234567890"}]`))
	f.Add([]byte(`[{"chatwoot_id":"17","phoneNumber":"+6289999999999"}]`))
	f.Add([]byte(`[{"chatwoot_id":3},{"chatwoot_id":4}]`))
	f.Add([]byte(`{"status":"enqueued"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := chatwootID(text, n)
		again, errAgain := chatwootID(text, n)
		require.Equal(t, id, again)
		require.Equal(t, err, errAgain)
		if err != nil {
			require.Empty(t, id)
			return
		}
		require.Regexp(t, `^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`, id)
		require.NotRegexp(t, `^0+$`, id)
		var rows []row
		require.NoError(t, json.Unmarshal(text, &rows))
		ours := 0
		for _, r := range rows {
			if r.names(n) || len(rows) == 1 && r.namesNobody() {
				ours++
			}
		}
		require.Positive(t, ours)
	})
}
