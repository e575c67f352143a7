package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/supertokens/supertokens-golang/recipe/passwordless"
	"github.com/supertokens/supertokens-golang/recipe/passwordless/plessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// ErrLinkSpent says that the link made for a reply id cannot be used any more. A message with that id may already
// carry it, so a new link needs a new request.
var ErrLinkSpent = errors.New("the link of this reply is spent")

// LinkRequest is a message that asks for a link.
type LinkRequest struct {
	Number    phone.Number
	ReplyID   string    // the message id that will carry the link
	Requested time.Time // when the user sent the request
	Reference string    // of the login that the message names; empty: none
}

// NewLink is a link to send.
type NewLink struct {
	URL     string
	Expires time.Time
	Code    string // to type into the browser where the login began; empty: there is none
}

// Format keeps every verb of fmt from printing the link.
func (NewLink) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(link)") }

// CreateLink makes the magic link of a number. It is idempotent per reply id while the link lives: called again after a
// crash it returns the same link. It returns [ErrLinkSpent] when the link of that reply is used, revoked or expired.
// When it returns a link, all other codes of the number are dead at the core and in our records, and the login that the
// message names, if it is this number's, is tied to the link.
//
// Calls for one number must come one at a time, and do: jobs are serial per number.
func (s *Service) CreateLink(ctx context.Context, r LinkRequest) (NewLink, error) {
	if r.Number.IsZero() || r.ReplyID == "" {
		return NewLink{}, errors.New("create link: a number and a reply id are needed")
	}
	rec, x, err := s.linkOf(ctx, r.Number, r.ReplyID)
	if errors.Is(err, ErrNotFound) {
		rec, x, err = s.newLink(ctx, r.Number, r.ReplyID, r.Requested)
	}
	if err != nil {
		return NewLink{}, fmt.Errorf("create link: %w", err)
	}
	link := NewLink{URL: x.URL, Expires: rec.ExpiresAt}
	if link.Code, err = s.tie(ctx, r); err != nil {
		return NewLink{}, fmt.Errorf("create link: %w", err)
	}
	if rec.Alone {
		return link, nil
	}
	if err := s.makeAlone(ctx, rec); err != nil {
		return NewLink{}, fmt.Errorf("create link: %w", err)
	}
	return link, nil
}

// makeAlone kills the number's other codes after rec's was stored. Where this process consumes the codes they are dead
// already, see newLink. Where another program does, a sign-in with one of them is looked for first.
func (s *Service) makeAlone(ctx context.Context, rec LinkRecord) error {
	if s.cfg.Elsewhere {
		if err := s.stillFree(ctx, rec); err != nil {
			return err
		}
		if err := s.lookBefore(ctx, rec.Number, rec.ReplyID); err != nil {
			return err
		}
	}
	if err := s.revokeOthers(ctx, rec); err != nil {
		return err
	}
	return s.links.LinkAlone(ctx, rec.ReplyID)
}

// linkOf is the link that was made for this reply before, while it lives.
func (s *Service) linkOf(ctx context.Context, n phone.Number, replyID string) (LinkRecord, secret, error) {
	rec, err := s.links.LinkByReply(ctx, replyID)
	switch {
	case err != nil:
		return LinkRecord{}, secret{}, err
	case rec.Number != n:
		return LinkRecord{}, secret{}, errors.New("the reply id belongs to another number")
	case rec.State != LinkOpen || !s.now().Before(rec.ExpiresAt):
		return LinkRecord{}, secret{}, ErrLinkSpent
	}
	x, err := s.seal.open(replyID, rec.Sealed)
	if err != nil {
		return LinkRecord{}, secret{}, fmt.Errorf("%w (%w)", ErrLinkSpent, err)
	}
	return rec, x, nil
}

