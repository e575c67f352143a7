package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

var _ fhir.Cases = (*Store)(nil)

// CaseState is where a case stands.
type CaseState string

// The states of a case.
const (
	CaseOpen      CaseState = "open"      // a person has to decide
	CaseApproved  CaseState = "approved"  // the user may be added to the chosen resource
	CaseSeparated CaseState = "separated" // the user gets a resource of their own
	CaseClosed    CaseState = "closed"    // settled
)

// CaseInfo is a case as a person who decides sees it.
type CaseInfo struct {
	ID int64
	fhir.Case
	State     CaseState
	Chosen    string // the reference that was approved
	OpenedAt  time.Time
	DecidedAt time.Time // zero: nobody has decided
	DecidedBy string
}

// OpenCase implements [fhir.Cases]. A decision about the very same candidates stands: whoever opens the case has not read
// it yet and is told to come back. When the candidates are others, a person is asked again under the same id.
func (s *Store) OpenCase(ctx context.Context, c fhir.Case) (id int64, err error) {
	candidates, err := json.Marshal(c.Candidates)
	if err != nil {
		return 0, fmt.Errorf("open case: %w", err)
	}
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		now := s.now()
		found, err := one(ctx, q, `INSERT INTO cases
			(user_id, resource, number, why, candidates, state, chosen, opened_at, decided_by)
			VALUES ($1, $2, $3, $4, $5, 'open', '', $6, '')
			ON CONFLICT (user_id, resource) WHERE state <> 'closed' DO UPDATE SET number = excluded.number,
				why = excluded.why, candidates = excluded.candidates, state = 'open', chosen = '',
				opened_at = excluded.opened_at, decided_at = NULL, decided_by = ''
				WHERE cases.state = 'open' OR cases.candidates <> excluded.candidates
			RETURNING id`,
			[]any{c.UserID, c.Resource, c.Number.Digits(), string(c.Why), string(candidates), millis(now)}, &id)
		if err != nil {
			return err
		}
		if !found {
			return &decidedError{}
		}
		return appendAudit(ctx, q, AuditRow{At: now, Event: EventCase, Number: c.Number, UserID: c.UserID,
			Detail: map[string]any{"case": id, "resource": c.Resource, "why": string(c.Why), "candidates": c.Candidates}})
	})
	if err != nil {
		return 0, fmt.Errorf("open case: %w", err)
	}
	return id, nil
}

// decidedError says that a person has decided meanwhile: the work is to begin anew, at once and uncounted.
type decidedError struct{}

func (*decidedError) Error() string                     { return "the case has just been decided" }
func (*decidedError) RetryAfter() (time.Duration, bool) { return 0, true }

// Decision implements [fhir.Cases].
func (s *Store) Decision(ctx context.Context, userID, resource string) (fhir.Decision, error) {
	var d fhir.Decision
	var state, candidates string
	found, err := one(ctx, s.engine.reader(), `SELECT state, chosen, candidates FROM cases
		WHERE user_id = $1 AND resource = $2 AND state <> 'closed'`, []any{userID, resource}, &state, &d.Ref, &candidates)
	if err == nil && found {
		err = json.Unmarshal([]byte(candidates), &d.Candidates)
	}
	if err != nil {
		return fhir.Decision{}, fmt.Errorf("decision of a case: %w", classify(err))
	}
	switch CaseState(state) {
	case CaseApproved:
		d.Verdict = fhir.Approve
	case CaseSeparated:
		d.Verdict = fhir.Separate
	default:
		return fhir.Decision{Open: found}, nil
	}
	return d, nil
}

// CloseCase implements [fhir.Cases].
func (s *Store) CloseCase(ctx context.Context, userID, resource string) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := change(ctx, q, `UPDATE cases SET state = 'closed', closed_at = $3
			WHERE user_id = $1 AND resource = $2 AND state <> 'closed'`, userID, resource, millis(s.now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("close case: %w", err)
	}
	return nil
}

// ListCases shows cases of the given states, the youngest first, up to 500; those that are not closed when no state is
// given.
func (s *Store) ListCases(ctx context.Context, states ...CaseState) ([]CaseInfo, error) {
	if len(states) == 0 {
		states = []CaseState{CaseOpen, CaseApproved, CaseSeparated}
	}
	var found []CaseInfo
	for _, state := range states {
		err := each(ctx, s.engine.reader(), fmt.Sprintf(`SELECT id, user_id, resource, number, why, candidates, state, chosen,
			opened_at, decided_at, decided_by FROM cases WHERE state = $1 ORDER BY id DESC LIMIT %d`, maxListed),
			[]any{string(state)}, func(rows *sql.Rows) error {
				c, err := scanCase(rows)
				found = append(found, c)
				return err
			})
		if err != nil {
			return nil, fmt.Errorf("list cases: %w", classify(err))
		}
	}
	return found, nil
}

