package bot

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/rs/zerolog"
)

// Config is all that a [Bot] needs. Nothing is filled in silently except where a field says so.
type Config struct {
	Line    Line
	Links   Links
	Inbox   Inbox
	Budgets Budgets
	Chats   Chats
	Bars    Bars
	Desk    Desk
	Wake    func()  // told after a job was added; must not block; nil: nobody is told
	Counter Counter // nil: nothing is counted
	// TieNewest ties the number's newest link to the login that a coalesced request names. It may be done twice. nil: nobody
	// waits for that.
	TieNewest func(ctx context.Context, n phone.Number, reference string) error
	// LinkSent is told how long after a request, by its user's clock, the link was sent; it must not block. nil: nobody
	// is told.
	LinkSent func(after time.Duration)

	Phrases []string // nil: DefaultPhrases
	// Reference lets a phrase be followed by the reference of the login that it is for, such as " #K7QM2X".
	Reference bool
	Limits    Limits
	Times     Times
	Language  Language
	Other     Other
	WayOut    string // http(s) URL for people whose number WhatsApp hides
	Admins    []Admin

	// IDKey keys the ids of our messages, at least 16 bytes. It must stay the same across restarts and be the same in
	// all processes of one line: see [ReplyID].
	IDKey []byte

	Now func() time.Time // nil: the system's clock
	Log zerolog.Logger   // sees outcomes and masked numbers, never text or links
}

// Rate allows Burst events at once and one more after each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// Limits are the budgets of what the bot sends, kept across restarts.
type Limits struct {
	Number     Rate // links of one number
	NumberDay  Rate // the same over a day
	NewNumbers Rate // links for all numbers together that never had one
	Global     Rate // everything that the bot sends

	// Notices is everything that is not a link, on top of Global. Zero: half of Global, so that a flood of requests
	// that only earn notices leaves the other half to links.
	Notices Rate
}

// Times are the bot's delays.
type Times struct {
	StaleAfter  time.Duration // a request older than this gets no link; keep it below the lifetime of a link
	SilentAfter time.Duration // anything older than this gets no word at all
	Skew        time.Duration // a request from further in the future counts as stale; zero: 30 s
	Coalesce    time.Duration // a request sent within this after an answered one gets no link of its own; zero: each does
	HumanQuiet  time.Duration // the bot answers no other text for so long after a human wrote in the chat; zero: always does
	Core        time.Duration // longest wait for a link; zero: 20 s
	Send        time.Duration // longest wait for the line; zero: 20 s
}

// DefaultTimes are the times of the shipped configuration.
func DefaultTimes() Times {
	return Times{
		StaleAfter: 2 * time.Minute, SilentAfter: 6 * time.Hour, Skew: 30 * time.Second, Coalesce: 20 * time.Second,
		HumanQuiet: 24 * time.Hour, Core: 20 * time.Second, Send: 20 * time.Second,
	}
}

// DefaultLimits are the limits of the shipped configuration.
func DefaultLimits() Limits {
	return Limits{
		Number:     Rate{Burst: 5, Every: 3 * time.Minute},
		NumberDay:  Rate{Burst: 20, Every: 72 * time.Minute},
		NewNumbers: Rate{Burst: 60, Every: 2 * time.Second},
		Global:     Rate{Burst: 120, Every: 500 * time.Millisecond},
	}
}

// Language says who reads what.
type Language struct {
	Default   string            // where ByCountry names none
	ByCountry map[string]string // calling code without plus → language
	Hidden    string            // for people whose number is unknown; empty: Default
	Dir       string            // <language>.yaml files, laid over the built-in ones; a new name is a new language
}

// The policies for text that is neither a login request nor a command.
const (
	OtherIgnore = "ignore" // nothing is answered, nothing is stored
	OtherReply  = "reply"  // one short reply a day that names a human and an emergency line
)

// Other is what happens with other text. Human and Emergency are required for OtherReply. They are one line each and
// arrive as they are written here, but for spaces around them: a changed character would make a dead link of a URL.
type Other struct {
	Policy    string
	Human     string // how to reach a person, such as a number, an address or a URL
	Emergency string // an emergency line, such as "119 ext. 8"
}

