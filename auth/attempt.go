package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
)

// The states of an attempt, as its browser is told: no more than that, and never a number.
const (
	AttemptNone     = "none"     // no login was begun here
	AttemptWaiting  = "waiting"  // for the message
	AttemptReceived = "received" // a message came; what follows happens on the phone
	AttemptExpired  = "expired"
)

const (
	attemptLife  = 30 * time.Minute
	attemptReuse = 5 * time.Minute // what must be left of one that is to be gone on with
	attemptWait  = 5 * time.Second // for storage
	secretBytes  = 16              // of the cookie
	referenceLen = 6
)

// crockford is the alphabet of references: letters that nobody mistakes for digits, 32 of them
// (https://www.crockford.com/base32.html).
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Attempt is a login that was begun in a browser, as that browser may know it.
type Attempt struct {
	Reference   string        // what the message names it by; empty: nothing
	Text        string        // of the message
	ReturnPath  string        // where to go afterwards; empty: nowhere special
	Expires     time.Duration // from now
	State       string        // one of the four
	DesktopCode bool          // the chat's answer carries a code for this browser
}

// StartAttempt begins a login in the browser of r, or finds the one that is under way there. It may set a cookie, so
// nothing may have been written to w yet. An unsafe returnPath counts as none. ErrBusy: the client, or all
// of them together, begin more than they may.
func (s *Service) StartAttempt(w http.ResponseWriter, r *http.Request, returnPath string) (Attempt, error) {
	if !s.mayBegin(r) {
		return Attempt{}, &busyError{wait: floodWait}
	}
	if !returnpath.Safe(returnPath) {
		returnPath = ""
	}
	ctx, cancel := context.WithTimeout(r.Context(), attemptWait)
	defer cancel()
	v, err := s.visitOf(ctx, r)
	if err != nil {
		return Attempt{}, fmt.Errorf("start login: %w", err)
	}
	a, usable := v.attempt, v.attempt.ExpiresAt.Sub(s.now()) >= attemptReuse && (v.attempt.Reference != "") == s.cfg.Reference
	if !usable {
		if err := s.allowNew(ctx, r, BeginLogin); err != nil {
			return Attempt{}, fmt.Errorf("start login: %w", err)
		}
		if a, err = s.newAttempt(ctx, w, returnPath, v.guest); err != nil {
			return Attempt{}, fmt.Errorf("start login: %w", err)
		}
		return s.shown(a), nil
	}
	if returnPath == "" {
		returnPath = a.ReturnPath
	}
	if returnPath != a.ReturnPath || v.guest != a.Guest {
		if err := s.attempts.RedirectAttempt(ctx, a.KeyHash, returnPath, v.guest); err != nil {
			return Attempt{}, fmt.Errorf("start login: %w", err)
		}
		a.ReturnPath, a.Guest = returnPath, v.guest
	}
	return s.shown(a), nil
}

// Attempt is the login that was begun in the browser of r.
func (s *Service) Attempt(r *http.Request) (Attempt, error) {
	ctx, cancel := context.WithTimeout(r.Context(), attemptWait)
	defer cancel()
	a, err := s.ownAttempt(ctx, r)
	if err != nil {
		return Attempt{}, fmt.Errorf("look up login: %w", err)
	}
	return s.shown(a), nil
}

// newAttempt begins one and gives the browser its key.
func (s *Service) newAttempt(ctx context.Context, w http.ResponseWriter, returnPath, guestID string) (AttemptRecord, error) {
	const draws = 5 // of a reference that nobody has
	var key [secretBytes]byte
	_, _ = rand.Read(key[:]) // never fails, see crypto/rand
	secret := base64.RawURLEncoding.EncodeToString(key[:])
	now := s.now()
	a := AttemptRecord{
		KeyHash: attemptKey(secret), Guest: guestID, ReturnPath: returnPath, CreatedAt: now, ExpiresAt: now.Add(attemptLife),
	}
	for draw := 1; ; draw++ {
		if s.cfg.Reference {
			a.Reference = newReference()
		}
		err := s.attempts.SaveAttempt(ctx, a)
		if err == nil {
			http.SetCookie(w, s.cookie(s.attemptCookie(), secret, attemptLife))
			return a, nil
		}
		if !errors.Is(err, ErrTaken) || draw == draws {
			return AttemptRecord{}, err
		}
	}
}

