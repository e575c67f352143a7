package fhir_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/fhir"
)

const guest = "0d3f6a52-8f5e-4f0e-9d4e-2f6b1a7c9e10"

// guestRecord is a QuestionnaireResponse of the guest.
func guestRecord(members ...string) string {
	return resource("QuestionnaireResponse", append([]string{
		fmt.Sprintf(`"identifier":{"system":%q,"value":%q}`, systemGuest, guest), `"status":"completed"`}, members...)...)
}

// answers puts n records of the guest and returns their references, sorted.
func (w *world) answers(n int) []string {
	w.t.Helper()
	refs := []string{}
	for i := range n {
		refs = append(refs, w.put(guestRecord(fmt.Sprintf(`"item":[{"linkId":"%d","answer":[{"valueDecimal":1.50}]}]`, i))))
	}
	slices.Sort(refs)
	return refs
}

// owned checks that records are an owner's, and changed in no other way.
func (w *world) owned(owner string, refs ...string) {
	w.t.Helper()
	for _, ref := range refs {
		raw, ok := w.core.Get(ref)
		require.True(w.t, ok)
		for _, member := range []string{"subject", "author"} {
			require.Equal(w.t, 1, strings.Count(string(raw), fmt.Sprintf(`,"%s":{"reference":%q}`, member, owner)), string(raw))
		}
		require.NotContains(w.t, string(raw), "identifier")
		require.Contains(w.t, string(raw), `"status":"completed"`)
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func TestClaimPages(t *testing.T) {
	t.Parallel()
	for _, lag := range []time.Duration{0, 400 * time.Millisecond} {
		t.Run(fmt.Sprint("index lag ", lag), func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			u := w.user()
			owner := w.sync(u).Refs[0]
			refs := w.answers(250)
			other := w.put(resource("QuestionnaireResponse", `"identifier":{"system":"`+systemGuest+`","value":"another-guest"}`))
			time.Sleep(lag) // until searches see the records
			w.core.IndexLag(lag)
			c, err := w.s.ClaimGuest(t.Context(), u, guest)
			require.NoError(t, err)
			require.Equal(t, 250, c.Count)
			require.Equal(t, refs, sorted(c.References))
			w.owned(owner, refs...)
			require.Contains(t, string(must(w.core.Get(other))), "another-guest")

			require.Equal(t, refs, w.audit.references(), "provenance, each once")
			require.Len(t, w.audit.records, 5, "of each transaction")
			for _, r := range w.audit.records {
				require.Equal(t, u.ID, r.UserID)
				require.Equal(t, u.Number, r.Number)
				require.Equal(t, guest, r.Guest)
				require.Equal(t, owner, r.Owner)
				require.False(t, r.At.IsZero())
			}
			require.Equal(t, 5, w.core.Calls("transaction"))
		})
	}
}

func must(raw []byte, ok bool) []byte {
	if !ok {
		panic("there is no such resource")
	}
	return raw
}

func TestClaimTwice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.sync(u)
	refs := w.answers(3)
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, 3, c.Count)
	for range 2 {
		c, err = w.s.ClaimGuest(t.Context(), u, guest)
		require.NoError(t, err)
		require.Zero(t, c)
	}
	require.Equal(t, 1, w.core.Calls("transaction"))
	require.Equal(t, refs, w.audit.references())
	for _, ref := range refs {
		require.Equal(t, "2", w.version(ref))
	}
}

// version is the version of a record.
func (w *world) version(ref string) string {
	_, after, _ := strings.Cut(string(must(w.core.Get(ref))), `"versionId":"`)
	found, _, _ := strings.Cut(after, `"`)
	return found
}

// A search that shows the records as they were before they were claimed leads to no second claim.
func TestClaimTwiceOverAnIndexThatLags(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.sync(u)
	refs := w.answers(60)
	time.Sleep(600 * time.Millisecond)
	w.core.IndexLag(500 * time.Millisecond)
	for _, want := range []int{60, 0} {
		c, err := w.s.ClaimGuest(t.Context(), u, guest)
		require.NoError(t, err)
		require.Equal(t, want, c.Count)
	}
	for _, ref := range refs {
		require.Equal(t, "2", w.version(ref))
	}
	require.Equal(t, refs, w.audit.references())
}

