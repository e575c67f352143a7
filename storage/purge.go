package storage

import (
	"context"
	"fmt"
	"time"
)

// Retention says how long what is over is kept. Zero keeps it for ever. What is still needed (ready and running jobs,
// open intents, budgets in use) is never purged, and the seal of an expired link never kept.
type Retention struct {
	Messages time.Duration // accepted messages: how long a redelivery is recognised
	Jobs     time.Duration // finished jobs; their payload is gone at once
	DeadJobs time.Duration // jobs that were laid aside
	Links    time.Duration // links, after they were made
	Intents  time.Duration // closed intents
	Chats    time.Duration // when a human last wrote, and what users call themselves
	Cases    time.Duration // cases of Patients, after they were settled
	Guests   time.Duration // guests who became users, after their token has ended; the others go a day after that
	Attempts time.Duration // logins that a browser began, after they have ended
	Audit    time.Duration
}

// DefaultRetention keeps no longer than the shipped config.yaml does. Links stay for as long as a late retry may ask
// for them, the audit for two years.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Messages: 30 * day, Jobs: day, DeadJobs: 90 * day, Links: 7 * day, Intents: 7 * day, Chats: 30 * day,
		Cases: 90 * day, Guests: 90 * day, Attempts: day, Audit: 730 * day}
}

// Purged counts what a purge removed.
type Purged struct {
	Messages, Jobs, DeadJobs, Links, Seals, Intents, Budgets, Chats, PushNames, Cases, Identities, Audit int64
	Guests, Apart, GuestKeys, Attempts                                                                   int64

	Blocks, Revocations, Questions, Erasures, AuditNames int64
}

// purgeBatch is how many rows one transaction removes, so that a login never waits long for a purge.
const purgeBatch = 500

// Purge removes what retention does not keep, in small transactions. It stops at the first error; what was removed
// until then stays removed, and the next purge goes on.
func (s *Store) Purge(ctx context.Context, r Retention, now time.Time) (Purged, error) {
	var p Purged
	// What goes early, because it belongs to nobody who ever signed in, is looked for in the last week that it may be of:
	// those who did sign in stay beside it for long, and would be read each time. What a week's stop leaves goes with them.
	//
	// What another transaction may change meanwhile is asked again outside the subquery: PostgreSQL checks only that
	// part once more when it had to wait for a row.
	steps := []struct {
		count *int64
		keep  time.Duration
		query string
	}{
		{&p.Messages, r.Messages, `DELETE FROM messages WHERE (sender, id) IN
			(SELECT sender, id FROM messages WHERE at < $1 ORDER BY at LIMIT $2)`},
		{&p.Jobs, r.Jobs, `DELETE FROM jobs WHERE id IN
			(SELECT id FROM jobs WHERE state = 'done' AND finished_at < $1 ORDER BY finished_at LIMIT $2)`},
		{&p.DeadJobs, r.DeadJobs, `DELETE FROM jobs WHERE state = 'dead' AND id IN
			(SELECT id FROM jobs WHERE state = 'dead' AND finished_at < $1 ORDER BY finished_at LIMIT $2)`},
		{&p.Intents, r.Intents, `DELETE FROM intents WHERE id IN
			(SELECT id FROM intents WHERE closed_at IS NOT NULL AND closed_at < $1 ORDER BY closed_at LIMIT $2)`},
		{&p.Links, r.Links, `DELETE FROM links WHERE state <> 'consuming' AND reply_id IN
			(SELECT reply_id FROM links WHERE created_at < $1 AND state <> 'consuming' ORDER BY created_at LIMIT $2)`},
		{&p.Chats, r.Chats, `DELETE FROM chats WHERE human_at < $1 AND chat IN
			(SELECT chat FROM chats WHERE human_at < $1 ORDER BY human_at LIMIT $2)`},
		{&p.PushNames, r.Chats, `DELETE FROM push_names WHERE at < $1 AND number IN
			(SELECT number FROM push_names WHERE at < $1 ORDER BY at LIMIT $2)`},
		{&p.Identities, min(r.Chats, r.Audit), `DELETE FROM identities WHERE at < $1 AND step_up_at IS NULL AND number IN
			(SELECT number FROM identities i WHERE at < $1 AND at >= $1 - 604800000 AND step_up_at IS NULL AND NOT EXISTS
				(SELECT 1 FROM audit_names n WHERE n.number = i.number) ORDER BY at LIMIT $2)`},
		{&p.Identities, r.Audit, `DELETE FROM identities WHERE at < $1 AND number IN
			(SELECT number FROM identities WHERE at < $1 ORDER BY at LIMIT $2)`},
		{&p.Cases, r.Cases, `DELETE FROM cases WHERE id IN
			(SELECT id FROM cases WHERE state = 'closed' AND closed_at < $1 ORDER BY closed_at LIMIT $2)`},
		{&p.Apart, min(r.Guests, guestsKept), `DELETE FROM guest_apart WHERE (guest_id, user_id) IN
			(SELECT a.guest_id, a.user_id FROM guests g JOIN guest_apart a ON a.guest_id = g.id WHERE g.expires_at < $1
			AND g.expires_at >= $1 - 604800000 AND g.state = 'live' ORDER BY g.expires_at LIMIT $2)`},
		{&p.Guests, min(r.Guests, guestsKept), `DELETE FROM guests WHERE state = 'live' AND expires_at < $1 AND id IN
			(SELECT id FROM guests WHERE expires_at < $1 AND expires_at >= $1 - 604800000 AND state = 'live'
			ORDER BY expires_at LIMIT $2)`},
		{&p.Apart, r.Guests, `DELETE FROM guest_apart WHERE (guest_id, user_id) IN
			(SELECT a.guest_id, a.user_id FROM guests g JOIN guest_apart a ON a.guest_id = g.id WHERE g.expires_at < $1
			ORDER BY g.expires_at LIMIT $2)`},
		{&p.Guests, r.Guests, `DELETE FROM guests WHERE expires_at < $1 AND id IN
			(SELECT id FROM guests WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`},
		{&p.Attempts, r.Attempts, `DELETE FROM attempts WHERE expires_at < $1 AND key_hash IN
			(SELECT key_hash FROM attempts WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`},
	}
	for _, step := range steps {
		if step.keep <= 0 {
			continue
		}
		if err := s.purge(ctx, step.count, step.query, millis(now.Add(-step.keep))); err != nil {
			return p, err
		}
	}
	if err := s.purge(ctx, &p.Seals, `UPDATE links SET sealed = NULL WHERE state <> 'consuming' AND reply_id IN
		(SELECT reply_id FROM links WHERE sealed IS NOT NULL AND expires_at <= $1 AND state <> 'consuming'
		ORDER BY expires_at LIMIT $2)`, millis(now)); err != nil {
		return p, err
	}
	if err := s.purgeDesk(ctx, &p, r, now); err != nil {
		return p, err
	}
	if err := s.purge(ctx, &p.Budgets, `DELETE FROM budgets WHERE tat < $1 AND key IN
		(SELECT key FROM budgets WHERE tat < $1 ORDER BY tat LIMIT $2)`, now.UnixNano()); err != nil {
		return p, err
	}
	if err := s.purge(ctx, &p.GuestKeys, `DELETE FROM guest_keys WHERE kid IN
		(SELECT kid FROM guest_keys WHERE retire_at < $1 ORDER BY retire_at LIMIT $2)`, millis(now)); err != nil {
		return p, err
	}
	if r.Audit > 0 {
		return p, s.purgeAudit(ctx, &p, now, now.Add(-r.Audit))
	}
	return p, nil
}

