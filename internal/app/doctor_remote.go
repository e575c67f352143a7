package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/doctor"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

const (
	advisedLifetime = 10 * time.Minute // of a link
	shownUsers      = 5                // ids that a finding names at most
)

// noRecords is the storage of a sign-in that signs nobody in.
type noRecords struct {
	auth.LinkStore
	auth.SignInStore
}

func (c *checkUp) core(ctx context.Context) []Finding {
	cfg := authConfig(c.about())
	seal := make([]byte, 32)
	_, _ = rand.Read(seal) // never fails; nothing is sealed with it
	cfg.SealKey, cfg.Links, cfg.SignIns, cfg.Await = seal, noRecords{}, noRecords{}, nil
	core, err := auth.New(ctx, cfg)
	if err != nil {
		return []Finding{doctor.Broken("correct the auth section", "%s", reason(err))}
	}
	defer func() { _ = core.Close() }()
	if err := core.Ping(ctx); err != nil {
		return []Finding{doctor.Broken("do what the finding says: nobody can log in until the core answers", "%s", reason(err))}
	}
	var found []Finding
	version, err := core.APIVersion(ctx)
	if err != nil {
		found = append(found, doctor.Odd("run doctor again", "its API version is not known: %s", reason(err)))
	} else {
		found = append(found, doctor.Well("answers, API version %s, tenant %s", version, c.cfg.Auth.Tenant))
	}
	return append(append(found, c.lifetime(ctx, core)...), c.spellings(ctx, core)...)
}

// lifetime asks how long a link lives.
func (c *checkUp) lifetime(ctx context.Context, core *auth.Service) []Finding {
	own, err := phone.Parse(c.cfg.WhatsApp.Number)
	if err != nil {
		return nil // the line's finding says so
	}
	life, err := core.CodeLifetime(ctx, own)
	var found []Finding
	if err != nil {
		found = append(found, doctor.Odd("run doctor again", "how long a link lives: %s", reason(err)))
	}
	const do = "set passwordless_code_lifetime at the core (milliseconds; 600000 is ten minutes)"
	switch {
	case life == 0:
	case life > advisedLifetime:
		found = append(found, doctor.Odd(do, "a link lives %s; ten minutes or less is advised", life))
	case life <= c.cfg.Login.StaleAfter:
		found = append(found, doctor.Odd(do+", or lower login.stale_after",
			"a link lives %s, no longer than login.stale_after (%s)", life, c.cfg.Login.StaleAfter))
	default:
		found = append(found, doctor.Well("a link lives %s", life))
	}
	return found
}

// spellings looks for users whose number the core holds with a plus: to the core these are other people.
func (c *checkUp) spellings(ctx context.Context, core *auth.Service) []Finding {
	ids, whole, err := core.PlusUsers(ctx, shownUsers)
	switch {
	case err != nil:
		return []Finding{doctor.Odd("run doctor again", "not all users could be looked at: %s", reason(err))}
	case len(ids) > 0:
		effect := "a login makes a second user of each"
		if c.cfg.Auth.elsewhere() {
			effect = "they get no link"
		}
		more := ""
		if !whole {
			more = ", and maybe more"
		}
		return []Finding{doctor.Odd("change their numbers to digits only at the core",
			"users with a plus in their number: %s%s; %s", strings.Join(ids, " "), more, effect)}
	case !whole:
		return []Finding{doctor.Well("no user with a plus in their number among the first million")}
	}
	return []Finding{doctor.Well("no user has a plus in their number")}
}

func (c *checkUp) fhir(ctx context.Context) []Finding {
	if c.cfg.FHIR.BaseURL == "" {
		return []Finding{doctor.Odd("set fhir.base_url", "fhir.base_url is not set: the work that sign-ins leave for it waits")}
	}
	server, err := fhir.New(fhirConfig(c.about(), nil))
	if err != nil {
		return []Finding{doctor.Broken("correct the fhir section", "%s", reason(err))}
	}
	defer server.Close()
	can, err := server.Capabilities(ctx)
	if err == nil {
		err = server.AskPatients(ctx)
	}
	if err != nil {
		return []Finding{doctor.Broken("do what the finding says; sign-ins go on, Patients wait", "%s", reason(err))}
	}
	name := can.Software
	if name == "" {
		name = "a server"
	}
	found := []Finding{doctor.Well("%s answers, FHIR %s", name, can.Version)}
	if !strings.HasPrefix(can.Version, "4.0") {
		found = append(found, doctor.Odd("use a FHIR R4 server", "it speaks FHIR %q, not 4.0", can.Version))
	}
	if !can.ConditionalCreate {
		found = append(found, doctor.Odd("switch it on at the server; until then run konsulin-bot fhir scan from time to time",
			"no conditional create of Patients (If-None-Exist): another program may make one at the same moment"))
	}
	if !can.Versioned {
		found = append(found, doctor.Broken("switch versioning on at the server",
			"no versions of Patients (If-Match): a change may undo somebody else's"))
	}
	return found
}

