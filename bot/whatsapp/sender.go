package whatsapp

import (
	"context"
	"fmt"

	"go.mau.fi/whatsmeow/types"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// hostedDevice is the device number of a business's hosted companion, which WhatsApp reserves. whatsmeow turns the
// servers "hosted" and "hosted.lid" into the usual ones before an event is made, so that only this number is left
// to tell them by.
const hostedDevice = 99

// owner is somebody whose phone number WhatsApp vouches for. Its only constructor is [ownerOf], so holding a
// non-zero owner means that the number came from a phone-number address. A hidden address (LID) has as many digits
// as a number and must never become one.
type owner struct{ number phone.Number }

// ownerOf reads a phone-number address. It looks at the server of the address, never at its digits; device and
// agent are left out.
func ownerOf(jid types.JID) (owner, bool) {
	if jid.Server != types.DefaultUserServer || jid.Device == hostedDevice || jid.IsBot() {
		return owner{}, false
	}
	n, err := phone.FromDigits(jid.User)
	if err != nil {
		return owner{}, false
	}
	return owner{number: n}, true
}

// unreadable reports whether an address should be somebody's phone number and cannot be read as one: a person whom we
// do not serve, and a sign that numbers look different than we think.
func unreadable(jid types.JID) bool {
	if jid.Server != types.DefaultUserServer || jid.Device == hostedDevice || jid.IsBot() || jid.User == types.PSAJID.User {
		return false
	}
	_, ok := ownerOf(jid)
	return !ok
}

// lidStore is the part of whatsmeow's store that knows which hidden address belongs to which number.
type lidStore interface {
	GetPNForLID(ctx context.Context, lid types.JID) (types.JID, error)
}

// findOwner tells whose address this is: by the address itself, else by the alternative one that came with the
// message, else by what the store has learned. False means that the number is not known. An error means that the
// store could not be asked, and then nothing may be concluded.
func findOwner(ctx context.Context, lids lidStore, address, alternative types.JID) (owner, bool, error) {
	if o, ok := ownerOf(address); ok {
		return o, true, nil
	}
	if address.Server != types.HiddenUserServer || address.Device == hostedDevice {
		return owner{}, false, nil
	}
	if o, ok := ownerOf(alternative); ok {
		return o, true, nil
	}
	// An unknown address gives an empty one and no error.
	known, err := lids.GetPNForLID(ctx, address.ToNonAD())
	if err != nil {
		return owner{}, false, fmt.Errorf("look up a hidden address: %w", mask(err))
	}
	o, ok := ownerOf(known)
	return o, ok, nil
}

// chatAddress is an address as the rest of the bot carries it: without device, readable only for [parseChat].
func chatAddress(jid types.JID) string { return jid.ToNonAD().String() }

// parseChat reads back what chatAddress wrote. Only people can be written to.
func parseChat(chat string) (types.JID, bool) {
	jid, err := types.ParseJID(chat)
	if err != nil || jid.String() != chat || jid != jid.ToNonAD() || jid.IsBot() {
		return types.JID{}, false
	}
	switch jid.Server {
	case types.DefaultUserServer:
		_, ok := ownerOf(jid)
		return jid, ok
	case types.HiddenUserServer:
		return jid, onlyDigits(jid.User)
	default:
		return types.JID{}, false
	}
}

func onlyDigits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}
