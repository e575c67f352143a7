package fhir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// The systems of the identifiers that we read and write.
const (
	systemUserID   = "https://login.konsulin.care/userid"
	systemWhatsApp = "https://login.konsulin.care/whatsapp" // of the number; digits only
	systemChatwoot = "https://login.konsulin.care/chatwoot-id"
	systemGuest    = "https://login.konsulin.care/guestid"
)

// ErrNoPatient says that no live resource carries the user's id (yet).
var ErrNoPatient = errors.New("the user has no resource on the FHIR server yet")

// Spelling is how a number is written into telecom.
type Spelling string

// The spellings.
const (
	Digits Spelling = "digits" // 6281234567890
	E164   Spelling = "e164"   // +6281234567890
)

// Config is what a Service is made of.
type Config struct {
	BaseURL string        // with or without trailing slash
	Timeout time.Duration // of one HTTP call; zero: 10 s

	// Credentials, at most one kind; empty: the server asks for none.
	Bearer       string
	User         string
	Password     string
	APIKeyHeader string
	APIKey       string

	Telecom  Spelling      // how the number is written, once, when a resource is created; empty: Digits
	Cooldown time.Duration // how long the circuit breaker stays open; zero: 15 s
	HTTP     *http.Client  // nil: one of our own. Redirects are never followed.

	// Sync needs Cases and Roles, ClaimGuest needs Roles and Audit. The others do without.
	Cases Cases
	Roles Roles
	Audit Audit

	Now func() time.Time // nil: the clock
	Log zerolog.Logger   // duplicates by reference, circuit breaker
}

// Service is the whole room. Its methods may be called from any goroutine, but only one Sync or ClaimGuest at a time
// may work on a number.
type Service struct {
	cfg Config
	log zerolog.Logger
	api *client
}

// User is whom a call is about.
type User struct {
	ID     string // at SuperTokens
	Number phone.Number
}

// Linked is what Sync came to.
type Linked struct {
	Refs    []string // "Patient/1", in the order Patient, Practitioner, Person
	Created bool     // at least one of them
	Changed bool     // something was written
}

// New checks the configuration. It makes no call.
func New(cfg Config) (*Service, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Cooldown <= 0 {
		cfg.Cooldown = 15 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the default of the Now field itself
	}
	switch cfg.Telecom {
	case "":
		cfg.Telecom = Digits
	case Digits, E164:
	default:
		return nil, fmt.Errorf("fhir: telecom is %q or %q", Digits, E164)
	}
	api, err := newClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("fhir: %w", err)
	}
	return &Service{cfg: cfg, log: cfg.Log, api: api}, nil
}

// Ping reads the CapabilityStatement: the server is there, speaks FHIR and takes our credentials.
func (s *Service) Ping(ctx context.Context) error {
	_, err := s.Capabilities(ctx)
	return err
}

// Close gives back idle connections. Calls that are on their way end by themselves.
func (s *Service) Close() { s.api.http.CloseIdleConnections() }

func (s *Service) checkUser(op string, u User) error {
	if u.ID == "" || u.Number.IsZero() {
		return s.api.permanent(op, "a user needs an id and a number")
	}
	return nil
}
