package auth

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// The kinds of job that follow a sign-in. Each carries a [FollowUp].
const (
	JobFHIRSync    = "fhir.sync"        // make sure of the user's Patient
	JobContactSync = "contact.sync"     // make sure of the contact in the omnichannel system
	JobClaimGuest  = "fhir.claim_guest" // give the guest's records to the user; only when there is a guest
)

// FollowUp is the payload of the jobs that follow a sign-in. It names a number: storage purges it with the job.
type FollowUp struct {
	Intent  string    `json:"intent"` // of the sign-in
	UserID  string    `json:"user_id"`
	Digits  string    `json:"digits"` // of the number, country code first, no plus
	NewUser bool      `json:"new_user"`
	Guest   string    `json:"guest,omitempty"`
	At      time.Time `json:"at"` // of the sign-in
}

// Number is the number that was confirmed.
func (f FollowUp) Number() (phone.Number, error) { return phone.FromDigits(f.Digits) }

// Format keeps every verb of fmt from printing the number.
func (f FollowUp) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "follow-up of "+f.Intent) }

// FHIRSerial is the serial of all work on a number's resources: one at a time, in order, by whichever process.
func FHIRSerial(n phone.Number) string { return "fhir:" + n.Digits() }

// followUps are the jobs of a sign-in: one of each kind per intent, those for one number one after the other. forGuest
// are those that are only there when its guest becomes the user.
func (s *Service) followUps(in SignIn) (always, forGuest []jobs.New, err error) {
	digits := in.Number.Digits()
	payload, err := json.Marshal(FollowUp{
		Intent: in.Intent, UserID: in.UserID, Digits: digits, NewUser: in.NewUser, Guest: in.Guest, At: in.At,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("follow-up jobs: %w", err)
	}
	var at time.Time // at once
	if s.cfg.Grace > 0 {
		at = in.At.Add(s.cfg.Grace)
	}
	always = []jobs.New{{Kind: JobFHIRSync, Key: in.Intent, Serial: FHIRSerial(in.Number), Payload: payload, Request: in.Request, RunAt: at}}
	if !s.cfg.NoContact {
		always = append(always, jobs.New{Kind: JobContactSync, Key: in.Intent, Serial: "contact:" + digits, Payload: payload, Request: in.Request, RunAt: at})
	}
	if in.Guest != "" && !s.cfg.NoClaim {
		forGuest = append(forGuest, jobs.New{Kind: JobClaimGuest, Key: in.Intent, Serial: FHIRSerial(in.Number), Payload: payload, Request: in.Request, RunAt: at})
	}
	return always, forGuest, nil
}

// FollowUpAgain are the jobs of a sign-in once more, for a user whom somebody wants looked after: not waiting for other
// programs, and without a guest. key tells one wish from another.
func (s *Service) FollowUpAgain(userID string, n phone.Number, key string) ([]jobs.New, error) {
	again, _, err := s.followUps(SignIn{Intent: "again/" + key, UserID: userID, Number: n, At: s.now()})
	for i := range again {
		again[i].RunAt = time.Time{}
	}
	return again, err
}