func TestOnlyWhatIsNobodyElsesIsClaimed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.roles.of[u.ID] = []string{"Practitioner", "Patient"}
	l := w.sync(u)
	require.Equal(t, []string{"Patient/1", "Practitioner/1"}, l.Refs)
	guestly := fmt.Sprintf(`{"identifier":{"system":%q,"value":%q},"display":"Guest"}`, systemGuest, guest)
	free := []string{
		w.put(guestRecord()),
		w.put(guestRecord(`"subject":` + guestly)),
		w.put(guestRecord(`"author":{"display":"somebody"}`, `"subject":{"reference":"Practitioner/1"}`)),
		w.put(guestRecord(`"subject":{"reference":"` + w.core.URL() + `/Patient/1/_history/1"}`)),
		w.put(guestRecord(`"author":{"identifier":{"system":"` + systemUserID + `","value":"` + u.ID + `"}}`)),
	}
	taken := []string{
		w.put(guestRecord(`"subject":{"reference":"Patient/2"}`)),
		w.put(guestRecord(`"author":{"reference":"Patient/2"}`)),
		w.put(guestRecord(`"subject":{"reference":"Patient/1"}`, `"author":{"reference":"Practitioner/9"}`)),
		w.put(guestRecord(`"subject":{"reference":"https://other.example/Patient/1"}`)),
		w.put(guestRecord(`"subject":{"identifier":{"system":"` + systemUserID + `","value":"another"}}`)),
		w.put(guestRecord(`"subject":{"reference":"#p"}`, `"contained":[{"resourceType":"Patient","id":"p"}]`)),
	}
	before := map[string][]byte{}
	for _, ref := range taken {
		before[ref] = must(w.core.Get(ref))
	}
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, sorted(free), sorted(c.References))
	w.owned("Patient/1", free...)
	for _, ref := range taken {
		require.Equal(t, before[ref], must(w.core.Get(ref)), "left alone")
	}
	c, err = w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Zero(t, c.Count, "what is skipped does not keep the search from ending")
}

func TestFreeRecordsBehindPagesOfForeignOnesAreFound(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	owner := w.sync(u).Refs[0]
	for range 120 {
		w.put(guestRecord(`"subject":{"reference":"Patient/99"}`))
	}
	refs := w.answers(70)
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, refs, sorted(c.References))
	w.owned(owner, refs...)
}

func TestAClaimSurvivesAnotherWriter(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	owner := w.sync(u).Refs[0]
	w.answers(3)
	w.core.Before("transaction", func() {
		w.core.Before("transaction", nil)
		_, _ = w.core.Put([]byte(strings.Replace(guestRecord(`"language":"id"`), "{", `{"id":"1",`, 1)))
		_, _ = w.core.Put([]byte(strings.Replace(guestRecord(`"subject":{"reference":"Patient/99"}`), "{", `{"id":"2",`, 1)))
		w.core.Delete("QuestionnaireResponse/3")
	})
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, fhir.Claimed{Count: 1, References: []string{"QuestionnaireResponse/1"}}, c)
	w.owned(owner, "QuestionnaireResponse/1")
	require.Contains(t, string(must(w.core.Get("QuestionnaireResponse/1"))), `"language":"id"`)
	require.Contains(t, string(must(w.core.Get("QuestionnaireResponse/2"))), "Patient/99")
}

func TestAClaimWhoseAnswerIsLostKeepsItsProvenance(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	owner := w.sync(u).Refs[0]
	refs := w.answers(120)
	w.core.LoseResponse(2, "transaction")
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, refs, sorted(c.References))
	require.Equal(t, refs, w.audit.references())
	w.owned(owner, refs...)
}

