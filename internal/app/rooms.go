package app

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/alive"
	"github.com/konsulin-care/konsulin-bot/internal/metrics"
	"github.com/konsulin-care/konsulin-bot/web"
)

// validateRooms asks the rooms whether they can work with cfg, without opening anything.
func validateRooms(cfg Config) error {
	for _, room := range []struct {
		ask  func(a *App) error
		keys []string // that it may refuse
	}{
		{askBot, []string{
			"replies.dir", "replies.language", "replies.by_country", "replies.hidden", "replies.way_out", "login.phrases",
			"admins.viewer", "admins.support", "admins.owner",
		}},
		{askWeb, []string{"web.support_url", "web.home_url", "whatsapp.chat_url"}},
		{askFHIR, []string{"fhir.base_url", "fhir.user", "fhir.api_key_header"}},
		{askContact, nil}, // names its keys itself
	} {
		ask := func(cfg Config) error {
			return room.ask(&App{
				cfg: cfg, opt: Options{Now: time.Now}, keys: keys{replies: make([]byte, 32)}, watch: newLineWatch(time.Now), //nolint:forbidigo // never asked
				metrics: metrics.New(metrics.Config{}), vitals: &vitals{watch: alive.NewWatch(time.Now)}, //nolint:forbidigo // never asked
			})
		}
		if err := ask(cfg); err != nil {
			return blame(cfg, err, ask, room.keys)
		}
	}
	return nil
}

func askBot(a *App) error {
	_, err := replyRoom(a, nil, nil)
	return err
}

func askWeb(a *App) error {
	_, err := web.New(webConfig(a))
	return err
}

func askFHIR(a *App) error {
	if a.cfg.FHIR.BaseURL == "" {
		return nil
	}
	_, err := fhir.New(fhirConfig(a, nil))
	return err
}

func askContact(a *App) error {
	if a.cfg.FHIR.BaseURL == "" || a.cfg.Contact.BaseURL == "" {
		return nil
	}
	server, err := fhir.New(fhirConfig(a, nil))
	if err != nil {
		return err
	}
	_, err = contact.New(contactConfig(a, server))
	return err
}

// blame puts the key before a room's error that is its reason: the first one with whose default the room says something
// else.
func blame(cfg Config, err error, ask func(Config) error, keys []string) error {
	for _, key := range keys {
		other := cfg
		reset(reflect.ValueOf(&other).Elem(), reflect.ValueOf(Default()), key)
		if now := ask(other); now == nil || now.Error() != err.Error() {
			return fmt.Errorf("%s: %w (environment: %s)", key, err, envName(key))
		}
	}
	return err
}

// reset gives the field of a key the value that it has in another Config.
func reset(to, from reflect.Value, key string) {
	section, rest, nested := strings.Cut(key, ".")
	for i := range to.NumField() {
		if to.Type().Field(i).Tag.Get("yaml") != section {
			continue
		}
		if nested {
			reset(to.Field(i), from.Field(i), rest)
			return
		}
		to.Field(i).Set(from.Field(i))
		return
	}
	panic("no such key: " + key)
}
