package storage

import (
	"context"
	"fmt"
)

// The states of a user's Patient, as pages tell them.
const (
	PatientPending = "pending"
	PatientLinked  = "linked"
	PatientReview  = "review"
)

// PatientState tells how far the user's Patient is. "review": a person has to decide about it (see [Store.OpenCase]), or the
// fhir.sync job of the user's newest sign-in was laid aside. "pending": that job is unfinished, a decision is being carried
// out, or no sign-in of the user is known. Else, and when the job is long gone, "linked". The job's key is the sign-in's
// intent, see auth.JobFHIRSync. That sign-in outlives the job, so an older job that was laid aside does not come to the
// fore again.
func (s *Store) PatientState(ctx context.Context, userID string) (string, error) {
	var signedIn bool
	var state, question string
	// The concatenation keeps PostgreSQL from reading the whole index of sign-ins while it has no statistics yet.
	_, err := one(ctx, s.engine.reader(), `WITH newest AS (SELECT intent_id FROM audit
			WHERE user_id = $1 AND user_id <> '' AND event || '' = 'sign-in' ORDER BY id DESC LIMIT 1)
		SELECT EXISTS (SELECT 1 FROM newest),
			COALESCE((SELECT state FROM jobs WHERE kind = 'fhir.sync' AND key = (SELECT intent_id FROM newest)), ''),
			COALESCE((SELECT state FROM cases WHERE user_id = $1 AND state <> 'closed'
				ORDER BY CASE state WHEN 'open' THEN 0 ELSE 1 END LIMIT 1), '')`,
		[]any{userID}, &signedIn, &state, &question)
	switch {
	case err != nil:
		return "", fmt.Errorf("patient state: %w", classify(err))
	case question == string(CaseOpen), state == string(JobDead):
		return PatientReview, nil
	case !signedIn, question != "", state == string(JobReady), state == string(JobRunning):
		return PatientPending, nil
	default:
		return PatientLinked, nil
	}
}
