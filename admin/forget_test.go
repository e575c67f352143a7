package admin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// erasing is everything that an erasure asks.
type erasing struct {
	Core
	Bars
	Log
	People
	left Forgotten
}

func (*erasing) User(context.Context, phone.Number) (User, bool, error) {
	return User{ID: "u"}, true, nil
}
func (*erasing) Revoke(context.Context, phone.Number) (Revoked, error) {
	return Revoked{UserID: "u", Sessions: 1}, nil
}
func (*erasing) SetRevocation(context.Context, Revocation) error { return nil }
func (*erasing) BarsOf(context.Context, phone.Number) (*Block, *Revocation, error) {
	return nil, nil, nil
}
func (*erasing) Logins(context.Context, phone.Number, int) ([]time.Time, error) { return nil, nil }
func (*erasing) Contact(context.Context, string) (string, bool, error)          { return "", true, nil }
func (*erasing) Patient(context.Context, string) (ref, state string, err error) {
	return "", "", errors.New("away")
}
func (*erasing) BeginErasure(_ context.Context, key string, n phone.Number) (Erasure, error) {
	return Erasure{Key: key, Number: n}, nil
}
func (e *erasing) Erase(_ context.Context, _ Erasure, left Forgotten, _ Who) error {
	e.left = left
	return nil
}

// TestForgetTellsWhatItCouldNotFindOut: what is only not known is not told as if there were nothing.
func TestForgetTellsWhatItCouldNotFindOut(t *testing.T) {
	t.Parallel()
	n, err := phone.FromDigits("6281234567890")
	require.NoError(t, err)
	e := &erasing{}
	s := New(Config{Core: e, Bars: e, Log: e, People: e, Erasures: e, Now: time.Now})
	left, err := s.Forget(t.Context(), n, "key", Who{})
	require.NoError(t, err)
	require.Equal(t, left, e.left, "what is kept for the answer after a crash")
	require.True(t, left.FHIRAway)
	require.True(t, left.HasContact)
	require.Equal(t, 2, left.Ended.Sessions)
}
