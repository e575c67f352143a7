package auth_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var errStoreAway = errors.New("the database is away")

// memory is a LinkStore and SignInStore that keeps the contracts of records.go, and can be away.
type memory struct {
	apartLater [2]string // see apartAfterLook

	mu      sync.Mutex
	links   map[string]*auth.LinkRecord
	intents map[string]*intent
	audit   []auth.SignIn
	jobs    map[string]jobs.New
	writes  int
	broken  map[string]int  // method → how many calls fail
	lost    map[string]int  // method → how many calls do their work and then fail
	reasons map[string]bool // of abandoned intents

	guests   map[string]*guest.Record
	apart    map[[2]string]bool // guest and user
	keys     []guest.KeyRecord
	attempts map[string]*auth.AttemptRecord
	claims   map[string]auth.GuestClaim // by guest
}

type intent struct {
	auth.Intent
	open, recorded bool
}

func newMemory() *memory {
	return &memory{
		links: map[string]*auth.LinkRecord{}, intents: map[string]*intent{}, jobs: map[string]jobs.New{},
		broken: map[string]int{}, lost: map[string]int{}, reasons: map[string]bool{},
		guests: map[string]*guest.Record{}, apart: map[[2]string]bool{}, attempts: map[string]*auth.AttemptRecord{},
		claims: map[string]auth.GuestClaim{},
	}
}

var (
	_ auth.LinkStore   = (*memory)(nil)
	_ auth.SignInStore = (*memory)(nil)
)

// do runs one method as one transaction.
func (m *memory) do(ctx context.Context, method string, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if take(m.broken, method) {
		return errStoreAway
	}
	if err := f(); err != nil {
		return err
	}
	if take(m.lost, method) {
		return errStoreAway
	}
	return nil
}

func (m *memory) SaveLink(ctx context.Context, l auth.LinkRecord) error {
	return m.do(ctx, "SaveLink", func() error {
		if m.links[l.ReplyID] != nil {
			return errors.New("the reply has a link")
		}
		for _, o := range m.links {
			if o.PreAuthHash == l.PreAuthHash {
				return errors.New("the session has a link")
			}
		}
		m.writes++
		m.links[l.ReplyID] = &l
		if l.Alone {
			m.endOthers(&l)
		}
		return nil
	})
}

func (m *memory) endOthers(l *auth.LinkRecord) {
	for id, o := range m.links {
		if id != l.ReplyID && o.Number == l.Number && o.State == auth.LinkOpen {
			o.State, o.Sealed = auth.LinkRevoked, nil
		}
	}
}

// forgetAlone makes a link one of a version that stored it before its number's other codes were revoked.
func (m *memory) forgetAlone(replyID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.links[replyID].Alone = false
}

func (m *memory) LinkAlone(ctx context.Context, replyID string) error {
	return m.do(ctx, "LinkAlone", func() error {
		l := m.links[replyID]
		if l == nil {
			return auth.ErrNotFound
		}
		m.writes++
		l.Alone = true
		m.endOthers(l)
		return nil
	})
}

func (m *memory) LinkByReply(ctx context.Context, replyID string) (l auth.LinkRecord, err error) {
	err = m.do(ctx, "LinkByReply", func() error {
		if m.links[replyID] == nil {
			return auth.ErrNotFound
		}
		l = *m.links[replyID]
		return nil
	})
	return l, err
}

func (m *memory) LinkByPreAuth(ctx context.Context, hash string) (l auth.LinkRecord, err error) {
	err = m.do(ctx, "LinkByPreAuth", func() error {
		for _, o := range m.links {
			if o.PreAuthHash == hash {
				l = *o
				return nil
			}
		}
		return auth.ErrNotFound
	})
	return l, err
}