// shown is what a browser may know of its attempt.
func (s *Service) shown(a AttemptRecord) Attempt {
	switch {
	case a.KeyHash == "" || !a.UsedAt.IsZero():
		return Attempt{State: AttemptNone}
	case !a.live(s.now()):
		return Attempt{State: AttemptExpired}
	}
	v := Attempt{
		Reference: a.Reference, Text: s.cfg.Phrase, ReturnPath: a.ReturnPath, Expires: a.ExpiresAt.Sub(s.now()), State: AttemptWaiting,
		DesktopCode: s.cfg.DesktopCode && a.Reference != "",
	}
	if !returnpath.Safe(v.ReturnPath) {
		v.ReturnPath = ""
	}
	if a.Reference != "" {
		v.Text += " #" + a.Reference
	}
	if !a.ReceivedAt.IsZero() {
		v.State = AttemptReceived
	}
	return v
}

// ownAttempt is the attempt of the browser's cookie, also one that is over; zero: none.
func (s *Service) ownAttempt(ctx context.Context, r *http.Request) (AttemptRecord, error) {
	c, err := r.Cookie(s.attemptCookie())
	if err != nil || c.Value == "" {
		return AttemptRecord{}, nil //nolint:nilerr // there is none
	}
	a, err := s.attempts.AttemptByKey(ctx, attemptKey(c.Value))
	if errors.Is(err, ErrNotFound) {
		return AttemptRecord{}, nil
	}
	return a, err
}

// tie ties a link to the login that its message names, and answers the code for the browser where that began.
func (s *Service) tie(ctx context.Context, r LinkRequest) (code string, err error) {
	if !s.cfg.Reference || r.Reference == "" || s.cfg.Elsewhere {
		return "", nil
	}
	tied, err := s.attempts.TieAttempt(ctx, Tie{Reference: r.Reference, Number: r.Number, ReplyID: r.ReplyID, At: s.now()})
	if err != nil || !tied || !s.cfg.DesktopCode {
		return "", err
	}
	return s.codeFor(r.ReplyID), nil
}

// TieNewest ties the number's newest link, if it is still open, to the login that a later message of that number names: the
// link is in the chat already, and that browser is the one that waits now. Another number's login is not touched.
func (s *Service) TieNewest(ctx context.Context, n phone.Number, reference string) error {
	if !s.cfg.Reference || reference == "" || s.cfg.Elsewhere {
		return nil
	}
	open, err := s.links.OpenLinksOf(ctx, n)
	if err != nil {
		return fmt.Errorf("tie link: %w", err)
	}
	var newest OpenLink
	for _, l := range open {
		if s.now().Before(l.ExpiresAt) && !l.CreatedAt.Before(newest.CreatedAt) {
			newest = l
		}
	}
	if newest.ReplyID == "" {
		return nil
	}
	_, err = s.attempts.TieAttempt(ctx, Tie{Reference: reference, Number: n, ReplyID: newest.ReplyID, At: s.now()})
	return wrapped("tie link", err)
}

// finishAttempt ends the login that was begun in a browser which has signed in. What cannot be written ends by itself.
func (s *Service) finishAttempt(ctx context.Context, w http.ResponseWriter, a AttemptRecord) {
	if a.KeyHash == "" {
		return
	}
	if err := s.attempts.SpendAttempt(ctx, a.KeyHash, s.now()); err != nil {
		s.log.Warn().Err(err).Msg("a login that is finished stays open in our records until it expires")
	}
	http.SetCookie(w, s.cookie(s.attemptCookie(), "", -1))
}

// chatLink opens the chat with the bot with the text typed in already. WhatsApp wants spaces as %20.
func (s *Service) chatLink(text string) string {
	return strings.TrimRight(s.cfg.ChatURL, "/") + "/" + s.cfg.BotNumber.Digits() + "?text=" +
		strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

func attemptKey(secret string) string {
	sum := sha256.Sum256([]byte("konsulin-bot attempt\x00" + secret))
	return hex.EncodeToString(sum[:])
}

func newReference() string {
	var b [referenceLen]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	for i := range b {
		b[i] = crockford[b[i]%byte(len(crockford))] // 256 is a multiple of 32
	}
	return string(b[:])
}

// The cookies of browsers that are not signed in.
const guestCookie = "anon_session"

// attemptCookie cannot be set for us by a neighbour of our domain, where browsers can promise that.
func (s *Service) attemptCookie() string {
	if s.secure() {
		return "__Host-login"
	}
	return "login"
}

func (s *Service) secure() bool {
	return strings.HasPrefix(s.cfg.APIDomain, "https://") && (s.cfg.CookieSecure == nil || *s.cfg.CookieSecure)
}

// cookie is one of ours: for this host, and for no script. A negative life takes it away.
func (s *Service) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, Secure: s.secure(),
		SameSite: http.SameSiteLaxMode,
	}
	if life < 0 {
		c.MaxAge = -1
	}
	if s.cfg.CookieSameSite == "none" && c.Secure {
		c.SameSite = http.SameSiteNoneMode
	}
	return c
}

func guestCookieOf(r *http.Request) string {
	c, err := r.Cookie(guestCookie)
	if err != nil {
		return ""
	}
	return c.Value
}
