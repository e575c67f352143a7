package bot

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Desk is who does what commands ask for. Implemented by admin, which the terminal asks for the same things. What a
// method is given to tell one wish from another (a key, a reply id) makes a repeated call harmless.
type Desk struct {
	Overview Overview
	Jobs     JobDesk
	Cases    CaseDesk
	Numbers  NumberDesk
	Owner    OwnerDesk
	Talk     Talk
}

// Overview tells how things stand.
type Overview interface {
	Status(ctx context.Context) (admin.Status, error)
	Stats(ctx context.Context, last time.Duration) (admin.Stats, error)
	Audit(ctx context.Context, n phone.Number, limit int) ([]admin.Event, error)
}

// JobDesk looks after durable work.
type JobDesk interface {
	Jobs(ctx context.Context, states ...string) ([]admin.Job, error)
	Retry(ctx context.Context, id int64) (int, error)
}

// CaseDesk decides about Patients and looks for more than one of a person.
type CaseDesk interface {
	Review(ctx context.Context) ([]admin.Case, error)
	Decide(ctx context.Context, id int64, approve bool, ref string, by admin.Who) error
	Scan(ctx context.Context, report func(admin.Duplicate)) error
}

// NumberDesk looks after one number.
type NumberDesk interface {
	Person(ctx context.Context, n phone.Number) (admin.Person, error)
	Sync(ctx context.Context, n phone.Number, key string) error
	Block(ctx context.Context, n phone.Number, until time.Time, reason string, by admin.Who) error
	Unblock(ctx context.Context, n phone.Number, refusal bool) (admin.Lifted, error)
}

// OwnerDesk does what cannot be undone, or concerns everybody.
type OwnerDesk interface {
	Revoke(ctx context.Context, n phone.Number, refuse bool, by admin.Who) (admin.Revoked, error)
	Forget(ctx context.Context, n phone.Number, key string, by admin.Who) (admin.Forgotten, error)
	Pause(ctx context.Context, reason string, by admin.Who) error
	Resume(ctx context.Context) (bool, error)
}

// Talk remembers the conversation with admins: questions that wait for a yes, and what was done.
type Talk interface {
	Ask(ctx context.Context, q admin.Question) error
	Answer(ctx context.Context, asker phone.Number, hash, holder string) (admin.Question, admin.Reply, error)
	Begun(ctx context.Context, asker phone.Number, holder string) (bool, error)
	Record(ctx context.Context, e admin.Entry) error
}

func (d Desk) complete() bool {
	return d.Overview != nil && d.Jobs != nil && d.Cases != nil && d.Numbers != nil && d.Owner != nil && d.Talk != nil
}

// DeskOf is a desk at which one sits for everything.
func DeskOf[D interface {
	Overview
	JobDesk
	CaseDesk
	NumberDesk
	OwnerDesk
	Talk
}](d D) Desk {
	return Desk{Overview: d, Jobs: d, Cases: d, Numbers: d, Owner: d, Talk: d}
}
