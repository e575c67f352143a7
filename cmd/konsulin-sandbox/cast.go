package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	line "github.com/konsulin-care/konsulin-bot/bot/whatsapp"
	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
)

// cast is the people of the demo, and what the page is told about them.
type cast struct {
	account *whatsapp.Account
	core    *supertokens.Server
	status  func() line.Status
	people  []*person
	events  chan phone.Event
	flows   atomic.Int64

	mu     sync.Mutex
	asking *person // who asked for a link last: the core does not know whom it works for
}

// person is somebody who can hold the phone.
type person struct {
	phone.User
	phone *whatsapp.User
	via   whatsapp.Addressing
	flow  string
	open  []string // ids of messages that the bot has not taken yet
}

var (
	_ phone.Phone  = (*cast)(nil)
	_ phone.Faults = (*cast)(nil)
)

func newCast(server *whatsapp.Server, account *whatsapp.Account, core *supertokens.Server, status func() line.Status) (*cast, error) {
	c := &cast{account: account, core: core, status: status, events: make(chan phone.Event, 256)}
	for _, p := range []struct {
		id, name, digits, lid, shown, about string
		via                                 whatsapp.Addressing
	}{
		{"siti", "Siti", "6281234567001", "150000000000001", "+62 812-3456-7001", "WhatsApp shows the number behind a hidden id.", whatsapp.LIDWithPN},
		{"budi", "Budi", "6281234567002", "150000000000002", "+62 812-3456-7002", "WhatsApp shows the number alone, as it used to.", whatsapp.BarePN},
		{"anna", "Anna", "4915123456703", "150000000000003", "+49 1512 3456703", "A number from Germany: the bot answers in English.", whatsapp.PNWithLID},
		{"ayu", "Ayu", "6281234567004", "150000000000004", "(hidden)", "WhatsApp hides the number: no link, but a way out.", whatsapp.Bare},
	} {
		u, err := server.NewUser(p.digits, p.lid, p.name)
		if err != nil {
			return nil, err
		}
		c.people = append(c.people, &person{
			User:  phone.User{ID: p.id, Name: p.name, Number: p.shown, About: p.about},
			phone: u, via: p.via,
		})
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
	c.step(p, "sent", "The phone sends the message", "Encrypted with Signal; WhatsApp's server cannot read it.", phone.Good)
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

// Faults implements [phone.Faults].
func (c *cast) Faults() []phone.Fault {
	return []phone.Fault{
		{ID: "drop", Label: "Drop the line", About: "The connection to WhatsApp breaks; the bot comes back by itself.", Once: true},
		{ID: "ack", Label: "Lose an acknowledgement", About: "WhatsApp does not confirm the next message; the bot sends it again under the same id.", Once: true},
		{ID: "core", Label: "SuperTokens is down", About: "The bot says so once, and answers when it is back."},
	}
}

// Set implements [phone.Faults].
func (c *cast) Set(_ context.Context, id string, on bool) error {
	switch id {
	case "drop":
		if d := c.account.Device(); d != nil {
			d.Drop()
		}
		return nil
	case "ack":
		c.account.LoseAcks(1)
		return nil
	case "core":
		c.core.Down(on)
		state, detail := phone.Good, "answers"
		if on {
			state, detail = phone.Bad, "refuses connections"
		}
		c.tell(phone.Event{Kind: phone.Switch, ID: id, On: on})
		c.tell(phone.Event{Kind: phone.Status, ID: "core", Title: "SuperTokens core", Detail: detail, State: state})
		return nil
	default:
		return fmt.Errorf("there is no fault called %q", id)
	}
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
	c.mu.Lock()
	flow := p.flow
	c.mu.Unlock()
	if flow == "" {
		return
	}
	c.tell(phone.Event{Kind: phone.Step, User: p.ID, Flow: flow, ID: id, At: time.Now(), Title: title, Detail: detail, State: state})
}

// run watches the line, the phones and the core until ctx ends.
func (c *cast) run(ctx context.Context) error {
	c.tell(phone.Event{Kind: phone.Status, ID: "core", Title: "SuperTokens core", Detail: "answers", State: phone.Good})
	c.hookCore()
	var all sync.WaitGroup
	defer all.Wait()
	for _, p := range c.people {
		all.Go(func() { c.watchPhone(ctx, p) })
	}
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
			c.tell(phone.Event{Kind: phone.Status, ID: "line", Title: "WhatsApp line", Detail: string(s.State), State: state})
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
		c.step(p, "reply", "The bot's answer arrives", "Under a fixed message id: a resend would not show twice.", phone.Good)
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
		"/recipe/signinup/code":         {"A code is created", "The link is stored sealed before anything else happens."},
		"/recipe/signinup/codes":        {"Older codes are looked for", "Any other code of this number is revoked, one by one."},
		"/recipe/signinup/code/consume": {"The link is consumed", "Once: a second tap finds it used."},
		"/recipe/session":               {"A session is made", "The sign-in and its follow-up jobs were recorded before."},
	} {
		c.core.After(path, func() {
			c.mu.Lock()
			p := c.asking
			c.mu.Unlock()
			if p == nil {
				return
			}
			c.step(p, path, s[0], s[1], phone.Good)
			if path == "/recipe/session" {
				c.tell(phone.Event{Kind: phone.Status, User: p.ID, ID: "session", Title: "Session", Detail: "signed in", State: phone.Good})
			}
		})
	}
}
