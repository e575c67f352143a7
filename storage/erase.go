package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

const (
	erasureBars = 10 * time.Minute // how long an erasure that nobody goes on with bars its number
	erasureKept = 24 * time.Hour   // how long what it left to others is kept for the answer
)

// BeginErasure implements the seam of admin. hidden are hidden ids that the line knows; those that login requests came
// with are added. An erasure of the same number that was begun and left takes the new key.
func (s *Store) BeginErasure(ctx context.Context, key string, n phone.Number, hidden []string) (admin.Erasure, error) {
	var e admin.Erasure
	err := s.write(ctx, func(ctx context.Context, q querier) (err error) {
		if !n.IsZero() {
			if err := s.beginErasure(ctx, q, key, n, hidden); err != nil {
				return err
			}
		}
		e, err = erasure(ctx, q, key)
		return err
	})
	if err != nil {
		return admin.Erasure{}, fmt.Errorf("begin an erasure: %w", err)
	}
	return e, nil
}

func (s *Store) beginErasure(ctx context.Context, q querier, key string, n phone.Number, hidden []string) error {
	var seen string
	found, err := one(ctx, q, `SELECT hidden FROM identities WHERE number = $1`, []any{n.Digits()}, &seen)
	if err != nil {
		return err
	}
	var before string
	if _, err := one(ctx, q, `SELECT hidden FROM erasures WHERE number = $1 AND number <> ''`, []any{n.Digits()}, &before); err != nil {
		return err
	}
	all := slices.Clone(hidden)
	if before != "" { // begun and left: what led to these ids may be gone
		var left []string
		if err := json.Unmarshal([]byte(before), &left); err != nil {
			return err
		}
		all = append(all, left...)
	}
	if found && seen != "" {
		all = append(all, seen)
	}
	slices.Sort(all)
	ids, err := json.Marshal(slices.Compact(all))
	if err != nil {
		return err
	}
	if _, err := change(ctx, q, `DELETE FROM erasures WHERE number = $1 AND reply_id <> $2`, n.Digits(), key); err != nil {
		return err
	}
	_, err = change(ctx, q, `INSERT INTO erasures (reply_id, number, hidden, remains, at) VALUES ($1, $2, $3, '', $4)
		ON CONFLICT (reply_id) DO NOTHING`, key, n.Digits(), string(ids), millis(s.now()))
	return err
}

func erasure(ctx context.Context, q querier, key string) (admin.Erasure, error) {
	e := admin.Erasure{Key: key}
	var digits, hidden, remains string
	found, err := one(ctx, q, `SELECT number, hidden, remains FROM erasures WHERE reply_id = $1`, []any{key}, &digits, &hidden, &remains)
	switch {
	case err != nil:
		return e, err
	case !found:
		return e, admin.ErrNoErasure
	case remains != "":
		e.Left = &admin.Forgotten{}
		return e, json.Unmarshal([]byte(remains), e.Left)
	}
	if e.Number, err = phone.FromDigits(digits); err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(hidden), &e.Hidden)
}

// Erase erases a number: rows about it and its hidden ids go, and the audit, which never changes, loses the name: its rows
// then call the number by an alias that nobody can resolve any more. What is left to others is written down in the same
// transaction, in the audit and for the answer. [admin.ErrBusy] while a job that names the number is running, or a
// sign-in of it is not decided.
func (s *Store) Erase(ctx context.Context, e admin.Erasure, left admin.Forgotten, by admin.Who) error {
	remains, err := json.Marshal(left)
	if err != nil {
		return fmt.Errorf("forget a number: %w", err)
	}
	var busy bool
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		var err error
		if busy, err = s.stillBusy(ctx, q, e); err != nil || busy {
			return err
		}
		detail := map[string]any{"by": by.Operator, "patient": left.Patient, "contact": left.Contact}
		if left.FHIRAway {
			detail["patient"] = "not known: the FHIR server did not answer"
		}
		if err := appendAudit(ctx, q, AuditRow{At: s.now(), Event: EventForgotten, Number: e.Number, By: by.Number, UserID: left.UserID,
			ReplyID: e.Key, Detail: detail}); err != nil {
			return err
		}
		for _, statement := range forgetting() {
			if _, err := change(ctx, q, statement, e.Number.Digits()); err != nil {
				return err
			}
		}
		for _, id := range e.Hidden {
			for _, statement := range forgettingHidden() {
				if _, err := change(ctx, q, statement, id+"@lid"); err != nil {
					return err
				}
			}
		}
		_, err = change(ctx, q, `UPDATE erasures SET number = '', hidden = '', remains = $2 WHERE reply_id = $1`, e.Key, string(remains))
		if err != nil {
			return err
		}
		// The question that allowed it stays without its words, so that the answer can be sent after a crash.
		if _, err = change(ctx, q, `UPDATE questions SET about = '', words = '[]' WHERE taken_by = $1`, e.Key); err != nil {
			return err
		}
		_, err = change(ctx, q, `DELETE FROM questions WHERE about = $1 OR asker = $1`, e.Number.Digits())
		return err
	})
	if err == nil && busy {
		err = admin.ErrBusy
	}
	if err != nil {
		return fmt.Errorf("forget a number: %w", err)
	}
	return nil
}