// purgeDesk removes what admins did and what is over: blocks that have ended, revocations older than every link that they
// could concern, questions that nobody may answer any more.
func (s *Store) purgeDesk(ctx context.Context, p *Purged, r Retention, now time.Time) error {
	if err := s.purge(ctx, &p.Blocks, `DELETE FROM blocks WHERE number IN
		(SELECT number FROM blocks WHERE until > 0 AND until < $1 LIMIT $2) AND until > 0 AND until < $1`, millis(now)); err != nil {
		return err
	}
	if err := s.purge(ctx, &p.Erasures, `DELETE FROM erasures WHERE at < $1 AND reply_id IN
		(SELECT reply_id FROM erasures WHERE at < $1 LIMIT $2)`, millis(now.Add(-erasureKept))); err != nil {
		return err
	}
	// The yes to an erasure stays beside the erasure, which it goes on with after a stop of up to erasureKept.
	if err := s.purge(ctx, &p.Questions, `DELETE FROM questions WHERE expires_at < $1 AND asker IN
		(SELECT asker FROM questions q WHERE expires_at < $1 AND NOT EXISTS
			(SELECT 1 FROM erasures e WHERE e.reply_id = q.taken_by) ORDER BY expires_at LIMIT $2)`, millis(now.Add(-questionsKept))); err != nil {
		return err
	}
	if r.Links <= 0 {
		return nil
	}
	return s.purge(ctx, &p.Revocations, `DELETE FROM revocations WHERE refused = 0 AND at < $1 AND number IN
		(SELECT number FROM revocations WHERE refused = 0 AND at < $1 ORDER BY at LIMIT $2)`, millis(now.Add(-r.Links)))
}

// guestsKept is how long a guest who never became a user is kept after the end of the token: nobody can come back as it,
// and nothing else tells of it.
const guestsKept = 24 * time.Hour

// questionsKept is how long a question is kept after its time, for the retry of a command that was allowed.
const questionsKept = 10 * time.Minute

// purge repeats the statement in transactions of their own until it finds less than a batch.
func (s *Store) purge(ctx context.Context, count *int64, query string, before int64) error {
	for {
		var removed int64
		err := s.note(ctx, func(ctx context.Context, q querier) (err error) {
			removed, err = change(ctx, q, query, before, purgeBatch)
			return err
		})
		if err != nil {
			return fmt.Errorf("purge: %w", err)
		}
		*count += removed
		if removed < purgeBatch {
			return nil
		}
	}
}

// purgeAudit moves the horizon first: the trigger lets go only what is older. That rows were deleted is audited too.
func (s *Store) purgeAudit(ctx context.Context, p *Purged, now, keepSince time.Time) error {
	count := &p.Audit
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `UPDATE audit_horizon SET keep_since = $1 WHERE keep_since < $1`, millis(keepSince))
		return err
	})
	if err != nil {
		return fmt.Errorf("purge audit: %w", err)
	}
	if err := s.purge(ctx, count, `DELETE FROM audit WHERE id IN
		(SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)`, millis(keepSince)); err != nil || *count == 0 {
		return err
	}
	if err := s.purge(ctx, &p.AuditNames, `DELETE FROM audit_names WHERE at < $1 AND number IN (SELECT number FROM audit_names n
		WHERE at < $1 AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.number = n.alias AND a.number <> '')
		AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.actor = n.alias AND a.actor <> '') LIMIT $2)`, millis(keepSince)); err != nil {
		return err
	}
	return s.Audit(ctx, AuditRow{At: now, Event: EventPurge, Detail: map[string]any{"rows": *count}})
}
