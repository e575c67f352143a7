package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"
)

const (
	// claimPasses is how often the search for a guest's records begins anew. Each pass but the last one claims some.
	claimPasses = 50

	// recordTime is how long the provenance of records that are claimed already may take to be written.
	recordTime = 5 * time.Second
)

// guestID is what the ids of guests look like.
var guestID = regexp.MustCompile(`^[A-Za-z0-9-]{8,64}$`)

// Claimed is what one call of ClaimGuest did.
type Claimed struct {
	Count      int
	References []string // of the records, "QuestionnaireResponse/1"
}

// ClaimGuest gives the records of a guest to the user: all that carry the guest's id and speak of nobody else. A second
// call finds nothing more to do and says so. After an error, what Claimed lists is done. ErrNoPatient: there is no
// resource yet that could own them.
func (s *Service) ClaimGuest(ctx context.Context, u User, guest string) (Claimed, error) {
	const op = "claim guest records"
	if err := s.checkUser(op, u); err != nil {
		return Claimed{}, err
	}
	if !guestID.MatchString(guest) {
		return Claimed{}, s.api.permanent(op, "the guest's id has a form that ours never have")
	}
	owner, mine, err := s.owner(ctx, u)
	if err != nil {
		return Claimed{}, err
	}
	c := &claim{u: u, guest: identifier{systemGuest, guest}, owner: owner, mine: mine, done: map[string]bool{}}
	query := url.Values{"identifier": {c.guest.token()}, "_count": {pageSize}}
	for range claimPasses {
		before := len(c.refs)
		err := s.pages(ctx, record, query, claimPages, func(page []json.RawMessage) error { return s.claimPage(ctx, c, page) })
		if err != nil || len(c.refs) == before {
			return c.claimed(), err
		}
	}
	return c.claimed(), s.api.restless(op)
}

// owner is the reference of the resource that is to own the records, and those of all the user's resources.
func (s *Service) owner(ctx context.Context, u User) (owner string, mine []string, err error) {
	kinds, err := s.kinds(ctx, u.ID)
	if err != nil {
		return "", nil, err
	}
	for _, kind := range kinds {
		found, err := s.byUser(ctx, kind, u.ID)
		if err != nil {
			return "", nil, err
		}
		mine = append(mine, refsOf(found)...)
	}
	if len(mine) == 0 {
		return "", nil, s.api.noPatient("claim guest records")
	}
	return mine[0], mine, nil
}

// claim is the claim of one guest's records on its way.
type claim struct {
	u     User
	guest identifier
	owner string
	mine  []string
	done  map[string]bool // records that need no more work; a search may still show them as they were
	refs  []string        // of those that this call has claimed
}

func (c *claim) claimed() Claimed { return Claimed{Count: len(c.refs), References: c.refs} }

// claimPage claims what can be claimed of a page of a search.
func (s *Service) claimPage(ctx context.Context, c *claim, page []json.RawMessage) error {
	var todo []*edit
	for _, raw := range page {
		e, err := s.edit(c, raw)
		if err != nil {
			return err
		}
		if e != nil && !c.done[e.ref()] {
			todo = append(todo, e)
		}
	}
	for chunk := range chunks(todo) {
		if err := s.claimChunk(ctx, c, chunk); err != nil {
			return err
		}
	}
	return nil
}

// claimChunk claims records in one transaction. When somebody has changed one of them, all are read and tried again.
func (s *Service) claimChunk(ctx context.Context, c *claim, todo []*edit) error {
	if err := s.cfg.Audit.ClaimBegins(ctx, s.provenance(c, todo)); err != nil {
		return fmt.Errorf("record claim: %w", err)
	}
	for try := range tries {
		if len(todo) == 0 {
			return nil
		}
		err := s.transact(ctx, todo)
		if err == nil {
			return s.committed(ctx, c, todo)
		}
		if errors.Is(err, errConflict) {
			pause(ctx, try)
			if todo, _, err = s.readAgain(ctx, c, todo); err != nil {
				return err
			}
			continue
		}
		// The answer may be lost although the work is done: then the records are ours, and somebody must say so.
		left, taken, failed := s.readAgain(ctx, c, todo)
		if failed != nil || len(left) > 0 {
			return err
		}
		return s.committed(ctx, c, taken)
	}
	return s.api.restless("claim guest records")
}

// readAgain reads records as they are now: those that can still be claimed, and those that have become the owner's. What
// somebody else has taken is neither.
func (s *Service) readAgain(ctx context.Context, c *claim, todo []*edit) (left, taken []*edit, err error) {
	for _, e := range todo {
		raw, etag, err := s.readRecord(ctx, e.id)
		if errors.Is(err, errGone) {
			c.done[e.ref()] = true
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		now, err := s.edit(c, raw)
		switch {
		case err != nil:
			return nil, nil, err
		case now == nil:
			c.done[e.ref()] = true
			if c.owns(s.api, raw) {
				taken = append(taken, e)
			}
		default:
			if etag != "" {
				now.etag = etag
			}
			left = append(left, now)
		}
	}
	return left, taken, nil
}

// committed keeps the provenance of records that have become the owner's. The caller may have left: this is finished
// all the same, because no second call could tell.
func (s *Service) committed(ctx context.Context, c *claim, todo []*edit) error {
	record := s.provenance(c, todo)
	for _, ref := range record.References {
		c.done[ref] = true
	}
	c.refs = append(c.refs, record.References...)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	var err error
	for try := range tries {
		if err = s.cfg.Audit.GuestClaimed(ctx, record); err == nil {
			return nil
		}
		pause(ctx, try)
	}
	return fmt.Errorf("record claim: %w", err)
}

// provenance says whose records become whose.
func (s *Service) provenance(c *claim, todo []*edit) ClaimRecord {
	r := ClaimRecord{UserID: c.u.ID, Number: c.u.Number, Guest: c.guest.Value, Owner: c.owner, At: s.cfg.Now()}
	for _, e := range todo {
		r.References = append(r.References, e.ref())
	}
	return r
}
