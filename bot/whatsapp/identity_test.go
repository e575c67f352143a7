package whatsapp

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// identities remembers what it is told.
type identities struct {
	told []string
	err  error
	boom bool
}

func (i *identities) IdentityChanged(_ context.Context, n phone.Number, _ time.Time) error {
	if i.boom {
		panic("boom")
	}
	i.told = append(i.told, n.Digits())
	return i.err
}

func TestAChangedIdentityIsToldForTheNumberBehindIt(t *testing.T) {
	t.Parallel()
	told := &identities{}
	c, _ := newClient(t, func(cfg *Config) { cfg.Identities = told })
	s := fakeSession(&lids{known: map[string]string{theirLID: theirDigits}})
	change := func(jid types.JID) bool {
		return c.handler(t.Context(), s)(&events.IdentityChange{JID: jid, Timestamp: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	}
	require.True(t, change(pnJID(theirDigits)))
	require.True(t, change(lidJID(theirLID)))
	require.True(t, change(lidJID("999999999999999")), "nobody whose number is known")
	require.Equal(t, []string{theirDigits, theirDigits}, told.told)

	told.err = errors.New("the database is away")
	require.False(t, change(pnJID(theirDigits)), "not forgotten before it is written down")
	told.err, told.boom = nil, true
	require.False(t, change(pnJID(theirDigits)))
}

func TestAMessageCarriesTheHiddenIDOfItsSender(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sender, alternative types.JID
		want                string
	}{
		"written by number":        {pnJID(theirDigits), types.EmptyJID, ""},
		"with the hidden id aside": {pnJID(theirDigits), lidJID(theirLID), theirLID},
		"written by hidden id":     {lidJID(theirLID), pnJID(theirDigits), theirLID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, in := newClient(t)
			require.True(t, c.handler(t.Context(), fakeSession(&lids{}))(message(func(e *events.Message) {
				e.Info.Sender, e.Info.SenderAlt = tc.sender, tc.alternative
			})))
			require.Len(t, in.received(), 1)
			require.Equal(t, tc.want, in.received()[0].Hidden)
			require.Equal(t, theirDigits, in.received()[0].From.Digits())
		})
	}
}
