package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/requestid"
)

var (
	_ contact.Records = (*Store)(nil)
	_ contact.Names   = (*Store)(nil)
	_ fhir.Audit      = (*Store)(nil)
)

// JobChatwootID writes the contact's id to the user's Patient. Its payload is a [ChatwootID].
const JobChatwootID = "fhir.chatwoot_id"

// ChatwootID is the payload of [JobChatwootID]. It names a number.
type ChatwootID struct {
	UserID string `json:"user_id"`
	Digits string `json:"digits"`
	ID     string `json:"id"`
}

// Contact implements [contact.Records].
func (s *Store) Contact(ctx context.Context, userID string) (contact.Record, bool, error) {
	r := contact.Record{UserID: userID}
	var digits string
	var ms int64
	found, err := one(ctx, s.engine.reader(), `SELECT number, chatwoot_id, at FROM contacts WHERE user_id = $1`, []any{userID},
		&digits, &r.ChatwootID, &ms)
	if err == nil && found {
		r.At = at(ms)
		r.Number, err = phone.FromDigits(digits)
	}
	if err != nil {
		return contact.Record{}, false, fmt.Errorf("look up contact: %w", classify(err))
	}
	return r, found, nil
}

// SaveContact implements [contact.Records]. An id that is known is not forgotten by a record without one. The job is
// one for each user and id: saving the same again adds nothing while the last one is kept.
func (s *Store) SaveContact(ctx context.Context, r contact.Record) error {
	var fresh bool
	from := requestid.Of(ctx)
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		fresh = false
		_, err := change(ctx, q, `INSERT INTO contacts (user_id, number, chatwoot_id, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (user_id) DO UPDATE SET number = excluded.number, chatwoot_id = excluded.chatwoot_id
			WHERE excluded.chatwoot_id <> ''`, r.UserID, r.Number.Digits(), r.ChatwootID, millis(r.At))
		if err != nil || r.ChatwootID == "" {
			return err
		}
		fresh, err = s.addChatwootID(ctx, q, r, from)
		return err
	})
	if err != nil {
		return fmt.Errorf("save contact: %w", err)
	}
	if fresh {
		s.jobsAdded()
	}
	return nil
}

// addChatwootID adds the job that writes the id to the Patient, or has a finished one run again: the Patient is asked
// before the id is written, and may have lost it.
func (s *Store) addChatwootID(ctx context.Context, q querier, r contact.Record, from string) (fresh bool, err error) {
	payload, err := json.Marshal(ChatwootID{UserID: r.UserID, Digits: r.Number.Digits(), ID: r.ChatwootID})
	if err != nil {
		return false, err
	}
	key := r.UserID + "/" + r.ChatwootID
	if _, err := change(ctx, q, `DELETE FROM jobs WHERE kind = $1 AND key = $2 AND state IN ('done', 'dead')`,
		JobChatwootID, name(key)); err != nil {
		return false, err
	}
	return addJob(ctx, q, jobs.New{Kind: JobChatwootID, Key: key, Serial: auth.FHIRSerial(r.Number), Payload: payload, Request: from},
		r.UserID, s.now())
}

// ClaimBegins implements [fhir.Audit].
func (s *Store) ClaimBegins(ctx context.Context, c fhir.ClaimRecord) error {
	return s.auditClaim(ctx, EventClaiming, c)
}

// GuestClaimed implements [fhir.Audit].
func (s *Store) GuestClaimed(ctx context.Context, c fhir.ClaimRecord) error {
	return s.auditClaim(ctx, EventClaimed, c)
}

func (s *Store) auditClaim(ctx context.Context, event string, c fhir.ClaimRecord) error {
	return s.Audit(ctx, AuditRow{At: c.At, Event: event, Number: c.Number, UserID: c.UserID,
		Detail: map[string]any{"guest": c.Guest, "owner": c.Owner, "references": c.References}})
}
