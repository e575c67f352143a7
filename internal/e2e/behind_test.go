package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// behind is what the bot tells of a sign-in: a FHIR server and the omnichannel system.
type behind struct {
	t    *testing.T
	fhir *fhir.Server
	omni *omnichannel.Server
}

func newBehind(t *testing.T) *behind {
	t.Helper()
	return newGuarded(t, "", "")
}

// newGuarded is newBehind with servers that ask for a bearer token and an API key.
func newGuarded(t *testing.T, bearer, apiKey string) *behind {
	t.Helper()
	s := &behind{t: t}
	var err error
	s.fhir, err = fhir.New(fhir.Options{Bearer: bearer})
	require.NoError(t, err)
	s.omni, err = omnichannel.New(omnichannel.Options{APIKey: apiKey, NoIdempotency: true}) // nobody promises that it heeds our ids
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Empty(t, s.fhir.Unknown(), "the FHIR server was asked things that it does not know")
		require.Empty(t, s.omni.Unknown(), "the omnichannel system was asked things that it does not know")
		require.NoError(t, errors.Join(s.fhir.Close(), s.omni.Close()))
	})
	return s
}

// join puts both into a configuration.
func (s *behind) join(cfg *app.Config) {
	cfg.FHIR.BaseURL, cfg.Contact.BaseURL = s.fhir.URL(), s.omni.URL()
	cfg.FHIR.WaitForPatient = 5 * time.Second // machines that test are slow
	cfg.Contact.PerMinute = 6000
}

// resource is what the tests want to know of a Patient.
type resource struct {
	ResourceType, ID string
	Active           *bool
	Identifier       []struct{ System, Value string }
	Telecom          []struct{ System, Value string }
}

// has counts the identifiers of a system with a value.
func (r resource) has(system, value string) int {
	n := 0
	for _, i := range r.Identifier {
		if i.System == "https://login.konsulin.care/"+system && i.Value == value {
			n++
		}
	}
	return n
}

// of finds the value of the identifier of a system; empty for none.
func (r resource) of(system string) string {
	for _, i := range r.Identifier {
		if i.System == "https://login.konsulin.care/"+system {
			return i.Value
		}
	}
	return ""
}

// patients are the Patients of a number or a user.
func (s *behind) patients(n phone.Number, userID string) []resource {
	s.t.Helper()
	var found []resource
	for _, raw := range s.fhir.All("Patient") {
		var r resource
		require.NoError(s.t, json.Unmarshal(raw, &r))
		if r.has("whatsapp", n.Digits())+r.has("userid", userID) > 0 {
			found = append(found, r)
		}
	}
	return found
}

// contacts are the contacts of a number.
func (s *behind) contacts(n phone.Number) (found []omnichannel.Contact) {
	for _, c := range s.omni.Contacts() {
		if c.Phone == n.E164() {
			found = append(found, c)
		}
	}
	return found
}

// converged waits for the number's one Patient, one contact, and all identifiers.
func (s *behind) converged(n phone.Number, userID string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		found := s.patients(n, userID)
		return len(found) > 0 && found[0].of("chatwoot-id") != "" && len(s.contacts(n)) > 0
	}, 90*time.Second, 20*time.Millisecond, "a Patient and a contact")
	found, contacts := s.patients(n, userID), s.contacts(n)
	require.Len(s.t, found, 1, "one Patient")
	require.Len(s.t, contacts, 1, "one contact")
	require.Equal(s.t, 1, found[0].has("userid", userID))
	require.Equal(s.t, 1, found[0].has("whatsapp", n.Digits()))
	require.Equal(s.t, fmt.Sprint(contacts[0].ID), found[0].of("chatwoot-id"))
	require.Len(s.t, found[0].Identifier, 3, "each identifier once")
}

// settled waits until nothing that follows a sign-in is left to do.
func (w *world) settled() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return w.count(`SELECT COUNT(*) FROM jobs WHERE state <> 'done' AND (kind LIKE 'fhir.%' OR kind LIKE 'contact.%')`) == 0
	}, 90*time.Second, 20*time.Millisecond, "all follow-up work is done")
}

// signedIn writes down what a sign-in leaves in the bot's database, as a process that ended right then would have.
func signedIn(t *testing.T, s *storage.Store, n phone.Number, userID, guest string) {
	t.Helper()
	id, now := newLID(), time.Now()
	require.NoError(t, s.SaveLink(t.Context(), auth.LinkRecord{ReplyID: "R" + id, CodeID: "c", PreAuthHash: "h" + id, Number: n,
		Sealed: []byte{1}, RequestedAt: now, CreatedAt: now, ExpiresAt: now.Add(time.Minute), State: auth.LinkOpen}))
	require.NoError(t, s.BeginSignIn(t.Context(), auth.Intent{ID: id, ReplyID: "R" + id, CodeID: "c", Number: n, Guest: guest,
		StartedAt: now, ExpiresAt: now.Add(time.Minute), PreAuth: "p"}))
	payload, err := json.Marshal(auth.FollowUp{Intent: id, UserID: userID, Digits: n.Digits(), Guest: guest, At: now})
	require.NoError(t, err)
	follow := []jobs.New{
		{Kind: auth.JobFHIRSync, Key: id, Serial: auth.FHIRSerial(n), Payload: payload},
		{Kind: auth.JobContactSync, Key: id, Serial: "contact:" + n.Digits(), Payload: payload},
	}
	if guest != "" {
		follow = append(follow, jobs.New{Kind: auth.JobClaimGuest, Key: id, Serial: auth.FHIRSerial(n), Payload: payload})
	}
	require.NoError(t, s.RecordSignIn(t.Context(), auth.SignIn{Intent: id, UserID: userID, Number: n, Guest: guest, At: now, Jobs: follow}))
}

func parse(t *testing.T, digits string) phone.Number {
	t.Helper()
	n, err := phone.FromDigits(digits)
	require.NoError(t, err)
	return n
}
