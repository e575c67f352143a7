package auth

import (
	"slices"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// TestWhatAnotherProgramDoesLeavesNoJob: the contact, and the guest's records.
func TestWhatAnotherProgramDoesLeavesNoJob(t *testing.T) {
	t.Parallel()
	n, err := phone.FromDigits("6281234567890")
	require.NoError(t, err)
	for _, c := range []struct {
		noContact, noClaim bool
		want               []string
	}{
		{false, false, []string{JobFHIRSync, JobContactSync, JobClaimGuest}},
		{true, false, []string{JobFHIRSync, JobClaimGuest}},
		{false, true, []string{JobFHIRSync, JobContactSync}},
		{true, true, []string{JobFHIRSync}},
	} {
		s := &Service{cfg: Config{NoContact: c.noContact, NoClaim: c.noClaim}}
		always, forGuest, err := s.followUps(SignIn{Intent: "i", UserID: "u", Number: n, Guest: "a-guest"})
		require.NoError(t, err)
		require.Equal(t, c.want, kindsOf(slices.Concat(always, forGuest)))
	}
}

func kindsOf(added []jobs.New) (kinds []string) {
	for _, j := range added {
		kinds = append(kinds, j.Kind)
	}
	return kinds
}
