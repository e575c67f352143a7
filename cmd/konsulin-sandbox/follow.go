package main

import (
	"context"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
)

// casesEvery is how often open cases are looked for while somebody's Patient is pending.
const casesEvery = 250 * time.Millisecond

// trail is how far the work behind somebody's sign-in is. The cast's looking guards it.
type trail struct {
	shown   bool    // the page has been told something
	known   records // what it was told last
	signed  string  // the flow of the last sign-in; empty: none
	linked  string  // the flow in which the Patient became the person's
	waiting bool    // the last sign-in found the FHIR server down
	asked   int64   // the case that waits for an operator; 0: none
}

// hookRecords has the cast look whenever the bot has talked to one of the two systems.
func (c *cast) hookRecords() {
	c.fhir.After("", c.look)
	c.omni.After(c.look)
}

// look compares what the two systems know with what the page was told. Whose request it was does not matter: the
// number says whom it is about.
func (c *cast) look() {
	c.looking.Lock()
	defer c.looking.Unlock()
	patients, answers, contacts := c.fhir.All("Patient"), c.fhir.All("QuestionnaireResponse"), c.omni.Contacts()
	c.tellGuests(unclaimed(answers))
	for _, p := range c.people {
		was, now := p.trail.known, known(p.phone.Phone(), patients, answers, contacts)
		if p.trail.shown && was == now && (!p.trail.waiting || c.out["fhir"]) {
			continue
		}
		p.trail.shown, p.trail.known = true, now
		for _, card := range now.cards(p.ID, c.shared(p, now)) {
			c.tell(card)
		}
		c.follow(p, was, now)
	}
}

// tellGuests shows how much guests have written down that nobody owns. The caller holds looking.
func (c *cast) tellGuests(n int) {
	if n == c.guests && c.guestsShown {
		return
	}
	c.guests, c.guestsShown = n, true
	detail, state := forms(n)+", nobody's yet", phone.Doing
	if n == 0 {
		detail, state = "nothing waits", phone.Good
	}
	c.tell(phone.Event{Kind: phone.Status, ID: "guests", Title: "Guests", Detail: detail, State: state})
}

// follow tells what has changed. The caller holds looking.
func (c *cast) follow(p *person, was, now records) {
	switch {
	case now.linked() && !was.linked():
		title, detail := arrival(was, now)
		if c.gateway != nil {
			title, detail = besideArrival(was)
		}
		c.step(p, "patient", title, detail, phone.Good)
		p.trail.linked, p.trail.waiting, p.trail.asked = c.flowOf(p), false, 0
		if now.chatwoot == "" && c.out["omnichannel"] {
			c.step(p, "contact", "The contact has to wait", "The omnichannel system is down. The job tries again by itself.", phone.Doing)
		}
	case now.linked() && p.trail.waiting && !c.out["fhir"]:
		c.step(p, "patient", "The Patient is found again", "Nothing is missing, so nothing is written.", phone.Good)
		p.trail.waiting = false
	}
	if now.answers > was.answers {
		c.step(p, "claim", "The guest's record is claimed", forms(now.answers)+" of the guest: now of "+now.ref+".", phone.Good)
	}
	if now.contact != "" && was.contact == "" {
		c.step(p, "contact", "The contact is made", "Once, with the name “"+now.called+"”.", phone.Good)
	}
	if now.chatwoot != "" && was.chatwoot == "" {
		c.step(p, "chatwoot", "Its id goes to the Patient", "So that nobody makes a second contact.", phone.Good)
	}
	c.tellState(p)
}

// signedIn is called when the core has made a session, however often.
func (c *cast) signedIn(p *person) {
	c.looking.Lock()
	defer c.looking.Unlock()
	flow := c.flowOf(p)
	if p.trail.signed == flow {
		return
	}
	p.trail.signed, p.trail.asked = flow, 0
	detail := "The follow-up jobs were recorded before it."
	if c.gateway != nil {
		detail = "By the gateway; the bot will notice."
	}
	c.step(p, "session", "A session is made", detail, phone.Good)
	c.tell(phone.Event{Kind: phone.Status, User: p.ID, ID: "session", Title: "Session", Detail: "signed in", State: phone.Good})
	switch {
	case p.trail.linked == flow:
	case c.out["fhir"]:
		p.trail.waiting = true
		c.step(p, "patient", "The Patient has to wait",
			"The FHIR server is down. The sign-in works, the session says “pending”, and the job tries again by itself.", phone.Doing)
	case p.trail.known.linked():
		c.step(p, "patient", "The Patient is there already", "Nothing is missing, so nothing is written.", phone.Good)
	}
	c.tellState(p)
}

// tellState shows what the session says about the Patient. The caller holds looking.
func (c *cast) tellState(p *person) {
	if p.trail.signed == "" {
		return
	}
	detail, state := "pending", phone.Doing
	switch {
	case p.trail.known.linked() && !p.trail.waiting:
		detail, state = "linked", phone.Good
	case p.trail.asked != 0:
		detail = "in review"
	}
	c.tell(phone.Event{Kind: phone.Status, User: p.ID, ID: "patient", Title: "Patient", Detail: detail, State: state})
}

// watchCases asks, as an operator would, for cases while somebody's Patient is pending.
func (c *cast) watchCases(ctx context.Context) {
	tick := time.NewTicker(casesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !c.pending() {
			continue
		}
		open, err := c.cases(ctx)
		if err != nil {
			continue // the database is busy, or the demo ends
		}
		for _, o := range open {
			c.ask(o.ID, o.Candidates)
		}
	}
}

// pending says that somebody's Patient is neither linked nor in review.
func (c *cast) pending() bool {
	c.looking.Lock()
	defer c.looking.Unlock()
	return slices.ContainsFunc(c.people, func(p *person) bool {
		return p.trail.signed != "" && p.trail.asked == 0 && !p.trail.known.linked()
	})
}

// ask shows a case to whom it is about: the one who signed in with the number of a candidate.
func (c *cast) ask(id int64, candidates []string) {
	c.looking.Lock()
	defer c.looking.Unlock()
	for _, p := range c.people {
		t := &p.trail
		if t.signed == "" || t.asked == id || t.known.linked() || !slices.Contains(candidates, t.known.ref) || (t.waiting && c.out["fhir"]) {
			continue
		}
		t.asked, t.waiting = id, false
		title, detail := waits(id)
		c.step(p, "patient", title, detail, phone.Doing)
		c.tellState(p)
	}
}
