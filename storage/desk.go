package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Ask remembers a question in place of the asker's last one. The same question asked again, as by a retry, keeps its time
// and what became of it.
func (s *Store) Ask(ctx context.Context, ask admin.Question) error {
	words, err := json.Marshal(ask.Words)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO questions (asker, hash, command, words, about, expires_at, taken_by)
			VALUES ($1, $2, $3, $4, $5, $6, '')
			ON CONFLICT (asker) DO UPDATE SET hash = excluded.hash, command = excluded.command, words = excluded.words,
				about = excluded.about, expires_at = excluded.expires_at, taken_by = '' WHERE questions.hash <> excluded.hash`,
			ask.Asker.Digits(), ask.Hash, ask.Command, string(words), ask.About.Digits(), millis(ask.Expires))
		return err
	})
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// Answer takes the asker's question for whoever holds the right code, once: for the same holder, as for a retry, again. A
// wrong code and one that comes too late drop the question.
func (s *Store) Answer(ctx context.Context, asker phone.Number, hash, holder string) (admin.Question, admin.Reply, error) {
	var ask admin.Question
	var reply admin.Reply
	err := s.write(ctx, func(ctx context.Context, q querier) (err error) {
		var taken string
		if ask, taken, err = question(ctx, q, asker); err != nil {
			return err
		}
		switch {
		case ask.Command == "" || (taken != "" && taken != holder):
			reply = admin.ReplyNone
			return nil
		case taken == holder:
			reply = admin.ReplyTaken
			return nil
		case !s.now().Before(ask.Expires):
			reply = admin.ReplyExpired
		case ask.Hash != hash:
			reply = admin.ReplyWrong
		default:
			reply = admin.ReplyTaken
			_, err = change(ctx, q, `UPDATE questions SET taken_by = $2 WHERE asker = $1`, asker.Digits(), holder)
			return err
		}
		_, err = change(ctx, q, `DELETE FROM questions WHERE asker = $1`, asker.Digits())
		return err
	})
	if err != nil {
		return admin.Question{}, "", fmt.Errorf("answer a question: %w", err)
	}
	if reply != admin.ReplyTaken {
		ask = admin.Question{}
	}
	return ask, reply, nil
}

// Begun implements [admin.Questions].
func (s *Store) Begun(ctx context.Context, asker phone.Number, holder string) (begun bool, err error) {
	_, err = one(ctx, s.engine.reader(), `SELECT EXISTS (SELECT 1 FROM questions WHERE asker = $1 AND taken_by = $2)`,
		[]any{asker.Digits(), holder}, &begun)
	if err != nil {
		return false, fmt.Errorf("look for a question: %w", classify(err))
	}
	return begun, nil
}

// question reads an admin's question; the zero Question when there is none.
func question(ctx context.Context, q querier, asker phone.Number) (ask admin.Question, taken string, err error) {
	var words, about string
	var expires int64
	found, err := one(ctx, q, `SELECT hash, command, words, about, expires_at, taken_by FROM questions WHERE asker = $1`,
		[]any{asker.Digits()}, &ask.Hash, &ask.Command, &words, &about, &expires, &taken)
	if err != nil || !found {
		return admin.Question{}, "", err
	}
	ask.Asker, ask.Expires = asker, at(expires)
	if about != "" {
		if ask.About, err = phone.FromDigits(about); err != nil {
			return ask, taken, err
		}
	}
	return ask, taken, json.Unmarshal([]byte(words), &ask.Words)
}

// Stats counts what happened since a time.
func (s *Store) Stats(ctx context.Context, since time.Time) (admin.Stats, error) {
	stats := admin.Stats{Since: since, Refused: map[string]int{}}
	err := each(ctx, s.engine.reader(), `SELECT refused, COUNT(*) FROM messages WHERE at >= $1 AND kind = 'login' GROUP BY refused`,
		[]any{millis(since)}, func(rows *sql.Rows) error {
			var reason string
			var n int
			err := rows.Scan(&reason, &n)
			stats.Requests += n
			if reason != "" {
				stats.Refused[reason] = n
			}
			return err
		})
	if err == nil {
		_, err = one(ctx, s.engine.reader(), `SELECT COALESCE(SUM(CASE WHEN event = 'link' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN event = 'sign-in' THEN 1 ELSE 0 END), 0) FROM audit WHERE at >= $1 AND event IN ('link', 'sign-in')`,
			[]any{millis(since)}, &stats.Links, &stats.SignIns)
	}
	if err != nil {
		return admin.Stats{}, fmt.Errorf("count what happened: %w", classify(err))
	}
	return stats, nil
}

// AddUserJobs adds work for a user, all in one transaction, and has what waits for the same user run now.
func (s *Store) AddUserJobs(ctx context.Context, userID string, add ...jobs.New) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		for _, n := range add {
			if _, err := addJob(ctx, q, n, userID, s.now()); err != nil {
				return err
			}
		}
		_, err := change(ctx, q, `UPDATE jobs SET run_at = $2 WHERE state = 'ready' AND user_id = $1 AND run_at > $2`,
			userID, millis(s.now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("add a user's jobs: %w", err)
	}
	s.jobsAdded()
	return nil
}

// Alerts is what is remembered about everything that is watched.
func (s *Store) Alerts(ctx context.Context) (map[string]admin.AlertState, error) {
	found := map[string]admin.AlertState{}
	err := each(ctx, s.engine.reader(), `SELECT name, bad_since, told, told_at, state, mark FROM alerts`, nil, func(rows *sql.Rows) error {
		var a admin.AlertState
		var bad, told int64
		err := rows.Scan(&a.Name, &bad, &a.Told, &told, &a.State, &a.Mark)
		a.BadSince, a.ToldAt = at(bad), at(told)
		found[a.Name] = a
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", classify(err))
	}
	return found, nil
}

// SaveAlert remembers a state together with the jobs that tell of it.
func (s *Store) SaveAlert(ctx context.Context, a admin.AlertState, tell ...jobs.New) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO alerts (name, bad_since, told, told_at, state, mark)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET bad_since = excluded.bad_since, told = excluded.told,
				told_at = excluded.told_at, state = excluded.state, mark = excluded.mark`,
			a.Name, millis(a.BadSince), a.Told, millis(a.ToldAt), a.State, a.Mark)
		for _, n := range tell {
			if err == nil {
				_, err = addJob(ctx, q, n, "", s.now())
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save alert: %w", err)
	}
	if len(tell) > 0 {
		s.jobsAdded()
	}
	return nil
}