func scanCase(rows *sql.Rows) (CaseInfo, error) {
	var c CaseInfo
	var digits, why, candidates, state string
	var opened int64
	var decided sql.NullInt64
	err := rows.Scan(&c.ID, &c.UserID, &c.Resource, &digits, &why, &candidates, &state, &c.Chosen, &opened, &decided, &c.DecidedBy)
	if err != nil {
		return c, err
	}
	c.Why, c.State, c.OpenedAt, c.DecidedAt = fhir.Why(why), CaseState(state), at(opened), at(decided.Int64)
	if c.Number, err = phone.FromDigits(digits); err != nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(candidates), &c.Candidates)
}

// Decide writes down what a person decided about an open case, audits it, and has the user's work go on: all in one
// transaction. by names the person for the audit. [ErrNoOpenCase] when there is nothing to decide,
// [ErrNotACandidate] when an approval names none of the case's resources; with one candidate it need not name it.
func (s *Store) Decide(ctx context.Context, id int64, verdict fhir.Verdict, ref, by string) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error { return s.decide(ctx, q, id, verdict, ref, by) })
	if err != nil {
		return fmt.Errorf("decide case: %w", err)
	}
	s.jobsAdded()
	return nil
}

func (s *Store) decide(ctx context.Context, q querier, id int64, verdict fhir.Verdict, ref, by string) error {
	var user, digits, candidates string
	found, err := one(ctx, q, `SELECT user_id, number, candidates FROM cases WHERE id = $1 AND state = 'open'`, []any{id},
		&user, &digits, &candidates)
	if err != nil {
		return err
	}
	if !found {
		return ErrNoOpenCase
	}
	state, ref, err := ruling(verdict, ref, candidates)
	if err != nil {
		return err
	}
	now := s.now()
	decided, err := change(ctx, q, `UPDATE cases SET state = $2, chosen = $3, decided_at = $4, decided_by = $5
		WHERE id = $1 AND state = 'open'`, id, string(state), ref, millis(now), sentence(by))
	if err != nil {
		return err
	}
	if decided == 0 {
		return ErrNoOpenCase
	}
	number, err := phone.FromDigits(digits)
	if err != nil {
		return err
	}
	if err := appendAudit(ctx, q, AuditRow{At: now, Event: EventDecided, Number: number, UserID: user,
		Detail: map[string]any{"case": id, "verdict": string(verdict), "reference": ref, "by": by}}); err != nil {
		return err
	}
	return s.reviveUser(ctx, q, user, number, id, now)
}

// ruling is the state that a verdict leads to, and the resource that it names.
func ruling(verdict fhir.Verdict, ref, candidates string) (CaseState, string, error) {
	switch verdict {
	case fhir.Separate:
		return CaseSeparated, "", nil
	case fhir.Approve:
	default:
		return "", "", fmt.Errorf("unknown verdict %q: use %q or %q", verdict, fhir.Approve, fhir.Separate)
	}
	var known []string
	if err := json.Unmarshal([]byte(candidates), &known); err != nil {
		return "", "", err
	}
	if ref == "" && len(known) == 1 {
		ref = known[0]
	}
	for _, k := range known {
		if k == ref {
			return CaseApproved, ref, nil
		}
	}
	return "", "", ErrNotACandidate
}

// reviveUser has the user's work that was laid aside, or waits for it, run at once. When there is none any more that would
// link the user, there is new work.
func (s *Store) reviveUser(ctx context.Context, q querier, user string, n phone.Number, caseID int64, now time.Time) error {
	for _, revive := range []string{
		`UPDATE jobs SET state = 'ready', attempts = 0, run_at = $2, finished_at = NULL
			WHERE state = 'dead' AND user_id = $1 AND kind LIKE 'fhir.%'`,
		`UPDATE jobs SET run_at = $2 WHERE state = 'ready' AND user_id = $1 AND run_at > $2`,
	} {
		if _, err := change(ctx, q, revive, user, millis(now)); err != nil {
			return err
		}
	}
	var there int64
	found, err := one(ctx, q, `SELECT 1 FROM jobs WHERE user_id = $1 AND kind = $2 AND state IN ('ready', 'running') LIMIT 1`,
		[]any{user, auth.JobFHIRSync}, &there)
	if err != nil || found {
		return err
	}
	key := fmt.Sprintf("case/%d/%d", caseID, millis(now))
	payload, err := json.Marshal(auth.FollowUp{Intent: key, UserID: user, Digits: n.Digits(), At: now})
	if err != nil {
		return err
	}
	_, err = addJob(ctx, q, jobs.New{Kind: auth.JobFHIRSync, Key: key, Serial: auth.FHIRSerial(n), Payload: payload}, user, now)
	return err
}