// Admin is a number that may use slash-commands.
type Admin struct {
	Number phone.Number
	Level  Level
}

// Counter is told what happened, for metrics. event is "login", "command", "other" or "stranger"; reason is one of the
// outcomes in outcome.go. Both are from small fixed sets. It must not block.
type Counter interface {
	Count(event, reason string)
}

type noCounter struct{}

func (noCounter) Count(string, string) {}

// minKey is the shortest IDKey.
const minKey = 16

// complete checks cfg and fills in what it promises to.
func (cfg Config) complete() (Config, error) {
	switch {
	case cfg.Line == nil || cfg.Links == nil || cfg.Inbox == nil || cfg.Budgets == nil || cfg.Chats == nil || cfg.Bars == nil:
		return cfg, errors.New("the line, links, inbox, budgets, chats and bars are all needed")
	case !cfg.Desk.complete():
		return cfg, errors.New("the whole desk is needed")
	case len(cfg.IDKey) < minKey:
		return cfg, fmt.Errorf("the key of message ids needs at least %d bytes", minKey)
	}
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	if cfg.Counter == nil {
		cfg.Counter = noCounter{}
	}
	if cfg.LinkSent == nil {
		cfg.LinkSent = func(time.Duration) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one place where the clock comes from
	}
	if cfg.Phrases == nil {
		cfg.Phrases = DefaultPhrases()
	}
	cfg.Other.Human, cfg.Other.Emergency = strings.TrimSpace(cfg.Other.Human), strings.TrimSpace(cfg.Other.Emergency)
	if cfg.Language.Hidden == "" {
		cfg.Language.Hidden = cfg.Language.Default
	}
	if cfg.Limits.Notices == (Rate{}) {
		g := cfg.Limits.Global
		cfg.Limits.Notices = Rate{Burst: max(1, g.Burst/2), Every: 2 * g.Every}
	}
	t := &cfg.Times
	for _, d := range []struct {
		field  *time.Duration
		preset time.Duration
	}{{&t.Skew, DefaultTimes().Skew}, {&t.Core, DefaultTimes().Core}, {&t.Send, DefaultTimes().Send}} {
		if *d.field == 0 {
			*d.field = d.preset
		}
	}
	return cfg, errors.Join(cfg.Limits.check(), cfg.Times.check(), cfg.Other.check(), checkWayOut(cfg.WayOut))
}

func (l Limits) check() error {
	for _, r := range []struct {
		name string
		rate Rate
	}{
		{"number", l.Number}, {"number and day", l.NumberDay}, {"new numbers", l.NewNumbers}, {"global", l.Global},
		{"notices", l.Notices},
	} {
		if r.rate.Burst < 1 || r.rate.Every <= 0 {
			return fmt.Errorf("limit %s: burst must be at least 1 and every more than 0", r.name)
		}
	}
	return nil
}

func (t Times) check() error {
	if t.StaleAfter <= 0 || t.SilentAfter < t.StaleAfter {
		return errors.New("times: stale after must be more than 0 and silent after not less than it")
	}
	if t.Skew < 0 || t.Coalesce < 0 || t.HumanQuiet < 0 || t.Core < 0 || t.Send < 0 {
		return errors.New("times: none may be negative")
	}
	return nil
}

func (o Other) check() error {
	switch o.Policy {
	case OtherIgnore:
		return nil
	case OtherReply:
		if o.Human == "" || o.Emergency == "" {
			return errors.New("other text: the policy reply needs a human contact and an emergency line")
		}
		if !IsOneLine(o.Human) || !IsOneLine(o.Emergency) {
			return errors.New("other text: the human contact and the emergency line must be one line each, without control characters or invisible ones")
		}
		return nil
	default:
		return fmt.Errorf("other text: the policy must be %s or %s", OtherIgnore, OtherReply)
	}
}

func checkWayOut(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || !isURLText(s) {
		return errors.New("way out: must be an http or https URL")
	}
	return nil
}