func (m *memory) OpenLinks(ctx context.Context, after time.Time, limit int) (open []auth.OpenLink, err error) {
	err = m.do(ctx, "OpenLinks", func() error {
		for _, l := range m.links {
			if l.State == auth.LinkOpen && l.ExpiresAt.After(after) {
				open = append(open, auth.OpenLink{ReplyID: l.ReplyID, CodeID: l.CodeID, Number: l.Number,
					CreatedAt: l.CreatedAt, ExpiresAt: l.ExpiresAt})
			}
		}
		slices.SortFunc(open, func(a, b auth.OpenLink) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
		open = open[:min(len(open), limit)]
		return nil
	})
	return open, err
}

func (m *memory) LinkVanished(ctx context.Context, replyID, reason string) error {
	return m.do(ctx, "LinkVanished", func() error {
		l := m.links[replyID]
		if l == nil || l.State != auth.LinkOpen {
			return auth.ErrTaken
		}
		m.writes++
		m.reasons[reason] = true
		l.State, l.Sealed = auth.LinkRevoked, nil
		return nil
	})
}

func (m *memory) OpenLinksOf(ctx context.Context, n phone.Number) (open []auth.OpenLink, err error) {
	all, err := m.OpenLinks(ctx, time.Time{}, 1000)
	for _, l := range all {
		if l.Number == n {
			open = append(open, l)
		}
	}
	return open, err
}

func (m *memory) BeginSignIn(ctx context.Context, i auth.Intent) error {
	return m.do(ctx, "BeginSignIn", func() error {
		l := m.links[i.ReplyID]
		if l == nil || l.State != auth.LinkOpen {
			return auth.ErrTaken
		}
		m.writes++
		l.State = auth.LinkConsuming
		m.intents[i.ID] = &intent{Intent: i, open: true}
		return nil
	})
}

func (m *memory) RecordSignIn(ctx context.Context, s auth.SignIn) error {
	return m.do(ctx, "RecordSignIn", func() error {
		i := m.intents[s.Intent]
		if i == nil || i.recorded || !i.open && s.Reconciled {
			return auth.ErrTaken
		}
		m.writes++
		i.open = false
		l := m.links[i.ReplyID]
		if l.State == auth.LinkConsumed {
			return auth.ErrTaken
		}
		i.recorded = true
		l.State, l.Sealed = auth.LinkConsumed, nil
		m.audit = append(m.audit, s)
		todo := s.Jobs
		if m.upgrade(s.Guest, s.UserID, s.Intent) {
			todo = slices.Concat(todo, s.GuestJobs)
		}
		if s.Apart != "" {
			m.apart[[2]string{s.Apart, s.UserID}] = true
		}
		for _, j := range todo {
			m.jobs[j.Kind+" "+j.Key] = j
		}
		return nil
	})
}

func (m *memory) AbandonSignIn(ctx context.Context, id string, linkOpen bool, reason string) error {
	return m.do(ctx, "AbandonSignIn", func() error {
		i := m.intents[id]
		if i == nil || !i.open {
			return auth.ErrTaken
		}
		m.writes++
		i.open = false
		m.reasons[reason] = true
		l := m.links[i.ReplyID]
		l.State = auth.LinkOpen
		if !linkOpen {
			l.State, l.Sealed = auth.LinkRevoked, nil
		}
		return nil
	})
}

func (m *memory) OpenIntents(ctx context.Context, before time.Time) (open []auth.Intent, err error) {
	err = m.do(ctx, "OpenIntents", func() error {
		for _, i := range m.intents {
			if i.open && i.StartedAt.Before(before) {
				open = append(open, i.Intent)
			}
		}
		if take(m.broken, "OpenIntents, one row") {
			return errStoreAway
		}
		return nil
	})
	return open, err
}

func (m *memory) fail(method string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken[method] = n
}

func (m *memory) loseAnswer(method string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost[method] = n
}

func (m *memory) recorded() []auth.SignIn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]auth.SignIn(nil), m.audit...)
}

func (m *memory) state(replyID string) auth.LinkState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links[replyID].State
}

func (m *memory) openIntents() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.intents {
		if i.open {
			n++
		}
	}
	return n
}

func (m *memory) changes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}
