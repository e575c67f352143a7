package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	line "github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// cast is the people of the demo, and what the page is told about them.
type cast struct {
	around
	people []*person
	events chan phone.Event
	flows  atomic.Int64

	mu     sync.Mutex
	asking *person // who asked for a link last: the core does not know whom it works for

	looking     sync.Mutex // guards the trails and guests; taken before mu
	guests      int        // how many forms of guests nobody owns, as the page was told
	guestsShown bool
	out         map[string]bool // servers that are down, by the id of the fault
}

// around is the world around the bot, and what the bot tells of itself.
type around struct {
	line    *whatsapp.Server
	account *whatsapp.Account
	core    *supertokens.Server
	fhir    *fhir.Server
	omni    *omnichannel.Server
	gateway *gateway.Server // nil: the bot hosts the link's page
	status  func() line.Status
	cases   func(context.Context) ([]app.CaseView, error)
}

// person is somebody who can hold the phone.
type person struct {
	phone.User
	phone *whatsapp.User
	via   whatsapp.Addressing
	flow  string
	open  []string // ids of messages that the bot has not taken yet
	trail trail
}

var (
	_ phone.Phone  = (*cast)(nil)
	_ phone.Faults = (*cast)(nil)
)

func newCast(world around) (*cast, error) {
	c := &cast{around: world, events: make(chan phone.Event, 256), out: map[string]bool{}}
	for _, p := range []struct {
		id, name, digits, lid, shown, about string
		via                                 whatsapp.Addressing
		patient                             string // what others wrote to the FHIR server before; empty: nothing
	}{
		{"siti", "Siti", "6281234567001", "150000000000001", "+62 812-3456-7001", "New: nothing is known of her yet.", whatsapp.LIDWithPN, ""},
		{"budi", "Budi", "6281234567002", "150000000000002", "+62 812-3456-7002", "Has an old Patient, without a user.", whatsapp.BarePN,
			`{"resourceType":"Patient","name":[{"text":"Budi Santoso"}],"telecom":[{"system":"phone","value":"+6281234567002","use":"mobile"}]}`},
		{"anna", "Anna", "4915123456703", "150000000000003", "+49 1512 3456703", "From Germany: answered in English.", whatsapp.PNWithLID, ""},
		{"dewi", "Dewi", "6281234567005", "150000000000005", "+62 812-3456-7005", "Her number stands in somebody else's Patient.", whatsapp.LIDWithPN,
			`{"resourceType":"Patient","name":[{"text":"Rahma Wijaya"}],"telecom":[{"system":"phone","value":"6281234567005","use":"mobile"}],` +
				`"identifier":[{"system":"` + systemUserID + `","value":"5f0e7c1a-3d52-4b8e-9a46-20c8d1b7e993"}]}`},
		{"ayu", "Ayu", "6281234567004", "150000000000004", "(hidden)", "WhatsApp hides the number: no link.", whatsapp.Bare, ""},
	} {
		u, err := c.line.NewUser(p.digits, p.lid, p.name)
		if err != nil {
			return nil, err
		}
		c.people = append(c.people, &person{
			User:  phone.User{ID: p.id, Name: p.name, Number: p.shown, About: p.about},
			phone: u, via: p.via,
		})
		if p.patient == "" {
			continue
		}
		if _, err := c.fhir.Put([]byte(p.patient)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Users implements [phone.Phone].
func (c *cast) Users() []phone.User {
	var all []phone.User
	for _, p := range c.people {
		all = append(all, p.User)
	}
	return all
}

// Send implements [phone.Phone].
func (c *cast) Send(ctx context.Context, user, text string) error {
	p := c.person(user)
	if p == nil {
		return fmt.Errorf("there is nobody called %q here", user)
	}
	c.mu.Lock()
	p.flow = fmt.Sprint(c.flows.Add(1))
	c.asking = p
	c.mu.Unlock()
	id, err := p.phone.Text(ctx, c.account, text, whatsapp.Via(p.via))
	if err != nil {
		return err
	}
	c.mu.Lock()
	p.open = append(p.open, id)
	c.mu.Unlock()
	c.tell(phone.Event{Kind: phone.Message, User: user, ID: id, At: time.Now(), Text: text, Tick: phone.Sent})
	c.step(p, "sent", "The phone sends the message", "Encrypted: WhatsApp's server cannot read it.", phone.Good)
	return nil
}

// Events implements [phone.Phone]; there is one reader.
func (c *cast) Events(ctx context.Context) <-chan phone.Event {
	out := make(chan phone.Event)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-c.events:
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

func (c *cast) person(id string) *person {
	for _, p := range c.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// tell drops an event rather than wait for a page that does not read.
func (c *cast) tell(e phone.Event) {
	select {
	case c.events <- e:
	default:
	}
}

func (c *cast) step(p *person, id, title, detail string, state phone.State) {
	flow := c.flowOf(p)
	if flow == "" {
		return
	}
	c.tell(phone.Event{Kind: phone.Step, User: p.ID, Flow: flow, ID: id, At: time.Now(), Title: title, Detail: detail, State: state})
}

func (c *cast) flowOf(p *person) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.flow
}

// run watches the line, the phones and the servers until ctx ends.
func (c *cast) run(ctx context.Context) error {
	for _, id := range []string{"core", "fhir", "omnichannel"} {
		c.tellServer(id, false)
	}
	c.hookCore()
	c.hookRecords()
	c.look()
	var all sync.WaitGroup
	defer all.Wait()
	for _, p := range c.people {
		all.Go(func() { c.watchPhone(ctx, p) })
	}
	all.Go(func() { c.watchCases(ctx) })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last line.Status
	for {
		if s := c.status(); s.State != last.State || s.Reason != last.Reason {
			last = s
			state := phone.Doing
			if s.State == line.Connected {
				state = phone.Good
			}
			c.tell(phone.Event{Kind: phone.Status, ID: "line", Title: "WhatsApp", Detail: string(s.State), State: state})
		}
		c.watchTicks()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// watchPhone shows what arrives on one phone.
func (c *cast) watchPhone(ctx context.Context, p *person) {
	for {
		got, err := p.phone.Next(ctx)
		if err != nil {
			return
		}
		c.tell(phone.Event{Kind: phone.Message, User: p.ID, ID: got.ID, At: got.At, FromBot: true, Text: got.Text, Tick: phone.Delivered})
		c.step(p, "reply", "The bot's answer arrives", "Under a fixed id: a resend shows no second one.", phone.Good)
	}
}

// watchTicks notes which messages the bot has taken: WhatsApp hears of it only after the bot's own commit.
func (c *cast) watchTicks() {
	d := c.account.Device()
	if d == nil {
		return
	}
	for _, p := range c.people {
		c.mu.Lock()
		open := p.open
		p.open = nil
		c.mu.Unlock()
		var still []string
		for _, id := range open {
			if !d.Settlement(id).Settled {
				still = append(still, id)
				continue
			}
			c.tell(phone.Event{Kind: phone.Tick, User: p.ID, ID: id, Tick: phone.Delivered})
			c.step(p, "taken", "The bot has written it down", "Only now WhatsApp shows “delivered”.", phone.Good)
		}
		c.mu.Lock()
		p.open = append(still, p.open...)
		c.mu.Unlock()
	}
}

// hookCore shows the bot's calls to the core as steps of whoever asked last.
func (c *cast) hookCore() {
	for path, s := range map[string][2]string{
		"/recipe/signinup/code":         {"A code is created", "The link is stored sealed before all else."},
		"/recipe/signinup/codes":        {"Older codes are looked for", "Other codes of this number are revoked."},
		"/recipe/signinup/code/consume": {"The link is consumed", "Once: a second tap finds it used."},
	} {
		c.core.After(path, func() {
			if p := c.asker(); p != nil {
				c.step(p, path, s[0], s[1], phone.Good)
			}
		})
	}
	if c.gateway != nil {
		c.hookBeside()
	}
	c.core.After("/recipe/session", func() {
		if p := c.asker(); p != nil {
			c.signedIn(p)
		}
	})
}

func (c *cast) asker() *person {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asking
}