// newLink creates a code at the core and stores its link before anything else happens to it. Where this process consumes
// the codes, the number's older ones go first: mostly there are none, and nothing is left to do afterwards. If the rest
// fails, only the new link is missing, and the request for it comes again.
func (s *Service) newLink(ctx context.Context, n phone.Number, replyID string, requested time.Time) (LinkRecord, secret, error) {
	if s.cfg.Elsewhere { // other programs write to the core, too; alone it would be a call for nothing
		if err := s.checkSpelling(ctx, n); err != nil {
			return LinkRecord{}, secret{}, err
		}
	} else if _, err := s.revokeBut(ctx, n, ""); err != nil {
		return LinkRecord{}, secret{}, err
	}
	asked := s.now()
	code, err := s.createCode(ctx, n)
	if err != nil {
		return LinkRecord{}, secret{}, err
	}
	x := secret{URL: s.linkURL(code.PreAuthSessionID, code.LinkCode), LinkCode: code.LinkCode}
	sealed, err := s.seal.seal(replyID, x)
	if err != nil {
		return LinkRecord{}, secret{}, fmt.Errorf("seal: %w", err)
	}
	rec := LinkRecord{
		ReplyID: replyID, CodeID: code.CodeID, PreAuthHash: hashOf(code.PreAuthSessionID), Number: n, Sealed: sealed,
		RequestedAt: requested, CreatedAt: s.now(), State: LinkOpen, Alone: !s.cfg.Elsewhere,
		// The core's clock may differ from ours, which this is compared with. The code lives no shorter than this.
		ExpiresAt: asked.Add(time.Duration(code.CodeLifetime) * time.Millisecond).Truncate(time.Millisecond), //nolint:gosec // minutes
	}
	if err := s.links.SaveLink(ctx, rec); err != nil {
		// Whether it was stored is not certain. The code must not be revoked: the next attempt may find the record
		// and send its link. If it does not, the code is one of the others that the next link revokes.
		return LinkRecord{}, secret{}, err
	}
	return rec, x, nil
}

func (s *Service) createCode(ctx context.Context, n phone.Number) (*plessmodels.NewCode, error) {
	const op = "create code"
	resp, err := call(ctx, s.core, op, func(uc supertokens.UserContext) (plessmodels.CreateCodeResponse, error) {
		return passwordless.CreateCodeWithPhoneNumber(s.cfg.Tenant, n.Digits(), nil, uc)
	})
	if err != nil {
		return nil, err
	}
	code := resp.OK
	if code == nil || code.CodeID == "" || code.PreAuthSessionID == "" || code.LinkCode == "" || code.CodeLifetime == 0 {
		return nil, s.core.explain(op, errUnexpected)
	}
	return code, nil
}

// revokeOthers makes rec's code the only one of its number.
func (s *Service) revokeOthers(ctx context.Context, rec LinkRecord) error {
	known, err := s.revokeBut(ctx, rec.Number, rec.CodeID)
	if err == nil && !known {
		return fmt.Errorf("%w (the core does not know its code any more)", ErrLinkSpent)
	}
	return err
}

// revokeBut revokes the number's codes except one, and says whether the core knows that. One by one, because the core's call
// for all of them could reach it late and then take a code that is newer.
func (s *Service) revokeBut(ctx context.Context, n phone.Number, keep string) (known bool, err error) {
	devices, err := call(ctx, s.core, "list codes", func(uc supertokens.UserContext) ([]plessmodels.DeviceType, error) {
		return passwordless.ListCodesByPhoneNumber(s.cfg.Tenant, n.Digits(), uc)
	})
	if err != nil {
		return false, err
	}
	for _, d := range devices {
		for _, c := range d.Codes {
			if c.CodeID == keep {
				known = true
				continue
			}
			err := s.core.do(ctx, "revoke code", func(uc supertokens.UserContext) error {
				return passwordless.RevokeCode(s.cfg.Tenant, c.CodeID, uc)
			})
			if err != nil {
				return false, err
			}
		}
	}
	return known, nil
}

// linkURL is made from configuration only. The code is in the fragment, which browsers keep to themselves.
func (s *Service) linkURL(preAuthSessionID, linkCode string) string {
	var b strings.Builder
	b.WriteString(strings.TrimRight(s.cfg.WebsiteDomain, "/"))
	b.WriteString(strings.TrimRight(s.cfg.WebsiteBasePath, "/"))
	b.WriteString("/verify?preAuthSessionId=" + url.QueryEscape(preAuthSessionID))
	b.WriteString("&tenantId=" + url.QueryEscape(s.cfg.Tenant))
	if s.cfg.RedirectToPath != "" {
		b.WriteString("&redirectToPath=" + url.QueryEscape(s.cfg.RedirectToPath))
	}
	b.WriteString("#" + (&url.URL{Fragment: linkCode}).EscapedFragment())
	return b.String()
}

func hashOf(preAuthSessionID string) string {
	sum := sha256.Sum256([]byte(preAuthSessionID))
	return hex.EncodeToString(sum[:])
}