// Deaths implements admin.AlertStore.
func (s *Store) Deaths(ctx context.Context) (admin.Deaths, error) {
	var found admin.Deaths
	var last int64
	_, err := one(ctx, s.engine.reader(), `SELECT COUNT(*), COALESCE(MAX(finished_at), 0) FROM jobs
		WHERE state = 'dead' AND kind NOT IN ($1, $2)`, []any{admin.JobTellAdmin, admin.JobTellWebhook}, &found.Jobs, &last)
	if err != nil {
		return admin.Deaths{}, fmt.Errorf("look for dead jobs: %w", classify(err))
	}
	found.Last = at(last)
	return found, nil
}

// factPhone is the name of the fact that says when the account's phone was last heard of.
const factPhone = "phone seen"

// PhoneSeen remembers when the account's phone was last heard of.
func (s *Store) PhoneSeen(ctx context.Context, when time.Time) error {
	err := s.note(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO facts (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE facts.value < excluded.value`,
			factPhone, when.UTC().Format(time.RFC3339))
		return err
	})
	if err != nil {
		return fmt.Errorf("note that the phone was seen: %w", err)
	}
	return nil
}

// LastPhoneSeen is when the account's phone was last heard of; zero: not yet.
func (s *Store) LastPhoneSeen(ctx context.Context) (time.Time, error) {
	var value string
	found, err := one(ctx, s.engine.reader(), `SELECT value FROM facts WHERE name = $1`, []any{factPhone}, &value)
	if err != nil {
		return time.Time{}, fmt.Errorf("when the phone was seen: %w", classify(err))
	}
	if !found {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, value)
}
