package storage

import (
	"context"
	"fmt"
)

// The states of a user's Patient, as pages tell them.
const (
	patientPending = "pending"
	patientLinked  = "linked"
	patientReview  = "review"
)

// PatientState tells how far the user's Patient is, by nothing but the fhir.sync jobs that the user's sign-ins asked
// for: "pending" while one is unfinished, or when no sign-in of the user is known; "review" when one was laid aside
// for a person to look at; else "linked".
func (s *Store) PatientState(ctx context.Context, userID string) (string, error) {
	var waiting, dead, signedIn bool
	// The concatenation keeps PostgreSQL from reading the whole index of sign-ins while it has no statistics yet.
	_, err := one(ctx, s.engine.reader(), `SELECT
		EXISTS (SELECT 1 FROM jobs WHERE user_id = $1 AND kind = 'fhir.sync' AND state IN ('ready', 'running')),
		EXISTS (SELECT 1 FROM jobs WHERE user_id = $1 AND kind = 'fhir.sync' AND state = 'dead'),
		EXISTS (SELECT 1 FROM audit WHERE user_id = $1 AND user_id <> '' AND event || '' = 'sign-in')`,
		[]any{userID}, &waiting, &dead, &signedIn)
	switch {
	case err != nil:
		return "", fmt.Errorf("patient state: %w", classify(err))
	case dead && !waiting:
		return patientReview, nil
	case waiting || !signedIn:
		return patientPending, nil
	default:
		return patientLinked, nil
	}
}
