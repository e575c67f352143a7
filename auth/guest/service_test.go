package guest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// memory is a Store that can be away.
type memory struct {
	mu     sync.Mutex
	guests map[string]Record
	keys   []KeyRecord
	reads  int // of keys
	away   error
}

func (m *memory) SaveGuest(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.guests[r.ID] = r
	return m.away
}

func (m *memory) Guest(_ context.Context, id string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.guests[id]
	if !ok {
		return r, ErrNotFound
	}
	return r, m.away
}

func (m *memory) SeeGuest(_ context.Context, id string, seen, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.guests[id]
	if !ok || r.State != Live {
		return ErrNotFound
	}
	r.LastSeenAt, r.ExpiresAt = seen, expires
	m.guests[id] = r
	return m.away
}

func (m *memory) SaveGuestKey(_ context.Context, k KeyRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = append(m.keys, k)
	return m.away
}

func (m *memory) GuestKeys(_ context.Context, after time.Time) ([]KeyRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	return slices.DeleteFunc(slices.Clone(m.keys), func(k KeyRecord) bool { return !k.RetireAt.After(after) }), m.away
}

type bundle struct {
	*Service
	store *memory
	now   time.Time
}

const day = 24 * time.Hour

func setup(tb testing.TB) *bundle {
	tb.Helper()
	b := &bundle{store: &memory{guests: map[string]Record{}}, now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	b.Service = b.process(tb, bytes.Repeat([]byte{7}, 32))
	return b
}

// process is one more process on the same store.
func (b *bundle) process(tb testing.TB, seal []byte) *Service {
	tb.Helper()
	s, err := New(Config{Store: b.store, SealKey: seal, Issuer: "https://bot.example/auth", Lifetime: 30 * day, Rotate: 30 * day,
		Now: func() time.Time { return b.now }})
	require.NoError(tb, err)
	return s
}

func (b *bundle) session(tb testing.TB, s *Service, token string) Token {
	tb.Helper()
	t, err := s.Session(tb.Context(), token, false, nil)
	require.NoError(tb, err)
	return t
}

func TestAGuestSlides(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.session(t, b.Service, "")
	require.True(t, first.New)
	require.Equal(t, b.now.Add(30*day), first.Expires)
	b.now = b.now.Add(14 * day)
	same := b.session(t, b.Service, first.Signed)
	require.Equal(t, first.Signed, same.Signed)
	require.False(t, same.New)
	require.False(t, same.Fresh)
	b.now = b.now.Add(2 * day)
	renewed := b.session(t, b.Service, first.Signed)
	require.Equal(t, first.Guest, renewed.Guest)
	require.True(t, renewed.Fresh)
	require.Equal(t, b.now.Add(30*day), renewed.Expires)
	b.now = b.now.Add(20 * day)
	_, err := b.Live(t.Context(), first.Signed)
	require.ErrorIs(t, err, ErrInvalid, "the first token has ended")
	_, err = b.Live(t.Context(), renewed.Signed)
	require.NoError(t, err)
}

func TestKeysRotateAndOldOnesVerifyUntilTheirLastTokenEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.session(t, b.Service, "")
	b.now = b.now.Add(30*day - time.Minute)
	last := b.session(t, b.Service, "") // with the first key, at the end of its time
	require.Len(t, b.store.keys, 1)
	b.now = b.now.Add(2 * time.Minute)
	next := b.session(t, b.Service, "")
	require.Len(t, b.store.keys, 2)
	other := b.process(t, bytes.Repeat([]byte{7}, 32))
	for _, s := range []*Service{b.Service, other} {
		for _, token := range []Token{last, next} {
			r, err := s.Live(t.Context(), token.Signed)
			require.NoError(t, err)
			require.Equal(t, token.Guest, r.ID)
		}
	}
	b.session(t, other, "")
	require.Len(t, b.store.keys, 2, "a process that starts goes on with the newest")
	b.now = last.Expires.Add(61 * time.Second)
	_, err := b.Live(t.Context(), last.Signed)
	require.ErrorIs(t, err, ErrInvalid)
	require.Equal(t, next.Guest, b.session(t, b.Service, next.Signed).Guest)
}

func TestProcessesKnowEachOthersKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.process(t, bytes.Repeat([]byte{7}, 32))
	b.session(t, other, "")
	b.now = b.now.Add(31 * day)
	token := b.session(t, b.Service, "") // with a key that the other has not read
	b.now = b.now.Add(strangerPause)
	r, err := other.Live(t.Context(), token.Signed)
	require.NoError(t, err)
	require.Equal(t, token.Guest, r.ID)
}

func TestALostSealKeyCostsTheTokensOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.session(t, b.Service, "")
	other := b.process(t, bytes.Repeat([]byte{8}, 32))
	_, err := other.Live(t.Context(), old.Signed)
	require.ErrorIs(t, err, ErrInvalid)
	fresh := b.session(t, other, old.Signed)
	require.True(t, fresh.New)
	require.NotContains(t, string(b.store.keys[0].Sealed), "-----", "and the key stands sealed")
}

// Tokens are whatever people send: unknown keys must not become load on the database.
func TestUnknownKeysAreLookedUpSeldom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.session(t, b.Service, "")
	stranger := setup(t).Service
	alien, err := stranger.Session(t.Context(), "", false, nil)
	require.NoError(t, err)
	before := b.store.reads
	for range 100 {
		_, err := b.Live(t.Context(), alien.Signed)
		require.ErrorIs(t, err, ErrInvalid)
	}
	require.LessOrEqual(t, b.store.reads, before+1)
	_, err = b.Live(t.Context(), token.Signed)
	require.NoError(t, err)
}

func TestWhatIsNotAToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.session(t, b.Service, "").Signed
	for _, bad := range []string{"", "x", "..", token[:len(token)-2], token + "x", strings.Repeat("a", 100_000), "e30.e30.", "null"} {
		_, err := b.Live(t.Context(), bad)
		require.ErrorIs(t, err, ErrInvalid, "%.20q", bad)
		_, err = b.Known(t.Context(), bad)
		require.ErrorIs(t, err, ErrInvalid, "%.20q", bad)
	}
}

func TestAnUpgradedGuestIsKnownAndNotLive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.session(t, b.Service, "")
	r := b.store.guests[token.Guest]
	r.State, r.UserID = Upgraded, "user-1"
	b.store.guests[token.Guest] = r
	_, err := b.Live(t.Context(), token.Signed)
	require.ErrorIs(t, err, ErrInvalid)
	known, err := b.Known(t.Context(), token.Signed)
	require.NoError(t, err)
	require.Equal(t, "user-1", known.UserID)
	require.NotEqual(t, token.Guest, b.session(t, b.Service, token.Signed).Guest)
}

func TestAStoreThatIsAwayMakesNobodyANewGuest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.session(t, b.Service, "")
	b.store.away = errors.New("disk is full")
	_, err := b.Session(t.Context(), token.Signed, false, nil)
	require.ErrorIs(t, err, b.store.away)
	require.NotErrorIs(t, err, ErrInvalid)
	b.store.away = nil
	require.Equal(t, token.Guest, b.session(t, b.Service, token.Signed).Guest)
}
