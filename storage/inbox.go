package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var (
	_ bot.Inbox = (*Store)(nil)
	_ bot.Chats = (*Store)(nil)
)

// Accept implements [bot.Inbox].
func (s *Store) Accept(ctx context.Context, a bot.Accepted) (fresh bool, err error) {
	return s.accept(ctx, a, func(context.Context, querier) error { return nil })
}

// accept commits after allowed has agreed, in the same transaction.
func (s *Store) accept(ctx context.Context, a bot.Accepted, allowed func(context.Context, querier) error) (fresh bool, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		fresh = false
		if err := allowed(ctx, q); err != nil {
			return err
		}
		added, err := change(ctx, q, `INSERT INTO messages (sender, id, at, kind, refused)
			VALUES ($1, $2, $3, $4, '') ON CONFLICT (sender, id) DO NOTHING`,
			name(a.Sender), name(a.ID), millis(a.At), a.Kind)
		if err != nil || added == 0 {
			return err
		}
		fresh = true
		if err := notePushName(ctx, q, a, s.now()); err != nil {
			return err
		}
		if err := noteIdentity(ctx, q, a, s.now()); err != nil {
			return err
		}
		_, err = addJob(ctx, q, a.Job, "", s.now())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("accept message: %w", err)
	}
	if fresh {
		s.jobsAdded()
	}
	return fresh, nil
}

// notePushName remembers what the sender of a message calls themselves, for the contact that a sign-in may make. A name
// that is known is not written again within a day.
func notePushName(ctx context.Context, q querier, a bot.Accepted, now time.Time) error {
	if a.Name == "" {
		return nil
	}
	_, err := change(ctx, q, `INSERT INTO push_names (number, name, at) VALUES ($1, $2, $3)
		ON CONFLICT (number) DO UPDATE SET name = excluded.name, at = excluded.at
		WHERE push_names.name <> excluded.name OR push_names.at < excluded.at - 86400000`,
		name(a.Sender), sentence(a.Name), millis(now))
	return err
}

// PushName is what the number's owner calls themselves in WhatsApp; empty: not known, or long ago.
func (s *Store) PushName(ctx context.Context, n phone.Number) (string, error) {
	var found string
	_, err := one(ctx, s.engine.reader(), `SELECT name FROM push_names WHERE number = $1`, []any{n.Digits()}, &found)
	if err != nil {
		return "", fmt.Errorf("push name: %w", classify(err))
	}
	return found, nil
}

// Refused implements [bot.Inbox]. The first reason stays; a message that was purged meanwhile is no error.
func (s *Store) Refused(ctx context.Context, sender, id, reason string) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `UPDATE messages SET refused = $3 WHERE sender = $1 AND id = $2 AND refused = ''`,
			name(sender), name(id), sentence(reason))
		return err
	})
	if err != nil {
		return fmt.Errorf("note a refusal: %w", err)
	}
	return nil
}

// Postpone implements [bot.Inbox].
func (s *Store) Postpone(ctx context.Context, j jobs.New) error { return s.postpone(ctx, j, anybody) }

func (s *Store) postpone(ctx context.Context, j jobs.New, allowed func(context.Context, querier) error) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		if err := allowed(ctx, q); err != nil {
			return err
		}
		_, err := addJob(ctx, q, j, "", s.now())
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone an answer: %w", err)
	}
	s.jobsAdded()
	return nil
}

// HumanWrote implements [bot.Chats]. An older time than the one known changes nothing.
func (s *Store) HumanWrote(ctx context.Context, chat string, when time.Time) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `INSERT INTO chats (chat, human_at) VALUES ($1, $2)
			ON CONFLICT (chat) DO UPDATE SET human_at = excluded.human_at WHERE excluded.human_at > chats.human_at`,
			name(chat), millis(when))
		return err
	})
	if err != nil {
		return fmt.Errorf("note that a human wrote: %w", err)
	}
	return nil
}

// LastHuman implements [bot.Chats].
func (s *Store) LastHuman(ctx context.Context, chat string) (time.Time, error) {
	var ms int64
	_, err := one(ctx, s.engine.reader(), `SELECT human_at FROM chats WHERE chat = $1`, []any{name(chat)}, &ms)
	if err != nil {
		return time.Time{}, fmt.Errorf("last human: %w", classify(err))
	}
	return at(ms), nil
}

// LastLogin implements [bot.Chats]. A login request counts as answered once its link was made. Links are kept for some
// days only; who had one before that is known from the audit, which then says when the number was last heard of.
func (s *Store) LastLogin(ctx context.Context, n phone.Number, replyID string) (time.Time, error) {
	var ms int64
	_, err := one(ctx, s.engine.reader(), `SELECT COALESCE(
		(SELECT requested_at FROM links WHERE number = $1 AND reply_id <> $2 ORDER BY requested_at DESC LIMIT 1),
		(SELECT at FROM audit WHERE number = (SELECT alias FROM audit_names WHERE number = $1) AND number <> '' AND reply_id <> $2
			AND event IN ('link', 'sign-in') ORDER BY id DESC LIMIT 1), 0)`, []any{n.Digits(), replyID}, &ms)
	if err != nil {
		return time.Time{}, fmt.Errorf("last login: %w", classify(err))
	}
	return at(ms), nil
}
