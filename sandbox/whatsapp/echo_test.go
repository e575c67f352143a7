package whatsapp_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

func TestEchoWithEveryAddressing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.seeded(t, echo)
	pn := func(u *whatsapp.User) types.JID { return types.NewJID(u.Phone(), types.DefaultUserServer) }
	lid := func(u *whatsapp.User) types.JID { return types.NewJID(u.LID(), types.HiddenUserServer) }
	for i, c := range []struct {
		how         whatsapp.Addressing
		sender, alt func(*whatsapp.User) types.JID
	}{
		{whatsapp.LIDWithPN, lid, pn},
		{whatsapp.PNWithLID, pn, lid},
		{whatsapp.PNOnly, pn, lid},
		{whatsapp.LIDOnly, lid, nil},
		{whatsapp.Bare, lid, nil},
		{whatsapp.BarePN, pn, nil},
	} {
		t.Run(c.how.String(), func(t *testing.T) {
			u := w.user(t, i)
			id, err := u.Text(t.Context(), w.account, "hello", whatsapp.Via(c.how))
			require.NoError(t, err)
			require.Equal(t, "echo: hello", next(t, u).Text)
			got := await(t, b, messageWith(id))
			require.Equal(t, c.sender(u), got.Info.Sender)
			if c.alt != nil {
				require.Equal(t, c.alt(u), got.Info.SenderAlt)
			} else {
				require.True(t, got.Info.SenderAlt.IsEmpty())
			}
			number, err := b.client.Store.LIDs.GetPNForLID(t.Context(), lid(u))
			require.NoError(t, err)
			require.Equal(t, c.how == whatsapp.Bare, number.IsEmpty())
			how := c.how
			if how == whatsapp.BarePN {
				how = whatsapp.PNOnly // the reply made the client ask for the hidden id
			}
			for range 3 {
				_, err = u.Text(t.Context(), w.account, "again", whatsapp.Via(how))
				require.NoError(t, err)
				require.Equal(t, "echo: again", next(t, u).Text)
			}
			await(t, b, func(r *events.Receipt) bool { return r.Sender.User == u.LID() && r.Type == types.ReceiptTypeDelivered })
		})
	}
}
