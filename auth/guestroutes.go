package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// Why a claim gave nothing.
const (
	unclaimedInvalid  = "invalid_token" // not a guest of ours, or its time is over
	unclaimedForeign  = "other_user"    // the guest became somebody else
	unclaimedApart    = "set_apart"     // the user signed in beside it without bringing it along
	unclaimedNoNumber = "no_number"     // the user signs in by something other than a number
	unclaimedFailed   = "failed"        // not all could be done; a person has to look at it
	unclaimedLongAgo  = "long_ago"      // it is too long ago to tell what became of it
)

// claimLook is how often an answer looks whether the claim is done.
const claimLook = 25 * time.Millisecond

// guestSession answers POST /anonymous-session: this browser's guest, or a new one.
func (s *Service) guestSession(w http.ResponseWriter, r *http.Request) {
	if !s.mayBegin(r) {
		busy(w, &busyError{wait: floodWait})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), attemptWait)
	defer cancel()
	t, err := s.guests.Session(ctx, guestCookieOf(r), r.URL.Query().Get("force_new") == "true",
		func(ctx context.Context) error { return s.allowNew(ctx, r, BeginGuest) })
	switch {
	case errors.Is(err, ErrBusy):
		busy(w, err)
		return
	case err != nil:
		s.away(w, r, err)
		return
	}
	message := "anonymous session reused"
	if t.New {
		message = "anonymous session created"
	}
	s.setGuestCookie(w, t.Signed, t.Expires.Sub(s.now()))
	type data struct {
		Token   string `json:"token"`
		GuestID string `json:"guest_id"`
		IsNew   bool   `json:"is_new"`
		Role    string `json:"role"`
	}
	writeJSON(w, http.StatusOK, struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
		Data    data   `json:"data"`
	}{true, message, data{t.Signed, t.Guest, t.New, guest.Role}})
}

func (s *Service) setGuestCookie(w http.ResponseWriter, value string, life time.Duration) {
	c := s.cookie(guestCookie, value, life)
	if s.cfg.CookieSameSite == "strict" {
		c.SameSite = http.SameSiteStrictMode
	}
	http.SetCookie(w, c)
}

// claimed is the answer of PATCH /anonymous/claim.
type claimed struct {
	Claimed    bool     `json:"claimed"`
	Count      int      `json:"count"`
	References []string `json:"referenceList"`
	Reason     string   `json:"reason,omitempty"` // why not
}

func unclaimed(reason string) claimed { return claimed{References: []string{}, Reason: reason} }

// claimGuest answers PATCH /anonymous/claim: what the guest of this browser did is the signed-in user's now, or why not.
func (s *Service) claimGuest(w http.ResponseWriter, r *http.Request) {
	who, ok, written := s.Session(w, r)
	switch {
	case written:
		return
	case !ok:
		writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "unauthorised"})
		return
	}
	token := guestCookieOf(r)
	if token == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	// Taking the records over goes on when the browser leaves; waiting for it does not.
	out, finished, err := s.claimFor(r.Context(), who.UserID, token)
	switch {
	case err != nil:
		s.away(w, r, err)
		return
	case !finished:
		w.Header().Set("Retry-After", "3")
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Please try again in a moment."})
		return
	}
	if out.Reason != unclaimedApart && out.Reason != unclaimedNoNumber && out.Reason != unclaimedFailed {
		s.setGuestCookie(w, "", -1)
	}
	writeJSON(w, http.StatusOK, map[string]claimed{"data": out})
}

// claimFor makes the guest of a token the user, if it is not one already, and waits for its records to be the user's.
func (s *Service) claimFor(ctx context.Context, userID, token string) (out claimed, finished bool, err error) {
	looking, cancel := context.WithTimeout(ctx, attemptWait)
	defer cancel()
	g, err := s.guests.Known(looking, token)
	if errors.Is(err, guest.ErrInvalid) {
		return unclaimed(unclaimedInvalid), true, nil
	}
	if err == nil && g.State == guest.Live {
		var why string
		if why, err = s.upgrade(ctx, g, userID); why != "" {
			return unclaimed(why), true, err
		}
		if err == nil { // by us, or in this moment by somebody else
			g, err = s.guests.Known(looking, token)
		}
		if err == nil && g.State == guest.Live { // it was set apart in this moment, or has ended
			if why, err = s.upgrade(ctx, g, userID); why != "" {
				return unclaimed(why), true, err
			}
			return claimed{}, false, err
		}
	}
	switch {
	case err != nil:
		return claimed{}, false, err
	case g.UserID != userID:
		return unclaimed(unclaimedForeign), true, nil
	}
	return s.awaitClaim(ctx, g)
}

// upgrade makes a live guest the user without a sign-in: a browser that was signed in when its guest did something.
func (s *Service) upgrade(ctx context.Context, g guest.Record, userID string) (why string, err error) {
	if !g.IsLive(s.now()) {
		return unclaimedInvalid, nil
	}
	apart, err := s.cfg.Guests.IsApart(ctx, g.ID, userID)
	if err != nil {
		return "", err
	}
	if apart {
		return unclaimedApart, nil
	}
	n, err := s.numberOf(ctx, userID)
	if err != nil {
		return "", err
	}
	if n.IsZero() {
		return unclaimedNoNumber, nil
	}
	key := newID()
	payload, err := json.Marshal(FollowUp{Intent: key, UserID: userID, Digits: n.Digits(), Guest: g.ID, At: s.now()})
	if err != nil {
		return "", err
	}
	err = s.cfg.Guests.UpgradeGuest(ctx, GuestUpgrade{Guest: g.ID, UserID: userID, Key: key,
		Jobs: []jobs.New{{Kind: JobClaimGuest, Key: key, Serial: FHIRSerial(n), Payload: payload}}})
	if err != nil && !errors.Is(err, ErrTaken) {
		return "", err
	}
	if err == nil && s.cfg.Wake != nil {
		s.cfg.Wake()
	}
	return "", nil
}

// numberOf is the number that a user signs in by; zero: none.
func (s *Service) numberOf(ctx context.Context, userID string) (phone.Number, error) {
	u, err := call(ctx, s.core, "look up user", func(uc supertokens.UserContext) (*plessmodels.User, error) {
		return passwordless.GetUserByID(userID, uc)
	})
	if err != nil || u == nil || u.PhoneNumber == nil {
		return phone.Number{}, err
	}
	n, err := phone.FromDigits(*u.PhoneNumber)
	if err != nil {
		return phone.Number{}, nil //nolint:nilerr // not one that we would have confirmed
	}
	return n, nil
}

// claimedAs is what to say of a claim that has ended. One that failed may have taken some records over before.
func claimedAs(c GuestClaim) claimed {
	if c.Forgotten {
		return unclaimed(unclaimedLongAgo)
	}
	out := claimed{Claimed: !c.Failed, Count: len(c.References), References: c.References}
	if out.References == nil {
		out.References = []string{}
	}
	if c.Failed {
		out.Reason = unclaimedFailed
	}
	return out
}

// awaitClaim waits for the job that gives a guest's records to the user.
func (s *Service) awaitClaim(ctx context.Context, g guest.Record) (out claimed, finished bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(s.cfg.ClaimWait, time.Second))
	defer cancel()
	for {
		c, err := s.cfg.Guests.GuestClaim(ctx, g)
		switch {
		case err != nil && ctx.Err() != nil:
			return claimed{}, false, nil
		case err != nil:
			return claimed{}, false, err
		case !c.Pending:
			return claimedAs(c), true, nil
		}
		select {
		case <-ctx.Done():
			return claimed{}, false, nil
		case <-time.After(claimLook):
		}
	}
}
