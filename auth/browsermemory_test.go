package auth_test

import (
	"context"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/auth/guest"
)

// What memory knows of browsers.

var (
	_ auth.AttemptStore = (*memory)(nil)
	_ auth.GuestStore   = (*memory)(nil)
)

func (m *memory) TryDigits(ctx context.Context, reply string, right bool, limit int) (wrong int, err error) {
	err = m.do(ctx, "TryDigits", func() error {
		l := m.links[reply]
		if l == nil || l.State != auth.LinkOpen && l.State != auth.LinkConsuming || l.Tries >= limit {
			return auth.ErrTaken
		}
		if !right {
			l.Tries++
		}
		wrong = l.Tries
		return nil
	})
	return wrong, err
}

func (m *memory) SaveAttempt(ctx context.Context, a auth.AttemptRecord) error {
	return m.do(ctx, "SaveAttempt", func() error {
		for _, other := range m.attempts {
			if a.Reference != "" && other.Reference == a.Reference {
				return auth.ErrTaken
			}
		}
		m.attempts[a.KeyHash] = &a
		return nil
	})
}

func (m *memory) AttemptByKey(ctx context.Context, key string) (a auth.AttemptRecord, err error) {
	err = m.do(ctx, "AttemptByKey", func() error {
		if m.attempts[key] == nil {
			return auth.ErrNotFound
		}
		a = *m.attempts[key]
		return nil
	})
	return a, err
}

func (m *memory) AttemptOfLink(ctx context.Context, reply string) (a auth.AttemptRecord, err error) {
	err = m.do(ctx, "AttemptOfLink", func() error {
		for _, one := range m.attempts {
			if reply != "" && one.ReplyID == reply {
				a = *one
				return nil
			}
		}
		return auth.ErrNotFound
	})
	return a, err
}

func (m *memory) RedirectAttempt(ctx context.Context, key, path, guestID string) error {
	return m.onAttempt(ctx, "RedirectAttempt", key, func(a *auth.AttemptRecord) {
		a.ReturnPath = path
		if a.Number.IsZero() {
			a.Guest = guestID
		}
	})
}

func (m *memory) TieAttempt(ctx context.Context, t auth.Tie) (tied bool, err error) {
	err = m.do(ctx, "TieAttempt", func() error {
		for _, a := range m.attempts {
			if a.Reference == t.Reference && a.UsedAt.IsZero() && t.At.Before(a.ExpiresAt) && (a.Number.IsZero() || a.Number == t.Number) {
				for _, other := range m.attempts {
					if other.ReplyID == t.ReplyID {
						other.ReplyID = ""
					}
				}
				a.Number, a.ReplyID, tied = t.Number, t.ReplyID, true
				if a.ReceivedAt.IsZero() {
					a.ReceivedAt = t.At
				}
			}
		}
		return nil
	})
	return tied, err
}

func (m *memory) TryCode(ctx context.Context, key string, right bool, limit int) (wrong int, err error) {
	err = m.do(ctx, "TryCode", func() error {
		a := m.attempts[key]
		if a == nil || a.CodeTries >= limit || !a.UsedAt.IsZero() {
			return auth.ErrTaken
		}
		if !right {
			a.CodeTries++
		}
		wrong = a.CodeTries
		return nil
	})
	return wrong, err
}

func (m *memory) SpendAttempt(ctx context.Context, key string, at time.Time) error {
	return m.onAttempt(ctx, "SpendAttempt", key, func(a *auth.AttemptRecord) { a.UsedAt = at })
}

func (m *memory) onAttempt(ctx context.Context, method, key string, f func(*auth.AttemptRecord)) error {
	return m.do(ctx, method, func() error {
		if a := m.attempts[key]; a != nil {
			f(a)
		}
		return nil
	})
}

func (m *memory) SaveGuest(ctx context.Context, r guest.Record) error {
	return m.do(ctx, "SaveGuest", func() error {
		m.guests[r.ID] = &r
		return nil
	})
}

