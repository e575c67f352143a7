package main

import (
	"context"
	"fmt"

	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
)

// Faults implements [phone.Faults].
func (c *cast) Faults() []phone.Fault {
	return []phone.Fault{
		{ID: "drop", Label: "Drop the line", About: "The connection to WhatsApp breaks; the bot comes back by itself.", Once: true},
		{ID: "ack", Label: "Lose an acknowledgement", About: "WhatsApp does not confirm the next message; the bot sends it again under the same id.", Once: true},
		{ID: "core", Label: "SuperTokens is down", About: "The bot says so once, and answers when it is back."},
		{ID: "fhir", Label: "FHIR server is down", About: "Signing in still works; the Patient comes when it is back."},
		{ID: "omnichannel", Label: "Omnichannel is down", About: "Signing in still works; the contact comes when it is back."},
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
	}
	down, ok := map[string]func(bool){"core": c.core.Down, "fhir": c.fhir.Down, "omnichannel": c.omni.Down}[id]
	if !ok {
		return fmt.Errorf("there is no fault called %q", id)
	}
	c.looking.Lock()
	c.out[id] = on
	c.looking.Unlock()
	down(on)
	c.tell(phone.Event{Kind: phone.Switch, ID: id, On: on})
	c.tellServer(id, on)
	return nil
}

// tellServer shows whether one of the servers around the bot answers.
func (c *cast) tellServer(id string, down bool) {
	title := map[string]string{"core": "SuperTokens", "fhir": "FHIR server", "omnichannel": "Omnichannel"}[id]
	detail, state := "answers", phone.Good
	if down {
		detail, state = "is down", phone.Bad
	}
	c.tell(phone.Event{Kind: phone.Status, ID: id, Title: title, Detail: detail, State: state})
}