func (c *checkUp) webhook(ctx context.Context) []Finding {
	cfg := c.cfg.Contact
	switch {
	case !c.cfg.contacts():
		return []Finding{doctor.Well("another program makes the contacts")}
	case cfg.BaseURL == "":
		return []Finding{doctor.Odd("set contact.base_url, or contact.by to gateway",
			"contact.base_url is not set: the contacts of those who sign in wait")}
	}
	server, err := fhir.New(fhirConfig(c.about(), nil))
	if err != nil {
		return []Finding{doctor.Broken("correct the fhir section first", "%s", reason(err))}
	}
	defer server.Close()
	hook, err := contact.New(contactConfig(c.about(), server))
	if err != nil {
		return []Finding{doctor.Broken("correct the contact section", "%s", reason(err))}
	}
	status, err := hook.Look(ctx)
	if err != nil {
		return []Finding{doctor.Broken("start it, or correct contact.base_url; sign-ins go on, contacts wait", "%s", reason(err))}
	}
	return append(answered(status), proof(cfg)...)
}

// answered judges what the webhook says to somebody who only looks.
func answered(status int) []Finding {
	switch {
	case status >= 500:
		return []Finding{doctor.Broken("look at the gateway, and at what is behind it", "it answers with status %d", status)}
	case status == http.StatusNotFound:
		return []Finding{doctor.Odd("check contact.base_url; some gateways answer so to everything but the call itself",
			"it answers 404 Not Found")}
	case status >= 300 && status < 400:
		return []Finding{doctor.Odd("name the address that it leads to in contact.base_url", "it sends callers elsewhere (status %d)", status)}
	}
	return []Finding{doctor.Well("answers")}
}

// proof says whether the way to authenticate makes sense.
func proof(cfg ContactConfig) []Finding {
	if contact.Kind(cfg.Auth) == contact.APIKey {
		return []Finding{doctor.Odd("allow modify-profile for Superadmin there, or set contact.auth to none or jwt",
			"contact.auth is api_key: the gateway makes such a caller Superadmin, for whom its shipped policy has no rule")}
	}
	return []Finding{doctor.Well("contact.auth is %s", cfg.Auth)}
}

func (c *checkUp) public(ctx context.Context) []Finding {
	type place struct{ key, url, ours string }
	places := []place{{"auth.api_domain", c.cfg.Auth.APIDomain, "/livez"}}
	if c.cfg.Auth.elsewhere() {
		places = []place{{"auth.website_domain", c.cfg.Auth.WebsiteDomain, c.cfg.Auth.WebsiteBasePath + "/verify"}}
	}
	var found []Finding
	for _, p := range places {
		if doctor.Loopback(p.url) {
			found = append(found, doctor.Odd("set it to the public https address before people use it",
				"%s is this machine: only browsers on it can open links", p.key))
			continue
		}
		status, err := doctor.Status(ctx, c.http, strings.TrimRight(p.url, "/")+p.ours)
		found = append(found, reached(p.key, status, err, c.state.Holder != nil))
	}
	return found
}

// reached judges an answer from a public address. From here it may look different than from the phones of users.
func reached(key string, status int, err error, running bool) Finding {
	switch {
	case err != nil && doctor.Certificate(err):
		return doctor.Broken("renew or correct the certificate: browsers refuse it", "%s: %s", key, doctor.Why(err))
	case err != nil:
		return doctor.Odd("open it from a phone; if that fails too, check DNS, firewall and proxy", "%s: from here, %s", key, doctor.Why(err))
	case status >= 500 && !running:
		return doctor.Odd("start serve, then run doctor again", "%s: answers with status %d while no serve runs", key, status)
	case status >= 400:
		return doctor.Broken("have the proxy lead to http.listen", "%s: answers with status %d", key, status)
	}
	return doctor.Well("%s", fmt.Sprintf("%s can be reached", key))
}