func TestAClaimWhoseAnswerIsLostLeavesOutWhatAnotherHasTaken(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.sync(u)
	refs := w.answers(2)
	w.core.LoseResponse(1, "transaction")
	w.core.After("transaction", func() {
		w.core.After("transaction", nil)
		w.put(`{"resourceType":"QuestionnaireResponse","id":"2","status":"completed",` +
			`"subject":{"reference":"Patient/99"},"author":{"reference":"Patient/99"}}`)
	})
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, refs[:1], c.References)
	require.Equal(t, refs[:1], w.audit.references())
}

func TestAClaimThatFailsGoesOnNextTime(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *fhir.Config) { c.Cooldown = 10 * time.Millisecond })
	u := w.user()
	owner := w.sync(u).Refs[0]
	refs := w.answers(230)
	w.core.Chaos(0.2, 3, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable)
	all, ended := []string{}, false
	for range 300 {
		c, err := w.s.ClaimGuest(t.Context(), u, guest)
		require.Len(t, c.References, c.Count)
		all = append(all, c.References...)
		require.False(t, permanent(err), "%v", err)
		if ended = err == nil; ended {
			break
		}
	}
	require.True(t, ended)
	w.core.Chaos(0, 0)
	require.Equal(t, refs, sorted(all), "each once")
	require.Equal(t, refs, w.audit.references())
	w.owned(owner, refs...)
}

func TestProvenanceThatCannotBeKeptIsAnError(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.sync(u)
	refs := w.answers(1)
	w.audit.fail = 2
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err, "it is tried again")
	require.Equal(t, refs, c.References)
	w.audit.fail = 1000
	refs = append(refs, w.answers(1)...)
	c, err = w.s.ClaimGuest(t.Context(), u, guest)
	require.ErrorContains(t, err, "the disk is full")
	require.Equal(t, refs[1:], c.References, "and what is done is said")
}

func TestNothingIsClaimedThatLeavesNoTrace(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.sync(u)
	refs := w.answers(3)
	w.audit.refuse = errors.New("the disk is full")
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.ErrorContains(t, err, "the disk is full")
	require.Zero(t, c.Count)
	require.Zero(t, w.core.Calls("transaction"), "nothing was given away")
	w.audit.refuse = nil
	_, err = w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Subset(t, w.audit.begun, refs, "a crash after the transaction would have left the trace")
}

// TestAPersonIsNoAuthor: R4 knows a Person as the subject of a record, and not as its author.
func TestAPersonIsNoAuthor(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	w.roles.of[u.ID] = []string{"Researcher"}
	owner := w.sync(u).Refs[0]
	refs := w.answers(1)
	c, err := w.s.ClaimGuest(t.Context(), u, guest)
	require.NoError(t, err)
	require.Equal(t, refs, c.References)
	raw, found := w.core.Get(refs[0])
	require.True(t, found)
	require.Contains(t, string(raw), `"subject":{"reference":"`+owner+`"}`)
	require.NotContains(t, string(raw), "author")
}

func TestNobodyClaimsWithoutAResource(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.answers(1)
	_, err := w.s.ClaimGuest(t.Context(), w.user(), guest)
	require.ErrorIs(t, err, fhir.ErrNoPatient)
	wait, later := retryAfter(err)
	require.True(t, later)
	require.Greater(t, wait, time.Second)
	require.False(t, permanent(err))
	require.Zero(t, w.core.Calls("transaction"))
}

func TestInventedGuestIDsAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	u := w.user()
	for _, id := range []string{"", "short", "a|b-12345678", "12345678,12345678", "../../../../etc", strings.Repeat("a", 65), "12345678\n", "１２３４５６７８"} {
		_, err := w.s.ClaimGuest(t.Context(), u, id)
		require.True(t, permanent(err), "%q", id)
	}
	require.Zero(t, w.core.Calls(""))
}

func TestRolesThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.roles.err = errors.New("the core is down")
	u := w.user()
	_, err := w.s.Sync(t.Context(), u)
	require.ErrorIs(t, err, w.roles.err)
	_, err = w.s.ClaimGuest(t.Context(), u, guest)
	require.ErrorIs(t, err, w.roles.err)
	require.Zero(t, w.core.Calls(""))
}
