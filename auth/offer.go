package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth/guest"
)

// Offer is what a guest did that could come along into the sign-in. By DoorSelf and DoorTap it does so by itself. By
// DoorDigits it is told, and asked about, only after the right digits.
type Offer struct {
	Guest   bool           `json:"guest"`           // there is such a guest; without it nothing else is set
	Here    bool           `json:"here"`            // it is this browser's own
	Records int            `json:"records"`         // how many; 0: not known
	Kinds   map[string]int `json:"kinds,omitempty"` // how many of each FHIR type
	Tag     string         `json:"tag,omitempty"`   // a yes repeats it; it means this guest and this link, and nothing to anybody else
}

// agreed is the guest who comes along through the door of digits, whose digits were right: nobody, unless a yes repeats
// the tag of an offer of that very guest. A browser that was not asked yet is asked, if there is something to ask.
func (s *Service) agreed(ctx context.Context, link LinkRecord, v visit, tied AttemptRecord) (bring string, err error) {
	if v.BringGuest != nil && !*v.BringGuest {
		return "", nil
	}
	id, here, err := s.whoCouldCome(ctx, v, tied)
	if err != nil {
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: the guest who began a login cannot be looked up")
		return "", errTryAgain
	}
	if v.BringGuest != nil && id != "" && hmac.Equal([]byte(v.Offer), []byte(s.offerTag(link.ReplyID, id))) {
		return id, s.joinAgain(ctx, id, link)
	}
	offer := s.offer(ctx, link, v, id, here)
	if v.BringGuest == nil && !offer.Guest {
		return "", nil
	}
	// A yes to somebody who is not there any more is told so: nothing is there instead.
	return "", because(refusedOffer, &question{reason: ReasonOffer, left: -1, offer: &offer})
}

// joinAgain lets a yes undo that the guest once stayed apart from the very user whom the link signs in: a no to an earlier
// link, or a sign-in before there was anything to ask about.
func (s *Service) joinAgain(ctx context.Context, guestID string, link LinkRecord) error {
	who, found, err := s.accountOf(ctx, Intent{Number: link.Number})
	if err == nil && found {
		err = s.cfg.Guests.JoinAgain(ctx, guestID, who.ID)
	}
	if err != nil {
		s.log.Error().Ctx(ctx).Err(err).Msg("sign-in: a guest that stayed apart cannot be let come along")
		return errTryAgain
	}
	return nil
}

// whoCouldCome is the guest that could come along through the door of digits: the one who began the login that the link
// belongs to, else this browser's own. When the one who began it is gone, nobody comes instead.
func (s *Service) whoCouldCome(ctx context.Context, v visit, tied AttemptRecord) (id string, here bool, err error) {
	if tied.Guest == "" || tied.Guest == v.guest {
		return v.guest, v.guest != "", nil
	}
	g, err := s.cfg.Guests.Guest(ctx, tied.Guest)
	switch {
	case err == nil && g.IsLive(s.now()):
		return g.ID, false, nil
	case err == nil, errors.Is(err, guest.ErrNotFound):
		return "", false, nil
	}
	return "", false, err
}

// offer is what could come along. A guest who did nothing is not worth a question.
func (s *Service) offer(ctx context.Context, link LinkRecord, v visit, id string, here bool) Offer {
	if id == "" {
		return Offer{}
	}
	o := Offer{Guest: true, Here: here, Tag: s.offerTag(link.ReplyID, id)}
	kinds, known := s.counts.of(ctx, link, id, v.client)
	if !known {
		return o
	}
	for _, n := range kinds {
		o.Records += n
	}
	if o.Records == 0 {
		return Offer{}
	}
	o.Kinds = kinds
	return o
}

// offerTag stands for a guest in an offer that a link made.
func (s *Service) offerTag(replyID, guestID string) string {
	mac := hmac.New(sha256.New, s.offerKey)
	mac.Write([]byte(replyID + "\x00" + guestID))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

const (
	countTries = 3     // questions about one link's guest that may go unanswered
	countsMax  = 4_096 // links whose counts are kept; then those of links that are over are forgotten, else all
	countWait  = 2 * time.Second
)

// counts remembers what guests were said to have done, so that whoever has a link and its digits cannot have the FHIR
// server asked again and again: one answer for each link and guest, and few tries for it.
type counts struct {
	ask func(ctx context.Context, guestID string) (map[string]int, error) // nil: nobody can be asked
	now func() time.Time
	err func(error)

	mu   sync.Mutex
	seen map[[2]string]*count
}

// count is what is known about one guest for one link. Its lock is held while somebody is asked.
type count struct {
	expires time.Time // of the link

	mu    sync.Mutex
	tries int
	known bool
	kinds map[string]int
}

// of is how many records of each kind a guest has; known is false when that cannot be said now. mayAsk is asked before the
// server is.
func (c *counts) of(ctx context.Context, link LinkRecord, guestID string, mayAsk func() bool) (kinds map[string]int, known bool) {
	if c.ask == nil {
		return nil, false
	}
	one := c.entry(link, guestID)
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.known || one.tries >= countTries || !mayAsk() {
		return maps.Clone(one.kinds), one.known
	}
	one.tries++
	ctx, cancel := context.WithTimeout(ctx, countWait)
	defer cancel()
	kinds, err := c.ask(ctx, guestID)
	if err != nil {
		c.err(err)
		return nil, false
	}
	one.kinds, one.known = maps.Clone(kinds), true
	return kinds, true
}

func (c *counts) entry(link LinkRecord, guestID string) *count {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]string{link.ReplyID, guestID}
	if one := c.seen[key]; one != nil {
		return one
	}
	if len(c.seen) >= countsMax {
		maps.DeleteFunc(c.seen, func(_ [2]string, old *count) bool { return !c.now().Before(old.expires) })
	}
	if c.seen == nil || len(c.seen) >= countsMax {
		c.seen = map[[2]string]*count{}
	}
	one := &count{expires: link.ExpiresAt}
	c.seen[key] = one
	return one
}