func (m *memory) Guest(ctx context.Context, id string) (r guest.Record, err error) {
	err = m.do(ctx, "Guest", func() error {
		if m.guests[id] == nil {
			return guest.ErrNotFound
		}
		r = *m.guests[id]
		return nil
	})
	return r, err
}

func (m *memory) SeeGuest(ctx context.Context, id string, seen, expires time.Time) error {
	return m.do(ctx, "SeeGuest", func() error {
		r := m.guests[id]
		if r == nil || r.State != guest.Live {
			return guest.ErrNotFound
		}
		r.LastSeenAt, r.ExpiresAt = seen, expires
		return nil
	})
}

func (m *memory) SaveGuestKey(ctx context.Context, k guest.KeyRecord) error {
	return m.do(ctx, "SaveGuestKey", func() error {
		m.keys = append(m.keys, k)
		return nil
	})
}

func (m *memory) GuestKeys(ctx context.Context, after time.Time) (keys []guest.KeyRecord, err error) {
	err = m.do(ctx, "GuestKeys", func() error {
		for _, k := range m.keys {
			if k.RetireAt.After(after) {
				keys = append(keys, k)
			}
		}
		slices.SortFunc(keys, func(a, b guest.KeyRecord) int { return a.CreatedAt.Compare(b.CreatedAt) })
		return nil
	})
	return keys, err
}

func (m *memory) IsApart(ctx context.Context, guestID, userID string) (apart bool, err error) {
	err = m.do(ctx, "IsApart", func() error {
		apart = m.apart[[2]string{guestID, userID}]
		if m.apartLater == [2]string{guestID, userID} {
			m.apart[m.apartLater] = true
		}
		return nil
	})
	return apart, err
}

func (m *memory) JoinAgain(ctx context.Context, guestID, userID string) error {
	return m.do(ctx, "JoinAgain", func() error {
		delete(m.apart, [2]string{guestID, userID})
		return nil
	})
}

// upgrade is called within do.
func (m *memory) upgrade(guestID, userID, key string) bool {
	r := m.guests[guestID]
	if r == nil || r.State != guest.Live || m.apart[[2]string{guestID, userID}] {
		return false
	}
	r.State, r.UserID, r.IntentID = guest.Upgraded, userID, key
	m.claims[guestID] = auth.GuestClaim{Pending: true}
	return true
}

func (m *memory) UpgradeGuest(ctx context.Context, u auth.GuestUpgrade) error {
	return m.do(ctx, "UpgradeGuest", func() error {
		if !m.upgrade(u.Guest, u.UserID, u.Key) {
			return auth.ErrTaken
		}
		for _, j := range u.Jobs {
			m.jobs[j.Kind+" "+j.Key] = j
		}
		return nil
	})
}

func (m *memory) GuestClaim(ctx context.Context, r guest.Record) (c auth.GuestClaim, err error) {
	err = m.do(ctx, "GuestClaim", func() error {
		c = m.claims[r.ID]
		return nil
	})
	return c, err
}

// claim is what the job does: the guest's records are the user's.
func (m *memory) claim(guestID string, references ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims[guestID] = auth.GuestClaim{References: references}
}

// became is what is known of a claim.
func (m *memory) became(guestID string, c auth.GuestClaim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims[guestID] = c
}

// apartAfterLook sets a guest apart right after somebody has looked that it is not.
func (m *memory) apartAfterLook(guestID, userID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apartLater = [2]string{guestID, userID}
}

func (m *memory) guest(id string) guest.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.guests[id] == nil {
		return guest.Record{}
	}
	return *m.guests[id]
}

// kill makes a guest somebody else.
func (m *memory) kill(guestID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.guests[guestID].State, m.guests[guestID].UserID = guest.Upgraded, "somebody"
}

func (m *memory) tries(reply string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links[reply].Tries
}
