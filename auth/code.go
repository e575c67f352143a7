package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"
)

// The code for a browser on another device than the phone: the chat's answer carries it, and it opens only the browser
// in which the login began.
const (
	codeLife = 5 * time.Minute
	maxCodes = 5 // guesses of one attempt, whatever links are made for it
)

var codeShape = regexp.MustCompile(`^[0-9]{6}$`)

// codeFor is the code of the link that a reply carries: the same whenever it is asked for, so that a reply that is sent
// again says the same.
func (s *Service) codeFor(replyID string) string {
	mac := hmac.New(sha256.New, s.codeKey)
	mac.Write([]byte(replyID))
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(mac.Sum(nil))%1_000_000)
}

// redeem turns a code that was typed into the browser of v into the link that is tied to its attempt.
func (s *Service) redeem(ctx context.Context, v visit, code string) (preAuthSessionID, linkCode string, err error) {
	link, err := s.linkForCode(ctx, v)
	if err != nil {
		return "", "", err
	}
	if !codeShape.MatchString(code) {
		return "", "", because(refusedCode, &question{reason: ReasonWrongCode, left: max(0, maxCodes-v.attempt.CodeTries)})
	}
	right := subtle.ConstantTimeCompare([]byte(s.codeFor(link.ReplyID)), []byte(code)) == 1
	wrong, err := s.attempts.TryCode(ctx, v.attempt.KeyHash, right, maxCodes)
	switch {
	case errors.Is(err, ErrTaken), err == nil && wrong >= maxCodes:
		return "", "", because(refusedChatCode, errRestart)
	case err != nil:
		s.log.Error().Err(err).Msg("sign-in: cannot count a guess")
		return "", "", errTryAgain
	case !right:
		return "", "", because(refusedChatCode, &question{reason: ReasonWrongCode, left: maxCodes - wrong})
	}
	x, err := s.seal.open(link.ReplyID, link.Sealed)
	if err != nil {
		s.log.Error().Err(err).Stringer("number", link.Number).Msg("sign-in: the link cannot be checked")
		return "", "", because(refusedSealed, errRestart)
	}
	u, err := url.Parse(x.URL)
	if err != nil {
		return "", "", because(refusedSealed, errRestart)
	}
	return u.Query().Get("preAuthSessionId"), x.LinkCode, nil
}

// linkForCode is the young link that is tied to this browser's attempt.
func (s *Service) linkForCode(ctx context.Context, v visit) (LinkRecord, error) {
	if !s.cfg.DesktopCode || v.attempt.ReplyID == "" {
		return LinkRecord{}, because(refusedCode, errRestart)
	}
	link, err := s.links.LinkByReply(ctx, v.attempt.ReplyID)
	switch {
	case errors.Is(err, ErrNotFound):
		return LinkRecord{}, because(refusedCode, errRestart)
	case err != nil:
		s.log.Error().Err(err).Msg("sign-in: cannot look up the link")
		return LinkRecord{}, errTryAgain
	case link.State == LinkConsuming:
		return LinkRecord{}, because(refusedTaken, errTryAgain)
	case link.State != LinkOpen, link.Number != v.attempt.Number, s.now().Sub(link.CreatedAt) >= codeLife,
		!s.now().Before(link.ExpiresAt):
		return LinkRecord{}, because(refusedCode, errRestart)
	}
	return link, nil
}
