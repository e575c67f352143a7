package main

import (
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/gateway"
	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
)

// stepAside makes a configuration that of a bot beside a gateway at url. Whoever tries the demo waits for what the bot
// does, so it looks often and gives the gateway little time.
func stepAside(cfg *app.Config, url string) {
	cfg.Auth.Consume = "elsewhere"
	cfg.Login.Reference, cfg.Login.DesktopCode = false, false // its page begins no logins here
	cfg.Auth.APIDomain, cfg.Auth.WebsiteDomain = url, url
	cfg.Auth.APIBasePath, cfg.Auth.WebsiteBasePath = gateway.APIBasePath, gateway.WebsiteBasePath
	cfg.Auth.WatchEvery, cfg.Auth.Grace = 500*time.Millisecond, 2*time.Second
}

// linksTo is where links lead.
func (s *stage) linksTo() string {
	switch {
	case s.gateway != nil:
		return s.gateway.URL()
	case s.app != "":
		return s.app
	}
	return s.origin()
}

// gatewayLine tells where the gateway is; nothing when there is none.
func (s *stage) gatewayLine() string {
	if s.gateway == nil {
		return ""
	}
	return "  The gateway, which stands in for konsulin-api and hosts the link's page:  " + s.gateway.URL() + "\n"
}

// hookBeside tells what happens in this shape at the core and no other: the bot asks for sessions only when a code that it
// watches is gone.
func (c *cast) hookBeside() {
	c.core.After("/recipe/session/user", func() {
		if p := c.asker(); p != nil {
			c.step(p, "noticed", "The bot notices", "The code is gone, and there is a session that was made after it.", phone.Good)
		}
	})
}

// besideArrival says how a Patient that the gateway made or found got the number that WhatsApp vouched for.
func besideArrival(was records) (title, detail string) {
	if was.ref == "" {
		return "The bot creates the Patient", "The gateway had made none within the grace."
	}
	return "The bot completes the Patient", "The gateway wrote it first; the bot adds the number that WhatsApp vouched for."
}

// shared says that a gateway, which writes, too, has made a Patient the person's.
func (c *cast) shared(p *person, r records) bool {
	return c.gateway != nil && slices.ContainsFunc(c.core.Users(), func(u supertokens.User) bool {
		return u.Phone == p.phone.Phone() && r.users == shortID(u.ID)
	})
}