// forgetting is every table that names numbers; jobs, questions and erasures are other matters, see Erase.
func forgetting() []string {
	return []string{
		`DELETE FROM messages WHERE sender = $1`,
		`DELETE FROM intents WHERE number = $1`,
		`DELETE FROM links WHERE number = $1`,
		`DELETE FROM budgets WHERE key LIKE '%:' || $1`,
		`DELETE FROM chats WHERE chat = $1`,
		`DELETE FROM cases WHERE number = $1`,
		`DELETE FROM contacts WHERE number = $1`,
		`DELETE FROM push_names WHERE number = $1`,
		`DELETE FROM identities WHERE number = $1`,
		`DELETE FROM attempts WHERE number = $1`,
		`DELETE FROM blocks WHERE number = $1`,
		`DELETE FROM revocations WHERE number = $1`,
		`DELETE FROM audit_names WHERE number = $1`,
	}
}

// forgettingHidden is every table that names people whose number was not known by their hidden address.
func forgettingHidden() []string {
	return []string{
		`DELETE FROM messages WHERE sender = $1`,
		`DELETE FROM budgets WHERE key LIKE '%:' || $1`,
		`DELETE FROM chats WHERE chat = $1`,
	}
}

// stillBusy deletes the jobs that name a number, and tells whether one that is running does, or whether a sign-in is not
// decided.
func (s *Store) stillBusy(ctx context.Context, q querier, e admin.Erasure) (busy bool, err error) {
	_, err = one(ctx, q, `SELECT EXISTS (SELECT 1 FROM intents WHERE number = $1 AND closed_at IS NULL)`, []any{e.Number.Digits()}, &busy)
	if err != nil || busy {
		return busy, err
	}
	if busy, err = s.dropJobsOf(ctx, q, e.Number.Digits(), e.Number.Digits()); err != nil || busy {
		return busy, err
	}
	for _, id := range e.Hidden {
		if busy, err = s.dropJobsOf(ctx, q, id+"@lid", id); err != nil || busy {
			return busy, err
		}
	}
	return false, nil
}

// dropJobsOf deletes the jobs that name a sender or a user of WhatsApp, and tells whether one that is running does. Payloads
// are JSON, in which a number is a string of its own or begins an address; the quotes keep longer numbers out. The erasing
// command's own job does not count: it carries a code, and stands in its admin's queue.
func (s *Store) dropJobsOf(ctx context.Context, q querier, sender, user string) (busy bool, err error) {
	names := fmt.Sprintf("(COALESCE(serial, '') LIKE '%%:' || $1 OR %s OR %s)", s.engine.contains("payload", "$2"), s.engine.contains("payload", "$3"))
	args := []any{sender, `"` + user + `"`, `"` + user + `@`}
	var running int64
	_, err = one(ctx, q, `SELECT COUNT(*) FROM jobs WHERE state = 'running' AND kind <> '`+bot.JobCommand+`' AND `+names, args, &running)
	if err != nil {
		return false, err
	}
	_, err = change(ctx, q, `DELETE FROM jobs WHERE state <> 'running' AND `+names, args...)
	return running > 0, err
}
