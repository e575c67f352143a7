package contact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// hook is the one path that is called, below the base URL.
const hook = "/api/v1/hook/synchronous/modify-profile"

const (
	defaultTimeout = 10 * time.Second
	saveTime       = 10 * time.Second // of our own storage
)

// Config is what a Service is made of.
type Config struct {
	BaseURL     string // of the Konsulin API, with or without trailing slash
	Auth        Auth
	Timeout     time.Duration // of one call; 0: 10 seconds
	DefaultName string        // when neither the Patient nor WhatsApp knows a name

	Profiles Profiles
	Names    Names
	Records  Records
	Pacer    Pacer

	HTTP *http.Client     // nil: one of its own
	Now  func() time.Time // nil: the clock
	Log  zerolog.Logger
}

// Service makes contacts. Its methods may be called from any goroutine; the caller lets one worker at a time work on a
// number.
type Service struct {
	c      Config
	target string
	host   string
	http   *http.Client
	auth   authorizer
}

// New checks the configuration. Nothing is called.
func New(c Config) (*Service, error) {
	base, err := baseURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("contact.base_url: %w", err)
	}
	if c.DefaultName = cleanName(c.DefaultName); c.DefaultName == "" {
		return nil, errors.New("contact.default_name: must not be empty; the webhook refuses a contact without a name")
	}
	if c.Profiles == nil || c.Names == nil || c.Records == nil || c.Pacer == nil {
		return nil, errors.New("contact: needs Profiles, Names, Records and Pacer")
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of the field that everything else asks
	}
	auth, err := newAuthorizer(c.Auth, c.Now)
	if err != nil {
		return nil, fmt.Errorf("contact.auth: %w", err)
	}
	return &Service{c: c, target: base.String() + hook, host: base.Host, http: client(c.HTTP), auth: auth}, nil
}

// Sync sees to it that the user has a contact and that the Patient learns its id. It is idempotent. It blocks while the
// shared budget is used up, then for one call.
func (s *Service) Sync(ctx context.Context, u User) error {
	if u.ID == "" || u.Number.IsZero() {
		return s.permanent(0, "there is no user id or no number to make a contact for")
	}
	profile, found, err := s.c.Profiles.Profile(ctx, u.ID)
	switch {
	case err != nil:
		return fmt.Errorf("read Patient: %w", err)
	case !found:
		return s.after(patientWait, 0, ErrNoPatient.Error(), ErrNoPatient)
	case profile.ChatwootID != "":
		return nil
	}
	known, found, err := s.c.Records.Contact(ctx, u.ID)
	switch {
	case err != nil:
		return fmt.Errorf("read record of contact: %w", err)
	case found && known.ChatwootID != "":
		return s.save(ctx, known) // the Patient does not have the id yet
	case found:
		return nil // a second call could only rename the contact
	}
	return s.create(ctx, u, profile)
}

func (s *Service) create(ctx context.Context, u User, profile Profile) error {
	name, err := s.name(ctx, u, profile)
	if err != nil {
		return err
	}
	if err := s.c.Pacer.Wait(ctx); err != nil {
		return fmt.Errorf("wait for a call to the omnichannel webhook: %w", err)
	}
	id, err := s.modifyProfile(ctx, u, name)
	if err != nil {
		return err
	}
	if err := s.save(ctx, Record{UserID: u.ID, Number: u.Number, ChatwootID: id, At: s.c.Now()}); err != nil {
		return err
	}
	s.c.Log.Info().Ctx(ctx).Bool("with_id", id != "").Msg("the omnichannel system has accepted a contact")
	return nil
}

// save finishes although the caller has left: what the server has accepted must not be asked for again.
func (s *Service) save(ctx context.Context, r Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if err := s.c.Records.SaveContact(ctx, r); err != nil {
		return fmt.Errorf("save record of contact: %w", err)
	}
	return nil
}

// idempotencyID is the same for every call that is about this user and number, whenever and by whichever process.
func idempotencyID(userID string, n phone.Number) string {
	sum := sha256.Sum256([]byte("konsulin contact v1\x00" + userID + "\x00" + n.Digits()))
	return "msg_" + hex.EncodeToString(sum[:16])
}

func baseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil {
		return nil, errors.New("cannot be read as a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("needs http or https and a host, such as https://api.example.org")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must hold no user, query or fragment")
	}
	return u, nil
}
