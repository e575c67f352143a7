package bot

import (
	"context"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// desk is an admin.Service that notes what it was asked for, and keeps questions as storage does.
type desk struct {
	w     *world
	calls []string
	err   error // what every call that does something answers

	status     admin.Status
	stats      admin.Stats
	events     []admin.Event
	jobs       []admin.Job
	cases      []admin.Case
	duplicates []admin.Duplicate
	person     admin.Person
	left       admin.Forgotten
	refused    bool // every number is
	nothing    bool // there is nothing to lift, to resume or to retry

	questions map[phone.Number]asked
	forgotten map[string]bool // by key
	entries   []admin.Entry
}

type asked struct {
	admin.Question
	takenBy string
}

func (d *desk) called(name string, with ...any) error {
	d.calls = append(d.calls, fmt.Sprint(append([]any{name}, with...)...))
	return d.err
}

func (d *desk) Status(context.Context) (admin.Status, error) { return d.status, d.err }

func (d *desk) Stats(_ context.Context, last time.Duration) (admin.Stats, error) {
	return d.stats, d.called("stats ", last)
}

func (d *desk) Audit(_ context.Context, n phone.Number, limit int) ([]admin.Event, error) {
	return d.events, d.called("audit ", n.Digits(), " ", limit)
}

func (d *desk) Jobs(_ context.Context, states ...string) ([]admin.Job, error) {
	return d.jobs, d.called("jobs ", states)
}

func (d *desk) Retry(_ context.Context, id int64) (int, error) {
	if d.nothing {
		return 0, d.err
	}
	return 2, d.called("retry ", id)
}

func (d *desk) Review(context.Context) ([]admin.Case, error) { return d.cases, d.err }

func (d *desk) Decide(_ context.Context, id int64, approve bool, ref string, by admin.Who) error {
	return d.called("decide ", id, approve, " ", ref, " ", by.Number.Digits())
}

func (d *desk) Scan(_ context.Context, report func(admin.Duplicate)) error {
	for _, found := range d.duplicates {
		report(found)
	}
	return d.called("scan")
}

func (d *desk) Person(_ context.Context, n phone.Number) (admin.Person, error) {
	return d.person, d.called("person ", n.Digits())
}

func (d *desk) Sync(_ context.Context, n phone.Number, key string) error {
	return d.called("sync ", n.Digits(), " ", key)
}

func (d *desk) Block(_ context.Context, n phone.Number, until time.Time, reason string, by admin.Who) error {
	left := "for ever"
	if !until.IsZero() {
		left = until.Sub(d.w.now).String()
	}
	return d.called("block ", n.Digits(), " ", left, " ", reason, " ", by.Number.Digits())
}

func (d *desk) Unblock(_ context.Context, n phone.Number, refusal bool) (admin.Lifted, error) {
	return admin.Lifted{Block: !d.nothing, StillRefused: d.refused && !refusal}, d.called("unblock ", n.Digits(), " ", refusal)
}

func (d *desk) Revoke(_ context.Context, n phone.Number, refuse bool, _ admin.Who) (admin.Revoked, error) {
	return admin.Revoked{UserID: "u", Links: 1, Sessions: 2}, d.called("revoke ", n.Digits(), " ", refuse)
}

func (d *desk) Forget(_ context.Context, n phone.Number, key string, _ admin.Who) (admin.Forgotten, error) {
	if n.IsZero() && !d.forgotten[key] {
		return admin.Forgotten{}, admin.ErrNoErasure
	}
	err := d.w.around("forget", func() error {
		if d.forgotten == nil {
			d.forgotten = map[string]bool{}
		}
		for asker, q := range d.questions { // as storage does
			if q.takenBy == key {
				q.Words, q.About = nil, phone.Number{}
				d.questions[asker] = q
			}
		}
		d.forgotten[key] = true
		return d.called("forget ", n.Digits())
	})
	return d.left, err
}

func (d *desk) Begun(_ context.Context, asker phone.Number, holder string) (bool, error) {
	return d.questions[asker].takenBy == holder, d.err
}

func (d *desk) Pause(_ context.Context, reason string, _ admin.Who) error {
	return d.called("pause ", reason)
}

func (d *desk) Resume(context.Context) (bool, error) { return !d.nothing, d.called("resume") }

func (d *desk) Ask(_ context.Context, q admin.Question) error {
	return d.w.around("ask", func() error {
		if d.questions[q.Asker].Hash != q.Hash {
			d.questions[q.Asker] = asked{Question: q}
		}
		return nil
	})
}

func (d *desk) Answer(_ context.Context, n phone.Number, hash, holder string) (got admin.Question, reply admin.Reply, err error) {
	err = d.w.around("answer", func() error {
		q, there := d.questions[n]
		switch {
		case !there || (q.takenBy != "" && q.takenBy != holder):
			reply = admin.ReplyNone
			return nil
		case q.takenBy == holder:
		case !d.w.now.Before(q.Expires):
			reply = admin.ReplyExpired
			delete(d.questions, n)
			return nil
		case q.Hash != hash:
			reply = admin.ReplyWrong
			delete(d.questions, n)
			return nil
		}
		q.takenBy = holder
		d.questions[n] = q
		got, reply = q.Question, admin.ReplyTaken
		return nil
	})
	return got, reply, err
}

func (d *desk) Record(_ context.Context, e admin.Entry) error {
	return d.w.around("record", func() error {
		for _, known := range d.entries {
			if known.ReplyID == e.ReplyID {
				return nil
			}
		}
		d.entries = append(d.entries, e)
		return nil
	})
}

// last is the command that was written down last.
func (d *desk) last() admin.Entry { return d.entries[len(d.entries)-1] }
